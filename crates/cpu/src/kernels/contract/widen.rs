//! 16-bit floats through single precision: accumulated there, rounded once.

use half::{bf16, f16};
use mlx_oxide_ir::{ArrayType, Dtype, Error, Layout, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use smallvec::smallvec;

/// Elements that a thread converts at a time.
const GRAIN: usize = 64 << 10;

/// Runs a kernel on operands converted to `float32` and converts its one result back.
pub(super) fn through_single(
    call: &Call<'_>,
    kernel: impl FnOnce(&Call<'_>) -> Result<Results>,
) -> Result<Results> {
    let inputs: Vec<Operand> = call.inputs.iter().map(widened).collect::<Result<_>>()?;
    let output = &call.outputs[0];
    let wide = ArrayType::new(output.shape.clone(), Dtype::Float32);
    let results = kernel(&Call {
        op: call.op,
        inputs: &inputs,
        outputs: std::slice::from_ref(&wide),
        stream: call.stream,
    })?;
    let narrow = Buffer::allocate(call.op.name(), output.bytes())?;
    let source = results[0].buffer.host_ptr()?.as_ptr() as usize;
    let target = narrow.host_ptr()?.as_ptr() as usize;
    let dtype = output.dtype;
    parallel::for_each_range(output.size(), GRAIN, |start, end| {
        for index in start..end {
            // SAFETY: both buffers have `size` elements; ranges of different tasks do not overlap
            unsafe {
                let value = *(source as *const f32).add(index);
                *(target as *mut u16).add(index) = narrowed(value, dtype);
            }
        }
    });
    Ok(smallvec![Stored::contiguous(narrow, output)])
}

fn narrowed(value: f32, dtype: Dtype) -> u16 {
    match dtype {
        Dtype::Float16 => f16::from_f32(value).to_bits(),
        _ => bf16::from_f32(value).to_bits(),
    }
}

/// A contiguous copy in `float32`.
fn widened(operand: &Operand) -> Result<Operand> {
    let size = operand.layout.size();
    let buffer = Buffer::allocate("matmul", size * 4)?;
    let bytes = operand.buffer.host_bytes()?;
    let target = buffer.host_ptr()?.as_ptr().cast::<f32>();
    let read = |place: usize| -> Result<u16> {
        let bytes = bytes
            .get(place * 2..place * 2 + 2)
            .ok_or_else(|| Error::Internal {
                op: "matmul",
                detail: "an element outside its buffer".to_owned(),
            })?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    };
    for (index, place) in operand.layout.places().enumerate() {
        let bits = read(place)?;
        let value = match operand.dtype {
            Dtype::Float16 => f16::from_bits(bits).to_f32(),
            _ => bf16::from_bits(bits).to_f32(),
        };
        // SAFETY: the buffer has `size` elements, and `index` counts up to it
        unsafe { target.add(index).write(value) };
    }
    Ok(Operand {
        buffer,
        layout: Layout::contiguous(operand.layout.shape.clone()),
        dtype: Dtype::Float32,
        donatable: false,
    })
}
