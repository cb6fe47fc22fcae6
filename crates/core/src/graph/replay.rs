//! From a graph to arrays.

use super::{Graph, Value};
use crate::array::Array;
use mlx_oxide_ir::{Error, Result};
use smallvec::SmallVec;

impl Graph {
    /// The outputs for other inputs of the same types, as new lazy arrays.
    ///
    /// # Errors
    /// Inputs of another number or of other types.
    pub fn replay(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        self.check(inputs)?;
        let mut results: SmallVec<[Array; 8]> = SmallVec::with_capacity(self.steps.len());
        // the place in `results` of each step's first output
        let mut first: SmallVec<[u32; 8]> = SmallVec::with_capacity(self.steps.len());
        for step in &self.steps {
            let node = {
                let operands = step
                    .inputs
                    .iter()
                    .map(|value| self.look_up(*value, inputs, &results, &first).clone())
                    .collect();
                Array::rebuild(step, operands)
            };
            first.push(results.len() as u32);
            for output in 0..step.types.len() as u32 {
                results.push(Array {
                    node: node.clone(),
                    output,
                });
            }
        }
        Ok(self
            .outputs
            .iter()
            .map(|value| self.look_up(*value, inputs, &results, &first).clone())
            .collect())
    }

    fn look_up<'a>(
        &'a self,
        value: Value,
        inputs: &'a [Array],
        results: &'a [Array],
        first: &[u32],
    ) -> &'a Array {
        match value {
            Value::Input(input) => &inputs[input as usize],
            Value::Constant(constant) => &self.constants[constant as usize],
            Value::Result { step, output } => &results[(first[step as usize] + output) as usize],
        }
    }

    fn check(&self, inputs: &[Array]) -> Result<()> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::InputCount {
                op: "compile",
                expected: self.inputs.len(),
                found: inputs.len(),
            });
        }
        for (input, expected) in inputs.iter().zip(&self.inputs) {
            if input.dtype() != expected.dtype {
                return Err(Error::DtypeMismatch {
                    op: "compile",
                    lhs: expected.dtype,
                    rhs: input.dtype(),
                });
            }
            if *input.shape() != expected.shape {
                return Err(Error::ShapeMismatch {
                    op: "compile",
                    rule: "an input differs from the traced one",
                    lhs: expected.shape.clone(),
                    rhs: input.shape().clone(),
                });
            }
        }
        Ok(())
    }
}
