//! Packed elements spread over the lanes of vector registers.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
pub(super) mod portable;

/// Bytes that may be read from any packed element on, past the last one too.
pub(super) const READABLE: usize = 16;

/// Vectors of single precision and what packed elements need. `LANES` elements of any number of
/// bits begin at a whole byte, since there are at least eight of them.
pub(super) trait Lanes: Copy {
    /// Numbers of a vector; divides every group.
    const LANES: usize;
    /// A vector of numbers.
    type Numbers: Copy;
    /// A vector of unsigned integers.
    type Elements: Copy;
    /// Where the bits of each lane are.
    type Spread: Copy;

    /// Where elements of so many bits are.
    ///
    /// # Safety
    /// The machine has the instruction set; as for all functions here.
    unsafe fn spread(bits: usize) -> Self::Spread;

    /// The next elements.
    ///
    /// # Safety
    /// [`READABLE`] bytes can be read.
    unsafe fn elements(spread: Self::Spread, from: *const u8) -> Self::Elements;

    /// Integers as numbers.
    ///
    /// # Safety
    /// The instruction set.
    unsafe fn integers(elements: Self::Elements) -> Self::Numbers;

    /// E2M1 bits as numbers.
    ///
    /// # Safety
    /// The instruction set.
    unsafe fn e2m1(elements: Self::Elements) -> Self::Numbers;

    /// E4M3 bits as numbers.
    ///
    /// # Safety
    /// The instruction set.
    unsafe fn e4m3(elements: Self::Elements) -> Self::Numbers;

    /// The same number in each lane.
    ///
    /// # Safety
    /// The instruction set.
    unsafe fn splat(number: f32) -> Self::Numbers;

    /// `LANES` numbers.
    ///
    /// # Safety
    /// They can be read.
    unsafe fn load(from: *const f32) -> Self::Numbers;

    /// Writes `LANES` numbers.
    ///
    /// # Safety
    /// They can be written.
    unsafe fn store(to: *mut f32, numbers: Self::Numbers);

    /// `a·b + c`.
    ///
    /// # Safety
    /// The instruction set.
    unsafe fn multiply_add(a: Self::Numbers, b: Self::Numbers, c: Self::Numbers) -> Self::Numbers;

    /// The sum of all lanes.
    ///
    /// # Safety
    /// The instruction set.
    unsafe fn sum(numbers: Self::Numbers) -> f32;
}

/// What elements mean.
pub(super) trait Meaning {
    /// Elements as numbers.
    ///
    /// # Safety
    /// The machine has the instruction set of the lanes.
    unsafe fn numbers<L: Lanes>(elements: L::Elements) -> L::Numbers;
}

/// Unsigned integers.
pub(super) struct Integers;
/// E2M1 numbers.
pub(super) struct E2m1;
/// E4M3 numbers.
pub(super) struct E4m3;

impl Meaning for Integers {
    #[inline(always)]
    unsafe fn numbers<L: Lanes>(elements: L::Elements) -> L::Numbers {
        // SAFETY: by the caller's promise
        unsafe { L::integers(elements) }
    }
}

impl Meaning for E2m1 {
    #[inline(always)]
    unsafe fn numbers<L: Lanes>(elements: L::Elements) -> L::Numbers {
        // SAFETY: by the caller's promise
        unsafe { L::e2m1(elements) }
    }
}

impl Meaning for E4m3 {
    #[inline(always)]
    unsafe fn numbers<L: Lanes>(elements: L::Elements) -> L::Numbers {
        // SAFETY: by the caller's promise
        unsafe { L::e4m3(elements) }
    }
}
