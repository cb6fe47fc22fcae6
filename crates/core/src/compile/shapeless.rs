//! Traces that hold for every size.
//!
//! Only elementwise operations and the broadcasts before them qualify: other operations have
//! sizes among their parameters or bring constants made from sizes (a mean its factor).

use crate::array::Array;
use crate::graph::{Graph, Value};
use crate::ops;
use mlx_oxide_ir::layout::{SliceRange, broadcast_shapes};
use mlx_oxide_ir::{ArrayType, Op, Result, Shape, View};

/// Whether nothing in the graph depends on the sizes of its inputs.
pub(crate) fn holds_no_sizes(graph: &Graph) -> bool {
    let mut stretched = vec![false; graph.steps.len()];
    for (position, step) in graph.steps.iter().enumerate() {
        match &step.op {
            Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) => {}
            Op::View(View::StopGradient) => {}
            Op::View(View::Broadcast(_)) => stretched[position] = true,
            _ => return false,
        }
    }
    let is_stretched = |value: &Value| match value {
        Value::Result { step, .. } => stretched[*step as usize],
        Value::Constant(_) => true,
        Value::Input(_) => false,
    };
    // a broadcast may only serve the elementwise operation after it, to just the shape needed
    let implied = graph.steps.iter().all(|step| {
        !step.inputs.iter().any(is_stretched) || {
            let shapes = step
                .inputs
                .iter()
                .map(|input| free_shape(graph, before_broadcast(graph, *input)));
            let joined = shapes
                .map(Ok)
                .reduce(|lhs, rhs| broadcast_shapes(step.op.name(), &lhs?, &rhs?));
            matches!(step.op, Op::Binary(_) | Op::Select)
                && matches!(joined, Some(Ok(joined)) if joined == step.types[0].shape)
        }
    });
    let constants_are_scalars = graph.steps.iter().all(|step| {
        step.inputs.iter().all(|input| match input {
            Value::Constant(constant) => is_scalar(&graph.constants[*constant as usize]),
            Value::Input(_) | Value::Result { .. } => true,
        })
    });
    implied
        && constants_are_scalars
        && graph
            .outputs
            .iter()
            .all(|output| !is_stretched(output) && !matches!(output, Value::Constant(_)))
}

/// Whether every element is one and the same place in memory.
fn is_scalar(constant: &Array) -> bool {
    constant
        .stored()
        .is_some_and(|stored| constant.size() > 0 && stored.layout.is_uniform())
}

fn before_broadcast(graph: &Graph, value: Value) -> Value {
    if let Value::Result { step, .. } = value
        && let step = &graph.steps[step as usize]
        && matches!(step.op, Op::View(View::Broadcast(_)))
    {
        return before_broadcast(graph, step.inputs[0]);
    }
    value
}

/// The shape that a value brings to a broadcast; a constant brings its number of axes alone.
fn free_shape(graph: &Graph, value: Value) -> Shape {
    let shape = &graph.array_type(value).shape;
    match value {
        Value::Constant(_) => shape.iter().map(|_| 1).collect(),
        Value::Input(_) | Value::Result { .. } => shape.clone(),
    }
}

/// The graph for inputs of other sizes.
///
/// # Errors
/// Shapes that do not broadcast together, as without compilation.
pub(crate) fn resize(graph: &Graph, inputs: &[ArrayType]) -> Result<Graph> {
    Graph::trace(
        |placeholders| {
            let mut results: Vec<Array> = Vec::with_capacity(graph.steps.len());
            for step in &graph.steps {
                let operands: Vec<Array> = step
                    .inputs
                    .iter()
                    .map(|input| {
                        let value = before_broadcast(graph, *input);
                        value_of(graph, value, placeholders, &results)
                    })
                    .collect::<Result<_>>()?;
                let result = match step.op {
                    // skipped: its users broadcast
                    Op::View(View::Broadcast(_)) => operands[0].clone(),
                    _ => {
                        let operands = ops::broadcast_arrays(&operands.iter().collect::<Vec<_>>())?;
                        let operands: Vec<&Array> = operands.iter().collect();
                        Array::apply_on(step.op.clone(), &operands, step.stream)?
                    }
                };
                results.push(result);
            }
            graph
                .outputs
                .iter()
                .map(|output| value_of(graph, *output, placeholders, &results))
                .collect()
        },
        inputs,
    )
}

fn value_of(graph: &Graph, value: Value, inputs: &[Array], results: &[Array]) -> Result<Array> {
    Ok(match value {
        Value::Input(input) => inputs[input as usize].clone(),
        Value::Result { step, .. } => results[step as usize].clone(),
        Value::Constant(constant) => {
            let scalar = graph.constants[constant as usize].clone();
            // one element of it, with as many axes: the others are the same place
            let first: Vec<SliceRange> =
                scalar.shape().iter().map(|_| SliceRange::full(1)).collect();
            ops::slice(&scalar, &first)?
        }
    })
}
