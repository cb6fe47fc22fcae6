//! Joining, padding, slicing and gathering.

use super::{between, exactly, indices};
use crate::sample::Sample;
use mlx_oxide_ir::{Combine, Dtype, Index, Op, Padding, Shape};

/// The dtypes that indices are sampled in.
pub(super) const INDEX_DTYPES: [Dtype; 4] =
    [Dtype::Int32, Dtype::Uint32, Dtype::Int64, Dtype::Uint8];

pub(super) fn samples() -> Vec<Sample> {
    let values = Dtype::ALL.iter().flat_map(|&dtype| {
        [
            concatenate(dtype),
            pad(dtype),
            dynamic(dtype),
            gather(dtype),
        ]
        .concat()
    });
    values.chain(of_indices()).collect()
}

fn concatenate(dtype: Dtype) -> Vec<Sample> {
    let of = |label: &str, axis: usize, shapes: &[&[usize]]| {
        let inputs = shapes.iter().map(|shape| between(*shape, dtype, -9.0, 9.0));
        Sample::new(
            label,
            Op::Index(Index::Concatenate { axis }),
            inputs.collect(),
        )
        .differentiable()
    };
    vec![
        of("first axis", 0, &[&[2, 3], &[1, 3], &[4, 3]]),
        of("last axis", 2, &[&[2, 3, 1], &[2, 3, 5]]),
        of("one", 0, &[&[7]]),
        of("empties", 1, &[&[2, 0], &[2, 3], &[2, 0]]),
    ]
}

fn pad(dtype: Dtype) -> Vec<Sample> {
    let padding = |low, high, interior| Padding {
        low,
        high,
        interior,
    };
    let of = |label: &str, shape: &[usize], paddings: &[Padding]| {
        let inputs = vec![between(shape, dtype, -9.0, 9.0), exactly([], dtype, &[4.0])];
        Sample::new(label, Op::Index(Index::Pad(paddings.into())), inputs).differentiable()
    };
    vec![
        of("frame", &[2, 3], &[padding(1, 0, 0), padding(2, 3, 0)]),
        of("spread", &[3, 4], &[padding(0, 1, 2), padding(1, 0, 1)]),
        of(
            "around nothing",
            &[0, 2],
            &[padding(2, 1, 1), padding(0, 0, 0)],
        ),
        of("scalar", &[], &[]),
    ]
}

fn dynamic(dtype: Dtype) -> Vec<Sample> {
    let slice = |label: &str, starts: &[f64], axes: &[usize], shape: &[usize]| {
        let op = Index::DynamicSlice {
            axes: axes.into(),
            shape: Shape::from(shape),
        };
        let inputs = vec![
            between([5, 6, 4], dtype, -9.0, 9.0),
            exactly([starts.len()], Dtype::Int32, starts),
        ];
        Sample::new(label, Op::Index(op), inputs).differentiable()
    };
    let update = |label: &str, starts: &[f64], axes: &[usize], shape: &[usize]| {
        let op = Index::DynamicSliceUpdate { axes: axes.into() };
        let inputs = vec![
            between([5, 6, 4], dtype, -9.0, 9.0),
            between(shape, dtype, -9.0, 9.0),
            exactly([starts.len()], Dtype::Int64, starts),
        ];
        Sample::new(label, Op::Index(op), inputs).differentiable()
    };
    vec![
        slice("inside", &[2.0, 1.0], &[0, 2], &[2, 6, 3]),
        slice("moved inside", &[9.0, -9.0], &[1, 2], &[5, 2, 2]),
        slice("from the end", &[-2.0], &[0], &[2, 6, 4]),
        slice("nothing", &[1.0], &[1], &[5, 0, 4]),
        update("inside", &[2.0, 1.0], &[0, 2], &[2, 6, 3]),
        update("moved inside", &[9.0, -9.0], &[1, 2], &[5, 2, 2]),
    ]
}

