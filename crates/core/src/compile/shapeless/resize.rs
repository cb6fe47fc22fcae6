//! From a program to a graph for inputs of certain sizes.

use super::{Program, What};
use crate::array::{Array, Expression};
use crate::graph::{Graph, Value};
use crate::ops;
use mlx_oxide_ir::{ArrayType, Error, Op, Result};
use mlx_oxide_runtime::stream::StreamScope;

impl Program {
    /// The graph for inputs of these types.
    ///
    /// # Errors
    /// Sizes that do not go together, as without a trace.
    pub(crate) fn resize(&self, types: &[ArrayType]) -> Result<Graph> {
        Graph::trace(|placeholders| self.run(placeholders), types)
    }

    /// The outputs for inputs, as new lazy arrays.
    pub(crate) fn run(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let mut results: Vec<Vec<Array>> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let operands: Vec<Array> = step
                .inputs
                .iter()
                .map(|value| self.look_up(*value, inputs, &results))
                .collect::<Result<_>>()?;
            let _stream = StreamScope::enter(step.stream);
            results.push(run(&step.what, operands)?);
        }
        let outputs = self.outputs.iter();
        outputs
            .map(|value| self.look_up(*value, inputs, &results))
            .collect()
    }

    fn look_up(&self, value: Value, inputs: &[Array], results: &[Vec<Array>]) -> Result<Array> {
        let found = match value {
            Value::Input(input) => inputs.get(input as usize),
            Value::Constant(constant) => self.constants.get(constant as usize),
            Value::Result { step, output } => results
                .get(step as usize)
                .and_then(|outputs| outputs.get(output as usize)),
        };
        found.cloned().ok_or(Error::ExportedFunction {
            op: "import_function",
            reason: "an operand does not exist".to_owned(),
        })
    }
}

fn run(what: &What, operands: Vec<Array>) -> Result<Vec<Array>> {
    match (what, operands.as_slice()) {
        (What::Call(call), _) => call.run(&operands),
        // operands whose sizes were equal may have to be stretched now
        (What::Op(Op::Binary(binary)), [lhs, rhs]) => {
            Ok(vec![ops::binary::apply(*binary, lhs, rhs)?])
        }
        (What::Op(Op::Select), [condition, x, y]) => Ok(vec![ops::select(condition, x, y)?]),
        (What::Op(op), _) => {
            let expression = Expression {
                op: op.clone(),
                inputs: Default::default(),
                rules: None,
            };
            let operands: Vec<&Array> = operands.iter().collect();
            Array::apply_expression(&expression, &operands, mlx_oxide_runtime::Stream::current())
        }
    }
}
