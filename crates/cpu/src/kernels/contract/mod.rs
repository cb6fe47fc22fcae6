//! Matrix products and convolutions.

mod complex;
mod convolution;
mod matmul;
mod product;
mod widen;

use half::{bf16, f16};
use mlx_oxide_ir::{ArrayType, Contract, Dtype, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(op: &Contract, inputs: &[&ArrayType]) -> bool {
    let dtype = inputs[0].dtype;
    match op {
        Contract::Matmul | Contract::Addmm { .. } => dtype.is_inexact(),
        Contract::GatherMatmul { .. } => dtype.is_floating(),
        Contract::Convolution(_) => dtype.is_inexact(),
    }
}

pub(crate) fn run(op: &Contract, call: &Call<'_>) -> Result<Results> {
    let dtype = call.inputs[0].dtype;
    match op {
        Contract::Matmul => product(call, dtype, None),
        Contract::Addmm { alpha, beta } => product(call, dtype, Some((alpha.get(), beta.get()))),
        Contract::Convolution(convolution) => convolution::run(convolution, call),
        Contract::GatherMatmul { .. } => match dtype {
            Dtype::Float32 => matmul::gather::<f32>(call),
            Dtype::Float64 => matmul::gather::<f64>(call),
            Dtype::Float16 => matmul::gather::<f16>(call),
            Dtype::Bfloat16 => matmul::gather::<bf16>(call),
            _ => Err(super::declined(call)),
        },
    }
}

fn product(call: &Call<'_>, dtype: Dtype, factors: Option<(f64, f64)>) -> Result<Results> {
    match dtype {
        Dtype::Complex64 => complex::run(call, factors),
        _ => matmul::run(call, dtype, factors),
    }
}
