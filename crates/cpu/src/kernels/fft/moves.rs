//! Lanes copied out of an array and back into one.
//!
//! Where those of a block lie side by side, whole rows of them move, many at a time: a lane whose
//! neighbours are pages apart is a cache miss an element, and only misses that overlap are cheap.

use super::lanes::{BLOCK, GAP, Lanes, Shared};
use std::array::from_fn;

/// Rows of a block that are on their way together.
const ROWS: usize = 16;

/// One element of each lane of a block.
type Row<T> = [T; BLOCK];

/// Copies `count` lanes out of the source, one behind the other, with gaps between several.
pub(super) fn read<T: Copy>(
    source: Shared<T>,
    lanes: &Lanes,
    first: usize,
    count: usize,
    room: &mut [T],
) {
    let length = lanes.source_length;
    let pitch = length + GAP;
    let mut offsets = [0; BLOCK];
    lanes.offsets.read(first, &mut offsets[..count]);
    let offsets = &offsets[..count];
    debug_assert!((count - 1) * pitch + length <= room.len());
    if lanes.source_stride == 1 {
        for (lane, &offset) in offsets.iter().enumerate() {
            let begin = source.at(offset as isize).cast_const();
            let room = room[lane * pitch..lane * pitch + length].as_mut_ptr();
            // SAFETY: the layout was checked to fit the buffer; room is no part of it
            unsafe { std::ptr::copy_nonoverlapping(begin, room, length) };
        }
        return;
    }
    let neighbours = offsets.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    let whole = match neighbours && count == BLOCK {
        true => length / ROWS * ROWS,
        false => 0,
    };
    for element in (0..whole).step_by(ROWS) {
        let start = |row: usize| {
            let shift = (element + row) as isize * lanes.source_stride;
            source.at(offsets[0] as isize + shift).cast::<Row<T>>()
        };
        (ROWS..2 * ROWS).for_each(|row| fetch(start(row)));
        // SAFETY: the layout was checked to fit the buffer, and so many lanes lie side by side
        let rows: [Row<T>; ROWS] = from_fn(|row| unsafe { start(row).read_unaligned() });
        for lane in 0..BLOCK {
            let to = &mut room[lane * pitch + element..][..ROWS];
            to.copy_from_slice(&from_fn::<T, ROWS, _>(|row| rows[row][lane]));
        }
    }
    for element in whole..length {
        let shift = element as isize * lanes.source_stride;
        for (lane, &offset) in offsets.iter().enumerate() {
            // SAFETY: the layout was checked to fit the buffer
            room[lane * pitch + element] = unsafe { *source.at(offset as isize + shift) };
        }
    }
}

/// Copies `count` lanes to their places in the target.
pub(super) fn write<T: Copy>(
    target: Shared<T>,
    lanes: &Lanes,
    first: usize,
    count: usize,
    room: &[T],
) {
    let length = lanes.target_length;
    let pitch = length + GAP;
    let mut starts = [0; BLOCK];
    lanes.targets(first, count, &mut starts);
    let neighbours = count == BLOCK && starts[BLOCK - 1] == starts[0] + BLOCK - 1;
    let whole = if neighbours { length / ROWS * ROWS } else { 0 };
    for element in (0..whole).step_by(ROWS) {
        let start = |row: usize| {
            let place = starts[0] + (element + row) * lanes.inner;
            target.at(place as isize).cast::<Row<T>>()
        };
        (ROWS..2 * ROWS).for_each(|row| fetch(start(row)));
        let columns: [[T; ROWS]; BLOCK] =
            from_fn(|lane| from_fn(|row| room[lane * pitch + element + row]));
        #[expect(clippy::needless_range_loop, reason = "columns of a transposed tile")]
        for row in 0..ROWS {
            let values: Row<T> = from_fn(|lane| columns[lane][row]);
            // SAFETY: the place is inside the target, and these lanes are this task's own
            unsafe { start(row).write_unaligned(values) };
        }
    }
    for element in whole..length {
        for (lane, start) in starts[..count].iter().enumerate() {
            let place = start + element * lanes.inner;
            // SAFETY: the place is inside the target and this task's own
            unsafe { *target.at(place as isize) = room[lane * pitch + element] };
        }
    }
}

/// Asks for memory that is used soon; any address will do.
#[inline(always)]
fn fetch<T>(start: *mut T) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of::<T>()).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let line = start.cast::<i8>().wrapping_add(line);
        // SAFETY: nothing is read; addresses that are not mapped are ignored
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = start;
}
