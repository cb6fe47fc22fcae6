//! Lanes copied out of an array into rows of one number from each, and back.

use super::register::{Register, WIDTH};
use crate::simd::square::{EDGE, Square};
use crate::simd::stream;

/// Most bytes of a block that are asked for before they are used.
const FETCHED: usize = 8 << 10;

/// Where the numbers of eight lanes lie, in `f32`s.
#[derive(Clone, Copy)]
pub(super) struct Places {
    /// Where each lane begins.
    pub(super) starts: [*mut f32; WIDTH],
    /// How many of them there are; the others are copies of the first.
    pub(super) count: usize,
    /// From an element of a lane to its next one.
    pub(super) stride: isize,
}

impl Places {
    /// The distance of one lane from the next, if it is the same for all of them.
    #[inline(always)]
    pub(super) fn step(&self) -> Option<isize> {
        let distance = |lane: usize| {
            let bytes = self.starts[lane] as isize - self.starts[lane - 1] as isize;
            bytes / size_of::<f32>() as isize
        };
        let step = distance(1);
        let regular = self.count == WIDTH && (2..WIDTH).all(|lane| distance(lane) == step);
        regular.then_some(step)
    }

    /// Asks for the block behind this one, which lies in order where lanes do: read eight at a
    /// time they look like no order to the processor.
    #[inline(always)]
    pub(super) fn fetch_next(&self, rows: Rows) {
        let bytes = WIDTH * rows.elements * rows.parts * size_of::<f32>();
        let behind = rows.elements * rows.parts;
        if self.stride == rows.parts as isize
            && self.step() == Some(behind as isize)
            && bytes <= FETCHED
        {
            stream::fetch(self.starts[0].wrapping_add(WIDTH * behind), bytes);
        }
    }
}

/// How rows relate to elements.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// Elements of a lane.
    pub(super) elements: usize,
    /// Numbers of an element: two of a complex one.
    pub(super) parts: usize,
    /// Numbers from a row to the next in the room.
    pub(super) pitch: usize,
}

/// Where squares begin that cover a number of rows: the last one overlaps the one before it if the
/// number is not whole. None if there are too few rows for a square.
#[inline(always)]
fn squares(rows: usize) -> impl Iterator<Item = usize> {
    let whole = (0..rows / EDGE).map(|square| square * EDGE);
    let last = (rows > EDGE && !rows.is_multiple_of(EDGE)).then(|| rows - EDGE);
    whole.chain(last)
}

/// Reads rows.
///
/// # Safety
/// All elements and rows are valid; the machine has the instructions.
#[inline(always)]
pub(super) unsafe fn gather<V: Register, S: Square<u32>>(
    places: &Places,
    rows: Rows,
    room: *mut f32,
) {
    let Rows { parts, pitch, .. } = rows;
    let step = places.step();
    match step {
        Some(step) if places.stride == parts as isize => {
            let numbers = rows.elements * parts;
            for number in squares(numbers) {
                let from = places.starts[0].wrapping_add(number).cast_const();
                let to = room.wrapping_add(number * pitch);
                // SAFETY: eight numbers of each lane, as the caller promises
                unsafe { S::turn(to.cast(), pitch, from.cast(), step) };
            }
            if numbers >= EDGE {
                return;
            }
            if step == numbers as isize {
                // SAFETY: the caller's promise
                return unsafe { gather_short::<V, S>(places.starts[0], numbers, room, pitch) };
            }
        }
        Some(step) if step == parts as isize => {
            for element in 0..rows.elements {
                let from = places.starts[0].wrapping_offset(element as isize * places.stride);
                let to = room.wrapping_add(element * parts * pitch);
                // SAFETY: an element of each lane, as the caller promises
                unsafe { gather_neighbours::<V>(from, parts, to, pitch) };
            }
            return;
        }
        _ => {}
    }
    for element in 0..rows.elements {
        for (lane, start) in places.starts.iter().enumerate() {
            for part in 0..parts {
                let from = start.wrapping_offset(element as isize * places.stride + part as isize);
                let to = room.wrapping_add((element * parts + part) * pitch + lane);
                // SAFETY: a number of a lane, as the caller promises
                let value = unsafe { from.read() };
                // SAFETY: a number of a row
                unsafe { to.write(value) };
            }
        }
    }
}

