//! Loops over `f16` by the processor's own conversions, which the compiler does not find by
//! itself. Results are those of [`super::half`] but for the payloads of NaN.

#![cfg(target_arch = "x86_64")]

use super::{Isa, TileFn};
use std::arch::x86_64::*;

/// What a loop does between reading and writing `f16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Sum.
    Add,
    /// Difference.
    Subtract,
    /// Product.
    Multiply,
    /// Quotient.
    Divide,
    /// The greater; NaN if one is.
    Maximum,
    /// The less; NaN if one is.
    Minimum,
}

/// The loop from `f16` to `f32`, if the instruction set has one.
pub fn widen(isa: Isa) -> Option<TileFn> {
    match isa {
        Isa::Avx512 => Some(widen_avx512),
        Isa::Avx2 => Some(widen_avx2),
        Isa::Baseline => None,
    }
}

/// The loop from `f32` to the nearest `f16`, if the instruction set has one.
pub fn narrow(isa: Isa) -> Option<TileFn> {
    match isa {
        Isa::Avx512 => Some(narrow_avx512),
        Isa::Avx2 => Some(narrow_avx2),
        Isa::Baseline => None,
    }
}

/// The loop from `f32` to the nearest `f32` that is an `f16`, if the instruction set has one.
pub fn round(isa: Isa) -> Option<TileFn> {
    match isa {
        Isa::Avx512 => Some(round_avx512),
        Isa::Avx2 => Some(round_avx2),
        Isa::Baseline => None,
    }
}

/// The loop of two operands and a result in `f16`, if the instruction set has one.
pub fn arithmetic(op: Arithmetic, isa: Isa) -> Option<TileFn> {
    match (isa, op) {
        (Isa::Avx512, Arithmetic::Add) => Some(arithmetic_avx512::<0>),
        (Isa::Avx512, Arithmetic::Subtract) => Some(arithmetic_avx512::<1>),
        (Isa::Avx512, Arithmetic::Multiply) => Some(arithmetic_avx512::<2>),
        (Isa::Avx512, Arithmetic::Divide) => Some(arithmetic_avx512::<3>),
        (Isa::Avx512, Arithmetic::Maximum) => Some(arithmetic_avx512::<4>),
        (Isa::Avx512, Arithmetic::Minimum) => Some(arithmetic_avx512::<5>),
        (Isa::Avx2, Arithmetic::Add) => Some(arithmetic_avx2::<0>),
        (Isa::Avx2, Arithmetic::Subtract) => Some(arithmetic_avx2::<1>),
        (Isa::Avx2, Arithmetic::Multiply) => Some(arithmetic_avx2::<2>),
        (Isa::Avx2, Arithmetic::Divide) => Some(arithmetic_avx2::<3>),
        (Isa::Avx2, Arithmetic::Maximum) => Some(arithmetic_avx2::<4>),
        (Isa::Avx2, Arithmetic::Minimum) => Some(arithmetic_avx2::<5>),
        (Isa::Baseline, _) => None,
    }
}

/// The loop of `(first op second) other third` in `f16`, where one operation takes the greater and
/// the other the less, if the instruction set has one.
pub fn clamp(maximum_first: bool, isa: Isa) -> Option<TileFn> {
    match (isa, maximum_first) {
        (Isa::Avx512, true) => Some(clamp_avx512::<0>),
        (Isa::Avx512, false) => Some(clamp_avx512::<1>),
        (Isa::Avx2, true) => Some(clamp_avx2::<0>),
        (Isa::Avx2, false) => Some(clamp_avx2::<1>),
        (Isa::Baseline, _) => None,
    }
}

