//! What reductions and scans carry from element to element.

use super::register::Register;
use super::scalar::{binary, cast, truth};
use super::text::KernelText;
use mlx_oxide_ir::{Binary, Dtype, Extreme, ReduceKind, ScanKind};

/// An associative combination of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Accumulator {
    /// Of a reduction.
    Reduce(ReduceKind),
    /// Of a scan.
    Scan(ScanKind),
    /// The first position of an extreme; NaN is the extreme.
    Position(Extreme),
}

/// The pieces of text that define an accumulator.
struct Pieces {
    /// The accumulated type.
    name: String,
    identity: String,
    /// From `value` and `position`.
    of: String,
    /// Statements that return from `a` and `b`, `a` before `b`.
    merge: String,
    /// From `a`.
    result: String,
}

impl Accumulator {
    /// Whether kernels can accumulate elements of `input` into `output`.
    pub(crate) fn supports(self, input: Dtype, output: Dtype) -> bool {
        self.pieces(input, output).is_some()
    }

    /// Declares the type `Accumulated` and the functions `accumulator_identity()`,
    /// `accumulator_of(value, position)`, `accumulator_merge(a, b)` and `accumulator_result(a)`.
    /// Nothing is declared if the dtypes are not supported.
    pub(crate) fn declare(self, text: &mut KernelText, input: Dtype, output: Dtype) {
        let Some(pieces) = self.pieces(input, output) else {
            return;
        };
        let Pieces {
            name,
            identity,
            of,
            merge,
            result,
        } = pieces;
        let value = Register::of(input).name();
        let finished = Register::of(output).name();
        if name == "Extremum" {
            text.global(&format!(
                "struct Extremum {{ value: {value}, position: u32 }}"
            ));
        }
        text.global(&format!("alias Accumulated = {name};"));
        text.global(&format!(
            "fn accumulator_identity() -> {name} {{ return {identity}; }}\n\
             fn accumulator_of(value: {value}, position: u32) -> {name} {{ return {of}; }}\n\
             fn accumulator_merge(a: {name}, b: {name}) -> {name} {{ {merge} }}\n\
             fn accumulator_result(a: {name}) -> {finished} {{ return {result}; }}"
        ));
    }

    fn pieces(self, input: Dtype, output: Dtype) -> Option<Pieces> {
        match self {
            Accumulator::Reduce(ReduceKind::Sum) | Accumulator::Scan(ScanKind::Sum) => {
                folded(Binary::Add, Register::of(output).zero(), input, output)
            }
            Accumulator::Reduce(ReduceKind::Prod) | Accumulator::Scan(ScanKind::Prod) => {
                folded(Binary::Multiply, Register::of(output).one(), input, output)
            }
            Accumulator::Reduce(ReduceKind::Max) | Accumulator::Scan(ScanKind::Max) => {
                folded(Binary::Maximum, lowest(input), input, output)
            }
            Accumulator::Reduce(ReduceKind::Min) | Accumulator::Scan(ScanKind::Min) => {
                folded(Binary::Minimum, highest(input), input, output)
            }
            Accumulator::Reduce(ReduceKind::All) => Some(truths("true", "a && b", input)),
            Accumulator::Reduce(ReduceKind::Any) => Some(truths("false", "a || b", input)),
            Accumulator::Reduce(ReduceKind::LogSumExp) => log_sum_exp(input),
            Accumulator::Scan(ScanKind::LogAddExp) => {
                folded(Binary::LogAddExp, lowest(input), input, output)
            }
            Accumulator::Position(extreme) => position(extreme, input),
        }
    }
}

/// The dtype of a register that is not rounded to fewer bits on the way.
fn unrounded(dtype: Dtype) -> Dtype {
    match dtype {
        Dtype::Float16 | Dtype::Bfloat16 => Dtype::Float32,
        Dtype::Bool
        | Dtype::Uint8
        | Dtype::Uint16
        | Dtype::Uint32
        | Dtype::Uint64
        | Dtype::Int8
        | Dtype::Int16
        | Dtype::Int32
        | Dtype::Int64
        | Dtype::Float32
        | Dtype::Float64
        | Dtype::Complex64 => dtype,
    }
}

/// A binary operation folded over the elements, in the output's register.
fn folded(op: Binary, identity: String, input: Dtype, output: Dtype) -> Option<Pieces> {
    let dtype = unrounded(output);
    let merged = binary(op, dtype, "a", "b")?;
    let of = if Register::of(input) == Register::of(output) {
        "value".to_owned()
    } else {
        cast(input, dtype, "value")
    };
    Some(Pieces {
        name: Register::of(dtype).name().to_owned(),
        identity,
        of,
        merge: format!("return {merged};"),
        result: "a".to_owned(),
    })
}

