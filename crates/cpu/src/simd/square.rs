//! Squares of elements turned over in registers.

use super::strided::Unit;

/// Edge of a square, in elements.
pub const EDGE: usize = 8;

/// A way to turn a square of [`EDGE`] elements.
pub trait Square<T: Unit> {
    /// Writes row `r`, column `c` of `destination` from row `c`, column `r` of `source`.
    ///
    /// # Safety
    /// Rows of [`EDGE`] elements, `pitch` and `stride` elements apart, are valid in `destination`
    /// and `source`, which do not overlap; the processor has the instructions.
    unsafe fn turn(destination: *mut T, pitch: usize, source: *const T, stride: isize);
}

/// By arrays that the compiler turns into whatever registers the target has.
pub struct Portable;

impl<T: Unit> Square<T> for Portable {
    #[inline(always)]
    unsafe fn turn(destination: *mut T, pitch: usize, source: *const T, stride: isize) {
        let columns: [[T; EDGE]; EDGE] = std::array::from_fn(|c| {
            let from = source.wrapping_offset(c as isize * stride);
            // SAFETY: the caller's promise
            unsafe { from.cast::<[T; EDGE]>().read_unaligned() }
        });
        let rows: [[T; EDGE]; EDGE] = std::array::from_fn(|r| columns.map(|column| column[r]));
        for (r, row) in rows.into_iter().enumerate() {
            let to = destination.wrapping_add(r * pitch);
            // SAFETY: the caller's promise
            unsafe { to.cast::<[T; EDGE]>().write_unaligned(row) };
        }
    }
}

