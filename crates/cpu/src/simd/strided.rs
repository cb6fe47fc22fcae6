//! Elements of strided layouts brought together. Strides are in elements, widths in bytes.

use super::{Isa, Kernel, stream, vectorised};

/// Bytes that are moved as one.
pub trait Unit: Copy {}
impl Unit for u8 {}
impl Unit for u16 {}
impl Unit for u32 {}
impl Unit for u64 {}

/// Chooses the type of `width` bytes: `by_width!(width, row::<T>(…))` calls `row::<u32>(…)` for 4.
macro_rules! by_width {
    ($width:expr, $function:ident($($argument:expr),*)) => {
        // SAFETY: the caller's promise, passed on
        unsafe {
            match $width {
                1 => $function::<u8>($($argument),*),
                2 => $function::<u16>($($argument),*),
                4 => $function::<u32>($($argument),*),
                _ => $function::<u64>($($argument),*),
            }
        }
    };
}

/// Writes `count` copies of the element at `source`.
///
/// # Safety
/// `destination` is aligned and valid for `count` elements of 1, 2, 4 or 8 bytes, `source` is
/// valid for one, and they do not overlap.
pub unsafe fn fill(destination: *mut u8, source: *const u8, width: usize, count: usize) {
    by_width!(width, fill_units(destination, source, count));
}

/// # Safety
/// As [`fill`].
#[inline(always)]
unsafe fn fill_units<T: Unit>(destination: *mut u8, source: *const u8, count: usize) {
    // SAFETY: the caller's promise
    unsafe {
        let value = source.cast::<T>().read_unaligned();
        let destination = destination.cast::<std::mem::MaybeUninit<T>>();
        for unit in std::slice::from_raw_parts_mut(destination, count) {
            unit.write(value);
        }
    }
}

/// Brings `count` elements that are `stride` apart together.
///
/// # Safety
/// `destination` is aligned and valid for `count` elements of 1, 2, 4 or 8 bytes; every place
/// that the stride leads to from `source` is valid; they do not overlap.
pub unsafe fn row(
    destination: *mut u8,
    source: *const u8,
    stride: isize,
    width: usize,
    count: usize,
) {
    match stride {
        // SAFETY: the caller's promise
        1 => unsafe { destination.copy_from_nonoverlapping(source, count * width) },
        // SAFETY: the caller's promise
        0 if count > 0 => unsafe { fill(destination, source, width, count) },
        // steps that the compiler knows: it reads whole vectors and takes them apart
        -1 => by_width!(width, row_units(destination, source, -1, count)),
        2 => by_width!(width, row_units(destination, source, 2, count)),
        3 => by_width!(width, row_units(destination, source, 3, count)),
        4 => by_width!(width, row_units(destination, source, 4, count)),
        stride => by_width!(width, row_units(destination, source, stride, count)),
    }
}

/// # Safety
/// As [`row`].
#[inline(always)]
unsafe fn row_units<T: Unit>(destination: *mut u8, source: *const u8, stride: isize, count: usize) {
    let (destination, source) = (destination.cast::<T>(), source.cast::<T>());
    for index in 0..count {
        // SAFETY: the caller's promise
        unsafe {
            let value = source.offset(index as isize * stride).read_unaligned();
            destination.add(index).write(value);
        }
    }
}

/// Rows of bytes that lie in order: where the first comes from and goes to, and how far apart they
/// are there.
#[derive(Clone, Copy)]
pub struct ByteRows {
    /// The first row's place.
    pub destination: *mut u8,
    /// Bytes from row to row.
    pub pitch: isize,
    /// Where the first row lies.
    pub source: *const u8,
    /// Bytes from row to row.
    pub stride: isize,
    /// Bytes of a row.
    pub bytes: usize,
    /// How many rows there are.
    pub count: usize,
    /// How many such groups of rows there are, and how far apart they are in both places.
    pub groups: (usize, isize, isize),
    /// Whether long rows had better pass by the caches.
    pub streamed: bool,
}

