//! Convolutions without gathered windows: the input is read where it is.
//!
//! Which loop fits depends on what lies side by side:
//!
//! | case | vectors hold | module |
//! | --- | --- | --- |
//! | in general | features of one place; rows are windows in the input | [`windows`] |
//! | few channels | features; lines with their padding, places at equal distances | [`strips`] |
//! | few features | terms of a window | [`windows`] |
//! | 3×3 taps of the last axes, many channels | features; 36 products a tile of 16 places | [`winograd`] |
//! | each channel alone, or groups with few features | features | [`depthwise`] |
//! | one channel, few features | places | [`line`] |
//! | the batch side by side, as in gradients of weights | features; rows are the batch | [`outer`] |
//!
//! Sizes and strides alone decide, so results do not depend on the number of threads.

mod channels;
mod complex;
mod depthwise;
mod geometry;
mod kernel;
mod line;
mod outer;
mod problem;
mod strips;
#[cfg(test)]
mod tests;
mod windows;
mod winograd;

use super::widen;
use crate::kernels::fused;
use crate::simd::Isa;
use geometry::{Axis, Geometry};
use kernel::Number;
use mlx_oxide_ir::{Convolution, Dtype, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored};
use problem::{Problem, Target, Tensor};
use smallvec::smallvec;

pub(super) fn run(convolution: &Convolution, call: &Call<'_>) -> Result<Results> {
    let isa = Isa::best();
    match call.inputs[0].dtype {
        Dtype::Float32 => real::<f32>(isa, convolution, call),
        Dtype::Float64 => real::<f64>(isa, convolution, call),
        Dtype::Complex64 => complex::run(isa, convolution, call),
        _ => widen::through_single(call, |wide| real::<f32>(isa, convolution, wide)),
    }
}

fn real<T: Number>(isa: Isa, convolution: &Convolution, call: &Call<'_>) -> Result<Results> {
    let output_type = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    let geometry = Geometry::new(convolution, call);
    if output_type.size() > 0 {
        let start = |operand: &Operand| -> Result<*const T> {
            Ok(operand.buffer.host_ptr()?.as_ptr().cast::<T>())
        };
        let (input, weight) = (&call.inputs[0], &call.inputs[1]);
        let mut problem = Problem {
            op: call.op.name(),
            isa,
            loops: T::loops(isa),
            geometry,
            input: Tensor::new(input, start(input)?),
            weight: Tensor::new(weight, start(weight)?),
            output: Target(buffer.host_ptr()?.as_ptr().cast()),
        };
        if convolution.flip {
            problem.flip();
        }
        let copy = || -> Result<(Buffer, Tensor<T>)> {
            let copy = fused::copied(call, input)?;
            Ok((copy.buffer.clone(), Tensor::new(&copy, start(&copy)?)))
        };
        // SAFETY: layouts were checked to fit their buffers, and the output is new
        unsafe { convolve(problem, copy) }?;
    }
    Ok(smallvec![Stored::contiguous(buffer, output_type)])
}

/// `copy` gives the input in row-major order.
///
/// # Safety
/// The problem's promises hold, and nobody else uses the output.
unsafe fn convolve<T: Number>(
    mut problem: Problem<T>,
    copy: impl FnOnce() -> Result<(Buffer, Tensor<T>)>,
) -> Result<()> {
    if let Some(axes) = problem.geometry.whole() {
        if outer::suits(&problem, &axes) {
            // SAFETY: by the caller's promise
            return unsafe { outer::run(&problem, axes) };
        }
        if line::suits(&problem, &axes) {
            // SAFETY: by the caller's promise
            return unsafe { line::run(&problem, axes) };
        }
    }
    let channels = problem.geometry.channels * problem.geometry.groups;
    let mut copied = None;
    if channels > 1 && problem.input.steps[4] != 1 {
        let (memory, tensor) = copy()?;
        problem.input = tensor;
        copied = Some(memory);
    }
    for axes in problem.geometry.parts() {
        // SAFETY: by the caller's promise; channels lie side by side
        unsafe { part(&problem, axes) }?;
    }
    drop(copied);
    Ok(())
}

/// Convolves one part without gaps.
///
/// # Safety
/// The problem's promises hold, channels lie side by side, and nobody else uses the output.
unsafe fn part<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Result<()> {
    // SAFETY: by the caller's promise
    unsafe {
        if depthwise::suits(problem) {
            return depthwise::run(problem, axes);
        }
        if winograd::suits(problem, &axes) && winograd::run(problem, axes)? {
            return Ok(());
        }
        if strips::suits(problem, &axes) {
            return strips::run(problem, axes);
        }
        windows::run(problem, axes)
    }
}
