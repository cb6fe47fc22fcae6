//! Views: another layout of the same buffer where strides can say it, else a copy.

use super::elementwise;
use crate::dispatch::Context;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Result, View};
use mlx_oxide_runtime::{Call, Operand, Results, Stored};
use smallvec::smallvec;

pub(super) fn run(op: &View, call: &Call<'_>) -> Result<Results> {
    let operand = &call.inputs[0];
    let output = &call.outputs[0];
    let seen = match op {
        View::Reshape(shape) => operand.layout.reshape(shape),
        View::Permute(axes) => Some(operand.layout.permute(axes)),
        View::Broadcast(shape) => Some(operand.layout.broadcast(shape)),
        View::Slice(ranges) => Some(operand.layout.slice(ranges)),
        View::Bitcast(dtype) => bitcast(&operand.layout, operand.dtype, *dtype, output),
        View::AsStrided(target) => operand.layout.is_contiguous().then(|| Layout {
            shape: target.shape.clone(),
            strides: target.strides.clone(),
            offset: operand.layout.offset + target.offset,
        }),
        View::StopGradient => Some(operand.layout.clone()),
        View::Contiguous => operand
            .layout
            .is_contiguous()
            .then(|| operand.layout.clone()),
    };
    let stored = match seen {
        Some(layout) => Stored {
            buffer: operand.buffer.clone(),
            layout,
        },
        None => copied(op, operand, output)?,
    };
    Ok(smallvec![stored])
}

/// The bytes seen as another dtype, if the last axis allows it.
fn bitcast(layout: &Layout, old: Dtype, new: Dtype, output: &ArrayType) -> Option<Layout> {
    if old.size() == new.size() {
        return Some(layout.clone());
    }
    let bytes = layout.offset * old.size();
    let fits = layout.is_contiguous() && bytes.is_multiple_of(new.size());
    fits.then(|| Layout {
        offset: bytes / new.size(),
        ..Layout::contiguous(output.shape.clone())
    })
}

fn copied(op: &View, operand: &Operand, output: &ArrayType) -> Result<Stored> {
    let mut stored = elementwise::copy(Context::get()?, operand)?.stored();
    stored.layout = match op {
        View::AsStrided(target) => Layout {
            shape: target.shape.clone(),
            strides: target.strides.clone(),
            offset: target.offset,
        },
        View::Reshape(_)
        | View::Bitcast(_)
        | View::Contiguous
        | View::Permute(_)
        | View::Broadcast(_)
        | View::Slice(_)
        | View::StopGradient => Layout::contiguous(output.shape.clone()),
    };
    Ok(stored)
}
