//! Eight lanes of AVX2.

use super::{Lanes, TURNED};
use std::arch::x86_64::*;

/// Lanes of 256 bits.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2;

/// The two bytes that hold each lane's bits, how far they are shifted and which bits stay; where
/// the bits of all lanes begin in a word.
#[derive(Clone, Copy)]
pub(in super::super) struct Spread {
    bytes: __m256i,
    shifts: __m256i,
    mask: __m256i,
    starts: __m256i,
}

impl Lanes for Avx2 {
    const LANES: usize = 8;
    type Numbers = __m256;
    type Spread = Spread;

    #[inline(always)]
    unsafe fn spread(bits: usize) -> Spread {
        let (mut bytes, mut shifts, mut starts) = ([0x80u8; 32], [0u32; 8], [0u32; 8]);
        for lane in 0..8 {
            let first = lane * bits / 8;
            bytes[lane * 4] = first as u8;
            if first + 1 < 8 {
                bytes[lane * 4 + 1] = first as u8 + 1;
            }
            shifts[lane] = (lane * bits % 8) as u32;
            starts[lane] = (lane * bits) as u32;
        }
        // SAFETY: arrays of 32 bytes; the instruction set by the caller's promise
        unsafe {
            Spread {
                bytes: _mm256_loadu_si256(bytes.as_ptr().cast()),
                shifts: _mm256_loadu_si256(shifts.as_ptr().cast()),
                mask: _mm256_set1_epi32((1 << bits) - 1),
                starts: _mm256_loadu_si256(starts.as_ptr().cast()),
            }
        }
    }

    #[inline(always)]
    unsafe fn integers(spread: Spread, from: *const u8) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe {
            let all = _mm256_set1_epi64x(from.cast::<i64>().read_unaligned());
            let pairs = _mm256_shuffle_epi8(all, spread.bytes);
            let shifted = _mm256_srlv_epi32(pairs, spread.shifts);
            _mm256_cvtepi32_ps(_mm256_and_si256(shifted, spread.mask))
        }
    }

    #[inline(always)]
    unsafe fn short_integers(spread: Spread, from: *const u8) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe {
            let all = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
            let shifted = _mm256_srlv_epi32(all, spread.starts);
            _mm256_cvtepi32_ps(_mm256_and_si256(shifted, spread.mask))
        }
    }

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe { _mm256_cvtepi32_ps(widened(from)) }
    }

    #[inline(always)]
    unsafe fn e2m1(spread: Spread, from: *const u8) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe {
            let table = _mm256_setr_ps(0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0);
            let all = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
            // the lookup takes the lowest three bits
            let moduli = _mm256_permutevar8x32_ps(table, _mm256_srlv_epi32(all, spread.starts));
            let to_top = _mm256_sub_epi32(_mm256_set1_epi32(28), spread.starts);
            let top = _mm256_castsi256_ps(_mm256_sllv_epi32(all, to_top));
            _mm256_xor_ps(moduli, _mm256_and_ps(top, _mm256_set1_ps(-0.0)))
        }
    }

    #[inline(always)]
    unsafe fn e4m3(from: *const u8) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe {
            let elements = widened(from);
            let fields = _mm256_and_si256(elements, _mm256_set1_epi32(0x7f));
            let sign = _mm256_slli_epi32(_mm256_xor_si256(elements, fields), 24);
            let small = _mm256_castsi256_ps(_mm256_slli_epi32(fields, 20));
            let moduli = _mm256_mul_ps(small, _mm256_set1_ps(f32::from_bits(247 << 23)));
            let none = _mm256_cmpeq_epi32(fields, _mm256_set1_epi32(0x7f));
            // all bits set are a NaN
            let numbers = _mm256_or_ps(moduli, _mm256_castsi256_ps(none));
            _mm256_xor_ps(numbers, _mm256_castsi256_ps(sign))
        }
    }

    #[inline(always)]
    unsafe fn splat(number: f32) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe { _mm256_set1_ps(number) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, numbers: __m256) {
        // SAFETY: by the caller's promise
        unsafe { _mm256_storeu_ps(to, numbers) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn store_turned(to: *mut f32, row: usize, numbers: [__m256; TURNED]) {
        // SAFETY: by the caller's promise
        unsafe { store_turned(to, row, numbers) }
    }

    #[inline(always)]
    unsafe fn sum(numbers: __m256) -> f32 {
        // SAFETY: by the caller's promise
        unsafe {
            let (low, high) = (
                _mm256_castps256_ps128(numbers),
                _mm256_extractf128_ps::<1>(numbers),
            );
            let four = _mm_add_ps(low, high);
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
}

/// Eight bytes as integers.
#[inline(always)]
unsafe fn widened(from: *const u8) -> __m256i {
    // SAFETY: the promise of [`Lanes::integers`]
    unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())) }
}

/// [`Lanes::store_turned`] of eight lanes: pairs of vectors are interleaved by single numbers, then
/// by pairs, then by halves.
#[inline(always)]
pub(super) unsafe fn store_turned(to: *mut f32, row: usize, numbers: [__m256; TURNED]) {
    // SAFETY: the promise of [`Lanes::store_turned`]
    unsafe {
        let [a, b, c, d, e, f, g, h] = numbers;
        let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
        let (ef, gh) = (_mm256_unpacklo_ps(e, f), _mm256_unpacklo_ps(g, h));
        let (ab_high, cd_high) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
        let (ef_high, gh_high) = (_mm256_unpackhi_ps(e, f), _mm256_unpackhi_ps(g, h));
        // lane 0, 1, 2 and 3 in the low halves, 4, 5, 6 and 7 in the high ones
        let first = [
            _mm256_shuffle_ps::<0x44>(ab, cd),
            _mm256_shuffle_ps::<0xee>(ab, cd),
            _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
            _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
        ];
        let second = [
            _mm256_shuffle_ps::<0x44>(ef, gh),
            _mm256_shuffle_ps::<0xee>(ef, gh),
            _mm256_shuffle_ps::<0x44>(ef_high, gh_high),
            _mm256_shuffle_ps::<0xee>(ef_high, gh_high),
        ];
        for (lane, (first, second)) in first.into_iter().zip(second).enumerate() {
            let low = _mm256_permute2f128_ps::<0x20>(first, second);
            let high = _mm256_permute2f128_ps::<0x31>(first, second);
            _mm256_storeu_ps(to.wrapping_add(lane * row), low);
            _mm256_storeu_ps(to.wrapping_add((lane + 4) * row), high);
        }
    }
}
