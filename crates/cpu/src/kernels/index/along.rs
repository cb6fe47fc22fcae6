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
use smallvec::smallvec;

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
                let indices = self.positions.read(position, indices);
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
    let count = match empty {
        true => 0,
        false => shape.iter().product::<usize>() / lines.length(),
    };
    let target = Target::new(axis, call)?;
    if target.donated {
        // a wrong index must not be met after updates have been put to what is there
        let errors = FirstError::default();
        let grain = (CHECKED / lines.length().max(1)).max(1);
        parallel::for_each_range(count, grain, |start, end| {
            lines.walk(start, end, &errors, |_, _| {});
        });
        errors.into_result()?;
    }
    let errors = FirstError::default();
    let source = Place::of(&update)?;
    let (_, elements) = functions(combine, output.dtype);
    // lines that differ in an axis before the indexed one meet different places
    let apart: usize = output.shape[..axis].iter().product();
    let together = count.checked_div(apart).unwrap_or(0);
    let put = |start: usize, end: usize| {
        target.copy(start, end);
        if empty {
            return;
        }
        let (start, end) = (start * together, end * together);
        lines.walk(start, end, &errors, |position, places| {
            let (to, from) = (target.place.element(0), source.element(position as isize));
            // SAFETY: places are checked and lie in the output; positions lie in the update
            unsafe { elements(to, from, places, None) };
        });
    };
    let grain = (PIECE / 4 / (together * lines.length() * width).max(1)).max(1);
    let block = target.block();
    let grain = grain.min(block.saturating_mul(BLOCKS));
    parallel::for_each_range(apart, grain, |start, end| {
        for start in (start..end).step_by(block) {
            put(start, end.min(start.saturating_add(block)));
        }
    });
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
