//! Values against formulas written down here.

use super::{available, floats, operand, run, run_floats};
use mlx_oxide_ir::{Binary, Dtype, Op, Unary};

fn unary(op: Unary, values: &[f32]) -> Vec<f32> {
    let results: Vec<Vec<f32>> = available()
        .map(|isa| run_floats(&Op::Unary(op), &[floats(values)], isa))
        .collect();
    for other in &results[1..] {
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(other), bits(&results[0]), "{op:?}");
    }
    results[0].clone()
}

fn binary(op: Binary, lhs: &[f32], rhs: &[f32]) -> Vec<f32> {
    run_floats(
        &Op::Binary(op),
        &[floats(lhs), floats(rhs)],
        available().last().unwrap(),
    )
}

const INF: f32 = f32::INFINITY;

#[test]
#[allow(clippy::approx_constant, clippy::excessive_precision)] // values of functions
fn edges_of_the_domain_follow_ieee() {
    let nan = f32::NAN;
    let edges = [nan, INF, -INF, 0.0, -0.0, 1.0, -1.0, 2.0];
    let table: [(Unary, [f32; 8]); 14] = [
        (
            Unary::Exp,
            [
                nan,
                INF,
                0.0,
                1.0,
                1.0,
                2.718_281_8,
                0.367_879_45,
                7.389_056,
            ],
        ),
        (
            Unary::Expm1,
            [
                nan,
                INF,
                -1.0,
                0.0,
                -0.0,
                1.718_281_8,
                -0.632_120_55,
                6.389_056,
            ],
        ),
        (
            Unary::Log,
            [nan, INF, nan, -INF, -INF, 0.0, nan, 0.693_147_2],
        ),
        (Unary::Log2, [nan, INF, nan, -INF, -INF, 0.0, nan, 1.0]),
        (
            Unary::Log1p,
            [nan, INF, nan, 0.0, -0.0, 0.693_147_2, -INF, 1.098_612_3],
        ),
        (
            Unary::Sqrt,
            [nan, INF, nan, 0.0, -0.0, 1.0, nan, 1.414_213_5],
        ),
        (
            Unary::Rsqrt,
            [nan, 0.0, nan, INF, -INF, 1.0, nan, 0.707_106_77],
        ),
        (
            Unary::Sin,
            [nan, nan, nan, 0.0, -0.0, 0.841_471, -0.841_471, 0.909_297_4],
        ),
        (
            Unary::Tanh,
            [
                nan,
                1.0,
                -1.0,
                0.0,
                -0.0,
                0.761_594_2,
                -0.761_594_2,
                0.964_027_6,
            ],
        ),
        (
            Unary::Erf,
            [
                nan,
                1.0,
                -1.0,
                0.0,
                -0.0,
                0.842_700_8,
                -0.842_700_8,
                0.995_322_24,
            ],
        ),
        (Unary::Erfinv, [nan, nan, nan, 0.0, -0.0, INF, -INF, nan]),
        (
            Unary::Sigmoid,
            [
                nan,
                1.0,
                0.0,
                0.5,
                0.5,
                0.731_058_6,
                0.268_941_43,
                0.880_797_1,
            ],
        ),
        (Unary::Arctanh, [nan, nan, nan, 0.0, -0.0, INF, -INF, nan]),
        (
            Unary::Arccosh,
            [nan, INF, nan, nan, nan, 0.0, nan, 1.316_957_9],
        ),
    ];
    for (op, expected) in table {
        for (found, expected) in unary(op, &edges).into_iter().zip(expected) {
            let near = (found - expected).abs() <= 1.2e-7 * expected.abs();
            let equal =
                found == expected && found.is_sign_negative() == expected.is_sign_negative();
            assert!(
                equal || (found.is_nan() && expected.is_nan()) || (near && expected != 0.0),
                "{op:?}: {found} instead of {expected}"
            );
        }
    }
}

#[test]
fn great_angles_are_reduced_with_all_digits() {
    let angles = [1e6, 1.5e6, 1e10, 1e22, 3e38, -1e15];
    for (op, exact) in [
        (Unary::Sin, f64::sin as fn(f64) -> f64),
        (Unary::Cos, f64::cos),
        (Unary::Tan, f64::tan),
    ] {
        for (&x, found) in angles.iter().zip(unary(op, &angles)) {
            let expected = exact(f64::from(x)) as f32;
            assert!(
                (found - expected).abs() <= 1e-7 * expected.abs(),
                "{op:?} {x}: {found} {expected}"
            );
        }
    }
}

