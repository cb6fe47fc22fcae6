use super::of;
use crate::simd::Isa;
use mlx_oxide_ir::{ArrayType, Cell, Dtype, Fast, Layout, Op};
use mlx_oxide_runtime::{Buffer, Call, Device, Operand, Stream};

fn operand(values: &[f32], shape: &[usize]) -> Operand {
    Operand {
        buffer: Buffer::from_bytes("test", bytemuck::cast_slice(values)).unwrap(),
        layout: Layout::contiguous(shape),
        dtype: Dtype::Float32,
        donatable: false,
    }
}

fn wave(count: usize, pace: f32) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * pace).sin()).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The states of one row, in double precision: those before a step become those after it.
fn step(cell: Cell, own: &[f32], weight: &[f32], bias: &[f32], states: &mut [Vec<f64>]) {
    let features = states[0].len();
    let width = cell.gates() * features;
    let met = |gate: usize| -> f64 {
        let terms = states[0].iter().enumerate();
        terms
            .map(|(feature, hidden)| hidden * f64::from(weight[feature * width + gate]))
            .sum()
    };
    let met: Vec<f64> = (0..width).map(met).collect();
    for feature in 0..features {
        let gate = |number: usize| f64::from(own[number * features + feature]);
        let met = |number: usize| met[number * features + feature];
        let sum = |number: usize| gate(number) + met(number);
        match cell {
            Cell::Lstm => {
                states[1][feature] =
                    sigmoid(sum(1)) * states[1][feature] + sigmoid(sum(0)) * sum(2).tanh();
                states[0][feature] = sigmoid(sum(3)) * states[1][feature].tanh();
            }
            Cell::Gru => {
                let recurrent = met(2) + f64::from(bias[feature]);
                let candidate = (gate(2) + sigmoid(sum(0)) * recurrent).tanh();
                let keep = sigmoid(sum(1));
                states[0][feature] = (1.0 - keep) * candidate + keep * states[0][feature];
            }
        }
    }
}

#[test]
fn states_agree_with_the_formulas_whatever_the_sizes() {
    // more rows than a task takes, more features than a register has lanes
    for [rows, times, features] in [[1, 3, 1], [17, 4, 33], [2, 5, 16], [40, 2, 7]] {
        for cell in [Cell::Lstm, Cell::Gru] {
            for given in [false, true] {
                for isa in Isa::ALL {
                    check(cell, given, isa, [rows, times, features]);
                }
            }
        }
    }
}

fn check(cell: Cell, given: bool, isa: Isa, [rows, times, features]: [usize; 3]) {
    let width = cell.gates() * features;
    let gates = wave(rows * times * width, 1.7);
    let (weight, bias) = (wave(features * width, 2.3), wave(features, 0.9));
    let begin = [wave(rows * features, 1.1), wave(rows * features, 3.1)];
    let mut inputs = vec![
        operand(&gates, &[rows, times, width]),
        operand(&weight, &[features, width]),
    ];
    if cell == Cell::Gru {
        inputs.push(operand(&bias, &[features]));
    }
    let states = if given { cell.states() } else { 0 };
    inputs.extend(
        begin[..states]
            .iter()
            .map(|state| operand(state, &[rows, features])),
    );
    let output = ArrayType::new([rows, times, features], Dtype::Float32);
    let call = Call {
        op: &Op::Fast(Fast::Recurrent {
            cell,
            states: given,
        }),
        inputs: &inputs,
        outputs: &vec![output; cell.states()],
        stream: Stream::default_of(Device::CPU),
    };
    let found = of(&call, cell, isa).unwrap();
    let found: Vec<Vec<f32>> = found
        .iter()
        .map(|output| bytemuck::pod_collect_to_vec(output.buffer.host_bytes().unwrap()))
        .collect();
    for row in 0..rows {
        let mut expected: Vec<Vec<f64>> = vec![vec![0.0; features]; cell.states()];
        for (state, begin) in expected.iter_mut().zip(&begin[..states]) {
            let begin = begin[row * features..][..features].iter();
            *state = begin.copied().map(f64::from).collect();
        }
        for time in 0..times {
            let own = &gates[(row * times + time) * width..][..width];
            step(cell, own, &weight, &bias, &mut expected);
            for (found, expected) in found.iter().zip(&expected) {
                let found = &found[(row * times + time) * features..][..features];
                for (found, expected) in found.iter().zip(expected) {
                    let difference = (f64::from(*found) - expected).abs();
                    assert!(
                        difference < 1e-5,
                        "{cell:?} {given} {isa:?} {rows}x{times}x{features} row {row} time {time}: \
                         {found} {expected}"
                    );
                }
            }
        }
    }
}
