//! Operations on integer and bool registers.

use super::register::Register;
use mlx_oxide_ir::{Binary, Dtype, Unary};

/// On an integer register.
pub(super) fn unary(op: Unary, register: Register, x: &str) -> Option<String> {
    let name = register.name();
    let signed = matches!(register, Register::Int | Register::WideInt);
    Some(match op {
        Unary::Abs if signed => format!("absolute_{name}({x})"),
        Unary::Negative => format!("{name}(0) - {x}"),
        Unary::Sign => format!("sign_{name}({x})"),
        Unary::Square => format!("{x} * {x}"),
        Unary::BitwiseInvert => format!("~{x}"),
        Unary::Imag => format!("{name}(0)"),
        Unary::Abs
        | Unary::Ceil
        | Unary::Floor
        | Unary::RoundEven
        | Unary::Conjugate
        | Unary::Real => x.to_owned(),
        Unary::Exp
        | Unary::Expm1
        | Unary::Log
        | Unary::Log2
        | Unary::Log10
        | Unary::Log1p
        | Unary::Sqrt
        | Unary::Rsqrt
        | Unary::Sin
        | Unary::Cos
        | Unary::Tan
        | Unary::Arcsin
        | Unary::Arccos
        | Unary::Arctan
        | Unary::Sinh
        | Unary::Cosh
        | Unary::Tanh
        | Unary::Arcsinh
        | Unary::Arccosh
        | Unary::Arctanh
        | Unary::Sigmoid
        | Unary::Erf
        | Unary::Erfinv
        | Unary::LogicalNot => return None,
    })
}

/// On two integer registers of `dtype`.
pub(super) fn binary(
    op: Binary,
    dtype: Dtype,
    register: Register,
    a: &str,
    b: &str,
) -> Option<String> {
    let name = register.name();
    let width = 8 * dtype.size();
    // bits past the width are gone: shifts by the width or more leave nothing, or the sign
    let in_range = format!("{b} >= {name}(0) && {b} < {name}({width})");
    Some(match op {
        Binary::Add => format!("{a} + {b}"),
        Binary::Subtract => format!("{a} - {b}"),
        Binary::Multiply => format!("{a} * {b}"),
        Binary::Remainder => format!("remainder_{name}({a}, {b})"),
        Binary::FloorDivide => format!("divide_{name}({a}, {b})"),
        Binary::Power => format!("power_{name}({a}, {b})"),
        Binary::Maximum => format!("select({a}, {b}, {b} > {a})"),
        Binary::Minimum => format!("select({a}, {b}, {b} < {a})"),
        Binary::Equal => format!("{a} == {b}"),
        Binary::NotEqual => format!("{a} != {b}"),
        Binary::Less => format!("{a} < {b}"),
        Binary::LessEqual => format!("{a} <= {b}"),
        Binary::Greater => format!("{a} > {b}"),
        Binary::GreaterEqual => format!("{a} >= {b}"),
        Binary::BitwiseAnd => format!("{a} & {b}"),
        Binary::BitwiseOr => format!("{a} | {b}"),
        Binary::BitwiseXor => format!("{a} ^ {b}"),
        Binary::LeftShift => {
            let mask = width - 1;
            format!("select({name}(0), {a} << (u32({b}) & {mask}u), {in_range})")
        }
        Binary::RightShift => {
            let last = width - 1;
            let shifted = |amount: &str| format!("{a} >> ({amount})");
            if matches!(register, Register::Int | Register::WideInt) {
                shifted(&format!("select({last}u, u32({b}) & {last}u, {in_range})"))
            } else {
                let inside = shifted(&format!("u32({b}) & {last}u"));
                format!("select({name}(0), {inside}, {in_range})")
            }
        }
        Binary::Divide
        | Binary::LogAddExp
        | Binary::Arctan2
        | Binary::LogicalAnd
        | Binary::LogicalOr => return None,
    })
}

/// On a bool register, as on the numbers 0 and 1.
pub(super) fn unary_of_bool(op: Unary, x: &str) -> String {
    match op {
        Unary::LogicalNot | Unary::BitwiseInvert => format!("(!{x})"),
        Unary::Imag => "false".to_owned(),
        Unary::Abs
        | Unary::Negative
        | Unary::Sign
        | Unary::Square
        | Unary::Ceil
        | Unary::Floor
        | Unary::RoundEven
        | Unary::Conjugate
        | Unary::Real
        | Unary::Exp
        | Unary::Expm1
        | Unary::Log
        | Unary::Log2
        | Unary::Log10
        | Unary::Log1p
        | Unary::Sqrt
        | Unary::Rsqrt
        | Unary::Sin
        | Unary::Cos
        | Unary::Tan
        | Unary::Arcsin
        | Unary::Arccos
        | Unary::Arctan
        | Unary::Sinh
        | Unary::Cosh
        | Unary::Tanh
        | Unary::Arcsinh
        | Unary::Arccosh
        | Unary::Arctanh
        | Unary::Sigmoid
        | Unary::Erf
        | Unary::Erfinv => x.to_owned(),
    }
}

/// On two bool registers, as on the numbers 0 and 1.
pub(super) fn binary_of_bool(op: Binary, a: &str, b: &str) -> Option<String> {
    Some(match op {
        Binary::Add | Binary::Maximum | Binary::BitwiseOr | Binary::LogicalOr => {
            format!("({a} || {b})")
        }
        Binary::Multiply
        | Binary::Minimum
        | Binary::BitwiseAnd
        | Binary::LogicalAnd
        | Binary::FloorDivide => format!("({a} && {b})"),
        Binary::Subtract | Binary::NotEqual | Binary::BitwiseXor => format!("({a} != {b})"),
        Binary::Equal => format!("({a} == {b})"),
        Binary::Power => format!("({a} || !{b})"),
        Binary::Less => format!("(!{a} && {b})"),
        Binary::LessEqual => format!("(!{a} || {b})"),
        Binary::Greater | Binary::LeftShift | Binary::RightShift => format!("({a} && !{b})"),
        Binary::GreaterEqual => format!("({a} || !{b})"),
        Binary::Remainder => "false".to_owned(),
        Binary::Divide | Binary::LogAddExp | Binary::Arctan2 => return None,
    })
}
