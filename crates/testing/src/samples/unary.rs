//! Elementwise operations of one operand.

use super::{between, distinct};
use crate::sample::{InputSpec, Sample, Values};
use crate::tolerance::{Tolerance, epsilon};
use mlx_oxide_ir::{Dtype, Op, Unary};

/// How far an operation can be differentiated inside its range.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Not at all: bits and bools.
    None,
    /// Piecewise, or linear without being holomorphic.
    Once,
    /// Everywhere.
    Smooth,
}

/// Where an operation is sampled.
struct Row {
    low: f64,
    high: f64,
    /// Representable steps that a good implementation may be off; 0 where rounding is exact.
    steps: u64,
    order: Order,
}

fn row(op: Unary) -> Row {
    use Order::{None, Once, Smooth};
    let (low, high, steps, order) = match op {
        Unary::Abs => (-3.0, 3.0, 0, Once),
        Unary::Negative => (-3.0, 3.0, 0, Smooth),
        Unary::Sign => (-3.0, 3.0, 0, Once),
        Unary::Square => (-3.0, 3.0, 0, Smooth),
        Unary::Exp => (-3.0, 3.0, 4, Smooth),
        Unary::Expm1 => (-2.0, 2.0, 4, Smooth),
        Unary::Log | Unary::Log2 | Unary::Log10 => (0.1, 4.0, 4, Smooth),
        Unary::Log1p => (-0.5, 3.0, 4, Smooth),
        Unary::Sqrt => (0.1, 4.0, 0, Smooth),
        Unary::Rsqrt => (0.1, 4.0, 2, Smooth),
        Unary::Sin | Unary::Cos => (-3.0, 3.0, 4, Smooth),
        Unary::Tan => (-1.2, 1.2, 6, Smooth),
        Unary::Arcsin | Unary::Arccos => (-0.9, 0.9, 4, Smooth),
        Unary::Arctan => (-4.0, 4.0, 4, Smooth),
        Unary::Sinh | Unary::Cosh | Unary::Tanh => (-3.0, 3.0, 6, Smooth),
        Unary::Arcsinh => (-4.0, 4.0, 6, Smooth),
        Unary::Arccosh => (1.1, 5.0, 6, Smooth),
        Unary::Arctanh => (-0.9, 0.9, 6, Smooth),
        Unary::Sigmoid => (-5.0, 5.0, 4, Smooth),
        Unary::Erf => (-2.5, 2.5, 4, Smooth),
        Unary::Erfinv => (-0.95, 0.95, 8, Smooth),
        Unary::Ceil | Unary::Floor | Unary::RoundEven => (-4.9, 4.9, 0, Once),
        Unary::LogicalNot | Unary::BitwiseInvert => (-9.0, 9.0, 0, None),
        Unary::Conjugate | Unary::Real | Unary::Imag => (-3.0, 3.0, 0, Once),
    };
    Row {
        low,
        high,
        steps,
        order,
    }
}

/// Whether the function is taken modulo its period, which great arguments lose.
fn is_periodic(op: Unary) -> bool {
    matches!(op, Unary::Sin | Unary::Cos | Unary::Tan)
}

pub(super) fn samples() -> Vec<Sample> {
    let dtypes = |op: Unary| {
        let contains = move |dtype: &&Dtype| op.domain().contains(**dtype);
        Dtype::ALL.iter().filter(contains)
    };
    Unary::ALL
        .iter()
        .flat_map(|&op| dtypes(op).flat_map(move |&dtype| of(op, dtype)))
        .collect()
}

fn of(op: Unary, dtype: Dtype) -> Vec<Sample> {
    let row = row(op);
    let sample = |label: &str, input: InputSpec| {
        Sample::new(label, Op::Unary(op), vec![input]).within(tolerance(op, dtype, row.steps))
    };
    let derived = |sample: Sample| match row.order {
        Order::Smooth => sample.differentiable(),
        Order::Once => sample.differentiable(),
        Order::None => sample,
    };
    let edges = if is_periodic(op) {
        Values::ModerateEdges(-30.0, 30.0)
    } else {
        Values::Edges(4.0 * row.low, 4.0 * row.high)
    };
    vec![
        derived(sample(
            "inside",
            distinct([2, 3, 7], dtype, row.low, row.high),
        )),
        derived(sample("scalar", between([], dtype, row.low, row.high))),
        derived(sample("empty", between([0, 3], dtype, row.low, row.high))),
        sample("edges", InputSpec::new([1031], dtype, edges)),
    ]
}

fn tolerance(op: Unary, dtype: Dtype, steps: u64) -> Tolerance {
    if dtype.is_complex() {
        let moves = matches!(
            op,
            Unary::Negative | Unary::Conjugate | Unary::Real | Unary::Imag | Unary::RoundEven
        );
        // a composition of several real functions
        return Tolerance::steps(if moves { 0 } else { 16 });
    }
    let tolerance = match steps {
        0 => Tolerance::EXACT,
        steps => Tolerance::function(dtype, steps),
    };
    if is_periodic(op) {
        // near a zero the reduced argument has few bits left
        tolerance.or_absolute(epsilon(dtype))
    } else {
        tolerance
    }
}
