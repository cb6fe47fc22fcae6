//! Reductions and index reductions.

use super::{distinct, exactly};
use crate::sample::{InputSpec, Sample, Values};
use crate::tolerance::Tolerance;
use mlx_oxide_ir::{ArgReduce, Dtype, Extreme, Op, Reduce, ReduceKind};

const KINDS: [ReduceKind; 7] = [
    ReduceKind::Sum,
    ReduceKind::Prod,
    ReduceKind::Max,
    ReduceKind::Min,
    ReduceKind::All,
    ReduceKind::Any,
    ReduceKind::LogSumExp,
];

pub(super) fn samples() -> Vec<Sample> {
    let reductions = Dtype::ALL.iter().flat_map(|&dtype| {
        let defined =
            move |kind: &&ReduceKind| **kind != ReduceKind::LogSumExp || dtype.is_inexact();
        let kinds = KINDS.iter().filter(defined);
        kinds.flat_map(move |&kind| of(kind, dtype))
    });
    let positions = Dtype::ALL.iter().flat_map(|&dtype| arg_reduce(dtype));
    reductions.chain(positions).collect()
}

/// The shapes and axes: along, across, around and over everything.
const PLACES: [(&[usize], &[usize]); 9] = [
    (&[4, 5, 6], &[0]),
    (&[4, 5, 6], &[1]),
    (&[4, 5, 6], &[2]),
    (&[4, 5, 6], &[0, 2]),
    (&[2, 3, 2, 3], &[0, 1, 2, 3]),
    (&[4, 5], &[]),
    (&[3, 257], &[1]),
    (&[257, 3], &[0]),
    (&[3, 0], &[0]),
];

fn of(kind: ReduceKind, dtype: Dtype) -> Vec<Sample> {
    let mut samples: Vec<Sample> = PLACES
        .iter()
        .map(|(shape, axes)| at(kind, dtype, shape, axes))
        .collect();
    samples.push(at(kind, dtype, &[1031], &[0]));
    if !matches!(kind, ReduceKind::Max | ReduceKind::Min) {
        samples.push(at(kind, dtype, &[2, 0], &[1])); // the identity
    }
    if dtype.is_floating() {
        samples.push(edges(kind, dtype));
    }
    samples
}

fn reduce(label: &str, kind: ReduceKind, axes: &[usize], input: InputSpec) -> Sample {
    let op = Reduce {
        kind,
        axes: axes.into(),
    };
    Sample::new(label, Op::Reduce(op), vec![input])
}

fn at(kind: ReduceKind, dtype: Dtype, shape: &[usize], axes: &[usize]) -> Sample {
    let terms: usize = axes.iter().map(|&axis| shape[axis]).product();
    let values = match kind {
        ReduceKind::Sum | ReduceKind::LogSumExp => Values::Between(-2.0, 2.0),
        // near 1, that products of many neither vanish nor overflow
        ReduceKind::Prod if dtype.is_inexact() => Values::Distinct(0.9, 1.1),
        ReduceKind::Prod => Values::Between(-3.0, 3.0),
        ReduceKind::Max | ReduceKind::Min => Values::Distinct(-2.0, 2.0),
        ReduceKind::All => Values::Exactly(vec![1.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 2.0, 1.0]),
        ReduceKind::Any => Values::Exactly(vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
    };
    let input = InputSpec::new(shape, dtype, values);
    let sample = reduce(&format!("{shape:?} over {axes:?}"), kind, axes, input)
        .within(tolerance(kind, dtype, terms));
    match kind {
        _ if shape.iter().product::<usize>() > 150 => sample, // differences would be slow
        ReduceKind::Sum | ReduceKind::Prod | ReduceKind::LogSumExp => sample.differentiable(),
        ReduceKind::Max | ReduceKind::Min => sample.differentiable(),
        ReduceKind::All | ReduceKind::Any => sample,
    }
}

fn tolerance(kind: ReduceKind, dtype: Dtype, terms: usize) -> Tolerance {
    match kind {
        ReduceKind::Sum => Tolerance::sum(dtype, terms, 2.0),
        // each factor rounds; the products stay below ten
        ReduceKind::Prod if dtype.is_complex() => Tolerance::stages(dtype, terms as f64, 0.0),
        ReduceKind::Prod => Tolerance::sum(dtype, terms, 10.0),
        ReduceKind::Max | ReduceKind::Min | ReduceKind::All | ReduceKind::Any => Tolerance::EXACT,
        ReduceKind::LogSumExp => Tolerance::stages(dtype, 8.0, 1.0),
    }
}

fn edges(kind: ReduceKind, dtype: Dtype) -> Sample {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let rows = [
        [1.0, nan, 2.0, -1.0],
        [inf, 1.0, 2.0, inf],
        [-inf, -inf, -inf, -inf],
        [inf, -inf, 0.0, 1.0],
        [-inf, 1.0, 2.0, -inf],
        [nan, inf, -inf, 0.0],
        [0.0, -0.0, 0.0, -0.0],
    ];
    let input = exactly([7, 4], dtype, &rows.concat());
    reduce("edges", kind, &[1], input).within(tolerance(kind, dtype, 4))
}

fn arg_reduce(dtype: Dtype) -> Vec<Sample> {
    let of = |label: &str, extreme, axis, input| {
        let op = ArgReduce { extreme, axis };
        let mut sample = Sample::new(label, Op::ArgReduce(op), vec![input]);
        sample.name = format!("{} along {axis}", sample.name);
        sample
    };
    let ties = [2.0, 5.0, 1.0, 5.0, 1.0, 3.0];
    let mut samples = Vec::new();
    for extreme in [Extreme::Max, Extreme::Min] {
        for axis in 0..3 {
            let input = distinct([4, 5, 6], dtype, -9.0, 9.0);
            samples.push(of("distinct", extreme, axis, input));
        }
        samples.push(of("ties", extreme, 1, exactly([5, 7], dtype, &ties)));
        samples.push(of("long", extreme, 0, distinct([1031], dtype, -9.0, 9.0)));
        samples.push(of(
            "nothing",
            extreme,
            0,
            distinct([3, 0], dtype, -9.0, 9.0),
        ));
        if dtype.is_inexact() {
            let (inf, nan) = (f64::INFINITY, f64::NAN);
            let numbers = [1.0, nan, inf, -inf, nan, 0.0, -inf];
            samples.push(of("nan", extreme, 1, exactly([5, 5], dtype, &numbers)));
            let zeros = exactly([9], dtype, &[0.0, -0.0]);
            samples.push(of("zeros", extreme, 0, zeros));
        }
    }
    samples
}
