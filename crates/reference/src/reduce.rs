//! Reductions: the elements that differ along the reduced axes alone become one.

use crate::binary;
use crate::complex;
use crate::elements::{Elements, groups, lanes};
use crate::value::Value;
use mlx_oxide_ir::{ArgReduce, Binary, Dtype, Extreme, Reduce, ReduceKind, Result};
use mlx_oxide_runtime::{Call, Results};
use num_complex::Complex64;
use std::cmp::Ordering;

pub(crate) fn reduce(reduce: &Reduce, call: &Call<'_>) -> Result<Results> {
    let operand = Elements::read(&call.inputs[0])?;
    let groups = groups(operand.shape(), &reduce.axes);
    let reduced = groups.iter().map(|places| {
        let values: Vec<Value> = places.iter().map(|&place| operand.get(place)).collect();
        fold(reduce.kind, &values, operand.dtype())
    });
    Elements::collect(&call.outputs[0], reduced).finish(reduce.name())
}

/// Of the elements of `dtype`, accumulated without rounding in between.
fn fold(kind: ReduceKind, values: &[Value], dtype: Dtype) -> Value {
    let combine = |op, identity| {
        let step = |lhs, rhs: &Value| binary::apply(op, lhs, *rhs, dtype);
        values.iter().fold(identity, step)
    };
    match kind {
        ReduceKind::Sum => combine(Binary::Add, integer_as(0, dtype)),
        ReduceKind::Prod => combine(Binary::Multiply, integer_as(1, dtype)),
        ReduceKind::Max => combine(Binary::Maximum, values[0]), // inference rejects no elements
        ReduceKind::Min => combine(Binary::Minimum, values[0]),
        ReduceKind::All => values.iter().all(|value| value.is_nonzero()).into(),
        ReduceKind::Any => values.iter().any(|value| value.is_nonzero()).into(),
        ReduceKind::LogSumExp => log_sum_exp(values, dtype),
    }
}

/// A small integer as an element of `dtype`.
pub(crate) fn integer_as(value: i64, dtype: Dtype) -> Value {
    if dtype.is_complex() {
        Value::Complex(Complex64::new(value as f64, 0.0))
    } else if dtype.is_floating() {
        Value::Real(value as f64)
    } else {
        Value::Integer(value.into())
    }
}

/// `max + ln Σ e^(x - max)`; -∞ of no elements.
fn log_sum_exp(values: &[Value], dtype: Dtype) -> Value {
    let lowest = if dtype.is_complex() {
        Value::Complex(Complex64::new(f64::NEG_INFINITY, 0.0))
    } else {
        Value::Real(f64::NEG_INFINITY)
    };
    let greatest = values.iter().fold(lowest, |lhs, rhs| {
        binary::apply(Binary::Maximum, lhs, *rhs, dtype)
    });
    match greatest {
        Value::Complex(greatest) if greatest.re.is_finite() => {
            let sum: Complex64 = values
                .iter()
                .map(|value| complex::exp(value.complex() - greatest))
                .sum();
            Value::Complex(greatest + complex::log(sum))
        }
        Value::Real(greatest) if greatest.is_finite() => {
            let sum: f64 = values
                .iter()
                .map(|value| (value.real() - greatest).exp())
                .sum();
            Value::Real(greatest + sum.ln())
        }
        Value::Integer(_) | Value::Real(_) | Value::Complex(_) => greatest,
    }
}

pub(crate) fn arg_reduce(reduce: &ArgReduce, call: &Call<'_>) -> Result<Results> {
    let operand = Elements::read(&call.inputs[0])?;
    let lanes = lanes(operand.shape(), reduce.axis);
    let found = lanes.iter().map(|places| {
        let mut best = 0;
        for (candidate, &place) in places.iter().enumerate() {
            if beats(
                reduce.extreme,
                operand.get(place),
                operand.get(places[best]),
            ) {
                best = candidate;
            }
        }
        Value::Integer(best as i128)
    });
    Elements::collect(&call.outputs[0], found).finish(reduce.name())
}

/// Whether a later element is the extreme rather than the best so far: equal ones are not, and
/// the first NaN is either extreme.
fn beats(extreme: Extreme, candidate: Value, best: Value) -> bool {
    if best.is_nan() || candidate.is_nan() {
        return !best.is_nan();
    }
    let order = crate::sort::compare(candidate, best);
    match extreme {
        Extreme::Max => order == Ordering::Greater,
        Extreme::Min => order == Ordering::Less,
    }
}
