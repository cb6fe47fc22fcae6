//! Elements moved between places: joined, padded, gathered, scattered.

mod along;
mod combine;
mod gather;
pub(super) mod moves;
mod positions;
mod scatter;

use super::fused;
use crate::simd::strided;
use mlx_oxide_ir::layout::{SliceRange, contiguous_strides};
use mlx_oxide_ir::{ArrayType, Combine, Index, Layout, Padding, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use moves::{Grid, Place};
use smallvec::{SmallVec, smallvec};

/// Bytes of a piece of work that only moves elements.
const PIECE: usize = 256 * 1024;

pub(crate) fn supports(_op: &Index, _inputs: &[&ArrayType]) -> bool {
    true
}

pub(crate) fn run(op: &Index, call: &Call<'_>) -> Result<Results> {
    let inputs = call.inputs;
    match op {
        Index::Concatenate { axis } => concatenate(*axis, call),
        Index::Pad(paddings) => pad(paddings, call),
        Index::SliceUpdate { ranges, combine } => slice_update(ranges, *combine, call),
        Index::DynamicSlice { axes, shape } => {
            let corner = positions::corner(axes, &inputs[1], &inputs[0], shape)?;
            Ok(smallvec![Stored {
                buffer: inputs[0].buffer.clone(),
                layout: inputs[0].layout.slice(&part(&corner, shape)),
            }])
        }
        Index::DynamicSliceUpdate { axes } => {
            let shape = &inputs[1].layout.shape;
            let corner = positions::corner(axes, &inputs[2], &inputs[0], shape)?;
            slice_update(&part(&corner, shape), Combine::Replace, call)
        }
        Index::Gather { axes, slice_sizes } => gather::gather(axes, slice_sizes, call),
        Index::Scatter { axes, combine } => scatter::scatter(axes, *combine, call),
        Index::TakeAlongAxis { axis } => along::take(*axis, call),
        Index::ScatterAlongAxis { axis, combine } => along::scatter(*axis, *combine, call),
    }
}

/// The part of a shape that begins at `corner`.
fn part(corner: &[usize], shape: &[usize]) -> SmallVec<[SliceRange; 4]> {
    let ranges = corner.iter().zip(shape);
    ranges
        .map(|(&start, &count)| SliceRange {
            start,
            step: 1,
            count,
        })
        .collect()
}

/// An operand whose rows have no gaps: itself, or a copy.
fn in_rows(call: &Call<'_>, operand: &Operand) -> Result<Operand> {
    let layout = &operand.layout;
    let last = layout.shape.last().zip(layout.strides.last());
    if last.is_none_or(|(&size, &stride)| size <= 1 || stride == 1) {
        return Ok(operand.clone());
    }
    fused::contiguous(call, operand)
}

/// The elements of an operand in memory that may be written: its own if nobody else needs it,
/// else a copy.
fn writable(call: &Call<'_>, operand: &Operand) -> Result<Buffer> {
    match operand.donate(call.outputs[0].bytes()) {
        Some(buffer) => Ok(buffer),
        None => fused::copy(call, operand),
    }
}

fn concatenate(axis: usize, call: &Call<'_>) -> Result<Results> {
    let output = &call.outputs[0];
    let width = output.dtype.size();
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let strides = contiguous_strides(&output.shape);
    let mut start = 0;
    for input in call.inputs {
        let input = in_rows(call, input)?;
        let destination = Place::new(&buffer, start * strides[axis] as usize, width)?;
        let source = Place::of(&input)?;
        let grid = Grid::new(&input.layout.shape, &strides, &input.layout.strides);
        start += input.layout.shape[axis];
        grid.copy(destination, source, width);
    }
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

fn pad(paddings: &[Padding], call: &Call<'_>) -> Result<Results> {
    let output = &call.outputs[0];
    let width = output.dtype.size();
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let (frame, fill) = (Place::new(&buffer, 0, width)?, Place::of(&call.inputs[1])?);
    parallel::for_each_range(output.size(), PIECE / width, |start, end| {
        let place = frame.element(start as isize);
        // SAFETY: the buffer holds the output; the fill is one element
        unsafe { strided::fill(place, fill.element(0), width, end - start) };
    });
    let input = in_rows(call, &call.inputs[0])?;
    let strides = contiguous_strides(&output.shape);
    let first: usize = paddings
        .iter()
        .zip(&strides)
        .map(|(padding, &stride)| padding.low * stride as usize)
        .sum();
    let steps: SmallVec<[isize; 4]> = paddings
        .iter()
        .zip(&strides)
        .map(|(padding, stride)| stride * (padding.interior + 1) as isize)
        .collect();
    let grid = Grid::new(&input.layout.shape, &steps, &input.layout.strides);
    grid.copy(
        Place::new(&buffer, first, width)?,
        Place::of(&input)?,
        width,
    );
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

fn slice_update(ranges: &[SliceRange], combine: Combine, call: &Call<'_>) -> Result<Results> {
    let output = &call.outputs[0];
    let update = in_rows(call, &call.inputs[1])?;
    let buffer = writable(call, &call.inputs[0])?;
    let written = Layout::contiguous(output.shape.clone()).slice(ranges);
    let destination = Place::new(&buffer, written.offset, output.dtype.size())?;
    let grid = Grid::new(&written.shape, &written.strides, &update.layout.strides);
    let row = combine::row(combine, output.dtype);
    grid.rows(destination, Place::of(&update)?, row);
    Ok(smallvec![Stored::contiguous(buffer, output)])
}
