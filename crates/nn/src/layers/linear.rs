//! The affine map.

use crate::{Module, init};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::Result;

/// `x·Wᵀ + b` over the last axis.
#[derive(Clone, Module)]
pub struct Linear {
    /// `(outputs, inputs)`.
    pub weight: Array,
    /// `(outputs,)`.
    pub bias: Option<Array>,
}

impl Linear {
    /// Uniform weights in `±1/√inputs`.
    pub fn new(inputs: usize, outputs: usize, bias: bool) -> Result<Self> {
        let bound = (1.0 / inputs.max(1) as f64).sqrt();
        Ok(Linear {
            weight: init::symmetric_uniform(bound, [outputs, inputs])?,
            bias: bias
                .then(|| init::symmetric_uniform(bound, [outputs]))
                .transpose()?,
        })
    }

    /// The map applied.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        let weight = ops::transpose(&self.weight, &[])?;
        match &self.bias {
            Some(bias) => ops::addmm(bias, x, &weight, 1.0, 1.0),
            None => ops::matmul(x, &weight),
        }
    }
}
