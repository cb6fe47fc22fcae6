//! Errors of the elementary functions in single precision, on a sample of all arguments. The
//! example `accuracy` can go through all of them and makes the table in `docs/accuracy.md`.

use super::{available, floats, run_floats};
use mlx_oxide_ir::{Op, Unary};

/// The error in units in the last place of the exact value.
fn error(found: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if nearest.is_nan() || nearest.is_infinite() || found.is_nan() {
        let same = nearest.to_bits() == found.to_bits() || (nearest.is_nan() && found.is_nan());
        return if same { 0.0 } else { f64::INFINITY };
    }
    let magnitude = nearest.abs().max(f32::MIN_POSITIVE);
    let exponent = (magnitude.to_bits() >> 23) as i32 - 127 - 23;
    ((f64::from(found) - exact) / 2f64.powi(exponent)).abs()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Sines, cosines and logarithms of base two and ten are computed in single precision: a third of
/// the time of double precision, for up to a unit more.
#[test]
fn functions_keep_the_bounds_of_the_table() {
    let table: [(Unary, fn(f64) -> f64, f64); 21] = [
        (Unary::Exp, f64::exp, 1.1),
        (Unary::Expm1, f64::exp_m1, 1.5),
        (Unary::Log, f64::ln, 1.0),
        (Unary::Log2, f64::log2, 1.8),
        (Unary::Log10, f64::log10, 1.0),
        (Unary::Log1p, f64::ln_1p, 1.5),
        (Unary::Sqrt, f64::sqrt, 0.501),
        (Unary::Rsqrt, |x| 1.0 / x.sqrt(), 1.5),
        (Unary::Sin, f64::sin, 1.3),
        (Unary::Cos, f64::cos, 1.3),
        (Unary::Tan, f64::tan, 0.6),
        (Unary::Arcsin, f64::asin, 0.6),
        (Unary::Arccos, f64::acos, 0.6),
        (Unary::Arctan, f64::atan, 0.6),
        (Unary::Sinh, f64::sinh, 0.6),
        (Unary::Cosh, f64::cosh, 0.6),
        (Unary::Tanh, f64::tanh, 2.0),
        (Unary::Arcsinh, f64::asinh, 0.6),
        (Unary::Arctanh, f64::atanh, 0.6),
        (Unary::Sigmoid, sigmoid, 1.7),
        (Unary::Erf, libm::erf, 1.8),
    ];
    let arguments: Vec<f32> = (0..u32::MAX).step_by(16_411).map(f32::from_bits).collect();
    for (op, function, bound) in table {
        let isa = available().last().unwrap();
        let found = run_floats(&Op::Unary(op), &[floats(&arguments)], isa);
        for (x, found) in arguments.iter().zip(found) {
            let exact = function(f64::from(*x));
            let error = error(found, exact);
            assert!(
                error <= bound,
                "{op:?}({x:e}) = {found:e}, {error} units off"
            );
        }
    }
}

#[test]
fn powers_of_two_and_ten_have_exact_logarithms() {
    let check = |op: Unary, base: f64, exponents: std::ops::Range<i32>| {
        let powers: Vec<f32> = exponents.clone().map(|it| base.powi(it) as f32).collect();
        for isa in available() {
            let found = run_floats(&Op::Unary(op), &[floats(&powers)], isa);
            let expected: Vec<f32> = exponents.clone().map(|it| it as f32).collect();
            assert_eq!(found, expected, "{op:?} {isa:?}");
        }
    };
    check(Unary::Log2, 2.0, -149..128);
    check(Unary::Log10, 10.0, -36..39);
}

#[test]
fn functions_that_end_at_one_reach_it() {
    let far = floats(&[f32::INFINITY, f32::MAX, 17.5, f32::NEG_INFINITY]);
    for isa in available() {
        for (op, least) in [
            (Unary::Erf, -1.0),
            (Unary::Tanh, -1.0),
            (Unary::Sigmoid, 0.0),
        ] {
            let found = run_floats(&Op::Unary(op), std::slice::from_ref(&far), isa);
            assert_eq!(found, [1.0, 1.0, 1.0, least], "{op:?} {isa:?}");
        }
    }
}

/// Neither the length nor the place in a vector matters to an element.
#[test]
fn lanes_at_the_end_are_like_any_others() {
    let arguments: Vec<f32> = (0..600).map(|i| (i as f32 - 290.0) * 0.0371).collect();
    for isa in available() {
        for &op in Unary::ALL
            .iter()
            .filter(|it| it.domain().contains(mlx_oxide_ir::Dtype::Float32))
        {
            let whole = run_floats(&Op::Unary(op), &[floats(&arguments)], isa);
            for start in [0, 1, 257] {
                for count in 0..67 {
                    let part = floats(&arguments[start..start + count]);
                    let found = run_floats(&Op::Unary(op), &[part], isa);
                    for (found, expected) in found.iter().zip(&whole[start..]) {
                        assert_eq!(
                            found.to_bits(),
                            expected.to_bits(),
                            "{op:?} {isa:?} {count}"
                        );
                    }
                }
            }
        }
    }
}
