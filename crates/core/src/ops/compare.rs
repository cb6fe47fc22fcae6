//! Choosing and comparing.

use super::{binary, reduce, unary, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{Dtype, Op, Result, result_type};

/// `x` where the condition holds, else `y`; all three broadcast, `x` and `y` promote.
pub fn select(condition: &Array, x: &Array, y: &Array) -> Result<Array> {
    shapeless::call(
        || Call::Select,
        &[condition, x, y],
        || {
            let dtype = result_type(x.dtype(), y.dtype());
            let shape = broadcast_shapes("where", x.shape(), y.shape())?;
            let shape = broadcast_shapes("where", condition.shape(), &shape)?;
            let condition = binary::convert(condition, Dtype::Bool, &shape)?;
            let x = binary::convert(x, dtype, &shape)?;
            let y = binary::convert(y, dtype, &shape)?;
            Array::apply(Op::Select, &[&condition, &x, &y])
        },
    )
}

/// The elements moved inside the bounds; a bound that is absent does not bind.
pub fn clip(a: &Array, low: Option<&Array>, high: Option<&Array>) -> Result<Array> {
    let mut clipped = a.clone();
    if let Some(low) = low {
        clipped = binary::maximum(&clipped, low)?;
    }
    if let Some(high) = high {
        clipped = binary::minimum(&clipped, high)?;
    }
    Ok(clipped)
}

/// Whether each element is NaN.
pub fn isnan(a: &Array) -> Result<Array> {
    if !a.dtype().is_inexact() {
        return constant(a, false);
    }
    binary::not_equal(a, a)
}

/// Whether each element is positive or negative infinity.
pub fn isinf(a: &Array) -> Result<Array> {
    if !a.dtype().is_inexact() {
        return constant(a, false);
    }
    if a.dtype().is_complex() {
        return binary::logical_or(&isinf(&unary::real(a)?)?, &isinf(&unary::imag(a)?)?);
    }
    binary::equal(&unary::abs(a)?, &unary::scalar_like(a, f64::INFINITY)?)
}

/// Whether each element is neither NaN nor infinite.
pub fn isfinite(a: &Array) -> Result<Array> {
    unary::logical_not(&binary::logical_or(&isnan(a)?, &isinf(a)?)?)
}

/// Whether each element is positive infinity.
pub fn isposinf(a: &Array) -> Result<Array> {
    if !a.dtype().is_inexact() {
        return constant(a, false);
    }
    binary::equal(a, &unary::scalar_like(a, f64::INFINITY)?)
}

/// Whether each element is negative infinity.
pub fn isneginf(a: &Array) -> Result<Array> {
    if !a.dtype().is_inexact() {
        return constant(a, false);
    }
    binary::equal(a, &unary::scalar_like(a, f64::NEG_INFINITY)?)
}

fn constant(a: &Array, value: bool) -> Result<Array> {
    view::stretch_to(&Array::scalar(value)?, a.shape().clone())
}

/// Whether each pair is close: `|a - b| ≤ atol + rtol·|b|`, or both the same infinity, or both
/// NaN if `equal_nan`.
pub fn isclose(a: &Array, b: &Array, rtol: f64, atol: f64, equal_nan: bool) -> Result<Array> {
    let dtype = result_type(a.dtype(), b.dtype()).at_least_float();
    let a = unary::astype(a, dtype)?;
    let b = unary::astype(b, dtype)?;
    let magnitude = unary::abs(&b)?;
    let scaled = binary::multiply(&unary::scalar_like(&magnitude, rtol)?, &magnitude)?;
    let bound = binary::add(&unary::scalar_like(&magnitude, atol)?, &scaled)?;
    let distance = unary::abs(&binary::subtract(&a, &b)?)?;
    let mut close = binary::less_equal(&distance, &bound)?;
    let infinite = binary::logical_or(&isinf(&a)?, &isinf(&b)?)?;
    close = binary::logical_and(&close, &unary::logical_not(&infinite)?)?;
    let same_infinity = binary::logical_and(&infinite, &binary::equal(&a, &b)?)?;
    close = binary::logical_or(&close, &same_infinity)?;
    if equal_nan {
        close = binary::logical_or(&close, &binary::logical_and(&isnan(&a)?, &isnan(&b)?)?)?;
    }
    Ok(close)
}

/// Whether all pairs are close; see [`isclose`].
pub fn allclose(a: &Array, b: &Array, rtol: f64, atol: f64, equal_nan: bool) -> Result<Array> {
    reduce::all(&isclose(a, b, rtol, atol, equal_nan)?, None, false)
}

/// Whether shapes and all elements are equal; NaN equals NaN if `equal_nan`.
pub fn array_equal(a: &Array, b: &Array, equal_nan: bool) -> Result<Array> {
    if a.shape() != b.shape() {
        return Array::scalar(false);
    }
    let mut equal = binary::equal(a, b)?;
    if equal_nan {
        equal = binary::logical_or(&equal, &binary::logical_and(&isnan(a)?, &isnan(b)?)?)?;
    }
    reduce::all(&equal, None, false)
}

/// NaN and infinities replaced; infinities by the greatest and least finite number of the dtype
/// where no number is given.
pub fn nan_to_num(a: &Array, nan: f64, posinf: Option<f64>, neginf: Option<f64>) -> Result<Array> {
    if !a.dtype().is_inexact() {
        return Ok(a.clone());
    }
    let greatest = match a.dtype() {
        Dtype::Float16 => 65504.0,
        Dtype::Bfloat16 => f64::from(half::bf16::MAX),
        Dtype::Float64 => f64::MAX,
        _ => f64::from(f32::MAX),
    };
    let high = unary::scalar_like(a, posinf.unwrap_or(greatest))?;
    let low = unary::scalar_like(a, neginf.unwrap_or(-greatest))?;
    let nan = unary::scalar_like(a, nan)?;
    if posinf.is_none() && neginf.is_none() && a.dtype().is_floating() {
        // nothing else is beyond these
        let finite = binary::minimum(&binary::maximum(a, &low)?, &high)?;
        return select(&isnan(a)?, &nan, &finite);
    }
    let cleaned = select(&isnan(a)?, &nan, a)?;
    let cleaned = select(&isposinf(a)?, &high, &cleaned)?;
    select(&isneginf(a)?, &low, &cleaned)
}
