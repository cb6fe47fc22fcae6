//! Indices, checked against the sizes of the axes that they index.

use super::moves::Place;
use crate::kernels::shared::Shared;
use crate::simd::{Isa, Kernel, strided, vectorised};
use mlx_oxide_ir::{Axes, Dtype, Error, Result};
use mlx_oxide_runtime::{Buffer, Operand, parallel};
use parking_lot::Mutex;

/// Indices that are read at once.
pub(super) const BLOCK: usize = 512;
/// Indices that are worth a task.
const TOGETHER: usize = 16 << 10;

/// An index array.
pub(super) struct Positions<'a> {
    operand: &'a Operand,
    place: Place,
    /// Whether the indices lie in order, at multiples of their width.
    in_order: bool,
}

impl<'a> Positions<'a> {
    pub(super) fn new(operand: &'a Operand) -> Result<Self> {
        let place = Place::of(operand)?;
        let aligned = (place.element(0) as usize).is_multiple_of(operand.dtype.size());
        Ok(Positions {
            operand,
            place,
            in_order: aligned && operand.layout.is_contiguous(),
        })
    }

    /// The indices from row-major position `start` on, as many as there is room for: where they lie
    /// if they are of this type and in order.
    pub(super) fn read<'r>(&'r self, start: usize, room: &'r mut [i64]) -> &'r [i64] {
        let dtype = self.operand.dtype;
        let from = self.place.element(start as isize);
        if self.in_order && dtype == Dtype::Int64 {
            // SAFETY: so many indices lie there in order, aligned, and nobody writes them
            return unsafe { std::slice::from_raw_parts(from.cast(), room.len()) };
        }
        if self.in_order {
            // SAFETY: as above
            unsafe { widen(from, dtype, room) };
            return room;
        }
        let mut raw = [0u64; BLOCK];
        let layout = &self.operand.layout;
        for (number, block) in room.chunks_mut(BLOCK).enumerate() {
            let target = raw.as_mut_ptr().cast::<u8>();
            // SAFETY: the block has room for as many elements of eight bytes
            unsafe {
                strided::gather(
                    target,
                    self.place.element(0),
                    dtype.size(),
                    &layout.shape,
                    &layout.strides,
                    start + number * BLOCK,
                    block.len(),
                );
            }
            // SAFETY: just brought together there
            unsafe { widen(target, dtype, block) };
        }
        room
    }
}

/// Integers of a dtype, as they lie in memory, as `i64`; what is greater stays greater than any
/// size.
///
/// # Safety
/// There are as many at `from` as indices, aligned.
unsafe fn widen(from: *const u8, dtype: Dtype, indices: &mut [i64]) {
    /// # Safety
    /// As [`widen`].
    unsafe fn each<T: Copy>(from: *const u8, indices: &mut [i64], wide: impl Fn(T) -> i64) {
        // SAFETY: the caller's promise
        let elements = unsafe { std::slice::from_raw_parts(from.cast::<T>(), indices.len()) };
        let kernel = Widen {
            elements,
            indices,
            wide,
        };
        vectorised(Isa::best(), kernel);
    }
    // SAFETY: the caller's promise
    unsafe {
        match dtype {
            Dtype::Bool | Dtype::Uint8 => each::<u8>(from, indices, i64::from),
            Dtype::Uint16 => each::<u16>(from, indices, i64::from),
            Dtype::Uint32 => each::<u32>(from, indices, i64::from),
            Dtype::Uint64 => {
                each::<u64>(from, indices, |x| i64::try_from(x).unwrap_or(i64::MAX));
            }
            Dtype::Int8 => each::<i8>(from, indices, i64::from),
            Dtype::Int16 => each::<i16>(from, indices, i64::from),
            Dtype::Int32 => each::<i32>(from, indices, i64::from),
            Dtype::Int64 => each::<i64>(from, indices, |x| x),
            // inference lets only integers through
            Dtype::Float16
            | Dtype::Bfloat16
            | Dtype::Float32
            | Dtype::Float64
            | Dtype::Complex64 => indices.fill(i64::MAX),
        }
    }
}

/// Integers made `i64`.
struct Widen<'a, T, W> {
    elements: &'a [T],
    indices: &'a mut [i64],
    wide: W,
}

impl<T: Copy, W: Fn(T) -> i64> Kernel for Widen<'_, T, W> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (index, &element) in self.indices.iter_mut().zip(self.elements) {
            *index = (self.wide)(element);
        }
    }
}

