//! Constants that are one number everywhere.

use crate::array::{Array, State};
use crate::graph::{Graph, Value};
use crate::ops;
use mlx_oxide_ir::{Op, Scalar, Source};

/// Constants of up to this many elements are computed once, when the function is traced.
const MOST_ELEMENTS_COMPUTED: usize = 4096;

/// For each constant the number that all its elements are, where it is known.
pub(super) type Scalars = Vec<Option<Scalar>>;

/// Makes constants of steps that fill arrays for elementwise operations, computes small
/// constants, and finds those that are one number.
pub(super) fn fold(graph: &mut Graph) -> Scalars {
    fold_fills(graph);
    graph
        .constants
        .iter()
        .map(|constant| {
            if constant.is_traced() {
                return None;
            }
            if !constant.is_evaluated() && is_cheap(constant) {
                // a failure comes again, with its context, when the value is needed
                let _ = constant.eval();
            }
            constant.known_scalar()
        })
        .collect()
}

/// A fill that only elementwise operations take needs no memory: it is a stretched scalar.
fn fold_fills(graph: &mut Graph) {
    let mut elementwise_only = vec![true; graph.steps.len()];
    for step in &graph.steps {
        for input in &step.inputs {
            if let Value::Result { step: source, .. } = input {
                elementwise_only[*source as usize] &= step.op.is_elementwise();
            }
        }
    }
    for output in &graph.outputs {
        if let Value::Result { step, .. } = output {
            elementwise_only[*step as usize] = false;
        }
    }
    let mut replaced: Vec<Option<Value>> = vec![None; graph.steps.len()];
    for (position, step) in graph.steps.iter().enumerate() {
        if let Op::Source(Source::Full { shape, value }) = &step.op
            && elementwise_only[position]
            && let Ok(stretched) = Array::from_scalar(*value)
                .and_then(|scalar| ops::broadcast_to(&scalar, shape.clone()))
        {
            replaced[position] = Some(Value::Constant(graph.constants.len() as u32));
            graph.constants.push(stretched);
        }
    }
    graph.map_values(|value| match value {
        Value::Result { step, .. } => replaced[step as usize].unwrap_or(value),
        Value::Input(_) | Value::Constant(_) => value,
    });
}

/// Whether an array is small, or a view of one that is there.
fn is_cheap(constant: &Array) -> bool {
    let state = constant.node.state.lock();
    let State::Lazy(expression) = &*state else {
        return false;
    };
    let is_view = matches!(expression.op, Op::View(_));
    let ready = |input: &Array| input.is_evaluated();
    constant.size() <= MOST_ELEMENTS_COMPUTED || is_view && expression.inputs.iter().all(ready)
}
