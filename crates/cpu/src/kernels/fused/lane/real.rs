//! Floating lanes.

use crate::simd::math::{double, exact, single, widened};
use crate::simd::{Isa, Map1, Map2, TileFn, map_left, map_right, map1, map2};
use mlx_oxide_ir::erfinv::erfinv;
use mlx_oxide_ir::{Binary, Unary, binary_table, unary_table};
use std::marker::PhantomData;

/// A floating type with every operation. Those outside the domain give the operand.
pub(super) trait Real: Copy {
    fn unary(op: Unary, x: Self) -> Self;
    fn is_rare(op: Unary, x: Self) -> bool;
    fn slow(op: Unary, x: Self) -> Self;
    fn binary(op: Binary, a: Self, b: Self) -> Self;
    fn binary_is_rare(op: Binary, a: Self, b: Self) -> bool;
    fn binary_slow(op: Binary, a: Self, b: Self) -> Self;
    fn compare(op: Binary, a: Self, b: Self) -> bool;
}

/// `-1`, `0` or `1` by the sign; NaN stays.
macro_rules! sign {
    ($x:ident) => {{
        let sign = if $x > 0.0 { 1.0 } else { 0.0 } - if $x < 0.0 { 1.0 } else { 0.0 };
        if $x.is_nan() { $x } else { sign }
    }};
}

#[inline(always)]
fn is_circular(op: Unary) -> bool {
    matches!(op, Unary::Sin | Unary::Cos | Unary::Tan)
}

macro_rules! comparison {
    ($op:ident, $a:ident, $b:ident, $otherwise:expr) => {
        match $op {
            Binary::Equal => $a == $b,
            Binary::NotEqual => $a != $b,
            Binary::Less => $a < $b,
            Binary::LessEqual => $a <= $b,
            Binary::Greater => $a > $b,
            Binary::GreaterEqual => $a >= $b,
            Binary::Add
            | Binary::Subtract
            | Binary::Multiply
            | Binary::Divide
            | Binary::Remainder
            | Binary::FloorDivide
            | Binary::Power
            | Binary::Maximum
            | Binary::Minimum
            | Binary::LogAddExp
            | Binary::Arctan2
            | Binary::LogicalAnd
            | Binary::LogicalOr
            | Binary::BitwiseAnd
            | Binary::BitwiseOr
            | Binary::BitwiseXor
            | Binary::LeftShift
            | Binary::RightShift => $otherwise,
        }
    };
}
pub(super) use comparison;

impl Real for f32 {
    #[inline(always)]
    fn unary(op: Unary, x: f32) -> f32 {
        let wide = f64::from(x);
        match op {
            Unary::Abs => x.abs(),
            Unary::Negative => -x,
            Unary::Sign => sign!(x),
            Unary::Square => x * x,
            Unary::Exp => single::exp(x),
            Unary::Expm1 => single::expm1(x),
            Unary::Log => single::log(x),
            Unary::Log2 => single::log2(x),
            Unary::Log10 => single::log10(x),
            Unary::Log1p => single::log1p(x),
            Unary::Sqrt => x.sqrt(),
            Unary::Rsqrt => 1.0 / x.sqrt(),
            Unary::Sin => single::sin(x),
            Unary::Cos => single::cos(x),
            Unary::Tan => widened::tan(wide) as f32,
            Unary::Arcsin => widened::arcsin(wide) as f32,
            Unary::Arccos => widened::arccos(wide) as f32,
            Unary::Arctan => widened::arctan(wide) as f32,
            Unary::Sinh => widened::sinh(wide) as f32,
            Unary::Cosh => widened::cosh(wide) as f32,
            Unary::Tanh => single::tanh(x),
            Unary::Arcsinh => widened::arcsinh(wide) as f32,
            Unary::Arccosh => widened::arccosh(wide) as f32,
            Unary::Arctanh => widened::arctanh(wide) as f32,
            Unary::Sigmoid => single::sigmoid(x),
            Unary::Erf => single::erf(x),
            Unary::Erfinv => erfinv(x),
            Unary::Ceil => x.ceil(),
            Unary::Floor => x.floor(),
            Unary::RoundEven => x.round_ties_even(),
            Unary::Imag => 0.0,
            Unary::Conjugate | Unary::Real | Unary::LogicalNot | Unary::BitwiseInvert => x,
        }
    }

    #[inline(always)]
    fn is_rare(op: Unary, x: f32) -> bool {
        is_circular(op) & (x.abs() >= single::GREATEST_ANGLE)
    }

