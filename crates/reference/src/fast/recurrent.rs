//! Recurrent layers, step by step.

use crate::elements::Elements;
use crate::value::Value;
use mlx_oxide_ir::{ArrayType, Cell};

/// The hidden states and, of an LSTM, the cell states.
pub(super) fn outputs(cell: Cell, inputs: &[Elements], types: &[ArrayType]) -> Vec<Elements> {
    let [batch, times, features] = [0, 1, 2].map(|axis| types[0].shape[axis]);
    let reals = |elements: &Elements| -> Vec<f64> {
        let values = elements.values();
        values.map(Value::real).collect()
    };
    let (gates, weight) = (reals(&inputs[0]), reals(&inputs[1]));
    let (parameters, states) = inputs.split_at(cell.parameters());
    let bias = parameters.get(2).map(reals).unwrap_or_default();
    let width = cell.gates() * features;
    let mut outputs: Vec<Elements> = types.iter().map(Elements::zeroed).collect();
    for row in 0..batch {
        let mut current = vec![vec![0.0; features]; cell.states()];
        for (state, given) in current.iter_mut().zip(states) {
            *state = reals(given)[row * features..][..features].to_vec();
        }
        for time in 0..times {
            let begins = time == 0 && states.is_empty();
            let met: Vec<f64> = (0..width)
                .map(|gate| match begins {
                    true => 0.0, // nothing has met the weights, whatever they are
                    false => (0..features)
                        .map(|feature| current[0][feature] * weight[feature * width + gate])
                        .sum(),
                })
                .collect();
            let own = &gates[(row * times + time) * width..][..width];
            step(cell, own, &met, &bias, &mut current);
            for (output, state) in outputs.iter_mut().zip(&current) {
                let first = (row * times + time) * features;
                for (feature, number) in state.iter().enumerate() {
                    output.set(first + feature, Value::Real(*number));
                }
            }
        }
    }
    outputs
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Replaces the states: of the sequence's share of the gates and the hidden state's.
fn step(cell: Cell, own: &[f64], met: &[f64], bias: &[f64], states: &mut [Vec<f64>]) {
    let features = states[0].len();
    for feature in 0..features {
        let share = |gate: usize| own[gate * features + feature];
        let hidden = |gate: usize| met[gate * features + feature];
        let sum = |gate: usize| share(gate) + hidden(gate);
        match cell {
            Cell::Lstm => {
                let candidate = sigmoid(sum(0)) * sum(2).tanh();
                states[1][feature] = sigmoid(sum(1)) * states[1][feature] + candidate;
                states[0][feature] = sigmoid(sum(3)) * states[1][feature].tanh();
            }
            Cell::Gru => {
                let (reset, keep) = (sigmoid(sum(0)), sigmoid(sum(1)));
                let candidate = (share(2) + reset * (hidden(2) + bias[feature])).tanh();
                states[0][feature] = (1.0 - keep) * candidate + keep * states[0][feature];
            }
        }
    }
}
