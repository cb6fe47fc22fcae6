//! NEON: registers of 16 bytes.

use super::Vector;
use std::arch::aarch64::*;

/// 4 elements of `f32`.
#[derive(Clone, Copy)]
pub(crate) struct F32x4(float32x4_t);

impl Vector for F32x4 {
    type Element = f32;
    type Mask = usize;
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn mask(count: usize) -> usize {
        count.min(4)
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: NEON is part of the target
        F32x4(unsafe { vdupq_n_f32(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: by the promise of `Vector`
        F32x4(unsafe { vld1q_f32(from) })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: usize) -> Self {
        if mask == 4 {
            // SAFETY: by the promise of `Vector`
            return unsafe { Self::load(from) };
        }
        let mut lanes = [0.0; 4];
        // SAFETY: by the promise of `Vector`, and the array is longer
        unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), mask) };
        // SAFETY: the array has as many elements
        unsafe { Self::load(lanes.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, mask: usize) {
        if mask == 4 {
            // SAFETY: by the promise of `Vector`
            return unsafe { self.store(to) };
        }
        let mut lanes = [0.0; 4];
        // SAFETY: the array has as many elements
        unsafe { self.store(lanes.as_mut_ptr()) };
        // SAFETY: by the promise of `Vector`, and the array is longer
        unsafe { std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, mask) };
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: by the promise of `Vector`
        unsafe { vst1q_f32(to, self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: NEON is part of the target
        F32x4(unsafe { vaddq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: NEON is part of the target
        F32x4(unsafe { vfmaq_f32(addend.0, self.0, factor.0) })
    }
}

/// 2 elements of `f64`.
#[derive(Clone, Copy)]
pub(crate) struct F64x2(float64x2_t);

impl Vector for F64x2 {
    type Element = f64;
    type Mask = usize;
    const LANES: usize = 2;

    #[inline(always)]
    unsafe fn mask(count: usize) -> usize {
        count.min(2)
    }
    #[inline(always)]
    unsafe fn splat(value: f64) -> Self {
        // SAFETY: NEON is part of the target
        F64x2(unsafe { vdupq_n_f64(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        // SAFETY: by the promise of `Vector`
        F64x2(unsafe { vld1q_f64(from) })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f64, mask: usize) -> Self {
        if mask == 2 {
            // SAFETY: by the promise of `Vector`
            return unsafe { Self::load(from) };
        }
        let mut lanes = [0.0; 2];
        // SAFETY: by the promise of `Vector`, and the array is longer
        unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), mask) };
        // SAFETY: the array has as many elements
        unsafe { Self::load(lanes.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f64, mask: usize) {
        if mask == 2 {
            // SAFETY: by the promise of `Vector`
            return unsafe { self.store(to) };
        }
        let mut lanes = [0.0; 2];
        // SAFETY: the array has as many elements
        unsafe { self.store(lanes.as_mut_ptr()) };
        // SAFETY: by the promise of `Vector`, and the array is longer
        unsafe { std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, mask) };
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        // SAFETY: by the promise of `Vector`
        unsafe { vst1q_f64(to, self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: NEON is part of the target
        F64x2(unsafe { vaddq_f64(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: NEON is part of the target
        F64x2(unsafe { vfmaq_f64(addend.0, self.0, factor.0) })
    }
}
