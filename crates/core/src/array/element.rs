//! Rust types that array elements are.

use half::{bf16, f16};
use mlx_oxide_ir::Dtype;
use num_complex::Complex32;

/// A Rust type with the representation of a [`Dtype`].
pub trait Element:
    bytemuck::CheckedBitPattern + bytemuck::NoUninit + Send + Sync + std::fmt::Debug
{
    /// The dtype.
    const DTYPE: Dtype;
}

macro_rules! elements {
    ($($element:ty => $dtype:ident),*) => {
        $(impl Element for $element { const DTYPE: Dtype = Dtype::$dtype; })*
    };
}

elements! {
    bool => Bool, u8 => Uint8, u16 => Uint16, u32 => Uint32, u64 => Uint64,
    i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
    f16 => Float16, bf16 => Bfloat16, f32 => Float32, f64 => Float64, Complex32 => Complex64
}
