//! Registers of several elements, one type for each instruction set.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod brain;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod pairs;
#[cfg(not(target_arch = "aarch64"))]
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use brain::Brain;
use half::bf16;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{F32x4, F64x2};
#[cfg(target_arch = "x86_64")]
pub(crate) use pairs::{Pairs, join_rows};
#[cfg(not(target_arch = "aarch64"))]
pub(crate) use portable::Portable;

/// A register of elements.
///
/// # Safety
/// All methods need the instruction set of the type. Those with pointers read or write
/// [`Vector::LANES`] elements, or the first ones that the mask selects.
pub(crate) trait Vector: Copy {
    /// What it holds.
    type Element: Copy;
    /// Selects the first so many lanes.
    type Mask: Copy;
    /// How many elements it holds.
    const LANES: usize;

    /// Selects the first `count` lanes, all of them if there are fewer.
    unsafe fn mask(count: usize) -> Self::Mask;
    /// The same element in every lane.
    unsafe fn splat(value: Self::Element) -> Self;
    /// Elements side by side, at any alignment.
    unsafe fn load(from: *const Self::Element) -> Self;
    /// As [`Vector::load`], zero outside of the mask, where memory is not touched.
    unsafe fn load_part(from: *const Self::Element, mask: Self::Mask) -> Self;
    /// Stores the lanes of the mask.
    unsafe fn store_part(self, to: *mut Self::Element, mask: Self::Mask);
    /// Stores all lanes.
    unsafe fn store(self, to: *mut Self::Element);
    /// Stores all lanes past the caches, where the target can; the place is as aligned as the
    /// vector is large.
    #[inline(always)]
    unsafe fn store_past(self, to: *mut Self::Element) {
        // SAFETY: the caller's promise is the same
        unsafe { self.store(to) };
    }
    /// Whether [`Vector::store_rounded`] stores anything.
    const ROUNDS: bool = false;
    /// Stores the lanes of the mask as the nearest `bf16`, if sums are those of pairs.
    #[inline(always)]
    unsafe fn store_rounded(self, to: *mut bf16, mask: Self::Mask) {
        let _ = (to, mask); // other sums are stored as they are
    }
    /// As [`Vector::store_rounded`], all lanes.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn store_rounded_whole(self, to: *mut bf16) {
        let _ = to; // other sums are stored as they are
    }
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self·factor + addend`, rounded once where the instruction set can.
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self;
}

/// A register whose lanes can take elements of other lanes.
///
/// # Safety
/// As for [`Vector`].
#[cfg(target_arch = "x86_64")]
pub(crate) trait Spread: Vector {
    /// Which lanes are taken.
    type Places: Copy;
    /// For each lane that of its group's element of a number; lanes fall into groups of so many, a
    /// power of two and at most half of them.
    unsafe fn places(element: usize, group: usize) -> Self::Places;
    /// The elements of those lanes.
    unsafe fn spread(self, places: Self::Places) -> Self;
}

/// Writes rows of `float32` sums, which are so many elements apart, rounded to `bf16`; those that are
/// null are left out.
///
/// # Safety
/// All rows have so many columns on both sides. This machine multiplies pairs of `bf16`.
pub(crate) unsafe fn round_rows(from: *const f32, step: usize, columns: usize, to: &[*mut bf16]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise is the same
    unsafe {
        pairs::round_rows(from, step, columns, to);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, step, columns, to); // no other target has pairs
}

/// Copies rows without gaps to rows that have one more element, of zero.
///
/// # Safety
/// There are so many rows of so many elements, and room for the copies. This machine multiplies
/// pairs of `bf16`.
pub(crate) unsafe fn pad_rows(from: *const bf16, width: usize, rows: usize, to: *mut bf16) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise is the same
    unsafe {
        pairs::pad_rows(from, width, rows, to);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, width, rows, to); // no other target has pairs
}

/// Has the cache line of a place, which need not exist, fetched into the first cache.
#[inline(always)]
pub(crate) fn prefetch<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has the instruction, which reads nothing
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place; // stable Rust has the instruction for x86-64 only
}

/// Has a number of bytes, which need not exist, fetched into the second cache.
#[inline(always)]
pub(crate) fn prefetch_bytes<T>(place: *const T, bytes: usize) {
    for line in (0..bytes).step_by(64) {
        let line = place.cast::<u8>().wrapping_add(line);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 has the instruction, which reads nothing
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(line.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line; // stable Rust has the instruction for x86-64 only
    }
}

/// Has the first lines of some rows, which need not exist, fetched into the first cache.
#[inline(always)]
pub(crate) fn prefetch_rows<T>(start: *const T, row: isize, rows: usize, width: usize) {
    for index in 0..rows {
        let row = start.wrapping_offset(index as isize * row);
        for element in (0..width).step_by((64 / size_of::<T>()).max(1)) {
            prefetch(row.wrapping_add(element));
        }
    }
}
