//! Sorting and searching.

use crate::complex;
use crate::elements::{Elements, lanes};
use crate::value::Value;
use mlx_oxide_ir::{Result, Sort};
use mlx_oxide_runtime::{Call, Results};
use std::cmp::Ordering;

/// The order of elements: complex numbers by the real, then by the imaginary part; NaN, and
/// whatever has a part that is NaN, after everything else and equal among themselves.
pub(crate) fn compare(lhs: Value, rhs: Value) -> Ordering {
    let by_value = match (lhs, rhs) {
        (Value::Integer(lhs), Value::Integer(rhs)) => Some(lhs.cmp(&rhs)),
        (Value::Complex(lhs), Value::Complex(rhs)) => complex::compare(lhs, rhs),
        (lhs, rhs) => lhs.real().partial_cmp(&rhs.real()),
    };
    by_value.unwrap_or_else(|| lhs.is_nan().cmp(&rhs.is_nan()))
}

pub(crate) fn run(sort: &Sort, call: &Call<'_>) -> Result<Results> {
    let output = match sort {
        // a full sort is a partition around every position
        Sort::Sort { axis } | Sort::Partition { axis, .. } => sorted(*axis, call)?,
        Sort::Argsort { axis } | Sort::Argpartition { axis, .. } => positions(*axis, call)?,
        Sort::Searchsorted { right } => search(*right, call)?,
    };
    output.finish(sort.name())
}

/// The stable order of each lane, as positions along the lane.
fn orders(operand: &Elements, axis: usize) -> Vec<(Vec<usize>, Vec<usize>)> {
    let order = |places: Vec<usize>| {
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by(|&lhs, &rhs| compare(operand.get(places[lhs]), operand.get(places[rhs])));
        (places, order)
    };
    lanes(operand.shape(), axis)
        .into_iter()
        .map(order)
        .collect()
}

fn sorted(axis: usize, call: &Call<'_>) -> Result<Elements> {
    let operand = Elements::read(&call.inputs[0])?;
    let mut output = Elements::zeroed(&call.outputs[0]);
    for (places, order) in orders(&operand, axis) {
        for (&to, from) in places.iter().zip(order) {
            output
                .raw_mut(to)
                .copy_from_slice(operand.raw(places[from]));
        }
    }
    Ok(output)
}

fn positions(axis: usize, call: &Call<'_>) -> Result<Elements> {
    let operand = Elements::read(&call.inputs[0])?;
    let mut output = Elements::zeroed(&call.outputs[0]);
    for (places, order) in orders(&operand, axis) {
        for (&to, from) in places.iter().zip(order) {
            output.set(to, Value::Integer(from as i128));
        }
    }
    Ok(output)
}

/// How many elements of the sorted sequence come before the value.
fn search(right: bool, call: &Call<'_>) -> Result<Elements> {
    let sequence = Elements::read(&call.inputs[0])?;
    let values = Elements::read(&call.inputs[1])?;
    let found = values.values().map(|value| {
        let before = |element: &Value| match compare(*element, value) {
            Ordering::Less => true,
            Ordering::Equal => right,
            Ordering::Greater => false,
        };
        Value::Integer(sequence.values().take_while(before).count() as i128)
    });
    Ok(Elements::collect(&call.outputs[0], found))
}
