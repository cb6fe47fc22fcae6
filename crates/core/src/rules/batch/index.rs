//! Operations that move elements between places.

use super::{Batched, each};
use crate::array::{Array, Expression};
use crate::ops;
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{Axes, Combine, Dtype, Index, Op, Padding, Result, Shape};
use smallvec::{SmallVec, smallvec};

fn apply(index: Index, inputs: &[&Array]) -> Result<Batched> {
    Array::apply(Op::Index(index), inputs).map(Batched::first)
}

pub(super) fn batch(index: &Index, inputs: &[Batched], size: usize) -> Result<Batched> {
    match index {
        Index::Concatenate { axis } => {
            let arrays = all_first(inputs, size)?;
            apply(
                Index::Concatenate { axis: axis + 1 },
                &arrays.iter().collect::<Vec<_>>(),
            )
        }
        Index::Pad(paddings) => pad(index, paddings, inputs, size),
        Index::SliceUpdate { ranges, combine } => {
            let arrays = all_first(inputs, size)?;
            let mut all: SmallVec<[SliceRange; 4]> = smallvec![SliceRange::full(size)];
            all.extend_from_slice(ranges);
            apply(
                Index::SliceUpdate {
                    ranges: all,
                    combine: *combine,
                },
                &arrays.iter().collect::<Vec<_>>(),
            )
        }
        Index::TakeAlongAxis { axis } => {
            let arrays = all_first(inputs, size)?;
            apply(
                Index::TakeAlongAxis { axis: axis + 1 },
                &arrays.iter().collect::<Vec<_>>(),
            )
        }
        Index::ScatterAlongAxis { axis, combine } => {
            let arrays = all_first(inputs, size)?;
            let index = Index::ScatterAlongAxis {
                axis: axis + 1,
                combine: *combine,
            };
            apply(index, &arrays.iter().collect::<Vec<_>>())
        }
        Index::Gather { axes, slice_sizes } => gather(axes, slice_sizes, inputs, size),
        Index::Scatter { axes, combine } => scatter(axes, *combine, inputs, size),
        Index::DynamicSlice { axes, shape } => {
            if inputs[1].axis.is_some() {
                return one_by_one(index, inputs, size);
            }
            let array = inputs[0].with_axis_first(size)?;
            let mut shape = shape.clone();
            shape.insert(0, size);
            let axes = axes.iter().map(|axis| axis + 1).collect();
            apply(
                Index::DynamicSlice { axes, shape },
                &[&array, &inputs[1].array],
            )
        }
        Index::DynamicSliceUpdate { axes } => {
            if inputs[2].axis.is_some() {
                return one_by_one(index, inputs, size);
            }
            let arrays = all_first(&inputs[..2], size)?;
            let axes = axes.iter().map(|axis| axis + 1).collect();
            apply(
                Index::DynamicSliceUpdate { axes },
                &[&arrays[0], &arrays[1], &inputs[2].array],
            )
        }
    }
}

fn all_first(inputs: &[Batched], size: usize) -> Result<Vec<Array>> {
    inputs
        .iter()
        .map(|input| input.with_axis_first(size))
        .collect()
}

fn one_by_one(index: &Index, inputs: &[Batched], size: usize) -> Result<Batched> {
    let op = Op::Index(index.clone());
    let expression = Expression {
        op: op.clone(),
        inputs: smallvec![],
        rules: None,
    };
    each(&expression, inputs, size)?
        .pop()
        .ok_or_else(|| super::no_rule(&op))
}

fn pad(index: &Index, paddings: &[Padding], inputs: &[Batched], size: usize) -> Result<Batched> {
    if inputs[1].axis.is_some() {
        return one_by_one(index, inputs, size);
    }
    let array = inputs[0].with_axis_first(size)?;
    let mut all: SmallVec<[Padding; 4]> = smallvec![Padding::default()];
    all.extend_from_slice(paddings);
    apply(Index::Pad(all), &[&array, &inputs[1].array])
}

/// The number of each slice, as an index array of the shape `(size, 1…)` stretched to `shape`.
fn slice_numbers(size: usize, shape: &Shape) -> Result<Array> {
    let numbers = ops::arange(0.0, size as f64, 1.0, Dtype::Uint32)?;
    let mut along: Shape = vec![1; shape.ndim()].into();
    along[0] = size;
    ops::broadcast_to(&ops::reshape_to(&numbers, along)?, shape.clone())
}

/// A mapped operand is indexed by the slice number too.
fn gather(axes: &Axes, sizes: &Shape, inputs: &[Batched], size: usize) -> Result<Batched> {
    let (operand, positions) = (&inputs[0], &inputs[1..]);
    let positions = all_first(positions, size)?;
    if operand.axis.is_none() {
        let all: Vec<&Array> = std::iter::once(&operand.array).chain(&positions).collect();
        let index = Index::Gather {
            axes: axes.clone(),
            slice_sizes: sizes.clone(),
        };
        return apply(index, &all);
    }
    let array = operand.with_axis_first(size)?;
    let numbers = slice_numbers(size, positions[0].shape())?;
    let all_axes: Axes = std::iter::once(0)
        .chain(axes.iter().map(|axis| axis + 1))
        .collect();
    let mut all_sizes = sizes.clone();
    all_sizes.insert(0, 1);
    let all: Vec<&Array> = [&array, &numbers].into_iter().chain(&positions).collect();
    let index = Index::Gather {
        axes: all_axes,
        slice_sizes: all_sizes,
    };
    let gathered = Array::apply(Op::Index(index), &all)?;
    // drop the slice axis of size 1 that stands for the operand's mapped axis
    let mut shape = gathered.shape().clone();
    shape.remove(positions[0].ndim());
    Ok(Batched::first(ops::reshape_to(&gathered, shape)?))
}

fn scatter(axes: &Axes, combine: Combine, inputs: &[Batched], size: usize) -> Result<Batched> {
    let array = inputs[0].with_axis_first(size)?;
    let updates = inputs[1].with_axis_first(size)?;
    let positions = all_first(&inputs[2..], size)?;
    let numbers = slice_numbers(size, positions[0].shape())?;
    let all_axes: Axes = std::iter::once(0)
        .chain(axes.iter().map(|axis| axis + 1))
        .collect();
    let mut shape = updates.shape().clone();
    shape.insert(positions[0].ndim(), 1);
    let updates = ops::reshape_to(&updates, shape)?;
    let all: Vec<&Array> = [&array, &updates, &numbers]
        .into_iter()
        .chain(&positions)
        .collect();
    apply(
        Index::Scatter {
            axes: all_axes,
            combine,
        },
        &all,
    )
}
