//! The CPU backend: kernels by family, with SIMD chosen at run time.
//!
//! Inputs have been validated by inference; kernels trust shapes, dtypes and layouts, and check
//! nothing but the values of indices.

mod gemm;
mod kernels;
#[doc(hidden)]
pub mod simd;

use kernels::{
    arg_reduce, contract, fast, fft, fused, index, linalg, quantized, random, reduce, scan, sort,
    source, view,
};
use mlx_oxide_ir::{ArrayType, Op, Result};
use mlx_oxide_runtime::{Backend, Call, Device, DeviceType, InfoValue, Results, Stream, allocator};
use std::collections::BTreeMap;

/// The CPU backend.
pub struct Cpu;

/// Installs the CPU backend.
pub fn install() {
    mlx_oxide_runtime::backend::install(&Cpu);
}

impl Backend for Cpu {
    fn device_type(&self) -> DeviceType {
        DeviceType::Cpu
    }

    fn device_count(&self) -> usize {
        1
    }

    fn device_info(&self, _device: Device) -> BTreeMap<String, InfoValue> {
        BTreeMap::from([
            (
                "architecture".to_owned(),
                InfoValue::Text(std::env::consts::ARCH.to_owned()),
            ),
            (
                "memory_size".to_owned(),
                InfoValue::Number(allocator::total_memory() as u64),
            ),
            (
                "threads".to_owned(),
                InfoValue::Number(mlx_oxide_runtime::parallel::threads() as u64),
            ),
        ])
    }

    fn supports(&self, op: &Op, inputs: &[&ArrayType]) -> bool {
        match op {
            Op::Source(op) => source::supports(op),
            Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) | Op::Fused(_) => {
                fused::supports(op, inputs)
            }
            Op::View(op) => view::supports(op, inputs),
            Op::Index(op) => index::supports(op, inputs),
            Op::Reduce(op) => reduce::supports(op, inputs),
            Op::ArgReduce(op) => arg_reduce::supports(op, inputs),
            Op::Scan(op) => scan::supports(op, inputs),
            Op::Sort(op) => sort::supports(op, inputs),
            Op::Contract(op) => contract::supports(op, inputs),
            Op::Fft(op) => fft::supports(op, inputs),
            Op::Linalg(op) => linalg::supports(op, inputs),
            Op::Random(op) => random::supports(op, inputs),
            Op::Fast(op) => fast::supports(op, inputs),
            Op::Quantized(_) => true,
            Op::FusedReduce(op) => reduce::supports_program(op, inputs),
            Op::Custom(_) => false,
        }
    }

    fn run(&self, call: Call<'_>) -> Result<Results> {
        match call.op {
            Op::Source(op) => source::run(op, &call),
            Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) | Op::Fused(_) => {
                fused::run(&call)
            }
            Op::View(op) => view::run(op, &call),
            Op::Index(op) => index::run(op, &call),
            Op::Reduce(op) => reduce::run(op, &call),
            Op::ArgReduce(op) => arg_reduce::run(op, &call),
            Op::Scan(op) => scan::run(op, &call),
            Op::Sort(op) => sort::run(op, &call),
            Op::Contract(op) => contract::run(op, &call),
            Op::Fft(op) => fft::run(op, &call),
            Op::Linalg(op) => linalg::run(op, &call),
            Op::Random(op) => random::run(op, &call),
            Op::Fast(op) => fast::run(op, &call),
            Op::Quantized(op) => quantized::run(op, &call),
            Op::FusedReduce(op) => reduce::run_program(op, &call),
            Op::Custom(_) => Err(kernels::declined(&call)),
        }
    }

    fn synchronize(&self, _stream: Stream) -> Result<()> {
        Ok(()) // kernels have finished when `run` returns
    }
}
