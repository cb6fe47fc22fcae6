//! Registers of several elements, one type for each instruction set.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod portable;

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{F32x4, F64x2};
#[cfg(target_arch = "x86_64")]
pub(crate) use pairs::Pairs;
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
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self·factor + addend`, rounded once where the instruction set can.
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self;
}
