//! AVX-512 with BF16: registers of 32 `bf16`, widened to `f32`.

use super::{Spread, Vector};
use half::bf16;
use std::arch::x86_64::*;
use std::mem::transmute;

/// The values of 32 `bf16` that lie side by side: those at even places and those at odd ones, so
/// that no element has to change its lane. What is stored is rounded; ties go to even, NaN stays
/// NaN, and subnormal numbers become zero.
#[derive(Clone, Copy)]
pub(crate) struct Brain([__m512; 2]);

impl Brain {
    /// # Safety
    /// As for [`Vector`].
    #[inline(always)]
    unsafe fn widen(elements: __m512i) -> Self {
        // SAFETY: by the caller's promise
        unsafe {
            let odd = _mm512_and_si512(elements, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            let even = _mm512_slli_epi32::<16>(elements);
            Brain([_mm512_castsi512_ps(even), _mm512_castsi512_ps(odd)])
        }
    }

    /// The nearest elements.
    ///
    /// # Safety
    /// As for [`Vector`].
    #[inline(always)]
    unsafe fn round(self) -> __m512i {
        let place = |lane: usize| (lane / 2 + lane % 2 * 16) as u16;
        let places: [u16; 32] = std::array::from_fn(place);
        // SAFETY: by the caller's promise; both types are 64 bytes without invalid values
        unsafe {
            let rounded = _mm512_cvtne2ps_pbh(self.0[1], self.0[0]);
            let places = _mm512_loadu_si512(places.as_ptr().cast());
            _mm512_permutexvar_epi16(places, transmute::<__m512bh, __m512i>(rounded))
        }
    }
}

impl Vector for Brain {
    type Element = bf16;
    type Mask = __mmask32;
    const LANES: usize = 32;

    #[inline(always)]
    unsafe fn mask(count: usize) -> __mmask32 {
        u32::MAX.unbounded_shr(32_u32.saturating_sub(count as u32))
    }
    #[inline(always)]
    unsafe fn splat(value: bf16) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { Self::widen(_mm512_set1_epi16(value.to_bits() as i16)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const bf16) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { Self::widen(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const bf16, mask: __mmask32) -> Self {
        // SAFETY: by the promise of `Vector`
        unsafe { Self::widen(_mm512_maskz_loadu_epi16(mask, from.cast())) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut bf16, mask: __mmask32) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_mask_storeu_epi16(to.cast(), mask, self.round()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut bf16) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_storeu_si512(to.cast(), self.round()) }
    }
    #[inline(always)]
    unsafe fn store_past(self, to: *mut bf16) {
        // SAFETY: by the promise of `Vector`
        unsafe { _mm512_stream_si512(to.cast(), self.round()) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        // SAFETY: by the promise of `Vector`
        unsafe { Brain([_mm512_add_ps(a, c), _mm512_add_ps(b, d)]) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        let ([a, b], [c, d], [e, f]) = (self.0, factor.0, addend.0);
        // SAFETY: by the promise of `Vector`
        unsafe { Brain([_mm512_fmadd_ps(a, c, e), _mm512_fmadd_ps(b, d, f)]) }
    }
}

impl Spread for Brain {
    /// The lanes of either half, and whether they are of the odd one.
    type Places = (__m512i, bool);

    #[inline(always)]
    unsafe fn places(element: usize, group: usize) -> (__m512i, bool) {
        // SAFETY: by the promise of `Vector`
        let lanes = unsafe { __m512::places(element / 2, group / 2) };
        (lanes, element % 2 == 1)
    }
    /// Neighbours of a group have the same element, so both halves are one.
    #[inline(always)]
    unsafe fn spread(self, (lanes, is_odd): (__m512i, bool)) -> Self {
        // SAFETY: by the promise of `Vector`
        let half = unsafe {
            match is_odd {
                true => self.0[1],
                false => self.0[0],
            }
            .spread(lanes)
        };
        Brain([half; 2])
    }
}

#[cfg(test)]
mod tests {
    use super::super::Vector;
    use super::Brain;
    use crate::gemm::Element;
    use crate::simd::Isa;
    use half::bf16;

    /// `(x·y + z, x)` of the first so many elements.
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")]
    unsafe fn part(count: usize, [x, y, z]: [&[bf16; 32]; 3], to: [&mut [bf16; 32]; 2]) {
        // SAFETY: all have as many elements as a vector
        unsafe {
            let mask = Brain::mask(count);
            let [x, y, z] = [x, y, z].map(|from| Brain::load_part(from.as_ptr(), mask));
            let [sums, same] = to;
            x.multiply_add(y, z).store_part(sums.as_mut_ptr(), mask);
            x.store_part(same.as_mut_ptr(), mask);
        }
    }

    #[test]
    fn elements_stay_in_their_places_and_sums_are_rounded() {
        if !bf16::has_pairs(Isa::best()) {
            return;
        }
        let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0];
        let value = |index: usize| match index {
            27.. => special[index - 27],
            _ => (index as f32 * 0.7).sin() * 3.0,
        };
        let x: [bf16; 32] = std::array::from_fn(|lane| bf16::from_f32(value(lane)));
        let y: [bf16; 32] = std::array::from_fn(|lane| bf16::from_f32(0.3 + lane as f32));
        let z: [bf16; 32] = std::array::from_fn(|lane| bf16::from_f32(2.0 - lane as f32));
        for count in 0..=32 {
            let mut found = [[bf16::from_bits(7); 32]; 2];
            // SAFETY: the machine has the instructions
            unsafe { part(count, [&x, &y, &z], found.each_mut()) };
            for lane in 0..32 {
                let sum = x[lane].to_f32().mul_add(y[lane].to_f32(), z[lane].to_f32());
                let expected = match lane < count {
                    true => [bf16::narrow(sum), x[lane]],
                    false => [bf16::from_bits(7); 2],
                };
                for (found, expected) in [found[0][lane], found[1][lane]].iter().zip(expected) {
                    let both_nan = found.is_nan() && expected.is_nan();
                    assert!(
                        both_nan || found.to_bits() == expected.to_bits(),
                        "{count} {lane}"
                    );
                }
            }
        }
    }
}