/// By the registers of AVX2.
#[cfg(target_arch = "x86_64")]
pub struct Avx2;

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2 {
    use super::{Avx2, EDGE, Square};
    use std::arch::x86_64::*;

    impl Square<u32> for Avx2 {
        #[inline(always)]
        unsafe fn turn(destination: *mut u32, pitch: usize, source: *const u32, stride: isize) {
            // SAFETY: the caller's promise
            unsafe { four_bytes(destination, pitch, source, stride) }
        }
    }

    impl Square<u64> for Avx2 {
        #[inline(always)]
        unsafe fn turn(destination: *mut u64, pitch: usize, source: *const u64, stride: isize) {
            for row in [0, EDGE / 2] {
                for column in [0, EDGE / 2] {
                    let to = destination.wrapping_add(row * pitch + column);
                    let from = source.wrapping_offset(column as isize * stride + row as isize);
                    // SAFETY: a quarter of the square
                    unsafe { eight_bytes(to, pitch, from, stride) };
                }
            }
        }
    }

    impl Square<u16> for Avx2 {
        #[inline(always)]
        unsafe fn turn(destination: *mut u16, pitch: usize, source: *const u16, stride: isize) {
            // SAFETY: the caller's promise
            unsafe { two_bytes(destination, pitch, source, stride) }
        }
    }

    impl Square<u8> for Avx2 {
        #[inline(always)]
        unsafe fn turn(destination: *mut u8, pitch: usize, source: *const u8, stride: isize) {
            // SAFETY: the caller's promise
            unsafe { one_byte(destination, pitch, source, stride) }
        }
    }

    /// # Safety
    /// As [`Square::turn`].
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn four_bytes(destination: *mut u32, pitch: usize, source: *const u32, stride: isize) {
        let row = |c: isize| {
            let from = source.wrapping_offset(c * stride);
            // SAFETY: a row of the square
            unsafe { _mm256_loadu_ps(from.cast()) }
        };
        let rows = turned([
            row(0),
            row(1),
            row(2),
            row(3),
            row(4),
            row(5),
            row(6),
            row(7),
        ]);
        for (r, turned) in rows.into_iter().enumerate() {
            let to = destination.wrapping_add(r * pitch).cast::<f32>();
            // SAFETY: a row of the square
            unsafe { _mm256_storeu_ps(to, turned) };
        }
    }

    /// Rows of elements of four bytes, turned over.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(crate) fn turned(rows: [__m256; EDGE]) -> [__m256; EDGE] {
        // pairs of rows, fours of rows, halves
        let pair = |a: __m256, b: __m256| [_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)];
        let four = |[a, b]: [__m256; 2], [c, d]: [__m256; 2]| {
            [
                _mm256_shuffle_ps::<0x44>(a, c),
                _mm256_shuffle_ps::<0xee>(a, c),
                _mm256_shuffle_ps::<0x44>(b, d),
                _mm256_shuffle_ps::<0xee>(b, d),
            ]
        };
        let [a, b, c, d, e, f, g, h] = rows;
        let [a, b, c, d] = four(pair(a, b), pair(c, d));
        let [e, f, g, h] = four(pair(e, f), pair(g, h));
        let first = |low: __m256, high: __m256| _mm256_permute2f128_ps::<0x20>(low, high);
        let second = |low: __m256, high: __m256| _mm256_permute2f128_ps::<0x31>(low, high);
        [
            first(a, e),
            first(b, f),
            first(c, g),
            first(d, h),
            second(a, e),
            second(b, f),
            second(c, g),
            second(d, h),
        ]
    }

    /// Four rows and columns.
    ///
    /// # Safety
    /// As [`Square::turn`], for half the edge.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn eight_bytes(destination: *mut u64, pitch: usize, source: *const u64, stride: isize) {
        let row = |c: isize| {
            let from = source.wrapping_offset(c * stride);
            // SAFETY: a row of the square
            unsafe { _mm256_loadu_pd(from.cast()) }
        };
        let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
        let (even, odd) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        let (later_even, later_odd) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
        let rows = [
            _mm256_permute2f128_pd::<0x20>(even, later_even),
            _mm256_permute2f128_pd::<0x20>(odd, later_odd),
            _mm256_permute2f128_pd::<0x31>(even, later_even),
            _mm256_permute2f128_pd::<0x31>(odd, later_odd),
        ];
        for (r, row) in rows.into_iter().enumerate() {
            let to = destination.wrapping_add(r * pitch);
            // SAFETY: a row of the square
            unsafe { _mm256_storeu_pd(to.cast(), row) };
        }
    }

    /// # Safety
    /// As [`Square::turn`].
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn two_bytes(destination: *mut u16, pitch: usize, source: *const u16, stride: isize) {
        let row = |c: isize| {
            let from = source.wrapping_offset(c * stride);
            // SAFETY: a row of the square
            unsafe { _mm_loadu_si128(from.cast()) }
        };
        let pair = |a: __m128i, b: __m128i| [_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b)];
        let four = |[a, b]: [__m128i; 2], [c, d]: [__m128i; 2]| {
            [
                _mm_unpacklo_epi32(a, c),
                _mm_unpackhi_epi32(a, c),
                _mm_unpacklo_epi32(b, d),
                _mm_unpackhi_epi32(b, d),
            ]
        };
        let low = four(pair(row(0), row(1)), pair(row(2), row(3)));
        let high = four(pair(row(4), row(5)), pair(row(6), row(7)));
        for (r, (low, high)) in low.into_iter().zip(high).enumerate() {
            let first = _mm_unpacklo_epi64(low, high);
            let second = _mm_unpackhi_epi64(low, high);
            let to = |r: usize| destination.wrapping_add(r * pitch).cast::<__m128i>();
            // SAFETY: a row of the square
            unsafe { _mm_storeu_si128(to(2 * r), first) };
            // SAFETY: as above
            unsafe { _mm_storeu_si128(to(2 * r + 1), second) };
        }
    }

    /// # Safety
    /// As [`Square::turn`].
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn one_byte(destination: *mut u8, pitch: usize, source: *const u8, stride: isize) {
        let row = |c: isize| {
            let from = source.wrapping_offset(c * stride);
            // SAFETY: a row of the square
            unsafe { _mm_loadl_epi64(from.cast()) }
        };
        let pair = |a: isize, b: isize| _mm_unpacklo_epi8(row(a), row(b));
        let four = |a: __m128i, b: __m128i| [_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b)];
        let [low, low_later] = four(pair(0, 1), pair(2, 3));
        let [high, high_later] = four(pair(4, 5), pair(6, 7));
        let twos = [
            _mm_unpacklo_epi32(low, high),
            _mm_unpackhi_epi32(low, high),
            _mm_unpacklo_epi32(low_later, high_later),
            _mm_unpackhi_epi32(low_later, high_later),
        ];
        for (r, two) in twos.into_iter().enumerate() {
            let to = |r: usize| destination.wrapping_add(r * pitch).cast::<__m128i>();
            // SAFETY: a row of the square
            unsafe { _mm_storel_epi64(to(2 * r), two) };
            // SAFETY: as above
            unsafe { _mm_storel_epi64(to(2 * r + 1), _mm_unpackhi_epi64(two, two)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T, S>()
    where
        T: Unit + PartialEq + std::fmt::Debug + TryFrom<usize> + Default,
        S: Square<T>,
    {
        let (pitch, stride) = (11, 9);
        let source: Vec<T> = (0..EDGE * stride + 1)
            .map(|value| T::try_from(value).ok().unwrap())
            .collect();
        let mut found = vec![T::default(); EDGE * pitch + 1];
        // SAFETY: both squares lie in their vectors, off the alignment of a register
        unsafe {
            S::turn(
                found.as_mut_ptr().add(1),
                pitch,
                source.as_ptr().add(1),
                stride as isize,
            );
        }
        for r in 0..EDGE {
            for c in 0..EDGE {
                assert_eq!(found[1 + r * pitch + c], source[1 + c * stride + r]);
            }
        }
    }

    fn check_all<S: Square<u8> + Square<u16> + Square<u32> + Square<u64>>() {
        check::<u8, S>();
        check::<u16, S>();
        check::<u32, S>();
        check::<u64, S>();
    }

    #[test]
    fn squares_of_every_width_are_turned() {
        check_all::<Portable>();
        #[cfg(target_arch = "x86_64")]
        if crate::simd::Isa::Avx2.is_available() {
            check_all::<Avx2>();
        }
    }
}
