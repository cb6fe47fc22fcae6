//! Steps that change nothing.

use super::scalars::Scalars;
use crate::array::Role;
use crate::graph::{Graph, Step, Value};
use mlx_oxide_ir::{Axes, Binary, Dtype, Op, Scalar, Unary, View};
use smallvec::{SmallVec, smallvec};

/// What a simplified graph is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Every transform.
    Rules,
    /// Evaluation alone.
    Values,
    /// Every transform elsewhere, by operations that are data.
    Data,
}

/// Lets uses of a step that changes nothing use its input instead.
pub(super) fn remove(graph: &mut Graph, scalars: &Scalars, keep: Keep) {
    let mut replaced: Vec<SmallVec<[Value; 1]>> = Vec::with_capacity(graph.steps.len());
    let follow = |value: Value, replaced: &[SmallVec<[Value; 1]>]| match value {
        Value::Result { step, output } => replaced[step as usize][output as usize],
        Value::Input(_) | Value::Constant(_) => value,
    };
    for position in 0..graph.steps.len() {
        let mut step = graph.steps[position].clone();
        for input in &mut step.inputs {
            *input = follow(*input, &replaced);
        }
        shorten(&mut step, graph);
        let own = || {
            let outputs = 0..step.types.len() as u32;
            let step = position as u32;
            outputs
                .map(|output| Value::Result { step, output })
                .collect()
        };
        replaced.push(unchanged(&step, graph, scalars, keep).unwrap_or_else(own));
        graph.steps[position] = step;
    }
    for output in &mut graph.outputs {
        *output = follow(*output, &replaced);
    }
}

/// The step that makes a value.
fn producer(graph: &Graph, value: Value) -> Option<&Step> {
    match value {
        Value::Result { step, .. } => Some(&graph.steps[step as usize]),
        Value::Input(_) | Value::Constant(_) => None,
    }
}

/// A view of a view of the same kind becomes one.
fn shorten(step: &mut Step, graph: &Graph) {
    let Some(before) = step
        .inputs
        .first()
        .and_then(|input| producer(graph, *input))
    else {
        return;
    };
    let joined = match (&step.op, &before.op) {
        (Op::View(View::Reshape(shape)), Op::View(View::Reshape(_))) => {
            View::Reshape(shape.clone())
        }
        (Op::View(View::Permute(last)), Op::View(View::Permute(first))) => {
            View::Permute(last.iter().map(|axis| first[*axis]).collect::<Axes>())
        }
        (Op::View(View::Broadcast(shape)), Op::View(View::Broadcast(_))) => {
            View::Broadcast(shape.clone())
        }
        _ => return,
    };
    step.inputs = before.inputs.clone();
    step.op = Op::View(joined);
}

/// The values that the step's outputs are equal to, if it changes nothing.
fn unchanged(
    step: &Step,
    graph: &Graph,
    scalars: &Scalars,
    keep: Keep,
) -> Option<SmallVec<[Value; 1]>> {
    if let Some(rules) = &step.rules {
        let droppable = match rules.role() {
            Role::Rules => keep == Keep::Values,
            Role::Order => keep == Keep::Data,
            Role::Computation => false,
        };
        let first = step.inputs.len().checked_sub(step.types.len())?;
        return droppable.then(|| step.inputs[first..].iter().copied().collect());
    }
    let first = *step.inputs.first()?;
    let same_type = *graph.array_type(first) == step.types[0];
    let value = match &step.op {
        Op::Cast(_) if same_type => first,
        Op::Cast(dtype) => round_trip(graph, first, *dtype)?,
        Op::View(view) if same_type => match view {
            View::Reshape(_) | View::Broadcast(_) | View::Bitcast(_) => first,
            View::Permute(axes) if axes.is_sorted() => first,
            View::Slice(ranges) if ranges.iter().all(|range| range.step > 0) => first,
            View::StopGradient if keep == Keep::Values => first,
            View::Permute(_)
            | View::Slice(_)
            | View::AsStrided(_)
            | View::StopGradient
            | View::Contiguous => return None,
        },
        Op::Unary(unary @ (Unary::Negative | Unary::LogicalNot | Unary::BitwiseInvert)) => {
            let before = producer(graph, first)?;
            (before.op == Op::Unary(*unary)).then(|| before.inputs[0])?
        }
        Op::Binary(binary) => neutral(*binary, step, scalars)?,
        Op::Select => {
            let condition = number(step.inputs[0], scalars)?;
            step.inputs[if condition.to_i64() != 0 { 1 } else { 2 }]
        }
        _ => return None,
    };
    (*graph.array_type(value) == step.types[0]).then(|| smallvec![value])
}

/// A float widened and narrowed again is what it was.
fn round_trip(graph: &Graph, value: Value, dtype: Dtype) -> Option<Value> {
    let before = producer(graph, value)?;
    let original = *before.inputs.first()?;
    let is_cast = matches!(before.op, Op::Cast(_));
    let narrow = graph.array_type(original).dtype;
    let wide = before.types[0].dtype;
    let lossless = matches!(
        (narrow, wide),
        (
            Dtype::Float16 | Dtype::Bfloat16,
            Dtype::Float32 | Dtype::Float64
        ) | (Dtype::Float32, Dtype::Float64)
    );
    (is_cast && lossless && narrow == dtype).then_some(original)
}

fn number(value: Value, scalars: &Scalars) -> Option<Scalar> {
    match value {
        Value::Constant(constant) => scalars[constant as usize],
        Value::Input(_) | Value::Result { .. } => None,
    }
}

/// The other operand of a neutral element. Adding `+0` is none for floats, because it turns `-0`
/// into `+0`.
fn neutral(binary: Binary, step: &Step, scalars: &Scalars) -> Option<Value> {
    let (lhs, rhs) = (step.inputs[0], step.inputs[1]);
    let is = |value: Value, expected: f64| {
        number(value, scalars).is_some_and(|found| {
            !found.dtype().is_complex() && found == Scalar::new(expected, found.dtype())
        })
    };
    let zero = |value: Value| {
        number(value, scalars).is_some_and(|found| match found.dtype().is_inexact() {
            true => is(value, -0.0),
            false => found.bits() == 0,
        })
    };
    match binary {
        Binary::Multiply if is(rhs, 1.0) => Some(lhs),
        Binary::Multiply if is(lhs, 1.0) => Some(rhs),
        Binary::Divide if is(rhs, 1.0) => Some(lhs),
        Binary::Subtract if is(rhs, 0.0) => Some(lhs),
        Binary::Add if zero(rhs) => Some(lhs),
        Binary::Add if zero(lhs) => Some(rhs),
        _ => None,
    }
}
