//! Gradients of weights of `bf16` on processors that multiply pairs of them.
//!
//! Where the batch lies side by side, so do no two terms of a sum. So the input is copied as pairs
//! of what neighbouring taps meet, for every place, with its padding, and the weight as pairs of
//! neighbouring taps; then sums of outer products ([`outer`]) take half as many terms.
//!
//! Zeros of the padding are multiplied, too. So where a result is not finite, the convolution is
//! computed without them instead.

use super::geometry::{Axis, Geometry};
use super::kernel::{self, Loops};
use super::outer;
use super::problem::{Problem, Target, Tensor};
use crate::simd::Isa;
use half::bf16;
use mlx_oxide_ir::{Convolution, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;
use std::sync::atomic::{AtomicBool, Ordering};

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
    if output_type.size() == 0 || !source.geometry.parts().all(|axes| suits(&source, &axes)) {
        return Ok(None);
    }
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    let output = Target(buffer.host_ptr()?.as_ptr().cast());
    let mut has_padding = false;
    for axes in source.geometry.parts() {
        let pairs = Pairs::new(&source, axes);
        has_padding |= pairs.has_padding();
        // SAFETY: layouts were checked to fit their buffers, and the output is new
        unsafe { pairs.run(output) }?;
    }
    // SAFETY: all results have been written
    if has_padding && !unsafe { are_finite(output, output_type.size()) } {
        return Ok(None);
    }
    Ok(Some(smallvec![Stored::contiguous(buffer, output_type)]))
}

/// Whether all of so many elements are finite.
///
/// # Safety
/// They exist, and nobody writes them.
unsafe fn are_finite(elements: Target<bf16>, count: usize) -> bool {
    let finite = AtomicBool::new(true);
    parallel::for_each_range(count, GRAIN, |first, end| {
        // SAFETY: by the caller's promise
        let elements = unsafe { std::slice::from_raw_parts(elements.at(first), end - first) };
        if !elements.iter().all(|element| element.is_finite()) {
            finite.store(false, Ordering::Relaxed);
        }
    });
    finite.into_inner()
}

/// Whether sums of outer products are the way, with whole pairs and rows.
fn suits<L>(problem: &Problem<bf16, L>, axes: &[Axis; 3]) -> bool {
    let geometry = &problem.geometry;
    geometry.groups == 1
        && geometry.batch >= MANY
        && problem.input.steps[0] == 1
        && axes[2].taps.is_multiple_of(2)
        && outer::suits(problem, axes)
}

/// A convolution whose operands become pairs.
struct Pairs<'a> {
    source: &'a Problem<bf16, Loops<f32>>,
    geometry: &'a Geometry,
    axes: [Axis; 3],
    /// Pairs of a line of the input.
    width: usize,
}

impl<'a> Pairs<'a> {
    fn new(source: &'a Problem<bf16, Loops<f32>>, axes: [Axis; 3]) -> Self {
        let last = axes[2].taps - 2;
        Pairs {
            source,
            geometry: &source.geometry,
            axes,
            width: (axes[2].places - 1) * axes[2].stride + last * axes[2].dilation + 1,
        }
    }

    /// Whether pairs reach beyond the lines of the input.
    fn has_padding(&self) -> bool {
        let axis = &self.axes[2];
        let end = (self.width + axis.dilation) as isize - axis.low;
        axis.low > 0 || end > axis.size as isize
    }

    /// Convolves this part.
    ///
    /// # Safety
    /// The problem's promises hold, and nobody else uses the output.
    unsafe fn run(&self, output: Target<bf16>) -> Result<()> {
        // SAFETY: by the caller's promise
        let ((_input, input), (_weight, weight)) = unsafe { (self.input()?, self.weight()?) };
        let problem = Problem {
            op: self.source.op,
            isa: self.source.isa,
            loops: self.source.loops,
            geometry: self.source.geometry.clone(),
            input,
            weight,
            output: Target(std::ptr::null_mut()),
            rounded: Some(output),
        };
        // SAFETY: the copies have what the axes of pairs reach; otherwise by the caller's promise
        unsafe { outer::run(&problem, self.pair_axes()) }
    }

    /// The axes as the copies have them: all taps of the part side by side, those of the last one
    /// pairs.
    fn pair_axes(&self) -> [Axis; 3] {
        let [z, y, x] = self.axes.map(|axis| Axis {
            first_tap: 0,
            tap_step: 1,
            ..axis
        });
        let x = Axis {
            size: self.width,
            taps: x.taps / 2,
            dilation: 2 * x.dilation,
            low: 0,
            ..x
        };
        [z, y, x]
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

    /// For each channel and tap of the first axes the pairs of neighbouring taps of the last one, of
    /// this part.
    ///
    /// # Safety
    /// As for [`Pairs::input`].
    unsafe fn weight(&self) -> Result<(Buffer, Tensor<f32>)> {
        let (channels, features) = (self.geometry.channels, self.geometry.features);
        let (depth, height) = (self.axes[0].taps, self.axes[1].taps);
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
                    let first = self.source.weight_at(0, &self.axes, [z, y, tap]);
                    first.wrapping_offset(channel as isize * weight.steps[4])
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
