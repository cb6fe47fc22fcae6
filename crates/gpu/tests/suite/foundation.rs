//! The operations that everything else stands on, against plain loops.

use crate::device::{assert_near, numbers, operand, present, relaid, run};
use mlx_oxide_ir::{Binary, Contract, Dtype, Layout, Op, Reduce, ReduceKind, Sort, Unary, View};

fn ramp(count: usize) -> Vec<f64> {
    (0..count)
        .map(|i| ((i * 7919) % 1009) as f64 / 128.0 - 3.0)
        .collect()
}

#[test]
fn add_reads_any_strides() {
    if !present() {
        return;
    }
    let values = ramp(35);
    let lhs = operand(&values, [5, 7], Dtype::Float32);
    let flipped = relaid(
        &lhs,
        Layout {
            offset: 34,
            strides: [-7, -1].into_iter().collect(),
            shape: [5, 7].into(),
        },
    );
    let row = operand(&values[..7], [7], Dtype::Float32);
    let row = relaid(&row, row.layout.broadcast(&[5, 7].into()));
    let found = numbers(&Op::Binary(Binary::Add), &[&flipped, &row]);
    let expected: Vec<f64> = (0..35).map(|i| values[34 - i] + values[i % 7]).collect();
    assert_near(&found, &expected, 0.0, "add");
}

#[test]
fn log1p_is_exact_near_zero() {
    if !present() {
        return;
    }
    let mut values: Vec<f64> = (-40..40).map(|i| 1.5f64.powi(i)).collect();
    values.extend((1..40).map(|i| -(0.7f64.powi(i))));
    values.extend([0.0, -1.0, f64::INFINITY, f64::NAN, -2.0]);
    let singles: Vec<f64> = values.iter().map(|v| f64::from(*v as f32)).collect();
    let x = operand(&values, [values.len()], Dtype::Float32);
    let found = numbers(&Op::Unary(Unary::Log1p), &[&x]);
    for (x, found) in singles.iter().zip(found) {
        let expected = x.ln_1p();
        let near = found == expected
            || (found.is_nan() && expected.is_nan())
            || ((found - expected) / expected).abs() < 4e-7;
        assert!(near, "log1p({x}) = {found}, not {expected}");
    }
}

#[test]
fn sums_over_any_axes() {
    if !present() {
        return;
    }
    let values = ramp(6 * 70 * 5);
    let x = operand(&values, [6, 70, 5], Dtype::Float32);
    for axes in [&[0][..], &[1], &[2], &[0, 2], &[1, 2], &[0, 1, 2], &[]] {
        let op = Op::Reduce(Reduce {
            kind: ReduceKind::Sum,
            axes: axes.iter().copied().collect(),
        });
        let kept = |axis: usize, index: usize| if axes.contains(&axis) { 0 } else { index };
        let mut expected = std::collections::BTreeMap::new();
        for (i, value) in values.iter().enumerate() {
            let key = [kept(0, i / 350), kept(1, i / 5 % 70), kept(2, i % 5)];
            *expected.entry(key).or_insert(0.0) += value;
        }
        let expected: Vec<f64> = expected.into_values().collect();
        assert_near(&numbers(&op, &[&x]), &expected, 1e-5, "sum");
    }
}

#[test]
fn long_sums_are_cut_in_chunks() {
    if !present() {
        return;
    }
    let values = ramp(300_000);
    let x = operand(&values, [300_000], Dtype::Float32);
    let op = Op::Reduce(Reduce {
        kind: ReduceKind::Sum,
        axes: [0].into_iter().collect(),
    });
    let expected: f64 = values.iter().sum();
    assert_near(&numbers(&op, &[&x]), &[expected], 1e-6, "sum");
}

#[test]
fn matmul_takes_batches_and_transposed_operands() {
    if !present() {
        return;
    }
    for (batch, m, k, n) in [(1, 1, 1, 1), (2, 33, 17, 40), (3, 5, 70, 3), (1, 64, 9, 65)] {
        let a = ramp(batch * m * k);
        let b = ramp(batch * k * n);
        let lhs = operand(&a, [batch, m, k], Dtype::Float32);
        let rhs = operand(&b, [batch, n, k], Dtype::Float32);
        let rhs = relaid(&rhs, rhs.layout.permute(&[0, 2, 1]));
        let found = numbers(&Op::Contract(Contract::Matmul), &[&lhs, &rhs]);
        let mut expected = Vec::new();
        for i in 0..batch * m * n {
            let (s, row, column) = (i / (m * n), i / n % m, i % n);
            let products = (0..k).map(|j| a[(s * m + row) * k + j] * b[(s * n + column) * k + j]);
            expected.push(products.sum());
        }
        assert_near(&found, &expected, 1e-5, "matmul");
    }
}

#[test]
fn sorts_rows_of_any_length() {
    if !present() {
        return;
    }
    for length in [1, 2, 3, 31, 512, 513, 1500] {
        let mut values = ramp(3 * length);
        if length > 3 {
            values[1] = f64::NAN;
            values[2] = f64::NEG_INFINITY;
        }
        let x = operand(&values, [3, length], Dtype::Float32);
        let found = numbers(&Op::Sort(Sort::Sort { axis: 1 }), &[&x]);
        let mut expected = values.clone();
        for row in expected.chunks_mut(length) {
            row.sort_by(|a, b| {
                a.partial_cmp(b)
                    .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
            });
        }
        assert_near(&found, &expected, 0.0, "sort");
    }
}

#[test]
fn views_share_the_buffer_or_copy() {
    if !present() {
        return;
    }
    let x = operand(&ramp(24), [2, 3, 4], Dtype::Float16);
    let results = run(
        &Op::View(View::Permute([2, 0, 1].into_iter().collect())),
        &[&x],
    );
    let turned = relaid(&x, results[0].0.layout.clone());
    let found = numbers(&Op::View(View::Reshape([24].into())), &[&turned]);
    let expected: Vec<f64> = (0..24)
        .map(|i| ramp(24)[(i / 3 % 2) * 12 + (i % 3) * 4 + i / 6])
        .collect();
    assert_near(&found, &expected, 0.01, "reshape");
}
