//! Promotion of mixed dtypes, as MLX has it.

use super::Dtype;

/// The dtype that holds the values of both: the result of an operation on mixed operands.
///
/// Complex wins over floating, floating over integer, integer over bool. A signed integer with
/// an unsigned one of the same or greater width gives the next wider signed integer, and
/// `float32` where there is none. `float16` with `bfloat16` gives `float32`.
///
/// ```
/// use mlx_oxide_ir::{Dtype, result_type};
/// assert_eq!(result_type(Dtype::Uint8, Dtype::Int8), Dtype::Int16);
/// assert_eq!(result_type(Dtype::Int64, Dtype::Float16), Dtype::Float16);
/// ```
pub const fn result_type(lhs: Dtype, rhs: Dtype) -> Dtype {
    if lhs as u8 == rhs as u8 {
        return lhs;
    }
    match (rank(lhs), rank(rhs)) {
        (Rank::Floating, Rank::Floating) => wider_floating(lhs, rhs),
        (Rank::Integer, Rank::Integer) => wider_integer(lhs, rhs),
        (left, right) => {
            if left as u8 > right as u8 {
                lhs
            } else {
                rhs
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Rank {
    Bool,
    Integer,
    Floating,
    Complex,
}

const fn rank(dtype: Dtype) -> Rank {
    if dtype.is_complex() {
        Rank::Complex
    } else if dtype.is_floating() {
        Rank::Floating
    } else if dtype.is_integer() {
        Rank::Integer
    } else {
        Rank::Bool
    }
}

const fn wider_floating(lhs: Dtype, rhs: Dtype) -> Dtype {
    match lhs.size() + rhs.size() {
        4 => Dtype::Float32, // float16 with bfloat16: neither holds the other
        _ if lhs.size() > rhs.size() => lhs,
        _ => rhs,
    }
}

const fn wider_integer(lhs: Dtype, rhs: Dtype) -> Dtype {
    if lhs.is_signed_integer() == rhs.is_signed_integer() {
        return if lhs.size() > rhs.size() { lhs } else { rhs };
    }
    let (signed, unsigned) = if lhs.is_signed_integer() {
        (lhs, rhs)
    } else {
        (rhs, lhs)
    };
    if signed.size() > unsigned.size() {
        return signed;
    }
    match unsigned.size() {
        1 => Dtype::Int16,
        2 => Dtype::Int32,
        4 => Dtype::Int64,
        _ => Dtype::Float32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_commutative_and_idempotent() {
        for lhs in Dtype::ALL {
            assert_eq!(result_type(lhs, lhs), lhs);
            for rhs in Dtype::ALL {
                assert_eq!(result_type(lhs, rhs), result_type(rhs, lhs));
            }
        }
    }

    #[test]
    fn corner_cases_follow_mlx() {
        assert_eq!(result_type(Dtype::Uint64, Dtype::Int8), Dtype::Float32);
        assert_eq!(result_type(Dtype::Uint32, Dtype::Int32), Dtype::Int64);
        assert_eq!(result_type(Dtype::Float16, Dtype::Bfloat16), Dtype::Float32);
        assert_eq!(
            result_type(Dtype::Float64, Dtype::Complex64),
            Dtype::Complex64
        );
        assert_eq!(result_type(Dtype::Bool, Dtype::Int8), Dtype::Int8);
    }
}
