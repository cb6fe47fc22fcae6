//! Complex convolutions as real ones: a channel is a real and an imaginary one, and the weight of
//! two features by two channels is the matrix `[[re, -im], [im, re]]`.

use crate::kernels::fused;
use crate::simd::Isa;
use mlx_oxide_ir::{ArrayType, Convolution, Dtype, Layout, Result, Shape};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored};
use num_complex::Complex32;
use smallvec::smallvec;

pub(super) fn run(isa: Isa, convolution: &Convolution, call: &Call<'_>) -> Result<Results> {
    let inputs = [
        parts(call, &call.inputs[0])?,
        weight(call, &call.inputs[1])?,
    ];
    let output = ArrayType::new(doubled(&call.outputs[0].shape), Dtype::Float32);
    let results = super::real::<f32>(
        isa,
        convolution,
        &Call {
            op: call.op,
            inputs: &inputs,
            outputs: std::slice::from_ref(&output),
            stream: call.stream,
        },
    )?;
    let buffer = results[0].buffer.clone();
    Ok(smallvec![Stored::contiguous(buffer, &call.outputs[0])])
}

/// A shape with twice as many channels.
fn doubled(shape: &Shape) -> Shape {
    let last = shape.ndim() - 1;
    shape.with(last, 2 * shape[last])
}

/// The input with real and imaginary parts as channels.
fn parts(call: &Call<'_>, operand: &Operand) -> Result<Operand> {
    let layout = &operand.layout;
    let last = layout.shape.ndim() - 1;
    if layout.shape[last] > 1 && layout.strides[last] != 1 {
        return parts(call, &fused::copied(call, operand)?);
    }
    let mut strides = layout.strides.clone();
    strides.iter_mut().for_each(|stride| *stride *= 2);
    strides[last] = 1;
    Ok(Operand {
        layout: Layout {
            shape: doubled(&layout.shape),
            strides,
            offset: 2 * layout.offset,
        },
        dtype: Dtype::Float32,
        donatable: false,
        ..operand.clone()
    })
}

/// The real weight, row-major.
fn weight(call: &Call<'_>, operand: &Operand) -> Result<Operand> {
    let shape = &operand.layout.shape;
    let channels = shape[shape.ndim() - 1].max(1);
    let row = operand.layout.size() / shape[0].max(1);
    let buffer = Buffer::allocate(call.op.name(), operand.layout.size() * 16)?;
    let from = operand.buffer.host_ptr()?.as_ptr().cast::<Complex32>();
    let to = buffer.host_ptr()?.as_ptr().cast::<f32>();
    for (index, place) in operand.layout.places().enumerate() {
        // SAFETY: the layout was checked to fit its buffer
        let value = unsafe { from.add(place).read() };
        let (feature, rest) = (index / row, index % row);
        let (tap, channel) = (rest / channels, rest % channels);
        let real = (2 * feature * row + tap * channels + channel) * 2;
        let imaginary = real + 2 * row;
        // SAFETY: the buffer has four numbers for each element
        unsafe {
            to.add(real).cast::<[f32; 2]>().write([value.re, -value.im]);
            to.add(imaginary)
                .cast::<[f32; 2]>()
                .write([value.im, value.re]);
        }
    }
    let shape = doubled(&shape.with(0, 2 * shape[0]));
    Ok(Operand {
        buffer,
        layout: Layout::contiguous(shape),
        dtype: Dtype::Float32,
        donatable: false,
    })
}
