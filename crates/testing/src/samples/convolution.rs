//! Convolutions.

use super::{FLOATING, between};
use crate::sample::Sample;
use crate::tolerance::Tolerance;
use mlx_oxide_ir::{Contract, Convolution, Dtype, Op};

/// Sizes and parameters of one convolution; the lists have one entry per spatial axis.
struct Row {
    label: &'static str,
    input: &'static [usize],
    weight: &'static [usize],
    stride: &'static [usize],
    low: &'static [isize],
    high: &'static [isize],
    kernel_dilation: &'static [usize],
    input_dilation: &'static [usize],
    groups: usize,
    flip: bool,
}

const PLAIN: Row = Row {
    label: "line",
    input: &[2, 9, 3],
    weight: &[4, 3, 3],
    stride: &[1],
    low: &[0],
    high: &[0],
    kernel_dilation: &[1],
    input_dilation: &[1],
    groups: 1,
    flip: false,
};

const PLANE: Row = Row {
    label: "plane",
    input: &[2, 7, 6, 3],
    weight: &[4, 3, 2, 3],
    stride: &[1, 1],
    low: &[0, 0],
    high: &[0, 0],
    kernel_dilation: &[1, 1],
    input_dilation: &[1, 1],
    ..PLAIN
};

const SPACE: Row = Row {
    label: "space",
    input: &[1, 4, 5, 3, 2],
    weight: &[3, 2, 3, 2, 2],
    stride: &[1, 2, 1],
    low: &[1, 0, 1],
    high: &[0, 1, 1],
    kernel_dilation: &[1, 1, 2],
    input_dilation: &[1, 1, 1],
    ..PLAIN
};

const ROWS: [Row; 15] = [
    PLAIN,
    Row {
        label: "padded stride",
        stride: &[2],
        low: &[1],
        high: &[2],
        ..PLAIN
    },
    Row {
        label: "cropped",
        low: &[-2],
        high: &[-1],
        ..PLAIN
    },
    Row {
        label: "dilated",
        kernel_dilation: &[3],
        low: &[2],
        high: &[1],
        ..PLAIN
    },
    Row {
        label: "spread",
        input_dilation: &[2],
        stride: &[3],
        low: &[1],
        high: &[0],
        ..PLAIN
    },
    Row {
        label: "flipped",
        flip: true,
        low: &[1],
        high: &[1],
        ..PLAIN
    },
    Row {
        label: "depthwise",
        input: &[2, 9, 4],
        weight: &[4, 3, 1],
        groups: 4,
        ..PLAIN
    },
    Row {
        label: "groups",
        input: &[2, 9, 4],
        weight: &[6, 3, 2],
        groups: 2,
        ..PLAIN
    },
    Row {
        label: "window of all",
        input: &[2, 9, 3],
        weight: &[4, 9, 3],
        ..PLAIN
    },
    PLANE,
    Row {
        label: "padded plane",
        stride: &[2, 1],
        low: &[1, 1],
        high: &[1, 0],
        ..PLANE
    },
    Row {
        label: "points",
        weight: &[5, 1, 1, 3],
        ..PLANE
    },
    Row {
        label: "transposed",
        input_dilation: &[2, 2],
        low: &[2, 1],
        high: &[2, 2],
        flip: true,
        ..PLANE
    },
    Row {
        label: "wide channels",
        input: &[1, 5, 5, 18],
        weight: &[33, 3, 3, 18],
        low: &[1, 1],
        high: &[1, 1],
        ..PLANE
    },
    SPACE,
];

pub(super) fn samples() -> Vec<Sample> {
    FLOATING
        .iter()
        .chain(&[Dtype::Complex64])
        .flat_map(|&dtype| ROWS.iter().map(move |row| of(row, dtype)))
        .collect()
}

fn of(row: &Row, dtype: Dtype) -> Sample {
    let op = Convolution {
        stride: row.stride.into(),
        padding_low: row.low.into(),
        padding_high: row.high.into(),
        kernel_dilation: row.kernel_dilation.into(),
        input_dilation: row.input_dilation.into(),
        groups: row.groups,
        flip: row.flip,
    };
    let inputs = vec![
        between(row.input, dtype, -1.0, 1.0),
        between(row.weight, dtype, -1.0, 1.0),
    ];
    let terms: usize = row.weight[1..].iter().product();
    let magnitude = if dtype.is_complex() { 4.0 } else { 1.0 };
    let sample = Sample::new(
        row.label,
        Op::Contract(Contract::Convolution(Box::new(op))),
        inputs,
    )
    .within(Tolerance::sum(dtype, terms, magnitude));
    if terms <= 40 {
        sample.differentiable()
    } else {
        sample
    }
}
