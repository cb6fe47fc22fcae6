//! What every binary operation computes of two elements.

use crate::complex;
use crate::value::Value;
use mlx_oxide_ir::{Binary, Dtype};
use num_complex::Complex64;

/// The result for two elements of `dtype`, not yet rounded to the result's dtype.
pub(crate) fn apply(op: Binary, lhs: Value, rhs: Value, dtype: Dtype) -> Value {
    match (lhs, rhs) {
        (Value::Integer(lhs), Value::Integer(rhs)) => of_integers(op, lhs, rhs, dtype),
        (Value::Complex(lhs), Value::Complex(rhs)) => of_complex(op, lhs, rhs),
        (lhs, rhs) => of_reals(op, lhs.real(), rhs.real(), dtype),
    }
}

/// Of bools or integers; the caller wraps the result to the dtype, and makes sums of bools `or`
/// and products `and` by asking only whether they differ from zero.
fn of_integers(op: Binary, a: i128, b: i128, dtype: Dtype) -> Value {
    Value::Integer(match op {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a.wrapping_mul(b),
        Binary::Remainder if b == 0 => 0,
        Binary::Remainder => a - b * floor_quotient(a, b),
        Binary::FloorDivide if b == 0 => 0,
        Binary::FloorDivide => floor_quotient(a, b),
        Binary::Power => integer_power(a, b),
        Binary::Maximum => a.max(b),
        Binary::Minimum => a.min(b),
        Binary::Equal => i128::from(a == b),
        Binary::NotEqual => i128::from(a != b),
        Binary::Less => i128::from(a < b),
        Binary::LessEqual => i128::from(a <= b),
        Binary::Greater => i128::from(a > b),
        Binary::GreaterEqual => i128::from(a >= b),
        Binary::LogicalAnd => i128::from(a != 0 && b != 0),
        Binary::LogicalOr => i128::from(a != 0 || b != 0),
        Binary::BitwiseAnd => a & b,
        Binary::BitwiseOr => a | b,
        Binary::BitwiseXor => a ^ b,
        Binary::LeftShift if beyond_width(b, dtype) => 0,
        Binary::LeftShift => a << b,
        Binary::RightShift if beyond_width(b, dtype) => a >> 127, // the sign alone
        Binary::RightShift => a >> b,
        Binary::Divide | Binary::LogAddExp | Binary::Arctan2 => {
            return of_reals(op, a as f64, b as f64, Dtype::Float64); // outside the domain
        }
    })
}

/// Whether a shift by `count` leaves nothing of an element; so does a negative count, which as an
/// unsigned number is a great one.
fn beyond_width(count: i128, dtype: Dtype) -> bool {
    let width = match dtype {
        Dtype::Bool => 1,
        dtype => 8 * dtype.size() as i128,
    };
    !(0..width).contains(&count)
}

/// `⌊a/b⌋`.
fn floor_quotient(a: i128, b: i128) -> i128 {
    let quotient = a / b;
    if a % b != 0 && (a < 0) != (b < 0) {
        quotient - 1
    } else {
        quotient
    }
}

/// The power by squaring, modulo 2¹²⁸; 0 for a negative exponent, as in MLX.
fn integer_power(base: i128, exponent: i128) -> i128 {
    if exponent < 0 {
        return 0;
    }
    let (mut power, mut base, mut exponent) = (1i128, base, exponent);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    power
}

fn of_reals(op: Binary, a: f64, b: f64, dtype: Dtype) -> Value {
    let truth = |value: bool| Value::from(value);
    Value::Real(match op {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide => a / b,
        Binary::Remainder => remainder(a, b),
        Binary::FloorDivide => floor_divide(a, b, dtype),
        Binary::Power => a.powf(b),
        Binary::Maximum if a.is_nan() => a,
        Binary::Maximum if b.is_nan() || b >= a => b,
        Binary::Maximum => a,
        Binary::Minimum if a.is_nan() => a,
        Binary::Minimum if b.is_nan() || b <= a => b,
        Binary::Minimum => a,
        Binary::LogAddExp => log_add_exp(a, b),
        Binary::Arctan2 => a.atan2(b),
        Binary::Equal => return truth(a == b),
        Binary::NotEqual => return truth(a != b),
        Binary::Less => return truth(a < b),
        Binary::LessEqual => return truth(a <= b),
        Binary::Greater => return truth(a > b),
        Binary::GreaterEqual => return truth(a >= b),
        Binary::LogicalAnd => return truth(a != 0.0 && b != 0.0), // outside the domain, as the rest
        Binary::LogicalOr => return truth(a != 0.0 || b != 0.0),
        Binary::BitwiseAnd
        | Binary::BitwiseOr
        | Binary::BitwiseXor
        | Binary::LeftShift
        | Binary::RightShift => f64::NAN,
    })
}