#[test]
fn powers_follow_the_c_standard() {
    let nan = f32::NAN;
    let table = [
        (2.0, 10.0, 1024.0),
        (-2.0, 3.0, -8.0),
        (-2.0, 0.5, nan),
        (0.0, 0.0, 1.0),
        (nan, 0.0, 1.0),
        (1.0, nan, 1.0),
        (0.0, -1.0, INF),
        (-0.0, -1.0, -INF),
        (-0.0, 3.0, -0.0),
        (-0.0, 2.0, 0.0),
        (-1.0, INF, 1.0),
        (0.5, INF, 0.0),
        (2.0, -INF, 0.0),
        (-INF, 3.0, -INF),
        (-INF, 0.5, INF),
        (INF, -1.0, 0.0),
        (-8.0, 2.0, 64.0),
        (nan, 1.0, nan),
        (1e-40, 2.0, 0.0),
        (10.0, 39.0, INF),
    ];
    let lhs: Vec<f32> = table.iter().map(|row| row.0).collect();
    let rhs: Vec<f32> = table.iter().map(|row| row.1).collect();
    for (found, (a, b, expected)) in binary(Binary::Power, &lhs, &rhs).into_iter().zip(table) {
        assert!(
            found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()),
            "{a}^{b}: {found} instead of {expected}"
        );
    }
}

#[test]
fn remainders_have_the_sign_of_the_divisor() {
    let lhs = [7.0, -7.0, 7.0, -7.0, 5.0, -3.0, 1.0, 1e30, -0.0, 3e38, INF];
    let rhs = [3.0, 3.0, -3.0, -3.0, 0.0, INF, -INF, 7.0, 3.0, 1e-30, 2.0];
    let found = binary(Binary::Remainder, &lhs, &rhs);
    let exact = |a: f64, b: f64| {
        let rest = a % b;
        if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
            rest + b
        } else {
            rest
        }
    };
    for ((found, a), b) in found.into_iter().zip(lhs).zip(rhs) {
        let expected = exact(a.into(), b.into()) as f32;
        assert!(
            found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()),
            "{a} % {b}: {found}"
        );
    }
}

#[test]
fn extremes_propagate_nan_from_either_side() {
    for op in [Binary::Maximum, Binary::Minimum] {
        let found = binary(op, &[f32::NAN, 1.0, 2.0], &[1.0, f32::NAN, 3.0]);
        assert!(found[0].is_nan() && found[1].is_nan());
        assert_eq!(found[2], if op == Binary::Maximum { 3.0 } else { 2.0 });
    }
}

#[test]
fn integer_division_floors_and_never_traps() {
    let a = [7i32, -7, 7, -7, 5, i32::MIN];
    let b = [3i32, 3, -3, -3, 0, -1];
    let inputs = || [a, b].map(|values| operand(bytemuck::cast_slice(&values), &[6], Dtype::Int32));
    for isa in available() {
        let integers = |op| {
            bytemuck::allocation::pod_collect_to_vec::<u8, i32>(
                &run(&Op::Binary(op), &inputs(), isa)[0],
            )
        };
        assert_eq!(integers(Binary::FloorDivide), [2, -3, -3, 2, 0, i32::MIN]);
        assert_eq!(integers(Binary::Remainder), [1, 2, -2, -1, 0, 0]);
    }
}

#[test]
fn shifts_and_powers_of_integers_are_defined_everywhere() {
    let a = [1i8, 1, 1, -5, -5, 3];
    let b = [7i8, 8, -1, 100, 1, 5];
    let inputs = || [a, b].map(|values| operand(bytemuck::cast_slice(&values), &[6], Dtype::Int8));
    for isa in available() {
        let integers = |op| {
            bytemuck::allocation::pod_collect_to_vec::<u8, i8>(
                &run(&Op::Binary(op), &inputs(), isa)[0],
            )
        };
        assert_eq!(integers(Binary::LeftShift), [-128, 0, 0, 0, -10, 96]);
        assert_eq!(integers(Binary::RightShift), [0, 0, 0, -1, -3, 0]);
        assert_eq!(
            integers(Binary::Power)[2..],
            [0, integers(Binary::Power)[3], -5, -13]
        );
    }
}

#[test]
fn casts_to_integers_truncate_then_wrap() {
    let source = floats(&[-1.5, -1.0, 300.7, f32::NAN, 1e19, INF]);
    for isa in available() {
        let cast = |dtype| run(&Op::Cast(dtype), std::slice::from_ref(&source), isa).remove(0);
        assert_eq!(cast(Dtype::Uint8), [255, 255, 44, 0, 255, 255]);
        let wide: Vec<u64> = bytemuck::allocation::pod_collect_to_vec(&cast(Dtype::Uint64));
        assert_eq!(wide[..2], [u64::MAX, u64::MAX]);
        assert_eq!(wide[2..5], [300, 0, 9_999_999_980_506_447_872]);
        assert_eq!(cast(Dtype::Bool), [1, 1, 1, 1, 1, 1]);
    }
}

