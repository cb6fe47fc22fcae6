//! Continuous distributions beside the uniform and the normal.

use super::{check_floating, uniform};
use crate::array::Array;
use crate::ops::{binary, unary};
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{Dtype, Error, Result, Scalar, Shape};

/// Numbers of the Laplace distribution of mean `loc` and scale `scale`, density
/// `exp(-|x - loc|/scale)/(2·scale)`, by its quantile function.
pub fn laplace(
    shape: impl Into<Shape>,
    dtype: Dtype,
    loc: f64,
    scale: f64,
    key: Option<&Array>,
) -> Result<Array> {
    check_floating("laplace", dtype)?;
    let low = Array::from_scalar(Scalar::new(lowest_above_minus_one(dtype), dtype))?;
    let drawn = uniform(&low, &unary::scalar_like(&low, 1.0)?, shape, dtype, key)?;
    let depth = unary::log1p(&unary::negative(&unary::abs(&drawn)?)?)?;
    let mut samples = binary::multiply(&unary::sign(&drawn)?, &depth)?;
    if scale != 1.0 {
        samples = binary::multiply(&unary::scalar_like(&samples, scale)?, &samples)?;
    }
    if loc != 0.0 {
        samples = binary::add(&unary::scalar_like(&samples, loc)?, &samples)?;
    }
    Ok(samples)
}

/// Numbers of the standard normal distribution between two bounds, which broadcast to the shape;
/// without a shape it is that of the bounds.
pub fn truncated_normal(
    lower: &Array,
    upper: &Array,
    shape: Option<Shape>,
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    const OP: &str = "truncated_normal";
    check_floating(OP, dtype)?;
    let lower = unary::astype(lower, dtype)?;
    let upper = unary::astype(upper, dtype)?;
    let bounds = broadcast_shapes(OP, lower.shape(), upper.shape())?;
    let shape = shape.unwrap_or_else(|| bounds.clone());
    if broadcast_shapes(OP, &shape, &bounds)? != shape {
        return Err(Error::BroadcastMismatch {
            op: OP,
            lhs: bounds,
            rhs: shape,
        });
    }
    let root = unary::scalar_like(&lower, std::f64::consts::SQRT_2)?;
    let quantile = |bound: &Array| unary::erf(&binary::divide(bound, &root)?);
    let drawn = uniform(&quantile(&lower)?, &quantile(&upper)?, shape, dtype, key)?;
    let samples = binary::multiply(&root, &unary::erfinv(&drawn)?)?;
    binary::maximum(&binary::minimum(&samples, &upper)?, &lower)
}

fn lowest_above_minus_one(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::Float16 => -0.999_511_72,
        Dtype::Bfloat16 => -0.996_093_75,
        _ => f64::from((-1.0f32).next_up()),
    }
}