/// The places of an axis that an index may name.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) op: &'static str,
    pub(super) axis: usize,
    pub(super) size: usize,
    /// Elements from there on that must lie inside.
    pub(super) extent: usize,
}

impl Bounds {
    /// The place that an index names; negative ones count from the end.
    #[inline(always)]
    pub(super) fn place(&self, index: i64) -> Option<isize> {
        let place = if index < 0 {
            index + self.size as i64
        } else {
            index
        };
        let last = self.size as i64 - self.extent as i64;
        (place >= 0 && place <= last).then_some(place as isize)
    }

    /// What `place(number, along, old)` makes of the places that indices name and of what was there;
    /// whether all name one. Without branches, so that nothing waits for one index.
    #[inline(always)]
    pub(super) fn places(
        &self,
        indices: &[i64],
        places: &mut [isize],
        place: impl Fn(isize, isize, isize) -> isize,
    ) -> bool {
        let size = self.size as i64;
        let last = size - self.extent as i64;
        let mut wrong = 0;
        for (number, (&index, result)) in indices.iter().zip(places).enumerate() {
            let along = index + if index < 0 { size } else { 0 };
            // negative where either is
            wrong |= along | last.wrapping_sub(along);
            *result = place(number as isize, along as isize, *result);
        }
        wrong >= 0
    }

    /// The places of neighbouring elements of which element `j` is `first + j·step + index·stride`;
    /// whether all indices name one.
    pub(super) fn locate(
        &self,
        indices: &[i64],
        (first, (step, stride)): (isize, (isize, isize)),
        places: &mut [isize],
    ) -> bool {
        let locate = Locate {
            bounds: self,
            first,
            step,
            stride,
            indices,
            places,
        };
        vectorised(Isa::best(), locate)
    }

    /// Adds `index·stride` to each place; whether all indices name one.
    pub(super) fn move_along(&self, indices: &[i64], stride: isize, places: &mut [isize]) -> bool {
        let kernel = MoveAlong {
            bounds: self,
            stride,
            indices,
            places,
        };
        vectorised(Isa::best(), kernel)
    }

    /// The error of an index that names none.
    pub(super) fn error(&self, index: i64) -> Error {
        Error::IndexOutOfBounds {
            op: self.op,
            index,
            axis: self.axis,
            size: self.size,
        }
    }
}

/// Indices to places, as [`Bounds::locate`] does.
struct Locate<'a> {
    bounds: &'a Bounds,
    first: isize,
    step: isize,
    stride: isize,
    indices: &'a [i64],
    places: &'a mut [isize],
}

impl Kernel for Locate<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let (first, step, stride) = (self.first, self.step, self.stride);
        let bounds = self.bounds;
        // places of wrong indices may overflow: nobody uses them
        let at = |number: isize, along: isize| (first + number * step).wrapping_add(along);
        match stride {
            // vectors have no products of this width
            1 if step == 0 => bounds.places(self.indices, self.places, |_, along, _| at(0, along)),
            _ => bounds.places(self.indices, self.places, |number, along, _| {
                at(number, along.wrapping_mul(stride))
            }),
        }
    }
}

/// Places moved along an axis, as [`Bounds::move_along`] does.
struct MoveAlong<'a> {
    bounds: &'a Bounds,
    stride: isize,
    indices: &'a [i64],
    places: &'a mut [isize],
}

impl Kernel for MoveAlong<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let stride = self.stride;
        self.bounds
            .places(self.indices, self.places, |_, along, place| {
                place.wrapping_add(along.wrapping_mul(stride))
            })
    }
}

/// The error of the first wrong index, whichever thread met it.
#[derive(Default)]
pub(super) struct FirstError(Mutex<Option<(usize, Error)>>);

impl FirstError {
    pub(super) fn report(&self, position: usize, error: Error) {
        let mut first = self.0.lock();
        if first.as_ref().is_none_or(|(other, _)| position < *other) {
            *first = Some((position, error));
        }
    }

    /// Reports the first wrong one of indices, which are at positions from `start` on.
    #[cold]
    pub(super) fn report_first(&self, start: usize, bounds: &Bounds, indices: &[i64]) {
        let mut numbered = indices.iter().enumerate();
        if let Some((number, &index)) = numbered.find(|(_, index)| bounds.place(**index).is_none())
        {
            self.report(start + number, bounds.error(index));
        }
    }

