//! Elements taken from, and put to, places along one axis.

use super::combine::{RowFn, row};
use super::moves::Place;
use super::positions::{BLOCK, Bounds, FirstError, Positions};
use super::{PIECE, contiguous, writable};
use mlx_oxide_ir::layout::contiguous_strides;
use mlx_oxide_ir::{Combine, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;

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

    /// Runs `each(position, place)` over the elements of lines; stops at a wrong index.
    fn walk(
        &self,
        start: usize,
        end: usize,
        errors: &FirstError,
        mut each: impl FnMut(usize, isize),
    ) {
        let (length, step, stride) = (self.length(), self.step(), self.strides[self.axis]);
        let mut indices = [0; BLOCK];
        for line in start..end {
            let base = self.base(line);
            for column in (0..length).step_by(BLOCK) {
                let indices = &mut indices[..BLOCK.min(length - column)];
                let position = line * length + column;
                self.positions.read(position, indices);
                for (number, &index) in indices.iter().enumerate() {
                    let Some(place) = self.bounds.place(index) else {
                        errors.report(position + number, self.bounds.error(index));
                        return;
                    };
                    let across = (column + number) as isize * step;
                    each(position + number, base + across + place * stride);
                }
            }
        }
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
    let grain = (PIECE / 4 / (lines.length() * width)).max(1);
    parallel::for_each_range(output.size() / lines.length(), grain, |start, end| {
        // SAFETY: places are checked and lie in the operand; positions lie in the output
        lines.walk(start, end, &errors, |position, place| unsafe {
            let (to, from) = (target.element(position as isize), source.element(place));
            match width {
                1 => to.write(from.read()),
                2 => to.cast::<u16>().write(from.cast::<u16>().read_unaligned()),
                4 => to.cast::<u32>().write(from.cast::<u32>().read_unaligned()),
                _ => to.cast::<u64>().write(from.cast::<u64>().read_unaligned()),
            }
        });
    });
    errors.into_result()?;
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

pub(super) fn scatter(axis: usize, combine: Combine, call: &Call<'_>) -> Result<Results> {
    let (indices, output) = (&call.inputs[1], &call.outputs[0]);
    let width = output.dtype.size();
    let update = contiguous(call, &call.inputs[2])?;
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
    lines.walk(0, count, &errors, |_, _| {});
    errors.into_result()?;

    let buffer = writable(call, &call.inputs[0])?;
    let (source, target) = (Place::of(&update)?, Place::new(&buffer, 0, width)?);
    let row: RowFn = row(combine, output.dtype);
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
        // SAFETY: places are checked and lie in the output; positions lie in the update
        lines.walk(
            start * together,
            end * together,
            &errors,
            |position, place| unsafe {
                row(
                    target.element(place),
                    1,
                    source.element(position as isize),
                    1,
                    1,
                );
            },
        );
    });
    Ok(smallvec![Stored::contiguous(buffer, output)])
}
