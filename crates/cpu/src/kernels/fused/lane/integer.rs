//! Integer lanes. Arithmetic wraps; division by zero gives zero; shifts by the width or more, or
//! by a negative count, leave zero or the sign.

use super::real::comparison;
use crate::simd::math::exact::integer_power;
use crate::simd::{Isa, Map1, Map2, TileFn, map1, map2};
use mlx_oxide_ir::{Binary, Unary, binary_table, unary_table};
use std::marker::PhantomData;

/// An integer type with every operation. Those outside the domain give the operand.
pub(super) trait Integer: Copy {
    fn unary(op: Unary, x: Self) -> Self;
    fn binary(op: Binary, a: Self, b: Self) -> Self;
    fn compare(op: Binary, a: Self, b: Self) -> bool;
}

/// Implements [`Integer`] for a type of so many bits, and its sign functions; `$divide` says what
/// divides.
macro_rules! integer {
    ($type:ident $bits:literal $divide:ident $abs:expr, $signum:expr) => {
        impl Integer for $type {
            #[inline(always)]
            fn unary(op: Unary, x: $type) -> $type {
                match op {
                    Unary::Abs => $abs(x),
                    Unary::Negative => x.wrapping_neg(),
                    Unary::Sign => $signum(x),
                    Unary::Square => x.wrapping_mul(x),
                    Unary::BitwiseInvert => !x,
                    Unary::Imag => 0,
                    Unary::Ceil | Unary::Floor | Unary::RoundEven => x,
                    Unary::Conjugate | Unary::Real | Unary::LogicalNot => x,
                    Unary::Exp | Unary::Expm1 | Unary::Log | Unary::Log2 | Unary::Log10 => x,
                    Unary::Log1p | Unary::Sqrt | Unary::Rsqrt | Unary::Sin | Unary::Cos => x,
                    Unary::Tan | Unary::Arcsin | Unary::Arccos | Unary::Arctan => x,
                    Unary::Sinh | Unary::Cosh | Unary::Tanh | Unary::Arcsinh => x,
                    Unary::Arccosh | Unary::Arctanh | Unary::Sigmoid => x,
                    Unary::Erf | Unary::Erfinv => x,
                }
            }

            #[inline(always)]
            #[allow(unused_comparisons)]
            fn binary(op: Binary, a: $type, b: $type) -> $type {
                let beyond = (b < 0) | (b as u64 >= $bits);
                match op {
                    Binary::Add => a.wrapping_add(b),
                    Binary::Subtract => a.wrapping_sub(b),
                    Binary::Multiply => a.wrapping_mul(b),
                    Binary::FloorDivide => {
                        let divisor = if b == 0 { 1 } else { b };
                        let quotient = divide(a, divisor);
                        if b == 0 { 0 } else { quotient }
                    }
                    Binary::Remainder => {
                        let divisor = if b == 0 { 1 } else { b };
                        let whole = divisor.wrapping_mul(divide(a, divisor));
                        if b == 0 { 0 } else { a.wrapping_sub(whole) }
                    }
                    Binary::Power => integer_power(a as u64, b as i128) as $type,
                    Binary::Maximum => {
                        if a > b {
                            a
                        } else {
                            b
                        }
                    }
                    Binary::Minimum => {
                        if a < b {
                            a
                        } else {
                            b
                        }
                    }
                    Binary::BitwiseAnd => a & b,
                    Binary::BitwiseOr => a | b,
                    Binary::BitwiseXor => a ^ b,
                    Binary::LeftShift => {
                        if beyond {
                            0
                        } else {
                            a.wrapping_shl(b as u32)
                        }
                    }
                    // the last shift leaves the sign alone
                    Binary::RightShift => {
                        let shifted = a.wrapping_shr(b as u32);
                        let sign = if a < 0 { !0 } else { 0 };
                        if beyond { sign } else { shifted }
                    }
                    Binary::Divide | Binary::LogAddExp | Binary::Arctan2 => a,
                    Binary::Equal | Binary::NotEqual | Binary::Less | Binary::LessEqual => a,
                    Binary::Greater | Binary::GreaterEqual => a,
                    Binary::LogicalAnd | Binary::LogicalOr => a,
                }
            }

            #[inline(always)]
            fn compare(op: Binary, a: $type, b: $type) -> bool {
                comparison!(op, a, b, false)
            }
        }

        integer!(@$divide $type);
    };
    (@by_double $type:ident) => {
        impl Divide for $type {
            #[inline(always)]
            fn divide(self, divisor: Self) -> Self {
                /// Its last bit is worth one, so that adding it leaves an integer in the low bits.
                const ONES: f64 = 6_755_399_441_055_744.0; // 1.5·2⁵²
                // what is no integer differs from one by more than rounding does
                let quotient = (f64::from(self) / f64::from(divisor)).floor();
                (quotient + ONES).to_bits() as $type
            }
        }
    };
    (@by_integers $type:ident) => {
        impl Divide for $type {
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn divide(self, divisor: Self) -> Self {
                let quotient = self.wrapping_div(divisor);
                let inexact = self.wrapping_rem(divisor) != 0;
                if inexact & ((self < 0) != (divisor < 0)) {
                    quotient.wrapping_sub(1)
                } else {
                    quotient
                }
            }
        }
    };
}