    /// Whether there is one.
    pub(super) fn is_some(&self) -> bool {
        self.0.lock().is_some()
    }

    pub(super) fn into_result(self) -> Result<()> {
        match self.0.into_inner() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }
}

/// Where a part of the shape `part` begins in `operand`: negative starts count from the end, then
/// the part is moved inside.
pub(super) fn corner(
    axes: &Axes,
    starts: &Operand,
    operand: &Operand,
    part: &[usize],
) -> Result<Vec<usize>> {
    let shape = &operand.layout.shape;
    let mut indices = vec![0; axes.len()];
    let positions = Positions::new(starts)?;
    let indices = positions.read(0, &mut indices);
    let mut corner = vec![0; shape.len()];
    for (&axis, &start) in axes.iter().zip(indices) {
        let size = shape[axis] as i64;
        let from_start = if start < 0 {
            start.saturating_add(size)
        } else {
            start
        };
        corner[axis] = from_start.clamp(0, size - part[axis] as i64) as usize;
    }
    Ok(corner)
}

/// Index arrays of one shape, one for each of several axes, as offsets.
pub(super) struct Corners<'a> {
    arrays: Vec<(Positions<'a>, Bounds, isize)>,
}

impl<'a> Corners<'a> {
    /// For slices of the sizes `slice` of an array with `shape` and `strides`.
    pub(super) fn new(
        op: &'static str,
        axes: &Axes,
        arrays: &'a [Operand],
        shape: &[usize],
        strides: &[isize],
        slice: &[usize],
    ) -> Result<Self> {
        let arrays = axes.iter().zip(arrays).map(|(&axis, array)| {
            let bounds = Bounds {
                op,
                axis,
                size: shape[axis],
                extent: slice[axis],
            };
            Ok((Positions::new(array)?, bounds, strides[axis]))
        });
        Ok(Corners {
            arrays: arrays.collect::<Result<_>>()?,
        })
    }

    /// The offsets of the first `count` slices, unless an index is wrong, which is reported.
    pub(super) fn read_all(
        &self,
        op: &'static str,
        count: usize,
        errors: &FirstError,
    ) -> Result<Offsets> {
        let memory = Buffer::allocate(op, count * size_of::<isize>())?;
        let places = Shared(memory.host_ptr()?.as_ptr());
        parallel::for_each_range(count, TOGETHER, |start, end| {
            let place = places.element::<isize>(start);
            // SAFETY: the memory has room for all offsets; zeros are offsets
            unsafe { place.write_bytes(0, end - start) };
            // SAFETY: just written; these offsets are this task's own
            let offsets = unsafe { std::slice::from_raw_parts_mut(place, end - start) };
            self.read(start, offsets, errors);
        });
        Ok(Offsets { memory, count })
    }

    /// The offsets of the slices `start..start + offsets.len()`; false after a wrong index, which
    /// is reported.
    pub(super) fn read(&self, start: usize, offsets: &mut [isize], errors: &FirstError) -> bool {
        let (mut indices, mut places) = ([0; BLOCK], [0; BLOCK]);
        for (number, block) in offsets.chunks_mut(BLOCK).enumerate() {
            let start = start + number * BLOCK;
            let (indices, places) = (&mut indices[..block.len()], &mut places[..block.len()]);
            if self.arrays.is_empty() {
                block.fill(0);
            }
            for (axis, (positions, bounds, stride)) in self.arrays.iter().enumerate() {
                let indices = positions.read(start, indices);
                let target = if axis == 0 { &mut *block } else { &mut *places };
                if !bounds.locate(indices, (0, (0, *stride)), target) {
                    errors.report_first(start, bounds, indices);
                    return false;
                }
                if axis > 0 {
                    for (offset, place) in block.iter_mut().zip(&*places) {
                        *offset += place;
                    }
                }
            }
        }
        true
    }
}

/// Offsets of slices.
pub(super) struct Offsets {
    memory: Buffer,
    count: usize,
}

impl Offsets {
    pub(super) fn get(&self) -> Result<&[isize]> {
        let start = self.memory.host_ptr()?.as_ptr().cast::<isize>();
        // SAFETY: so many were written when they were read, aligned
        Ok(unsafe { std::slice::from_raw_parts(start, self.count) })
    }
}
