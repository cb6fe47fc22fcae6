//! The reference backend: every operation on every dtype, one element after the other.
//!
//! This is the executable specification. Elements are computed in a type wider than their own
//! (`f64`, `i128`, a pair of `f64`) and rounded once; nothing is tuned. Other backends are tested
//! against it, and what they decline can run here.
#![forbid(unsafe_code)]

mod binary;
mod complex;
mod contract;
mod convolution;
mod elements;
mod elementwise;
mod fast;
mod fft;
mod index;
mod linalg;
mod quantized;
mod random;
mod reduce;
mod scan;
mod scatter;
mod sort;
mod source;
mod special;
mod unary;
mod value;
mod view;

use mlx_oxide_ir::{ArrayType, Custom, Error, Fast, Op, ReducedProgram, Result};
use mlx_oxide_runtime::{
    Backend, Call, Device, DeviceType, InfoValue, Operand, Results, Stored, Stream,
};
use std::collections::BTreeMap;

/// The reference backend; it runs on the processor.
pub struct Reference;

/// Installs the reference backend.
pub fn install() {
    mlx_oxide_runtime::backend::install(&Reference);
}

impl Backend for Reference {
    fn device_type(&self) -> DeviceType {
        DeviceType::Cpu
    }

    fn device_count(&self) -> usize {
        1
    }

    fn device_info(&self, _device: Device) -> BTreeMap<String, InfoValue> {
        BTreeMap::from([(
            "architecture".to_owned(),
            InfoValue::Text("reference".to_owned()),
        )])
    }

    fn supports(&self, op: &Op, inputs: &[&ArrayType]) -> bool {
        match op {
            Op::Source(_)
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Select
            | Op::Cast(_)
            | Op::View(_)
            | Op::Index(_)
            | Op::Reduce(_)
            | Op::ArgReduce(_)
            | Op::Scan(_)
            | Op::Sort(_)
            | Op::Contract(_)
            | Op::Fft(_)
            | Op::Linalg(_)
            | Op::Random(_)
            | Op::Quantized(_)
            | Op::Fused(_)
            | Op::FusedReduce(_) => true,
            Op::Fast(fast) => is_defined(fast, inputs),
            Op::Custom(custom) => is_identity(custom, inputs),
        }
    }

    fn run(&self, call: Call<'_>) -> Result<Results> {
        match call.op {
            Op::Source(op) => source::run(op, &call),
            Op::Unary(op) => elementwise::unary(*op, &call),
            Op::Binary(op) => elementwise::binary(*op, &call),
            Op::Select => elementwise::select(&call),
            Op::Cast(dtype) => elementwise::cast(*dtype, &call),
            Op::Fused(program) => elementwise::fused(program, &call),
            Op::FusedReduce(reduced) => reduced_program(reduced, &call),
            Op::View(op) => view::run(op, &call),
            Op::Index(op) => index::run(op, &call),
            Op::Reduce(op) => reduce::reduce(op, &call),
            Op::ArgReduce(op) => reduce::arg_reduce(op, &call),
            Op::Scan(op) => scan::run(op, &call),
            Op::Sort(op) => sort::run(op, &call),
            Op::Contract(op) => contract::run(op, &call),
            Op::Fft(op) => fft::run(op, &call),
            Op::Linalg(op) => linalg::run(op, &call),
            Op::Random(op) => random::run(op, &call),
            Op::Fast(op) => fast::run(op, &call),
            Op::Quantized(op) => quantized::run(op, &call),
            Op::Custom(op) => custom(op, &call),
        }
    }

    fn synchronize(&self, _stream: Stream) -> Result<()> {
        Ok(()) // everything has finished when `run` returns
    }
}

/// Normalisation, rotation and attention are defined on real numbers; the softmax on all.
fn is_defined(fast: &Fast, inputs: &[&ArrayType]) -> bool {
    match fast {
        Fast::Softmax { .. } => true,
        Fast::RmsNorm { .. }
        | Fast::LayerNorm { .. }
        | Fast::Rope { .. }
        | Fast::Attention { .. }
        | Fast::NormGradient { .. }
        | Fast::Recurrent { .. } => inputs.iter().all(|input| !input.dtype.is_complex()),
    }
}

/// Whether the outputs can be the last inputs: a caller's operation that has rules of its own
/// but computes nothing.
fn is_identity(custom: &Custom, inputs: &[&ArrayType]) -> bool {
    let Some(first) = inputs.len().checked_sub(custom.outputs.len()) else {
        return false;
    };
    inputs[first..]
        .iter()
        .zip(&custom.outputs)
        .all(|(input, output)| *input == output)
}

/// The program with the value among its outputs, then the reduction of that.
fn reduced_program(reduced: &ReducedProgram, call: &Call<'_>) -> Result<Results> {
    let mut program = reduced.program.clone();
    program.outputs.push(reduced.value);
    let shape = &call.inputs[0].layout.shape;
    let types: Vec<ArrayType> = program
        .outputs
        .iter()
        .map(|output| ArrayType::new(shape.clone(), program.dtype(*output)))
        .collect();
    let making = Call {
        outputs: &types,
        ..*call
    };
    let mut results = elementwise::fused(&program, &making)?;
    let Some(stored) = results.pop() else {
        return Ok(results);
    };
    let dtype = program.dtype(reduced.value);
    let value = Operand {
        buffer: stored.buffer,
        layout: stored.layout,
        dtype,
        donatable: false,
    };
    let reduction = Call {
        inputs: std::slice::from_ref(&value),
        outputs: &call.outputs[program.outputs.len() - 1..],
        ..*call
    };
    results.extend(reduce::reduce(&reduced.reduce, &reduction)?);
    Ok(results)
}

fn custom(custom: &Custom, call: &Call<'_>) -> Result<Results> {
    let types: Vec<ArrayType> = call.inputs.iter().map(|input| input.array_type()).collect();
    if !is_identity(custom, &types.iter().collect::<Vec<_>>()) {
        return Err(Error::Internal {
            op: "custom",
            detail: format!("the operation {} is no identity", custom.name),
        });
    }
    let first = call.inputs.len() - custom.outputs.len();
    Ok(call.inputs[first..]
        .iter()
        .map(|input| Stored {
            buffer: input.buffer.clone(),
            layout: input.layout.clone(),
        })
        .collect())
}