/// Copies rows of bytes.
///
/// # Safety
/// All rows are valid, and no row of the destination overlaps one of the source.
pub unsafe fn copy_rows(rows: ByteRows, isa: Isa) {
    vectorised(isa, rows);
}

impl Kernel for ByteRows {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (groups, pitch, stride) = self.groups;
        for group in 0..groups as isize {
            let to = self.destination.wrapping_offset(group * pitch);
            let from = self.source.wrapping_offset(group * stride);
            self.group(to, from);
        }
        if self.streamed {
            stream::settle();
        }
    }
}

impl ByteRows {
    /// Rows one `pitch` and `stride` after the other.
    #[inline(always)]
    fn group(&self, to: *mut u8, from: *const u8) {
        match self.bytes {
            // rows of heads and channels: a loop and its end would take as long as the moves
            // SAFETY: `copy_rows` has valid rows, of so many bytes
            64 => self.each(to, from, |to, from| unsafe { copy_array::<64>(to, from) }),
            // SAFETY: as above
            128 => self.each(to, from, |to, from| unsafe { copy_array::<128>(to, from) }),
            // SAFETY: as above
            256 => self.each(to, from, |to, from| unsafe { copy_array::<256>(to, from) }),
            // SAFETY: as above
            bytes => self.each(to, from, |to, from| unsafe {
                copy_bytes(to, from, bytes, self.streamed)
            }),
        }
    }

    #[inline(always)]
    fn each(&self, to: *mut u8, from: *const u8, copy: impl Fn(*mut u8, *const u8)) {
        for row in 0..self.count as isize {
            let from = from.wrapping_offset(row * self.stride);
            copy(to.wrapping_offset(row * self.pitch), from);
        }
    }
}

/// Copies so many bytes, all of which are read before the first is written.
///
/// # Safety
/// As [`copy_bytes`].
#[inline(always)]
unsafe fn copy_array<const BYTES: usize>(to: *mut u8, from: *const u8) {
    // SAFETY: the caller's promise
    let bytes = unsafe { from.cast::<[u8; BYTES]>().read_unaligned() };
    // SAFETY: as above
    unsafe { to.cast::<[u8; BYTES]>().write_unaligned(bytes) };
}

/// Bytes from which on the system's function is better: it writes lines without reading them.
const MANY: usize = 2048;
/// Bytes of a vector.
const PART: usize = 32;

/// Copies bytes by vectors where they are few, or where the destination is hardly ahead of the source
/// modulo a page: some processors then take what is read next for what was just written, which makes
/// the system's function ten times as slow, so the last go first.
///
/// # Safety
/// Both are valid for so many bytes and do not overlap. [`stream::settle`] follows if `streamed`.
#[inline(always)]
unsafe fn copy_bytes(to: *mut u8, from: *const u8, bytes: usize, streamed: bool) {
    if bytes < PART {
        // SAFETY: the caller's promise
        return unsafe { copy_few(to, from, bytes) };
    }
    if bytes >= MANY {
        let ahead = (to.addr() % 4096).wrapping_sub(from.addr() % 4096) % 4096;
        // SAFETY: the caller's promise
        return unsafe {
            match (1..PART).contains(&ahead) {
                true if streamed => stream::copy_backwards(to, from, bytes),
                true => copy_backwards(to, from, bytes),
                false => to.copy_from_nonoverlapping(from, bytes),
            }
        };
    }
    let mut place = 0;
    while place + 4 * PART <= bytes {
        // SAFETY: the parts lie within the bytes
        unsafe { copy_array::<{ 4 * PART }>(to.add(place), from.add(place)) };
        place += 4 * PART;
    }
    while place + PART <= bytes {
        // SAFETY: as above
        unsafe { copy_array::<PART>(to.add(place), from.add(place)) };
        place += PART;
    }
    if place < bytes {
        let last = bytes - PART;
        // SAFETY: as above; it overlaps the part before
        unsafe { copy_array::<PART>(to.add(last), from.add(last)) };
    }
}

