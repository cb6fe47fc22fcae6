//! Equal operations on equal values are computed once.

use super::scalars::Scalars;
use crate::graph::{Graph, Step, Value};
use mlx_oxide_ir::ArrayType;
use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Lets uses of a repeated step or constant use the first of its kind.
pub(super) fn merge(graph: &mut Graph, scalars: &Scalars) {
    let constants = first_constants(graph, scalars);
    let mut first_of: Vec<u32> = Vec::with_capacity(graph.steps.len());
    let mut by_hash: FxHashMap<u64, SmallVec<[u32; 1]>> = FxHashMap::default();
    for position in 0..graph.steps.len() {
        let inputs: SmallVec<[Value; 2]> = graph.steps[position]
            .inputs
            .iter()
            .map(|input| follow(*input, &constants, &first_of))
            .collect();
        graph.steps[position].inputs = inputs;
        let step = &graph.steps[position];
        let candidates = by_hash.entry(hash(step)).or_default();
        let equal = candidates
            .iter()
            .find(|candidate| is_equal(&graph.steps[**candidate as usize], step));
        match equal {
            Some(first) => first_of.push(*first),
            None => {
                candidates.push(position as u32);
                first_of.push(position as u32);
            }
        }
    }
    for output in &mut graph.outputs {
        *output = follow(*output, &constants, &first_of);
    }
}

fn follow(value: Value, constants: &[u32], first_of: &[u32]) -> Value {
    match value {
        Value::Input(_) => value,
        Value::Constant(constant) => Value::Constant(constants[constant as usize]),
        Value::Result { step, output } => Value::Result {
            step: first_of[step as usize],
            output,
        },
    }
}

/// For each constant the first that is the same array or the same number.
fn first_constants(graph: &Graph, scalars: &Scalars) -> Vec<u32> {
    let mut arrays: FxHashMap<(usize, u32), u32> = FxHashMap::default();
    let mut numbers: FxHashMap<(&ArrayType, u64), u32> = FxHashMap::default();
    graph
        .constants
        .iter()
        .zip(scalars)
        .zip(0u32..)
        .map(|((constant, scalar), position)| match scalar {
            Some(scalar) => *numbers
                .entry((constant.array_type(), scalar.bits()))
                .or_insert(position),
            None => *arrays
                .entry((Arc::as_ptr(&constant.node) as usize, constant.output))
                .or_insert(position),
        })
        .collect()
}

fn hash(step: &Step) -> u64 {
    let mut hasher = FxHasher::default();
    step.op.hash(&mut hasher);
    step.inputs.hash(&mut hasher);
    hasher.finish()
}

fn is_equal(lhs: &Step, rhs: &Step) -> bool {
    let same_rules = match (&lhs.rules, &rhs.rules) {
        (None, None) => true,
        (Some(lhs), Some(rhs)) => Arc::ptr_eq(lhs, rhs),
        _ => false,
    };
    same_rules
        && lhs.op == rhs.op
        && lhs.inputs == rhs.inputs
        && lhs.types == rhs.types
        && lhs.stream == rhs.stream
}
