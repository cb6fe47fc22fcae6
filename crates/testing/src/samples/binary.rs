//! Elementwise operations of two operands.

use super::{between, distinct};
use crate::sample::{InputSpec, Sample, Values};
use crate::tolerance::{Tolerance, epsilon};
use mlx_oxide_ir::{Binary, Dtype, Op};

/// How far an operation can be differentiated inside its ranges.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    None,
    Once,
    Smooth,
}

/// Where an operation is sampled.
struct Row {
    left: (f64, f64),
    right: (f64, f64),
    /// Representable steps that a good implementation may be off; 0 where rounding is exact.
    steps: u64,
    order: Order,
}

fn row(op: Binary) -> Row {
    use Order::{None, Once, Smooth};
    let around = (-3.0, 3.0);
    let (left, right, steps, order) = match op {
        Binary::Add | Binary::Subtract | Binary::Multiply => (around, around, 0, Smooth),
        Binary::Divide => (around, (0.5, 3.0), 0, Smooth),
        Binary::Remainder => (around, (0.5, 3.0), 0, Once),
        Binary::FloorDivide => (around, (0.5, 3.0), 0, Once),
        // the error of the logarithm is multiplied by the exponent
        Binary::Power => ((0.3, 3.0), (-2.0, 2.0), 16, Smooth),
        // another range on the right, that no pair is equal: ties have no derivative
        Binary::Maximum | Binary::Minimum => (around, (-2.9, 2.8), 0, Once),
        Binary::LogAddExp => (around, around, 4, Smooth),
        Binary::Arctan2 => ((0.3, 3.0), (0.3, 3.0), 4, Smooth),
        Binary::Equal
        | Binary::NotEqual
        | Binary::Less
        | Binary::LessEqual
        | Binary::Greater
        | Binary::GreaterEqual => (around, around, 0, None),
        Binary::LogicalAnd | Binary::LogicalOr => (around, around, 0, None),
        Binary::BitwiseAnd | Binary::BitwiseOr | Binary::BitwiseXor => {
            ((-99.0, 99.0), (-99.0, 99.0), 0, None)
        }
        Binary::LeftShift | Binary::RightShift => ((-99.0, 99.0), (0.0, 7.0), 0, None),
    };
    Row {
        left,
        right,
        steps,
        order,
    }
}

pub(super) fn samples() -> Vec<Sample> {
    Binary::ALL
        .iter()
        .flat_map(|&op| {
            let dtypes = Dtype::ALL
                .iter()
                .filter(move |dtype| is_sampled(op, **dtype));
            dtypes.flat_map(move |&dtype| of(op, dtype))
        })
        .collect()
}

/// Public functions shift bools as `uint8`.
fn is_sampled(op: Binary, dtype: Dtype) -> bool {
    let shifts = matches!(op, Binary::LeftShift | Binary::RightShift);
    op.domain().contains(dtype) && !(shifts && dtype == Dtype::Bool)
}

fn of(op: Binary, dtype: Dtype) -> Vec<Sample> {
    let row = row(op);
    let sample = |label: &str, left: InputSpec, right: InputSpec| {
        Sample::new(label, Op::Binary(op), vec![left, right])
            .within(tolerance(op, dtype, row.steps))
    };
    let apart = |(low, high)| match dtype.is_inexact() {
        true => distinct([2, 3, 7], dtype, low, high),
        false => between([2, 3, 7], dtype, low, high),
    };
    let inside = sample("inside", apart(row.left), apart(row.right));
    let derived = |sample: Sample| match row.order {
        Order::Smooth => sample.differentiable(),
        Order::Once => sample.differentiable(),
        Order::None => sample,
    };
    let drawn = |shape: &[usize]| {
        (
            between(shape, dtype, row.left.0, row.left.1),
            between(shape, dtype, row.right.0, row.right.1),
        )
    };
    let (left, right) = drawn(&[]);
    let scalar = sample("scalar", left, right);
    let (left, right) = drawn(&[0, 3]);
    let empty = sample("empty", left, right);
    vec![
        derived(inside),
        derived(scalar),
        derived(empty),
        edges(op, dtype, &row),
    ]
}

fn edges(op: Binary, dtype: Dtype, row: &Row) -> Sample {
    let values = |(low, high): (f64, f64)| match dtype {
        // the product of two complex numbers overflows or not by the order of operations
        Dtype::Complex64 => Values::ModerateEdges(low, high),
        _ => Values::Edges(low, high),
    };
    // complex numbers have 64 edges, each to meet each
    let size = if dtype.is_complex() { 4099 } else { 1031 };
    let inputs = vec![
        InputSpec::new([size], dtype, values(row.left)),
        InputSpec::new([size], dtype, values(row.right)),
    ];
    Sample::new("edges", Op::Binary(op), inputs).within(tolerance(op, dtype, row.steps))
}

fn tolerance(op: Binary, dtype: Dtype, steps: u64) -> Tolerance {
    if dtype.is_complex() {
        return complex_tolerance(op, dtype);
    }
    match (op, steps) {
        (_, 0) => Tolerance::EXACT,
        // near a zero of the result the greater operand's rounding is what is left
        (Binary::LogAddExp, steps) if dtype.is_floating() => {
            Tolerance::function(dtype, steps).or_absolute(epsilon(dtype))
        }
        // integers agree exactly whatever the steps
        (_, steps) => Tolerance::function(dtype, steps),
    }
}

fn complex_tolerance(op: Binary, dtype: Dtype) -> Tolerance {
    if op == Binary::Multiply {
        Tolerance::steps(4)
    } else if op == Binary::Divide {
        Tolerance::steps(8)
    } else if matches!(op, Binary::LogAddExp | Binary::Power) {
        // near -1 the sum under the logarithm cancels
        Tolerance::steps(32).or_absolute(8.0 * epsilon(dtype))
    } else {
        Tolerance::EXACT
    }
}