/// Copies many bytes by vectors, the last first.
///
/// # Safety
/// As [`copy_bytes`].
#[inline(always)]
unsafe fn copy_backwards(to: *mut u8, from: *const u8, bytes: usize) {
    // vectors across two lines take twice as long to write
    let beyond = to.addr().wrapping_add(bytes) % (2 * PART);
    for last in [bytes - PART, bytes - 2 * PART] {
        // SAFETY: there are that many bytes
        unsafe { copy_array::<PART>(to.add(last), from.add(last)) };
    }
    let mut place = bytes - beyond;
    while place >= 4 * PART {
        place -= 4 * PART;
        // SAFETY: the parts lie within the bytes
        unsafe { copy_array::<{ 4 * PART }>(to.add(place), from.add(place)) };
    }
    // SAFETY: as above; parts overlap those after
    unsafe { copy_array::<{ 4 * PART }>(to, from) };
}

/// Copies fewer than 32 bytes by two parts that overlap.
///
/// # Safety
/// As [`copy_bytes`].
#[inline(always)]
unsafe fn copy_few(to: *mut u8, from: *const u8, bytes: usize) {
    /// # Safety
    /// Both have `bytes` bytes, at least those of a unit.
    #[inline(always)]
    unsafe fn both<T: Copy>(to: *mut u8, from: *const u8, bytes: usize) {
        let last = bytes - size_of::<T>();
        // SAFETY: the caller's promise
        unsafe {
            let parts = [0, last].map(|place| from.add(place).cast::<T>().read_unaligned());
            to.cast::<T>().write_unaligned(parts[0]);
            to.add(last).cast::<T>().write_unaligned(parts[1]);
        }
    }
    // SAFETY: the caller's promise; there are as many bytes as each unit has
    unsafe {
        match bytes {
            16.. => both::<u128>(to, from, bytes),
            8..16 => both::<u64>(to, from, bytes),
            4..8 => both::<u32>(to, from, bytes),
            2..4 => both::<u16>(to, from, bytes),
            1 => both::<u8>(to, from, bytes),
            0 => {}
        }
    }
}

/// The longest row of one element whose last vector may go beyond its end.
const SHORT: usize = 256;

/// Rows of one element each.
struct Spread {
    /// From one element to the next.
    step: isize,
    length: usize,
    /// How many rows there are at most.
    rows: usize,
    /// Elements of the destination.
    room: usize,
}

/// Writes rows by whole vectors, as many as there is room for, and how many: what goes beyond the end
/// of one is overwritten by the next.
///
/// # Safety
/// All elements are valid in the source, the room in the destination; they do not overlap.
#[inline(always)]
unsafe fn spread_units<T: Unit>(destination: *mut u8, source: *const u8, spread: Spread) -> usize {
    let lanes = PART / size_of::<T>();
    let vectors = spread.length.div_ceil(lanes);
    let Some(beyond) = spread.room.checked_sub(vectors * lanes) else {
        return 0;
    };
    let rows = spread.rows.min(beyond / spread.length + 1);
    for row in 0..rows {
        let from = source
            .cast::<T>()
            .wrapping_offset(row as isize * spread.step);
        // SAFETY: the caller's promise
        let value = unsafe { from.read_unaligned() };
        let to = destination.cast::<T>().wrapping_add(row * spread.length);
        for vector in 0..vectors {
            for lane in 0..lanes {
                // SAFETY: there is room for the vectors of this row
                unsafe { to.add(vector * lanes + lane).write(value) };
            }
        }
    }
    rows
}

