//! Normal numbers that depend on each other.

use super::normal;
use crate::array::Array;
use crate::ops::{binary, contract, linalg, unary, view};
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{Dtype, Error, Result, Shape};

const OP: &str = "multivariate_normal";

/// Vectors of the normal distribution of mean `(…, n)` and covariance `(…, n, n)`, positive
/// semi-definite: `mean + z·C^½` with standard normal `z` and the root `U·S^½·Vᵀ` out of
/// `C = U·S·Vᵀ`. The leading axes and `shape` broadcast to those of the result, which is of
/// `float32`.
///
/// # Errors
/// A mean without axes; a covariance that is no stack of square matrices as wide as the mean;
/// leading axes that do not broadcast; another dtype than `float32`.
pub fn multivariate_normal(
    mean: &Array,
    covariance: &Array,
    shape: impl Into<Shape>,
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    if dtype != Dtype::Float32 {
        return Err(Error::DtypeUnsupported {
            op: OP,
            dtype,
            expected: "float32",
        });
    }
    let leading = leading(mean, covariance, shape.into())?;
    let size = mean.shape()[mean.ndim() - 1];
    let drawn: Shape = leading.iter().copied().chain([size]).collect();
    let standard = normal(drawn.clone(), dtype, None, None, key)?;
    let covariance = unary::astype(covariance, dtype)?;
    let (left, values, right) = linalg::svd(&covariance, true)?;
    let stretched = binary::multiply(&left, &view::expand_dims(&unary::sqrt(&values)?, &[-2])?)?;
    let root = contract::matmul(&stretched, &right)?;
    let row = view::expand_dims(&standard, &[-2])?;
    let samples = view::reshape_to(&contract::matmul(&row, &root)?, drawn)?;
    binary::add(&unary::astype(mean, dtype)?, &samples)
}

/// The leading axes of the result, if everything fits.
fn leading(mean: &Array, covariance: &Array, shape: Shape) -> Result<Shape> {
    let unsuitable = |rule, array: &Array| Error::ShapeUnsuitable {
        op: OP,
        rule,
        shape: array.shape().clone(),
    };
    let [means @ .., size] = &mean.shape()[..] else {
        return Err(unsuitable("the mean must have at least one axis", mean));
    };
    let [matrices @ .., rows, columns] = &covariance.shape()[..] else {
        let rule = "the covariance must have at least two axes";
        return Err(unsuitable(rule, covariance));
    };
    if rows != columns {
        return Err(unsuitable("the covariance must be square", covariance));
    }
    if rows != size {
        return Err(Error::ShapeMismatch {
            op: OP,
            rule: "the covariance is not as wide as the mean",
            lhs: mean.shape().clone(),
            rhs: covariance.shape().clone(),
        });
    }
    let both = broadcast_shapes(OP, &Shape::from(means), &Shape::from(matrices))?;
    broadcast_shapes(OP, &shape, &both)
}
