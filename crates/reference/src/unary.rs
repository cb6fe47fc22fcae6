//! What every unary operation computes of one element.

use crate::complex;
use crate::special::erfinv;
use crate::value::Value;
use mlx_oxide_ir::{Dtype, Unary};
use num_complex::Complex64;
use std::f64::consts::{LN_2, LN_10};

/// The result for one element of `dtype`, not yet rounded to the result's dtype.
pub(crate) fn apply(op: Unary, operand: Value, dtype: Dtype) -> Value {
    match operand {
        Value::Integer(value) => of_integer(op, value, dtype),
        Value::Real(value) if op == Unary::Erfinv && dtype != Dtype::Float64 => {
            Value::Real(f64::from(mlx_oxide_ir::erfinv::erfinv(value as f32)))
        }
        Value::Real(value) => Value::Real(of_real(op, value)),
        Value::Complex(value) => of_complex(op, value),
    }
}

/// Of a bool or an integer; the caller wraps the result to the dtype.
fn of_integer(op: Unary, x: i128, dtype: Dtype) -> Value {
    Value::Integer(match op {
        Unary::Abs => x.abs(),
        Unary::Negative => -x,
        Unary::Sign => x.signum(),
        Unary::Square => x.wrapping_mul(x),
        Unary::LogicalNot => i128::from(x == 0),
        Unary::BitwiseInvert if dtype == Dtype::Bool => 1 - x,
        Unary::BitwiseInvert => !x,
        Unary::Imag => 0,
        Unary::Ceil | Unary::Floor | Unary::RoundEven | Unary::Conjugate | Unary::Real => x,
        Unary::Exp
        | Unary::Expm1
        | Unary::Log
        | Unary::Log2
        | Unary::Log10
        | Unary::Log1p
        | Unary::Sqrt
        | Unary::Rsqrt
        | Unary::Sin
        | Unary::Cos
        | Unary::Tan
        | Unary::Arcsin
        | Unary::Arccos
        | Unary::Arctan
        | Unary::Sinh
        | Unary::Cosh
        | Unary::Tanh
        | Unary::Arcsinh
        | Unary::Arccosh
        | Unary::Arctanh
        | Unary::Sigmoid
        | Unary::Erf
        | Unary::Erfinv => return Value::Real(of_real(op, x as f64)), // outside the domain
    })
}

