//! One pass: every lane along an axis read, transformed and written, several lanes at a time
//! where they lie side by side.

use mlx_oxide_runtime::parallel;
use num_complex::Complex32;

/// Lanes that lie side by side and move together: as many as share a cache line, twice.
const BLOCK: usize = 16;
/// Elements that one task transforms at least.
const GRAIN: usize = 1 << 14;

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
    fn at(self, offset: isize) -> *mut T {
        self.0.wrapping_offset(offset)
    }
}

/// What happens to one lane.
pub(super) trait Transform: Sync {
    /// Elements of a lane before.
    type Input: Copy + Default + Send;
    /// Elements of a lane after.
    type Output: Copy + Default + Send;

    /// How much room it needs.
    fn scratch_length(&self) -> usize;

    /// Transforms a lane; the input becomes rubbish.
    fn transform(
        &self,
        input: &mut [Self::Input],
        output: &mut [Self::Output],
        scratch: &mut [Complex32],
    );
}

/// Where lanes begin and how they run.
pub(super) struct Lanes {
    /// Where each lane begins in the source, in row-major order of the other axes.
    pub(super) offsets: Vec<usize>,
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
    /// Where a lane begins in the target.
    fn target_offset(&self, lane: usize) -> usize {
        (lane / self.inner) * self.inner * self.target_length + lane % self.inner
    }
}

/// Room for a block of lanes.
struct Room<T: Transform> {
    input: Vec<T::Input>,
    output: Vec<T::Output>,
    scratch: Vec<Complex32>,
}

/// Transforms all lanes of the source into the target. They may be the same memory if the lanes
/// are the same too.
pub(super) fn pass<T: Transform>(
    transform: &T,
    source: Shared<T::Input>,
    target: Shared<T::Output>,
    lanes: &Lanes,
) {
    let length = lanes.source_length.max(lanes.target_length);
    let grain = (GRAIN / length)
        .max(1)
        .next_multiple_of(BLOCK.min(lanes.inner));
    parallel::for_each_range(lanes.offsets.len(), grain, |start, end| {
        let block = BLOCK.min(lanes.inner).min(end - start);
        let mut room: Room<T> = Room {
            input: vec![T::Input::default(); block * lanes.source_length],
            output: vec![T::Output::default(); block * lanes.target_length],
            scratch: vec![Complex32::default(); transform.scratch_length()],
        };
        for first in (start..end).step_by(block) {
            let count = block.min(end - first);
            read(source, lanes, first, count, &mut room.input);
            let inputs = room.input.chunks_exact_mut(lanes.source_length);
            if lanes.inner == 1 {
                let begin = target.at((first * lanes.target_length) as isize);
                // SAFETY: the lane is this task's own, without gaps, inside the target
                let output = unsafe { std::slice::from_raw_parts_mut(begin, lanes.target_length) };
                inputs
                    .take(1)
                    .for_each(|input| transform.transform(input, output, &mut room.scratch));
                continue;
            }
            let outputs = room.output.chunks_exact_mut(lanes.target_length);
            for (input, output) in inputs.zip(outputs).take(count) {
                transform.transform(input, output, &mut room.scratch);
            }
            write(target, lanes, first, count, &room.output);
        }
    });
}

/// Copies `count` lanes out of the source, one behind the other.
fn read<T: Copy>(source: Shared<T>, lanes: &Lanes, first: usize, count: usize, room: &mut [T]) {
    let length = lanes.source_length;
    let offsets = &lanes.offsets[first..first + count];
    if lanes.source_stride == 1 {
        for (lane, &offset) in room.chunks_exact_mut(length).zip(offsets) {
            let begin = source.at(offset as isize).cast_const();
            // SAFETY: the layout was checked to fit the buffer; room is no part of it
            unsafe { std::ptr::copy_nonoverlapping(begin, lane.as_mut_ptr(), length) };
        }
        return;
    }
    for element in 0..length {
        let shift = element as isize * lanes.source_stride;
        for (lane, &offset) in offsets.iter().enumerate() {
            // SAFETY: the layout was checked to fit the buffer
            room[lane * length + element] = unsafe { *source.at(offset as isize + shift) };
        }
    }
}

/// Copies `count` lanes to their places in the target.
fn write<T: Copy>(target: Shared<T>, lanes: &Lanes, first: usize, count: usize, room: &[T]) {
    let length = lanes.target_length;
    for element in 0..length {
        for lane in 0..count {
            let place = lanes.target_offset(first + lane) + element * lanes.inner;
            // SAFETY: the place is inside the target and this task's own
            unsafe { *target.at(place as isize) = room[lane * length + element] };
        }
    }
}
