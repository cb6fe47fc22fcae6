//! Instructions of scalar programs as expressions.

use super::register::Register;
use super::{complex, integer, real};
use mlx_oxide_ir::{Binary, Dtype, ScalarOp, Unary};

/// The expression of an instruction; none where kernels cannot compute it.
pub(crate) fn instruction(
    op: ScalarOp,
    operands: &[&str],
    operand_dtype: Dtype,
    dtype: Dtype,
) -> Option<String> {
    match op {
        ScalarOp::Unary(op) => unary(op, operand_dtype, operands[0]),
        ScalarOp::Binary(op) => binary(op, operand_dtype, operands[0], operands[1]),
        ScalarOp::Select => Some(format!(
            "select({}, {}, {})",
            operands[2], operands[1], operands[0]
        )),
        ScalarOp::Cast => Some(cast(operand_dtype, dtype, operands[0])),
    }
}

/// The operation on a register of `dtype`.
fn unary(op: Unary, dtype: Dtype, x: &str) -> Option<String> {
    let register = Register::of(dtype);
    let value = match register {
        Register::Bool => return Some(integer::unary_of_bool(op, x)),
        Register::Uint | Register::Int | Register::WideUint | Register::WideInt => {
            integer::unary(op, register, x)?
        }
        Register::Float => real::unary(op, x)?,
        Register::Double => real::unary_of_double(op, x)?,
        Register::Complex => complex::unary(op, x)?,
    };
    Some(round(op.result_dtype(dtype), value))
}

/// The operation on two registers of `dtype`.
pub(crate) fn binary(op: Binary, dtype: Dtype, a: &str, b: &str) -> Option<String> {
    let register = Register::of(dtype);
    let value = match register {
        Register::Bool => return integer::binary_of_bool(op, a, b),
        Register::Uint | Register::Int | Register::WideUint | Register::WideInt => {
            integer::binary(op, dtype, register, a, b)?
        }
        Register::Float => real::binary(op, a, b)?,
        Register::Double => real::binary_of_double(op, a, b)?,
        Register::Complex => complex::binary(op, a, b)?,
    };
    Some(round(op.result_dtype(dtype), value))
}

/// A register's value brought to what `dtype` can hold.
pub(crate) fn round(dtype: Dtype, value: String) -> String {
    match dtype {
        Dtype::Uint8 => format!("(({value}) & 255u)"),
        Dtype::Uint16 => format!("(({value}) & 65535u)"),
        Dtype::Int8 => format!("extractBits({value}, 0u, 8u)"),
        Dtype::Int16 => format!("extractBits({value}, 0u, 16u)"),
        Dtype::Float16 => format!("round_f16({value})"),
        Dtype::Bfloat16 => format!("round_bf16({value})"),
        Dtype::Bool
        | Dtype::Uint32
        | Dtype::Uint64
        | Dtype::Int32
        | Dtype::Int64
        | Dtype::Float32
        | Dtype::Float64
        | Dtype::Complex64 => format!("({value})"),
    }
}

/// Conversion of a register.
pub(crate) fn cast(from: Dtype, to: Dtype, x: &str) -> String {
    if from == to {
        return x.to_owned();
    }
    let (source, target) = (Register::of(from), Register::of(to));
    let value = match target {
        Register::Bool => return truth(source, x),
        Register::Uint => to_word(source, x),
        Register::Int => match source {
            Register::Int => x.to_owned(),
            Register::Bool
            | Register::Uint
            | Register::Float
            | Register::WideUint
            | Register::WideInt
            | Register::Double
            | Register::Complex => format!("bitcast<i32>({})", to_word(source, x)),
        },
        Register::WideUint | Register::WideInt => to_wide(source, target, x),
        Register::Float => to_real(source, "f32", x),
        Register::Double => to_real(source, "f64", x),
        Register::Complex => match source {
            Register::Complex => x.to_owned(),
            Register::Bool
            | Register::Uint
            | Register::Int
            | Register::Float
            | Register::WideUint
            | Register::WideInt
            | Register::Double => format!("vec2<f32>({}, 0.0)", to_real(source, "f32", x)),
        },
    };
    round(to, value)
}

/// Whether a register is not zero.
pub(super) fn truth(source: Register, x: &str) -> String {
    match source {
        Register::Bool => x.to_owned(),
        Register::Uint | Register::Int | Register::WideUint | Register::WideInt => {
            format!("({x} != {})", source.zero())
        }
        Register::Float => format!("is_nonzero({x})"),
        Register::Double => format!("!({x} == f64(0.0))"),
        Register::Complex => format!("(is_nonzero({x}.x) || is_nonzero({x}.y))"),
    }
}

/// The low 32 bits of the integer that a register truncates to.
fn to_word(source: Register, x: &str) -> String {
    match source {
        Register::Bool => format!("select(0u, 1u, {x})"),
        Register::Uint => x.to_owned(),
        Register::Int => format!("bitcast<u32>({x})"),
        Register::Float => format!("f32_to_bits({x})"),
        Register::WideUint => format!("u32({x} & 4294967295lu)"),
        Register::WideInt => format!("u32({x} & 4294967295li)"),
        Register::Double => format!("u32(f64_to_i64({x}) & 4294967295li)"),
        Register::Complex => format!("f32_to_bits({x}.x)"),
    }
}

fn to_wide(source: Register, target: Register, x: &str) -> String {
    let name = target.name();
    match source {
        Register::Bool => format!("select({name}(0), {name}(1), {x})"),
        // widened with the source's own sign first
        Register::Uint => format!("{name}(u64({x}))"),
        Register::Int => format!("{name}(i64({x}))"),
        Register::WideUint | Register::WideInt => format!("{name}({x})"),
        Register::Float => format!("f32_to_{name}({x})"),
        Register::Double => format!("f64_to_{name}({x})"),
        Register::Complex => format!("f32_to_{name}({x}.x)"),
    }
}

fn to_real(source: Register, name: &str, x: &str) -> String {
    match source {
        Register::Bool => format!("select({name}(0.0), {name}(1.0), {x})"),
        Register::Uint
        | Register::Int
        | Register::Float
        | Register::WideUint
        | Register::WideInt
        | Register::Double => format!("{name}({x})"),
        Register::Complex => format!("{name}({x}.x)"),
    }
}
