//! Slots that hold one element, and what is known of it.

use half::{bf16, f16};
use mlx_oxide_ir::Dtype;

/// The magnitudes whose reciprocals are used: far from where these, or products with them, overflow or
/// lose bits of their own accord.
const LEAST: f64 = 1.0 / MOST;
const MOST: f64 = 1_152_921_504_606_846_976.0; // 2⁶⁰
/// The most that a reciprocal may be off for `float16`, as a part of it.
const ERROR: f64 = 1.0 / 33_554_432.0; // 2⁻²⁵

/// One element in place of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels::fused) enum Single {
    /// Any.
    Element,
    /// Zero without sign.
    Zero,
    /// Neither zero nor NaN.
    Number,
    /// One by which numbers of its 16-bit float are divided: their products with its reciprocal round
    /// to the same. See [`Single::of`].
    Divisor,
    /// A power of two: products with its reciprocal are quotients, in every dtype.
    Power,
}

impl Single {
    /// What may be done with an element that stays the same all the time, given as it lies in memory.
    ///
    /// Of floats of `p` bits the quotient `x/c` is either such a float or at least `2⁻²ᵖ⁻¹` of itself
    /// away from all of them and from the middles between neighbours, where rounding changes: the
    /// difference to one of those, `M` of `p + 1` bits, is `(x - M·c)/c`, whose numerator is an
    /// integer in units of the last places. Reciprocal and product err by `2⁻²⁴` each in single
    /// precision, so that is safe for `p` of 8 and of 11; of the latter by a hair, since `M` and `c`
    /// are less than `2¹²` and `2¹¹`. Exactly in a middle are only subnormal results. In `bfloat16`
    /// these are subnormal in single precision too, whose last place is greater than the error; in
    /// `float16` a reciprocal that is off by half as much gives them exactly.
    pub(in crate::kernels::fused) fn of(dtype: Dtype, element: &[u8]) -> Self {
        let value = match (dtype, element) {
            (Dtype::Float32, &[a, b, c, d]) => f32::from_ne_bytes([a, b, c, d]),
            (Dtype::Float16, &[a, b]) => f16::from_ne_bytes([a, b]).to_f32(),
            (Dtype::Bfloat16, &[a, b]) => bf16::from_ne_bytes([a, b]).to_f32(),
            _other => return Single::Element,
        };
        let exact = f64::from(value);
        if value.to_bits() == 0 {
            return Single::Zero;
        }
        if value == 0.0 || value.is_nan() {
            return Single::Element;
        }
        if !(LEAST..=MOST).contains(&exact.abs()) {
            return Single::Number;
        }
        let error = (f64::from(1.0 / value) * exact - 1.0).abs();
        match dtype {
            _power if value.to_bits() << 9 == 0 => Single::Power,
            Dtype::Bfloat16 => Single::Divisor,
            Dtype::Float16 if error <= ERROR => Single::Divisor,
            _inexact => Single::Number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether products with the reciprocal round as quotients do, of all numbers of the dtype.
    fn is_divisor(divisor: f32, widen: fn(u16) -> f32, narrow: fn(f32) -> u16) -> bool {
        let reciprocal = 1.0 / divisor;
        (0..=u16::MAX).all(|bits| {
            let number = widen(bits);
            let (product, quotient) = (number * reciprocal, number / divisor);
            number.is_nan() || narrow(product) == narrow(quotient)
        })
    }

    #[test]
    fn products_with_reciprocals_of_divisors_round_as_quotients_do() {
        let mut found = [0; 2];
        // all mantissas there are, and some exponents
        for bits in (0x3b00u16..0x4700)
            .step_by(7)
            .chain([0xbfb5, 0x3fb5, 0x40c0])
        {
            let divisor = bf16::from_bits(bits);
            if Single::of(Dtype::Bfloat16, &divisor.to_ne_bytes()) == Single::Divisor {
                found[0] += 1;
                let widen = |bits| bf16::from_bits(bits).to_f32();
                let narrow = |number| bf16::from_f32(number).to_bits();
                assert!(is_divisor(divisor.to_f32(), widen, narrow), "{divisor}");
            }
        }
        for bits in (0x0400u16..0x7c00)
            .step_by(97)
            .chain([0xc600, 0x3da8, 1, 3, 7, 0x3ff])
        {
            let divisor = f16::from_bits(bits);
            if Single::of(Dtype::Float16, &divisor.to_ne_bytes()) == Single::Divisor {
                found[1] += 1;
                let widen = |bits| f16::from_bits(bits).to_f32();
                let narrow = |number| f16::from_f32(number).to_bits();
                assert!(is_divisor(divisor.to_f32(), widen, narrow), "{divisor}");
            }
        }
        assert!(found.iter().all(|found| *found > 100), "{found:?}");
    }

    #[test]
    fn powers_of_two_are_told_from_other_numbers() {
        let of = |value: f32| Single::of(Dtype::Float32, &value.to_ne_bytes());
        for value in [2.0, 0.5, -1.0, 1024.0, -3.814_697_3e-6] {
            assert_eq!(of(value), Single::Power);
        }
        for value in [f32::INFINITY, 3.0, 1e-45, f32::MAX, 2f32.powi(100)] {
            assert_eq!(of(value), Single::Number);
        }
        assert_eq!(of(0.0), Single::Zero);
        assert_eq!([-0.0, f32::NAN].map(of), [Single::Element; 2]);
        assert_eq!(Single::of(Dtype::Int32, &[2, 0, 0, 0]), Single::Element);
    }
}
