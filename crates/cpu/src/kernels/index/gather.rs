//! Slices gathered.

use super::PIECE;
use super::moves::{Grid, Place};
use super::positions::{BLOCK, Corners, FirstError};
use crate::simd::{stream, strided};
use mlx_oxide_ir::layout::contiguous_strides;
use mlx_oxide_ir::{Axes, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;

/// Where slices come from and go.
struct Gather {
    grid: Grid,
    source: Place,
    destination: Place,
    width: usize,
    /// Elements of a slice.
    size: usize,
    /// Whether results pass by the caches.
    streamed: bool,
}

/// Slices shorter than this, in bytes, are not worth passing by the caches.
const LONG: usize = 256;
/// Bytes of a slice that are fetched while the one before it is copied.
const FETCHED: usize = 2048;

pub(super) fn gather(axes: &Axes, slice: &[usize], call: &Call<'_>) -> Result<Results> {
    let (operand, arrays) = (&call.inputs[0], &call.inputs[1..]);
    let output = &call.outputs[0];
    let layout = &operand.layout;
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let size: usize = slice.iter().product();
    let gather = Gather {
        grid: Grid::new(slice, &contiguous_strides(slice), &layout.strides),
        source: Place::of(operand)?,
        destination: Place::new(&buffer, 0, output.dtype.size())?,
        width: output.dtype.size(),
        size,
        streamed: size * output.dtype.size() >= LONG
            && stream::pays(output.bytes(), output.bytes()),
    };
    let corners = Corners::new(
        "gather",
        axes,
        arrays,
        &layout.shape,
        &layout.strides,
        slice,
    )?;
    let errors = FirstError::default();
    let count = arrays.first().map_or(1, |array| array.layout.size());
    let grain = (PIECE / (size * gather.width).max(16)).max(1);
    parallel::for_each_range(count, grain, |start, end| {
        let mut offsets = [0; BLOCK];
        for first in (start..end).step_by(BLOCK) {
            let offsets = &mut offsets[..BLOCK.min(end - first)];
            if !corners.read(first, offsets, &errors) {
                return;
            }
            gather.slices(first, offsets);
        }
        if gather.streamed {
            stream::settle();
        }
    });
    errors.into_result()?;
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

impl Gather {
    /// Copies the slices at `offsets` to the places from `first` on.
    fn slices(&self, first: usize, offsets: &[isize]) {
        let (count, _, stride) = self.grid.row();
        if self.size == 1 {
            return self.elements(first, offsets);
        }
        if self.grid.is_row() && stride == 1 {
            return self.runs(first, offsets);
        }
        for (number, &offset) in offsets.iter().enumerate() {
            let to = ((first + number) * self.size) as isize;
            self.grid.walk(0, self.grid.count(), |place, row| {
                let target = self.destination.element(to + place);
                let source = self.source.element(offset + row);
                // SAFETY: the row lies in the slice, whose corner is checked
                unsafe { strided::row(target, source, stride, self.width, count) };
            });
        }
    }

    /// Slices without gaps.
    fn runs(&self, first: usize, offsets: &[isize]) {
        let bytes = self.size * self.width;
        for (number, &offset) in offsets.iter().enumerate() {
            if let Some(&next) = offsets.get(number + 1) {
                stream::fetch(self.source.element(next), bytes.min(FETCHED));
            }
            let target = self
                .destination
                .element(((first + number) * self.size) as isize);
            let source = self.source.element(offset);
            if self.streamed {
                // SAFETY: the slice's corner is checked; its place is this task's
                unsafe { stream::copy(target, source, bytes) };
            } else {
                // SAFETY: as above
                unsafe { target.copy_from_nonoverlapping(source, bytes) };
            }
        }
    }

    fn elements(&self, first: usize, offsets: &[isize]) {
        let target = self.destination.element(first as isize);
        let source = self.source.element(0);
        // SAFETY: offsets are checked; there is room for each element
        unsafe { scattered(target, source, self.width, offsets) };
    }
}

/// Brings single elements of 1, 2, 4 or 8 bytes together.
///
/// # Safety
/// Every offset leads from `source` to an element; there is room for as many at `target`.
pub(super) unsafe fn scattered(
    target: *mut u8,
    source: *const u8,
    width: usize,
    offsets: &[isize],
) {
    // SAFETY: the caller's promise
    unsafe {
        match width {
            1 => scattered_units::<u8>(target, source, offsets),
            2 => scattered_units::<u16>(target, source, offsets),
            4 => scattered_units::<u32>(target, source, offsets),
            _ => scattered_units::<u64>(target, source, offsets),
        }
    }
}

/// # Safety
/// As [`scattered`].
unsafe fn scattered_units<T: Copy>(target: *mut u8, source: *const u8, offsets: &[isize]) {
    let (target, source) = (target.cast::<T>(), source.cast::<T>());
    for (number, &offset) in offsets.iter().enumerate() {
        // SAFETY: the caller's promise
        unsafe {
            target
                .add(number)
                .write(source.offset(offset).read_unaligned())
        };
    }
}
