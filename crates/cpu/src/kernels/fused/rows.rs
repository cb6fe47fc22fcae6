//! Rows that are too short to be worth tiles of their own, by machine code that goes from row to row:
//! those of outer products, of columns beside matrices, of parts of matrices.

use super::execute;
use super::lower::{Lowered, Slot};
use super::machine::{self, Code, CodeRows};
use crate::simd::stream;
use mlx_oxide_ir::layout::{Collapsed, collapse, contiguous_strides};
use mlx_oxide_ir::{ArrayType, Result};
use mlx_oxide_runtime::{Buffer, Call, parallel};
use smallvec::SmallVec;
use std::sync::Arc;

/// The shortest row: shorter ones are quicker brought together in tiles.
const SHORTEST: usize = 12;
/// The shortest row where all that is stretched is one row again and again, which a tile has room for.
const SHORTEST_AGAIN: usize = 64;
/// The longest row: longer ones are as good as tiles.
const LONGEST: usize = 1024;
/// The fewest rows that are worth a call.
const FEWEST: usize = 4;
/// Elements of a piece of work, for a program of weight one.
const PIECE: usize = 32 * 1024;

/// All rows of a call.
struct Rows<'a> {
    code: Arc<Code>,
    /// The loops of all inputs, then of the outputs.
    loops: &'a Collapsed,
    /// Inputs, then outputs: where element zero lies.
    bases: SmallVec<[*mut u8; 8]>,
    /// Bytes from row to row of each.
    steps: SmallVec<[isize; 8]>,
    widths: SmallVec<[isize; 8]>,
}

// SAFETY: threads write apart from each other, and nobody writes what they read
unsafe impl Sync for Rows<'_> {}

/// Runs the program so if its operands lie in such rows; whether they do.
pub(super) fn run(call: &Call<'_>, lowered: &Lowered, buffers: &[Buffer]) -> Result<bool> {
    let shape = &call.outputs[0].shape;
    if !machine::may_go_by_rows(lowered, shape.size()) {
        return Ok(false);
    }
    let order = contiguous_strides(shape);
    let inputs = call.inputs.iter().map(|input| &input.layout.strides[..]);
    let strides: SmallVec<[&[isize]; 8]> = inputs
        .chain(call.outputs.iter().map(|_| &order[..]))
        .collect();
    let loops = collapse(shape, &strides);
    let written = call.outputs.iter().map(ArrayType::bytes).sum();
    if !suits(&loops) || stream::pays_in_order(written, super::bytes_read(call.inputs)?) {
        return Ok(false);
    }
    let last = loops.shape.len() - 1;
    let elements = execute::elements(call.inputs)?;
    let single = |slot: Slot| {
        let is_single = loops.strides[slot as usize][last] == 0;
        is_single.then(|| elements[slot as usize])
    };
    let Some(code) = machine::by_rows(lowered, &single, shape.size()) else {
        return Ok(false);
    };
    let rows = Rows::new(call, buffers, &loops, code)?;
    let length = loops.shape[last];
    let grain = (PIECE / lowered.weight.max(1) / length).max(1);
    parallel::for_each_range(shape.size() / length, grain, |start, end| {
        rows.range(start, end);
    });
    Ok(true)
}

/// Whether rows have such a length, and are neighbours or one element each.
fn suits(loops: &Collapsed) -> bool {
    let [.., along, length] = loops.shape[..] else {
        return false;
    };
    let shortest = match is_again(loops) {
        true => SHORTEST_AGAIN,
        false => SHORTEST,
    };
    let mut strides = loops.strides.iter().filter_map(|strides| strides.last());
    (shortest..=LONGEST).contains(&length)
        && along >= FEWEST
        && strides.all(|stride| matches!(stride, 0 | 1))
}

/// Whether what does not lie as the outputs do is one row, or element, again and again.
fn is_again(loops: &Collapsed) -> bool {
    let mut strides = loops.strides.iter();
    let order = loops.strides.last();
    strides.all(|it| Some(it) == order || it.iter().rev().skip(1).all(|stride| *stride == 0))
}

impl<'a> Rows<'a> {
    fn new(
        call: &Call<'_>,
        buffers: &[Buffer],
        loops: &'a Collapsed,
        code: Arc<Code>,
    ) -> Result<Self> {
        let mut rows = Rows {
            code,
            loops,
            bases: SmallVec::new(),
            steps: SmallVec::new(),
            widths: SmallVec::new(),
        };
        for input in call.inputs {
            let start = input.buffer.host_ptr()?.as_ptr();
            let first = start.wrapping_add(input.layout.offset * input.dtype.size());
            rows.add(first, input.dtype.size());
        }
        for (buffer, output) in buffers.iter().zip(call.outputs) {
            rows.add(buffer.host_ptr()?.as_ptr(), output.dtype.size());
        }
        Ok(rows)
    }

    /// Adds the next operand.
    fn add(&mut self, base: *mut u8, width: usize) {
        let strides = &self.loops.strides[self.bases.len()];
        self.bases.push(base);
        self.widths.push(width as isize);
        self.steps.push(strides[strides.len() - 2] * width as isize);
    }

    /// Rows `start..end`.
    fn range(&self, start: usize, end: usize) {
        let shape = &self.loops.shape;
        let (along, length) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        let mut row = start;
        while row < end {
            let count = (along - row % along).min(end - row);
            let slots = self.slots(row / along, row % along);
            let rows = CodeRows {
                slots: &slots,
                strides: &self.steps,
                length,
                count,
            };
            // SAFETY: the rows lie in the operands; outputs are fresh, or the memory of an input
            // that is taken over element for element
            unsafe { self.code.run_rows(rows) };
            row += count;
        }
    }

    /// Where each operand's row number `row` of those with a number lies.
    fn slots(&self, mut number: usize, row: usize) -> SmallVec<[*mut u8; 8]> {
        let outer = self.loops.shape.len() - 2;
        let steps = self.bases.iter().zip(&self.steps);
        let mut slots: SmallVec<[*mut u8; 8]> = steps
            .map(|(base, step)| base.wrapping_offset(row as isize * step))
            .collect();
        for axis in (0..outer).rev() {
            let index = (number % self.loops.shape[axis]) as isize;
            number /= self.loops.shape[axis];
            let strides = self.loops.strides.iter().zip(&self.widths);
            for (slot, (strides, width)) in slots.iter_mut().zip(strides) {
                *slot = slot.wrapping_offset(index * strides[axis] * width);
            }
        }
        slots
    }
}
