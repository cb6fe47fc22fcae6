//! Operations on real floating-point registers.

use mlx_oxide_ir::{Binary, Unary};

/// On an `f32` register.
pub(super) fn unary(op: Unary, x: &str) -> Option<String> {
    let function = match op {
        Unary::Abs => "magnitude_of",
        Unary::Negative => "negated",
        Unary::Sign => "sign_of",
        Unary::Square => return Some(format!("{x} * {x}")),
        Unary::Exp => "exp_real",
        Unary::Expm1 => "expm1_real",
        Unary::Log => "log_real",
        Unary::Log2 => "log2_real",
        Unary::Log10 => "log10_real",
        Unary::Log1p => "log1p_real",
        Unary::Sqrt => "sqrt",
        Unary::Rsqrt => return Some(format!("1.0 / sqrt({x})")),
        Unary::Sin => "sin_real",
        Unary::Cos => "cos_real",
        Unary::Tan => "tan_real",
        Unary::Arcsin => "arcsin_real",
        Unary::Arccos => "arccos_real",
        Unary::Arctan => "arctan_real",
        Unary::Sinh => "sinh_real",
        Unary::Cosh => "cosh_real",
        Unary::Tanh => "tanh_real",
        Unary::Arcsinh => "arcsinh_real",
        Unary::Arccosh => "arccosh_real",
        Unary::Arctanh => "arctanh_real",
        Unary::Sigmoid => "sigmoid_real",
        Unary::Erf => "erf_real",
        Unary::Erfinv => "erfinv_real",
        Unary::Ceil => "ceil",
        Unary::Floor => "floor",
        Unary::RoundEven => "round",
        Unary::Conjugate | Unary::Real => return Some(x.to_owned()),
        Unary::Imag => return Some("0.0".to_owned()),
        Unary::LogicalNot | Unary::BitwiseInvert => return None,
    };
    Some(format!("{function}({x})"))
}

/// On two `f32` registers.
pub(super) fn binary(op: Binary, a: &str, b: &str) -> Option<String> {
    Some(match op {
        Binary::Add => format!("{a} + {b}"),
        Binary::Subtract => format!("{a} - {b}"),
        Binary::Multiply => format!("{a} * {b}"),
        Binary::Divide => format!("{a} / {b}"),
        Binary::Remainder => format!("remainder_real({a}, {b})"),
        Binary::FloorDivide => format!("floor({a} / {b})"),
        Binary::Power => format!("power_real({a}, {b})"),
        Binary::Maximum => format!("maximum_real({a}, {b})"),
        Binary::Minimum => format!("minimum_real({a}, {b})"),
        Binary::LogAddExp => format!("logaddexp_real({a}, {b})"),
        Binary::Arctan2 => format!("arctan2_real({a}, {b})"),
        Binary::Equal => format!("equal_real({a}, {b})"),
        Binary::NotEqual => format!("!equal_real({a}, {b})"),
        Binary::Less => format!("less_real({a}, {b})"),
        Binary::LessEqual => format!("less_equal_real({a}, {b})"),
        Binary::Greater => format!("less_real({b}, {a})"),
        Binary::GreaterEqual => format!("less_equal_real({b}, {a})"),
        Binary::LogicalAnd
        | Binary::LogicalOr
        | Binary::BitwiseAnd
        | Binary::BitwiseOr
        | Binary::BitwiseXor
        | Binary::LeftShift
        | Binary::RightShift => return None,
    })
}

/// On an `f64` register: drivers have its arithmetic, but none of its transcendental functions.
pub(super) fn unary_of_double(op: Unary, x: &str) -> Option<String> {
    Some(match op {
        Unary::Abs => format!("abs({x})"),
        Unary::Negative => format!("-{x}"),
        Unary::Sign => format!("sign_double({x})"),
        Unary::Square => format!("{x} * {x}"),
        Unary::Sqrt => format!("sqrt({x})"),
        Unary::Rsqrt => format!("f64(1.0) / sqrt({x})"),
        Unary::Ceil => format!("ceil({x})"),
        Unary::Floor => format!("floor({x})"),
        Unary::RoundEven => format!("round_double({x})"),
        Unary::Conjugate | Unary::Real => x.to_owned(),
        Unary::Imag => "f64(0.0)".to_owned(),
        Unary::Exp
        | Unary::Expm1
        | Unary::Log
        | Unary::Log2
        | Unary::Log10
        | Unary::Log1p
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
        | Unary::LogicalNot
        | Unary::BitwiseInvert => return None,
    })
}

/// On two `f64` registers.
pub(super) fn binary_of_double(op: Binary, a: &str, b: &str) -> Option<String> {
    Some(match op {
        Binary::Add => format!("{a} + {b}"),
        Binary::Subtract => format!("{a} - {b}"),
        Binary::Multiply => format!("{a} * {b}"),
        Binary::Divide => format!("{a} / {b}"),
        Binary::FloorDivide => format!("floor({a} / {b})"),
        Binary::Maximum => format!("maximum_double({a}, {b})"),
        Binary::Minimum => format!("minimum_double({a}, {b})"),
        Binary::Equal => format!("{a} == {b}"),
        Binary::NotEqual => format!("!({a} == {b})"),
        Binary::Less => format!("{a} < {b}"),
        Binary::LessEqual => format!("{a} <= {b}"),
        Binary::Greater => format!("{a} > {b}"),
        Binary::GreaterEqual => format!("{a} >= {b}"),
        Binary::Remainder
        | Binary::Power
        | Binary::LogAddExp
        | Binary::Arctan2
        | Binary::LogicalAnd
        | Binary::LogicalOr
        | Binary::BitwiseAnd
        | Binary::BitwiseOr
        | Binary::BitwiseXor
        | Binary::LeftShift
        | Binary::RightShift => return None,
    })
}
