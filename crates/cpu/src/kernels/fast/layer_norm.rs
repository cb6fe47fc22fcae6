//! Normalisation by mean and variance, in single precision for 16-bit floats.

use super::rows::{self, Function, Output, total};
use crate::kernels::declined;
use crate::kernels::reduce::kinds::Sum;
use crate::kernels::rows::fetch_behind;
use crate::simd::Isa;
use crate::simd::float::{Float, Wide};
use crate::simd::fold::Cascade;
use crate::with_float;
use mlx_oxide_ir::{ArrayType, Dtype, Result};
use mlx_oxide_runtime::{Call, Results};
use std::mem::MaybeUninit;

pub(super) fn supports(inputs: &[&ArrayType]) -> bool {
    inputs[0].dtype.is_floating()
}

pub(super) fn run(call: &Call<'_>, eps: f64) -> Result<Results> {
    with_float!(call.inputs[0].dtype, T => of::<Wide<T>>(call, eps, Isa::best()), Err(declined(call)))
}

/// Runs the call on an instruction set.
pub(super) fn of<T: Float>(call: &Call<'_>, eps: f64, isa: Isa) -> Result<Results> {
    let weight = &rows::vector::<T>(&call.inputs[1])?;
    let bias = &rows::vector::<T>(&call.inputs[2])?;
    let eps = T::from_double(eps);
    let norm = LayerNorm::<T> { weight, bias, eps };
    rows::for_each::<T, _>(call, isa, norm)
}

struct LayerNorm<'a, T: Float> {
    weight: &'a [T],
    bias: &'a [T],
    eps: T,
}

impl<T: Float> Function<T> for LayerNorm<'_, T> {
    #[inline(always)]
    fn apply(
        &self,
        _number: usize,
        row: &[T],
        _wide: &mut [MaybeUninit<T>],
        output: Output<'_, T>,
    ) {
        let centre = Centre::of(row);
        let scale = T::ONE / (centre.variance + self.eps).sqrt();
        output.fill(|part, first| {
            fetch_behind(row, first, part.len());
            let values = row[first..].iter().zip(&self.weight[first..]);
            let values = values.zip(&self.bias[first..]);
            for (result, ((element, weight), bias)) in part.iter_mut().zip(values) {
                result.write(centre.deviation(*element) * scale * *weight + *bias);
            }
        });
    }
}

/// Accumulators of each sum: both in the registers of AVX2.
const LANES: usize = 32;
/// Elements that are accumulated before their lanes are joined to the rest.
const BLOCK: usize = 16 * LANES;
/// Elements that are summed without pairing.
const PIECE: usize = 16 * BLOCK;

/// Elements whose mean is near enough to that of a row, in most.
const SAMPLE: usize = 64;
/// Variances that the square of the mean deviation may reach: the difference of squares then loses
/// two bits.
const FAR: f64 = 4.0;

/// What the elements of a row deviate from.
pub(super) struct Centre<T> {
    near: T,
    mean: T,
    pub(super) variance: T,
}

impl<T: Float> Centre<T> {
    #[inline(always)]
    pub(super) fn of(row: &[T]) -> Self {
        let sample = &row[..row.len().min(SAMPLE)];
        let mut near = total(sample, |x| x) / T::from_double(sample.len() as f64);
        let mut is_sampled = true;
        // of the deviations, since the mean of squares less the squared mean would cancel; their
        // own mean is what the sample and rounding left of it: all there is to see where elements
        // hardly differ
        loop {
            let (mean, variance) = moments(row, near);
            let is_far = (mean * mean).to_double() > FAR * variance.to_double();
            if !(is_sampled && is_far) {
                return Centre {
                    near,
                    mean,
                    variance,
                };
            }
            (near, is_sampled) = (near + mean, false);
        }
    }

    #[inline(always)]
    pub(super) fn deviation(&self, element: T) -> T {
        element - self.near - self.mean
    }
}

/// The mean of the deviations from `near`, and their variance.
#[inline(always)]
fn moments<T: Float>(row: &[T], near: T) -> (T, T) {
    let count = T::from_double(row.len() as f64);
    let (rest, squares) = sums(row, near);
    let mean = rest / count;
    // rounding may leave less than nothing
    (mean, ((squares - rest * mean) / count).greater(T::ZERO))
}

/// The sums of the deviations from `near`, and of their squares.
#[inline(always)]
fn sums<T: Float>(row: &[T], near: T) -> (T, T) {
    if row.len() < LANES {
        let (mut sum, mut square) = (T::ZERO, T::ZERO);
        for element in row {
            let deviation = *element - near;
            sum = sum + deviation;
            square = square + deviation * deviation;
        }
        return (sum, square);
    }
    let mut sums = Cascade::new(Sum::<T>::default());
    let mut squares = Cascade::new(Sum::<T>::default());
    for piece in row.chunks(PIECE) {
        let mut total = Lanes::<T>::new();
        for block in piece.chunks(BLOCK) {
            let mut lanes = Lanes::new();
            let (whole, rest) = block.as_chunks::<LANES>();
            for chunk in whole {
                lanes.add(near, chunk);
            }
            lanes.add(near, rest);
            total.join(&lanes);
        }
        let (sum, square) = total.finish();
        sums.push(sum);
        squares.push(square);
    }
    (sums.finish(), squares.finish())
}

/// Sums of deviations and of squares, lane by lane.
struct Lanes<W> {
    sums: [W; LANES],
    squares: [W; LANES],
}

impl<W: Float> Lanes<W> {
    #[inline(always)]
    fn new() -> Self {
        Lanes {
            sums: [W::ZERO; LANES],
            squares: [W::ZERO; LANES],
        }
    }

    #[inline(always)]
    fn add(&mut self, near: W, elements: &[W]) {
        let lanes = self.sums.iter_mut().zip(&mut self.squares);
        for ((sum, square), element) in lanes.zip(elements) {
            let deviation = *element - near;
            *sum = *sum + deviation;
            *square = *square + deviation * deviation;
        }
    }

    #[inline(always)]
    fn join(&mut self, other: &Self) {
        for (sum, other) in self.sums.iter_mut().zip(other.sums) {
            *sum = *sum + other;
        }
        for (square, other) in self.squares.iter_mut().zip(other.squares) {
            *square = *square + other;
        }
    }

    #[inline(always)]
    fn finish(self) -> (W, W) {
        (joined(self.sums), joined(self.squares))
    }
}

/// The sum of as many lanes as a power of two, by halves.
#[inline(always)]
pub(super) fn joined<W: Float, const N: usize>(mut lanes: [W; N]) -> W {
    let mut width = N / 2;
    while width > 0 {
        let (low, high) = lanes.split_at_mut(width);
        for (low, high) in low.iter_mut().zip(high) {
            *low = *low + *high;
        }
        width /= 2;
    }
    lanes[0]
}