trait Divide {
    /// `⌊a/b⌋`, wrapped.
    fn divide(self, divisor: Self) -> Self;
}

#[inline(always)]
fn divide<T: Divide>(a: T, b: T) -> T {
    a.divide(b)
}

integer!(u8 8 by_double |x| x, |x| u8::from(x != 0));
integer!(u16 16 by_double |x| x, |x| u16::from(x != 0));
integer!(u32 32 by_double |x| x, |x| u32::from(x != 0));
integer!(u64 64 by_integers |x| x, |x| u64::from(x != 0));
integer!(i8 8 by_double i8::wrapping_abs, i8::signum);
integer!(i16 16 by_double i16::wrapping_abs, i16::signum);
integer!(i32 32 by_double i32::wrapping_abs, i32::signum);
integer!(i64 64 by_integers i64::wrapping_abs, i64::signum);

/// Kernel: the unary operation with the number `OP`.
struct UnaryOf<T, const OP: u8>(PhantomData<T>);

impl<T: Integer, const OP: u8> Map1 for UnaryOf<T, OP> {
    type In = T;
    type Out = T;
    #[inline(always)]
    fn apply(operand: T) -> T {
        T::unary(const { Unary::ALL[OP as usize] }, operand)
    }
}

/// Kernel: the binary operation with the number `OP`.
struct BinaryOf<T, const OP: u8>(PhantomData<T>);

impl<T: Integer, const OP: u8> Map2 for BinaryOf<T, OP> {
    type In = T;
    type Out = T;
    #[inline(always)]
    fn apply(lhs: T, rhs: T) -> T {
        T::binary(const { Binary::ALL[OP as usize] }, lhs, rhs)
    }
}

/// Kernel: the comparison with the number `OP`.
struct Compare<T, const OP: u8>(PhantomData<T>);

impl<T: Integer, const OP: u8> Map2 for Compare<T, OP> {
    type In = T;
    type Out = u8;
    #[inline(always)]
    fn apply(lhs: T, rhs: T) -> u8 {
        u8::from(T::compare(const { Binary::ALL[OP as usize] }, lhs, rhs))
    }
}

/// One row of the table by domain and output: the loop, or none outside the domain.
macro_rules! row {
    (Inexact $output:ident $op:ident $isa:ident) => {
        None
    };
    (Floating $output:ident $op:ident $isa:ident) => {
        None
    };
    (Bool $output:ident $op:ident $isa:ident) => {
        None
    };
    ($domain:ident Bool $op:ident $isa:ident) => {
        Some(map2::<Compare<T, { Binary::$op as u8 }>>($isa))
    };
    ($domain:ident Same $op:ident $isa:ident) => {
        Some(map2::<BinaryOf<T, { Binary::$op as u8 }>>($isa))
    };
}

macro_rules! unary_row {
    (Inexact $op:ident $isa:ident) => {
        None
    };
    (Floating $op:ident $isa:ident) => {
        None
    };
    (Bool $op:ident $isa:ident) => {
        None
    };
    ($domain:ident $op:ident $isa:ident) => {
        Some(map1::<UnaryOf<T, { Unary::$op as u8 }>>($isa))
    };
}

/// Expands to `match op { Unary::Abs => …, … }` over all operations.
macro_rules! unary_dispatch {
    ($($op:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        pub(super) fn unary<T: Integer>(op: Unary, isa: Isa) -> Option<TileFn> {
            match op { $(Unary::$op => unary_row!($domain $op isa),)* }
        }
    };
}
unary_table!(unary_dispatch);

/// Expands to `match op { Binary::Add => …, … }` over all operations.
macro_rules! binary_dispatch {
    ($($op:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        pub(super) fn binary<T: Integer>(op: Binary, isa: Isa) -> Option<TileFn> {
            match op { $(Binary::$op => row!($domain $output $op isa),)* }
        }
    };
}
binary_table!(binary_dispatch);