/// Reads fewer rows than a square has of lanes without gaps.
///
/// # Safety
/// As [`gather`].
#[inline(always)]
unsafe fn gather_short<V: Register, S: Square<u32>>(
    from: *const f32,
    numbers: usize,
    room: *mut f32,
    pitch: usize,
) {
    debug_assert!(numbers < EDGE);
    let mut lanes = [0.0f32; EDGE * EDGE];
    let mut square = [0.0f32; EDGE * EDGE];
    // SAFETY: so many numbers have eight lanes, and they are no more than a square's
    unsafe {
        lanes
            .as_mut_ptr()
            .copy_from_nonoverlapping(from, EDGE * numbers)
    };
    let (to, from) = (square.as_mut_ptr().cast(), lanes.as_ptr().cast());
    // SAFETY: the last lane begins at least a row's length before the end of the copy
    unsafe { S::turn(to, EDGE, from, numbers as isize) };
    for number in 0..numbers {
        // SAFETY: a row of the square
        let row = unsafe { V::load(square.as_ptr().wrapping_add(number * EDGE)) };
        // SAFETY: the caller's promise
        unsafe { row.store(room.wrapping_add(number * pitch)) };
    }
}

/// # Safety
/// As [`gather`], for elements side by side.
#[inline(always)]
unsafe fn gather_neighbours<V: Register>(
    from: *const f32,
    parts: usize,
    to: *mut f32,
    pitch: usize,
) {
    // SAFETY: the caller's promise
    let first = unsafe { V::load(from) };
    if parts == 1 {
        // SAFETY: the caller's promise
        return unsafe { first.store(to) };
    }
    // SAFETY: the caller's promise
    let second = unsafe { V::load(from.wrapping_add(WIDTH)) };
    let (re, im) = V::part(first, second);
    // SAFETY: the caller's promise
    unsafe { re.store(to) };
    // SAFETY: the caller's promise
    unsafe { im.store(to.wrapping_add(pitch)) };
}

/// Writes rows.
///
/// # Safety
/// As [`gather`]; nobody else uses the elements.
#[inline(always)]
pub(super) unsafe fn scatter<V: Register, S: Square<u32>>(
    places: &Places,
    rows: Rows,
    room: *const f32,
) {
    let Rows { parts, pitch, .. } = rows;
    let step = places.step();
    match step {
        Some(step) if places.stride == parts as isize && step > 0 => {
            let numbers = rows.elements * parts;
            for number in squares(numbers) {
                let from = room.wrapping_add(number * pitch);
                let to = places.starts[0].wrapping_add(number);
                // SAFETY: eight numbers of each lane, as the caller promises
                unsafe { S::turn(to.cast(), step as usize, from.cast(), pitch as isize) };
            }
            if numbers >= EDGE {
                return;
            }
        }
        Some(step) if step == parts as isize => {
            for element in 0..rows.elements {
                let from = room.wrapping_add(element * parts * pitch);
                let to = places.starts[0].wrapping_offset(element as isize * places.stride);
                // SAFETY: an element of each lane, as the caller promises
                unsafe { scatter_neighbours::<V>(to, parts, from, pitch) };
            }
            return;
        }
        _ => {}
    }
    for element in 0..rows.elements {
        for (lane, start) in places.starts[..places.count].iter().enumerate() {
            for part in 0..parts {
                let to = start.wrapping_offset(element as isize * places.stride + part as isize);
                let from = room.wrapping_add((element * parts + part) * pitch + lane);
                // SAFETY: a number of a row
                let value = unsafe { from.read() };
                // SAFETY: a number of a lane, as the caller promises
                unsafe { to.write(value) };
            }
        }
    }
}

/// # Safety
/// As [`scatter`], for elements side by side.
#[inline(always)]
unsafe fn scatter_neighbours<V: Register>(
    to: *mut f32,
    parts: usize,
    from: *const f32,
    pitch: usize,
) {
    // SAFETY: the caller's promise
    let re = unsafe { V::load(from) };
    if parts == 1 {
        // SAFETY: the caller's promise
        return unsafe { re.store(to) };
    }
    // SAFETY: the caller's promise
    let im = unsafe { V::load(from.wrapping_add(pitch)) };
    let (first, second) = V::join(re, im);
    // SAFETY: the caller's promise
    unsafe { first.store(to) };
    // SAFETY: the caller's promise
    unsafe { second.store(to.wrapping_add(WIDTH)) };
}
