//! Rows of bytes copied.

use super::PART;
use crate::simd::{Isa, Kernel, stream, vectorised};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
