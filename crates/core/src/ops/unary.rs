//! Elementwise operations of one operand.

use super::{binary, join, view};
use crate::array::Array;
use mlx_oxide_ir::{Dtype, Error, Op, Result, Scalar, Unary, unary_table};

macro_rules! define {
    ($($variant:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        $(
            #[doc = $formula]
            ///
            /// Elementwise; the shape is the input's. Integers become `float32` where the
            /// function is one of real numbers. See [`Unary`] for the dtypes.
            pub fn $name(a: &Array) -> Result<Array> {
                apply(Unary::$variant, a)
            }
        )*

        impl Array {
            $(
                #[doc = $formula]
                pub fn $name(&self) -> Result<Array> {
                    apply(Unary::$variant, self)
                }
            )*
        }
    };
}
unary_table!(define);

fn apply(unary: Unary, a: &Array) -> Result<Array> {
    let dtype = unary.domain().promote(a.dtype());
    if is_identity(unary, dtype) {
        return Ok(a.clone());
    }
    if unary == Unary::Negative && dtype == Dtype::Bool {
        return Err(Error::DtypeUnsupported {
            op: unary.name(),
            dtype,
            expected: "a number dtype; logical_not inverts bools",
        });
    }
    if unary == Unary::Expm1 && dtype.is_complex() {
        return complex_expm1(a);
    }
    if dtype == a.dtype() {
        return Array::apply(Op::Unary(unary), &[a]);
    }
    if !unary.domain().contains(dtype) {
        return Err(Error::DtypeUnsupported {
            op: unary.name(),
            dtype: a.dtype(),
            expected: unary.domain().describe(),
        });
    }
    Array::apply(Op::Unary(unary), &[&astype(a, dtype)?])
}

/// `eᶻ - 1` of `z = x + iy`: real part `(eˣ - 1)·cos y - 2·sin²(y/2)`, imaginary part `eˣ·sin y`.
fn complex_expm1(a: &Array) -> Result<Array> {
    let (x, y) = (real(a)?, imag(a)?);
    let half = sin(&binary::multiply(&y, &scalar_like(&y, 0.5)?)?)?;
    let lost = binary::multiply(&square(&half)?, &scalar_like(&half, 2.0)?)?;
    let first = binary::subtract(&binary::multiply(&expm1(&x)?, &cos(&y)?)?, &lost)?;
    let second = binary::multiply(&exp(&x)?, &sin(&y)?)?;
    let parts = view::view(&join::stack(&[&first, &second], -1)?, a.dtype())?;
    view::squeeze(&parts, Some(&[-1]))
}

/// Whether the operation changes nothing in this dtype.
fn is_identity(unary: Unary, dtype: Dtype) -> bool {
    let whole = !dtype.is_inexact();
    match unary {
        Unary::Ceil | Unary::Floor | Unary::RoundEven => whole,
        Unary::Conjugate | Unary::Real => !dtype.is_complex(),
        Unary::Abs => whole && !dtype.is_signed_integer(),
        _ => false,
    }
}

/// The elements converted to `dtype`.
///
/// Floats become integers by dropping the fraction; every nonzero value becomes `true`; complex
/// numbers lose their imaginary part where the dtype is real.
pub fn astype(a: &Array, dtype: Dtype) -> Result<Array> {
    if a.dtype() == dtype {
        return Ok(a.clone());
    }
    Array::apply(Op::Cast(dtype), &[a])
}

impl Array {
    /// The elements converted to `dtype`; see [`astype`].
    pub fn astype(&self, dtype: Dtype) -> Result<Array> {
        astype(self, dtype)
    }
}

/// A scalar of the array's dtype as an array, to compute with it.
pub fn scalar_like(a: &Array, value: f64) -> Result<Array> {
    Array::from_scalar(Scalar::new(value, a.dtype()))
}

/// `x` rounded to `decimals` places, ties to even.
///
/// Negative `decimals` round to tens, hundreds and so on.
pub fn round(a: &Array, decimals: i32) -> Result<Array> {
    if decimals == 0 {
        return round_even(a);
    }
    if !a.dtype().is_inexact() && decimals > 0 {
        return Ok(a.clone());
    }
    let real = astype(a, a.dtype().at_least_float())?;
    let scale = scalar_like(&real, 10f64.powi(decimals.abs()))?;
    let rounded = if decimals > 0 {
        binary::divide(&round_even(&binary::multiply(&real, &scale)?)?, &scale)?
    } else {
        binary::multiply(&round_even(&binary::divide(&real, &scale)?)?, &scale)?
    };
    astype(&rounded, a.dtype())
}

/// `1/x`.
pub fn reciprocal(a: &Array) -> Result<Array> {
    let real = astype(a, a.dtype().at_least_float())?;
    binary::divide(&scalar_like(&real, 1.0)?, &real)
}

/// Radians as degrees.
pub fn degrees(a: &Array) -> Result<Array> {
    let real = astype(a, a.dtype().at_least_float())?;
    binary::multiply(&real, &scalar_like(&real, 180.0 / std::f64::consts::PI)?)
}

/// Degrees as radians.
pub fn radians(a: &Array) -> Result<Array> {
    let real = astype(a, a.dtype().at_least_float())?;
    binary::multiply(&real, &scalar_like(&real, std::f64::consts::PI / 180.0)?)
}

/// The integer part: `x` rounded toward zero; integers are their own.
///
/// # Errors
/// A complex dtype.
pub fn trunc(a: &Array) -> Result<Array> {
    if a.dtype().is_complex() {
        return Err(Error::DtypeUnsupported {
            op: "trunc",
            dtype: a.dtype(),
            expected: "a real dtype",
        });
    }
    if !a.dtype().is_floating() {
        return Ok(a.clone());
    }
    let negative = binary::less(a, &scalar_like(a, 0.0)?)?;
    super::compare::select(&negative, &ceil(a)?, &floor(a)?)
}