fn truths(identity: &str, merged: &str, input: Dtype) -> Pieces {
    Pieces {
        name: "bool".to_owned(),
        identity: identity.to_owned(),
        of: truth(Register::of(input), "value"),
        merge: format!("return {merged};"),
        result: "a".to_owned(),
    }
}

/// The greatest element, and the sum of exponentials relative to it.
fn log_sum_exp(input: Dtype) -> Option<Pieces> {
    (Register::of(input) == Register::Float).then(|| Pieces {
        name: "vec2<f32>".to_owned(),
        identity: "vec2<f32>(negated(infinity()), 0.0)".to_owned(),
        of: "vec2<f32>(value, 1.0)".to_owned(),
        merge: "if (is_nan(a.x)) { return a; }\n\
                if (is_nan(b.x)) { return b; }\n\
                if (a.x >= b.x) {\n\
                if (is_infinite(a.x)) { return a; }\n\
                return vec2<f32>(a.x, a.y + b.y * exp_real(b.x - a.x)); }\n\
                if (is_infinite(b.x)) { return b; }\n\
                return vec2<f32>(b.x, b.y + a.y * exp_real(a.x - b.x));"
            .to_owned(),
        result: "select(a.x + log_real(a.y), a.x, is_nan(a.x) || is_infinite(a.x))".to_owned(),
    })
}

fn position(extreme: Extreme, input: Dtype) -> Option<Pieces> {
    let op = match extreme {
        Extreme::Max => Binary::Greater,
        Extreme::Min => Binary::Less,
    };
    let better = binary(op, input, "x", "y")?;
    let not_a_number = |x: &str| match Register::of(input) {
        Register::Float => format!("is_nan({x})"),
        Register::Double => format!("!({x} == {x})"),
        Register::Complex => format!("complex_is_nan({x})"),
        Register::Bool
        | Register::Uint
        | Register::Int
        | Register::WideUint
        | Register::WideInt => "false".to_owned(),
    };
    let merge = format!(
        "if (a.position == 0xffffffffu) {{ return b; }}\n\
         if (b.position == 0xffffffffu) {{ return a; }}\n\
         var x = b.value; var y = a.value;\n\
         var b_wins = {better} || ({nan_b} && !{nan_a});\n\
         x = a.value; y = b.value;\n\
         let a_wins = {better} || {nan_a};\n\
         if (!a_wins && !b_wins) {{ b_wins = b.position < a.position; }}\n\
         if ({nan_a} && {nan_b}) {{ b_wins = b.position < a.position; }}\n\
         if (b_wins) {{ return b; }}\n\
         return a;",
        nan_a = not_a_number("a.value"),
        nan_b = not_a_number("b.value"),
    );
    Some(Pieces {
        name: "Extremum".to_owned(),
        identity: format!("Extremum({}, 0xffffffffu)", Register::of(input).zero()),
        of: "Extremum(value, position)".to_owned(),
        merge,
        result: "a.position".to_owned(),
    })
}

/// What no element is less than.
fn lowest(dtype: Dtype) -> String {
    match dtype {
        Dtype::Bool => "false".to_owned(),
        Dtype::Uint8 | Dtype::Uint16 | Dtype::Uint32 | Dtype::Uint64 => Register::of(dtype).zero(),
        Dtype::Int8 => "i32(-128)".to_owned(),
        Dtype::Int16 => "i32(-32768)".to_owned(),
        Dtype::Int32 => "bitcast<i32>(0x80000000u)".to_owned(),
        Dtype::Int64 => "(i64(1) << 63u)".to_owned(),
        Dtype::Float16 | Dtype::Float32 | Dtype::Bfloat16 => "negated(infinity())".to_owned(),
        Dtype::Float64 => "f64(negated(infinity()))".to_owned(),
        Dtype::Complex64 => "vec2<f32>(negated(infinity()), negated(infinity()))".to_owned(),
    }
}

/// What no element is greater than.
fn highest(dtype: Dtype) -> String {
    match dtype {
        Dtype::Bool => "true".to_owned(),
        Dtype::Uint8 => "255u".to_owned(),
        Dtype::Uint16 => "65535u".to_owned(),
        Dtype::Uint32 => "0xffffffffu".to_owned(),
        Dtype::Uint64 => "~u64(0)".to_owned(),
        Dtype::Int8 => "i32(127)".to_owned(),
        Dtype::Int16 => "i32(32767)".to_owned(),
        Dtype::Int32 => "bitcast<i32>(0x7fffffffu)".to_owned(),
        Dtype::Int64 => "~(i64(1) << 63u)".to_owned(),
        Dtype::Float16 | Dtype::Float32 | Dtype::Bfloat16 => "infinity()".to_owned(),
        Dtype::Float64 => "f64(infinity())".to_owned(),
        Dtype::Complex64 => "vec2<f32>(infinity(), infinity())".to_owned(),
    }
}
