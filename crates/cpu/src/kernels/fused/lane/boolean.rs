//! Bool lanes: bytes that are 0 or 1. Sums are `or`, products `and`, differences `xor`.

use super::real::comparison;
use crate::simd::{Isa, Map1, Map2, TileFn, map1, map2};
use mlx_oxide_ir::{Binary, Unary, binary_table, unary_table};

#[inline(always)]
fn of_one(op: Unary, x: u8) -> u8 {
    match op {
        Unary::LogicalNot | Unary::BitwiseInvert => x ^ 1,
        Unary::Imag => 0,
        Unary::Abs | Unary::Negative | Unary::Sign | Unary::Square => x,
        Unary::Ceil | Unary::Floor | Unary::RoundEven => x,
        Unary::Conjugate | Unary::Real => x,
        // outside the domain
        Unary::Exp | Unary::Expm1 | Unary::Log | Unary::Log2 | Unary::Log10 => x,
        Unary::Log1p | Unary::Sqrt | Unary::Rsqrt | Unary::Sin | Unary::Cos => x,
        Unary::Tan | Unary::Arcsin | Unary::Arccos | Unary::Arctan => x,
        Unary::Sinh | Unary::Cosh | Unary::Tanh | Unary::Arcsinh => x,
        Unary::Arccosh | Unary::Arctanh | Unary::Sigmoid => x,
        Unary::Erf | Unary::Erfinv => x,
    }
}

#[inline(always)]
fn of_two(op: Binary, a: u8, b: u8) -> u8 {
    match op {
        Binary::Add | Binary::Maximum | Binary::LogicalOr | Binary::BitwiseOr => a | b,
        Binary::Subtract | Binary::BitwiseXor => a ^ b,
        Binary::Multiply | Binary::Minimum | Binary::LogicalAnd | Binary::BitwiseAnd => a & b,
        Binary::FloorDivide => a & b,
        Binary::Remainder => 0,
        Binary::Power => a | (b ^ 1),
        Binary::LeftShift | Binary::RightShift => a & (b ^ 1),
        Binary::Equal
        | Binary::NotEqual
        | Binary::Less
        | Binary::LessEqual
        | Binary::Greater
        | Binary::GreaterEqual
        | Binary::Divide
        | Binary::LogAddExp
        | Binary::Arctan2 => u8::from(comparison!(op, a, b, false)),
    }
}

/// Kernel: the unary operation with the number `OP`.
struct UnaryOf<const OP: u8>;

impl<const OP: u8> Map1 for UnaryOf<OP> {
    type In = u8;
    type Out = u8;
    #[inline(always)]
    fn apply(operand: u8) -> u8 {
        of_one(const { Unary::ALL[OP as usize] }, operand)
    }
}

/// Kernel: the binary operation with the number `OP`.
struct BinaryOf<const OP: u8>;

impl<const OP: u8> Map2 for BinaryOf<OP> {
    type In = u8;
    type Out = u8;
    #[inline(always)]
    fn apply(lhs: u8, rhs: u8) -> u8 {
        of_two(const { Binary::ALL[OP as usize] }, lhs, rhs)
    }
}

/// One row of the table by domain: the loop, or none outside the domain.
macro_rules! row {
    (Inexact $kernel:expr) => {
        None
    };
    (Floating $kernel:expr) => {
        None
    };
    ($domain:ident $kernel:expr) => {
        Some($kernel)
    };
}

/// Expands to `match op { Unary::Abs => …, … }` over all operations.
macro_rules! unary_dispatch {
    ($($op:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        pub(super) fn unary(op: Unary, isa: Isa) -> Option<TileFn> {
            match op { $(Unary::$op => row!($domain map1::<UnaryOf<{ Unary::$op as u8 }>>(isa)),)* }
        }
    };
}
unary_table!(unary_dispatch);

/// Expands to `match op { Binary::Add => …, … }` over all operations.
macro_rules! binary_dispatch {
    ($($op:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        pub(super) fn binary(op: Binary, isa: Isa) -> Option<TileFn> {
            match op { $(Binary::$op => row!($domain map2::<BinaryOf<{ Binary::$op as u8 }>>(isa)),)* }
        }
    };
}
binary_table!(binary_dispatch);
