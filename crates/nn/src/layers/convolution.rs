//! Convolutions.

use crate::{Module, init};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::Result;

/// A convolution of images `(N, H, W, C_in)`.
#[derive(Clone, Module)]
pub struct Conv2d {
    /// `(C_out, kH, kW, C_in)`.
    pub weight: Array,
    /// `(C_out,)`.
    pub bias: Option<Array>,
    /// Step of the window.
    pub stride: (usize, usize),
    /// Zeros on each side.
    pub padding: (usize, usize),
}

impl Conv2d {
    /// Uniform weights in `±1/√(C_in·kH·kW)`, stride 1, no padding.
    pub fn new(inputs: usize, outputs: usize, kernel: (usize, usize)) -> Result<Self> {
        let bound = (1.0 / (inputs * kernel.0 * kernel.1).max(1) as f64).sqrt();
        Ok(Conv2d {
            weight: init::symmetric_uniform(bound, [outputs, kernel.0, kernel.1, inputs])?,
            bias: Some(mlx_oxide_core::ops::zeros(
                [outputs],
                mlx_oxide_core::Dtype::Float32,
            )?),
            stride: (1, 1),
            padding: (0, 0),
        })
    }

    /// With zeros on each side.
    pub fn with_padding(mut self, padding: (usize, usize)) -> Self {
        self.padding = padding;
        self
    }

    /// With a step of the window.
    pub fn with_stride(mut self, stride: (usize, usize)) -> Self {
        self.stride = stride;
        self
    }

    /// The convolution applied.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        let output = ops::conv2d(x, &self.weight, self.stride, self.padding, (1, 1), 1)?;
        match &self.bias {
            Some(bias) => ops::add(&output, bias),
            None => Ok(output),
        }
    }
}