fn of_real(op: Unary, x: f64) -> f64 {
    match op {
        Unary::Abs => x.abs(),
        Unary::Negative => -x,
        Unary::Sign if x.is_nan() => x,
        Unary::Sign => f64::from(x > 0.0) - f64::from(x < 0.0),
        Unary::Square => x * x,
        Unary::Exp => x.exp(),
        Unary::Expm1 => libm::expm1(x),
        Unary::Log => x.ln(),
        Unary::Log2 => x.log2(),
        Unary::Log10 => x.log10(),
        Unary::Log1p => libm::log1p(x),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => 1.0 / x.sqrt(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tan => x.tan(),
        Unary::Arcsin => x.asin(),
        Unary::Arccos => x.acos(),
        Unary::Arctan => x.atan(),
        Unary::Sinh => x.sinh(),
        Unary::Cosh => x.cosh(),
        Unary::Tanh => x.tanh(),
        Unary::Arcsinh => libm::asinh(x),
        Unary::Arccosh if x < 1.0 => f64::NAN, // the library gives numbers far below
        Unary::Arccosh => libm::acosh(x),
        Unary::Arctanh => libm::atanh(x),
        Unary::Sigmoid => sigmoid(x),
        Unary::Erf => libm::erf(x),
        Unary::Erfinv => erfinv(x),
        Unary::Ceil => x.ceil(),
        Unary::Floor => x.floor(),
        Unary::RoundEven => x.round_ties_even(),
        Unary::Conjugate | Unary::Real => x,
        Unary::Imag => 0.0,
        Unary::LogicalNot => f64::from(x == 0.0), // outside the domain, as is the next
        Unary::BitwiseInvert => f64::NAN,
    }
}

fn of_complex(op: Unary, z: Complex64) -> Value {
    let one = Complex64::new(1.0, 0.0);
    Value::Complex(match op {
        Unary::Abs => return Value::Real(z.re.hypot(z.im)),
        Unary::Real => return Value::Real(z.re),
        Unary::Imag => return Value::Real(z.im),
        Unary::Negative => -z,
        Unary::Sign if z.re == 0.0 && z.im == 0.0 => Complex64::new(0.0, 0.0),
        Unary::Sign => z / z.re.hypot(z.im),
        Unary::Square => z * z,
        Unary::Exp => complex::exp(z),
        Unary::Log => complex::log(z),
        Unary::Log2 => complex::log(z) / LN_2,
        Unary::Log10 => complex::log(z) / LN_10,
        Unary::Log1p => complex::log1p(z),
        Unary::Sqrt => complex::sqrt(z),
        Unary::Rsqrt => complex::divide(one, complex::sqrt(z)),
        Unary::Sin => complex::sin(z),
        Unary::Cos => complex::cosh(complex::times_i(z)),
        Unary::Tan => complex::tan(z),
        Unary::Arcsin => complex::asin(z),
        Unary::Arccos => complex::acos(z),
        Unary::Arctan => complex::atan(z),
        Unary::Sinh => complex::sinh(z),
        Unary::Cosh => complex::cosh(z),
        Unary::Tanh => complex::tanh(z),
        Unary::Arcsinh => complex::asinh(z),
        Unary::Arccosh => complex::acosh(z),
        Unary::Arctanh => complex::atanh(z),
        Unary::RoundEven => Complex64::new(z.re.round_ties_even(), z.im.round_ties_even()),
        Unary::Conjugate => z.conj(),
        Unary::Expm1
        | Unary::Sigmoid
        | Unary::Erf
        | Unary::Erfinv
        | Unary::Ceil
        | Unary::Floor
        | Unary::LogicalNot
        | Unary::BitwiseInvert => Complex64::new(f64::NAN, f64::NAN), // outside the domain
    })
}

/// `1/(1 + e⁻ˣ)`, by the exponential that cannot overflow.
fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let power = x.exp();
        power / (1.0 + power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_nan_outside_their_domain() {
        for (op, x) in [
            (Unary::Arccosh, 0.5),
            (Unary::Arccosh, -65504.0),
            (Unary::Arccosh, f64::NEG_INFINITY),
            (Unary::Arctanh, 1.5),
            (Unary::Arcsin, -1.5),
            (Unary::Log, -1.0),
            (Unary::Log1p, -1.5),
            (Unary::Sqrt, -1e-300),
            (Unary::Sign, f64::NAN),
        ] {
            assert!(of_real(op, x).is_nan(), "{op:?} of {x}");
        }
    }

    #[test]
    fn the_logistic_function_keeps_its_small_values() {
        assert_eq!(of_real(Unary::Sigmoid, -740.0), (-740f64).exp());
        assert_eq!(of_real(Unary::Sigmoid, 40.0), 1.0);
    }

    #[test]
    fn integers_wrap_and_bools_invert_as_logic() {
        let wrapped = |op, x, dtype| of_integer(op, x, dtype).rounded(dtype).integer();
        assert_eq!(wrapped(Unary::Abs, -128, Dtype::Int8), -128);
        assert_eq!(wrapped(Unary::Negative, 3, Dtype::Uint8), 253);
        assert_eq!(wrapped(Unary::BitwiseInvert, 1, Dtype::Uint8), 254);
        assert_eq!(wrapped(Unary::BitwiseInvert, 1, Dtype::Bool), 0);
        assert_eq!(wrapped(Unary::BitwiseInvert, 0, Dtype::Bool), 1);
    }
}
