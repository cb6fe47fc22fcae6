//! Operations on complex registers.

use mlx_oxide_ir::{Binary, Unary};

/// On a complex register.
pub(super) fn unary(op: Unary, x: &str) -> Option<String> {
    let function = match op {
        Unary::Abs => "complex_abs",
        Unary::Negative => return Some(format!("-{x}")),
        Unary::Sign => "complex_sign",
        Unary::Square => return Some(format!("complex_multiply({x}, {x})")),
        Unary::Exp => "complex_exp",
        Unary::Log => "complex_log",
        Unary::Log2 => return Some(format!("complex_log({x}) * 1.44269504088896341")),
        Unary::Log10 => return Some(format!("complex_log({x}) * 0.434294481903251828")),
        Unary::Log1p => "complex_log1p",
        Unary::Sqrt => "complex_sqrt",
        Unary::Rsqrt => "complex_rsqrt",
        Unary::Sin => "complex_sin",
        Unary::Cos => "complex_cos",
        Unary::Tan => "complex_tan",
        Unary::Sinh => "complex_sinh",
        Unary::Cosh => "complex_cosh",
        Unary::Tanh => "complex_tanh",
        Unary::RoundEven => return Some(format!("round({x})")),
        Unary::Conjugate => return Some(format!("vec2<f32>({x}.x, -{x}.y)")),
        Unary::Real => return Some(format!("{x}.x")),
        Unary::Imag => return Some(format!("{x}.y")),
        Unary::Expm1
        | Unary::Arcsin
        | Unary::Arccos
        | Unary::Arctan
        | Unary::Arcsinh
        | Unary::Arccosh
        | Unary::Arctanh
        | Unary::Sigmoid
        | Unary::Erf
        | Unary::Erfinv
        | Unary::Ceil
        | Unary::Floor
        | Unary::LogicalNot
        | Unary::BitwiseInvert => return None,
    };
    Some(format!("{function}({x})"))
}

/// On two complex registers; numbers are ordered by the real, then the imaginary part.
pub(super) fn binary(op: Binary, a: &str, b: &str) -> Option<String> {
    Some(match op {
        Binary::Add => format!("{a} + {b}"),
        Binary::Subtract => format!("{a} - {b}"),
        Binary::Multiply => format!("complex_multiply({a}, {b})"),
        Binary::Divide => format!("complex_divide({a}, {b})"),
        Binary::Power => format!("complex_power({a}, {b})"),
        Binary::Maximum => format!("complex_maximum({a}, {b})"),
        Binary::Minimum => format!("complex_minimum({a}, {b})"),
        Binary::Equal => format!("complex_equal({a}, {b})"),
        Binary::NotEqual => format!("!complex_equal({a}, {b})"),
        Binary::Less => format!("complex_less({a}, {b})"),
        Binary::LessEqual => format!("complex_less_equal({a}, {b})"),
        Binary::Greater => format!("complex_less({b}, {a})"),
        Binary::GreaterEqual => format!("complex_less_equal({b}, {a})"),
        Binary::Remainder
        | Binary::FloorDivide
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
