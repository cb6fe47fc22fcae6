//! Complex lanes, computed in double precision: squares neither overflow nor vanish.

use crate::kernels::fused::complex;
use crate::simd::math::double;
use crate::simd::{Isa, Map1, Map2, TileFn, map1, map1_portable, map2, map2_portable};
use mlx_oxide_ir::{Binary, Unary, binary_table, unary_table};
use num_complex::{Complex32, Complex64};
use std::f64::consts::{LN_2, LN_10};

#[inline(always)]
fn wide(z: Complex32) -> Complex64 {
    Complex64::new(z.re.into(), z.im.into())
}

#[inline(always)]
fn narrow(z: Complex64) -> Complex32 {
    Complex32::new(z.re as f32, z.im as f32)
}

#[inline(always)]
fn of_one(op: Unary, z: Complex64) -> Complex64 {
    match op {
        Unary::Negative => -z,
        Unary::Sign => complex::sign(z),
        Unary::Square => z * z,
        Unary::Exp => complex::exp(z),
        Unary::Log => complex::log(z),
        Unary::Log2 => complex::log(z) / LN_2,
        Unary::Log10 => complex::log(z) / LN_10,
        Unary::Log1p => complex::log1p(z),
        Unary::Sqrt => complex::sqrt(z),
        Unary::Rsqrt => complex::divide(Complex64::new(1.0, 0.0), complex::sqrt(z)),
        Unary::Sin => complex::sin(z),
        Unary::Cos => complex::cosh(complex::times_i(z)),
        Unary::Tan => complex::tan(z),
        Unary::Arcsin => complex::asin(z),
        Unary::Arccos => complex::acos(z),
        Unary::Arctan => complex::atan(z),
        Unary::Sinh => complex::sinh(z),
        Unary::Cosh => complex::cosh(z),
        Unary::Tanh => complex::tanh(z),
        Unary::Arcsinh => complex::asinh(z),
        Unary::Arccosh => complex::acosh(z),
        Unary::Arctanh => complex::atanh(z),
        Unary::RoundEven => Complex64::new(z.re.round_ties_even(), z.im.round_ties_even()),
        Unary::Conjugate => z.conj(),
        // results of another type, or outside the domain
        Unary::Abs | Unary::Real | Unary::Imag | Unary::Expm1 | Unary::Sigmoid => z,
        Unary::Erf | Unary::Erfinv | Unary::Ceil | Unary::Floor => z,
        Unary::LogicalNot | Unary::BitwiseInvert => z,
    }
}

#[inline(always)]
fn of_two(op: Binary, a: Complex64, b: Complex64) -> Complex64 {
    match op {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide => complex::quotient(a, b),
        Binary::Power => complex::power(a, b),
        Binary::Maximum => complex::maximum(a, b),
        Binary::Minimum => complex::minimum(a, b),
        Binary::LogAddExp => complex::log_add_exp(a, b),
        // results of another type, or outside the domain
        Binary::Equal | Binary::NotEqual | Binary::Less | Binary::LessEqual => a,
        Binary::Greater | Binary::GreaterEqual | Binary::Remainder => a,
        Binary::FloorDivide | Binary::Arctan2 | Binary::LogicalAnd | Binary::LogicalOr => a,
        Binary::BitwiseAnd | Binary::BitwiseOr | Binary::BitwiseXor => a,
        Binary::LeftShift | Binary::RightShift => a,
    }
}

/// By the real part, then by the imaginary part; false if a part is NaN.
#[inline(always)]
fn truth(op: Binary, a: Complex32, b: Complex32) -> bool {
    let ordered = !(a.re.is_nan() | a.im.is_nan() | b.re.is_nan() | b.im.is_nan());
    let less = (a.re < b.re) | ((a.re == b.re) & (a.im < b.im));
    let greater = (a.re > b.re) | ((a.re == b.re) & (a.im > b.im));
    let equal = (a.re == b.re) & (a.im == b.im);
    match op {
        Binary::Equal => equal,
        Binary::NotEqual => !equal,
        Binary::Less => ordered & less,
        Binary::LessEqual => ordered & !greater,
        Binary::Greater => ordered & greater,
        Binary::GreaterEqual => ordered & !less,
        Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide => false,
        Binary::Remainder | Binary::FloorDivide | Binary::Power | Binary::Maximum => false,
        Binary::Minimum | Binary::LogAddExp | Binary::Arctan2 => false,
        Binary::LogicalAnd | Binary::LogicalOr | Binary::BitwiseAnd => false,
        Binary::BitwiseOr | Binary::BitwiseXor | Binary::LeftShift | Binary::RightShift => false,
    }
}

/// Kernel: the unary operation with the number `OP`.
struct UnaryOf<const OP: u8>;

impl<const OP: u8> Map1 for UnaryOf<OP> {
    type In = Complex32;
    type Out = Complex32;
    #[inline(always)]
    fn apply(operand: Complex32) -> Complex32 {
        narrow(of_one(const { Unary::ALL[OP as usize] }, wide(operand)))
    }
}

/// Kernel: `eᶻ`, where it is no edge.
struct Exp;

