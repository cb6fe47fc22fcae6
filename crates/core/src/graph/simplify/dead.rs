//! Steps and constants that no output depends on are dropped.

use crate::graph::{Graph, Value};

/// The graph with what its outputs need.
pub(super) fn remove(mut graph: Graph) -> Graph {
    let mut live_steps = vec![false; graph.steps.len()];
    let mut live_constants = vec![false; graph.constants.len()];
    let mut mark = |value: Value, live_steps: &mut Vec<bool>| match value {
        Value::Input(_) => {}
        Value::Constant(constant) => live_constants[constant as usize] = true,
        Value::Result { step, .. } => live_steps[step as usize] = true,
    };
    for output in &graph.outputs {
        mark(*output, &mut live_steps);
    }
    for position in (0..graph.steps.len()).rev() {
        if live_steps[position] {
            for input in &graph.steps[position].inputs {
                mark(*input, &mut live_steps);
            }
        }
    }
    let new_steps = renumber(&live_steps);
    let new_constants = renumber(&live_constants);
    retain(&mut graph.steps, &live_steps);
    retain(&mut graph.constants, &live_constants);
    graph.map_values(|value| match value {
        Value::Input(_) => value,
        Value::Constant(constant) => Value::Constant(new_constants[constant as usize]),
        Value::Result { step, output } => Value::Result {
            step: new_steps[step as usize],
            output,
        },
    });
    graph
}

/// For each position its place among the live ones.
fn renumber(live: &[bool]) -> Vec<u32> {
    let mut next = 0;
    live.iter()
        .map(|live| {
            next += u32::from(*live);
            next - u32::from(*live)
        })
        .collect()
}

fn retain<T>(items: &mut Vec<T>, live: &[bool]) {
    let mut live = live.iter();
    items.retain(|_| live.next() == Some(&true));
}
