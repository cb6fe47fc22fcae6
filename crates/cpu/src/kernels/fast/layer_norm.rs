//! Normalisation by mean and variance, in single precision for 16-bit floats.

use super::rows::{self, ByNumbers, Numbered, total};
use crate::kernels::declined;
use crate::kernels::reduce::kinds::Sum;
use crate::simd::Isa;
use crate::simd::float::{Float, Wide};
use crate::simd::fold::Cascade;
use crate::with_float;
use mlx_oxide_ir::{ArrayType, Dtype, Result};
use mlx_oxide_runtime::{Call, Results};
use std::hint::black_box;
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
    rows::for_each::<T, _>(call, isa, Numbered(norm))
}

struct LayerNorm<'a, T: Float> {
    weight: &'a [T],
    bias: &'a [T],
    eps: T,
}

impl<T: Float> ByNumbers<T, 3> for LayerNorm<'_, T> {
    #[inline(always)]
    fn numbers(&self, row: &[T]) -> [T; 3] {
        let centre = Centre::of(row);
        let scale = T::ONE / (centre.variance + self.eps).sqrt();
        [centre.near, centre.mean, scale]
    }

    #[inline(always)]
    fn fill(&self, part: &mut [MaybeUninit<T>], elements: &[T], first: usize, numbers: [T; 3]) {
        let [near, mean, scale] = numbers;
        let values = elements.iter().zip(&self.weight[first..]);
        let values = values.zip(&self.bias[first..]);
        for (result, ((element, weight), bias)) in part.iter_mut().zip(values) {
            result.write((*element - near - mean) * scale * *weight + *bias);
        }
    }
}

/// Accumulators of each sum: both in the registers of AVX2.
const LANES: usize = 32;
/// Elements that are joined in pairs before they go to accumulators.
const CHUNK: usize = 2 * LANES;
/// Chunks that are accumulated before their lanes are joined to the rest.
const BLOCK: usize = 16;
/// Chunks that are summed without pairing.
const PIECE: usize = 16 * BLOCK;
/// Accumulators of each sum of few elements.
const FEW: usize = 8;

/// Elements whose mean is near enough to that of a row, in most.
const SAMPLE: usize = 8;
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
        let mut near = sampled(row);
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

/// The mean of a short row, or of some elements all over it.
#[inline(always)]
fn sampled<T: Float>(row: &[T]) -> T {
    if row.len() < 2 * CHUNK {
        return total(row, |x| x) / T::from_double(row.len() as f64);
    }
    let apart = row.len() / SAMPLE;
    let mut sample = [T::ZERO; SAMPLE];
    for (number, element) in sample.iter_mut().enumerate() {
        *element = row[number * apart];
    }
    joined(sample) * T::from_double(1.0 / SAMPLE as f64)
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
    if row.len() < 2 * CHUNK {
        return sums_of_few(row, near);
    }
    let (chunks, rest) = row.as_chunks::<CHUNK>();
    let (sum, square) = match chunks.len() <= PIECE {
        true => sums_of_piece(chunks, near),
        false => sums_of_pieces(chunks, near),
    };
    if rest.is_empty() {
        return (sum, square);
    }
    let (rest_sum, rest_square) = sums_of_few(rest, near);
    (sum + rest_sum, square + rest_square)
}

/// As [`sums`], of more chunks than a piece has.
#[inline(always)]
fn sums_of_pieces<T: Float>(chunks: &[[T; CHUNK]], near: T) -> (T, T) {
    let mut sums = Cascade::new(Sum::<T>::default());
    let mut squares = Cascade::new(Sum::<T>::default());
    for piece in chunks.chunks(PIECE) {
        let (sum, square) = sums_of_piece(piece, near);
        sums.push(sum);
        squares.push(square);
    }
    (sums.finish(), squares.finish())
}

/// As [`sums`], of at most as many chunks as a piece has.
#[inline(always)]
fn sums_of_piece<T: Float>(chunks: &[[T; CHUNK]], near: T) -> (T, T) {
    let (block, others) = chunks.split_at(chunks.len().min(BLOCK));
    let mut total = accumulated(block, near);
    for block in others.chunks(BLOCK) {
        let lanes = accumulated(block, near);
        let totals = total.as_flattened_mut().iter_mut();
        for (total, lane) in totals.zip(lanes.as_flattened()) {
            *total = *total + *lane;
        }
    }
    let [sums, squares] = total;
    (joined(sums), joined(squares))
}

/// As [`sums`], lane by lane. The lanes stay in registers, as nothing else is done with them here.
#[inline(always)]
fn accumulated<T: Float>(chunks: &[[T; CHUNK]], near: T) -> [[T; LANES]; 2] {
    let (mut sums, mut squares) = ([T::ZERO; LANES], [T::ZERO; LANES]);
    for chunk in chunks {
        let (low, high) = chunk.split_at(LANES);
        for lane in 0..LANES {
            let (low, high) = (low[lane] - near, high[lane] - near);
            sums[lane] = sums[lane] + (low + high);
            squares[lane] = squares[lane] + (low * low + high * high);
        }
    }
    black_box([sums, squares])
}

/// As [`sums`], of less than two chunks.
#[inline(always)]
fn sums_of_few<T: Float>(elements: &[T], near: T) -> (T, T) {
    let (mut sums, mut squares) = ([T::ZERO; FEW], [T::ZERO; FEW]);
    let (whole, rest) = elements.as_chunks::<FEW>();
    for vector in whole {
        for ((sum, square), element) in sums.iter_mut().zip(&mut squares).zip(vector) {
            let deviation = *element - near;
            *sum = *sum + deviation;
            *square = *square + deviation * deviation;
        }
    }
    let (mut sum, mut square) = (joined(sums), joined(squares));
    for element in rest {
        let deviation = *element - near;
        sum = sum + deviation;
        square = square + deviation * deviation;
    }
    (sum, square)
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
