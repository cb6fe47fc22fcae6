//! AVX-512: registers of 64 bytes.

use super::{Spread, Vector};
use std::arch::x86_64::*;

impl Vector for __m512 {
    type Element = f32;
    type Mask = __mmask16;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn mask(count: usize) -> __mmask16 {
        if count >= 16 { !0 } else { (1 << count) - 1 }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: __mmask16) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_maskz_loadu_ps(mask, from) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, mask: __mmask16) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_mask_storeu_ps(to, mask, self) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_storeu_ps(to, self) }
    }
    #[inline(always)]
    unsafe fn store_past(self, to: *mut f32) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_stream_ps(to, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_add_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_fmadd_ps(self, factor, addend) }
    }
}

impl Spread for __m512 {
    type Places = __m512i;

    #[inline(always)]
    unsafe fn places(element: usize, group: usize) -> __m512i {
        // SAFETY: by the promise of `Vector`
        unsafe {
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let first = _mm512_and_si512(lanes, _mm512_set1_epi32(-(group as i32)));
            _mm512_or_si512(first, _mm512_set1_epi32(element as i32))
        }
    }
    #[inline(always)]
    unsafe fn spread(self, places: __m512i) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_permutexvar_ps(places, self) }
    }
}

impl Vector for __m512d {
    type Element = f64;
    type Mask = __mmask8;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn mask(count: usize) -> __mmask8 {
        if count >= 8 { !0 } else { (1 << count) - 1 }
    }
    #[inline(always)]
    unsafe fn splat(value: f64) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_set1_pd(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_loadu_pd(from) }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f64, mask: __mmask8) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_maskz_loadu_pd(mask, from) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f64, mask: __mmask8) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_mask_storeu_pd(to, mask, self) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_storeu_pd(to, self) }
    }
    #[inline(always)]
    unsafe fn store_past(self, to: *mut f64) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_stream_pd(to, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_add_pd(self, other) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_fmadd_pd(self, factor, addend) }
    }
}
