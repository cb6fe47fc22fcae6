//! Samples of every operation, a table for each family.

mod binary;
mod contract;
mod convolution;
mod custom;
mod elementwise;
mod fast;
mod fft;
mod index;
mod linalg;
mod quantized;
mod random;
mod reduce;
mod scan;
mod scatter;
mod sort;
mod source;
mod unary;
mod view;

use crate::sample::{InputSpec, Sample, Values};
use mlx_oxide_ir::{Dtype, Shape};

pub use index::out_of_bounds;

/// All samples that succeed.
pub fn samples() -> Vec<Sample> {
    [
        source::samples(),
        unary::samples(),
        binary::samples(),
        elementwise::samples(),
        view::samples(),
        index::samples(),
        scatter::samples(),
        reduce::samples(),
        scan::samples(),
        sort::samples(),
        contract::samples(),
        convolution::samples(),
        fft::samples(),
        linalg::samples(),
        random::samples(),
        fast::samples(),
        quantized::samples(),
        custom::samples(),
    ]
    .concat()
}

const FLOATING: [Dtype; 4] = [
    Dtype::Float16,
    Dtype::Bfloat16,
    Dtype::Float32,
    Dtype::Float64,
];

const INEXACT: [Dtype; 5] = [
    Dtype::Float16,
    Dtype::Bfloat16,
    Dtype::Float32,
    Dtype::Float64,
    Dtype::Complex64,
];

fn between(shape: impl Into<Shape>, dtype: Dtype, low: f64, high: f64) -> InputSpec {
    InputSpec::new(shape, dtype, Values::Between(low, high))
}

fn distinct(shape: impl Into<Shape>, dtype: Dtype, low: f64, high: f64) -> InputSpec {
    InputSpec::new(shape, dtype, Values::Distinct(low, high))
}

fn exactly(shape: impl Into<Shape>, dtype: Dtype, numbers: &[f64]) -> InputSpec {
    InputSpec::new(shape, dtype, Values::Exactly(numbers.to_vec()))
}

fn indices(shape: impl Into<Shape>, dtype: Dtype, size: usize) -> InputSpec {
    InputSpec::new(shape, dtype, Values::Indices(size))
}
