//! Operations that move elements between places.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops;
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{Combine, Index, Op, Result};
use smallvec::SmallVec;

pub(super) fn derivative(index: &Index) -> Derivative {
    match index {
        Index::Concatenate { .. } => Derivative::Linear(split),
        Index::Pad(_) => Derivative::Linear(unpad),
        Index::Gather { .. } => Derivative::Linear(ungather),
        Index::TakeAlongAxis { .. } => Derivative::Linear(untake),
        Index::DynamicSlice { .. } => Derivative::Linear(undynamic),
        Index::DynamicSliceUpdate { .. } => Derivative::Linear(dynamic_update),
        Index::SliceUpdate { combine, .. } => combined(*combine, slice_update),
        Index::Scatter { combine, .. } => combined(*combine, scatter),
        Index::ScatterAlongAxis { combine, .. } => combined(*combine, scatter_along),
    }
}

fn combined(combine: Combine, transpose: fn(&Site<'_>, &Array) -> Result<Optional>) -> Derivative {
    match combine {
        Combine::Replace | Combine::Add => Derivative::Linear(transpose),
        Combine::Multiply | Combine::Maximum | Combine::Minimum => Derivative::Undefined {
            reason: "updates that multiply or compare have no derivative here; use where with maximum, minimum or multiply",
        },
    }
}

fn split(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Index(Index::Concatenate { axis }) = site.op else {
        return Ok(Vec::new());
    };
    let mut start = 0;
    site.inputs
        .iter()
        .zip(site.wanted)
        .map(|(input, wanted)| {
            let stop = start + input.shape()[*axis];
            let part = wanted
                .then(|| ops::slice_axis(cotangent, *axis, start, stop))
                .transpose();
            start = stop;
            part
        })
        .collect()
}

fn unpad(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Index(Index::Pad(paddings)) = site.op else {
        return Ok(Vec::new());
    };
    let ranges: SmallVec<[SliceRange; 4]> = paddings
        .iter()
        .zip(site.inputs[0].shape().iter())
        .map(|(padding, &count)| SliceRange {
            start: padding.low,
            step: padding.interior as isize + 1,
            count,
        })
        .collect();
    let inner = ops::slice(cotangent, &ranges)?;
    let fill = if site.wanted[1] {
        let total = ops::sum(cotangent, None, false)?;
        Some(ops::subtract(&total, &ops::sum(&inner, None, false)?)?)
    } else {
        None
    };
    Ok(vec![Some(inner), fill])
}

/// The gradient of an operand and nothing for the index inputs.
fn first_only(gradient: Array, inputs: usize) -> Optional {
    let mut gradients = vec![None; inputs];
    gradients[0] = Some(gradient);
    gradients
}

fn ungather(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Index(Index::Gather { axes, .. }) = site.op else {
        return Ok(Vec::new());
    };
    let zeros = ops::zeros_like(&site.inputs[0])?;
    let positions: Vec<&Array> = site.inputs[1..].iter().collect();
    let op = Index::Scatter {
        axes: axes.clone(),
        combine: Combine::Add,
    };
    let inputs: Vec<&Array> = [&zeros, cotangent].into_iter().chain(positions).collect();
    Ok(first_only(
        Array::apply(Op::Index(op), &inputs)?,
        site.inputs.len(),
    ))
}

fn untake(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Index(Index::TakeAlongAxis { axis }) = site.op else {
        return Ok(Vec::new());
    };
    let zeros = ops::zeros_like(&site.inputs[0])?;
    let op = Index::ScatterAlongAxis {
        axis: *axis,
        combine: Combine::Add,
    };
    let sums = Array::apply(Op::Index(op), &[&zeros, &site.inputs[1], cotangent])?;
    Ok(first_only(sums, 2))
}

fn undynamic(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Index(Index::DynamicSlice { axes, .. }) = site.op else {
        return Ok(Vec::new());
    };
    let zeros = ops::zeros_like(&site.inputs[0])?;
    let op = Index::DynamicSliceUpdate { axes: axes.clone() };
    let placed = Array::apply(Op::Index(op), &[&zeros, cotangent, &site.inputs[1]])?;
    Ok(first_only(placed, 2))
}

fn dynamic_update(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Index(Index::DynamicSliceUpdate { axes }) = site.op else {
        return Ok(Vec::new());
    };
    let (update, start) = (&site.inputs[1], &site.inputs[2]);
    let zeros = ops::zeros_like(update)?;
    let clear = Index::DynamicSliceUpdate { axes: axes.clone() };
    let kept = Array::apply(Op::Index(clear), &[cotangent, &zeros, start])?;
    let part = Index::DynamicSlice {
        axes: axes.clone(),
        shape: update.shape().clone(),
    };
    let taken = Array::apply(Op::Index(part), &[cotangent, start])?;
    Ok(vec![Some(kept), Some(taken), None])
}

fn slice_update(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Index(Index::SliceUpdate { ranges, combine }) = site.op else {
        return Ok(Vec::new());
    };
    let taken = ops::slice(cotangent, ranges)?;
    let kept = match combine {
        Combine::Replace => {
            let zero = ops::unary::scalar_like(cotangent, 0.0)?;
            ops::slice_update(cotangent, &zero, ranges, Combine::Replace)?
        }
        _ => cotangent.clone(),
    };
    Ok(vec![Some(kept), Some(taken)])
}

fn scatter(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Index(Index::Scatter { axes, combine }) = site.op else {
        return Ok(Vec::new());
    };
    let update = &site.inputs[1];
    let positions = &site.inputs[2..];
    let leading = positions[0].ndim();
    let gather = Index::Gather {
        axes: axes.clone(),
        slice_sizes: update.shape()[leading..].into(),
    };
    let inputs: Vec<&Array> = std::iter::once(cotangent).chain(positions).collect();
    let taken = Array::apply(Op::Index(gather), &inputs)?;
    let kept = match combine {
        Combine::Replace => {
            let zeros = ops::zeros_like(update)?;
            let clear = Index::Scatter {
                axes: axes.clone(),
                combine: Combine::Replace,
            };
            let inputs: Vec<&Array> = [cotangent, &zeros].into_iter().chain(positions).collect();
            Array::apply(Op::Index(clear), &inputs)?
        }
        _ => cotangent.clone(),
    };
    let mut gradients = vec![Some(kept), Some(taken)];
    gradients.resize(site.inputs.len(), None);
    Ok(gradients)
}

fn scatter_along(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Index(Index::ScatterAlongAxis { axis, combine }) = site.op else {
        return Ok(Vec::new());
    };
    let positions = &site.inputs[1];
    let take = Op::Index(Index::TakeAlongAxis { axis: *axis });
    let taken = Array::apply(take, &[cotangent, positions])?;
    let kept = match combine {
        Combine::Replace => {
            let zeros = ops::zeros_like(&site.inputs[2])?;
            let clear = Index::ScatterAlongAxis {
                axis: *axis,
                combine: Combine::Replace,
            };
            Array::apply(Op::Index(clear), &[cotangent, positions, &zeros])?
        }
        _ => cotangent.clone(),
    };
    Ok(vec![Some(kept), None, Some(taken)])
}