#[test]
fn casts_from_single_precision_go_by_sixty_four_bits() {
    let edges = [
        -0.5f32,
        127.9,
        -128.9,
        65535.5,
        2147483520.0,
        2147483648.0,
        4294967296.0,
    ];
    let more = [f32::NAN, INF, -INF, 1e10, -1e10, 1e-40, 9.3e18, -9.3e18];
    let signed = edges.into_iter().flat_map(|x| [x, -x]);
    let values: Vec<f32> = signed.chain(more).cycle().take(100).collect();
    for isa in available() {
        for count in (0..40).chain([100]) {
            let source = floats(&values[..count]);
            let cast = |dtype| run(&Op::Cast(dtype), std::slice::from_ref(&source), isa).remove(0);
            let wide = || values[..count].iter().map(|x| *x as i64);
            let bytes: Vec<u8> = wide().map(|x| x as u8).collect();
            assert_eq!(cast(Dtype::Int8), bytes, "{isa:?} {count}");
            let shorts: Vec<u8> = wide().flat_map(|x| (x as u16).to_le_bytes()).collect();
            assert_eq!(cast(Dtype::Int16), shorts, "{isa:?} {count}");
            let words: Vec<u8> = wide().flat_map(|x| (x as u32).to_le_bytes()).collect();
            assert_eq!(cast(Dtype::Int32), words, "{isa:?} {count}");
            assert_eq!(cast(Dtype::Uint32), words, "{isa:?} {count}");
        }
    }
}

#[test]
fn every_bfloat16_becomes_the_integer_that_its_value_does() {
    let halves: Vec<u16> = (0..=u16::MAX).collect();
    let values: Vec<f32> = halves
        .iter()
        .map(|bits| half::bf16::from_bits(*bits).to_f32())
        .collect();
    let bytes = bytemuck::cast_slice(&halves);
    let sources = [
        operand(bytes, &[halves.len()], Dtype::Bfloat16),
        floats(&values),
    ];
    use Dtype::{Int8, Int16, Int32, Uint8, Uint16, Uint32};
    for isa in available() {
        for dtype in [Int8, Int16, Int32, Uint8, Uint16, Uint32] {
            let [found, expected] = sources
                .each_ref()
                .map(|source| run(&Op::Cast(dtype), std::slice::from_ref(source), isa));
            assert!(found == expected, "{dtype:?} {isa:?}");
        }
    }
}

#[test]
fn powers_to_complex_numbers_err_by_a_unit_in_the_last_place() {
    let reals = [
        0.0f32,
        -0.0,
        1.0,
        -3.7,
        88.5,
        100.0,
        -104.0,
        800.0,
        -800.0,
        INF,
        -INF,
        f32::NAN,
    ];
    let angles = [
        0.0f32,
        -0.0,
        1.0,
        -2.5,
        std::f32::consts::PI,
        1e-20,
        9e5,
        2e6,
        1e30,
        INF,
        -INF,
        f32::NAN,
    ];
    let pairs: Vec<[f32; 2]> = reals
        .iter()
        .flat_map(|re| angles.map(|im| [*re, im]))
        .collect();
    let expected = pairs.iter().flat_map(|&[re, im]| {
        let (modulus, angle) = (f64::from(re).exp(), f64::from(im));
        if im == 0.0 {
            [modulus as f32, im]
        } else if modulus == 0.0 && !im.is_finite() {
            [0.0; 2]
        } else {
            [
                (modulus * angle.cos()) as f32,
                (modulus * angle.sin()) as f32,
            ]
        }
    });
    let expected: Vec<f32> = expected.collect();
    let bytes = bytemuck::cast_slice(&pairs);
    let source = operand(bytes, &[pairs.len()], Dtype::Complex64);
    for isa in available() {
        let found = run(&Op::Unary(Unary::Exp), std::slice::from_ref(&source), isa);
        let found: Vec<f32> = bytemuck::allocation::pod_collect_to_vec(&found[0]);
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let near = (found - expected).abs() <= expected.abs() * f32::EPSILON;
            let alike =
                found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
            assert!(
                alike || (near && *expected != 0.0),
                "{found:e} instead of {expected:e} of {:?} {isa:?}",
                pairs[place / 2]
            );
        }
    }
}

#[test]
fn sixteen_bit_arithmetic_rounds_once() {
    let values: Vec<half::bf16> = (0..1000)
        .map(|i| half::bf16::from_f32(i as f32 * 0.37 - 50.0))
        .collect();
    let other: Vec<half::bf16> = values.iter().rev().copied().collect();
    let inputs =
        [&values, &other].map(|v| operand(bytemuck::cast_slice(v), &[v.len()], Dtype::Bfloat16));
    for isa in available() {
        let found: Vec<half::bf16> = bytemuck::allocation::pod_collect_to_vec(
            &run(&Op::Binary(Binary::Multiply), &inputs, isa)[0],
        );
        for ((found, a), b) in found.iter().zip(&values).zip(&other) {
            assert_eq!(*found, half::bf16::from_f32(a.to_f32() * b.to_f32()));
        }
    }
}
