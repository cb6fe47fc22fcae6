//! Elements combined with what is already at their place, in row-major order of the updates.

use crate::binary;
use crate::elements::{Elements, place, position};
use crate::index::{bounded, shifted, slice_corner};
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{Axes, Binary, Combine, Result};

/// Lets element `from` of the update meet element `to` of the output; a combination is rounded
/// to the dtype each time.
fn meet(combine: Combine, output: &mut Elements, to: usize, update: &Elements, from: usize) {
    let op = match combine {
        Combine::Replace => {
            output.raw_mut(to).copy_from_slice(update.raw(from));
            return;
        }
        Combine::Add => Binary::Add,
        Combine::Multiply => Binary::Multiply,
        Combine::Maximum => Binary::Maximum,
        Combine::Minimum => Binary::Minimum,
    };
    let value = binary::apply(op, output.get(to), update.get(from), output.dtype());
    output.set(to, value);
}

fn copy(operand: &Elements) -> Elements {
    let mut output = Elements::zeroed(&operand.array_type);
    for place in 0..output.len() {
        output.raw_mut(place).copy_from_slice(operand.raw(place));
    }
    output
}

pub(crate) fn slice_update(
    ranges: &[SliceRange],
    combine: Combine,
    operand: &Elements,
    update: &Elements,
) -> Elements {
    let mut output = copy(operand);
    for from in 0..update.len() {
        let index: Vec<usize> = position(from, update.shape())
            .iter()
            .zip(ranges)
            .map(|(&step, range)| (range.start as isize + step as isize * range.step) as usize)
            .collect();
        let to = place(&index, operand.shape());
        meet(combine, &mut output, to, update, from);
    }
    output
}

/// The operand with the part that begins at `corner` replaced.
pub(crate) fn replace_part(operand: &Elements, update: &Elements, corner: &[usize]) -> Elements {
    let mut output = copy(operand);
    for from in 0..update.len() {
        let index = shifted(&position(from, update.shape()), corner);
        let to = place(&index, operand.shape());
        meet(Combine::Replace, &mut output, to, update, from);
    }
    output
}

pub(crate) fn scatter(axes: &Axes, combine: Combine, inputs: &[Elements]) -> Result<Elements> {
    let (operand, update, indices) = (&inputs[0], &inputs[1], &inputs[2..]);
    let mut output = copy(operand);
    let slice = &update.shape()[indices[0].shape().ndim()..];
    let slice_size: usize = slice.iter().product();
    for from in 0..update.len() {
        let (which, within) = (from / slice_size, from % slice_size);
        let corner = slice_corner("scatter", axes, indices, which, operand.shape(), slice)?;
        let index = shifted(&position(within, slice), &corner);
        let to = place(&index, operand.shape());
        meet(combine, &mut output, to, update, from);
    }
    Ok(output)
}

pub(crate) fn along_axis(axis: usize, combine: Combine, inputs: &[Elements]) -> Result<Elements> {
    let (operand, positions, update) = (&inputs[0], &inputs[1], &inputs[2]);
    let mut output = copy(operand);
    let size = operand.shape()[axis];
    for from in 0..update.len() {
        let mut index = position(from, update.shape());
        let named = positions.get(from).integer();
        index[axis] = bounded("put_along_axis", named, axis, size, 1)?;
        let to = place(&index, operand.shape());
        meet(combine, &mut output, to, update, from);
    }
    Ok(output)
}