    fn slow(op: Unary, x: f32) -> f32 {
        f64::slow(op, f64::from(x)) as f32
    }

    #[inline(always)]
    fn binary(op: Binary, a: f32, b: f32) -> f32 {
        let (wide_a, wide_b) = (f64::from(a), f64::from(b));
        match op {
            Binary::Add => a + b,
            Binary::Subtract => a - b,
            Binary::Multiply => a * b,
            Binary::Divide => a / b,
            Binary::Remainder => widened::remainder(wide_a, wide_b) as f32,
            Binary::FloorDivide => (a / b).floor(),
            Binary::Power => widened::power(wide_a, wide_b) as f32,
            Binary::Maximum => {
                if (a > b) | a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Binary::Minimum => {
                if (a < b) | a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Binary::LogAddExp => widened::log_add_exp(wide_a, wide_b) as f32,
            Binary::Arctan2 => widened::arctan2(wide_a, wide_b) as f32,
            Binary::Equal
            | Binary::NotEqual
            | Binary::Less
            | Binary::LessEqual
            | Binary::Greater
            | Binary::GreaterEqual
            | Binary::LogicalAnd
            | Binary::LogicalOr
            | Binary::BitwiseAnd
            | Binary::BitwiseOr
            | Binary::BitwiseXor
            | Binary::LeftShift
            | Binary::RightShift => a,
        }
    }

    #[inline(always)]
    fn binary_is_rare(op: Binary, a: f32, b: f32) -> bool {
        matches!(op, Binary::Remainder) & widened::is_great_quotient(a, b)
    }

    fn binary_slow(_op: Binary, a: f32, b: f32) -> f32 {
        exact::remainder(f64::from(a), f64::from(b)) as f32
    }

    #[inline(always)]
    fn compare(op: Binary, a: f32, b: f32) -> bool {
        comparison!(op, a, b, false)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn unary(op: Unary, x: f64) -> f64 {
        match op {
            Unary::Abs => x.abs(),
            Unary::Negative => -x,
            Unary::Sign => sign!(x),
            Unary::Square => x * x,
            Unary::Exp => double::exp(x),
            Unary::Expm1 => double::expm1(x),
            Unary::Log => double::log(x),
            Unary::Log2 => x.log2(),
            Unary::Log10 => x.log10(),
            Unary::Log1p => double::log1p(x),
            Unary::Sqrt => x.sqrt(),
            Unary::Rsqrt => 1.0 / x.sqrt(),
            Unary::Sin => double::sin(x),
            Unary::Cos => double::cos(x),
            Unary::Tan => x.tan(),
            Unary::Arcsin => x.asin(),
            Unary::Arccos => x.acos(),
            Unary::Arctan => x.atan(),
            Unary::Sinh => double::sinh(x),
            Unary::Cosh => double::cosh(x),
            Unary::Tanh => double::tanh(x),
            Unary::Arcsinh => libm::asinh(x),
            Unary::Arccosh => libm::acosh(x),
            Unary::Arctanh => libm::atanh(x),
            Unary::Sigmoid => double::sigmoid(x),
            Unary::Erf => double::erf(x),
            Unary::Erfinv => exact::erfinv(x),
            Unary::Ceil => x.ceil(),
            Unary::Floor => x.floor(),
            Unary::RoundEven => x.round_ties_even(),
            Unary::Imag => 0.0,
            Unary::Conjugate | Unary::Real | Unary::LogicalNot | Unary::BitwiseInvert => x,
        }
    }

    #[inline(always)]
    fn is_rare(op: Unary, x: f64) -> bool {
        is_circular(op) & (x.abs() >= double::GREATEST_ANGLE)
    }

    fn slow(op: Unary, x: f64) -> f64 {
        if op == Unary::Sin {
            x.sin()
        } else if op == Unary::Cos {
            x.cos()
        } else {
            x.tan()
        }
    }

    #[inline(always)]
    fn binary(op: Binary, a: f64, b: f64) -> f64 {
        match op {
            Binary::Add => a + b,
            Binary::Subtract => a - b,
            Binary::Multiply => a * b,
            Binary::Divide => a / b,
            Binary::Remainder => exact::remainder(a, b),
            Binary::FloorDivide => (a / b).floor(),
            Binary::Power => a.powf(b),
            Binary::Maximum => {
                if (a > b) | a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Binary::Minimum => {
                if (a < b) | a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Binary::LogAddExp => exact::log_add_exp(a, b),
            Binary::Arctan2 => a.atan2(b),
            Binary::Equal
            | Binary::NotEqual
            | Binary::Less
            | Binary::LessEqual
            | Binary::Greater
            | Binary::GreaterEqual
            | Binary::LogicalAnd
            | Binary::LogicalOr
            | Binary::BitwiseAnd
            | Binary::BitwiseOr
            | Binary::BitwiseXor
            | Binary::LeftShift
            | Binary::RightShift => a,
        }
    }

    #[inline(always)]
    fn binary_is_rare(_op: Binary, _a: f64, _b: f64) -> bool {
        false
    }

    fn binary_slow(op: Binary, a: f64, b: f64) -> f64 {
        Self::binary(op, a, b)
    }

    #[inline(always)]
    fn compare(op: Binary, a: f64, b: f64) -> bool {
        comparison!(op, a, b, false)
    }
}

/// Kernel: the unary operation with the number `OP`.
struct UnaryOf<T, const OP: u8>(PhantomData<T>);

impl<T: Real, const OP: u8> UnaryOf<T, OP> {
    const UNARY: Unary = Unary::ALL[OP as usize];
}

impl<T: Real, const OP: u8> Map1 for UnaryOf<T, OP> {
    type In = T;
    type Out = T;
    const RARE: bool = matches!(Self::UNARY, Unary::Sin | Unary::Cos | Unary::Tan);
    #[inline(always)]
    fn apply(operand: T) -> T {
        T::unary(Self::UNARY, operand)
    }
    #[inline(always)]
    fn is_rare(operand: T) -> bool {
        T::is_rare(Self::UNARY, operand)
    }
    fn slow(operand: T) -> T {
        T::slow(Self::UNARY, operand)
    }
}

/// Kernel: the binary operation with the number `OP`.
struct BinaryOf<T, const OP: u8>(PhantomData<T>);

impl<T: Real, const OP: u8> BinaryOf<T, OP> {
    const BINARY: Binary = Binary::ALL[OP as usize];
}

impl<T: Real, const OP: u8> Map2 for BinaryOf<T, OP> {
    type In = T;
    type Out = T;
    const RARE: bool = matches!(Self::BINARY, Binary::Remainder);
    #[inline(always)]
    fn apply(lhs: T, rhs: T) -> T {
        T::binary(Self::BINARY, lhs, rhs)
    }
    #[inline(always)]
    fn is_rare(lhs: T, rhs: T) -> bool {
        T::binary_is_rare(Self::BINARY, lhs, rhs)
    }
    fn slow(lhs: T, rhs: T) -> T {
        T::binary_slow(Self::BINARY, lhs, rhs)
    }
}

/// Kernel: the comparison with the number `OP`.
struct Compare<T, const OP: u8>(PhantomData<T>);

impl<T: Real, const OP: u8> Map2 for Compare<T, OP> {
    type In = T;
    type Out = u8;
    #[inline(always)]
    fn apply(lhs: T, rhs: T) -> u8 {
        u8::from(T::compare(Binary::ALL[OP as usize], lhs, rhs))
    }
}

/// One row of the table by domain and output: the loop, or none outside the domain.
macro_rules! row {
    (Bits $output:ident $op:ident $isa:ident) => {
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
    (Bits $op:ident $isa:ident) => {
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
        pub(super) fn unary<T: Real>(op: Unary, isa: Isa) -> Option<TileFn> {
            match op { $(Unary::$op => unary_row!($domain $op isa),)* }
        }
    };
}
unary_table!(unary_dispatch);

/// Expands to `match op { Binary::Add => …, … }` over all operations.
macro_rules! binary_dispatch {
    ($($op:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        pub(super) fn binary<T: Real>(op: Binary, isa: Isa) -> Option<TileFn> {
            match op { $(Binary::$op => row!($domain $output $op isa),)* }
        }
    };
}
binary_table!(binary_dispatch);

/// As [`binary`], of one element and a tile, for the operations that rows and columns meet in.
pub(super) fn binary_beside<T: Real>(op: Binary, right: bool, isa: Isa) -> Option<TileFn> {
    macro_rules! beside {
        ($($op:ident)*) => {
            match (op, right) {
                $((Binary::$op, true) => Some(map_right::<BinaryOf<T, { Binary::$op as u8 }>>(isa)),)*
                $((Binary::$op, false) => Some(map_left::<BinaryOf<T, { Binary::$op as u8 }>>(isa)),)*
                _without_loops => None,
            }
        };
    }
    beside!(Add Subtract Multiply Divide Maximum Minimum)
}