fn gather(dtype: Dtype) -> Vec<Sample> {
    let rows = Index::Gather {
        axes: [0].as_slice().into(),
        slice_sizes: [1, 6].into(),
    };
    let points = Index::Gather {
        axes: [2, 0].as_slice().into(),
        slice_sizes: [1, 3, 1].into(),
    };
    let parts = Index::Gather {
        axes: [1].as_slice().into(),
        slice_sizes: [2, 3].into(),
    };
    let along = Op::Index(Index::TakeAlongAxis { axis: 1 });
    vec![
        Sample::new(
            "rows",
            Op::Index(rows.clone()),
            vec![
                between([5, 6], dtype, -9.0, 9.0),
                indices([2, 4], Dtype::Int32, 5),
            ],
        )
        .differentiable(),
        Sample::new(
            "no rows",
            Op::Index(rows),
            vec![
                between([5, 6], dtype, -9.0, 9.0),
                indices([0], Dtype::Int32, 5),
            ],
        ),
        Sample::new(
            "points",
            Op::Index(points),
            vec![
                between([4, 3, 5], dtype, -9.0, 9.0),
                indices([7], Dtype::Int32, 5),
                indices([7], Dtype::Int32, 4),
            ],
        )
        .differentiable(),
        Sample::new(
            "parts",
            Op::Index(parts),
            vec![
                between([2, 7], dtype, -9.0, 9.0),
                indices([3], Dtype::Uint32, 5), // a part of three ends at the last
            ],
        )
        .differentiable(),
        Sample::new(
            "along",
            along,
            vec![
                between([3, 5, 2], dtype, -9.0, 9.0),
                indices([3, 4, 2], Dtype::Int32, 5),
            ],
        )
        .differentiable(),
    ]
}

fn of_indices() -> Vec<Sample> {
    let of = |dtype: Dtype| {
        let rows = Index::Gather {
            axes: [0].as_slice().into(),
            slice_sizes: [1, 3].into(),
        };
        let along = Index::TakeAlongAxis { axis: 0 };
        let operand = || between([5, 3], Dtype::Float32, -9.0, 9.0);
        [
            Sample::new(
                &format!("by {dtype}"),
                Op::Index(rows),
                vec![operand(), indices([300], dtype, 5)],
            ),
            Sample::new(
                &format!("by {dtype}"),
                Op::Index(along),
                vec![operand(), indices([9, 3], dtype, 5)],
            ),
        ]
    };
    INDEX_DTYPES.iter().flat_map(|&dtype| of(dtype)).collect()
}

/// Operations with one index that lies outside, which must fail with an error that names it.
pub fn out_of_bounds() -> Vec<Sample> {
    let operand = || between([5, 3], Dtype::Float32, -9.0, 9.0);
    let outside = |shape: &[usize], index: f64| {
        exactly(shape, Dtype::Int32, &[0.0, -5.0, 4.0, index, 1.0, 2.0])
    };
    let one = || [0].as_slice().into();
    let mut samples = Vec::new();
    for index in [5.0, -6.0, 2e9] {
        let sample = |label: &str, index: Index, inputs| {
            Sample::new(&format!("{label} outside"), Op::Index(index), inputs)
        };
        let gather = Index::Gather {
            axes: one(),
            slice_sizes: [1, 3].into(),
        };
        samples.push(sample(
            "rows",
            gather,
            vec![operand(), outside(&[6], index)],
        ));
        let along = Index::TakeAlongAxis { axis: 0 };
        samples.push(sample(
            "along",
            along,
            vec![operand(), outside(&[6, 3], index)],
        ));
        let scatter = Index::Scatter {
            axes: one(),
            combine: Combine::Add,
        };
        let updates = between([6, 1, 3], Dtype::Float32, -9.0, 9.0);
        let inputs = vec![operand(), updates, outside(&[6], index)];
        samples.push(sample("rows", scatter, inputs));
        let along = Index::ScatterAlongAxis {
            axis: 0,
            combine: Combine::Replace,
        };
        let updates = between([6, 3], Dtype::Float32, -9.0, 9.0);
        let inputs = vec![operand(), outside(&[6, 3], index), updates];
        samples.push(sample("along", along, inputs));
    }
    samples
}
