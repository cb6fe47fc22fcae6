//! Floating types that kernels compute in.

use super::element::{Element, Ordered, Ring};
use super::math::{double, single};
use std::ops::{Add, Div, Mul, Sub};

/// `f32` or `f64`.
pub trait Float:
    Element<Wide = Self, Total = Self>
    + Ring
    + Ordered
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Send
    + Sync
{
    /// Whether 16-bit floats are computed in it.
    const SERVES_HALVES: bool;
    /// The nearest number.
    fn from_double(value: f64) -> Self;
    /// The number in double precision.
    fn to_double(self) -> f64;
    /// `eˣ`.
    fn exp(self) -> Self;
    /// `eˣ` for `x ≤ 0` or NaN.
    fn exp_below(self) -> Self;
    /// `ln x`.
    fn log(self) -> Self;
    /// `√x`.
    fn sqrt(self) -> Self;
    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

impl Float for f32 {
    const SERVES_HALVES: bool = true;
    #[inline(always)]
    fn from_double(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn to_double(self) -> f64 {
        self.into()
    }
    #[inline(always)]
    fn exp(self) -> Self {
        single::exp(self)
    }
    #[inline(always)]
    fn exp_below(self) -> Self {
        single::exp_below(self)
    }
    #[inline(always)]
    fn log(self) -> Self {
        single::log(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

impl Float for f64 {
    const SERVES_HALVES: bool = false;
    #[inline(always)]
    fn from_double(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn to_double(self) -> f64 {
        self
    }
    #[inline(always)]
    fn exp(self) -> Self {
        double::exp(self)
    }
    #[inline(always)]
    fn exp_below(self) -> Self {
        double::exp(self)
    }
    #[inline(always)]
    fn log(self) -> Self {
        double::log(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

/// The type that an element is computed in.
pub type Wide<T> = <T as Element>::Wide;

/// Calls a generic function for the element type of a floating dtype, or else evaluates the last
/// expression: `with_float!(dtype, T => f::<T>(), error)` expands to a match with an arm such as
/// `Dtype::Float32 => { type T = f32; f::<T>() }` for each.
#[macro_export]
#[doc(hidden)]
macro_rules! with_float {
    ($dtype:expr, $element:ident => $body:expr, $otherwise:expr) => {{
        use $crate::simd::element::Packed;
        use $crate::simd::half::{Bfloat16, Float16};
        match $dtype {
            Dtype::Float16 => $crate::with_element!(@ $element = Packed<Float16>, $body),
            Dtype::Bfloat16 => $crate::with_element!(@ $element = Packed<Bfloat16>, $body),
            Dtype::Float32 => $crate::with_element!(@ $element = f32, $body),
            Dtype::Float64 => $crate::with_element!(@ $element = f64, $body),
            Dtype::Bool
            | Dtype::Uint8
            | Dtype::Uint16
            | Dtype::Uint32
            | Dtype::Uint64
            | Dtype::Int8
            | Dtype::Int16
            | Dtype::Int32
            | Dtype::Int64
            | Dtype::Complex64 => $otherwise,
        }
    }};
}
