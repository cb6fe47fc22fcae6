//! One convolution: its sizes and where its operands are.

use super::geometry::{Axis, Geometry};
use super::kernel::{Alone, Loops};
use crate::simd::Isa;
use half::bf16;
use mlx_oxide_ir::{Convolution, Result};
use mlx_oxide_runtime::{Call, Operand};
use std::ops::Range;

/// Elements of an operand: batch or feature, three spatial axes, channel.
#[derive(Clone, Copy)]
pub(super) struct Tensor<T> {
    pub(super) start: *const T,
    pub(super) steps: [isize; 5],
}

// SAFETY: a place in memory that the caller keeps alive and does not write while it is shared
unsafe impl<T: Sync> Sync for Tensor<T> {}

impl<T> Tensor<T> {
    /// Where an operand lies, its missing spatial axes with a step of 0.
    pub(super) fn new(operand: &Operand) -> Result<Self> {
        let start = operand.buffer.host_ptr()?.as_ptr().cast::<T>();
        let strides = &operand.layout.strides;
        let spatial = strides.len() - 2;
        let [z, y, x] = super::geometry::three(&strides[1..=spatial], 0);
        Ok(Tensor {
            start: start.wrapping_add(operand.layout.offset),
            steps: [strides[0], z, y, x, strides[spatial + 1]],
        })
    }

    /// A place; nothing is read.
    #[inline(always)]
    pub(super) fn place(&self, index: [isize; 5]) -> *const T {
        let pairs = index.iter().zip(&self.steps);
        let offset: isize = pairs.map(|(index, step)| index * step).sum();
        self.start.wrapping_offset(offset)
    }
}

/// A place in the output that tasks write parts of.
#[derive(Clone, Copy)]
pub(super) struct Target<T>(pub(super) *mut T);

// SAFETY: tasks write elements of their own
unsafe impl<T: Send> Sync for Target<T> {}
// SAFETY: as above
unsafe impl<T: Send> Send for Target<T> {}

impl<T> Target<T> {
    #[inline(always)]
    pub(super) fn at(self, offset: usize) -> *mut T {
        self.0.wrapping_add(offset)
    }
}

/// One convolution, with the loops that compute it. All that the layouts reach is inside of live
/// memory.
pub(super) struct Problem<T: 'static, L: 'static = Loops<T>> {
    pub(super) op: &'static str,
    pub(super) isa: Isa,
    pub(super) loops: &'static L,
    pub(super) geometry: Geometry,
    pub(super) input: Tensor<T>,
    /// Its taps are in the order of the input: a flip is in its steps.
    pub(super) weight: Tensor<T>,
    /// Row-major.
    pub(super) output: Target<T>,
    /// Where results go instead, rounded, if elements are pairs of `bf16`.
    pub(super) rounded: Option<Target<bf16>>,
}

impl<T> Problem<T> {
    /// The same by the loop over channels that are each convolved alone.
    pub(super) fn alone(&self) -> Problem<T, Alone<T>> {
        Problem {
            op: self.op,
            isa: self.isa,
            loops: &self.loops.alone,
            geometry: self.geometry.clone(),
            input: Tensor { ..self.input },
            weight: Tensor { ..self.weight },
            output: Target(self.output.0),
            rounded: self.rounded,
        }
    }
}

impl<T: Copy, L> Problem<T, L> {
    /// A convolution that has no place for its results yet.
    pub(super) fn new(
        isa: Isa,
        loops: &'static L,
        convolution: &Convolution,
        call: &Call<'_>,
    ) -> Result<Self> {
        let mut problem = Problem {
            op: call.op.name(),
            isa,
            loops,
            geometry: Geometry::new(convolution, call),
            input: Tensor::new(&call.inputs[0])?,
            weight: Tensor::new(&call.inputs[1])?,
            output: Target(std::ptr::null_mut()),
            rounded: None,
        };
        if convolution.flip {
            problem.flip();
        }
        Ok(problem)
    }

    /// Turns the weight so that its taps are in the order of the input.
    fn flip(&mut self) {
        for axis in 0..3 {
            let step = &mut self.weight.steps[axis + 1];
            let last = (self.geometry.kernel[axis] as isize - 1) * *step;
            self.weight.start = self.weight.start.wrapping_offset(last);
            *step = -*step;
        }
    }

    /// The weight's first channel of a feature at a tap of the given axes.
    #[inline]
    pub(super) fn weight_at(&self, feature: usize, axes: &[Axis; 3], taps: [usize; 3]) -> *const T {
        let tap = |axis: usize| (axes[axis].first_tap + taps[axis] * axes[axis].tap_step) as isize;
        self.weight
            .place([feature as isize, tap(0), tap(1), tap(2), 0])
    }

    /// The same for some images of the batch.
    pub(super) fn images(&self, items: Range<usize>) -> Self {
        let mut geometry = self.geometry.clone();
        geometry.batch = items.len();
        let image = geometry.output.iter().product::<usize>() * geometry.row();
        let start = self.input.place([items.start as isize, 0, 0, 0, 0]);
        Problem {
            input: Tensor {
                start,
                ..self.input
            },
            output: Target(self.output.at(items.start * image)),
            rounded: self
                .rounded
                .map(|output| Target(output.at(items.start * image))),
            geometry,
            ..*self
        }
    }

    /// Where in the output a place of the given axes is: its first feature.
    #[inline]
    pub(super) fn output_place(&self, axes: &[Axis; 3], [item, z, y, x]: [usize; 4]) -> usize {
        let [_, height, width] = self.geometry.output;
        let depth = self.geometry.output[0];
        let at = |axis: usize, place: usize| axes[axis].first_place + place * axes[axis].place_step;
        let line = (item * depth + at(0, z)) * height + at(1, y);
        (line * width + at(2, x)) * self.geometry.row()
    }
}

/// The places of a part of the output in order.
pub(super) fn split(index: usize, axes: &[Axis; 3]) -> [usize; 4] {
    let (x, rest) = (index % axes[2].places, index / axes[2].places);
    let (y, rest) = (rest % axes[1].places, rest / axes[1].places);
    [rest / axes[0].places, rest % axes[0].places, y, x]
}
