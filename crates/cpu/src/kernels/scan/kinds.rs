//! What each scan accumulates. Beyond what reductions do, a value becomes an element of the
//! operand's own dtype; integers wrap.

use crate::kernels::fused::complex;
use crate::kernels::reduce::kinds::{Max, Min, Prod, Sum};
use crate::simd::element::{Element, Ordered, Truth};
use crate::simd::float::Float;
use crate::simd::fold::Fold;
use crate::simd::math::exact;
use num_complex::{Complex32, Complex64};
use std::marker::PhantomData;

/// A fold whose value becomes an element at every step.
pub(super) trait Running: Fold + Default + Send + Sync {
    /// The result's element.
    type Out: Copy;
    /// Whether segments of a row may be accumulated apart and joined. A product of the second
    /// half alone may overflow where that of all does not.
    const JOINS: bool;
    /// Whether rows are worth accumulating side by side instead.
    const ABREAST: bool = false;
    /// Whether a step takes no longer than to store its result, so that nothing is won by cutting.
    const IN_TURN: bool = false;

    /// The element of an accumulated value.
    fn store(value: Self::Acc) -> Self::Out;
}

/// Implements [`Running`] for a reduction's fold: `running!(Sum, wrap, true, false)`.
macro_rules! running {
    ($fold:ident, $store:ident, $joins:literal, $in_turn:expr) => {
        impl<T: Element> Running for $fold<T> {
            type Out = T;
            const JOINS: bool = $joins;
            const ABREAST: bool = !$joins;
            const IN_TURN: bool = $in_turn;

            #[inline(always)]
            fn store(value: Self::Acc) -> T {
                T::$store(value)
            }
        }
    };
}
running!(Sum, wrap, true, !T::Wide::FLOATING);
running!(Prod, wrap, false, false);
running!(Max, narrow, true, false);
running!(Min, narrow, true, false);

/// How many are true, as `int32`.
#[derive(Clone, Copy, Default)]
pub(super) struct Count;

impl Fold for Count {
    type In = Truth;
    type Acc = i32;

    #[inline(always)]
    fn identity(self) -> i32 {
        0
    }
    #[inline(always)]
    fn lift(self, element: Truth) -> i32 {
        element.total()
    }
    #[inline(always)]
    fn combine(self, lhs: i32, rhs: i32) -> i32 {
        lhs.wrapping_add(rhs)
    }
}

impl Running for Count {
    type Out = i32;
    const JOINS: bool = true;

    #[inline(always)]
    fn store(value: i32) -> i32 {
        value
    }
}

/// `ln Σ eˣ` in double precision.
pub(super) struct LogSum<T>(PhantomData<fn() -> T>);

impl<T> Clone for LogSum<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for LogSum<T> {}

impl<T> Default for LogSum<T> {
    fn default() -> Self {
        LogSum(PhantomData)
    }
}

impl<T: Element<Wide: Float>> Fold for LogSum<T> {
    type In = T;
    type Acc = f64;

    #[inline(always)]
    fn identity(self) -> f64 {
        f64::NEG_INFINITY
    }
    #[inline(always)]
    fn lift(self, element: T) -> f64 {
        element.wide().to_double()
    }
    #[inline(always)]
    fn combine(self, lhs: f64, rhs: f64) -> f64 {
        exact::log_add_exp(lhs, rhs)
    }
}

impl<T: Element<Wide: Float>> Running for LogSum<T> {
    type Out = T;
    const JOINS: bool = false;

    #[inline(always)]
    fn store(value: f64) -> T {
        T::narrow(T::Wide::from_double(value))
    }
}

/// As [`LogSum`], of complex numbers.
#[derive(Clone, Copy, Default)]
pub(super) struct ComplexLogSum;

impl Fold for ComplexLogSum {
    type In = Complex32;
    type Acc = Complex64;

    #[inline(always)]
    fn identity(self) -> Complex64 {
        Complex64::new(f64::NEG_INFINITY, 0.0)
    }
    #[inline(always)]
    fn lift(self, element: Complex32) -> Complex64 {
        Complex64::new(element.re.into(), element.im.into())
    }
    #[inline(always)]
    fn combine(self, lhs: Complex64, rhs: Complex64) -> Complex64 {
        complex::log_add_exp(lhs, rhs)
    }
}

impl Running for ComplexLogSum {
    type Out = Complex32;
    const JOINS: bool = false;

    #[inline(always)]
    fn store(value: Complex64) -> Complex32 {
        Complex32::new(value.re as f32, value.im as f32)
    }
}
