//! Eight lanes of AVX2.

use super::Lanes;
use std::arch::x86_64::*;

/// Lanes of 256 bits.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2;

/// The two bytes that hold each lane's bits, how far they are shifted and which bits stay.
#[derive(Clone, Copy)]
pub(in super::super) struct Spread {
    bytes: __m256i,
    shifts: __m256i,
    mask: __m256i,
}

impl Lanes for Avx2 {
    const LANES: usize = 8;
    type Numbers = __m256;
    type Elements = __m256i;
    type Spread = Spread;

    #[inline(always)]
    unsafe fn spread(bits: usize) -> Spread {
        let (mut bytes, mut shifts) = ([0x80u8; 32], [0u32; 8]);
        for lane in 0..8 {
            let first = lane * bits / 8;
            bytes[lane * 4] = first as u8;
            if first + 1 < 8 {
                bytes[lane * 4 + 1] = first as u8 + 1;
            }
            shifts[lane] = (lane * bits % 8) as u32;
        }
        // SAFETY: arrays of 32 bytes; the instruction set by the caller's promise
        unsafe {
            Spread {
                bytes: _mm256_loadu_si256(bytes.as_ptr().cast()),
                shifts: _mm256_loadu_si256(shifts.as_ptr().cast()),
                mask: _mm256_set1_epi32((1 << bits) - 1),
            }
        }
    }

    #[inline(always)]
    unsafe fn elements(spread: Spread, from: *const u8) -> __m256i {
        // SAFETY: by the caller's promise
        unsafe {
            let all = _mm256_set1_epi64x(from.cast::<i64>().read_unaligned());
            let pairs = _mm256_shuffle_epi8(all, spread.bytes);
            _mm256_and_si256(_mm256_srlv_epi32(pairs, spread.shifts), spread.mask)
        }
    }

    #[inline(always)]
    unsafe fn integers(elements: __m256i) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe { _mm256_cvtepi32_ps(elements) }
    }

    #[inline(always)]
    unsafe fn e2m1(elements: __m256i) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe {
            let table = _mm256_setr_ps(0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0);
            let sign = _mm256_slli_epi32(_mm256_and_si256(elements, _mm256_set1_epi32(8)), 28);
            // the lookup takes three bits
            let moduli = _mm256_permutevar8x32_ps(table, elements);
            _mm256_xor_ps(moduli, _mm256_castsi256_ps(sign))
        }
    }

    #[inline(always)]
    unsafe fn e4m3(elements: __m256i) -> __m256 {
        // SAFETY: by the caller's promise
        unsafe {
            let fields = _mm256_and_si256(elements, _mm256_set1_epi32(0x7f));
            let sign =
                _mm256_slli_epi32(_mm256_andnot_si256(_mm256_set1_epi32(0x7f), elements), 24);
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