/// Defines a tile loop over vectors. The last, incomplete vector goes through copies of one
/// vector's length, so that all lanes are treated alike:
/// `looped!(widen_avx2, "avx2,fma,f16c", 8, u16 => f32, false, |a, _b, _c, d| …)` is a loop over
/// `u16` whose body makes of pointers to 8 elements a vector that it stores at `d`; there is a third
/// operand if the flag says so.
macro_rules! looped {
    ($name:ident $(<$parameter:ident>)?, $features:literal, $lanes:literal, $in:ty => $out:ty, $ternary:literal, |$a:ident, $b:ident, $c:ident, $d:ident| $body:expr) => {
        /// # Safety
        /// As [`TileFn`].
        #[target_feature(enable = $features)]
        unsafe fn $name $(<const $parameter: u8>)? (
            destination: *mut u8, lhs: *const u8, rhs: *const u8, third: *const u8, count: usize,
        ) {
            let vector = |$a: *const $in, $b: *const $in, $c: *const $in, $d: *mut $out| {
                // SAFETY: both callers below pass pointers to as many elements as a vector has
                unsafe { $body }
            };
            let (lhs, rhs) = (lhs.cast::<$in>(), rhs.cast::<$in>());
            let third = if $ternary { third.cast::<$in>() } else { lhs };
            let destination = destination.cast::<$out>();
            let whole = count / $lanes * $lanes;
            let mut start = 0;
            while start < whole {
                let at = start;
                let (a, b, c) = (lhs.wrapping_add(at), rhs.wrapping_add(at), third.wrapping_add(at));
                vector(a, b, c, destination.wrapping_add(at));
                start += $lanes;
            }
            let rest = count - whole;
            if rest > 0 {
                let [mut a, mut b, mut c] = [[<$in>::default(); $lanes]; 3];
                let mut d = [<$out>::default(); $lanes];
                // SAFETY: `whole + rest` elements are valid, and less than a vector's remain
                unsafe {
                    a.as_mut_ptr().copy_from_nonoverlapping(lhs.add(whole), rest);
                    b.as_mut_ptr().copy_from_nonoverlapping(rhs.add(whole), rest);
                    c.as_mut_ptr().copy_from_nonoverlapping(third.add(whole), rest);
                }
                vector(a.as_ptr(), b.as_ptr(), c.as_ptr(), d.as_mut_ptr());
                // SAFETY: as above
                unsafe { destination.add(whole).copy_from_nonoverlapping(d.as_ptr(), rest) };
            }
        }
    };
}

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

looped!(widen_avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", 16, u16 => f32, false, |a, _b, _c, d| {
    _mm512_storeu_ps(d, _mm512_cvtph_ps(_mm256_loadu_si256(a.cast())))
});
looped!(narrow_avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", 16, f32 => u16, false, |a, _b, _c, d| {
    _mm256_storeu_si256(d.cast(), _mm512_cvtps_ph::<NEAREST>(_mm512_loadu_ps(a)))
});
looped!(round_avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", 16, f32 => f32, false, |a, _b, _c, d| {
    _mm512_storeu_ps(d, _mm512_cvtph_ps(_mm512_cvtps_ph::<NEAREST>(_mm512_loadu_ps(a))))
});
looped!(arithmetic_avx512<OP>, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", 16, u16 => u16, false, |a, b, _c, d| {
    let lhs = _mm512_cvtph_ps(_mm256_loadu_si256(a.cast()));
    let rhs = _mm512_cvtph_ps(_mm256_loadu_si256(b.cast()));
    let value = match OP {
        0 => _mm512_add_ps(lhs, rhs),
        1 => _mm512_sub_ps(lhs, rhs),
        2 => _mm512_mul_ps(lhs, rhs),
        3 => _mm512_div_ps(lhs, rhs),
        4 => greater_of_16(lhs, rhs),
        _ => less_of_16(lhs, rhs),
    };
    _mm256_storeu_si256(d.cast(), _mm512_cvtps_ph::<NEAREST>(value))
});
looped!(widen_avx2, "avx2,fma,f16c", 8, u16 => f32, false, |a, _b, _c, d| {
    _mm256_storeu_ps(d, _mm256_cvtph_ps(_mm_loadu_si128(a.cast())))
});
looped!(narrow_avx2, "avx2,fma,f16c", 8, f32 => u16, false, |a, _b, _c, d| {
    _mm_storeu_si128(d.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(a)))
});
looped!(round_avx2, "avx2,fma,f16c", 8, f32 => f32, false, |a, _b, _c, d| {
    _mm256_storeu_ps(d, _mm256_cvtph_ps(_mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(a))))
});
looped!(arithmetic_avx2<OP>, "avx2,fma,f16c", 8, u16 => u16, false, |a, b, _c, d| {
    let lhs = _mm256_cvtph_ps(_mm_loadu_si128(a.cast()));
    let rhs = _mm256_cvtph_ps(_mm_loadu_si128(b.cast()));
    let value = match OP {
        0 => _mm256_add_ps(lhs, rhs),
        1 => _mm256_sub_ps(lhs, rhs),
        2 => _mm256_mul_ps(lhs, rhs),
        3 => _mm256_div_ps(lhs, rhs),
        4 => greater_of_8(lhs, rhs),
        _ => less_of_8(lhs, rhs),
    };
    _mm_storeu_si128(d.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value))
});

