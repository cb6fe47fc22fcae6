//! Unsigned integers that have the order of the elements.

use half::{bf16, f16};
use std::fmt::Debug;

/// An unsigned integer that stands for an element. Equal elements have equal keys.
pub(super) trait Key: Copy + Ord + Debug + Send + Sync + 'static {
    /// Its bits.
    const BITS: u32;

    /// No key is greater.
    const GREATEST: Self;

    /// A key and the number of its element, ordered by the key first: signed where vectors compare
    /// such numbers alone.
    type Numbered: Copy + Ord + Send + Sync;

    /// Bits from `shift` on, as many as the mask has.
    fn digit(self, shift: u32, mask: usize) -> usize;

    /// The key, or the one that is in its place if the order is turned round.
    fn toward(self, greatest: bool) -> Self;

    /// The next greater key, if there is one.
    fn next(self) -> Self;

    /// The key with a number behind it.
    fn numbered(self, number: u32) -> Self::Numbered;

    /// The number behind a key.
    fn number(numbered: Self::Numbered) -> u32;
}

/// An element of an array.
pub(super) trait Element: Copy + Send + Sync {
    /// As wide as the element.
    type Key: Key;

    /// Keys that stand for several elements: both zeros, every NaN.
    const SHARED: &'static [Self::Key];

    fn key(self) -> Self::Key;

    /// The element that a key stands for, any one of them if it is shared.
    fn from_key(key: Self::Key) -> Self;

    /// The element's bits.
    fn bits(self) -> Self::Key;

    /// The element of such bits.
    fn of_bits(bits: Self::Key) -> Self;
}

/// `impl Key for u8 { const BITS: u32 = u8::BITS; type Numbered = i64; … }`
macro_rules! keys {
    ($($key:ty, $numbered:ty;)*) => {$(
        impl Key for $key {
            const BITS: u32 = <$key>::BITS;
            const GREATEST: Self = <$key>::MAX;
            type Numbered = $numbered;

            #[inline(always)]
            fn digit(self, shift: u32, mask: usize) -> usize {
                (self >> shift) as usize & mask
            }

            #[inline(always)]
            fn toward(self, greatest: bool) -> Self {
                self ^ <$key>::from(greatest).wrapping_neg()
            }

            #[inline(always)]
            fn next(self) -> Self {
                self.saturating_add(1)
            }

            #[inline(always)]
            fn numbered(self, number: u32) -> $numbered {
                let numbered = <$numbered>::from(self) << 32 | <$numbered>::from(number);
                numbered ^ <$numbered>::MIN // the sign turned round, if there is one
            }

            #[inline(always)]
            fn number(numbered: $numbered) -> u32 {
                numbered as u32
            }
        }
    )*};
}
keys! { u8, i64; u16, i64; u32, i64; u64, u128; }

/// `impl Element for i8`, whose key is the number with its sign bit turned: `i8 as u8 ^ 0x80`.
macro_rules! integers {
    ($($element:ty, $key:ty, $flip:expr;)*) => {$(
        impl Element for $element {
            type Key = $key;

            const SHARED: &'static [$key] = &[];

            #[inline(always)]
            fn key(self) -> $key {
                self as $key ^ $flip
            }

            #[inline(always)]
            fn from_key(key: $key) -> Self {
                (key ^ $flip) as $element
            }

            #[inline(always)]
            fn bits(self) -> $key {
                self as $key
            }

            #[inline(always)]
            fn of_bits(bits: $key) -> Self {
                bits as $element
            }
        }
    )*};
}
integers! {
    u8, u8, 0;
    u16, u16, 0;
    u32, u32, 0;
    u64, u64, 0;
    i8, u8, 1 << 7;
    i16, u16, 1 << 15;
    i32, u32, 1 << 31;
    i64, u64, 1 << 63;
}

/// `impl Element for f32`: bits of negative numbers turn, others get the sign bit; both zeros
/// have the key of zero and NaN has the greatest.
macro_rules! floats {
    ($($element:ty, $key:ty;)*) => {$(
        impl Element for $element {
            type Key = $key;

            const SHARED: &'static [$key] = &[1 << (<$key>::BITS - 1), <$key>::MAX];

            #[inline(always)]
            fn key(self) -> $key {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                let bits = self.to_bits();
                let negative = bits > SIGN; // not so the negative zero
                let key = if negative { !bits } else { bits | SIGN };
                if self.is_nan() { <$key>::MAX } else { key }
            }

            #[inline(always)]
            fn from_key(key: $key) -> Self {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                <$element>::from_bits(if key < SIGN { !key } else { key ^ SIGN })
            }

            #[inline(always)]
            fn bits(self) -> $key {
                self.to_bits()
            }

            #[inline(always)]
            fn of_bits(bits: $key) -> Self {
                <$element>::from_bits(bits)
            }
        }
    )*};
}
floats! { f16, u16; bf16, u16; f32, u32; f64, u64; }

/// A complex number as its parts lie in memory.
pub(super) type Complex = [f32; 2];

/// The order of complex numbers: by the real, then by the imaginary part; NaN in either is last.
pub(super) fn complex_key(number: Complex) -> u64 {
    if number.iter().any(|part| part.is_nan()) {
        return u64::MAX;
    }
    u64::from(number[0].key()) << 32 | u64::from(number[1].key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_order_of_numbers() {
        let ascending = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.0,
            -1e-45,
            0.0,
            1e-45,
            1.0,
            f32::MAX,
            f32::INFINITY,
            f32::NAN,
        ];
        assert!(ascending.is_sorted_by(|lhs, rhs| lhs.key() < rhs.key()));
        assert_eq!((-0.0f32).key(), 0.0f32.key());
        assert_eq!((-f32::NAN).key(), f32::NAN.key());
        assert!([i8::MIN, -1, 0, 1, i8::MAX].is_sorted_by(|lhs, rhs| lhs.key() < rhs.key()));
    }

    #[test]
    fn every_half_comes_back_from_its_key() {
        for bits in 0..=u16::MAX {
            let number = f16::from_bits(bits);
            let key = number.key();
            if f16::SHARED.contains(&key) {
                assert!(number.is_nan() || number == f16::ZERO);
            } else {
                assert_eq!(f16::from_key(key).to_bits(), bits);
            }
        }
    }

    #[test]
    fn complex_numbers_go_by_the_real_part_first() {
        let ascending = [[1.0, 9.0], [2.0, -1.0], [2.0, 0.0], [f32::NAN, 0.0]];
        assert!(ascending.is_sorted_by(|&lhs, &rhs| complex_key(lhs) < complex_key(rhs)));
        assert_eq!(complex_key([-0.0, 0.0]), complex_key([0.0, -0.0]));
    }
}
