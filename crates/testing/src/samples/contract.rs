//! Matrix products.

use super::{INEXACT, between, indices};
use crate::sample::Sample;
use crate::tolerance::Tolerance;
use mlx_oxide_ir::{Contract, Dtype, Op};

pub(super) fn samples() -> Vec<Sample> {
    INEXACT
        .iter()
        .flat_map(|&dtype| [products(dtype), with_factors(dtype), gathered(dtype)].concat())
        .collect()
}

/// Leading sizes and `(m, k, n)`: one, odd, around tiles and vectors, none.
const SIZES: [(&[usize], [usize; 3]); 11] = [
    (&[], [1, 1, 1]),
    (&[], [3, 5, 7]),
    (&[], [1, 64, 33]),
    (&[], [33, 64, 1]),
    (&[], [17, 1, 9]),
    (&[], [66, 70, 65]),
    (&[3], [4, 6, 5]),
    (&[2, 2], [3, 2, 4]),
    (&[], [4, 0, 3]),
    (&[], [0, 4, 3]),
    (&[2], [3, 4, 0]),
];

fn tolerance(dtype: Dtype, inner: usize, magnitude: f64) -> Tolerance {
    let complex = if dtype.is_complex() { 4.0 } else { 1.0 };
    Tolerance::sum(dtype, inner + 1, magnitude * complex)
}

fn products(dtype: Dtype) -> Vec<Sample> {
    let of = |(leading, [rows, inner, columns]): &(&[usize], [usize; 3])| {
        let left = [*leading, &[*rows, *inner]].concat();
        let right = [*leading, &[*inner, *columns]].concat();
        let label = format!("{left:?} by {right:?}");
        let inputs = vec![
            between(left, dtype, -1.0, 1.0),
            between(right, dtype, -1.0, 1.0),
        ];
        let sample = Sample::new(&label, Op::Contract(Contract::Matmul), inputs)
            .within(tolerance(dtype, *inner, 1.0));
        if rows * columns * inner <= 200 {
            sample.differentiable()
        } else {
            sample
        }
    };
    SIZES.iter().map(of).collect()
}

fn with_factors(dtype: Dtype) -> Vec<Sample> {
    let of = |alpha: f64, beta: f64, leading: &[usize], [rows, inner, columns]: [usize; 3]| {
        let op = Contract::Addmm {
            alpha: alpha.into(),
            beta: beta.into(),
        };
        let sized = |a, b| between([leading, &[a, b]].concat(), dtype, -1.0, 1.0);
        let inputs = vec![
            sized(rows, columns),
            sized(rows, inner),
            sized(inner, columns),
        ];
        let label = format!("{alpha} {beta} {leading:?} {rows} {inner} {columns}");
        let sample = Sample::new(&label, Op::Contract(op), inputs).within(tolerance(
            dtype,
            inner,
            alpha.abs() + beta.abs(),
        ));
        if rows * columns * inner <= 200 {
            sample.differentiable()
        } else {
            sample
        }
    };
    vec![
        of(1.0, 1.0, &[], [3, 5, 7]),
        of(0.5, -2.0, &[2], [3, 4, 5]),
        of(1.0, 0.0, &[], [3, 5, 7]),
        of(0.0, 1.0, &[], [3, 5, 7]),
        of(2.0, 1.0, &[], [33, 40, 34]),
        of(1.0, 3.0, &[], [2, 0, 3]),
    ]
}

fn gathered(dtype: Dtype) -> Vec<Sample> {
    let of = |label: &str, left: &[usize], right: &[usize], which: &[usize], sorted: bool| {
        let matrices = |shape: &[usize]| shape[..shape.len() - 2].iter().product();
        let inputs = vec![
            between(left, dtype, -1.0, 1.0),
            between(right, dtype, -1.0, 1.0),
            indices(which, Dtype::Uint32, matrices(left)),
            indices(which, Dtype::Uint32, matrices(right)),
        ];
        let inner = left[left.len() - 1];
        Sample::new(
            label,
            Op::Contract(Contract::GatherMatmul { sorted }),
            inputs,
        )
        .within(tolerance(dtype, inner, 1.0))
    };
    vec![
        of("vector", &[3, 2, 4], &[5, 4, 3], &[6], false).differentiable(),
        of("grid", &[2, 2, 1, 4], &[3, 4, 3], &[2, 5], false).differentiable(),
        of("tall", &[2, 5, 4], &[3, 4, 1], &[7], false).differentiable(),
        of("none", &[3, 2, 4], &[5, 4, 3], &[0], false).differentiable(),
    ]
}
