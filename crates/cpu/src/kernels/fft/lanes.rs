//! One pass: every lane along an axis read, transformed and written, several lanes at a time
//! where they lie side by side.

use super::across;
use super::moves::{read, write};
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{Error, Layout, Result};
use mlx_oxide_runtime::{Buffer, parallel};
use num_complex::Complex32;
use parking_lot::Mutex;
use std::ops::Range;

/// Lanes that lie side by side and move together: as many as share a cache line, twice.
pub(super) const BLOCK: usize = 16;
/// Elements between the lanes of a block: lengths are often powers of two, at whose distance all
/// lanes would want the same few places of the cache.
pub(super) const GAP: usize = 8;
/// Elements that one task transforms at least.
const GRAIN: usize = 1 << 13;

/// Elements that are transformed by one call, since a call costs as much as a short lane.
const AT_ONCE: usize = 1 << 10;

/// Start of elements that several threads use at disjoint places.
pub(super) struct Shared<T>(pub(super) *mut T);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<T> {}

// SAFETY: `pass` gives every thread lanes of its own
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn at(self, offset: isize) -> *mut T {
        self.0.wrapping_offset(offset)
    }
}

/// What happens to one lane.
pub(super) trait Transform: Sync {
    /// Elements of a lane before.
    type Input: Copy + Default + Send;
    /// Elements of a lane after.
    type Output: Copy + Default + Send;

    /// How lanes whose elements lie `inner` apart are transformed several at a time, if that pays,
    /// and by what the results are multiplied.
    fn across(&self, inner: usize) -> Option<(&across::Plan, f32)>;

    /// How much room it needs.
    fn scratch_length(&self) -> usize;

    /// Transforms lanes one behind the other without touching the input, if it can.
    fn transform_untouched(
        &self,
        _input: &[Self::Input],
        _output: &mut [Self::Output],
        _scratch: &mut [Complex32],
    ) -> bool {
        false
    }

    /// Transforms a lane; the input becomes rubbish.
    fn transform(
        &self,
        input: &mut [Self::Input],
        output: &mut [Self::Output],
        scratch: &mut [Complex32],
    );
}

/// Where lanes begin.
pub(super) enum Offsets {
    /// So many at even distances: of short lanes, listing them takes as long as a transform.
    Even {
        first: usize,
        step: isize,
        count: usize,
    },
    Listed(Vec<usize>),
}

impl Offsets {
    /// All places of a layout in row-major order.
    pub(super) fn new(layout: Layout) -> Self {
        let loops = collapse(&layout.shape, &[&layout.strides]);
        match loops.shape.len() {
            1 => Offsets::Even {
                first: layout.offset,
                step: loops.strides[0][0],
                count: loops.shape[0],
            },
            _ => Offsets::Listed(places(layout)),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Offsets::Even { count, .. } => *count,
            Offsets::Listed(offsets) => offsets.len(),
        }
    }

    /// Of one lane.
    #[inline(always)]
    pub(super) fn of(&self, lane: usize) -> usize {
        match self {
            Offsets::Even { first, step, .. } => first.wrapping_add_signed(lane as isize * step),
            Offsets::Listed(offsets) => offsets[lane],
        }
    }

    /// Of neighbouring lanes.
    #[inline(always)]
    pub(super) fn read(&self, start: usize, offsets: &mut [usize]) {
        match self {
            Offsets::Even { .. } => {
                for (lane, offset) in offsets.iter_mut().enumerate() {
                    *offset = self.of(start + lane);
                }
            }
            Offsets::Listed(listed) => {
                offsets.copy_from_slice(&listed[start..start + offsets.len()]);
            }
        }
    }

    /// Whether neighbours in a range are so far apart.
    fn are_apart(&self, range: Range<usize>, distance: usize) -> bool {
        match self {
            Offsets::Even { step, .. } => range.len() <= 1 || *step == distance as isize,
            Offsets::Listed(offsets) => {
                let mut pairs = offsets[range].windows(2);
                pairs.all(|pair| pair[0] + distance == pair[1])
            }
        }
    }
}

/// The places of all elements in row-major order, a row at a time: where lanes are short, finding
/// them one by one takes as long as the transform.
fn places(mut layout: Layout) -> Vec<usize> {
    let Some(step) = layout.strides.pop() else {
        return vec![layout.offset];
    };
    let last = layout.shape.ndim() - 1;
    let count = layout.shape.remove(last);
    let mut places = Vec::with_capacity(layout.size() * count);
    for first in layout.places() {
        let place = |index: usize| first.wrapping_add_signed(index as isize * step);
        places.extend((0..count).map(place));
    }
    places
}

/// Where lanes begin and how they run.
pub(super) struct Lanes {
    /// Where each lane begins in the source, in row-major order of the other axes.
    pub(super) offsets: Offsets,
    /// Distance of neighbours of a lane of the source.
    pub(super) source_stride: isize,
    /// Elements of a lane of the source.
    pub(super) source_length: usize,
    /// Elements of a lane of the target.
    pub(super) target_length: usize,
    /// Elements of the target behind the axis: the distance of neighbours of a lane.
    pub(super) inner: usize,
}

impl Lanes {
    /// Where each lane of a block begins in the target.
    #[inline(always)]
    pub(super) fn targets(&self, first: usize, count: usize, starts: &mut [usize; BLOCK]) {
        if self.inner == 1 {
            for (lane, start) in starts[..count].iter_mut().enumerate() {
                *start = (first + lane) * self.target_length;
            }
            return;
        }
        let (mut outer, mut inner) = (first / self.inner, first % self.inner);
        for start in &mut starts[..count] {
            *start = outer * self.inner * self.target_length + inner;
            inner += 1;
            if inner == self.inner {
                (outer, inner) = (outer + 1, 0);
            }
        }
    }
}

