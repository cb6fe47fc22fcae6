//! Dropout.

use crate::module::{Module, Path, Visitor, VisitorMut};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{Error, Result};

/// In training, zeros elements with probability `p` and scales the others by `1/(1 - p)`.
///
/// Source: Srivastava et al. 2014, "Dropout".
#[derive(Clone)]
pub struct Dropout {
    keep: f64,
    training: bool,
}

impl Dropout {
    /// Zeros with probability `p` in `[0, 1)`.
    pub fn new(p: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&p) {
            return Err(Error::InvalidArgument {
                op: "Dropout",
                argument: "p",
                value: p.to_string(),
                expected: "a probability below 1",
            });
        }
        Ok(Dropout {
            keep: 1.0 - p,
            training: true,
        })
    }

    /// Dropout applied.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        if self.keep == 1.0 || !self.training {
            return Ok(x.clone());
        }
        let keep = Array::scalar(self.keep as f32)?;
        let mask = ops::random::bernoulli(&keep, x.shape().clone(), None)?;
        (x * (1.0 / self.keep))? * &mask
    }
}

impl Module for Dropout {
    fn visit(&self, _path: &Path<'_>, _visitor: &mut dyn Visitor) {}

    fn visit_mut(&mut self, _path: &Path<'_>, _visitor: &mut dyn VisitorMut) {}

    fn set_training(&mut self, training: bool) {
        self.training = training;
    }
}
