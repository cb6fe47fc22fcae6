//! Views. Where the layout cannot show the result, the elements are copied once into row-major
//! order by the tile interpreter, which transposes through the cache.

use super::fused;
use mlx_oxide_ir::{ArrayType, Layout, Result, View};
use mlx_oxide_runtime::{Call, Results, Stored};
use smallvec::smallvec;

pub(crate) fn supports(_op: &View, _inputs: &[&ArrayType]) -> bool {
    true
}

pub(crate) fn run(op: &View, call: &Call<'_>) -> Result<Results> {
    let input = &call.inputs[0];
    let shown = match op {
        View::Reshape(shape) => input.layout.reshape(shape),
        View::Permute(axes) => Some(input.layout.permute(axes)),
        View::Broadcast(shape) => Some(input.layout.broadcast(shape)),
        View::Slice(ranges) => Some(input.layout.slice(ranges)),
        View::StopGradient => Some(input.layout.clone()),
        View::Contiguous => input.layout.is_contiguous().then(|| input.layout.clone()),
        View::Bitcast(dtype) if dtype.size() == input.dtype.size() => Some(input.layout.clone()),
        View::Bitcast(_) | View::AsStrided(_) => None,
    };
    let stored = match shown {
        Some(layout) => Stored {
            buffer: input.buffer.clone(),
            layout,
        },
        None => Stored {
            buffer: fused::copy(call, input)?,
            layout: copied(op, &call.outputs[0]),
        },
    };
    Ok(smallvec![stored])
}

/// Where the result lies in the row-major elements of the input.
fn copied(op: &View, output: &ArrayType) -> Layout {
    match op {
        View::AsStrided(target) => Layout {
            shape: target.shape.clone(),
            strides: target.strides.clone(),
            offset: target.offset,
        },
        View::Reshape(_)
        | View::Permute(_)
        | View::Broadcast(_)
        | View::Slice(_)
        | View::Bitcast(_)
        | View::StopGradient
        | View::Contiguous => Layout::contiguous(output.shape.clone()),
    }
}
