//! First values of parameters.

use mlx_oxide_core::ops::random;
use mlx_oxide_core::{Array, Dtype};
use mlx_oxide_ir::{Result, Shape};

/// Uniform numbers in `[-bound, bound)`, of the global key sequence.
pub fn symmetric_uniform(bound: f64, shape: impl Into<Shape>) -> Result<Array> {
    let low = Array::scalar(-bound as f32)?;
    let high = Array::scalar(bound as f32)?;
    random::uniform(&low, &high, shape, Dtype::Float32, None)
}

/// Normal numbers of mean zero, of the global key sequence.
pub fn normal(deviation: f64, shape: impl Into<Shape>) -> Result<Array> {
    let scale = Array::scalar(deviation as f32)?;
    random::normal(shape, Dtype::Float32, None, Some(&scale), None)
}
