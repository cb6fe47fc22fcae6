//! Elements as they are stored, and the types that they are computed in.

use super::half::{Float16, Half};
use num_complex::Complex32;
use std::marker::PhantomData;

/// A bool of one byte, true if it is not zero.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Truth(pub u8);

/// A 16-bit float by its bits.
#[repr(transparent)]
pub struct Packed<H>(pub u16, pub PhantomData<H>);

impl<H> Clone for Packed<H> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for Packed<H> {}

/// A stored element.
pub trait Element: Copy + 'static {
    /// The type that it is compared in, which has every element's value.
    type Wide: Ordered;
    /// The type that sums and products are accumulated in.
    type Total: Ring;
    /// The element that sums and products of many become.
    type Sum: Copy + 'static;
    /// The type with the same sums and products, bit for bit.
    type Modular: Element;
    /// The type that is zero by the same bits.
    type Bits: Element;

    /// The value.
    fn wide(self) -> Self::Wide;
    /// The nearest element.
    fn narrow(value: Self::Wide) -> Self;
    /// The value as a term or factor.
    fn total(self) -> Self::Total;
    /// The accumulated value as an element of the wider type.
    fn sum(total: Self::Total) -> Self::Sum;
    /// The accumulated value as an element of this type; integers wrap.
    fn wrap(total: Self::Total) -> Self;
    /// The accumulated value as if it had become an element of this type.
    #[inline(always)]
    fn rounded(total: Self::Total) -> Self::Total {
        Self::wrap(total).total()
    }
    /// Whether it differs from zero; NaN does.
    fn is_nonzero(self) -> bool;
}

/// A type with a greatest and a least, NaN being both.
pub trait Ordered: Copy + 'static {
    /// What [`Ordered::greater`] of it and any value leaves.
    const LOWEST: Self;
    /// What [`Ordered::less`] of it and any value leaves.
    const HIGHEST: Self;
    /// Whether it is made of floats.
    const FLOATING: bool;
    /// The greater of both; NaN if one is.
    fn greater(self, other: Self) -> Self;
    /// The less of both; NaN if one is.
    fn less(self, other: Self) -> Self;
    /// Whether it is no number.
    fn is_no_number(self) -> bool;
    /// Whether both are the same number.
    fn equals(self, other: Self) -> bool;
}

/// A type with sums and products; those of integers wrap.
pub trait Ring: Copy + 'static {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The product.
    fn times(self, other: Self) -> Self;
}

/// Implements [`Ring`] and [`Ordered`]: `integers!(i8 u8)` for those integers.
macro_rules! integers {
    ($($integer:ident)*) => {$(
        impl Ring for $integer {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
        }
        impl Ordered for $integer {
            const LOWEST: Self = $integer::MIN;
            const HIGHEST: Self = $integer::MAX;
            const FLOATING: bool = false;
            #[inline(always)]
            fn greater(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            #[inline(always)]
            fn less(self, other: Self) -> Self {
                if self < other { self } else { other }
            }
            #[inline(always)]
            fn is_no_number(self) -> bool {
                false
            }
            #[inline(always)]
            fn equals(self, other: Self) -> bool {
                self == other
            }
        }
    )*};
}
integers!(u8 u16 u32 u64 i8 i16 i32 i64);

/// As [`integers`], for floats, with the unsigned integer of their bits.
///
/// Of `if self.is_nan() { self } else { … }` the compiler makes a masked store to an accumulator,
/// which takes ten times as long; all bits set are NaN too.
macro_rules! floats {
    ($($float:ident $bits:ident;)*) => {$(
        impl Ring for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }
        }
        impl Ordered for $float {
            const LOWEST: Self = $float::NEG_INFINITY;
            const HIGHEST: Self = $float::INFINITY;
            const FLOATING: bool = true;
            #[inline(always)]
            fn greater(self, other: Self) -> Self {
                let greater = if self > other { self } else { other };
                let no_number = $bits::from(self.is_nan()).wrapping_neg();
                $float::from_bits(greater.to_bits() | no_number)
            }
            #[inline(always)]
            fn less(self, other: Self) -> Self {
                let less = if self < other { self } else { other };
                let no_number = $bits::from(self.is_nan()).wrapping_neg();
                $float::from_bits(less.to_bits() | no_number)
            }
            #[inline(always)]
            fn is_no_number(self) -> bool {
                self.is_nan()
            }
            #[inline(always)]
            fn equals(self, other: Self) -> bool {
                self == other
            }
        }
    )*};
}
floats! { f32 u32; f64 u64; }

impl Ring for Complex32 {
    const ZERO: Self = Complex32::new(0.0, 0.0);
    const ONE: Self = Complex32::new(1.0, 0.0);
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self * other
    }
}

/// Whether a part is NaN.
#[inline(always)]
fn has_nan(z: Complex32) -> bool {
    z.re.is_nan() | z.im.is_nan()
}

/// By the real part, then by the imaginary part; false if a part is NaN.
#[inline(always)]
fn exceeds(a: Complex32, b: Complex32) -> bool {
    let numbers = !has_nan(a) & !has_nan(b);
    numbers & ((a.re > b.re) | ((a.re == b.re) & (a.im > b.im)))
}

