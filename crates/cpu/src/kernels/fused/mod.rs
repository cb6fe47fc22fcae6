//! Elementwise operations and programs of them, by a tile interpreter.
//!
//! A program is lowered once a call ([`lower`]) to steps, each a compiled SIMD loop, and run tile
//! by tile ([`execute`]), a tile being small enough for the first cache; runs of simple steps become
//! one loop of machine code ([`machine`]). Inputs are read and
//! outputs written in place wherever their layout allows; the rest goes through registers of one
//! tile. Single operations on whole arrays skip all that ([`direct`]).

pub(super) mod complex;
mod direct;
mod execute;
mod join;
mod lane;
mod lower;
mod machine;
mod nest;
mod order;
pub(super) mod prologue;
mod rows;
pub(super) mod scratch;
mod turned;

#[cfg(test)]
mod tests;

pub(super) use lane::{Halves, is_half, widen};

use super::index::moves::{Grid, Place};
use crate::simd::Isa;
use lower::{Lowered, Program, lower, lower_copy};
use mlx_oxide_ir::layout::contiguous_strides;
use mlx_oxide_ir::{ArrayType, Dtype, Instruction, Layout, Op, Result, ScalarOp};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored};
use smallvec::{SmallVec, smallvec};
use std::ptr::NonNull;

/// Elementwise operations run here on every dtype of their domain.
pub(crate) fn supports(op: &Op, _inputs: &[&ArrayType]) -> bool {
    matches!(
        op,
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) | Op::Fused(_)
    )
}

pub(crate) fn run(call: &Call<'_>) -> Result<Results> {
    run_with(call, Isa::best())
}

/// Runs the call on an instruction set that the machine has.
pub(crate) fn run_with(call: &Call<'_>, isa: Isa) -> Result<Results> {
    order::run_in_order(call, |call| run_by_rows(call, isa))
}

fn run_by_rows(call: &Call<'_>, isa: Isa) -> Result<Results> {
    let scalar_op = match call.op {
        Op::Unary(op) => ScalarOp::Unary(*op),
        Op::Binary(op) => ScalarOp::Binary(*op),
        Op::Select => ScalarOp::Select,
        Op::Cast(_) => ScalarOp::Cast,
        Op::Fused(program) => {
            let program = Program {
                inputs: &program.inputs,
                instructions: &program.instructions,
                outputs: &program.outputs,
            };
            return interpret(call, program, isa);
        }
        Op::Source(_)
        | Op::View(_)
        | Op::Index(_)
        | Op::Reduce(_)
        | Op::ArgReduce(_)
        | Op::Scan(_)
        | Op::Sort(_)
        | Op::Contract(_)
        | Op::Fft(_)
        | Op::Linalg(_)
        | Op::Quantized(_)
        | Op::Random(_)
        | Op::Fast(_)
        | Op::FusedReduce(_)
        | Op::Custom(_) => return Err(super::declined(call)),
    };
    if let Some(results) = direct::run(call, scalar_op, isa)? {
        return Ok(results);
    }
    let inputs: SmallVec<[Dtype; 3]> = call.inputs.iter().map(|input| input.dtype).collect();
    let instruction = Instruction {
        op: scalar_op,
        operands: (0..inputs.len() as u32).collect(),
        dtype: call.outputs[0].dtype,
    };
    let program = Program {
        inputs: &inputs,
        instructions: std::slice::from_ref(&instruction),
        outputs: &[inputs.len() as u32],
    };
    interpret(call, program, isa)
}

/// Bytes of neighbours that are worth moving together.
const LONG: usize = 32;

/// An operand in row-major order: itself, or a copy.
pub(crate) fn contiguous(call: &Call<'_>, operand: &Operand) -> Result<Operand> {
    match operand.layout.is_contiguous() {
        true => Ok(operand.clone()),
        false => copied(call, operand),
    }
}

/// An operand in row-major order, in fresh memory.
pub(crate) fn copied(call: &Call<'_>, operand: &Operand) -> Result<Operand> {
    Ok(Operand {
        buffer: copy(call, operand)?,
        layout: Layout::contiguous(operand.layout.shape.clone()),
        ..operand.clone()
    })
}

/// The elements of an operand in row-major order, in fresh memory.
pub(crate) fn copy(call: &Call<'_>, operand: &Operand) -> Result<Buffer> {
    let output = operand.array_type();
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    if turned::copy(operand, &buffer, Isa::best())? {
        return Ok(buffer);
    }
    let (layout, width) = (&operand.layout, operand.dtype.size());
    let order = contiguous_strides(&layout.shape);
    let grid = Grid::new(&layout.shape, &order, &layout.strides);
    let (count, _, step) = grid.row();
    let simple = match step {
        1 => !grid.is_row(),
        _ => grid.is_read_in_order(),
    };
    if simple && count * width >= LONG {
        grid.copy(Place::new(&buffer, 0, width)?, Place::of(operand)?, width);
        return Ok(buffer);
    }
    let copying = Call {
        op: call.op,
        inputs: std::slice::from_ref(operand),
        outputs: std::slice::from_ref(&output),
        stream: call.stream,
    };
    let lowered = lower_copy(operand.dtype, Isa::best());
    execute::execute(&copying, &lowered, std::slice::from_ref(&buffer))?;
    Ok(buffer)
}

fn interpret(call: &Call<'_>, program: Program<'_>, isa: Isa) -> Result<Results> {
    let uniform = nest::uniform(call.inputs);
    let lowered = lower(program, &uniform, isa).ok_or_else(|| super::declined(call))?;
    let buffers = destinations(call, &lowered, call.outputs)?;
    execute::execute(call, &lowered, &buffers)?;
    let stored = buffers.into_iter().zip(call.outputs);
    Ok(stored
        .map(|(buffer, array_type)| Stored::contiguous(buffer, array_type))
        .collect())
}

/// Bytes of the memory that operands lie in; several may lie in the same.
fn bytes_read(inputs: &[Operand]) -> Result<usize> {
    let mut found: SmallVec<[NonNull<u8>; 4]> = SmallVec::new();
    let mut bytes = 0;
    for input in inputs {
        let start = input.buffer.host_ptr()?;
        if !found.contains(&start) {
            found.push(start);
            bytes += input.buffer.len();
        }
    }
    Ok(bytes)
}

/// Memory for a program's first outputs: of an input that may be taken over, else fresh.
fn destinations(
    call: &Call<'_>,
    lowered: &Lowered,
    outputs: &[ArrayType],
) -> Result<SmallVec<[Buffer; 1]>> {
    let mut donors: SmallVec<[bool; 4]> = smallvec![true; call.inputs.len()];
    let mut buffers: SmallVec<[Buffer; 1]> = SmallVec::new();
    for (output, array_type) in outputs.iter().enumerate() {
        let bytes = array_type.bytes();
        let donated = call.inputs.iter().enumerate().find_map(|(input, operand)| {
            let fits = donors[input]
                && operand.donatable
                && operand.dtype.size() == array_type.dtype.size()
                && lowered.last_read[input] <= lowered.written[output];
            let buffer = fits.then(|| operand.donate(bytes)).flatten()?;
            donors[input] = false;
            Some(buffer)
        });
        buffers.push(match donated {
            Some(buffer) => buffer,
            None => Buffer::allocate(call.op.name(), bytes)?,
        });
    }
    Ok(buffers)
}
