//! Packed matrices and numbers of eight bits.

mod convert;
mod lanes;
mod multiples;
mod operand;
mod panels;
mod product;
mod rows;
#[cfg(test)]
mod tests;

use mlx_oxide_ir::{Quantized, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn run(op: &Quantized, call: &Call<'_>) -> Result<Results> {
    match op {
        Quantized::Quantize { packing, .. } => convert::quantize(*packing, call),
        Quantized::Dequantize { packing, .. } => convert::dequantize(*packing, call),
        Quantized::Requantize { packing, .. } => convert::requantize(*packing, call),
        Quantized::Matmul { packing, transpose } => product::matmul(*packing, *transpose, call),
        Quantized::GatherMatmul {
            packing, transpose, ..
        } => product::gather_matmul(*packing, *transpose, call),
        Quantized::ToFp8 => convert::to_fp8(call),
        Quantized::FromFp8 { .. } => convert::from_fp8(call),
    }
}
