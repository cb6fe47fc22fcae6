//! Cross entropy with class indices.

use crate::array::Array;
use crate::ops::{binary, index, reduce, unary, view};
use mlx_oxide_ir::{Dtype, Error, Result, Shape};

/// `ln Σ e^logits - logits[…, target]` over the last axis, in `float32` and the shape of the
/// targets.
///
/// # Errors
/// Logits that are not real and floating, targets that are no integers or of another shape than
/// the logits without their last axis.
pub fn cross_entropy(logits: &Array, targets: &Array) -> Result<Array> {
    const OP: &str = "cross_entropy";
    if !logits.dtype().is_floating() {
        return Err(Error::DtypeUnsupported {
            op: OP,
            dtype: logits.dtype(),
            expected: "a real floating dtype for the logits",
        });
    }
    if !targets.dtype().is_integer() {
        return Err(Error::DtypeUnsupported {
            op: OP,
            dtype: targets.dtype(),
            expected: "an integer dtype for the targets",
        });
    }
    let Some((_, leading)) = logits.shape().split_last() else {
        return Err(Error::ShapeUnsuitable {
            op: OP,
            rule: "the logits must have at least one axis",
            shape: logits.shape().clone(),
        });
    };
    if *targets.shape() != Shape::from(leading) {
        return Err(Error::ShapeMismatch {
            op: OP,
            rule: "the targets must have the shape of the logits without the last axis",
            lhs: logits.shape().clone(),
            rhs: targets.shape().clone(),
        });
    }
    let places = view::expand_dims(targets, &[-1])?;
    let chosen = view::squeeze(&index::take_along_axis(logits, &places, -1)?, Some(&[-1]))?;
    let total = reduce::logsumexp(logits, Some(&[-1]), false)?;
    unary::astype(&binary::subtract(&total, &chosen)?, Dtype::Float32)
}
