//! 16-bit floats. Arithmetic holds them as `f32` that are already rounded; these kernels convert
//! and round. Ties go to even, NaN stays NaN, subnormals are kept.

use super::map::Map1;

/// The bits of an `f16` as the `f32` of the same value.
#[inline(always)]
pub fn f16_to_f32(bits: u16) -> f32 {
    let magnitude = u32::from(bits & 0x7fff) << 13;
    // 2¹¹² moves the exponent's bias; subnormals come out right because it is a multiplication
    let scaled = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
    let special = magnitude | 0x7f80_0000; // infinities and NaN
    let magnitude = if magnitude >= 0x0f80_0000 {
        special
    } else {
        scaled
    };
    f32::from_bits(magnitude | (u32::from(bits & 0x8000) << 16))
}

/// The value rounded to `f16`, as an `f32`.
#[inline(always)]
pub fn round_to_f16(value: f32) -> f32 {
    let bits = value.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let normal = (magnitude + 0xfff + ((magnitude >> 13) & 1)) & !0x1fff;
    let normal = if normal >= 0x4780_0000 {
        0x7f80_0000
    } else {
        normal
    }; // from 2¹⁶ on
    // near 1/2 floats are multiples of 2⁻²⁴, as the subnormals of `f16` are
    let subnormal = ((f32::from_bits(magnitude) + 0.5) - 0.5).to_bits();
    let rounded = if magnitude < 0x3880_0000 {
        subnormal
    } else {
        normal
    };
    let rounded = if magnitude > 0x7f80_0000 {
        0x7fc0_0000
    } else {
        rounded
    };
    f32::from_bits(rounded | (bits & 0x8000_0000))
}

/// The bits of the `f16` nearest to the value.
#[inline(always)]
pub fn f32_to_f16(value: f32) -> u16 {
    let rounded = round_to_f16(value).to_bits();
    let magnitude = rounded & 0x7fff_ffff;
    let normal = (magnitude.wrapping_sub(112 << 23)) >> 13;
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits() & 0x3ff;
    let finite = if magnitude < 0x3880_0000 {
        subnormal
    } else {
        normal
    };
    let special = 0x7c00 | ((magnitude >> 13) & 0x3ff);
    let narrow = if magnitude >= 0x7f80_0000 {
        special
    } else {
        finite
    };
    (narrow | ((rounded >> 16) & 0x8000)) as u16
}

/// The bits of a `bf16` as the `f32` of the same value.
#[inline(always)]
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The value rounded to `bf16`, as an `f32`.
#[inline(always)]
pub fn round_to_bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    let quiet = bits | 0x0040_0000; // what is cut off may be all that makes it NaN
    f32::from_bits((if value.is_nan() { quiet } else { rounded }) & 0xffff_0000)
}

/// The bits of the `bf16` nearest to the value.
#[inline(always)]
pub fn f32_to_bf16(value: f32) -> u16 {
    (round_to_bf16(value).to_bits() >> 16) as u16
}

/// A 16-bit floating format.
pub trait Half: Sized + 'static {
    /// Its bits as a value.
    fn widen(bits: u16) -> f32;
    /// The nearest element's bits.
    fn narrow(value: f32) -> u16;
    /// The bits of a value that an element has.
    #[inline(always)]
    fn narrow_exact(value: f32) -> u16 {
        Self::narrow(value)
    }
    /// The nearest element's value.
    fn round(value: f32) -> f32;
}

/// IEEE 754 half precision.
pub struct Float16;
/// The upper half of single precision.
pub struct Bfloat16;
/// IEEE 754 half precision that the processor widens, an element or a vector at a time: for kernels
/// on [`Isa::Avx2`](super::Isa::Avx2) and above.
pub struct NativeFloat16;

impl Half for Float16 {
    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        f16_to_f32(bits)
    }
    #[inline(always)]
    fn narrow(value: f32) -> u16 {
        f32_to_f16(value)
    }
    #[inline(always)]
    fn round(value: f32) -> f32 {
        round_to_f16(value)
    }
}

impl Half for NativeFloat16 {
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        use std::arch::x86_64::{_mm_cvtph_ps, _mm_cvtsi32_si128, _mm_cvtss_f32};
        /// Of many such calls in a loop the compiler makes one of vectors.
        #[target_feature(enable = "f16c")]
        #[inline]
        fn widen(bits: u16) -> f32 {
            _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits.into())))
        }
        // SAFETY: kernels of this format run on processors that have the instruction
        unsafe { widen(bits) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        Float16::widen(bits)
    }
    #[inline(always)]
    fn narrow(value: f32) -> u16 {
        Float16::narrow(value)
    }
    #[inline(always)]
    fn round(value: f32) -> f32 {
        Float16::round(value)
    }
}

impl Half for Bfloat16 {
    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        bf16_to_f32(bits)
    }
    #[inline(always)]
    fn narrow(value: f32) -> u16 {
        f32_to_bf16(value)
    }
    #[inline(always)]
    fn narrow_exact(value: f32) -> u16 {
        (value.to_bits() >> 16) as u16
    }
    #[inline(always)]
    fn round(value: f32) -> f32 {
        round_to_bf16(value)
    }
}

/// Kernel: [`Half::widen`].
pub struct Widen<H>(H);
/// Kernel: [`Half::narrow`].
pub struct Narrow<H>(H);
/// Kernel: [`Half::round`].
pub struct Round<H>(H);

impl<H: Half> Map1 for Widen<H> {
    type In = u16;
    type Out = f32;
    #[inline(always)]
    fn apply(operand: u16) -> f32 {
        H::widen(operand)
    }
}

impl<H: Half> Map1 for Narrow<H> {
    type In = f32;
    type Out = u16;
    #[inline(always)]
    fn apply(operand: f32) -> u16 {
        H::narrow(operand)
    }
}

impl<H: Half> Map1 for Round<H> {
    type In = f32;
    type Out = f32;
    #[inline(always)]
    fn apply(operand: f32) -> f32 {
        H::round(operand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_and_bf16_survives_the_round_trip() {
        for bits in 0..=u16::MAX {
            let wide = f16_to_f32(bits);
            let expected = half::f16::from_bits(bits).to_f32();
            assert!(wide.to_bits() == expected.to_bits() || (wide.is_nan() && expected.is_nan()));
            if !wide.is_nan() {
                assert_eq!(f32_to_f16(wide), bits);
                assert_eq!(round_to_f16(wide).to_bits(), wide.to_bits());
            }
            let wide = bf16_to_f32(bits);
            assert_eq!(Bfloat16::narrow_exact(wide), bits);
            if !wide.is_nan() {
                assert_eq!(f32_to_bf16(wide), bits);
            }
        }
    }

    #[test]
    fn rounding_to_sixteen_bits_agrees_with_the_half_crate() {
        for bits in (0..=u32::MAX).step_by(977) {
            let value = f32::from_bits(bits);
            let (found, expected) = (f32_to_f16(value), half::f16::from_f32(value));
            assert!(
                found == expected.to_bits() || (value.is_nan() && f16_to_f32(found).is_nan()),
                "{value:e}"
            );
            let (found, expected) = (f32_to_bf16(value), half::bf16::from_f32(value));
            assert!(found == expected.to_bits() || (value.is_nan() && bf16_to_f32(found).is_nan()));
        }
    }
}
