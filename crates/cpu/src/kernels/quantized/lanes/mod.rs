//! Packed elements spread over the lanes of vector registers.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
pub(super) mod portable;

/// Bytes that may be read from any packed element on, past the last one too.
pub(super) const READABLE: usize = 16;
/// Vectors whose lanes change places with them.
pub(super) const TURNED: usize = 8;

/// Vectors of single precision and what packed elements need. `LANES` elements of any number of
/// bits begin at a whole byte, since there are at least eight of them.
pub(super) trait Lanes: Copy {
    /// Numbers of a vector; divides every group.
    const LANES: usize;
    /// A vector of numbers.
    type Numbers: Copy;
    /// Where the bits of each lane are.
    type Spread: Copy;

    /// Where elements of so many bits are.
    ///
    /// # Safety
    /// The machine has the instruction set; as for all functions here.
    unsafe fn spread(bits: usize) -> Self::Spread;

    /// The next integers.
    ///
    /// # Safety
    /// [`READABLE`] bytes can be read; as for all functions that read the next elements.
    unsafe fn integers(spread: Self::Spread, from: *const u8) -> Self::Numbers;

    /// The next integers, which have at most four bits.
    ///
    /// # Safety
    /// As for [`Lanes::integers`].
    unsafe fn short_integers(spread: Self::Spread, from: *const u8) -> Self::Numbers;

    /// The next integers, which have eight bits.
    ///
    /// # Safety
    /// As for [`Lanes::integers`].
    unsafe fn bytes(from: *const u8) -> Self::Numbers;

    /// The next E2M1 numbers.
    ///
    /// # Safety
    /// As for [`Lanes::integers`], with a spread of four bits.
    unsafe fn e2m1(spread: Self::Spread, from: *const u8) -> Self::Numbers;

    /// The next E4M3 numbers.
    ///
    /// # Safety
    /// As for [`Lanes::integers`].
    unsafe fn e4m3(from: *const u8) -> Self::Numbers;

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

    /// Writes lane `l` of vector `v` to `to[l·row + v]`.
    ///
    /// # Safety
    /// The places can be written.
    unsafe fn store_turned(to: *mut f32, row: usize, numbers: [Self::Numbers; TURNED]);

    /// The sum of all lanes.
    ///
    /// # Safety
    /// The instruction set.
    unsafe fn sum(numbers: Self::Numbers) -> f32;
}

/// What elements mean.
pub(super) trait Meaning {
    /// The next elements as numbers.
    ///
    /// # Safety
    /// As for [`Lanes::integers`], with a spread of the elements' bits.
    unsafe fn numbers<L: Lanes>(spread: L::Spread, from: *const u8) -> L::Numbers;
}

/// Unsigned integers.
pub(super) struct Integers;
/// Unsigned integers of at most four bits.
pub(super) struct ShortIntegers;
/// Unsigned integers of eight bits.
pub(super) struct Bytes;
/// E2M1 numbers.
pub(super) struct E2m1;
/// E4M3 numbers.
pub(super) struct E4m3;

impl Meaning for Integers {
    #[inline(always)]
    unsafe fn numbers<L: Lanes>(spread: L::Spread, from: *const u8) -> L::Numbers {
        // SAFETY: by the caller's promise
        unsafe { L::integers(spread, from) }
    }
}

impl Meaning for ShortIntegers {
    #[inline(always)]
    unsafe fn numbers<L: Lanes>(spread: L::Spread, from: *const u8) -> L::Numbers {
        // SAFETY: by the caller's promise
        unsafe { L::short_integers(spread, from) }
    }
}

impl Meaning for Bytes {
    #[inline(always)]
    unsafe fn numbers<L: Lanes>(_: L::Spread, from: *const u8) -> L::Numbers {
        // SAFETY: by the caller's promise
        unsafe { L::bytes(from) }
    }
}

impl Meaning for E2m1 {
    #[inline(always)]
    unsafe fn numbers<L: Lanes>(spread: L::Spread, from: *const u8) -> L::Numbers {
        // SAFETY: by the caller's promise
        unsafe { L::e2m1(spread, from) }
    }
}

impl Meaning for E4m3 {
    #[inline(always)]
    unsafe fn numbers<L: Lanes>(_: L::Spread, from: *const u8) -> L::Numbers {
        // SAFETY: by the caller's promise
        unsafe { L::e4m3(from) }
    }
}
