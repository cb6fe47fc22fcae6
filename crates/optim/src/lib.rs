//! Optimizers: update rules for single parameters in [`rules`], and [`Optimizer`] that applies one
//! to a whole model.
#![forbid(unsafe_code)]

pub mod rules;

use mlx_oxide_core::Array;
use mlx_oxide_ir::Result;
use mlx_oxide_nn::{Module, ModuleExt};
use rules::Rule;
use std::collections::BTreeMap;

/// A rule with the state of each parameter.
pub struct Optimizer<R: Rule> {
    rule: R,
    /// Factor of each step.
    pub learning_rate: f64,
    states: BTreeMap<String, R::State>,
    step: u64,
}

impl<R: Rule> Optimizer<R> {
    /// An optimizer before its first step.
    pub fn new(rule: R, learning_rate: f64) -> Self {
        Optimizer {
            rule,
            learning_rate,
            states: BTreeMap::new(),
            step: 0,
        }
    }

    /// How many updates have been made.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Moves a model's parameters against their gradients, by path.
    pub fn update<M: Module>(
        &mut self,
        model: &mut M,
        gradients: &BTreeMap<String, Array>,
    ) -> Result<()> {
        self.step += 1;
        let parameters = model.trainable_parameters();
        let mut updated = BTreeMap::new();
        for (name, gradient) in gradients {
            let Some(parameter) = parameters.get(name) else {
                continue;
            };
            let state = match self.states.remove(name) {
                Some(state) => state,
                None => self.rule.start(parameter)?,
            };
            let (parameter, state) =
                self.rule
                    .apply(parameter, gradient, state, self.learning_rate, self.step)?;
            updated.insert(name.clone(), parameter);
            self.states.insert(name.clone(), state);
        }
        model.update(&updated);
        Ok(())
    }

    /// All arrays of the state, to be evaluated along with the model.
    pub fn state(&self) -> Vec<Array> {
        self.states
            .values()
            .flat_map(|state| self.rule.arrays(state))
            .collect()
    }
}