/// Brings `count` elements of a layout together, from row-major position `start` on.
///
/// # Safety
/// `destination` is aligned and valid for `count` elements of 1, 2, 4 or 8 bytes; `source`, the
/// place of element zero, is valid for the whole layout; they do not overlap.
pub unsafe fn gather(
    mut destination: *mut u8,
    source: *const u8,
    width: usize,
    shape: &[usize],
    strides: &[isize],
    start: usize,
    count: usize,
) {
    let Some((&inner, outer)) = shape.split_last() else {
        // SAFETY: a scalar has one element
        unsafe { row(destination, source, 1, width, count.min(1)) };
        return;
    };
    if count == 0 {
        return; // an empty layout has no rows to start from
    }
    let inner_stride = strides[outer.len()];
    let mut index: smallvec::SmallVec<[usize; 4]> = smallvec::SmallVec::from_elem(0, outer.len());
    let (mut rest, mut column) = (start / inner.max(1), start % inner.max(1));
    let mut place = 0isize;
    for axis in (0..outer.len()).rev() {
        index[axis] = rest % outer[axis];
        rest /= outer[axis];
        place += index[axis] as isize * strides[axis];
    }
    let last = outer.len().wrapping_sub(1);
    let mut left = count;
    while left > 0 {
        if inner_stride == 0 && column == 0 && inner <= SHORT && last < outer.len() {
            let spread = Spread {
                step: strides[last],
                length: inner,
                // the last one is met below, which goes on to the next loop
                rows: outer[last] - index[last] - 1,
                room: left,
            };
            let from = source.wrapping_offset(place * width as isize);
            let rows = by_width!(width, spread_units(destination, from, spread));
            destination = destination.wrapping_add(rows * inner * width);
            left -= rows * inner;
            index[last] += rows;
            place += rows as isize * strides[last];
            if left == 0 {
                return;
            }
        }
        let piece = left.min(inner - column);
        // SAFETY: the place lies in the layout, as does the rest of its row
        unsafe {
            let from = source.offset((place + column as isize * inner_stride) * width as isize);
            row(destination, from, inner_stride, width, piece);
            destination = destination.add(piece * width);
        }
        (left, column) = (left - piece, 0);
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < outer[axis] {
                break;
            }
            place -= strides[axis] * outer[axis] as isize;
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlx_oxide_ir::Layout;

    #[test]
    fn rows_of_every_length_are_copied_and_the_rest_is_left_alone() {
        let source: Vec<u8> = (0..9000).map(|number| (number % 251) as u8).collect();
        for (isa, streamed) in Isa::ALL.map(|isa| [(isa, false), (isa, true)]).concat() {
            for bytes in (0..300).chain([2047, 2048, 2049]) {
                let (pitch, stride) = (bytes + 3, bytes + 5);
                let mut found = vec![0xff; 4 + 6 * pitch];
                let rows = ByteRows {
                    destination: found[1..].as_mut_ptr(),
                    pitch: pitch as isize,
                    source: source[7 + 2 * stride..].as_ptr(),
                    stride: -(stride as isize),
                    bytes,
                    count: 3,
                    groups: (2, 3 * pitch as isize, 11),
                    streamed,
                };
                let mut expected = vec![0xff; 4 + 6 * pitch];
                for row in 0..6 {
                    let from = 7 + (2 - row % 3) * stride + row / 3 * 11;
                    expected[1 + row * pitch..][..bytes].copy_from_slice(&source[from..][..bytes]);
                }
                // SAFETY: the rows lie in both vectors
                unsafe { copy_rows(rows, isa) };
                assert_eq!(found, expected, "{isa:?} {bytes}");
            }
        }
    }

    #[test]
    fn long_rows_hardly_ahead_of_their_source_modulo_a_page_are_copied() {
        let source: Vec<u8> = (0..4096).map(|number| (number % 251) as u8).collect();
        for (isa, streamed) in Isa::ALL.map(|isa| [(isa, false), (isa, true)]).concat() {
            for bytes in [2048, 2049, 2079, 2176, 4000] {
                for ahead in 0..40 {
                    let mut found = vec![0xff; 3 * 4096];
                    let page = source.as_ptr().addr().wrapping_sub(found.as_ptr().addr()) % 4096;
                    let first = page + ahead;
                    let rows = ByteRows {
                        destination: found[first..].as_mut_ptr(),
                        pitch: 0,
                        source: source.as_ptr(),
                        stride: 0,
                        bytes,
                        count: 1,
                        groups: (1, 0, 0),
                        streamed,
                    };
                    // SAFETY: the row lies in both vectors
                    unsafe { copy_rows(rows, isa) };
                    assert_eq!(found[first..first + bytes], source[..bytes], "{ahead}");
                    let (before, after) = (&found[..first], &found[first + bytes..]);
                    assert!(before.iter().chain(after).all(|byte| *byte == 0xff));
                }
            }
        }
    }

    #[test]
    fn rows_of_every_stride_and_width_are_brought_together() {
        let source: Vec<u8> = (0..9 * 8 * 80u32)
            .map(|number| (number * 31 % 251) as u8)
            .collect();
        for width in [1, 2, 4, 8] {
            for stride in -5..=9isize {
                for count in (0..40).chain([79]) {
                    let first = if stride < 0 { 5 * 79 } else { 0 };
                    let place = |number: usize| (first + number as isize * stride) as usize * width;
                    let mut found = vec![0u64; 80];
                    // SAFETY: all places lie in the source, the row in the destination
                    unsafe {
                        let from = source.as_ptr().add(place(0));
                        row(found.as_mut_ptr().cast(), from, stride, width, count);
                    }
                    let found: &[u8] = bytemuck::cast_slice(&found);
                    for number in 0..count {
                        let (to, from) = (number * width, place(number));
                        assert_eq!(found[to..][..width], source[from..][..width]);
                    }
                    assert!(found[count * width..].iter().all(|byte| *byte == 0));
                }
            }
        }
    }

    /// So many elements of a layout that covers the source, from a row-major position on.
    fn gather_into(
        found: &mut [u32],
        source: &[u32],
        layout: &Layout,
        (start, count): (usize, usize),
    ) {
        assert!(count <= found.len() && start + count <= layout.size());
        let (to, from) = (found.as_mut_ptr().cast(), source.as_ptr().cast());
        let (shape, strides) = (&layout.shape, &layout.strides);
        // SAFETY: there is room, and the layout covers the source
        unsafe { gather(to, from, 4, shape, strides, start, count) };
    }

    #[test]
    fn rows_of_one_element_are_spread_from_any_start() {
        let source: Vec<u32> = (0..12).collect();
        for (rows, length) in [(3, 1), (4, 2), (3, 5), (4, 9), (2, 33), (3, 300)] {
            let layout = Layout {
                shape: [2, rows, length].into(),
                strides: [5, 1, 0].into_iter().collect(),
                offset: 0,
            };
            let expected: Vec<u32> = layout.places().map(|place| source[place]).collect();
            for start in (0..expected.len()).step_by(1 + length / 40) {
                for count in (0..=expected.len() - start).step_by(1 + length / 40) {
                    let mut found = vec![99u32; count + 1];
                    gather_into(&mut found, &source, &layout, (start, count));
                    assert_eq!(found[..count], expected[start..start + count]);
                    assert_eq!(found[count], 99);
                }
            }
        }
    }

    #[test]
    fn gathered_elements_come_in_row_major_order_from_any_start() {
        let source: Vec<u32> = (0..60).collect();
        let layout = Layout::contiguous([3, 4, 5]).permute(&[2, 0, 1]);
        let expected: Vec<u32> = layout.places().map(|place| source[place]).collect();
        for start in 0..60 {
            for count in 0..=60 - start {
                let mut found = vec![0u32; count];
                gather_into(&mut found, &source, &layout, (start, count));
                assert_eq!(found, expected[start..start + count]);
            }
        }
    }
}
