//! Slices gathered.

use super::PIECE;
use super::moves::{Grid, Place};
use super::positions::{BLOCK, Corners, FirstError};
use crate::simd::{stream, strided};
use mlx_oxide_ir::layout::contiguous_strides;
use mlx_oxide_ir::{Axes, Layout, Result, Shape};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;

/// Where slices come from and go.
///
/// Axes before the first indexed one go before the indices in memory, as most callers have them
/// afterwards: rows are then read and written one after the other, not a column at a time.
struct Gather {
    /// The positions along those axes, each a plane of all slices.
    planes: Grid,
    /// The rest of a slice.
    grid: Grid,
    source: Place,
    destination: Place,
    width: usize,
    /// Elements of the rest of a slice.
    size: usize,
    /// Slices.
    count: usize,
    /// Whether results pass by the caches.
    streamed: bool,
}

/// Bytes of a slice that take no longer to copy than to find.
const CLOSE: usize = 128;
/// Short slices between the one that is copied and the one that is fetched.
const AHEAD: usize = 8;
/// Slices shorter than this, in bytes, are not worth passing by the caches.
const LONG: usize = 256;
/// Bytes of a slice that are fetched while the one before it is copied.
const FETCHED: usize = 2048;

pub(super) fn gather(axes: &Axes, slice: &[usize], call: &Call<'_>) -> Result<Results> {
    let (operand, arrays) = (&call.inputs[0], &call.inputs[1..]);
    let output = &call.outputs[0];
    let layout = &operand.layout;
    let width = output.dtype.size();
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let leading = leading(axes, slice, &layout.strides);
    let (outer, inner) = slice.split_at(leading);
    let size: usize = inner.iter().product();
    let gather = Gather {
        planes: Grid::new(
            outer,
            &contiguous_strides(outer),
            &layout.strides[..leading],
        ),
        grid: Grid::new(
            inner,
            &contiguous_strides(inner),
            &layout.strides[leading..],
        ),
        source: Place::of(operand)?,
        destination: Place::new(&buffer, 0, width)?,
        width,
        size,
        count: arrays.first().map_or(1, |array| array.layout.size()),
        streamed: (size == 1 || size * width >= LONG)
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
    match outer.iter().product() {
        1 => gather.once(&corners, &errors),
        planes => gather.in_planes(planes, &corners, &errors)?,
    }
    errors.into_result()?;
    Ok(smallvec![Stored {
        buffer,
        layout: placed(leading, slice, &output.shape),
    }])
}

/// How many axes go before the indices: those before the first indexed one, unless neighbours in
/// memory lie along one of them.
fn leading(axes: &[usize], slice: &[usize], strides: &[isize]) -> usize {
    let first = axes.iter().copied().min().unwrap_or(0);
    let nearest = axes.iter().map(|axis| strides[*axis].unsigned_abs()).min();
    let mut outer = (0..first).filter(|axis| slice[*axis] > 1);
    let apart = |axis: usize| nearest.is_some_and(|near| strides[axis].unsigned_abs() >= near);
    if outer.all(apart) { first } else { 0 }
}

/// The layout of results whose axes before the indices are those of slices before the `leading` one.
fn placed(leading: usize, slice: &[usize], shape: &Shape) -> Layout {
    let indices = shape.len() - slice.len();
    let in_memory = slice[..leading].iter().chain(&shape[..indices]);
    let in_memory: Shape = in_memory.chain(&slice[leading..]).copied().collect();
    let order: Axes = (leading..leading + indices)
        .chain(0..leading)
        .chain(leading + indices..shape.len())
        .collect();
    Layout::contiguous(in_memory).permute(&order)
}

impl Gather {
    /// Slices of a piece of work.
    fn grain(&self) -> usize {
        let least = if self.size == 1 { 16 } else { CLOSE };
        (PIECE / (self.size * self.width).max(least)).max(1)
    }

    /// Reads indices and copies their slices, block by block.
    fn once(&self, corners: &Corners<'_>, errors: &FirstError) {
        parallel::for_each_range(self.count, self.grain(), |start, end| {
            let mut offsets = [0; BLOCK];
            for first in (start..end).step_by(BLOCK) {
                let offsets = &mut offsets[..BLOCK.min(end - first)];
                if !corners.read(first, offsets, errors) {
                    return;
                }
                self.slices(first, offsets, 0);
            }
            self.settle();
        });
    }

    /// Reads all indices, then copies their slices of one plane after the other.
    fn in_planes(&self, planes: usize, corners: &Corners<'_>, errors: &FirstError) -> Result<()> {
        let offsets = corners.read_all("gather", self.count, errors)?;
        if errors.is_some() {
            return Ok(()); // which the caller reports
        }
        let offsets = offsets.get()?;
        let (row, _, step) = self.planes.row();
        parallel::for_each_range(planes * self.count, self.grain(), |start, end| {
            let mut first = start;
            while first < end {
                let (plane, number) = (first / self.count, first % self.count);
                let count = (self.count - number).min(end - first);
                let along = (plane % row) as isize * step;
                self.planes.walk(plane / row, plane / row + 1, |_, from| {
                    self.slices(first, &offsets[number..number + count], from + along);
                });
                first += count;
            }
            self.settle();
        });
        Ok(())
    }

    fn settle(&self) {
        if self.streamed {
            stream::settle();
        }
    }

    /// Copies the slices at `offsets` from `plane` to the places from `first` on.
    fn slices(&self, first: usize, offsets: &[isize], plane: isize) {
        let (count, _, stride) = self.grid.row();
        let (destination, source) = (self.destination, self.source.moved(plane));
        if self.size == 1 {
            return self.elements(destination.element(first as isize), source, offsets);
        }
        if self.grid.is_row() && stride == 1 {
            return self.runs(first, offsets, source);
        }
        for (number, &offset) in offsets.iter().enumerate() {
            let to = ((first + number) * self.size) as isize;
            self.grid.walk(0, self.grid.count(), |place, row| {
                let target = destination.element(to + place);
                let source = source.element(offset + row);
                // SAFETY: the row lies in the slice, whose corner is checked
                unsafe { strided::row(target, source, stride, self.width, count) };
            });
        }
    }

    /// Slices of one element.
    fn elements(&self, target: *mut u8, source: Place, offsets: &[isize]) {
        let (source, width) = (source.element(0), self.width);
        if !self.streamed {
            // SAFETY: offsets are checked; there is room for each element
            return unsafe { scattered(target, source, width, offsets) };
        }
        // SAFETY: as above; each tile is filled
        unsafe {
            stream::tiles(target, width, offsets.len(), |tile, first, number| {
                scattered(tile, source, width, &offsets[first..first + number]);
            });
        }
    }

    /// Slices without gaps.
    fn runs(&self, first: usize, offsets: &[isize], source: Place) {
        let bytes = self.size * self.width;
        match bytes {
            8 => return self.short_runs::<8>(first, offsets, source),
            16 => return self.short_runs::<16>(first, offsets, source),
            32 => return self.short_runs::<32>(first, offsets, source),
            64 => return self.short_runs::<64>(first, offsets, source),
            128 => return self.short_runs::<128>(first, offsets, source),
            _ => {}
        }
        for (number, &offset) in offsets.iter().enumerate() {
            if let Some(&next) = offsets.get(number + 1) {
                stream::fetch(source.element(next), bytes.min(FETCHED));
            }
            let target = self
                .destination
                .element(((first + number) * self.size) as isize);
            let source = source.element(offset);
            if self.streamed {
                // SAFETY: the slice's corner is checked; its place is this task's
                unsafe { stream::copy(target, source, bytes) };
            } else {
                // SAFETY: as above
                unsafe { target.copy_from_nonoverlapping(source, bytes) };
            }
        }
    }

    /// Slices without gaps of so many bytes, which registers hold.
    fn short_runs<const BYTES: usize>(&self, first: usize, offsets: &[isize], source: Place) {
        let targets = self.destination.element((first * self.size) as isize);
        let targets = targets.cast::<[u8; BYTES]>();
        for (number, &offset) in offsets.iter().enumerate() {
            if let Some(&next) = offsets.get(number + AHEAD) {
                stream::fetch(source.element(next), BYTES);
            }
            let slice = source.element(offset).cast::<[u8; BYTES]>();
            // SAFETY: the slice's corner is checked; its place is this task's
            unsafe { targets.add(number).write(slice.read()) };
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use mlx_oxide_ir::{ArrayType, Dtype, Index, Op};
    use mlx_oxide_runtime::{Device, Operand, Stream};

    fn operand(elements: &[i32], layout: Layout) -> Operand {
        Operand {
            buffer: Buffer::from_bytes("test", bytemuck::cast_slice(elements)).unwrap(),
            layout,
            dtype: Dtype::Int32,
            donatable: false,
        }
    }

    fn elements(stored: &Stored) -> Vec<i32> {
        let start = stored.buffer.host_ptr().unwrap().as_ptr().cast::<i32>();
        let places = stored.layout.places();
        // SAFETY: the layout lies in the buffer
        places
            .map(|place| unsafe { start.add(place).read() })
            .collect()
    }

    fn gathered(axes: &[usize], slice: &[usize], inputs: &[Operand]) -> Result<Results> {
        let shape = inputs[1].layout.shape.iter().chain(slice).copied();
        let output = ArrayType {
            shape: shape.collect(),
            dtype: Dtype::Int32,
        };
        let axes: Axes = axes.iter().copied().collect();
        let op = Op::Index(Index::Gather {
            axes: axes.clone(),
            slice_sizes: slice.into(),
        });
        let call = Call {
            op: &op,
            inputs,
            outputs: &[output],
            stream: Stream::default_of(Device::CPU),
        };
        gather(&axes, slice, &call)
    }

    #[test]
    fn slices_of_every_axis_are_found_where_their_indices_say() {
        let source: Vec<i32> = (0..6 * 7 * 8).collect();
        let indices: Vec<i32> = (0..600).map(|number| number * 5 % 12 - 6).collect();
        let positions = operand(&indices, Layout::contiguous([2, 300]));
        let straight = Layout::contiguous([6, 7, 8]);
        for layout in [straight.clone(), straight.permute(&[2, 0, 1])] {
            let array = operand(&source, layout.clone());
            for axis in 0..3 {
                let mut slice = layout.shape.clone();
                slice[axis] = 1;
                let inputs = [array.clone(), positions.clone()];
                let results = gathered(&[axis], &slice, &inputs).unwrap();
                let mut expected = Vec::new();
                for index in &indices {
                    let place =
                        *index as isize + isize::from(*index < 0) * layout.shape[axis] as isize;
                    let corner = place as usize * layout.strides[axis] as usize;
                    let part = Layout {
                        shape: slice.clone(),
                        ..layout.clone()
                    };
                    expected.extend(part.places().map(|place| source[place + corner]));
                }
                assert_eq!(elements(&results[0]), expected, "{axis}");
            }
        }
    }

    #[test]
    fn axes_before_the_first_index_come_first_in_memory() {
        let source: Vec<i32> = (0..60).collect();
        let array = operand(&source, Layout::contiguous([3, 20]));
        let inputs = [array, operand(&[4, 4, 0, -1], Layout::contiguous([4]))];
        let results = gathered(&[1], &[3, 1], &inputs).unwrap();
        assert!(results[0].layout.permute(&[1, 0, 2]).is_contiguous());
    }

    #[test]
    fn a_wrong_index_is_an_error_in_planes_too() {
        let array = operand(&[0; 60], Layout::contiguous([3, 20]));
        for wrong in [20, -21] {
            let positions = operand(&[4, wrong, 0], Layout::contiguous([3]));
            assert!(gathered(&[1], &[3, 1], &[array.clone(), positions.clone()]).is_err());
            assert!(gathered(&[0], &[1, 20], &[array.clone(), positions]).is_err());
        }
    }
}
