//! Unsigned keys that order as elements do: NaN after everything else.

use crate::simd::strided;
use half::{bf16, f16};
use mlx_oxide_ir::{Dtype, Result};
use mlx_oxide_runtime::Operand;

/// An unsigned integer that is a key, and the bits of an element.
pub(super) trait Key: Copy + Ord + Send + Sync {
    /// Bytes of a key.
    const BYTES: u32;

    /// The key in 64 bits.
    fn wide(self) -> u64;
}

macro_rules! keys {
    ($($kind:ty),*) => {$(
        impl Key for $kind {
            const BYTES: u32 = size_of::<$kind>() as u32;

            #[inline(always)]
            fn wide(self) -> u64 {
                self as u64
            }
        }
    )*};
}
keys!(u8, u16, u32, u64);

/// An element with an order. Keys differ where bits do, so that elements come back.
pub(super) trait Ordered {
    /// The key, as wide as the element.
    type Key: Key;

    /// The key of an element's bits.
    fn key(bits: Self::Key) -> Self::Key;

    /// The bits of a key's element.
    fn bits(key: Self::Key) -> Self::Key;
}

macro_rules! integers {
    ($($kind:ty, $key:ty, $flip:expr);*) => {$(
        impl Ordered for $kind {
            type Key = $key;

            #[inline(always)]
            fn key(bits: $key) -> $key {
                bits ^ $flip
            }

            #[inline(always)]
            fn bits(key: $key) -> $key {
                key ^ $flip
            }
        }
    )*};
}
integers!(
    u8, u8, 0; u16, u16, 0; u32, u32, 0; u64, u64, 0;
    i8, u8, 1 << 7; i16, u16, 1 << 15; i32, u32, 1 << 31; i64, u64, 1 << 63
);

macro_rules! floats {
    ($($kind:ty, $key:ty, $infinity:expr);*) => {$(
        impl Ordered for $kind {
            type Key = $key;

            /// Negative numbers have all bits flipped, others the first; a shift puts NaN of
            /// either sign above infinity.
            #[inline(always)]
            fn key(bits: $key) -> $key {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                const NEGATIVE_NANS: $key = !SIGN - $infinity;
                let key = if bits & SIGN != 0 { !bits } else { bits | SIGN };
                key.wrapping_sub(NEGATIVE_NANS)
            }

            #[inline(always)]
            fn bits(key: $key) -> $key {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                const NEGATIVE_NANS: $key = !SIGN - $infinity;
                let key = key.wrapping_add(NEGATIVE_NANS);
                if key & SIGN != 0 { key ^ SIGN } else { !key }
            }
        }
    )*};
}
floats!(
    f16, u16, f16::INFINITY.to_bits();
    bf16, u16, bf16::INFINITY.to_bits();
    f32, u32, f32::INFINITY.to_bits();
    f64, u64, f64::INFINITY.to_bits()
);

/// The key of a complex number: by the real, then the imaginary part; equal for zeros of either
/// sign, and for all numbers with a part that is NaN.
pub(super) fn complex_key(bits: u64) -> u64 {
    let (real, imaginary) = (
        unsigned_zero(bits as u32),
        unsigned_zero((bits >> 32) as u32),
    );
    let is_nan = |bits: u32| f32::from_bits(bits).is_nan();
    if is_nan(real) || is_nan(imaginary) {
        return u64::MAX;
    }
    u64::from(f32::key(real)) << 32 | u64::from(f32::key(imaginary))
}

fn unsigned_zero(bits: u32) -> u32 {
    if bits == 1 << 31 { 0 } else { bits }
}

/// Keys of the elements from row-major position `start` on, `count` of them; equal where elements
/// are.
pub(super) fn search_keys(
    operand: &Operand,
    start: usize,
    count: usize,
    keys: &mut Vec<u64>,
) -> Result<()> {
    let (layout, width) = (&operand.layout, operand.dtype.size());
    let base = operand.buffer.host_ptr()?.as_ptr();
    keys.clear();
    keys.resize(count, 0);
    let target = keys.as_mut_ptr().cast::<u8>();
    // the elements lie in the last bytes, so that widening from the front never overtakes them
    let raw = target.wrapping_add(count * (8 - width));
    // SAFETY: there are eight bytes for each element; the layout lies in the buffer
    unsafe {
        let first = base.add(layout.offset * width);
        strided::gather(
            raw,
            first,
            width,
            &layout.shape,
            &layout.strides,
            start,
            count,
        );
    }
    match operand.dtype {
        Dtype::Bool | Dtype::Uint8 => widen::<u8, u8>(keys, raw),
        Dtype::Uint16 => widen::<u16, u16>(keys, raw),
        Dtype::Uint32 => widen::<u32, u32>(keys, raw),
        Dtype::Uint64 => widen::<u64, u64>(keys, raw),
        Dtype::Int8 => widen::<i8, u8>(keys, raw),
        Dtype::Int16 => widen::<i16, u16>(keys, raw),
        Dtype::Int32 => widen::<i32, u32>(keys, raw),
        Dtype::Int64 => widen::<i64, u64>(keys, raw),
        Dtype::Float16 => widen_float::<f16, u16>(keys, raw, 1 << 15, f16::INFINITY.to_bits()),
        Dtype::Bfloat16 => widen_float::<bf16, u16>(keys, raw, 1 << 15, bf16::INFINITY.to_bits()),
        Dtype::Float32 => widen_float::<f32, u32>(keys, raw, 1 << 31, f32::INFINITY.to_bits()),
        Dtype::Float64 => widen_float::<f64, u64>(keys, raw, 1 << 63, f64::INFINITY.to_bits()),
        Dtype::Complex64 => keys.iter_mut().for_each(|key| *key = complex_key(*key)),
    }
    Ok(())
}

fn widen<T: Ordered<Key = K>, K: Key>(keys: &mut [u64], raw: *const u8) {
    let raw = raw.cast::<K>();
    for (number, key) in keys.iter_mut().enumerate() {
        // SAFETY: `raw` has as many elements; those not yet read lie behind what is written
        *key = T::key(unsafe { raw.add(number).read_unaligned() }).wide();
    }
}

fn widen_float<T: Ordered<Key = K>, K: Key + Default>(
    keys: &mut [u64],
    raw: *const u8,
    minus_zero: K,
    infinity: K,
) {
    let raw = raw.cast::<K>();
    // every NaN has the same key, above infinity's
    let greatest = T::key(infinity).wide() + 1;
    for (number, key) in keys.iter_mut().enumerate() {
        // SAFETY: `raw` has as many elements; those not yet read lie behind what is written
        let bits = unsafe { raw.add(number).read_unaligned() };
        let wide = T::key(if bits == minus_zero {
            K::default()
        } else {
            bits
        })
        .wide();
        *key = wide.min(greatest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_floats_order_as_numbers_and_come_back() {
        let numbers = [
            f32::NEG_INFINITY,
            -1.5,
            -1e-40,
            -0.0,
            0.0,
            1e-40,
            2.0,
            f32::INFINITY,
        ];
        let keys = numbers.map(|number| f32::key(number.to_bits()));
        assert!(keys.is_sorted());
        assert_eq!(keys.map(f32::bits), numbers.map(f32::to_bits));
        for nan in [f32::NAN, -f32::NAN, f32::from_bits(0x7F80_0001)] {
            assert!(f32::key(nan.to_bits()) > keys[7]);
            assert_eq!(f32::bits(f32::key(nan.to_bits())), nan.to_bits());
        }
    }
}
