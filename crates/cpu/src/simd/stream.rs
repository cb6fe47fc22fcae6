//! Stores that pass by the caches, for results that these cannot hold.
//!
//! An ordinary store first reads the line that it overwrites; a third of the traffic of a large
//! addition is lines that nobody wants. A result is therefore made a tile at a time in the first
//! cache and goes from there to memory by whole lines.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a tile on the stack. Short ones alternate so fast between making a tile and moving the
/// last one out that the processor does both at a time.
const TILE: usize = 2 << 10;

/// Bytes of the largest cache; 0 before the first use.
static CACHE: AtomicUsize = AtomicUsize::new(0);

/// Bytes of the largest cache where the processor does not say.
const USUAL: usize = 32 << 20;

fn cache() -> usize {
    match CACHE.load(Ordering::Relaxed) {
        0 => {
            let bytes = largest_cache().unwrap_or(USUAL);
            CACHE.store(bytes, Ordering::Relaxed);
            bytes
        }
        bytes => bytes,
    }
}

/// What the processor says about its caches.
#[cfg(target_arch = "x86_64")]
fn largest_cache() -> Option<usize> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    // AMD's leaf of the same layout, where there is one; it is all zeros on others
    let amd = __cpuid(0x8000_0000).eax >= 0x8000_001d;
    let leaf = if amd { 0x8000_001d } else { 4 };
    if !amd && __cpuid(0).eax < leaf {
        return None;
    }
    let sizes = (0..8).map(|number| __cpuid_count(leaf, number));
    sizes
        .take_while(|cache| cache.eax & 0x1f != 0)
        .map(|cache| {
            let ways = (cache.ebx >> 22) as usize + 1;
            let partitions = (cache.ebx >> 12 & 0x3ff) as usize + 1;
            let line = (cache.ebx & 0xfff) as usize + 1;
            ways * partitions * line * (cache.ecx as usize + 1)
        })
        .max()
}

#[cfg(not(target_arch = "x86_64"))]
fn largest_cache() -> Option<usize> {
    None
}

/// Whether a result of `written` bytes, made of `read` bytes, had better pass by the caches: it
/// would push out what is in them and not be there when it is read.
pub fn pays(written: usize, read: usize) -> bool {
    cfg!(target_arch = "x86_64") && exceeds(cache(), written, read, 3)
}

/// As [`pays`] where both are passed over in order: where they hardly exceed the largest cache, enough
/// stays in it that ordinary stores are better.
pub fn pays_in_order(written: usize, read: usize) -> bool {
    cfg!(target_arch = "x86_64") && exceeds(cache(), written, read, 5)
}

/// Whether the result is a good part of the cache and all is more than so many quarters of it.
fn exceeds(cache: usize, written: usize, read: usize, quarters: usize) -> bool {
    written >= cache / 4 && written + read > cache / 4 * quarters
}

/// As [`pays`] where computing takes as long as memory does: stores then hide behind it as long as
/// most of the result stays in the cache.
pub fn pays_while_computing(written: usize) -> bool {
    cfg!(target_arch = "x86_64") && written > cache() / 4 * 3
}

/// From now on all results pass by the caches: so that tests see this of small ones.
#[cfg(test)]
pub(crate) fn always() {
    CACHE.store(1, Ordering::Relaxed);
}

/// Bytes of a line of the caches.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Copies a line of the caches, past them.
///
/// # Safety
/// Both are valid for a line, at whose start the destination is.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn copy_line(destination: *mut u8, source: *const u8) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    let (to, from) = (destination.cast::<__m128i>(), source.cast::<__m128i>());
    // SAFETY: the caller's promise
    let line: [__m128i; 4] = std::array::from_fn(|part| unsafe { _mm_loadu_si128(from.add(part)) });
    for (part, vector) in line.into_iter().enumerate() {
        // SAFETY: as above
        unsafe { _mm_stream_si128(to.add(part), vector) };
    }
}

/// Copies bytes, past the caches where the target has such stores.
///
/// # Safety
/// `source` and `destination` are valid for `bytes` bytes and do not overlap. [`settle`] is called
/// before another thread learns of them.
#[cfg(target_arch = "x86_64")]
pub unsafe fn copy(mut destination: *mut u8, mut source: *const u8, bytes: usize) {
    let head = destination.align_offset(LINE).min(bytes);
    // SAFETY: no more than `bytes`
    unsafe { destination.copy_from_nonoverlapping(source, head) };
    destination = destination.wrapping_add(head);
    source = source.wrapping_add(head);
    let lines = (bytes - head) / LINE;
    for _ in 0..lines {
        // SAFETY: a whole line lies before the end
        unsafe { copy_line(destination, source) };
        destination = destination.wrapping_add(LINE);
        source = source.wrapping_add(LINE);
    }
    let rest = (bytes - head) % LINE;
    // SAFETY: what remains
    unsafe { destination.copy_from_nonoverlapping(source, rest) };
}

