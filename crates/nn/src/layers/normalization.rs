//! Normalisation.

use crate::Module;
use crate::module::{Kept, Path, Visitor, VisitorMut};
use mlx_oxide_core::{Array, Dtype, ops};
use mlx_oxide_ir::Result;

/// `(x - mean)/√(var + eps)·weight + bias` over the last axis.
#[derive(Clone, Module)]
pub struct LayerNorm {
    /// Scale.
    pub weight: Array,
    /// Shift.
    pub bias: Array,
    /// Added to the variance.
    pub eps: f64,
}

impl LayerNorm {
    /// Scale one, shift zero.
    pub fn new(dims: usize) -> Result<Self> {
        let weight = ops::ones([dims], Dtype::Float32)?;
        Ok(LayerNorm {
            weight,
            bias: ops::zeros([dims], Dtype::Float32)?,
            eps: 1e-5,
        })
    }

    /// Normalisation applied.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        ops::fast::layer_norm(x, Some(&self.weight), Some(&self.bias), self.eps)
    }
}

/// `x/√(mean(x²) + eps)·weight` over the last axis.
#[derive(Clone, Module)]
pub struct RmsNorm {
    /// Scale.
    pub weight: Array,
    /// Added to the mean square.
    pub eps: f64,
}

impl RmsNorm {
    /// Scale one.
    pub fn new(dims: usize) -> Result<Self> {
        Ok(RmsNorm {
            weight: ops::ones([dims], Dtype::Float32)?,
            eps: 1e-5,
        })
    }

    /// Normalisation applied.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        ops::fast::rms_norm(x, Some(&self.weight), self.eps)
    }
}

/// Normalisation of each feature (the last axis) over all other axes: by the batch's own
/// statistics in training, by running ones in use.
///
/// Source: Ioffe and Szegedy 2015, "Batch Normalization".
#[derive(Clone)]
pub struct BatchNorm {
    /// Scale.
    pub weight: Array,
    /// Shift.
    pub bias: Array,
    /// Mean so far.
    pub running_mean: Kept,
    /// Variance so far.
    pub running_var: Kept,
    eps: f64,
    momentum: f64,
    training: bool,
}

impl BatchNorm {
    /// Scale one, shift zero, momentum 0.1.
    pub fn new(features: usize) -> Result<Self> {
        let (zeros, ones) = (
            ops::zeros([features], Dtype::Float32)?,
            ops::ones([features], Dtype::Float32)?,
        );
        Ok(BatchNorm {
            weight: ones.clone(),
            bias: zeros.clone(),
            running_mean: Kept(zeros),
            running_var: Kept(ones),
            eps: 1e-5,
            momentum: 0.1,
            training: true,
        })
    }

    /// Normalisation applied; in training the running statistics move.
    pub fn forward(&mut self, x: &Array) -> Result<Array> {
        let (mean, variance) = if self.training {
            let axes: Vec<i64> = (0..x.ndim() as i64 - 1).collect();
            let mean = ops::mean(x, Some(&axes), false)?;
            let variance = ops::var(x, Some(&axes), false, 0)?;
            self.running_mean.0 = self.moved(&self.running_mean.0, &mean)?;
            self.running_var.0 = self.moved(&self.running_var.0, &variance)?;
            (mean, variance)
        } else {
            (self.running_mean.0.clone(), self.running_var.0.clone())
        };
        let scale = ops::rsqrt(&(variance + self.eps)?)?;
        let normal = ((x - &mean)? * &scale)?;
        (normal * &self.weight)? + &self.bias
    }

    fn moved(&self, running: &Array, batch: &Array) -> Result<Array> {
        (running * (1.0 - self.momentum))? + &(ops::stop_gradient(batch)? * self.momentum)?
    }
}

impl Module for BatchNorm {
    fn visit(&self, path: &Path<'_>, visitor: &mut dyn Visitor) {
        self.weight.visit(&path.field("weight"), visitor);
        self.bias.visit(&path.field("bias"), visitor);
        self.running_mean
            .visit(&path.field("running_mean"), visitor);
        self.running_var.visit(&path.field("running_var"), visitor);
    }

    fn visit_mut(&mut self, path: &Path<'_>, visitor: &mut dyn VisitorMut) {
        self.weight.visit_mut(&path.field("weight"), visitor);
        self.bias.visit_mut(&path.field("bias"), visitor);
        self.running_mean
            .visit_mut(&path.field("running_mean"), visitor);
        self.running_var
            .visit_mut(&path.field("running_var"), visitor);
    }

    fn set_training(&mut self, training: bool) {
        self.training = training;
    }
}
