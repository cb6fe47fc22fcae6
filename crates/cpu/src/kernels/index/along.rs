//! Elements taken from, and put to, places along one axis.

use super::PIECE;
use super::combine::functions;
use super::gather::scattered;
use super::moves::Place;
use super::positions::{BLOCK, Bounds, FirstError, Positions};
use crate::kernels::fused;
use crate::simd::stream;
use mlx_oxide_ir::layout::contiguous_strides;
use mlx_oxide_ir::{Combine, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::{SmallVec, smallvec};
use std::ops::Range;

/// Bytes of a line of the cache.
const LINE: usize = 64;
/// The most bytes that are fetched ahead: half of a first cache.
const FETCHED: usize = 16 << 10;
/// Bytes that are copied before updates are put to them.
const COPIED: usize = 64 << 10;
/// Such blocks of a task.
const BLOCKS: usize = 4;
/// The least parts of an array that are copied one by one.
const PARTS: usize = 64;
/// The most elements of a task.
const ELEMENTS: usize = 16 << 10;
/// The least columns of an array that are met together.
const COLUMNS: usize = 128;

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

    /// The places of lines from a number on.
    fn bases(&self, line: usize) -> Bases<'_> {
        let outer = self.shape.len().saturating_sub(1);
        let mut bases = Bases {
            shape: &self.shape[..outer],
            strides: self.strides[..outer].into(),
            coordinates: SmallVec::from_elem(0, outer),
            place: 0,
        };
        if self.axis < outer {
            bases.strides[self.axis] = 0;
        }
        let mut rest = line;
        for axis in (0..outer).rev() {
            let along = rest % self.shape[axis];
            bases.coordinates[axis] = along;
            bases.place += along as isize * bases.strides[axis];
            rest /= self.shape[axis];
        }
        bases
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

    /// Lines that are read together: short ones, which fill a block.
    fn together(&self) -> usize {
        (BLOCK / self.length().max(1)).max(1)
    }

    /// Runs `each(position, places)` over the elements of lines, neighbours at a time, no more of
    /// short lines than `together`; stops at a wrong index.
    fn walk(
        &self,
        lines: Range<usize>,
        together: usize,
        errors: &FirstError,
        mut each: impl FnMut(usize, &[isize]),
    ) {
        let length = self.length();
        if together == 1 {
            return self.walk_columns(lines, 0..length, errors, each);
        }
        let (mut indices, mut places) = ([0; BLOCK], [0; BLOCK]);
        let mut bases = self.bases(lines.start);
        for first in lines.clone().step_by(together) {
            let count = together.min(lines.end - first) * length;
            let (position, places) = (first * length, &mut places[..count]);
            let indices = self.positions.read(position, &mut indices[..count]);
            for (line, base) in places.chunks_exact_mut(length).zip(&mut bases) {
                for (number, place) in line.iter_mut().enumerate() {
                    *place = base + number as isize * self.step();
                }
            }
            let stride = self.strides[self.axis];
            if !self.bounds.move_along(indices, stride, places) {
                return errors.report_first(position, &self.bounds, indices);
            }
            each(position, places);
        }
    }

    /// As [`Self::walk`], over some columns of lines, one after the other.
    fn walk_columns(
        &self,
        lines: Range<usize>,
        columns: Range<usize>,
        errors: &FirstError,
        mut each: impl FnMut(usize, &[isize]),
    ) {
        let steps = (self.step(), self.strides[self.axis]);
        let (mut indices, mut places) = ([0; BLOCK], [0; BLOCK]);
        for (line, base) in lines.clone().zip(self.bases(lines.start)) {
            for column in columns.clone().step_by(BLOCK) {
                let count = BLOCK.min(columns.end - column);
                let position = line * self.length() + column;
                let indices = self.positions.read(position, &mut indices[..count]);
                let (first, places) = (base + column as isize * steps.0, &mut places[..count]);
                if !self.bounds.locate(indices, (first, steps), places) {
                    return errors.report_first(position, &self.bounds, indices);
                }
                each(position, places);
            }
        }
    }
}

