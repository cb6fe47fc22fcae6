//! A traced function as plain data: steps in order, each an operation on earlier values.
//!
//! [`Graph::trace`] records one, [`Graph::replay`] builds its nodes again on other inputs; what
//! compiles, exports, checkpoints or draws a function works on it.

mod dot;
mod record;
mod replay;
pub mod simplify;

pub use dot::dot;
pub(crate) use record::Noted;

use crate::array::{Array, CustomRules};
use mlx_oxide_ir::{ArrayType, Op, OutputTypes};
use mlx_oxide_runtime::Stream;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::sync::Arc;

/// Where a value of a [`Graph`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// An input of the function.
    Input(u32),
    /// An array that the function brings along.
    Constant(u32),
    /// An output of an earlier step.
    Result {
        /// The step.
        step: u32,
        /// Which of its outputs.
        output: u32,
    },
}

/// One operation of a [`Graph`].
#[derive(Clone)]
pub struct Step {
    /// What is computed.
    pub op: Op,
    /// On what.
    pub inputs: SmallVec<[Value; 2]>,
    /// Types of the outputs.
    pub types: OutputTypes,
    /// Where it is computed.
    pub stream: Stream,
    /// The rules of a caller's own operation.
    pub rules: Option<Arc<dyn CustomRules>>,
}

/// A traced function.
#[derive(Clone, Default)]
pub struct Graph {
    /// Types of the inputs.
    pub inputs: Vec<ArrayType>,
    /// Arrays that do not depend on the inputs.
    pub constants: Vec<Array>,
    /// Operations, each after those it depends on.
    pub steps: Vec<Step>,
    /// The results.
    pub outputs: Vec<Value>,
}

impl Graph {
    /// The type of a value.
    pub fn array_type(&self, value: Value) -> &ArrayType {
        match value {
            Value::Input(input) => &self.inputs[input as usize],
            Value::Constant(constant) => self.constants[constant as usize].array_type(),
            Value::Result { step, output } => &self.steps[step as usize].types[output as usize],
        }
    }

    /// Constants that a transform under way follows: arrays that the traced function took from
    /// around it and that gradients may be wanted of.
    pub fn followed_constants(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..)
            .zip(&self.constants)
            .filter(|(_, constant)| constant.is_traced())
            .map(|(position, _)| position)
    }

    /// The same function with the constants that a transform follows as further inputs, and
    /// those arrays.
    pub fn with_followed_as_inputs(mut self) -> (Graph, Vec<Array>) {
        let mut target = Vec::with_capacity(self.constants.len());
        let (mut kept, mut followed) = (Vec::new(), Vec::new());
        for constant in std::mem::take(&mut self.constants) {
            if constant.is_traced() {
                target.push(Value::Input(self.inputs.len() as u32));
                self.inputs.push(constant.array_type().clone());
                followed.push(constant);
            } else {
                target.push(Value::Constant(kept.len() as u32));
                kept.push(constant);
            }
        }
        self.constants = kept;
        self.map_values(|value| match value {
            Value::Constant(constant) => target[constant as usize],
            other => other,
        });
        (self, followed)
    }

    /// Whether some input from that one on is used.
    pub(crate) fn uses_inputs_from(&self, first: u32) -> bool {
        let used = |value: &Value| matches!(value, Value::Input(input) if *input >= first);
        self.outputs.iter().any(used) || self.steps.iter().any(|step| step.inputs.iter().any(used))
    }

    /// Replaces every use of a value.
    pub(crate) fn map_values(&mut self, map: impl Fn(Value) -> Value) {
        for step in &mut self.steps {
            for input in &mut step.inputs {
                *input = map(*input);
            }
        }
        for output in &mut self.outputs {
            *output = map(*output);
        }
    }
}
