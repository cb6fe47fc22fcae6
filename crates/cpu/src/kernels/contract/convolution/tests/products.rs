//! Convolutions that are one matrix product.

use super::super::patches;
use super::{Case, Order, integer, operand, pairs, run};
use half::{bf16, f16};
use mlx_oxide_ir::Dtype;

/// Results of every type of elements, which a matrix product gives, against the definition.
fn check_products(cases: &[Case]) {
    for case in cases {
        for orders in [
            (Order::Rows, Order::Rows),
            (Order::BatchLast, Order::BatchLast),
            (Order::Spread, Order::Spread),
            (Order::Rows, Order::BatchLast),
        ] {
            check_product(case, orders, Dtype::Float32, |value| value, |value| value);
            check_product(case, orders, Dtype::Float64, f64::from, |value| {
                value as f32
            });
            check_product(case, orders, Dtype::Float16, f16::from_f32, f16::to_f32);
            check_product(case, orders, Dtype::Bfloat16, bf16::from_f32, bf16::to_f32);
        }
    }
}

fn check_product<T: bytemuck::Pod>(
    case: &Case,
    orders: (Order, Order),
    dtype: Dtype,
    of: fn(f32) -> T,
    to: fn(T) -> f32,
) {
    let value = |seed: usize| move |index: usize| of(integer(index, seed) as f32);
    let (input, elements) = operand(&case.input, orders.0, dtype, value(1));
    let (weight, factors) = operand(&case.weight, orders.1, dtype, value(4));
    let (shape, bytes) = run(case, &[input, weight], |call| {
        let found = patches::run(&case.parameters, call)?;
        // rows at different distances are gathered for many features, single places never
        let is_single = case.weight[1..case.weight.len() - 1]
            .iter()
            .all(|taps| *taps == 1);
        let is_apart = orders.0 == Order::BatchLast && case.input[0] > 1;
        assert!(
            found.is_some() || is_apart && (is_single || case.weight[0] < 256),
            "{case:?} {orders:?}"
        );
        found.map_or_else(|| super::super::run(&case.parameters, call), Ok)
    });
    let found: Vec<T> = bytemuck::pod_collect_to_vec(&bytes);
    for (index, found) in found.into_iter().enumerate() {
        let products = pairs(case, &shape, index).into_iter();
        let expected: f32 = products
            .map(|(from, by)| to(elements[from]) * to(factors[by]))
            .sum();
        assert_eq!(to(found), to(of(expected)), "{case:?} {orders:?} {dtype:?}");
    }
}

#[test]
fn single_taps_and_patches_are_matrix_products() {
    check_products(&[
        Case::new(&[2, 5, 7, 12], &[17, 1, 1, 12]),
        Case::new(&[3, 9, 9], &[40, 1, 9]).flipped(),
        Case::new(&[1, 1, 6, 11], &[5, 1, 1, 11]),
        Case::new(&[2, 3, 4, 5, 8], &[7, 1, 1, 1, 8]),
        Case::new(&[2, 9, 10, 9], &[260, 2, 1, 9]).strided(2),
        Case::new(&[2, 9, 13, 3], &[256, 3, 4, 3]).strided(4),
        Case::new(&[1, 6, 8, 2], &[257, 3, 2, 2]).strided(3),
        Case::new(&[2, 4, 4, 6, 2], &[256, 2, 1, 2, 2]).strided(2),
        Case::new(&[1, 12, 4], &[256, 2, 4])
            .strided(2)
            .padded(-2, -1),
    ]);
}

#[test]
fn windows_that_overlap_or_reach_into_the_padding_are_no_patches() {
    let flipped = Case::new(&[1, 8, 4], &[256, 2, 4]).strided(2).flipped();
    for case in [
        Case::new(&[1, 8, 4], &[256, 3, 4]).strided(2),
        Case::new(&[1, 8, 4], &[256, 2, 4]).strided(2).padded(1, 0),
        Case::new(&[1, 8, 4], &[256, 2, 4]).strided(4).dilated(2, 1),
        Case::new(&[1, 8, 4], &[256, 2, 2]).strided(2),
        Case::new(&[1, 8, 4], &[9, 1, 4]).padded(0, 1),
        Case::new(&[1, 8, 9, 4], &[256, 1, 1, 4]).strided(2),
        Case::new(&[1, 8, 4], &[9, 1, 4]).dilated(1, 2),
        flipped,
    ] {
        let operand = |shape: &[usize]| operand(shape, Order::Rows, Dtype::Float32, |_| 1.0f32).0;
        run(
            &case,
            &[operand(&case.input), operand(&case.weight)],
            |call| {
                assert!(patches::run(&case.parameters, call)?.is_none(), "{case:?}");
                super::super::run(&case.parameters, call)
            },
        );
    }
}
