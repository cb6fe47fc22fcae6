//! Backwards through the steps of recurrent layers. What the steps did is computed again for all of
//! them at once; one after the other only the cotangents of the states come, last step first.

use super::super::{Optional, pull_decomposed};
use crate::array::{Array, Site};
use crate::ops::{self, unary::scalar_like, view};
use mlx_oxide_ir::{Cell, Fast, Op, Result};

/// Cotangents of the inputs from those of the states.
pub(super) fn vjp(site: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Optional> {
    let cell = match site.op {
        Op::Fast(Fast::Recurrent { cell, .. }) if site.outputs[0].size() > 0 => *cell,
        _no_steps => return pull_decomposed(site, cotangents),
    };
    if cotangents.iter().all(Option::is_none) {
        return Ok(vec![None; site.inputs.len()]);
    }
    let given = &site.inputs[cell.parameters()..];
    let mut before = Vec::with_capacity(cell.states());
    let mut incoming = Vec::with_capacity(cell.states());
    for (state, output) in site.outputs.iter().enumerate() {
        before.push(states_before(output, given.get(state))?);
        incoming.push(match &cotangents[state] {
            Some(cotangent) => cotangent.clone(),
            None => ops::zeros_like(output)?,
        });
    }
    let mut pulled = match cell {
        Cell::Lstm => long_short_term(site, &before, &incoming)?,
        Cell::Gru => gated(site, &before[0], &incoming[0])?,
    };
    pulled.truncate(site.inputs.len());
    Ok(pulled.into_iter().map(Some).collect())
}

/// The states `(B, T, H)` that the steps began with.
fn states_before(states: &Array, begin: Option<&Array>) -> Result<Array> {
    let times = states.shape()[1];
    let first = match begin {
        Some(begin) => ops::expand_dims(begin, &[1])?,
        None => ops::zeros(states.shape().with(1, 1), states.dtype())?,
    };
    let others = view::slice_axis(states, 1, 0, times - 1)?;
    ops::concatenate(&[&first, &others], 1)
}

/// The step of a time, its axis kept.
fn at(array: &Array, time: usize) -> Result<Array> {
    view::slice_axis(array, 1, time, time + 1)
}

/// `1 - x`.
fn rest(x: &Array) -> Result<Array> {
    ops::subtract(&scalar_like(x, 1.0)?, x)
}

/// The derivative of the sigmoid where it is `y`: `y·(1 - y)`.
fn sigmoid_slope(y: &Array) -> Result<Array> {
    ops::multiply(y, &rest(y)?)
}

/// The derivative of the hyperbolic tangent where it is `y`: `1 - y²`.
fn tanh_slope(y: &Array) -> Result<Array> {
    rest(&ops::square(y)?)
}

/// `a·b·c`.
fn product(a: &Array, b: &Array, c: &Array) -> Result<Array> {
    ops::multiply(&ops::multiply(a, b)?, c)
}

/// Numbers `(B, T, H)` times factors `(B, T, G·H)` of several gates.
fn spread(numbers: &Array, factors: &Array) -> Result<Array> {
    let shape = numbers.shape();
    let (features, gates) = (shape[2], factors.shape()[2] / shape[2]);
    let apart = view::reshape_to(factors, [shape[0], shape[1], gates, features])?;
    let all = ops::multiply(&ops::expand_dims(numbers, &[2])?, &apart)?;
    view::reshape_to(&all, factors.shape().clone())
}

/// Steps from the first to the last, of those found from the last to the first.
fn along_time(mut steps: Vec<Array>) -> Result<Array> {
    steps.reverse();
    ops::concatenate(&steps.iter().collect::<Vec<_>>(), 1)
}

/// `Σ hᵀ·d` over rows and steps, the cotangent of the weights.
fn of_weight(hidden: &Array, gates: &Array) -> Result<Array> {
    let rows = |array: &Array| view::flatten(array, 0, 1);
    ops::matmul(&ops::matrix_transpose(&rows(hidden)?)?, &rows(gates)?)
}

/// Of gates, weight, hidden and cell state.
fn long_short_term(site: &Site<'_>, before: &[Array], incoming: &[Array]) -> Result<Vec<Array>> {
    let (weight, times) = (&site.inputs[1], site.inputs[0].shape()[1]);
    let gates = ops::addmm(&site.inputs[0], &before[0], weight, 1.0, 1.0)?;
    let parts = ops::split(&gates, Cell::Lstm.gates(), -1)?;
    let (take, forget) = (ops::sigmoid(&parts[0])?, ops::sigmoid(&parts[1])?);
    let (candidate, give) = (ops::tanh(&parts[2])?, ops::sigmoid(&parts[3])?);
    let shown = ops::tanh(&site.outputs[1])?;
    // by what the cotangents of the cell and the hidden state are multiplied for each gate
    let of_cell = ops::concatenate(
        &[
            &ops::multiply(&candidate, &sigmoid_slope(&take)?)?,
            &ops::multiply(&before[1], &sigmoid_slope(&forget)?)?,
            &ops::multiply(&take, &tanh_slope(&candidate)?)?,
        ],
        2,
    )?;
    let of_hidden = ops::multiply(&shown, &sigmoid_slope(&give)?)?;
    let through = ops::multiply(&give, &tanh_slope(&shown)?)?;
    let turned = ops::contiguous(&ops::matrix_transpose(weight)?)?;
    let (mut pulled, mut carried): (Vec<Array>, Option<Array>) = (Vec::new(), None);
    for time in (0..times).rev() {
        let mut hidden = at(&incoming[0], time)?;
        if let Some(after) = pulled.last() {
            hidden = ops::addmm(&hidden, after, &turned, 1.0, 1.0)?;
        }
        let mut cell = ops::multiply(&hidden, &at(&through, time)?)?;
        cell = ops::add(&at(&incoming[1], time)?, &cell)?;
        if let Some(carried) = &carried {
            cell = ops::add(&cell, carried)?;
        }
        let of_cell = spread(&cell, &at(&of_cell, time)?)?;
        let of_hidden = ops::multiply(&hidden, &at(&of_hidden, time)?)?;
        pulled.push(ops::concatenate(&[&of_cell, &of_hidden], 2)?);
        carried = Some(ops::multiply(&cell, &at(&forget, time)?)?);
    }
    let first = match pulled.last() {
        Some(first) => ops::matmul(first, &turned)?,
        None => ops::zeros_like(&incoming[0])?,
    };
    let cell = carried.map_or_else(|| ops::zeros_like(&incoming[1]), Ok)?;
    let pulled = along_time(pulled)?;
    let of_weight = of_weight(&before[0], &pulled)?;
    let state = |array: &Array| view::squeeze(array, Some(&[1]));
    Ok(vec![pulled, of_weight, state(&first)?, state(&cell)?])
}

/// Of gates, weight, bias and hidden state.
fn gated(site: &Site<'_>, before: &Array, incoming: &Array) -> Result<Vec<Array>> {
    let (weight, times) = (&site.inputs[1], site.inputs[0].shape()[1]);
    let own = ops::split(&site.inputs[0], Cell::Gru.gates(), -1)?;
    let met = ops::split(&ops::matmul(before, weight)?, Cell::Gru.gates(), -1)?;
    let reset = ops::sigmoid(&ops::add(&own[0], &met[0])?)?;
    let keep = ops::sigmoid(&ops::add(&own[1], &met[1])?)?;
    let recurrent = ops::add(&met[2], &site.inputs[2])?;
    let candidate = ops::add(&own[2], &ops::multiply(&reset, &recurrent)?)?;
    let candidate = ops::tanh(&candidate)?;
    // by what the cotangent of the hidden state is multiplied for each gate
    let of_candidate = ops::multiply(&rest(&keep)?, &tanh_slope(&candidate)?)?;
    let of_reset = product(&of_candidate, &recurrent, &sigmoid_slope(&reset)?)?;
    let of_keep = ops::subtract(before, &candidate)?;
    let of_keep = ops::multiply(&of_keep, &sigmoid_slope(&keep)?)?;
    let of_recurrent = ops::multiply(&of_candidate, &reset)?;
    let of_met = ops::concatenate(&[&of_reset, &of_keep, &of_recurrent], 2)?;
    let of_own = ops::concatenate(&[&of_reset, &of_keep, &of_candidate], 2)?;
    let turned = ops::contiguous(&ops::matrix_transpose(weight)?)?;
    let (mut pulled, mut carried): (Vec<Array>, Option<Array>) = (Vec::new(), None);
    for time in (0..times).rev() {
        let mut hidden = at(incoming, time)?;
        if let Some(carried) = &carried {
            hidden = ops::add(&hidden, carried)?;
        }
        let kept = ops::multiply(&hidden, &at(&keep, time)?)?;
        let gates = spread(&hidden, &at(&of_met, time)?)?;
        carried = Some(ops::addmm(&kept, &gates, &turned, 1.0, 1.0)?);
        pulled.push(hidden);
    }
    let first = carried.map_or_else(|| ops::zeros_like(incoming), Ok)?;
    let hidden = along_time(pulled)?;
    let met = spread(&hidden, &of_met)?;
    let of_bias = ops::multiply(&hidden, &of_recurrent)?;
    Ok(vec![
        spread(&hidden, &of_own)?,
        of_weight(before, &met)?,
        ops::sum(&of_bias, Some(&[0, 1]), false)?,
        view::squeeze(&first, Some(&[1]))?,
    ])
}
