//! Reductions.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops;
use mlx_oxide_ir::{Axes, Op, Reduce, ReduceKind, Result};

pub(super) fn derivative(reduce: &Reduce) -> Derivative {
    match reduce.kind {
        ReduceKind::Sum => {
            Derivative::Linear(|site, cotangent| Ok(vec![Some(stretch(cotangent, site)?)]))
        }
        ReduceKind::Prod | ReduceKind::Max | ReduceKind::Min | ReduceKind::LogSumExp => {
            Derivative::General { jvp, vjp }
        }
        ReduceKind::All | ReduceKind::Any => Derivative::Zero,
    }
}

fn stretch(a: &Array, site: &Site<'_>) -> Result<Array> {
    ops::broadcast_to(a, site.inputs[0].shape().clone())
}

/// For each element `∂y/∂x`.
fn slopes(site: &Site<'_>) -> Result<Array> {
    let (x, y) = (&site.inputs[0], &site.outputs[0]);
    let Op::Reduce(reduce) = site.op else {
        return ops::zeros_like(x);
    };
    match reduce.kind {
        // the gradient of an extreme is shared by all elements that attain it
        ReduceKind::Max | ReduceKind::Min => {
            let attained = ops::astype(&ops::equal(x, &stretch(y, site)?)?, x.dtype())?;
            let count =
                ops::reduce::reduce_keeping(&attained, ReduceKind::Sum, reduce.axes.clone())?;
            ops::divide(&attained, &count)
        }
        ReduceKind::LogSumExp => ops::exp(&ops::subtract(x, &stretch(y, site)?)?),
        ReduceKind::Prod => products_of_others(x, &reduce.axes),
        ReduceKind::Sum => ops::ones_like(x),
        ReduceKind::All | ReduceKind::Any => ops::zeros_like(x),
    }
}

/// For each element the product of all others that it is reduced with: right where some are
/// zero, which a division would not be.
fn products_of_others(x: &Array, axes: &Axes) -> Result<Array> {
    let kept: Axes = (0..x.ndim()).filter(|axis| !axes.contains(axis)).collect();
    let order: Axes = kept.iter().chain(axes).copied().collect();
    let moved = ops::view::permute(x, order.clone())?;
    let rows: usize = kept.iter().map(|&axis| x.shape()[axis]).product();
    let length: usize = axes.iter().map(|&axis| x.shape()[axis]).product();
    let flat = ops::reshape_to(&moved, [rows, length])?;
    let before = ops::cumprod(&flat, Some(1), false, false)?;
    let after = ops::cumprod(&flat, Some(1), true, false)?;
    let others = ops::reshape_to(&ops::multiply(&before, &after)?, moved.shape().clone())?;
    let mut inverse = order.clone();
    for (place, &axis) in order.iter().enumerate() {
        inverse[axis] = place;
    }
    ops::view::permute(&others, inverse)
}

fn jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    let (Op::Reduce(reduce), Some(tangent)) = (site.op, &tangents[0]) else {
        return ops::zeros_like(&site.outputs[0]);
    };
    let product = ops::multiply(&slopes(site)?, tangent)?;
    ops::reduce::reduce_keeping(&product, ReduceKind::Sum, reduce.axes.clone())
}

fn vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let slopes = ops::conjugate(&slopes(site)?)?;
    Ok(vec![Some(ops::multiply(
        &stretch(cotangent, site)?,
        &slopes,
    )?)])
}
