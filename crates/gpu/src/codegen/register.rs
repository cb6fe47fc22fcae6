//! The types that kernels compute in.

use mlx_oxide_ir::Dtype;

/// A type of WGSL values. Narrow dtypes are computed in the 32-bit type of their kind and
/// rounded after every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Register {
    Bool,
    Uint,
    Int,
    Float,
    WideUint,
    WideInt,
    Double,
    Complex,
}

impl Register {
    /// The register of a dtype.
    pub(crate) fn of(dtype: Dtype) -> Self {
        match dtype {
            Dtype::Bool => Register::Bool,
            Dtype::Uint8 | Dtype::Uint16 | Dtype::Uint32 => Register::Uint,
            Dtype::Int8 | Dtype::Int16 | Dtype::Int32 => Register::Int,
            Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float32 => Register::Float,
            Dtype::Uint64 => Register::WideUint,
            Dtype::Int64 => Register::WideInt,
            Dtype::Float64 => Register::Double,
            Dtype::Complex64 => Register::Complex,
        }
    }

    /// Its name in WGSL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Register::Bool => "bool",
            Register::Uint => "u32",
            Register::Int => "i32",
            Register::Float => "f32",
            Register::WideUint => "u64",
            Register::WideInt => "i64",
            Register::Double => "f64",
            Register::Complex => "vec2<f32>",
        }
    }

    /// Zero, or false.
    pub(crate) fn zero(self) -> String {
        format!("{}()", self.name())
    }

    /// One, or true.
    pub(crate) fn one(self) -> String {
        match self {
            Register::Bool => "true".to_owned(),
            Register::Complex => "vec2<f32>(1.0, 0.0)".to_owned(),
            Register::Float | Register::Double => format!("{}(1.0)", self.name()),
            Register::Uint | Register::Int | Register::WideUint | Register::WideInt => {
                format!("{}(1)", self.name())
            }
        }
    }
}

/// A dtype of the same width that every device moves without looking at the bits.
pub(crate) fn raw(dtype: Dtype) -> Dtype {
    match dtype {
        Dtype::Bool | Dtype::Uint8 | Dtype::Int8 => Dtype::Uint8,
        Dtype::Uint16 | Dtype::Int16 | Dtype::Float16 | Dtype::Bfloat16 => Dtype::Uint16,
        Dtype::Uint32 | Dtype::Int32 | Dtype::Float32 => Dtype::Uint32,
        Dtype::Uint64 | Dtype::Int64 | Dtype::Float64 | Dtype::Complex64 => Dtype::Complex64,
    }
}