impl Ordered for Complex32 {
    const LOWEST: Self = Complex32::new(f32::NEG_INFINITY, f32::NEG_INFINITY);
    const HIGHEST: Self = Complex32::new(f32::INFINITY, f32::INFINITY);
    const FLOATING: bool = true;
    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        if exceeds(self, other) | has_nan(self) {
            self
        } else {
            other
        }
    }
    #[inline(always)]
    fn less(self, other: Self) -> Self {
        if exceeds(other, self) | has_nan(self) {
            self
        } else {
            other
        }
    }
    #[inline(always)]
    fn is_no_number(self) -> bool {
        has_nan(self)
    }
    #[inline(always)]
    fn equals(self, other: Self) -> bool {
        self == other
    }
}

/// Implements [`Element`] for types compared as they are: type, type of sums,
/// `Modular` and `Bits`.
macro_rules! elements {
    ($($element:ident $total:ident $modular:ident $bits:ident;)*) => {$(
        impl Element for $element {
            type Wide = $element;
            type Total = $total;
            type Sum = $total;
            type Modular = $modular;
            type Bits = $bits;
            #[inline(always)]
            fn wide(self) -> $element {
                self
            }
            #[inline(always)]
            fn narrow(value: $element) -> Self {
                value
            }
            #[inline(always)]
            fn total(self) -> $total {
                self as $total
            }
            #[inline(always)]
            fn sum(total: $total) -> $total {
                total
            }
            #[inline(always)]
            fn wrap(total: $total) -> Self {
                total as $element
            }
            #[inline(always)]
            fn is_nonzero(self) -> bool {
                self != <$element as Ring>::ZERO
            }
        }
    )*};
}
elements! {
    u8 u32 u8 u8;
    u16 u32 u16 u16;
    u32 u32 i32 u32;
    u64 u64 i64 u64;
    i8 i32 i8 u8;
    i16 i32 i16 u16;
    i32 i32 i32 u32;
    i64 i64 i64 u64;
    f32 f32 f32 f32;
    f64 f64 f64 f64;
    Complex32 Complex32 Complex32 Complex32;
}

impl Element for Truth {
    type Wide = u8;
    type Total = i32;
    type Sum = i32;
    type Modular = Truth;
    type Bits = u8;
    #[inline(always)]
    fn wide(self) -> u8 {
        u8::from(self.0 != 0)
    }
    #[inline(always)]
    fn narrow(value: u8) -> Self {
        Truth(u8::from(value != 0))
    }
    #[inline(always)]
    fn total(self) -> i32 {
        i32::from(self.0 != 0)
    }
    #[inline(always)]
    fn sum(total: i32) -> i32 {
        total
    }
    #[inline(always)]
    fn wrap(total: i32) -> Self {
        Truth(u8::from(total != 0))
    }
    #[inline(always)]
    fn is_nonzero(self) -> bool {
        self.0 != 0
    }
}

impl<H: Half + 'static> Element for Packed<H> {
    type Wide = f32;
    type Total = f32;
    type Sum = Packed<H>;
    type Modular = Packed<H>;
    type Bits = Packed<Float16>;
    #[inline(always)]
    fn wide(self) -> f32 {
        H::widen(self.0)
    }
    #[inline(always)]
    fn narrow(value: f32) -> Self {
        Packed(H::narrow(value), PhantomData)
    }
    #[inline(always)]
    fn total(self) -> f32 {
        H::widen(self.0)
    }
    #[inline(always)]
    fn sum(total: f32) -> Self {
        Self::narrow(total)
    }
    #[inline(always)]
    fn wrap(total: f32) -> Self {
        Self::narrow(total)
    }
    #[inline(always)]
    fn rounded(total: f32) -> f32 {
        H::round(total)
    }
    #[inline(always)]
    fn is_nonzero(self) -> bool {
        self.0 & 0x7fff != 0
    }
}

/// Calls a generic function for the element type of a dtype: `with_element!(dtype, T => f::<T>())`
/// expands to a match with an arm such as `Dtype::Int8 => { type T = i8; f::<T>() }` for each.
#[macro_export]
#[doc(hidden)]
macro_rules! with_element {
    ($dtype:expr, $element:ident => $body:expr) => {{
        use $crate::simd::element::{Packed, Truth};
        use $crate::simd::half::{Bfloat16, Float16};
        match $dtype {
            Dtype::Bool => $crate::with_element!(@ $element = Truth, $body),
            Dtype::Uint8 => $crate::with_element!(@ $element = u8, $body),
            Dtype::Uint16 => $crate::with_element!(@ $element = u16, $body),
            Dtype::Uint32 => $crate::with_element!(@ $element = u32, $body),
            Dtype::Uint64 => $crate::with_element!(@ $element = u64, $body),
            Dtype::Int8 => $crate::with_element!(@ $element = i8, $body),
            Dtype::Int16 => $crate::with_element!(@ $element = i16, $body),
            Dtype::Int32 => $crate::with_element!(@ $element = i32, $body),
            Dtype::Int64 => $crate::with_element!(@ $element = i64, $body),
            Dtype::Float16 => $crate::with_element!(@ $element = Packed<Float16>, $body),
            Dtype::Bfloat16 => $crate::with_element!(@ $element = Packed<Bfloat16>, $body),
            Dtype::Float32 => $crate::with_element!(@ $element = f32, $body),
            Dtype::Float64 => $crate::with_element!(@ $element = f64, $body),
            Dtype::Complex64 => $crate::with_element!(@ $element = num_complex::Complex32, $body),
        }
    }};
    (@ $element:ident = $type:ty, $body:expr) => {{
        type $element = $type;
        $body
    }};
}
