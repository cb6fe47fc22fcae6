//! AVX-512 with BF16: registers of 16 pairs of `bf16`, and of 16 `f32` sums of their products.

use super::Vector;
use std::arch::x86_64::*;

/// Sixteen lanes. As a factor a lane is a pair of `bf16`, the first in the low half; as a sum it
/// is an `f32`. Subnormal numbers count as zero in products.
#[derive(Clone, Copy)]
pub(crate) struct Pairs(__m512);

impl Vector for Pairs {
    type Element = f32;
    type Mask = __mmask16;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn mask(count: usize) -> __mmask16 {
        // SAFETY: by the promise of `Vector`
        unsafe { __m512::mask(count) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: by the promise of `Vector`; the bits stay
        Pairs(unsafe { __m512::splat(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: by the promise of `Vector`
        Pairs(unsafe { __m512::load(from) })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: __mmask16) -> Self {
        // SAFETY: by the promise of `Vector`
        Pairs(unsafe { __m512::load_part(from, mask) })
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, mask: __mmask16) {
        // SAFETY: by the promise of `Vector`
        unsafe { self.0.store_part(to, mask) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: by the promise of `Vector`
        unsafe { self.0.store(to) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: by the promise of `Vector`
        Pairs(unsafe { self.0.add(other.0) })
    }
    /// The sum of both products and the addend.
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: by the promise of `Vector`; both types are 64 bytes without invalid values
        unsafe {
            let [lhs, rhs] =
                [self.0, factor.0].map(|pairs| std::mem::transmute::<__m512, __m512bh>(pairs));
            Pairs(_mm512_dpbf16_ps(addend.0, lhs, rhs))
        }
    }
}