/// As [`copy`], the last line first: for a destination that is hardly ahead of the source modulo a
/// page, where some processors take what is read next for what was just written.
///
/// # Safety
/// As [`copy`].
#[cfg(target_arch = "x86_64")]
pub unsafe fn copy_backwards(destination: *mut u8, source: *const u8, bytes: usize) {
    let head = destination.align_offset(LINE).min(bytes);
    let lines = (bytes - head) / LINE;
    let end = head + lines * LINE;
    let (to, from) = (destination.wrapping_add(end), source.wrapping_add(end));
    // SAFETY: what follows the last line
    unsafe { to.copy_from_nonoverlapping(from, bytes - end) };
    for line in (0..lines).rev() {
        let place = head + line * LINE;
        // SAFETY: a whole line lies before the end
        unsafe { copy_line(destination.wrapping_add(place), source.wrapping_add(place)) };
    }
    // SAFETY: no more than `bytes`
    unsafe { destination.copy_from_nonoverlapping(source, head) };
}

/// As [`copy`].
///
/// # Safety
/// As [`copy`].
#[cfg(not(target_arch = "x86_64"))]
pub unsafe fn copy_backwards(destination: *mut u8, source: *const u8, bytes: usize) {
    // SAFETY: the caller's promise
    unsafe { copy(destination, source, bytes) };
}

/// Copies bytes.
///
/// # Safety
/// `source` and `destination` are valid for `bytes` bytes and do not overlap.
#[cfg(not(target_arch = "x86_64"))]
pub unsafe fn copy(destination: *mut u8, source: *const u8, bytes: usize) {
    // SAFETY: the caller's promise
    unsafe { destination.copy_from_nonoverlapping(source, bytes) };
}

/// Orders the stores of [`copy`] before whatever follows.
#[inline(always)]
pub fn settle() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has it
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

/// Asks for the lines of `bytes` bytes from `start` on, which need not exist.
#[inline(always)]
pub fn fetch<T>(start: *const T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..bytes).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let place = start.cast::<i8>().wrapping_add(line);
        // SAFETY: fetching is a hint that reads nothing
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, bytes);
}

/// Memory of a tile.
#[repr(align(64))]
struct Tile([MaybeUninit<u8>; TILE]);

/// Makes `count` elements of `width` bytes at `destination` by `make(place, first, number)`, tile
/// by tile and past the caches.
///
/// # Safety
/// `destination` is valid for all elements, and each call of `make` fills as many from the place
/// on as it is told, which is aligned to a line.
#[inline(always)]
pub unsafe fn tiles(
    destination: *mut u8,
    width: usize,
    count: usize,
    mut make: impl FnMut(*mut u8, usize, usize),
) {
    let mut tile = Tile([MaybeUninit::uninit(); TILE]);
    let most = TILE / width.max(1);
    let mut first = 0;
    while first < count {
        let number = most.min(count - first);
        make(tile.0.as_mut_ptr().cast(), first, number);
        let to = destination.wrapping_add(first * width);
        // SAFETY: the tile has just been filled; the elements lie in the destination
        unsafe { copy(to, tile.0.as_ptr().cast(), number * width) };
        first += number;
    }
    settle();
}

/// Has `output` filled by `fill(part, first)`, in one part, or in tiles that pass by the caches.
#[inline(always)]
pub fn filled<T: Copy>(
    output: &mut [MaybeUninit<T>],
    streamed: bool,
    mut fill: impl FnMut(&mut [MaybeUninit<T>], usize),
) {
    if !streamed {
        return fill(output, 0);
    }
    let (count, destination) = (output.len(), output.as_mut_ptr().cast());
    // SAFETY: elements that `fill` leaves out are of arbitrary content, as before
    unsafe {
        tiles(destination, size_of::<T>(), count, |tile, first, number| {
            fill(std::slice::from_raw_parts_mut(tile.cast(), number), first);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_every_length_and_alignment_leave_the_rest_alone() {
        let source: Vec<u8> = (0..400).map(|number| number as u8).collect();
        for start in 0..70 {
            for (count, backwards) in (0..200).flat_map(|count| [(count, false), (count, true)]) {
                let mut found = vec![0xaa; 300];
                let (to, from) = (found[start..].as_mut_ptr(), source[3..].as_ptr());
                // SAFETY: both ranges lie in their vectors
                unsafe {
                    match backwards {
                        false => copy(to, from, count),
                        true => copy_backwards(to, from, count),
                    }
                }
                settle();
                assert_eq!(found[start..start + count], source[3..3 + count]);
                let around = found[..start].iter().chain(&found[start + count..]);
                assert!(around.into_iter().all(|byte| *byte == 0xaa));
            }
        }
    }

    #[test]
    fn tiles_come_in_order_without_gaps() {
        for streamed in [false, true] {
            for count in [0, 1, 7, 2048, 2049, 10_000] {
                let mut output = vec![MaybeUninit::<u32>::uninit(); count];
                filled(&mut output, streamed, |part, first| {
                    for (place, element) in part.iter_mut().enumerate() {
                        element.write((first + place) as u32);
                    }
                });
                for (place, element) in output.iter().enumerate() {
                    // SAFETY: every element has been written
                    assert_eq!(unsafe { element.assume_init() }, place as u32);
                }
            }
        }
    }

    #[test]
    fn results_that_fit_stay_in_the_cache() {
        let cache = 32 << 20;
        assert!(!exceeds(cache, 1 << 20, 1 << 40, 3));
        assert!(!exceeds(cache, 8 << 20, 16 << 20, 3));
        assert!(exceeds(cache, 8 << 20, (16 << 20) + 1, 3));
        assert!(!exceeds(cache, 16 << 20, 24 << 20, 5));
        assert!(exceeds(cache, 16 << 20, (24 << 20) + 1, 5));
        assert!(largest_cache().is_none_or(|bytes| bytes >= 16 << 10));
    }
}
