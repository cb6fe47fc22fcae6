//! Elements combined with what is already at their place.

use super::index::INDEX_DTYPES;
use super::{between, distinct, exactly, indices};
use crate::sample::Sample;
use crate::tolerance::Tolerance;
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{Combine, Dtype, Index, Op};

const COMBINATIONS: [Combine; 5] = [
    Combine::Replace,
    Combine::Add,
    Combine::Multiply,
    Combine::Maximum,
    Combine::Minimum,
];

pub(super) fn samples() -> Vec<Sample> {
    let values = Dtype::ALL.iter().flat_map(|&dtype| {
        COMBINATIONS.iter().flat_map(move |&combine| {
            let mut samples = vec![slice_update(dtype, combine)];
            samples.extend(scatter(dtype, combine));
            samples.extend(along_axis(dtype, combine));
            samples
        })
    });
    values.chain(of_indices()).collect()
}

/// Several updates of one place may round in any order, and in more bits than the dtype's.
fn tolerance(dtype: Dtype, combine: Combine) -> Tolerance {
    match combine {
        Combine::Replace | Combine::Maximum | Combine::Minimum => Tolerance::EXACT,
        Combine::Add | Combine::Multiply => Tolerance::stages(dtype, 6.0, 2.0),
    }
}

fn slice_update(dtype: Dtype, combine: Combine) -> Sample {
    let range = |start, step, count| SliceRange { start, step, count };
    let op = Index::SliceUpdate {
        ranges: [range(6, -2, 3), range(1, 3, 2)].as_slice().into(),
        combine,
    };
    let inputs = vec![
        distinct([7, 5], dtype, -2.0, 2.0),
        distinct([3, 2], dtype, -2.0, 2.0),
    ];
    let sample = Sample::new(&format!("{combine:?}"), Op::Index(op), inputs);
    let complex = dtype.is_complex() && combine == Combine::Multiply;
    let sample = if complex {
        sample.within(Tolerance::steps(4))
    } else {
        sample
    };
    sample.differentiable()
}

fn scatter(dtype: Dtype, combine: Combine) -> Vec<Sample> {
    let of = |label: &str, axes: &[usize], update: &[usize], positions: Vec<_>| {
        let op = Index::Scatter {
            axes: axes.into(),
            combine,
        };
        let mut inputs = vec![
            distinct([6, 4], dtype, -2.0, 2.0),
            distinct(update, dtype, -2.0, 2.0),
        ];
        inputs.extend(positions);
        Sample::new(&format!("{combine:?} {label}"), Op::Index(op), inputs)
            .within(tolerance(dtype, combine))
    };
    let rows = exactly([3], Dtype::Int32, &[4.0, 0.0, -1.0]);
    let repeated = indices([9], Dtype::Int32, 6);
    let points = vec![
        indices([2, 5], Dtype::Int32, 4),
        indices([2, 5], Dtype::Int32, 6),
    ];
    let parts = indices([3], Dtype::Uint32, 5);
    vec![
        of("rows", &[0], &[3, 1, 4], vec![rows]).differentiable(),
        of("repeated rows", &[0], &[9, 1, 4], vec![repeated]).differentiable(),
        of("points", &[1, 0], &[2, 5, 1, 1], points).differentiable(),
        of("parts", &[0], &[3, 2, 3], vec![parts]).differentiable(),
    ]
}

fn along_axis(dtype: Dtype, combine: Combine) -> Vec<Sample> {
    let of = |label: &str, axis: usize, shape: &[usize], positions| {
        let op = Index::ScatterAlongAxis { axis, combine };
        let inputs = vec![
            distinct([3, 5], dtype, -2.0, 2.0),
            positions,
            distinct(shape, dtype, -2.0, 2.0),
        ];
        Sample::new(&format!("{combine:?} {label}"), Op::Index(op), inputs)
            .within(tolerance(dtype, combine))
    };
    let apart = exactly(
        [2, 5],
        Dtype::Int32,
        &[0.0, 1.0, 2.0, -1.0, 0.0, 1.0, 2.0, 0.0, 1.0, -2.0],
    );
    vec![
        of("apart", 0, &[2, 5], apart).differentiable(),
        of("repeated", 1, &[3, 8], indices([3, 8], Dtype::Int32, 5)).differentiable(),
    ]
}

fn of_indices() -> Vec<Sample> {
    let of = |dtype: Dtype| {
        let op = Index::Scatter {
            axes: [0].as_slice().into(),
            combine: Combine::Add,
        };
        let inputs = vec![
            between([5, 3], Dtype::Int32, -9.0, 9.0),
            between([300, 1, 3], Dtype::Int32, -9.0, 9.0),
            indices([300], dtype, 5),
        ];
        Sample::new(&format!("by {dtype}"), Op::Index(op), inputs)
    };
    INDEX_DTYPES.iter().map(|&dtype| of(dtype)).collect()
}
