//! Gradients of weights of `bf16` on processors that multiply pairs of them.
//!
//! Where the batch lies side by side, so do no two terms of a sum. So the input is copied as pairs
//! of what neighbouring taps meet, for every place, with its padding, and the weight as pairs of
//! neighbouring taps; then sums of outer products ([`outer`]) take half as many terms.

use super::geometry::{Axis, Geometry};
use super::kernel;
use super::outer;
use super::problem::{Problem, Target, Tensor};
use crate::simd::Isa;
use half::bf16;
use mlx_oxide_ir::{Convolution, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;

/// Elements of the batch from which each place fills rows of its own.
const MANY: usize = 8;
/// Pairs that one task copies.
const GRAIN: usize = 16 << 10;

/// The convolution, if pairs of neighbouring taps are the way.
pub(super) fn run(isa: Isa, convolution: &Convolution, call: &Call<'_>) -> Result<Option<Results>> {
    let Some(loops) = kernel::pairs(isa) else {
        return Ok(None);
    };
    let output_type = &call.outputs[0];
    let source = Problem::<bf16, _>::new(isa, loops, convolution, call)?;
    let Some(axes) = source.geometry.whole().filter(|axes| suits(&source, axes)) else {
        return Ok(None);
    };
    let pairs = Pairs::new(&source, axes);
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    // SAFETY: layouts were checked to fit their buffers
    let ((_input, input), (_weight, weight)) = unsafe { (pairs.input()?, pairs.weight()?) };
    let problem = Problem {
        op: source.op,
        isa,
        loops,
        geometry: source.geometry.clone(),
        input,
        weight,
        output: Target(std::ptr::null_mut()),
        rounded: Some(Target(buffer.host_ptr()?.as_ptr().cast())),
    };
    // SAFETY: the copies have what the axis of pairs reaches, and the output is new
    unsafe { outer::run(&problem, [axes[0], axes[1], pairs.axis()]) }?;
    Ok(Some(smallvec![Stored::contiguous(buffer, output_type)]))
}

/// Whether sums of outer products are the way, with whole pairs and rows.
fn suits<L>(problem: &Problem<bf16, L>, axes: &[Axis; 3]) -> bool {
    let geometry = &problem.geometry;
    let is_empty = geometry.features * geometry.output.iter().product::<usize>() == 0;
    geometry.groups == 1
        && geometry.batch >= MANY
        && problem.input.steps[0] == 1
        && axes[2].taps.is_multiple_of(2)
        && axes[2].tap_step == 1
        && !is_empty
        && outer::suits(problem, axes)
}

/// A convolution whose operands become pairs.
struct Pairs<'a, L: 'static> {
    source: &'a Problem<bf16, L>,
    geometry: &'a Geometry,
    axes: [Axis; 3],
    /// Pairs of a line of the input.
    width: usize,
}

impl<'a, L: Sync> Pairs<'a, L> {
    fn new(source: &'a Problem<bf16, L>, axes: [Axis; 3]) -> Self {
        let last = axes[2].taps - 2;
        Pairs {
            source,
            geometry: &source.geometry,
            axes,
            width: (axes[2].places - 1) * axes[2].stride + last * axes[2].dilation + 1,
        }
    }

    /// The last axis, whose taps are pairs.
    fn axis(&self) -> Axis {
        let axis = self.axes[2];
        Axis {
            size: self.width,
            taps: axis.taps / 2,
            first_tap: 0,
            dilation: 2 * axis.dilation,
            low: 0,
            ..axis
        }
    }

    /// For each channel, line and place the pairs of what two neighbouring taps meet there, zero in
    /// the padding.
    ///
    /// # Safety
    /// The problem's promises hold.
    unsafe fn input(&self) -> Result<(Buffer, Tensor<f32>)> {
        let (batch, channels) = (self.geometry.batch, self.geometry.channels);
        let (depth, height) = (self.axes[0].size, self.axes[1].size);
        let line = self.width * batch;
        let lines = channels * depth * height;
        let memory = Buffer::allocate(self.source.op, lines * line * size_of::<f32>())?;
        let to = Target(memory.host_ptr()?.as_ptr().cast::<[bf16; 2]>());
        let zeros = vec![bf16::ZERO; batch];
        parallel::for_each_range(lines, (GRAIN / line).max(1), |first, end| {
            for index in first..end {
                let (y, rest) = (index % height, index / height);
                let (z, channel) = (rest % depth, rest / depth);
                let row = |x: usize, tap: usize| {
                    let x = (x + tap * self.axes[2].dilation) as isize - self.axes[2].low;
                    let place = [0, z as isize, y as isize, x, channel as isize];
                    match (0..self.axes[2].size as isize).contains(&x) {
                        true => self.source.input.place(place),
                        false => zeros.as_ptr(),
                    }
                };
                for x in 0..self.width {
                    let to = to.at(index * line + x * batch);
                    // SAFETY: by the caller's promise; rows have the batch side by side
                    unsafe { interleave([row(x, 0), row(x, 1)], 1, batch, to) };
                }
            }
        });
        let steps = [1, height * line, line, batch, depth * height * line];
        let tensor = Tensor {
            start: memory.host_ptr()?.as_ptr().cast::<f32>().cast_const(),
            steps: steps.map(|step| step as isize),
        };
        Ok((memory, tensor))
    }

    /// For each channel and tap of the first axes the pairs of neighbouring taps of the last one.
    ///
    /// # Safety
    /// As for [`Pairs::input`].
    unsafe fn weight(&self) -> Result<(Buffer, Tensor<f32>)> {
        let (channels, features) = (self.geometry.channels, self.geometry.features);
        let [depth, height, _] = self.geometry.kernel;
        let taps = self.axes[2].taps / 2;
        let line = taps * features;
        let lines = channels * depth * height;
        let memory = Buffer::allocate(self.source.op, lines * line * size_of::<f32>())?;
        let to = Target(memory.host_ptr()?.as_ptr().cast::<[bf16; 2]>());
        let weight = &self.source.weight;
        parallel::for_each_range(lines, (GRAIN / line).max(1), |first, end| {
            for index in first..end {
                let (y, rest) = (index % height, index / height);
                let (z, channel) = (rest % depth, rest / depth);
                let row = |tap: usize| {
                    let x = self.axes[2].first_tap + tap;
                    weight.place([0, z, y, x, channel].map(|index| index as isize))
                };
                for tap in 0..taps {
                    let to = to.at(index * line + tap * features);
                    let rows = [row(2 * tap), row(2 * tap + 1)];
                    // SAFETY: by the caller's promise
                    unsafe { interleave(rows, weight.steps[0], features, to) };
                }
            }
        });
        let steps = [1, height * line, line, features, depth * height * line];
        let tensor = Tensor {
            start: memory.host_ptr()?.as_ptr().cast::<f32>().cast_const(),
            steps: steps.map(|step| step as isize),
        };
        Ok((memory, tensor))
    }
}

/// Pairs of the elements of two rows.
///
/// # Safety
/// Both rows have so many elements so far apart, and there is room for the pairs.
unsafe fn interleave(rows: [*const bf16; 2], step: isize, count: usize, to: *mut [bf16; 2]) {
    if step == 1 {
        for index in 0..count {
            // SAFETY: by the caller's promise
            unsafe { to.add(index).write(rows.map(|row| row.add(index).read())) };
        }
        return;
    }
    for index in 0..count {
        let place = index as isize * step;
        // SAFETY: by the caller's promise
        unsafe {
            to.add(index)
                .write(rows.map(|row| row.offset(place).read()))
        };
    }
}