/// Memory of the allocator's, which it keeps between calls: fresh pages cost as much as a
/// transform.
struct Room<E> {
    buffer: Buffer,
    length: usize,
    element: std::marker::PhantomData<E>,
}

impl<E> Room<E> {
    fn new(length: usize) -> Result<Self> {
        let buffer = Buffer::allocate("fft", length * size_of::<E>())?;
        Ok(Room {
            buffer,
            length,
            element: std::marker::PhantomData,
        })
    }

    fn elements(&mut self) -> Result<&mut [E]> {
        let start = self.buffer.host_ptr()?.as_ptr().cast::<E>();
        // SAFETY: the buffer is this room's alone and has `length` elements, of which all bits
        // are numbers
        Ok(unsafe { std::slice::from_raw_parts_mut(start, self.length) })
    }
}

/// Transforms some lanes of the source into the target. They may be the same memory if the lanes
/// are the same too.
pub(super) fn pass<T: Transform>(
    transform: &T,
    source: Shared<T::Input>,
    target: Shared<T::Output>,
    lanes: &Lanes,
    range: Range<usize>,
) -> Result<()> {
    let length = lanes.source_length.max(lanes.target_length);
    let across = match range.len() >= BLOCK / 2 {
        true => transform.across(lanes.inner),
        false => None,
    };
    let multiple = match across {
        Some(_) => BLOCK,
        None => BLOCK.min(lanes.inner),
    };
    let grain = (GRAIN / length).max(1).next_multiple_of(multiple);
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    parallel::for_each_range(range.len(), grain, |start, end| {
        let part = range.start + start..range.start + end;
        let done = match across {
            Some((plan, scale)) => {
                let numbers = (Shared(source.0.cast()), Shared(target.0.cast()));
                several(plan, scale, numbers, lanes, part)
            }
            None if lanes.inner == 1 => single(transform, source, target, lanes, part),
            None => blocks(transform, source, target, lanes, part),
        };
        if let Err(error) = done {
            *failure.lock() = Some(error);
        }
    });
    failure.into_inner().map_or(Ok(()), Err)
}

/// Lanes transformed several at a time.
fn several(
    plan: &across::Plan,
    scale: f32,
    (source, target): (Shared<f32>, Shared<f32>),
    lanes: &Lanes,
    range: Range<usize>,
) -> Result<()> {
    let mut room = Room::<f32>::new(plan.room())?;
    let room = room.elements()?;
    // SAFETY: the layouts were checked to fit the buffers; the lanes are this task's own
    unsafe { plan.run(source, target, lanes, range, room, scale) };
    Ok(())
}

/// Lanes of a target in which they have no gaps: each is written where it belongs.
fn single<T: Transform>(
    transform: &T,
    source: Shared<T::Input>,
    target: Shared<T::Output>,
    lanes: &Lanes,
    range: Range<usize>,
) -> Result<()> {
    let mut scratch = Room::<Complex32>::new(transform.scratch_length())?;
    let scratch = scratch.elements()?;
    let apart = source.0.cast::<u8>() != target.0.cast::<u8>();
    let mut copy = Room::<T::Input>::new(lanes.source_length)?;
    let gapless = lanes.offsets.are_apart(range.clone(), lanes.source_length);
    let group = match apart && lanes.source_stride == 1 && gapless {
        true => (AT_ONCE / lanes.source_length.max(1)).max(1),
        false => 1,
    };
    for lane in range.clone().step_by(group) {
        let count = group.min(range.end - lane);
        let begin = target.at((lane * lanes.target_length) as isize);
        // SAFETY: the lanes are this task's own, without gaps, inside the target
        let output = unsafe { std::slice::from_raw_parts_mut(begin, count * lanes.target_length) };
        if apart && lanes.source_stride == 1 {
            let begin = source.at(lanes.offsets.of(lane) as isize).cast_const();
            // SAFETY: the layout was checked to fit the buffer, which is not the target
            let input = unsafe { std::slice::from_raw_parts(begin, count * lanes.source_length) };
            if transform.transform_untouched(input, output, scratch) {
                continue;
            }
        }
        let input = copy.elements()?;
        for (place, output) in output.chunks_exact_mut(lanes.target_length).enumerate() {
            read(source, lanes, lane + place, 1, input);
            transform.transform(input, output, scratch);
        }
    }
    Ok(())
}

/// Lanes side by side: read together, transformed, written together.
fn blocks<T: Transform>(
    transform: &T,
    source: Shared<T::Input>,
    target: Shared<T::Output>,
    lanes: &Lanes,
    range: Range<usize>,
) -> Result<()> {
    let block = BLOCK.min(lanes.inner).min(range.len());
    let pitch = (lanes.source_length + GAP, lanes.target_length + GAP);
    let mut input = Room::<T::Input>::new(block * pitch.0)?;
    let mut output = Room::<T::Output>::new(block * pitch.1)?;
    let mut scratch = Room::<Complex32>::new(transform.scratch_length())?;
    let (input, output, scratch) = (input.elements()?, output.elements()?, scratch.elements()?);
    for first in range.clone().step_by(block) {
        let count = block.min(range.end - first);
        read(source, lanes, first, count, input);
        let inputs = input.chunks_exact_mut(pitch.0);
        let outputs = output.chunks_exact_mut(pitch.1);
        for (input, output) in inputs.zip(outputs).take(count) {
            transform.transform(
                &mut input[..lanes.source_length],
                &mut output[..lanes.target_length],
                scratch,
            );
        }
        write(target, lanes, first, count, output);
    }
    Ok(())
}
