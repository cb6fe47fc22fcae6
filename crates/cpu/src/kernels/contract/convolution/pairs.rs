//! Convolutions of `bf16` on processors that multiply pairs of them.
//!
//! Two neighbouring channels are one element of four bytes, as which loops read them where they
//! are; an odd number of channels gets one more, of zeros, in a copy. Sums are `float32`, and each
//! task rounds its own.

use super::geometry::Axis;
use super::kernel::{self, Number};
use super::problem::{Problem, Target};
use super::{depthwise, line, outer, part, spread, winograd};
use crate::gemm::vector::pad_rows;
use crate::kernels::fused;
use crate::simd::Isa;
use half::bf16;
use mlx_oxide_ir::{Convolution, Dtype, Layout, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use smallvec::smallvec;

/// Channels from which tiles of three axes are faster.
const MANY: usize = 32;
/// Most terms of single places that matrix products would take longer to pack than they save.
const FEW_TERMS: usize = 128;
/// Features up to which products that are spread are faster.
const FEW_FEATURES: usize = 4;
/// Rows that one task copies.
const GRAIN: usize = 4 << 10;

/// The convolution, if pairs are the way.
pub(super) fn run(isa: Isa, convolution: &Convolution, call: &Call<'_>) -> Result<Option<Results>> {
    let Some(loops) = kernel::pairs(isa) else {
        return Ok(None);
    };
    let output_type = &call.outputs[0];
    let wide = Problem::new(isa, f32::loops(isa), convolution, call)?;
    if output_type.size() == 0 || !suits(&wide) {
        return Ok(None);
    }
    let channels = wide.geometry.channels;
    let inputs = [
        paired(call, &call.inputs[0], channels)?,
        paired(call, &call.inputs[1], channels)?,
    ];
    let pairs = Call {
        inputs: &inputs,
        ..*call
    };
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    let problem = Problem {
        rounded: Some(Target(buffer.host_ptr()?.as_ptr().cast())),
        ..Problem::new(isa, loops, convolution, &pairs)?
    };
    for axes in problem.geometry.parts() {
        // SAFETY: layouts were checked to fit their buffers, the output is new, and channels lie
        // side by side
        unsafe { part(&problem, axes) }?;
    }
    Ok(Some(smallvec![Stored::contiguous(buffer, output_type)]))
}

/// Whether single places have so few terms that they are better multiplied where they are than
/// packed for a matrix product (measured: 4 of 56×56 places and 64 channels to 256 features take
/// 0.50 ms instead of 0.63).
pub(super) fn are_few(isa: Isa, call: &Call<'_>) -> bool {
    let weight = &call.inputs[1].layout.shape;
    let (channels, spatial) = (weight[weight.ndim() - 1], weight.ndim() - 2);
    call.inputs[0].dtype == Dtype::Bfloat16
        && kernel::pairs(isa).is_some()
        && weight[1..=spatial].iter().all(|taps| *taps == 1)
        && channels.is_multiple_of(2)
        && channels <= FEW_TERMS
        && call.inputs[0].layout.strides.last() == Some(&1)
}

/// Whether the loops that there are for pairs are the fastest for the convolution, which is given
/// as if elements were `float32`. Tiles of those are faster only where they save products along the
/// first axis too (measured: 2 images of 16×28×28 places and 32 channels with 3×3×3 taps take
/// 1.2 ms instead of 1.5, and 4 of 56×56 places and 64 channels with 3×3 taps 1.1 instead of 1.0).
fn suits(problem: &Problem<f32>) -> bool {
    let geometry = &problem.geometry;
    let is_line = |axes| line::suits(problem, &axes);
    let is_spread = geometry.features <= FEW_FEATURES && spread::suits(problem);
    let tiles = |axes: [Axis; 3]| {
        axes[0].taps > 1 && geometry.channels >= MANY && winograd::suits(problem, &axes)
    };
    geometry.channels > 1
        && !outer::suit_all(problem)
        && !geometry.whole().is_some_and(is_line)
        && !is_spread
        && !depthwise::suits(&problem.geometry, &problem.loops.alone)
        && !geometry.parts().any(tiles)
}

/// An operand as pairs of the channels of a group, which lie side by side.
fn paired(call: &Call<'_>, operand: &Operand, channels: usize) -> Result<Operand> {
    let layout = &operand.layout;
    let last = layout.shape.ndim() - 1;
    let steps = layout.shape.iter().zip(&layout.strides).take(last);
    let are_pairs = channels.is_multiple_of(2)
        && layout.strides[last] == 1
        && layout.offset.is_multiple_of(2)
        && steps
            .into_iter()
            .all(|(size, step)| *size == 1 || step % 2 == 0)
        && operand.buffer.host_ptr()?.cast::<f32>().is_aligned();
    let whole = match are_pairs {
        true => operand.clone(),
        false => padded(call, operand, channels)?,
    };
    let mut layout = Layout {
        shape: whole.layout.shape.with(last, whole.layout.shape[last] / 2),
        strides: whole.layout.strides.clone(),
        offset: whole.layout.offset / 2,
    };
    layout.strides[..last]
        .iter_mut()
        .for_each(|step| *step /= 2);
    Ok(Operand {
        layout,
        dtype: Dtype::Float32,
        donatable: false,
        ..whole
    })
}

/// A row-major copy whose groups have an even number of channels.
fn padded(call: &Call<'_>, operand: &Operand, channels: usize) -> Result<Operand> {
    if channels.is_multiple_of(2) {
        return fused::copied(call, operand);
    }
    let operand = fused::contiguous(call, operand)?;
    let shape = &operand.layout.shape;
    let (last, rows) = (shape.ndim() - 1, operand.layout.size() / channels);
    let from = operand.buffer.host_ptr()?.as_ptr().cast::<bf16>();
    let from = Target(from.wrapping_add(operand.layout.offset));
    let bytes = rows * (channels + 1) * size_of::<bf16>();
    let buffer = Buffer::allocate(call.op.name(), bytes)?;
    let to = Target(buffer.host_ptr()?.as_ptr().cast::<bf16>());
    parallel::for_each_range(rows, GRAIN, |start, end| {
        let (from, to) = (from.at(start * channels), to.at(start * (channels + 1)));
        // SAFETY: both have the rows, which the layout was checked to fit in its buffer
        unsafe { pad_rows(from, channels, end - start, to) };
    });
    let width = shape[last] / channels * (channels + 1);
    Ok(Operand {
        buffer,
        layout: Layout::contiguous(shape.with(last, width)),
        ..operand.clone()
    })
}
