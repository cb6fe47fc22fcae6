//! Sixteen lanes of AVX-512.

use super::{Lanes, TURNED, avx2};
use mlx_oxide_ir::float8::E2M1;
use std::arch::x86_64::*;

/// Lanes of 512 bits.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512;

/// The two bytes that hold each lane's bits, how far they are shifted and which bits stay.
#[derive(Clone, Copy)]
pub(in super::super) struct Spread {
    bytes: __m512i,
    shifts: __m512i,
    mask: __m512i,
}

impl Lanes for Avx512 {
    const LANES: usize = 16;
    type Numbers = __m512;
    type Spread = Spread;

    #[inline(always)]
    unsafe fn spread(bits: usize) -> Spread {
        let (mut bytes, mut shifts) = ([0x80u8; 64], [0u32; 16]);
        for lane in 0..16 {
            let first = lane * bits / 8;
            bytes[lane * 4] = first as u8;
            if first + 1 < 16 {
                bytes[lane * 4 + 1] = first as u8 + 1;
            }
            shifts[lane] = (lane * bits % 8) as u32;
        }
        // SAFETY: arrays of 64 bytes; the instruction set by the caller's promise
        unsafe {
            Spread {
                bytes: _mm512_loadu_si512(bytes.as_ptr().cast()),
                shifts: _mm512_loadu_si512(shifts.as_ptr().cast()),
                mask: _mm512_set1_epi32((1 << bits) - 1),
            }
        }
    }

    #[inline(always)]
    unsafe fn integers(spread: Spread, from: *const u8) -> __m512 {
        // SAFETY: by the caller's promise
        unsafe { _mm512_cvtepi32_ps(elements(spread, from)) }
    }

    #[inline(always)]
    unsafe fn short_integers(spread: Spread, from: *const u8) -> __m512 {
        // SAFETY: by the caller's promise
        unsafe { Self::integers(spread, from) }
    }

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> __m512 {
        // SAFETY: by the caller's promise
        unsafe { _mm512_cvtepi32_ps(widened(from)) }
    }

    #[inline(always)]
    unsafe fn e2m1(spread: Spread, from: *const u8) -> __m512 {
        // SAFETY: by the caller's promise; the table has sixteen numbers
        unsafe { _mm512_permutexvar_ps(elements(spread, from), _mm512_loadu_ps(E2M1.as_ptr())) }
    }

    #[inline(always)]
    unsafe fn e4m3(from: *const u8) -> __m512 {
        // SAFETY: by the caller's promise
        unsafe {
            let elements = widened(from);
            let fields = _mm512_and_si512(elements, _mm512_set1_epi32(0x7f));
            let sign = _mm512_slli_epi32::<24>(_mm512_xor_si512(elements, fields));
            let small = _mm512_castsi512_ps(_mm512_slli_epi32::<20>(fields));
            let moduli = _mm512_mul_ps(small, _mm512_set1_ps(f32::from_bits(247 << 23)));
            let none = _mm512_cmpeq_epi32_mask(fields, _mm512_set1_epi32(0x7f));
            let numbers = _mm512_mask_blend_ps(none, moduli, _mm512_set1_ps(f32::NAN));
            _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(numbers), sign))
        }
    }

    #[inline(always)]
    unsafe fn splat(number: f32) -> __m512 {
        // SAFETY: by the caller's promise
        unsafe { _mm512_set1_ps(number) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: by the caller's promise
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, numbers: __m512) {
        // SAFETY: by the caller's promise
        unsafe { _mm512_storeu_ps(to, numbers) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: by the caller's promise
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn store_turned(to: *mut f32, row: usize, numbers: [__m512; TURNED]) {
        // SAFETY: by the caller's promise; halves have eight lanes each
        unsafe {
            let low = numbers.map(|numbers| _mm512_castps512_ps256(numbers));
            let high = numbers.map(|numbers| _mm512_extractf32x8_ps::<1>(numbers));
            avx2::store_turned(to, row, low);
            avx2::store_turned(to.wrapping_add(8 * row), row, high);
        }
    }

    #[inline(always)]
    unsafe fn sum(numbers: __m512) -> f32 {
        // SAFETY: by the caller's promise
        unsafe { _mm512_reduce_add_ps(numbers) }
    }
}

/// The next elements as integers.
#[inline(always)]
unsafe fn elements(spread: Spread, from: *const u8) -> __m512i {
    // SAFETY: the promise of [`Lanes::integers`]
    unsafe {
        let all = _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast()));
        let pairs = _mm512_shuffle_epi8(all, spread.bytes);
        _mm512_and_si512(_mm512_srlv_epi32(pairs, spread.shifts), spread.mask)
    }
}

/// Sixteen bytes as integers.
#[inline(always)]
unsafe fn widened(from: *const u8) -> __m512i {
    // SAFETY: the promise of [`Lanes::integers`]
    unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) }
}
