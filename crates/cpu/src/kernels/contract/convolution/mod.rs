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
//! | gaps in the input, few features | taps and features, spread over the output | [`spread`] |
//! | single taps and patches side by side | a matrix product of the windows | [`patches`] |
//! | the batch side by side, as in gradients of weights | features; rows are the batch | [`outer`] |
//!
//! Where the processor multiplies pairs of `bf16`, windows, strips and dots of such elements are
//! computed on pairs of channels ([`pairs`]), or where their number is odd on pairs of a line's
//! neighbours ([`strips`]), gradients of weights on pairs of taps ([`neighbours`]), and channels
//! that are convolved alone are widened and rounded in registers.
//!
//! Sizes and strides alone decide, so results do not depend on the number of threads.

mod channels;
mod complex;
mod depthwise;
mod geometry;
mod kernel;
mod line;
mod neighbours;
mod order;
mod outer;
mod pairs;
mod patches;
mod problem;
mod spread;
mod strips;
mod table;
#[cfg(test)]
mod tests;
mod windows;
mod winograd;

use super::widen;
use crate::kernels::fused;
use crate::simd::Isa;
use geometry::Axis;
use kernel::Number;
use mlx_oxide_ir::{Convolution, Dtype, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored};
use problem::{Problem, Target, Tensor};
use smallvec::smallvec;

pub(super) fn run(convolution: &Convolution, call: &Call<'_>) -> Result<Results> {
    let isa = Isa::best();
    if !pairs::are_few(isa, call)
        && let Some(results) = patches::run(convolution, call)?
    {
        return Ok(results);
    }
    match call.inputs[0].dtype {
        Dtype::Float32 => real::<f32>(isa, convolution, call),
        Dtype::Float64 => real::<f64>(isa, convolution, call),
        Dtype::Complex64 => complex::run(isa, convolution, call),
        Dtype::Bfloat16 => match brain(isa, convolution, call)? {
            Some(results) => Ok(results),
            None => through_single(isa, convolution, call),
        },
        _ => through_single(isa, convolution, call),
    }
}

/// The convolution of `bf16` elements as they are, if this machine computes it on those.
fn brain(isa: Isa, convolution: &Convolution, call: &Call<'_>) -> Result<Option<Results>> {
    for run in [strips::brain, pairs::run, depthwise::brain, neighbours::run] {
        if let Some(results) = run(isa, convolution, call)? {
            return Ok(Some(results));
        }
    }
    Ok(None)
}

fn through_single(isa: Isa, convolution: &Convolution, call: &Call<'_>) -> Result<Results> {
    widen::through_single(call, |wide| real::<f32>(isa, convolution, wide))
}

fn real<T: Number>(isa: Isa, convolution: &Convolution, call: &Call<'_>) -> Result<Results> {
    let output_type = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    if output_type.size() > 0 {
        let problem = Problem {
            output: Target(buffer.host_ptr()?.as_ptr().cast()),
            ..Problem::new(isa, T::loops(isa), convolution, call)?
        };
        let copy = || -> Result<(Buffer, Tensor<T>)> {
            let copy = fused::copied(call, &call.inputs[0])?;
            let tensor = Tensor::new(&copy)?;
            Ok((copy.buffer, tensor))
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
    if outer::suit_all(&problem) {
        for axes in problem.geometry.parts() {
            // SAFETY: by the caller's promise
            unsafe { outer::run(&problem, axes) }?;
        }
        return Ok(());
    }
    if let Some(axes) = problem.geometry.whole()
        && line::suits(&problem, &axes)
    {
        // SAFETY: by the caller's promise
        return unsafe { line::run(&problem, axes) };
    }
    let channels = problem.geometry.channels * problem.geometry.groups;
    let mut copied = None;
    if channels > 1 && problem.input.steps[4] != 1 {
        let (memory, tensor) = copy()?;
        problem.input = tensor;
        copied = Some(memory);
    }
    if spread::suits(&problem) {
        // SAFETY: by the caller's promise; channels lie side by side
        return unsafe { spread::run(&problem) };
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
        if depthwise::suits(&problem.geometry, &problem.loops.alone) {
            return depthwise::run(&problem.alone(), axes);
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
