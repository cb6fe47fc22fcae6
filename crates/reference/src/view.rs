//! Views: the elements stay where they are if a layout can say so, else they are copied.

use crate::elements::gather;
use mlx_oxide_ir::{ArrayType, AsStrided, Dtype, Layout, Result, View};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored};
use smallvec::smallvec;

pub(crate) fn run(view: &View, call: &Call<'_>) -> Result<Results> {
    let operand = &call.inputs[0];
    let output = &call.outputs[0];
    let layout = &operand.layout;
    let stored = match view {
        View::Reshape(shape) => match layout.reshape(shape) {
            Some(layout) => share(operand, layout),
            None => copy(operand, output)?,
        },
        View::Permute(axes) => share(operand, layout.permute(axes)),
        View::Broadcast(shape) => share(operand, layout.broadcast(shape)),
        View::Slice(ranges) => share(operand, layout.slice(ranges)),
        View::Bitcast(dtype) => bitcast(operand, *dtype, output)?,
        View::AsStrided(target) => as_strided(operand, target)?,
        View::StopGradient => share(operand, layout.clone()),
        View::Contiguous if layout.is_contiguous() => share(operand, layout.clone()),
        View::Contiguous => copy(operand, output)?,
    };
    Ok(smallvec![stored])
}

fn share(operand: &Operand, layout: Layout) -> Stored {
    Stored {
        buffer: operand.buffer.clone(),
        layout,
    }
}

/// The bytes of the elements in row-major order, as whatever the output says they are.
fn copy(operand: &Operand, output: &ArrayType) -> Result<Stored> {
    let buffer = Buffer::from_bytes("copy", &gather(operand)?)?;
    Ok(Stored::contiguous(buffer, output))
}

fn bitcast(operand: &Operand, dtype: Dtype, output: &ArrayType) -> Result<Stored> {
    let (old, new) = (operand.dtype.size(), dtype.size());
    if old == new {
        return Ok(share(operand, operand.layout.clone()));
    }
    let start = operand.layout.offset * old;
    if !operand.layout.is_contiguous() || !start.is_multiple_of(new) {
        return copy(operand, output);
    }
    let mut layout = Layout::contiguous(output.shape.clone());
    layout.offset = start / new;
    Ok(share(operand, layout))
}

/// Strides and offset count in the row-major elements of the operand.
fn as_strided(operand: &Operand, target: &AsStrided) -> Result<Stored> {
    let mut layout = Layout {
        shape: target.shape.clone(),
        strides: target.strides.clone(),
        offset: target.offset,
    };
    if operand.layout.is_contiguous() {
        layout.offset += operand.layout.offset;
        return Ok(share(operand, layout));
    }
    let buffer = Buffer::from_bytes("as_strided", &gather(operand)?)?;
    Ok(Stored { buffer, layout })
}
