//! What each reduction makes of elements.

use crate::simd::element::{Element, Ordered, Packed, Ring, Truth};
use crate::simd::fold::Fold;
use crate::simd::half::{Bfloat16, Float16, NativeFloat16};
use num_complex::Complex32;
use std::marker::PhantomData;

/// A fold whose value becomes an element.
pub(crate) trait Reduction: Fold + Default + Send + Sync {
    /// The result's element.
    type Out: Copy;
    /// Whether its loops are worth [`Kernel::WIDE`](crate::simd::Kernel::WIDE) code.
    const WIDE: bool;

    /// The element of an accumulated value.
    fn finish(value: Self::Acc) -> Self::Out;
}

/// Defines a reduction and its fold: name, element, accumulator, result, then identity, lifted
/// element, combination and result.
macro_rules! reduction {
    ($(#[$doc:meta])* $name:ident: $acc:ty => $out:ty, $identity:expr,
     |$element:ident| $lift:expr, |$lhs:ident, $rhs:ident| $combine:expr, |$value:ident| $finish:expr) => {
        $(#[$doc])*
        pub(crate) struct $name<T>(PhantomData<fn() -> T>);
        impl<T> Clone for $name<T> {
            #[inline(always)]
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<T> Copy for $name<T> {}
        impl<T> Default for $name<T> {
            fn default() -> Self {
                $name(PhantomData)
            }
        }
        impl<T: Element> Fold for $name<T> {
            type In = T;
            type Acc = $acc;
            #[inline(always)]
            fn identity(self) -> $acc {
                $identity
            }
            #[inline(always)]
            fn lift(self, $element: T) -> $acc {
                $lift
            }
            #[inline(always)]
            fn combine(self, $lhs: $acc, $rhs: $acc) -> $acc {
                $combine
            }
        }
        impl<T: Element> Reduction for $name<T> {
            type Out = $out;
            const WIDE: bool = T::Wide::FLOATING;
            #[inline(always)]
            fn finish($value: $acc) -> $out {
                $finish
            }
        }
    };
}

reduction!(
    /// The sum.
    Sum: T::Total => T::Sum, T::Total::ZERO, |x| x.total(), |a, b| a.plus(b), |a| T::sum(a)
);
reduction!(
    /// The sum of the squares, each rounded to an element.
    SquareSum: T::Total => T::Sum, T::Total::ZERO,
    |x| T::rounded(x.total().times(x.total())), |a, b| a.plus(b), |a| T::sum(a)
);
reduction!(
    /// The sum, as wide as it is accumulated.
    WideSum: T::Total => T::Total, T::Total::ZERO, |x| x.total(), |a, b| a.plus(b), |a| a
);
reduction!(
    /// The product.
    Prod: T::Total => T::Sum, T::Total::ONE, |x| x.total(), |a, b| a.times(b), |a| T::sum(a)
);
reduction!(
    /// The greatest.
    Max: T::Wide => T, T::Wide::LOWEST, |x| x.wide(), |a, b| a.greater(b), |a| T::narrow(a)
);
reduction!(
    /// The least.
    Min: T::Wide => T, T::Wide::HIGHEST, |x| x.wide(), |a, b| a.less(b), |a| T::narrow(a)
);
reduction!(
    /// Whether all are nonzero.
    All: u8 => u8, 1, |x| u8::from(x.is_nonzero()), |a, b| a & b, |a| a
);
reduction!(
    /// Whether any is nonzero.
    Any: u8 => u8, 0, |x| u8::from(x.is_nonzero()), |a, b| a | b, |a| a
);

/// An element with reductions to its extremes.
pub(crate) trait Extremes: Element {
    /// To the greatest.
    type Greatest: Reduction;
    /// To the least.
    type Least: Reduction;
}

/// `impl Extremes for u8 { type Greatest = Max<u8>; type Least = Min<u8>; }` for each.
macro_rules! extremes {
    ($($element:ident)*) => {$(
        impl Extremes for $element {
            type Greatest = Max<$element>;
            type Least = Min<$element>;
        }
    )*};
}
extremes! { Truth u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 Complex32 }

/// As [`extremes`], of 16-bit floats of such an infinity.
macro_rules! extremes_by_rank {
    ($($element:ty, $infinity:literal;)*) => {$(
        impl Extremes for $element {
            type Greatest = Ranks<$infinity, false>;
            type Least = Ranks<$infinity, true>;
        }
    )*};
}
extremes_by_rank! {
    Packed<Float16>, 0x7c00;
    Packed<NativeFloat16>, 0x7c00;
    Packed<Bfloat16>, 0x7f80;
}

/// The bits of a 16-bit float as an integer in its order, and back.
#[inline(always)]
fn ordered(bits: u16) -> u16 {
    bits ^ ((bits as i16 >> 15) as u16 & 0x7fff)
}

/// The greatest 16-bit float, or the least, by unsigned integers: from negative infinity on, and with
/// NaN of either sign beyond the positive one, or below the negative one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ranks<const INFINITY: u16, const LEAST: bool>;

impl<const INFINITY: u16, const LEAST: bool> Ranks<INFINITY, LEAST> {
    /// What ranks are counted from: negative infinity, or what follows the positive one.
    const ZERO: u16 = if LEAST { INFINITY + 1 } else { !INFINITY };
}

impl<const INFINITY: u16, const LEAST: bool> Fold for Ranks<INFINITY, LEAST> {
    type In = u16;
    type Acc = u16;

    #[inline(always)]
    fn identity(self) -> u16 {
        if LEAST { u16::MAX } else { 0 }
    }
    #[inline(always)]
    fn lift(self, bits: u16) -> u16 {
        ordered(bits).wrapping_sub(Self::ZERO)
    }
    #[inline(always)]
    fn combine(self, lhs: u16, rhs: u16) -> u16 {
        if LEAST { lhs.min(rhs) } else { lhs.max(rhs) }
    }
}

impl<const INFINITY: u16, const LEAST: bool> Reduction for Ranks<INFINITY, LEAST> {
    type Out = u16;
    const WIDE: bool = false;

    #[inline(always)]
    fn finish(rank: u16) -> u16 {
        ordered(rank.wrapping_add(Self::ZERO))
    }
}
