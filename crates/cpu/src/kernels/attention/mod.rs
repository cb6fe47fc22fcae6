//! Attention in one pass over the keys: blocks of scores live in the second cache and are never
//! all in memory, after Dao et al., "FlashAttention" (2022).

mod block;
mod few;
mod mask;
mod prepare;
mod softmax;
#[cfg(test)]
mod tests;

use crate::gemm::Element;
use crate::kernels::declined;
use block::Attention;
use half::{bf16, f16};
use mask::Mask;
use mlx_oxide_ir::{ArrayType, Dtype, Fast, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use smallvec::smallvec;

/// Queries of one task.
const QUERIES: usize = 64;
/// Keys whose scores are in memory at a time.
const KEYS: usize = 192;

pub(crate) fn supports(inputs: &[&ArrayType]) -> bool {
    matches!(
        inputs[0].dtype,
        Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16
    )
}

pub(crate) fn run(op: &Fast, call: &Call<'_>) -> Result<Results> {
    match call.inputs[0].dtype {
        Dtype::Float32 => attend::<f32>(op, call),
        Dtype::Float16 => attend::<f16>(op, call),
        Dtype::Bfloat16 => attend::<bf16>(op, call),
        _ => Err(declined(call)),
    }
}

fn attend<T: Element<Sum = f32>>(op: &Fast, call: &Call<'_>) -> Result<Results> {
    let Fast::Attention {
        scale,
        causal,
        masked,
        sinks,
    } = op
    else {
        return Err(declined(call));
    };
    let output_type = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    if output_type.size() == 0 {
        return Ok(smallvec![Stored::contiguous(buffer, output_type)]);
    }
    let mask = match masked {
        true => Some(Mask::new(&call.inputs[3])?),
        false => None,
    };
    let sinks = match sinks {
        true => elements::<T>(&call.inputs[call.inputs.len() - 1])?,
        false => Vec::new(),
    };
    let output = buffer.host_ptr()?.as_ptr().cast::<T>();
    let attention = Attention::<T>::new(call, scale.get() as f32, *causal, mask, sinks, output)?;
    if attention.are_few() {
        // SAFETY: the layouts of operands fit their buffers, the output has the inferred size
        unsafe { attention.few() };
        return Ok(smallvec![Stored::contiguous(buffer, output_type)]);
    }
    let prepared = attention.prepare(call.op.name())?;
    parallel::for_each(attention.tasks(), |task| {
        // SAFETY: the layouts of operands fit their buffers, the output has the inferred size,
        // and each task writes rows of its own
        unsafe { attention.block(&prepared, task) };
    });
    Ok(smallvec![Stored::contiguous(buffer, output_type)])
}

/// The few elements of an operand in order.
fn elements<T: Element>(operand: &Operand) -> Result<Vec<T::Sum>> {
    let start = operand.buffer.host_ptr()?.as_ptr().cast::<T>();
    Ok(operand
        .layout
        .places()
        // SAFETY: the layout was checked to fit its buffer
        .map(|place| unsafe { start.add(place).read() }.widen())
        .collect())
}