impl Map1 for Exp {
    type In = Complex32;
    type Out = Complex32;
    const RARE: bool = true;
    #[inline(always)]
    fn apply(operand: Complex32) -> Complex32 {
        let z = wide(operand);
        let modulus = double::exp(z.re);
        narrow(Complex64::new(
            modulus * double::cos(z.im),
            modulus * double::sin(z.im),
        ))
    }
    /// Where the modulus is infinite in double precision, or an angle is too great.
    #[inline(always)]
    fn is_rare(operand: Complex32) -> bool {
        let ordinary =
            (operand.re < GREATEST_EXPONENT) & (operand.im.abs() < double::GREATEST_ANGLE as f32);
        !ordinary
    }
    fn slow(operand: Complex32) -> Complex32 {
        narrow(complex::exp(wide(operand)))
    }
}

/// Kernel: modulus, real or imaginary part.
struct Part<const OP: u8>;

impl<const OP: u8> Map1 for Part<OP> {
    type In = Complex32;
    type Out = f32;
    #[inline(always)]
    fn apply(operand: Complex32) -> f32 {
        let (re, im) = (f64::from(operand.re), f64::from(operand.im));
        let infinite = operand.re.is_infinite() | operand.im.is_infinite();
        match const { Unary::ALL[OP as usize] } {
            Unary::Real => operand.re,
            Unary::Imag => operand.im,
            // squares of single precision fit in double precision
            _modulus if infinite => f32::INFINITY,
            _modulus => (re * re + im * im).sqrt() as f32,
        }
    }
}

/// Kernel: the binary operation with the number `OP`.
struct BinaryOf<const OP: u8>;

impl<const OP: u8> Map2 for BinaryOf<OP> {
    type In = Complex32;
    type Out = Complex32;
    const RARE: bool = matches!(Binary::ALL[OP as usize], Binary::Divide);

    #[inline(always)]
    fn apply(lhs: Complex32, rhs: Complex32) -> Complex32 {
        narrow(of_two(
            const { Binary::ALL[OP as usize] },
            wide(lhs),
            wide(rhs),
        ))
    }

    /// Of division: where products are infinite or the divisor is zero.
    #[inline(always)]
    fn is_rare(lhs: Complex32, rhs: Complex32) -> bool {
        let finite =
            lhs.re.is_finite() & lhs.im.is_finite() & rhs.re.is_finite() & rhs.im.is_finite();
        !finite | ((rhs.re == 0.0) & (rhs.im == 0.0))
    }

    fn slow(lhs: Complex32, rhs: Complex32) -> Complex32 {
        narrow(complex::divide(wide(lhs), wide(rhs)))
    }
}

/// Kernel: the comparison with the number `OP`.
struct Compare<const OP: u8>;

impl<const OP: u8> Map2 for Compare<OP> {
    type In = Complex32;
    type Out = u8;
    #[inline(always)]
    fn apply(lhs: Complex32, rhs: Complex32) -> u8 {
        u8::from(truth(const { Binary::ALL[OP as usize] }, lhs, rhs))
    }
}

/// The loop of a product.
fn multiply(isa: Isa) -> TileFn {
    #[cfg(target_arch = "x86_64")]
    if let Some(run) = super::product::product(isa) {
        return run;
    }
    map2::<BinaryOf<{ Binary::Multiply as u8 }>>(isa)
}

/// Below, `eˣ` is finite in double precision.
const GREATEST_EXPONENT: f32 = 709.0;

/// One row of the table by domain and output: the loop, or none outside the domain.
macro_rules! row {
    (Any Magnitude $op:ident $isa:ident) => {
        Some(map1::<Part<{ Unary::$op as u8 }>>($isa))
    };
    (Any Same $op:ident $isa:ident) => {
        Some(map1::<UnaryOf<{ Unary::$op as u8 }>>($isa))
    };
    (Inexact Same Exp $isa:ident) => {
        Some(map1::<Exp>($isa))
    };
    (Inexact Same $op:ident $isa:ident) => {
        Some(map1_portable::<UnaryOf<{ Unary::$op as u8 }>>())
    };
    ($domain:ident $output:ident $op:ident $isa:ident) => {
        None
    };
}

macro_rules! binary_row {
    (Any Bool $op:ident $isa:ident) => {
        Some(map2::<Compare<{ Binary::$op as u8 }>>($isa))
    };
    (Any Same Power $isa:ident) => {
        Some(map2_portable::<BinaryOf<{ Binary::Power as u8 }>>())
    };
    (Any Same Multiply $isa:ident) => {
        Some(multiply($isa))
    };
    (Any Same $op:ident $isa:ident) => {
        Some(map2::<BinaryOf<{ Binary::$op as u8 }>>($isa))
    };
    (Inexact Same Divide $isa:ident) => {
        Some(map2::<BinaryOf<{ Binary::Divide as u8 }>>($isa))
    };
    (Inexact Same $op:ident $isa:ident) => {
        Some(map2_portable::<BinaryOf<{ Binary::$op as u8 }>>())
    };
    ($domain:ident $output:ident $op:ident $isa:ident) => {
        None
    };
}

/// Expands to `match op { Unary::Abs => …, … }` over all operations.
macro_rules! unary_dispatch {
    ($($op:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        pub(super) fn unary(op: Unary, isa: Isa) -> Option<TileFn> {
            match op { $(Unary::$op => row!($domain $output $op isa),)* }
        }
    };
}
unary_table!(unary_dispatch);

/// Expands to `match op { Binary::Add => …, … }` over all operations.
macro_rules! binary_dispatch {
    ($($op:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        pub(super) fn binary(op: Binary, isa: Isa) -> Option<TileFn> {
            match op { $(Binary::$op => binary_row!($domain $output $op isa),)* }
        }
    };
}
binary_table!(binary_dispatch);
