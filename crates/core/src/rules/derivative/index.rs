//! Operations that move elements between places.

use super::{Derivative, Optional, scatter};
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
        Index::SliceUpdate { combine, .. }
        | Index::Scatter { combine, .. }
        | Index::ScatterAlongAxis { combine, .. } => scatter::derivative(*combine),
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
