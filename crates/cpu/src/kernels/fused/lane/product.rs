//! The loop of complex products with real and imaginary parts side by side in registers of double
//! precision, where they are exact: an order of the parts that the compiler does not find by itself.
//! The bits are those of the loop that it makes.

#![cfg(target_arch = "x86_64")]

use crate::simd::{Isa, TileFn};
use num_complex::Complex32;
use std::arch::x86_64::*;

/// Complex numbers of a register.
const LANES: usize = 2;
/// As [`LANES`], of AVX-512.
#[cfg(avx512)]
const WIDE: usize = 4;

/// The loop of `a·b`, if the instruction set has one.
pub(super) fn product(isa: Isa) -> Option<TileFn> {
    match isa {
        #[cfg(avx512)]
        Isa::Avx512 => Some(multiply_wide),
        Isa::Baseline => None,
        _with_avx2 => Some(multiply),
    }
}

/// # Safety
/// As [`TileFn`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn multiply(
    destination: *mut u8,
    lhs: *const u8,
    rhs: *const u8,
    _third: *const u8,
    count: usize,
) {
    let destination = destination.cast::<Complex32>();
    let (lhs, rhs) = (lhs.cast::<Complex32>(), rhs.cast::<Complex32>());
    let whole = count / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        // SAFETY: `start + LANES <= count`, for which the caller promises the operand
        let a = unsafe { _mm_loadu_ps(lhs.add(start).cast()) };
        // SAFETY: as above
        let b = unsafe { _mm_loadu_ps(rhs.add(start).cast()) };
        // SAFETY: as above; an operand that is the destination was read
        unsafe { _mm_storeu_ps(destination.add(start).cast(), pair(a, b)) };
    }
    if whole < count {
        // SAFETY: one element is left
        let a = unsafe { _mm_loadl_epi64(lhs.add(whole).cast()) };
        // SAFETY: as above
        let b = unsafe { _mm_loadl_epi64(rhs.add(whole).cast()) };
        let product = _mm_castps_si128(pair(_mm_castsi128_ps(a), _mm_castsi128_ps(b)));
        // SAFETY: as above
        unsafe { _mm_storel_epi64(destination.add(whole).cast(), product) };
    }
}

/// # Safety
/// As [`TileFn`].
#[cfg(avx512)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn multiply_wide(
    destination: *mut u8,
    lhs: *const u8,
    rhs: *const u8,
    third: *const u8,
    count: usize,
) {
    let whole = count / WIDE * WIDE;
    let place = |start: usize| start * size_of::<Complex32>();
    for start in (0..whole).step_by(WIDE) {
        // SAFETY: `start + WIDE <= count`, for which the caller promises the operand
        let a = unsafe { _mm256_loadu_ps(lhs.add(place(start)).cast()) };
        // SAFETY: as above
        let b = unsafe { _mm256_loadu_ps(rhs.add(place(start)).cast()) };
        // SAFETY: as above; an operand that is the destination was read
        unsafe { _mm256_storeu_ps(destination.add(place(start)).cast(), four(a, b)) };
    }
    let [to, first, second] =
        [destination.cast_const(), lhs, rhs].map(|it| it.wrapping_add(place(whole)));
    // SAFETY: the caller's promise, of the elements that are left
    unsafe { multiply(to.cast_mut(), first, second, third, count - whole) };
}

/// Four products.
#[cfg(avx512)]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
fn four(a: __m256, b: __m256) -> __m256 {
    let (a, b) = (_mm512_cvtps_pd(a), _mm512_cvtps_pd(b));
    let swapped = _mm512_permute_pd::<0b0101_0101>(a);
    let (re, im) = (_mm512_movedup_pd(b), _mm512_permute_pd::<0b1111_1111>(b));
    _mm512_cvtpd_ps(_mm512_fmaddsub_pd(a, re, _mm512_mul_pd(swapped, im)))
}

/// Two products.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn pair(a: __m128, b: __m128) -> __m128 {
    let (a, b) = (_mm256_cvtps_pd(a), _mm256_cvtps_pd(b));
    let swapped = _mm256_permute_pd::<0b0101>(a);
    let (re, im) = (_mm256_movedup_pd(b), _mm256_permute_pd::<0b1111>(b));
    _mm256_cvtpd_ps(_mm256_fmaddsub_pd(a, re, _mm256_mul_pd(swapped, im)))
}
