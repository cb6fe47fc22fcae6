//! Elements moved between places: joined, padded, gathered.

use crate::elements::{Elements, place, position};
use crate::scatter;
use mlx_oxide_ir::{Axes, Error, Index, Padding, Result, Shape};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn run(index: &Index, call: &Call<'_>) -> Result<Results> {
    let inputs = call
        .inputs
        .iter()
        .map(Elements::read)
        .collect::<Result<Vec<_>>>()?;
    let name = index.name();
    let output = match index {
        Index::Concatenate { axis } => concatenate(*axis, &inputs, call),
        Index::Pad(paddings) => pad(paddings, &inputs[0], &inputs[1], call),
        Index::SliceUpdate { ranges, combine } => {
            scatter::slice_update(ranges, *combine, &inputs[0], &inputs[1])
        }
        Index::DynamicSlice { axes, shape } => {
            let corner = corner(axes, &inputs[1], &inputs[0], shape);
            part(&inputs[0], &corner, call)
        }
        Index::DynamicSliceUpdate { axes } => {
            let corner = corner(axes, &inputs[2], &inputs[0], inputs[1].shape());
            scatter::replace_part(&inputs[0], &inputs[1], &corner)
        }
        Index::Gather { axes, slice_sizes } => gather(axes, slice_sizes, &inputs, call)?,
        Index::Scatter { axes, combine } => scatter::scatter(axes, *combine, &inputs)?,
        Index::TakeAlongAxis { axis } => take_along_axis(*axis, &inputs[0], &inputs[1], call)?,
        Index::ScatterAlongAxis { axis, combine } => scatter::along_axis(*axis, *combine, &inputs)?,
    };
    output.finish(name)
}

fn concatenate(axis: usize, inputs: &[Elements], call: &Call<'_>) -> Elements {
    let mut output = Elements::zeroed(&call.outputs[0]);
    let shape = output.shape().clone();
    let mut start = 0;
    for input in inputs {
        for from in 0..input.len() {
            let mut index = position(from, input.shape());
            index[axis] += start;
            output
                .raw_mut(place(&index, &shape))
                .copy_from_slice(input.raw(from));
        }
        start += input.shape()[axis];
    }
    output
}

fn pad(paddings: &[Padding], operand: &Elements, fill: &Elements, call: &Call<'_>) -> Elements {
    let mut output = Elements::zeroed(&call.outputs[0]);
    for to in 0..output.len() {
        output.raw_mut(to).copy_from_slice(fill.raw(0));
    }
    let shape = output.shape().clone();
    for from in 0..operand.len() {
        let mut index = position(from, operand.shape());
        for (position, padding) in index.iter_mut().zip(paddings) {
            *position = padding.low + *position * (padding.interior + 1);
        }
        output
            .raw_mut(place(&index, &shape))
            .copy_from_slice(operand.raw(from));
    }
    output
}

/// Where a part of the shape `part` begins in `operand`: negative starts count from the end, then
/// the part is moved inside.
fn corner(axes: &Axes, starts: &Elements, operand: &Elements, part: &Shape) -> Vec<usize> {
    let mut corner = vec![0; operand.shape().ndim()];
    for (&axis, start) in axes.iter().zip(starts.values()) {
        let (start, size) = (start.integer(), operand.shape()[axis]);
        let from_start = if start < 0 {
            start + size as i128
        } else {
            start
        };
        corner[axis] = from_start.clamp(0, (size - part[axis]) as i128) as usize;
    }
    corner
}

fn part(operand: &Elements, corner: &[usize], call: &Call<'_>) -> Elements {
    let mut output = Elements::zeroed(&call.outputs[0]);
    let shape = output.shape().clone();
    for to in 0..output.len() {
        let index = shifted(&position(to, &shape), corner);
        output
            .raw_mut(to)
            .copy_from_slice(operand.raw(place(&index, operand.shape())));
    }
    output
}

/// The sum of two positions.
pub(crate) fn shifted(index: &[usize], corner: &[usize]) -> Vec<usize> {
    index.iter().zip(corner).map(|(a, b)| a + b).collect()
}

fn gather(
    axes: &Axes,
    slice_sizes: &Shape,
    inputs: &[Elements],
    call: &Call<'_>,
) -> Result<Elements> {
    let (operand, indices) = (&inputs[0], &inputs[1..]);
    let mut output = Elements::zeroed(&call.outputs[0]);
    for to in 0..output.len() {
        let (which, within) = (to / slice_sizes.size(), to % slice_sizes.size());
        let corner = slice_corner("gather", axes, indices, which, operand.shape(), slice_sizes)?;
        let index = shifted(&position(within, slice_sizes), &corner);
        output
            .raw_mut(to)
            .copy_from_slice(operand.raw(place(&index, operand.shape())));
    }
    Ok(output)
}

/// Where the slice of the index arrays' element `which` begins.
pub(crate) fn slice_corner(
    op: &'static str,
    axes: &Axes,
    indices: &[Elements],
    which: usize,
    shape: &Shape,
    slice: &[usize],
) -> Result<Vec<usize>> {
    let mut corner = vec![0; shape.ndim()];
    for (&axis, positions) in axes.iter().zip(indices) {
        let index = positions.get(which).integer();
        corner[axis] = bounded(op, index, axis, shape[axis], slice[axis])?;
    }
    Ok(corner)
}

/// The position that an index names; fails unless a slice of `extent` elements from there lies
/// inside. Negative indices count from the end.
pub(crate) fn bounded(
    op: &'static str,
    index: i128,
    axis: usize,
    size: usize,
    extent: usize,
) -> Result<usize> {
    let from_start = if index < 0 {
        index + size as i128
    } else {
        index
    };
    if from_start < 0 || from_start + extent as i128 > size as i128 {
        return Err(Error::IndexOutOfBounds {
            op,
            index: index.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
            axis,
            size,
        });
    }
    Ok(from_start as usize)
}

fn take_along_axis(
    axis: usize,
    operand: &Elements,
    positions: &Elements,
    call: &Call<'_>,
) -> Result<Elements> {
    let mut output = Elements::zeroed(&call.outputs[0]);
    let size = operand.shape()[axis];
    for to in 0..output.len() {
        let mut index = position(to, positions.shape());
        let taken = positions.get(to).integer();
        index[axis] = bounded("take_along_axis", taken, axis, size, 1)?;
        output
            .raw_mut(to)
            .copy_from_slice(operand.raw(place(&index, operand.shape())));
    }
    Ok(output)
}
