//! Update rules for one parameter.

use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::Result;

/// How a parameter follows its gradient.
pub trait Rule {
    /// What is kept of a parameter between steps.
    type State;

    /// The state before the first step.
    fn start(&self, parameter: &Array) -> Result<Self::State>;

    /// The parameter and state after a step; `step` counts from one.
    fn apply(
        &self,
        parameter: &Array,
        gradient: &Array,
        state: Self::State,
        learning_rate: f64,
        step: u64,
    ) -> Result<(Array, Self::State)>;

    /// The state's arrays.
    fn arrays(&self, state: &Self::State) -> Vec<Array>;
}

/// Stochastic gradient descent: `v ← μ·v + g`, `p ← p - λ·v`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sgd {
    /// `μ`.
    pub momentum: f64,
    /// Factor of the parameter that is added to the gradient.
    pub weight_decay: f64,
}

impl Rule for Sgd {
    type State = Option<Array>;

    fn start(&self, parameter: &Array) -> Result<Option<Array>> {
        (self.momentum != 0.0)
            .then(|| ops::zeros_like(parameter))
            .transpose()
    }

    fn apply(
        &self,
        parameter: &Array,
        gradient: &Array,
        state: Option<Array>,
        learning_rate: f64,
        _step: u64,
    ) -> Result<(Array, Option<Array>)> {
        let gradient = match self.weight_decay {
            0.0 => gradient.clone(),
            decay => (gradient + &(parameter * decay)?)?,
        };
        let velocity = match state {
            Some(velocity) => ((velocity * self.momentum)? + &gradient)?,
            None => gradient,
        };
        let moved = (parameter - &(&velocity * learning_rate)?)?;
        Ok((moved, (self.momentum != 0.0).then_some(velocity)))
    }

    fn arrays(&self, state: &Option<Array>) -> Vec<Array> {
        state.iter().cloned().collect()
    }
}

/// Adam: moments `m ← β₁·m + (1 - β₁)·g` and `v ← β₂·v + (1 - β₂)·g²`,
/// `p ← p - λ·m/(√v + ε)`; with `weight_decay`, AdamW: `p` shrinks by `λ·decay` first.
///
/// Sources: Kingma and Ba 2015, "Adam"; Loshchilov and Hutter 2019, "Decoupled Weight Decay
/// Regularization".
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// `β₁` and `β₂`.
    pub betas: (f64, f64),
    /// `ε`.
    pub eps: f64,
    /// Decoupled decay.
    pub weight_decay: f64,
    /// Whether the moments are corrected for their start at zero.
    pub bias_correction: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Adam {
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            bias_correction: false,
        }
    }
}

impl Adam {
    /// Adam with decoupled weight decay.
    pub fn with_decay(weight_decay: f64) -> Self {
        Adam {
            weight_decay,
            ..Adam::default()
        }
    }
}

impl Rule for Adam {
    type State = (Array, Array);

    fn start(&self, parameter: &Array) -> Result<(Array, Array)> {
        Ok((ops::zeros_like(parameter)?, ops::zeros_like(parameter)?))
    }

    fn apply(
        &self,
        parameter: &Array,
        gradient: &Array,
        (mean, square): (Array, Array),
        learning_rate: f64,
        step: u64,
    ) -> Result<(Array, (Array, Array))> {
        let (b1, b2) = self.betas;
        let mean = ((mean * b1)? + &(gradient * (1.0 - b1))?)?;
        let square = ((square * b2)? + &(ops::square(gradient)? * (1.0 - b2))?)?;
        let parameter = match self.weight_decay {
            0.0 => parameter.clone(),
            decay => (parameter * (1.0 - learning_rate * decay))?,
        };
        let (rate, root) = if self.bias_correction {
            let power = i32::try_from(step).unwrap_or(i32::MAX);
            let root = (ops::sqrt(&square)? / (1.0 - b2.powi(power)).sqrt())?;
            (learning_rate / (1.0 - b1.powi(power)), root)
        } else {
            (learning_rate, ops::sqrt(&square)?)
        };
        let move_by = ((&mean * rate)? / &(root + self.eps)?)?;
        Ok(((parameter - &move_by)?, (mean, square)))
    }

    fn arrays(&self, state: &(Array, Array)) -> Vec<Array> {
        vec![state.0.clone(), state.1.clone()]
    }
}
