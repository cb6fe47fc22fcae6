//! What each reduction makes of elements.

use crate::simd::element::{Element, Ordered, Ring};
use crate::simd::fold::Fold;
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
