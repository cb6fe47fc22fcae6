//! The network.

use mlx_oxide::nn::functional::losses::{Reduction, cross_entropy};
use mlx_oxide::nn::functional::pooling::{Window, max_pool2d};
use mlx_oxide::nn::functional::relu;
use mlx_oxide::nn::{BatchNorm, Conv2d, Dropout, Linear, Module, ModuleExt};
use mlx_oxide::{Array, Dtype, Result, ops};

/// Two convolutions, each followed by pooling, and a perceptron.
#[derive(Clone, Module)]
pub(crate) struct DigitReader {
    convolutions: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    hidden: Linear,
    dropout: Dropout,
    output: Linear,
}

impl DigitReader {
    /// With random weights.
    pub(crate) fn new() -> Result<Self> {
        let convolution =
            |inputs, outputs| Ok(Conv2d::new(inputs, outputs, (3, 3))?.with_padding((1, 1)));
        Ok(DigitReader {
            convolutions: vec![convolution(1, 32)?, convolution(32, 64)?],
            norms: vec![BatchNorm::new(32)?, BatchNorm::new(64)?],
            hidden: Linear::new(2 * 2 * 64, 128, true)?,
            dropout: Dropout::new(0.3)?,
            output: Linear::new(128, 10, true)?,
        })
    }

    /// Logits `(N, 10)` of images `(N, 8, 8, 1)`.
    pub(crate) fn forward(&mut self, images: &Array) -> Result<Array> {
        let mut x = images.clone();
        for (convolution, norm) in self.convolutions.iter().zip(&mut self.norms) {
            x = relu(&norm.forward(&convolution.forward(&x)?)?)?;
            x = max_pool2d(&x, Window::square(2))?;
        }
        let x = ops::flatten(&x, 1, -1)?;
        let x = relu(&self.hidden.forward(&x)?)?;
        self.output.forward(&self.dropout.forward(&x)?)
    }

    /// Mean cross entropy.
    pub(crate) fn loss(&mut self, images: &Array, labels: &Array) -> Result<Array> {
        cross_entropy(&self.forward(images)?, labels, Reduction::Mean)
    }

    /// Mean cross entropy and the digits that it reads, without dropout.
    pub(crate) fn read(&mut self, images: &Array, labels: &Array) -> Result<(f32, Vec<i32>)> {
        self.evaluate();
        let logits = self.forward(images)?;
        let loss = cross_entropy(&logits, labels, Reduction::Mean)?.item::<f32>()?;
        let read = ops::astype(&ops::argmax(&logits, Some(-1), false)?, Dtype::Int32)?;
        self.train();
        Ok((loss, read.to_vec()?))
    }
}
