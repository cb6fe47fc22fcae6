//! Elements taken from, and put to, places along one axis.

use super::combine::functions;
use super::gather::scattered;
use super::moves::Place;
use super::positions::{BLOCK, Bounds, FirstError, Positions};
use super::{PIECE, writable};
use crate::kernels::fused;
use crate::simd::stream;
use mlx_oxide_ir::layout::contiguous_strides;
use mlx_oxide_ir::{Combine, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;

/// Bytes of a line of the cache.
const LINE: usize = 64;
/// The most bytes that are fetched ahead: half of a first cache.
const FETCHED: usize = 16 << 10;
/// Indices whose check is worth a task.
const CHECKED: usize = 16 << 10;

/// The lines that an index array of some shape runs over: element `j` of a line belongs to the
/// place `base + j·step + index·stride` of the indexed array.
struct Lines<'a> {
    positions: Positions<'a>,
    bounds: Bounds,
    shape: &'a [usize],
    strides: &'a [isize],
    axis: usize,
}

impl Lines<'_> {
    /// Elements of a line.
    fn length(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    fn step(&self) -> isize {
        if self.axis + 1 == self.shape.len() {
            0
        } else {
            self.strides[self.shape.len() - 1]
        }
    }

    fn base(&self, line: usize) -> isize {
        let mut rest = line;
        let mut base = 0;
        for axis in (0..self.shape.len().saturating_sub(1)).rev() {
            if axis != self.axis {
                base += (rest % self.shape[axis]) as isize * self.strides[axis];
            }
            rest /= self.shape[axis];
        }
        base
    }

    /// Bytes of the indexed array, of elements of that width, that are fetched for the next line
    /// while one is taken; zero where it does not touch nearly all of them.
    fn fetched(&self, width: usize) -> usize {
        let bytes = self.bounds.size * width;
        let dense = self.step() == 0 && self.strides[self.axis] == 1;
        let touched = self.length() * LINE >= 2 * bytes;
        if dense && touched && bytes <= FETCHED {
            bytes
        } else {
            0
        }
    }

    /// Runs `each(position, places)` over the elements of lines, neighbours in one line at a time;
    /// stops at a wrong index.
    fn walk(
        &self,
        start: usize,
        end: usize,
        errors: &FirstError,
        mut each: impl FnMut(usize, &[isize]),
    ) {
        let length = self.length();
        // indices of short lines are read together
        let (lines, most) = ((BLOCK / length).max(1), BLOCK.min(length));
        let (mut indices, mut places) = ([0; BLOCK], [0; BLOCK]);
        for first in (start..end).step_by(lines) {
            let bases = (first..end.min(first + lines)).map(|line| self.base(line));
            for column in (0..length).step_by(BLOCK) {
                let (count, position) = (most.min(length - column), first * length + column);
                let indices = &mut indices[..count * bases.len()];
                self.positions.read(position, indices);
                for (line, base) in bases.clone().enumerate() {
                    let position = position + line * length;
                    let (indices, places) =
                        (&indices[line * count..][..count], &mut places[..count]);
                    if !self.locate(base + column as isize * self.step(), indices, places) {
                        return errors.report_first(position, &self.bounds, indices);
                    }
                    each(position, places);
                }
            }
        }
    }

    /// The places of neighbouring elements, the first of which index 0 puts to `first`; whether all
    /// indices are right.
    fn locate(&self, first: isize, indices: &[i64], places: &mut [isize]) -> bool {
        let steps = (self.step(), self.strides[self.axis]);
        self.bounds.locate(indices, (first, steps), places)
    }
}

pub(super) fn take(axis: usize, call: &Call<'_>) -> Result<Results> {
    let (operand, indices) = (&call.inputs[0], &call.inputs[1]);
    let output = &call.outputs[0];
    let width = output.dtype.size();
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    if output.size() == 0 {
        return Ok(smallvec![Stored::contiguous(buffer, output)]);
    }
    let lines = Lines {
        positions: Positions::new(indices)?,
        bounds: Bounds {
            op: "take_along_axis",
            axis,
            size: operand.layout.shape[axis],
            extent: 1,
        },
        shape: &output.shape,
        strides: &operand.layout.strides,
        axis,
    };
    let (source, target) = (Place::of(operand)?, Place::new(&buffer, 0, width)?);
    let errors = FirstError::default();
    let (length, fetched) = (lines.length(), lines.fetched(width));
    let grain = (PIECE / 4 / (length * width)).max(1);
    parallel::for_each_range(output.size() / length, grain, |start, end| {
        lines.walk(start, end, &errors, |position, places| {
            let next = position / length + 1;
            if fetched > 0 && position % length == 0 && next < end {
                stream::fetch(source.element(lines.base(next)), fetched);
            }
            let (to, from) = (target.element(position as isize), source.element(0));
            // SAFETY: places are checked and lie in the operand; positions lie in the output
            unsafe { scattered(to, from, width, places) };
        });
    });
    errors.into_result()?;
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

pub(super) fn scatter(axis: usize, combine: Combine, call: &Call<'_>) -> Result<Results> {
    let (indices, output) = (&call.inputs[1], &call.outputs[0]);
    let width = output.dtype.size();
    let update = fused::contiguous(call, &call.inputs[2])?;
    let shape = &update.layout.shape;
    let strides = contiguous_strides(&output.shape);
    let lines = Lines {
        positions: Positions::new(indices)?,
        bounds: Bounds {
            op: "put_along_axis",
            axis,
            size: output.shape[axis],
            extent: 1,
        },
        shape,
        strides: &strides,
        axis,
    };
    let empty = shape.contains(&0);
    let count = if empty {
        0
    } else {
        shape.iter().product::<usize>() / lines.length()
    };
    // all indices are checked before anything is written
    let errors = FirstError::default();
    let grain = (CHECKED / lines.length().max(1)).max(1);
    parallel::for_each_range(count, grain, |start, end| {
        lines.walk(start, end, &errors, |_, _| {});
    });
    errors.into_result()?;

    let buffer = writable(call, &call.inputs[0])?;
    let (source, target) = (Place::of(&update)?, Place::new(&buffer, 0, width)?);
    let (_, elements) = functions(combine, output.dtype);
    // lines that differ in an axis before the indexed one meet different places
    let apart: usize = if empty {
        0
    } else {
        shape[..axis].iter().product()
    };
    let together = count.checked_div(apart).unwrap_or(0);
    let grain = (PIECE / 4 / (together * lines.length() * width).max(1)).max(1);
    let errors = FirstError::default();
    parallel::for_each_range(apart, grain, |start, end| {
        let (start, end) = (start * together, end * together);
        lines.walk(start, end, &errors, |position, places| {
            let (to, from) = (target.element(0), source.element(position as isize));
            // SAFETY: places are checked and lie in the output; positions lie in the update
            unsafe { elements(to, from, places, None) };
        });
    });
    Ok(smallvec![Stored::contiguous(buffer, output)])
}
