//! Tables of vectors.

use crate::{Module, init};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::Result;

/// A vector for each number.
#[derive(Clone, Module)]
pub struct Embedding {
    /// `(count, dims)`.
    pub weight: Array,
}

impl Embedding {
    /// Normal weights of deviation `1/√dims`.
    pub fn new(count: usize, dims: usize) -> Result<Self> {
        let deviation = (1.0 / dims.max(1) as f64).sqrt();
        Ok(Embedding {
            weight: init::normal(deviation, [count, dims])?,
        })
    }

    /// The vectors of numbers.
    pub fn forward(&self, numbers: &Array) -> Result<Array> {
        ops::take(&self.weight, numbers, 0)
    }

    /// `x·Wᵀ`: the table as a last layer.
    pub fn as_linear(&self, x: &Array) -> Result<Array> {
        ops::matmul(x, &ops::transpose(&self.weight, &[])?)
    }
}