/// The places of lines, one after the other.
struct Bases<'a> {
    shape: &'a [usize],
    strides: SmallVec<[isize; 4]>,
    coordinates: SmallVec<[usize; 4]>,
    place: isize,
}

impl Iterator for Bases<'_> {
    type Item = isize;

    fn next(&mut self) -> Option<isize> {
        let place = self.place;
        for axis in (0..self.shape.len()).rev() {
            self.coordinates[axis] += 1;
            self.place += self.strides[axis];
            if self.coordinates[axis] < self.shape[axis] {
                break;
            }
            self.coordinates[axis] = 0;
            self.place -= self.shape[axis] as isize * self.strides[axis];
        }
        Some(place)
    }
}

/// Elements of a width that are worth a task.
fn elements(width: usize) -> usize {
    ELEMENTS.min(PIECE / 4 / width)
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
    let most = FETCHED.checked_div(fetched).unwrap_or(BLOCK).max(1);
    let together = lines.together().min(most);
    let grain = (elements(width) / length).max(1);
    parallel::for_each_range(output.size() / length, grain, |start, end| {
        lines.walk(start..end, together, &errors, |position, places| {
            let next = position / length + together;
            if fetched > 0 && position % length == 0 && next < end {
                for base in lines.bases(next).take(together.min(end - next)) {
                    stream::fetch(source.element(base), fetched);
                }
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
    let count = match empty {
        true => 0,
        false => shape.iter().product::<usize>() / lines.length(),
    };
    let target = Target::new(axis, call)?;
    if target.donated {
        // a wrong index must not be met after updates have been put to what is there
        let errors = FirstError::default();
        let grain = (elements(width) / lines.length().max(1)).max(1);
        parallel::for_each_range(count, grain, |start, end| {
            lines.walk(start..end, lines.together(), &errors, |_, _| {});
        });
        errors.into_result()?;
    }
    let errors = FirstError::default();
    let source = Place::of(&update)?;
    let (_, meet_at) = functions(combine, output.dtype);
    // lines that differ in an axis before the indexed one meet different places
    let apart: usize = output.shape[..axis].iter().product();
    let together = count.checked_div(apart).unwrap_or(0);
    let meet = |position: usize, places: &[isize]| {
        let (to, from) = (target.place.element(0), source.element(position as isize));
        // SAFETY: places are checked and lie in the output; positions lie in the update
        unsafe { meet_at(to, from, places, None) };
    };
    let part = (together * lines.length()).max(1);
    if apart < PARTS && axis + 1 < shape.len() && !empty {
        // so do columns
        let width = (elements(width) / together.max(1)).max(COLUMNS);
        let cuts = lines.length().div_ceil(width);
        parallel::for_each(apart * cuts, |task| {
            let (first, column) = (task / cuts * together, task % cuts * width);
            let columns = column..lines.length().min(column + width);
            lines.walk_columns(first..first + together, columns, &errors, meet);
        });
    } else {
        let block = target.block();
        let grain = (elements(width) / part)
            .max(1)
            .min(block.saturating_mul(BLOCKS));
        parallel::for_each_range(apart, grain, |start, end| {
            for start in (start..end).step_by(block) {
                let end = end.min(start.saturating_add(block));
                target.copy(start, end);
                if empty {
                    continue;
                }
                let all = start * together..end * together;
                lines.walk(all, lines.together(), &errors, meet);
            }
        });
    }
    errors.into_result()?;
    Ok(smallvec![Stored::contiguous(target.buffer, output)])
}

/// Where updates are put.
struct Target {
    buffer: Buffer,
    place: Place,
    /// Whether it is memory of the operand.
    donated: bool,
    /// The operand, if its elements are still to be copied.
    operand: Option<Place>,
    /// Elements of all axes from the indexed one on.
    part: usize,
    /// Bytes of an element.
    width: usize,
}

impl Target {
    /// The operand's own memory if nobody else needs it, else other memory: with a copy if the axes
    /// before the indexed one give few parts, which are otherwise copied as they are met.
    fn new(axis: usize, call: &Call<'_>) -> Result<Self> {
        let (operand, output) = (&call.inputs[0], &call.outputs[0]);
        let donated = operand.donate(output.bytes());
        let parts: usize = output.shape[..axis].iter().product();
        let in_parts = donated.is_none() && parts >= PARTS && operand.layout.is_contiguous();
        let (is_donated, width) = (donated.is_some(), output.dtype.size());
        let buffer = match donated {
            Some(buffer) => buffer,
            None if in_parts => Buffer::allocate(call.op.name(), output.bytes())?,
            None => fused::copy(call, operand)?,
        };
        Ok(Target {
            place: Place::new(&buffer, 0, width)?,
            buffer,
            donated: is_donated,
            operand: in_parts.then(|| Place::of(operand)).transpose()?,
            part: output.shape[axis..].iter().product(),
            width,
        })
    }

    /// Parts that are copied at a time, so as to be in a cache when updates are put to them.
    fn block(&self) -> usize {
        match self.operand {
            Some(_) => (COPIED / (self.part * self.width).max(1)).max(1),
            None => usize::MAX,
        }
    }

    /// Copies some parts of the operand if they are still to be copied.
    fn copy(&self, start: usize, end: usize) {
        let Some(operand) = &self.operand else {
            return;
        };
        let (first, bytes) = (start * self.part, (end - start) * self.part * self.width);
        let (to, from) = (
            self.place.element(first as isize),
            operand.element(first as isize),
        );
        // SAFETY: both have these parts without gaps, which no other task writes
        unsafe { to.copy_from_nonoverlapping(from, bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlx_oxide_ir::{ArrayType, Dtype, Index, Layout, Op, Shape};
    use mlx_oxide_runtime::{Device, Operand, Stream};

    fn operand<T: bytemuck::Pod>(elements: &[T], layout: Layout, dtype: Dtype) -> Operand {
        Operand {
            buffer: Buffer::from_bytes("test", bytemuck::cast_slice(elements)).unwrap(),
            layout,
            dtype,
            donatable: false,
        }
    }

    fn run(index: Index, inputs: &[Operand], shape: &Shape) -> Result<Vec<f32>> {
        let call = Call {
            op: &Op::Index(index.clone()),
            inputs,
            outputs: &[ArrayType::new(shape.clone(), Dtype::Float32)],
            stream: Stream::default_of(Device::CPU),
        };
        let results = super::super::run(&index, &call)?;
        let bytes = results[0].buffer.host_bytes().unwrap();
        Ok(bytemuck::pod_collect_to_vec(bytes))
    }

    /// Indices of a shape for an axis of some size, a third of them from its end on, in types and
    /// layouts that are read in place and in others; and the places that they name.
    fn positions(shape: &Shape, size: usize) -> (Vec<Operand>, Vec<usize>) {
        let count: usize = shape.iter().product();
        let places: Vec<usize> = (0..count).map(|number| number * 7 % size).collect();
        let from_end = |number: usize| i32::from(number.is_multiple_of(3)) * size as i32;
        let numbered = places.iter().enumerate();
        let narrow: Vec<i32> = numbered
            .map(|(number, place)| *place as i32 - from_end(number))
            .collect();
        let wide: Vec<i64> = narrow.iter().map(|index| i64::from(*index)).collect();
        let spread: Vec<i32> = narrow.iter().flat_map(|index| [*index, i32::MAX]).collect();
        let layout = Layout::contiguous(shape.clone());
        let apart = Layout {
            strides: layout.strides.iter().map(|stride| 2 * stride).collect(),
            ..layout.clone()
        };
        let operands = vec![
            operand(&wide, layout.clone(), Dtype::Int64),
            operand(&narrow, layout, Dtype::Int32),
            operand(&spread, apart, Dtype::Int32),
        ];
        (operands, places)
    }

    /// The place in an array of some shape of each element of an index array of another one.
    fn named(places: &[usize], indices: &Shape, shape: &Shape, axis: usize) -> Vec<usize> {
        let mut corners = Layout::contiguous(shape.clone());
        let stride = corners.strides[axis] as usize;
        corners.shape = indices.clone();
        corners.strides[axis] = 0;
        let pairs = corners.places().zip(places);
        pairs
            .map(|(corner, place)| corner + place * stride)
            .collect()
    }

    const CASES: [(&[usize], usize, usize); 8] = [
        (&[100, 70], 1, 33),
        (&[100, 70], 0, 33),
        (&[70, 30_000], 1, 5),
        (&[8, 9, 10], 1, 4),
        (&[8, 9, 10], 2, 4),
        (&[70, 6, 5], 1, 9),
        (&[70, 6, 5], 1, 0),
        (&[3, 9000], 1, 700),
    ];

    #[test]
    fn elements_are_taken_from_and_put_to_the_places_that_indices_name() {
        for (shape, axis, count) in CASES {
            let shape = Shape::from(shape);
            let indices = shape.with(axis, count);
            let (all, places) = positions(&indices, shape[axis]);
            let named = named(&places, &indices, &shape, axis);
            let values: Vec<f32> = (0..shape.iter().product())
                .map(|i: usize| i as f32)
                .collect();
            let updates: Vec<f32> = (0..named.len()).map(|i| -0.5 - i as f32).collect();
            let array = |donatable| Operand {
                donatable,
                ..operand(&values, Layout::contiguous(shape.clone()), Dtype::Float32)
            };
            let update = operand(
                &updates,
                Layout::contiguous(indices.clone()),
                Dtype::Float32,
            );
            for positions in all {
                let taken = [array(false), positions.clone()];
                let found = run(Index::TakeAlongAxis { axis }, &taken, &indices).unwrap();
                assert!(
                    found
                        .iter()
                        .zip(&named)
                        .all(|(found, place)| *found == values[*place])
                );
                for (donatable, combine) in [
                    (false, Combine::Replace),
                    (true, Combine::Replace),
                    (false, Combine::Add),
                ] {
                    let mut expected = values.clone();
                    for (update, place) in updates.iter().zip(&named) {
                        let old = if combine == Combine::Add {
                            expected[*place]
                        } else {
                            0.0
                        };
                        expected[*place] = old + update;
                    }
                    let put = [array(donatable), positions.clone(), update.clone()];
                    let op = Index::ScatterAlongAxis { axis, combine };
                    assert!(
                        run(op, &put, &shape).unwrap() == expected,
                        "{shape:?} {axis}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_wrong_index_is_an_error_wherever_it_is_met() {
        let (shape, indices) = (Shape::from(&[100, 70][..]), Shape::from(&[100, 9][..]));
        let layout = Layout::contiguous(indices.clone());
        for (place, wrong) in [(0, 70i64), (899, -71), (450, i64::MAX), (7, i64::MIN)] {
            let mut raw = vec![3i64; 900];
            raw[place] = wrong;
            let positions = operand(&raw, layout.clone(), Dtype::Int64);
            let update = operand(&[1f32; 900], layout.clone(), Dtype::Float32);
            for donatable in [false, true] {
                let array = Operand {
                    donatable,
                    ..operand(
                        &[0f32; 7000],
                        Layout::contiguous(shape.clone()),
                        Dtype::Float32,
                    )
                };
                let inputs = [array, positions.clone(), update.clone()];
                let take = Index::TakeAlongAxis { axis: 1 };
                assert!(run(take, &inputs[..2], &indices).is_err());
                let (axis, combine) = (1, Combine::Replace);
                let put = Index::ScatterAlongAxis { axis, combine };
                assert!(run(put, &inputs, &shape).is_err());
            }
        }
    }
}