/// The greater of each two, NaN if one is.
#[target_feature(enable = "avx512f")]
fn greater_of_16(lhs: __m512, rhs: __m512) -> __m512 {
    // of NaN and a number `max` gives the second operand
    let unordered = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lhs, lhs);
    _mm512_mask_blend_ps(unordered, _mm512_max_ps(lhs, rhs), lhs)
}

/// The less of each two, NaN if one is.
#[target_feature(enable = "avx512f")]
fn less_of_16(lhs: __m512, rhs: __m512) -> __m512 {
    let unordered = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lhs, lhs);
    _mm512_mask_blend_ps(unordered, _mm512_min_ps(lhs, rhs), lhs)
}

/// As [`greater_of_16`].
#[target_feature(enable = "avx2")]
fn greater_of_8(lhs: __m256, rhs: __m256) -> __m256 {
    let unordered = _mm256_cmp_ps::<_CMP_UNORD_Q>(lhs, lhs);
    _mm256_blendv_ps(_mm256_max_ps(lhs, rhs), lhs, unordered)
}

/// As [`less_of_16`].
#[target_feature(enable = "avx2")]
fn less_of_8(lhs: __m256, rhs: __m256) -> __m256 {
    let unordered = _mm256_cmp_ps::<_CMP_UNORD_Q>(lhs, lhs);
    _mm256_blendv_ps(_mm256_min_ps(lhs, rhs), lhs, unordered)
}

