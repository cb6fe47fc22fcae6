//! Losses, one number for each example; [`reduce`] joins them.

use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{Error, Result};

/// How losses of examples are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Not at all.
    None,
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
}

/// Joins losses.
pub fn reduce(losses: &Array, reduction: Reduction) -> Result<Array> {
    match reduction {
        Reduction::None => Ok(losses.clone()),
        Reduction::Mean => ops::mean(losses, None, false),
        Reduction::Sum => ops::sum(losses, None, false),
    }
}

/// `logsumexp(logits) - logits[target]` over the last axis; `targets` are class numbers.
///
/// # Errors
/// Targets of another shape than the logits' leading axes.
pub fn cross_entropy(logits: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    if logits.ndim() == 0 || targets.shape()[..] != logits.shape()[..logits.ndim() - 1] {
        return Err(Error::ShapeMismatch {
            op: "cross_entropy",
            rule: "targets must have the logits' leading axes",
            lhs: logits.shape().clone(),
            rhs: targets.shape().clone(),
        });
    }
    let picked = ops::take_along_axis(logits, &ops::expand_dims(targets, &[-1])?, -1)?;
    let score = ops::squeeze(&picked, Some(&[-1]))?;
    reduce(
        &ops::subtract(&ops::logsumexp(logits, Some(&[-1]), false)?, &score)?,
        reduction,
    )
}

/// `(prediction - target)²`.
///
/// # Errors
/// Shapes that differ.
pub fn mse_loss(predictions: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    same_shape("mse_loss", predictions, targets)?;
    reduce(
        &ops::square(&ops::subtract(predictions, targets)?)?,
        reduction,
    )
}

/// `|prediction - target|`.
///
/// # Errors
/// Shapes that differ.
pub fn l1_loss(predictions: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    same_shape("l1_loss", predictions, targets)?;
    reduce(&ops::abs(&ops::subtract(predictions, targets)?)?, reduction)
}

/// `ln(1 + eˣ) - x·target` of logits.
///
/// # Errors
/// Shapes that differ.
pub fn binary_cross_entropy(
    logits: &Array,
    targets: &Array,
    reduction: Reduction,
) -> Result<Array> {
    same_shape("binary_cross_entropy", logits, targets)?;
    let zero = ops::unary::scalar_like(logits, 0.0)?;
    let losses = (ops::logaddexp(logits, &zero)? - &(logits * targets)?)?;
    reduce(&losses, reduction)
}

fn same_shape(op: &'static str, lhs: &Array, rhs: &Array) -> Result<()> {
    if lhs.shape() == rhs.shape() {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        op,
        rule: "predictions and targets must have one shape",
        lhs: lhs.shape().clone(),
        rhs: rhs.shape().clone(),
    })
}