/// The remainder of the truncated quotient, moved to the sign of the divisor.
fn remainder(a: f64, b: f64) -> f64 {
    let remainder = a % b;
    if remainder != 0.0 && (remainder < 0.0) != (b < 0.0) {
        remainder + b
    } else {
        remainder
    }
}

/// `⌊a/b⌋` of the quotient as the dtype has it (16-bit floats are divided in `float32`): where
/// the quotient rounds up to an integer, that integer is the result.
fn floor_divide(a: f64, b: f64, dtype: Dtype) -> f64 {
    if dtype == Dtype::Float64 {
        (a / b).floor()
    } else {
        f64::from((a as f32 / b as f32).floor())
    }
}

fn log_add_exp(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let (great, small) = if a > b { (a, b) } else { (b, a) };
    if great.is_infinite() {
        return great; // both -∞, or one +∞: the difference would be NaN
    }
    great + libm::log1p((small - great).exp())
}

fn of_complex(op: Binary, a: Complex64, b: Complex64) -> Value {
    let order = complex::compare(a, b);
    let truth = |value: bool| Value::from(value);
    Value::Complex(match op {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide => complex::divide(a, b),
        Binary::Power => complex::power(a, b),
        Binary::Maximum if Value::Complex(a).is_nan() => a,
        Binary::Maximum if order.is_some_and(|order| order.is_gt()) => a,
        Binary::Maximum => b,
        Binary::Minimum if Value::Complex(a).is_nan() => a,
        Binary::Minimum if order.is_some_and(|order| order.is_lt()) => a,
        Binary::Minimum => b,
        Binary::LogAddExp => complex_log_add_exp(a, b),
        Binary::Equal => return truth(a == b),
        Binary::NotEqual => return truth(a != b),
        Binary::Less => return truth(order.is_some_and(|order| order.is_lt())),
        Binary::LessEqual => return truth(order.is_some_and(|order| order.is_le())),
        Binary::Greater => return truth(order.is_some_and(|order| order.is_gt())),
        Binary::GreaterEqual => return truth(order.is_some_and(|order| order.is_ge())),
        Binary::Remainder
        | Binary::FloorDivide
        | Binary::Arctan2
        | Binary::LogicalAnd
        | Binary::LogicalOr
        | Binary::BitwiseAnd
        | Binary::BitwiseOr
        | Binary::BitwiseXor
        | Binary::LeftShift
        | Binary::RightShift => Complex64::new(f64::NAN, f64::NAN), // outside the domain
    })
}

