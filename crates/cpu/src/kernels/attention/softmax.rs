//! Softmax over keys that arrive block by block.

use super::few::Float;
use crate::gemm::Matrix;
use crate::gemm::compiled::compiled;
use crate::simd::math::single::exp_below;

/// Elements of a row that are reduced side by side.
pub(super) const LANES: usize = 16;

/// What is known of a query after some keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    /// The greatest score.
    pub(super) greatest: f32,
    /// The sum of `e^(score - greatest)`.
    pub(super) sum: f32,
}

impl Running {
    /// Before any key, with one score that has no value.
    pub(super) fn new(sink: Option<f32>) -> Self {
        match sink {
            None => Running {
                greatest: f32::NEG_INFINITY,
                sum: 0.0,
            },
            Some(sink) => Running {
                greatest: sink,
                sum: power(sink, base(sink)),
            },
        }
    }
}

/// What to subtract of scores; anything will do where all are minus infinity.
#[inline(always)]
pub(super) fn base(greatest: f32) -> f32 {
    if greatest == f32::NEG_INFINITY {
        0.0
    } else {
        greatest
    }
}

/// `e^(score - base)` of a score that is no greater than the base.
#[inline(always)]
pub(super) fn power(score: f32, base: f32) -> f32 {
    exp_below(score - base)
}

compiled! {
    /// Turns the scores of one query into `e^(score - greatest)` and rescales what was summed
    /// before for a new greatest score.
    ///
    /// # Safety
    /// This machine has the instruction set.
    pub(super) fn update(running: &mut Running, scores: &mut [f32], sums: &mut [f32]) by portable
}

compiled! {
    /// What was summed of the values, divided by the sum of the weights.
    ///
    /// # Safety
    /// `to` has room for as many elements; this machine has the instruction set.
    pub(super) fn divide<T: Float>(sums: &[f32], divisor: f32, to: *mut T) by divide_row
}

/// # Safety
/// As for [`divide`].
#[inline(always)]
unsafe fn divide_row<T: Float>(sums: &[f32], divisor: f32, to: *mut T) {
    for (feature, sum) in sums.iter().enumerate() {
        // SAFETY: by the caller's promise
        unsafe { to.add(feature).write(T::narrow(sum / divisor)) };
    }
}

compiled! {
    /// A row of queries times the scale.
    ///
    /// # Safety
    /// The row has as many elements as go to `to`; this machine has the instruction set.
    pub(super) fn scale<T: Float>(from: Matrix<T>, factor: f32, to: &mut [f32]) by scale_row
}

/// # Safety
/// As for [`scale`].
#[inline(always)]
unsafe fn scale_row<T: Float>(from: Matrix<T>, factor: f32, to: &mut [f32]) {
    if from.column_stride == 1 {
        for (index, to) in to.iter_mut().enumerate() {
            // SAFETY: by the caller's promise
            *to = unsafe { from.start.add(index).read() }.widen() * factor;
        }
    } else {
        for (index, to) in to.iter_mut().enumerate() {
            // SAFETY: by the caller's promise
            *to = unsafe { from.place(0, index).read() }.widen() * factor;
        }
    }
}

/// # Safety
/// None is needed; it is called as [`update`] is.
#[inline(always)]
unsafe fn portable(running: &mut Running, scores: &mut [f32], sums: &mut [f32]) {
    let greatest = maximum(running.greatest, scores);
    let base = base(greatest);
    let sum = powers(scores, base);
    if greatest != running.greatest {
        let factor = power(running.greatest, base);
        running.sum *= factor;
        for sum in sums {
            *sum *= factor;
        }
    }
    running.greatest = greatest;
    running.sum += sum;
}

/// The greatest score; NaN is passed over, for it will spoil the sum.
#[inline(always)]
fn maximum(first: f32, scores: &[f32]) -> f32 {
    let larger = |lhs: f32, rhs: f32| if rhs > lhs { rhs } else { lhs };
    let mut lanes = [first; LANES];
    let (pieces, rest) = scores.as_chunks::<LANES>();
    for piece in pieces {
        for (lane, score) in lanes.iter_mut().zip(piece) {
            *lane = larger(*lane, *score);
        }
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] = larger(lanes[lane], lanes[lane + width]);
        }
    }
    rest.iter().copied().fold(lanes[0], larger)
}

/// Replaces scores by powers; their sum.
#[inline(always)]
fn powers(scores: &mut [f32], base: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (pieces, rest) = scores.as_chunks_mut::<LANES>();
    for piece in pieces {
        for (lane, score) in lanes.iter_mut().zip(piece) {
            *score = power(*score, base);
            *lane += *score;
        }
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    for score in rest {
        *score = power(*score, base);
        lanes[0] += *score;
    }
    lanes[0]
}
