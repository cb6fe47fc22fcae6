//! Recurrent layers: a graph of every step.

use crate::array::Array;
use crate::ops::{self, unary::scalar_like, view};
use mlx_oxide_ir::{Cell, Result};

pub(super) fn decompose(cell: Cell, inputs: &[Array]) -> Result<Vec<Array>> {
    let gates = &inputs[0];
    let times = gates.shape()[1];
    let (parameters, given) = inputs.split_at(cell.parameters());
    let mut states: Vec<Array> = given.to_vec();
    let mut outputs = vec![Vec::with_capacity(times); cell.states()];
    for time in 0..times {
        let own = view::slice_axis(gates, 1, time, time + 1)?;
        let own = view::squeeze(&own, Some(&[1]))?;
        states = match cell {
            Cell::Lstm => long_short_term(&own, &parameters[1], &states)?,
            Cell::Gru => vec![gated(&own, parameters, states.first())?],
        };
        for (output, state) in outputs.iter_mut().zip(&states) {
            output.push(state.clone());
        }
    }
    let along_time = |states: &Vec<Array>| {
        let states: Vec<&Array> = states.iter().collect();
        match states.is_empty() {
            true => {
                let features = inputs[1].shape()[0];
                ops::zeros([gates.shape()[0], 0, features], gates.dtype())
            }
            false => ops::stack(&states, 1),
        }
    };
    outputs.iter().map(along_time).collect()
}

/// The hidden and the cell state of the next step of an LSTM.
fn long_short_term(own: &Array, weight: &Array, states: &[Array]) -> Result<Vec<Array>> {
    let gates = match states.first() {
        Some(hidden) => ops::addmm(own, hidden, weight, 1.0, 1.0)?,
        None => own.clone(),
    };
    let parts = ops::split(&gates, Cell::Lstm.gates(), -1)?;
    let taken = ops::multiply(&ops::sigmoid(&parts[0])?, &ops::tanh(&parts[2])?)?;
    let cell = match states.get(1) {
        Some(cell) => ops::add(&ops::multiply(&ops::sigmoid(&parts[1])?, cell)?, &taken)?,
        None => taken,
    };
    let hidden = ops::multiply(&ops::sigmoid(&parts[3])?, &ops::tanh(&cell)?)?;
    Ok(vec![hidden, cell])
}

/// The hidden state of the next step of a GRU.
fn gated(own: &Array, parameters: &[Array], hidden: Option<&Array>) -> Result<Array> {
    let (weight, bias) = (&parameters[1], &parameters[2]);
    let own = ops::split(own, Cell::Gru.gates(), -1)?;
    let met = match hidden {
        Some(hidden) => {
            let product = ops::matmul(hidden, weight)?;
            Some(ops::split(&product, Cell::Gru.gates(), -1)?)
        }
        None => None,
    };
    let gate = |number: usize| match &met {
        Some(met) => ops::sigmoid(&ops::add(&own[number], &met[number])?),
        None => ops::sigmoid(&own[number]),
    };
    let (reset, keep) = (gate(0)?, gate(1)?);
    let recurrent = match &met {
        Some(met) => ops::add(&met[2], bias)?,
        None => bias.clone(),
    };
    let candidate = ops::tanh(&ops::add(&own[2], &ops::multiply(&reset, &recurrent)?)?)?;
    let other = ops::subtract(&scalar_like(&keep, 1.0)?, &keep)?;
    let fresh = ops::multiply(&other, &candidate)?;
    match hidden {
        Some(hidden) => ops::add(&fresh, &ops::multiply(&keep, hidden)?),
        None => Ok(fresh),
    }
}