fn complex_log_add_exp(a: Complex64, b: Complex64) -> Complex64 {
    let (great, small) = match complex::compare(a, b) {
        None => return Complex64::new(f64::NAN, f64::NAN),
        Some(order) if order.is_gt() => (a, b),
        Some(_) => (b, a),
    };
    if great.re.is_infinite() {
        return great;
    }
    great + complex::log1p(complex::exp(small - great))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(op: Binary, a: i128, b: i128, dtype: Dtype) -> i128 {
        apply(op, Value::Integer(a), Value::Integer(b), dtype)
            .rounded(op.result_dtype(dtype))
            .integer()
    }

    fn reals(op: Binary, a: f64, b: f64) -> f64 {
        apply(op, Value::Real(a), Value::Real(b), Dtype::Float32)
            .rounded(op.result_dtype(Dtype::Float32))
            .real()
    }

    #[test]
    fn integer_division_floors_and_the_remainder_has_the_sign_of_the_divisor() {
        for (a, b, quotient, remainder) in [
            (7, 3, 2, 1),
            (-7, 3, -3, 2),
            (7, -3, -3, -2),
            (-7, -3, 2, -1),
            (5, 0, 0, 0),
        ] {
            assert_eq!(integers(Binary::FloorDivide, a, b, Dtype::Int32), quotient);
            assert_eq!(integers(Binary::Remainder, a, b, Dtype::Int32), remainder);
        }
        let least = i128::from(i64::MIN);
        assert_eq!(
            integers(Binary::FloorDivide, least, -1, Dtype::Int64),
            least
        );
    }

    #[test]
    fn integer_powers_wrap_and_negative_exponents_give_zero() {
        assert_eq!(integers(Binary::Power, 2, 10, Dtype::Int32), 1024);
        assert_eq!(integers(Binary::Power, 3, 5, Dtype::Int8), -13);
        assert_eq!(integers(Binary::Power, -2, 7, Dtype::Int8), -128);
        assert_eq!(integers(Binary::Power, 1, -5, Dtype::Int32), 0);
        assert_eq!(integers(Binary::Power, 0, 0, Dtype::Int32), 1);
        assert_eq!(integers(Binary::Power, 1, 0, Dtype::Bool), 1);
        assert_eq!(integers(Binary::Power, 0, 1, Dtype::Bool), 0);
    }

    #[test]
    fn shifts_beyond_the_width_leave_zero_or_the_sign() {
        assert_eq!(
            integers(Binary::LeftShift, 1, 31, Dtype::Int32),
            i128::from(i32::MIN)
        );
        assert_eq!(integers(Binary::LeftShift, 1, 32, Dtype::Int32), 0);
        assert_eq!(integers(Binary::LeftShift, 1, -1, Dtype::Int32), 0);
        assert_eq!(integers(Binary::RightShift, -5, 40, Dtype::Int32), -1);
        assert_eq!(integers(Binary::RightShift, 200, 8, Dtype::Uint8), 0);
        assert_eq!(integers(Binary::RightShift, -5, 1, Dtype::Int32), -3);
    }

    #[test]
    fn arithmetic_of_bools_is_logic() {
        let table =
            |op| [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(a, b)| integers(op, a, b, Dtype::Bool));
        assert_eq!(table(Binary::Add), [0, 1, 1, 1]);
        assert_eq!(table(Binary::Subtract), [0, 1, 1, 0]);
        assert_eq!(table(Binary::Multiply), [0, 0, 0, 1]);
        assert_eq!(table(Binary::FloorDivide), [0, 0, 0, 1]);
    }

    #[test]
    fn real_division_follows_mlx_at_the_edges() {
        let inf = f64::INFINITY;
        assert_eq!(reals(Binary::FloorDivide, -7.0, 3.0), -3.0);
        assert_eq!(reals(Binary::FloorDivide, -5.0, 0.0), -inf);
        assert_eq!(reals(Binary::FloorDivide, -3.0, inf), -0.0);
        assert_eq!(reals(Binary::Remainder, -7.0, 3.0), 2.0);
        assert_eq!(reals(Binary::Remainder, 7.0, -3.0), -2.0);
        assert_eq!(reals(Binary::Remainder, -3.0, inf), inf);
        assert_eq!(reals(Binary::Remainder, 1.0, -inf), -inf);
        assert!(reals(Binary::Remainder, 5.0, 0.0).is_nan());
        assert!(reals(Binary::Remainder, -0.0, 3.0).is_sign_negative());
    }

    #[test]
    fn extremes_propagate_nan_from_either_side() {
        for op in [Binary::Maximum, Binary::Minimum] {
            assert!(reals(op, f64::NAN, 1.0).is_nan());
            assert!(reals(op, 1.0, f64::NAN).is_nan());
        }
        let nan = Complex64::new(0.0, f64::NAN);
        let one = Complex64::new(1.0, 0.0);
        for (a, b) in [(nan, one), (one, nan)] {
            assert!(of_complex(Binary::Maximum, a, b).is_nan());
        }
    }

    #[test]
    fn logaddexp_of_infinities_is_no_nan() {
        let inf = f64::INFINITY;
        assert_eq!(reals(Binary::LogAddExp, inf, inf), inf);
        assert_eq!(reals(Binary::LogAddExp, -inf, -inf), -inf);
        assert_eq!(reals(Binary::LogAddExp, -inf, 1.0), 1.0);
        assert_eq!(
            reals(Binary::LogAddExp, 1000.0, 1000.0),
            1_000.693_176_269_531_2
        );
        assert!(reals(Binary::LogAddExp, f64::NAN, inf).is_nan());
    }

    #[test]
    fn complex_logaddexp_agrees_with_mlx() {
        let (a, b) = (Complex64::new(2.0, 0.0), Complex64::new(1.0, 5.0));
        let sum = complex_log_add_exp(a, b);
        assert!((sum - Complex64::new(2.147_840_7, -0.309_189_83)).norm() < 1e-6);
    }
}
