//! Continuous distributions beside the uniform and the normal.

use super::{check_floating, normal, uniform};
use crate::array::Array;
use crate::ops::{binary, contract, linalg, unary, view};
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

/// `float32` numbers of the normal distribution of a mean `(…, n)` and a covariance `(…, n, n)`,
/// `mean + z·√cov` with the symmetric root by singular values; of shape `(…, n)`.
///
/// The leading axes broadcast; `shape`, if given, is what they broadcast to.
///
/// # Errors
/// A mean without axes, a covariance that is no square matrix of the mean's size, shapes that do
/// not broadcast.
pub fn multivariate_normal(
    mean: &Array,
    cov: &Array,
    shape: Option<Shape>,
    key: Option<&Array>,
) -> Result<Array> {
    const OP: &str = "multivariate_normal";
    let Some(&size) = mean.shape().last() else {
        return Err(Error::ShapeUnsuitable {
            op: OP,
            rule: "the mean must have at least one axis",
            shape: mean.shape().clone(),
        });
    };
    if cov.ndim() < 2 || cov.shape()[cov.ndim() - 2..] != [size, size] {
        return Err(Error::ShapeMismatch {
            op: OP,
            rule: "the covariance must be a square matrix of the mean's size",
            lhs: mean.shape().clone(),
            rhs: cov.shape().clone(),
        });
    }
    let means: Shape = mean.shape()[..mean.ndim() - 1].into();
    let covariances: Shape = cov.shape()[..cov.ndim() - 2].into();
    let own = broadcast_shapes(OP, &means, &covariances)?;
    let mut shape = match shape {
        None => own,
        Some(shape) if broadcast_shapes(OP, &shape, &own)? == shape => shape,
        Some(shape) => {
            return Err(Error::BroadcastMismatch {
                op: OP,
                lhs: own,
                rhs: shape,
            });
        }
    };
    shape.push(size);
    let (u, s, vt) = linalg::svd(&unary::astype(cov, Dtype::Float32)?, true)?;
    let roots = view::expand_dims(&unary::sqrt(&s)?, &[-2])?;
    let root = contract::matmul(&binary::multiply(&u, &roots)?, &vt)?;
    let standard = normal(shape, Dtype::Float32, None, None, key)?;
    let rows = view::expand_dims(&standard, &[-2])?;
    let spread = view::squeeze(&contract::matmul(&rows, &root)?, Some(&[-2]))?;
    binary::add(&unary::astype(mean, Dtype::Float32)?, &spread)
}
