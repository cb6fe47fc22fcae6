//! AVX2 with FMA: registers of 32 bytes.

use super::{Spread, Vector};
use std::arch::x86_64::*;

/// Rows of set signs followed by clear ones: the mask of `count` begins `count` before the middle.
static MASKS_32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Vector for __m256 {
    type Element = f32;
    type Mask = __m256i;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn mask(count: usize) -> __m256i {
        let row = &MASKS_32[8 - count.min(8)..];
        // SAFETY: by the promise of `Vector`; at least 8 elements are left in the row
        unsafe { _mm256_loadu_si256(row.as_ptr().cast()) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: __m256i) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_maskload_ps(from, mask) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, mask: __m256i) {
        // SAFETY: by the promise of `Vector`
        unsafe {
            // some processors take many cycles for a masked store, even of all lanes
            match _mm256_movemask_ps(_mm256_castsi256_ps(mask)) {
                0xff => _mm256_storeu_ps(to, self),
                _ => _mm256_maskstore_ps(to, mask, self),
            }
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_storeu_ps(to, self) }
    }
    #[inline(always)]
    unsafe fn store_past(self, to: *mut f32) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_stream_ps(to, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_add_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_fmadd_ps(self, factor, addend) }
    }
}

impl Spread for __m256 {
    type Places = __m256i;

    #[inline(always)]
    unsafe fn places(element: usize, group: usize) -> __m256i {
        // SAFETY: by the promise of `Vector`
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let first = _mm256_and_si256(lanes, _mm256_set1_epi32(-(group as i32)));
            _mm256_or_si256(first, _mm256_set1_epi32(element as i32))
        }
    }
    #[inline(always)]
    unsafe fn spread(self, places: __m256i) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_permutevar8x32_ps(self, places) }
    }
}

/// Rows of set signs followed by clear ones: the mask of `count` begins `count` before the middle.
static MASKS_64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

impl Vector for __m256d {
    type Element = f64;
    type Mask = __m256i;
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn mask(count: usize) -> __m256i {
        let row = &MASKS_64[4 - count.min(4)..];
        // SAFETY: by the promise of `Vector`; at least 4 elements are left in the row
        unsafe { _mm256_loadu_si256(row.as_ptr().cast()) }
    }
    #[inline(always)]
    unsafe fn splat(value: f64) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_set1_pd(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_loadu_pd(from) }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f64, mask: __m256i) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_maskload_pd(from, mask) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f64, mask: __m256i) {
        // SAFETY: by the promise of `Vector`
        unsafe {
            // some processors take many cycles for a masked store, even of all lanes
            match _mm256_movemask_pd(_mm256_castsi256_pd(mask)) {
                0xf => _mm256_storeu_pd(to, self),
                _ => _mm256_maskstore_pd(to, mask, self),
            }
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_storeu_pd(to, self) }
    }
    #[inline(always)]
    unsafe fn store_past(self, to: *mut f64) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_stream_pd(to, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_add_pd(self, other) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm256_fmadd_pd(self, factor, addend) }
    }
}
