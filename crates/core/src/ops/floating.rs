//! Signs and neighbours of floating-point numbers, and lengths that neither overflow nor vanish.

use super::{binary, compare, create, unary, view};
use crate::array::Array;
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{Dtype, Error, Result, Scalar, result_type};

fn require_real(op: &'static str, dtype: Dtype) -> Result<()> {
    if dtype.is_complex() {
        return Err(Error::DtypeUnsupported {
            op,
            dtype,
            expected: "a real dtype",
        });
    }
    Ok(())
}

/// Both operands in one floating dtype and one shape; integers become `float32`.
fn floating_pair(op: &'static str, a: &Array, b: &Array) -> Result<(Array, Array)> {
    let dtype = result_type(a.dtype(), b.dtype()).at_least_float();
    require_real(op, dtype)?;
    let shape = broadcast_shapes(op, a.shape(), b.shape())?;
    Ok((
        binary::convert(a, dtype, &shape)?,
        binary::convert(b, dtype, &shape)?,
    ))
}

/// The bits of floating-point numbers as signed integers, which no derivative goes through.
fn bits(a: &Array) -> Result<Array> {
    let integer = match a.dtype().size() {
        2 => Dtype::Int16,
        4 => Dtype::Int32,
        _ => Dtype::Int64,
    };
    view::view(&view::stop_gradient(a)?, integer)
}

fn integer_like(a: &Array, value: i64) -> Result<Array> {
    Array::from_scalar(Scalar::from_integer(value, a.dtype()))
}

/// Whether each element has a minus sign, `-0.0` and NaN with the sign bit set among them.
///
/// Any real dtype; `bool` of the same shape. No gradient.
///
/// # Errors
/// A complex dtype.
pub fn signbit(a: &Array) -> Result<Array> {
    require_real("signbit", a.dtype())?;
    if a.dtype().is_floating() {
        let bits = bits(a)?;
        return binary::less(&bits, &integer_like(&bits, 0)?);
    }
    if a.dtype().is_signed_integer() {
        return binary::less(a, &integer_like(a, 0)?);
    }
    create::zeros(a.shape().clone(), Dtype::Bool)
}

/// The magnitude of `a` with the sign of `b`, signs of zeros and NaN included.
///
/// Operands promote to one floating dtype and broadcast; integers become `float32`. The gradient
/// by `a` is `±1`, by `b` zero. Source: IEEE 754, `copySign`.
///
/// # Errors
/// A complex dtype; shapes that do not broadcast.
pub fn copysign(a: &Array, b: &Array) -> Result<Array> {
    let (a, b) = floating_pair("copysign", a, b)?;
    let differ = binary::not_equal(&signbit(&a)?, &signbit(&b)?)?;
    compare::select(&differ, &unary::negative(&a)?, &a)
}

/// `√(a² + b²)` without overflow or underflow of the squares; infinite where either operand is,
/// be the other NaN.
///
/// Operands promote to one floating dtype and broadcast; 16-bit floats are computed in
/// `float32`. The gradient is `(a, b)/hypot(a, b)`, zero at the origin.
///
/// # Errors
/// A complex dtype; shapes that do not broadcast.
pub fn hypot(a: &Array, b: &Array) -> Result<Array> {
    let (a, b) = floating_pair("hypot", a, b)?;
    let dtype = a.dtype();
    let wide = match dtype.size() {
        2 => Dtype::Float32,
        _ => dtype,
    };
    let (a, b) = (unary::astype(&a, wide)?, unary::astype(&b, wide)?);
    let longer = binary::maximum(&unary::abs(&a)?, &unary::abs(&b)?)?;
    let (zero, one) = (
        unary::scalar_like(&longer, 0.0)?,
        unary::scalar_like(&longer, 1.0)?,
    );
    let positive = binary::greater(&longer, &zero)?;
    // the unit is a constant to the derivative, which would else depend on which side is longer
    let unit = view::stop_gradient(&compare::select(&positive, &longer, &one)?)?;
    let (x, y) = (binary::divide(&a, &unit)?, binary::divide(&b, &unit)?);
    let squares = binary::add(&unary::square(&x)?, &unary::square(&y)?)?;
    let squares = compare::select(&positive, &squares, &one)?;
    let length = binary::multiply(&unit, &unary::sqrt(&squares)?)?;
    // zeros, and NaN, are their own length
    let length = compare::select(&positive, &length, &longer)?;
    let infinite = binary::logical_or(&compare::isinf(&a)?, &compare::isinf(&b)?)?;
    let infinity = unary::scalar_like(&longer, f64::INFINITY)?;
    unary::astype(&compare::select(&infinite, &infinity, &length)?, dtype)
}

/// The next representable number after `a` on the way to `b`; `b` where both are equal.
///
/// Operands promote to one floating dtype and broadcast; integers become `float32`. No gradient.
/// Source: C's `nextafter`.
///
/// # Errors
/// A complex dtype; shapes that do not broadcast.
pub fn nextafter(a: &Array, b: &Array) -> Result<Array> {
    let (a, b) = floating_pair("nextafter", a, b)?;
    let zero = unary::scalar_like(&a, 0.0)?;
    let own = bits(&a)?;
    let (one, back) = (integer_like(&own, 1)?, integer_like(&own, -1)?);
    // magnitudes are in the order of their bits
    let outward = binary::equal(&binary::less(&a, &b)?, &binary::greater(&a, &zero)?)?;
    let moved = binary::add(&own, &compare::select(&outward, &one, &back)?)?;
    // the sign bit alone is the least integer
    let negative = i64::MIN >> (64 - 8 * own.dtype().size());
    let least = compare::select(
        &binary::less(&b, &zero)?,
        &integer_like(&own, negative + 1)?,
        &one,
    )?;
    let from_zero = binary::equal(&a, &zero)?;
    let next = view::view(&compare::select(&from_zero, &least, &moved)?, a.dtype())?;
    let next = compare::select(&binary::equal(&a, &b)?, &b, &next)?;
    let unordered = binary::logical_or(&compare::isnan(&a)?, &compare::isnan(&b)?)?;
    compare::select(&unordered, &binary::add(&a, &b)?, &next)
}
