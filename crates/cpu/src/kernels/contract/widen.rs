//! 16-bit floats through single precision: accumulated there, rounded once.

use crate::kernels::fused;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Op, Result};
use mlx_oxide_runtime::{Call, Operand, Results};

/// Runs a kernel on operands converted to `float32` and converts its one result back.
pub(super) fn through_single(
    call: &Call<'_>,
    kernel: impl FnOnce(&Call<'_>) -> Result<Results>,
) -> Result<Results> {
    let widened = |operand: &Operand| converted(call, operand, Dtype::Float32);
    let inputs: Vec<Operand> = call.inputs.iter().map(widened).collect::<Result<_>>()?;
    let output = &call.outputs[0];
    let wide = ArrayType::new(output.shape.clone(), Dtype::Float32);
    let results = kernel(&Call {
        op: call.op,
        inputs: &inputs,
        outputs: std::slice::from_ref(&wide),
        stream: call.stream,
    })?;
    let result = Operand {
        buffer: results[0].buffer.clone(),
        layout: results[0].layout.clone(),
        dtype: Dtype::Float32,
        donatable: false,
    };
    convert(call, &result, output.dtype)
}

fn convert(call: &Call<'_>, operand: &Operand, dtype: Dtype) -> Result<Results> {
    let output = ArrayType::new(operand.layout.shape.clone(), dtype);
    fused::run(&Call {
        op: &Op::Cast(dtype),
        inputs: std::slice::from_ref(operand),
        outputs: std::slice::from_ref(&output),
        stream: call.stream,
    })
}

/// A converted copy whose axes lie in memory in the same order.
fn converted(call: &Call<'_>, operand: &Operand, dtype: Dtype) -> Result<Operand> {
    let layout = &operand.layout;
    let mut order: Vec<usize> = (0..layout.shape.ndim()).collect();
    order.sort_by_key(|axis| std::cmp::Reverse(layout.strides[*axis].unsigned_abs()));
    let mut places = vec![0; order.len()];
    for (place, axis) in order.iter().enumerate() {
        places[*axis] = place;
    }
    let sorted = Operand {
        layout: layout.permute(&order),
        donatable: false,
        ..operand.clone()
    };
    let results = convert(call, &sorted, dtype)?;
    Ok(Operand {
        buffer: results[0].buffer.clone(),
        layout: Layout::contiguous(sorted.layout.shape.clone()).permute(&places),
        dtype,
        donatable: false,
    })
}
