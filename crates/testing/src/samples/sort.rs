//! Sorting and searching.

use super::{between, distinct, exactly};
use crate::sample::{Agreement, InputSpec, Sample, Values};
use mlx_oxide_ir::{Dtype, Op, Sort};

pub(super) fn samples() -> Vec<Sample> {
    Dtype::ALL
        .iter()
        .flat_map(|&dtype| [sorts(dtype), partitions(dtype), searches(dtype)].concat())
        .collect()
}

/// What is sorted, and along which axis.
fn operands(dtype: Dtype) -> Vec<(&'static str, InputSpec, usize)> {
    let mut operands = vec![
        ("distinct rows", distinct([5, 7], dtype, -9.0, 9.0), 1),
        ("distinct columns", distinct([7, 5], dtype, -9.0, 9.0), 0),
        ("middle axis", distinct([2, 9, 3], dtype, -9.0, 9.0), 1),
        (
            "ties",
            exactly([3, 40], dtype, &[3.0, 1.0, 2.0, 1.0, 3.0]),
            1,
        ),
        ("one each", distinct([4, 1], dtype, -9.0, 9.0), 1),
        ("long", between([1031], dtype, -99.0, 99.0), 0),
        (
            "edges",
            InputSpec::new([2, 300], dtype, Values::Edges(-9.0, 9.0)),
            1,
        ),
    ];
    if dtype.is_inexact() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let numbers = [nan, 1.0, -inf, nan, 0.0, inf, -0.0];
        operands.push(("nan", exactly([3, 11], dtype, &numbers), 1));
    }
    operands
}

fn sorts(dtype: Dtype) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (label, input, axis) in operands(dtype) {
        let sort = Sample::new(label, Op::Sort(Sort::Sort { axis }), vec![input.clone()]);
        samples.push(match input.values {
            Values::Distinct(..) => sort.differentiable(),
            _ => sort,
        });
        let argsort = Op::Sort(Sort::Argsort { axis });
        samples.push(Sample::new(label, argsort, vec![input]));
    }
    let empty = between([3, 0], dtype, -9.0, 9.0);
    for sort in [Sort::Sort { axis: 1 }, Sort::Argsort { axis: 1 }] {
        samples.push(Sample::new("nothing", Op::Sort(sort), vec![empty.clone()]));
    }
    samples
}

fn partitions(dtype: Dtype) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (label, input, axis) in operands(dtype) {
        let last = input.shape[axis] - 1;
        let mut places = vec![0, last / 2, last];
        places.dedup();
        for kth in places {
            let label = format!("{label} around {kth}");
            let partition = Op::Sort(Sort::Partition { axis, kth });
            let partition = Sample::new(&label, partition, vec![input.clone()])
                .agreeing(Agreement::Partition { axis, kth });
            samples.push(match input.values {
                Values::Distinct(..) => partition.differentiable(),
                _ => partition,
            });
            let argpartition = Op::Sort(Sort::Argpartition { axis, kth });
            samples.push(
                Sample::new(&label, argpartition, vec![input.clone()])
                    .agreeing(Agreement::PartitionPositions { axis, kth }),
            );
        }
    }
    samples
}

fn searches(dtype: Dtype) -> Vec<Sample> {
    let ascending = |size: usize| InputSpec::new([size], dtype, Values::Ascending(-9.0, 9.0));
    let ties = || match dtype {
        Dtype::Bool => exactly([6], dtype, &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
        _ => exactly([6], dtype, &[1.0, 2.0, 2.0, 2.0, 3.0, 4.0]),
    };
    let mut samples = Vec::new();
    for right in [false, true] {
        let op = Op::Sort(Sort::Searchsorted { right });
        let sample = |label: &str, inputs| {
            let side = if right { "after" } else { "before" };
            Sample::new(&format!("{side} {label}"), op.clone(), inputs)
        };
        if dtype != Dtype::Bool {
            let values = between([4, 9], dtype, -12.0, 12.0);
            samples.push(sample("long", vec![ascending(101), values]));
        }
        let values = between([7], dtype, 0.0, 5.0);
        samples.push(sample("ties", vec![ties(), values]));
        let scalar = between([], dtype, 0.0, 5.0);
        samples.push(sample("in nothing", vec![ascending(0), scalar]));
        if dtype.is_floating() {
            let (inf, nan) = (f64::INFINITY, f64::NAN);
            let sequence = exactly([6], dtype, &[-inf, -0.0, 2.0, inf, nan, nan]);
            let values = exactly([6], dtype, &[nan, inf, -inf, 0.0, 3.0, 2.0]);
            samples.push(sample("nan", vec![sequence, values]));
        }
    }
    samples
}