looped!(clamp_avx512<ORDER>, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", 16, u16 => u16, true, |a, b, c, d| {
    let value = _mm512_cvtph_ps(_mm256_loadu_si256(a.cast()));
    let (near, far) = (_mm512_cvtph_ps(_mm256_loadu_si256(b.cast())), _mm512_cvtph_ps(_mm256_loadu_si256(c.cast())));
    let value = match ORDER {
        0 => less_of_16(greater_of_16(value, near), far),
        _ => greater_of_16(less_of_16(value, near), far),
    };
    _mm256_storeu_si256(d.cast(), _mm512_cvtps_ph::<NEAREST>(value))
});
looped!(clamp_avx2<ORDER>, "avx2,fma,f16c", 8, u16 => u16, true, |a, b, c, d| {
    let value = _mm256_cvtph_ps(_mm_loadu_si128(a.cast()));
    let (near, far) = (_mm256_cvtph_ps(_mm_loadu_si128(b.cast())), _mm256_cvtph_ps(_mm_loadu_si128(c.cast())));
    let value = match ORDER {
        0 => less_of_8(greater_of_8(value, near), far),
        _ => greater_of_8(less_of_8(value, near), far),
    };
    _mm_storeu_si128(d.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value))
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::half::{f16_to_f32, f32_to_f16, round_to_f16};

    fn sets() -> impl Iterator<Item = Isa> {
        [Isa::Avx2, Isa::Avx512]
            .into_iter()
            .filter(|isa| isa.is_available())
    }

    fn call<I, O: Copy + Default>(run: TileFn, lhs: &[I], rhs: &[I]) -> Vec<O> {
        let mut found = vec![O::default(); lhs.len()];
        let third = std::ptr::null();
        // SAFETY: the set is available, and all three have the same length
        unsafe {
            run(
                found.as_mut_ptr().cast(),
                lhs.as_ptr().cast(),
                rhs.as_ptr().cast(),
                third,
                lhs.len(),
            );
        }
        found
    }

    #[test]
    fn conversions_agree_with_the_portable_ones() {
        let halves: Vec<u16> = (0..=u16::MAX).collect();
        let floats: Vec<f32> = (0..=u32::MAX).step_by(977).map(f32::from_bits).collect();
        for isa in sets() {
            let wide: Vec<f32> = call(widen(isa).unwrap(), &halves, &halves);
            for (half, wide) in halves.iter().zip(&wide) {
                let expected = f16_to_f32(*half);
                assert!(
                    wide.to_bits() == expected.to_bits() || (wide.is_nan() && expected.is_nan())
                );
            }
            let narrow: Vec<u16> = call(narrow(isa).unwrap(), &floats, &floats);
            let rounded: Vec<f32> = call(round(isa).unwrap(), &floats, &floats);
            for ((value, narrow), rounded) in floats.iter().zip(&narrow).zip(&rounded) {
                if value.is_nan() {
                    assert!(f16_to_f32(*narrow).is_nan() && rounded.is_nan());
                } else {
                    assert_eq!(*narrow, f32_to_f16(*value), "{value:e}");
                    assert_eq!(
                        rounded.to_bits(),
                        round_to_f16(*value).to_bits(),
                        "{value:e}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_greater_and_the_less_of_nan_and_anything_is_nan() {
        let numbers = [
            f32::NAN,
            1.0,
            f32::NAN,
            f32::INFINITY,
            -0.0,
            f32::NEG_INFINITY,
        ];
        let lhs: Vec<u16> = numbers.iter().map(|x| f32_to_f16(*x)).collect();
        let rhs: Vec<u16> = numbers.iter().rev().map(|x| f32_to_f16(*x)).collect();
        for isa in sets() {
            for op in [Arithmetic::Maximum, Arithmetic::Minimum] {
                let found: Vec<u16> = call(arithmetic(op, isa).unwrap(), &lhs, &rhs);
                for ((a, b), found) in numbers.iter().zip(numbers.iter().rev()).zip(found) {
                    let expected = match op {
                        _ if a.is_nan() || b.is_nan() => f32::NAN,
                        Arithmetic::Maximum => a.max(*b),
                        _ => a.min(*b),
                    };
                    let found = f16_to_f32(found);
                    assert!(found == expected || (found.is_nan() && expected.is_nan()));
                }
            }
        }
    }

    #[test]
    fn arithmetic_rounds_once_at_every_length() {
        let lhs: Vec<u16> = (0..67).map(|i| f32_to_f16(i as f32 * 0.37 - 9.0)).collect();
        let rhs: Vec<u16> = (0..67).map(|i| f32_to_f16(5.0 - i as f32 * 0.21)).collect();
        for isa in sets() {
            for count in 0..67 {
                for (op, function) in [
                    (Arithmetic::Add, (|a, b| a + b) as fn(f32, f32) -> f32),
                    (Arithmetic::Subtract, |a, b| a - b),
                    (Arithmetic::Multiply, |a, b| a * b),
                    (Arithmetic::Divide, |a, b| a / b),
                    (Arithmetic::Maximum, f32::max),
                    (Arithmetic::Minimum, f32::min),
                ] {
                    let run = arithmetic(op, isa).unwrap();
                    let found: Vec<u16> = call(run, &lhs[..count], &rhs[..count]);
                    for ((a, b), found) in lhs.iter().zip(&rhs).zip(found) {
                        let expected = f32_to_f16(function(f16_to_f32(*a), f16_to_f32(*b)));
                        assert_eq!(found, expected, "{op:?} {isa:?} {count}");
                    }
                }
            }
        }
    }
}
