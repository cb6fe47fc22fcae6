//! Convolutions of `bf16` elements as they are.

use super::super::{depthwise, kernel, neighbours, pairs as by_pairs, strips};
use super::{Case, Order, check, integer, operand, pairs, run};
use crate::simd::Isa;
use half::bf16;
use mlx_oxide_ir::{Convolution, Dtype};
use mlx_oxide_runtime::{Call, Results};

/// A way to convolve `bf16` elements as they are.
type Way = fn(Isa, &Convolution, &Call<'_>) -> mlx_oxide_ir::Result<Option<Results>>;

/// Results by pairs of channels against the sums of the definition.
fn check_pairs(cases: &[Case]) {
    let orders = [
        (Order::Rows, Order::Rows),
        (Order::Spread, Order::Spread),
        (Order::Rows, Order::BatchLast),
    ];
    check_brain(cases, &orders, by_pairs::run);
}

/// Results of `bf16` by a way that the cases take, if the machine has it, against the sums of the
/// definition, which are exact in `float32`.
fn check_brain(cases: &[Case], orders: &[(Order, Order)], way: Way) {
    let isa = Isa::best();
    for case in cases {
        for orders in orders {
            let value =
                |seed: usize| move |index: usize| bf16::from_f32(integer(index, seed) as f32);
            let (input, elements) = operand(&case.input, orders.0, Dtype::Bfloat16, value(1));
            let (weight, factors) = operand(&case.weight, orders.1, Dtype::Bfloat16, value(4));
            let (shape, bytes) = run(case, &[input, weight], |call| {
                let found = way(isa, &case.parameters, call)?;
                assert_eq!(found.is_some(), kernel::pairs(isa).is_some(), "{case:?}");
                found.map_or_else(|| super::super::run(&case.parameters, call), Ok)
            });
            let found: Vec<bf16> = bytemuck::pod_collect_to_vec(&bytes);
            for (index, found) in found.into_iter().enumerate() {
                let products = pairs(case, &shape, index).into_iter();
                let expected: f32 = products
                    .map(|(from, by)| elements[from].to_f32() * factors[by].to_f32())
                    .sum();
                assert_eq!(found, bf16::from_f32(expected), "{case:?} {orders:?}");
            }
        }
    }
}

#[test]
fn single_channels_of_brain_floats() {
    let lines = Case::new(&[1, 6, 29, 70], &[70, 3, 3, 1]).padded(1, 1);
    let cases = [
        lines.clone(),
        lines.clone().strided(2),
        lines.clone().dilated(2, 1),
        lines.dilated(1, 2).flipped(),
        Case::new(&[1, 9, 43, 40], &[40, 5, 5, 1]).padded(2, 2),
        Case::new(&[2, 12, 11, 33], &[33, 7, 7, 1]).padded(3, 3),
        Case::new(&[1, 5, 70, 3], &[3, 3, 3, 1]).padded(1, 1),
        Case::new(&[1, 9, 8, 6], &[12, 3, 3, 1])
            .padded(1, 1)
            .strided(2),
        Case::new(&[2, 9, 160], &[160, 1, 1]).padded(1, 2),
    ];
    let orders = [
        (Order::Rows, Order::Rows),
        (Order::Spread, Order::Spread),
        (Order::BatchLast, Order::BatchLast),
    ];
    check_brain(&cases, &orders, depthwise::brain);
}

/// Groups of as many channels as features.
fn square_groups() -> Vec<Case> {
    let each = |size: usize| {
        let (few, many) = (5 * size, 19 * size);
        [
            Case::new(&[1, 7, 29, many], &[many, 3, 3, size]).padded(1, 1),
            Case::new(&[2, 9, 8, many], &[many, 5, 4, size])
                .strided(2)
                .padded(2, 1),
            Case::new(&[1, 6, 70, few], &[few, 2, 3, size])
                .dilated(1, 2)
                .padded(1, 1)
                .flipped(),
        ]
    };
    [2, 4, 8].into_iter().flat_map(each).collect()
}

#[test]
fn groups_of_as_many_channels_as_features() {
    check(&square_groups());
    let orders = [
        (Order::Rows, Order::Rows),
        (Order::Spread, Order::BatchLast),
    ];
    check_brain(&square_groups(), &orders, depthwise::brain);
}

/// Compares a result with sums in single precision, rounded once, of few terms or of like ones.
fn check_exactly(
    case: &Case,
    (shape, bytes): (&[usize], &[u8]),
    elements: &[bf16],
    factors: &[bf16],
) {
    let found: Vec<bf16> = bytemuck::pod_collect_to_vec(bytes);
    for (index, found) in found.into_iter().enumerate() {
        let products = pairs(case, shape, index).into_iter();
        let expected: f32 = products
            .map(|(from, by)| elements[from].to_f32() * factors[by].to_f32())
            .sum();
        let expected = bf16::from_f32(expected);
        let are_same = found == expected || found.is_nan() && expected.is_nan();
        assert!(are_same, "element {index}: {found} {expected}");
    }
}

#[test]
fn sums_that_brain_floats_cannot_hold_are_computed_in_single_precision() {
    let case = Case::new(&[1, 90, 36], &[36, 31, 1]).padded(15, 15);
    let value = |index: usize| bf16::from_f32(1.0 + (index % 50) as f32 / 64.0);
    let (input, elements) = operand(&case.input, Order::Rows, Dtype::Bfloat16, value);
    let (weight, factors) = operand(&case.weight, Order::Rows, Dtype::Bfloat16, value);
    let (shape, bytes) = run(&case, &[input, weight], |call| {
        assert!(depthwise::brain(Isa::best(), &case.parameters, call)?.is_none());
        super::super::run(&case.parameters, call)
    });
    check_exactly(&case, (&shape, &bytes), &elements, &factors);
}

#[test]
fn pairs_of_neighbouring_taps_in_gradients_of_weights() {
    let cases = [
        Case::new(&[19, 8, 10, 3], &[18, 8, 10, 3]).padded(1, 1),
        Case::new(&[9, 20, 21, 2], &[5, 9, 8, 2])
            .dilated(2, 1)
            .padded(1, 2),
        Case::new(&[17, 300, 2], &[35, 300, 2]),
        Case::new(&[8, 1, 6, 6, 4], &[12, 1, 6, 6, 4]).padded(0, 1),
        Case::new(&[16, 12, 4], &[3, 14, 4]).padded(4, 5).strided(2),
        Case::new(&[8, 7, 4], &[3, 6, 4]).flipped().padded(0, 1),
    ];
    let orders = [
        (Order::BatchLast, Order::BatchLast),
        (Order::BatchLast, Order::Rows),
        (Order::BatchLast, Order::Spread),
    ];
    check_brain(&cases, &orders, neighbours::run);
}

#[test]
fn pairs_of_taps_of_transposed_convolutions() {
    let cases = [
        Case::new(&[9, 7, 8, 2], &[7, 13, 16, 2])
            .dilated(1, 2)
            .padded(1, 1),
        Case::new(&[17, 9, 3], &[35, 32, 3])
            .dilated(1, 4)
            .padded(2, 5),
    ];
    check_brain(
        &cases,
        &[(Order::BatchLast, Order::BatchLast)],
        neighbours::run,
    );
}

#[test]
fn infinite_cotangents_do_not_meet_padding() {
    let case = Case::new(&[9, 8, 10, 2], &[18, 8, 10, 2]).padded(1, 1);
    let value = |index: usize| match index {
        7 => bf16::INFINITY,
        _ => bf16::ONE,
    };
    let (input, elements) = operand(&case.input, Order::BatchLast, Dtype::Bfloat16, |_| {
        bf16::ONE
    });
    let (weight, factors) = operand(&case.weight, Order::BatchLast, Dtype::Bfloat16, value);
    let (shape, bytes) = run(&case, &[input, weight], |call| {
        super::super::run(&case.parameters, call)
    });
    check_exactly(&case, (&shape, &bytes), &elements, &factors);
}

#[test]
fn pairs_of_neighbours_in_lines_of_odd_channels() {
    let cases = [
        Case::new(&[2, 9, 29, 1], &[9, 3, 3, 1]).padded(1, 1),
        Case::new(&[1, 70, 1], &[17, 10, 1]).strided(5),
        Case::new(&[1, 90, 1], &[70, 7, 1]).padded(3, 3),
        Case::new(&[1, 15, 41, 3], &[18, 5, 7, 3])
            .padded(2, 3)
            .strided(2),
        Case::new(&[1, 3, 9, 20, 5], &[6, 2, 3, 2, 5]).padded(1, 1),
        Case::new(&[1, 8, 30, 31], &[9, 2, 1, 31]).padded(-1, 2),
    ];
    let orders = [
        (Order::Rows, Order::Rows),
        (Order::Rows, Order::BatchLast),
        (Order::Rows, Order::Spread),
    ];
    check_brain(&cases, &orders, strips::brain);
}

#[test]
fn what_is_not_finite_stays_in_its_line_of_odd_channels() {
    let case = Case::new(&[1, 6, 31, 3], &[20, 3, 3, 3]);
    let value = |index: usize| match index {
        200 => bf16::INFINITY,
        _ => bf16::ONE,
    };
    let (input, elements) = operand(&case.input, Order::Rows, Dtype::Bfloat16, value);
    let (weight, factors) = operand(&case.weight, Order::Rows, Dtype::Bfloat16, |_| bf16::ONE);
    let (shape, bytes) = run(&case, &[input, weight], |call| {
        super::super::run(&case.parameters, call)
    });
    check_exactly(&case, (&shape, &bytes), &elements, &factors);
}

#[test]
fn pairs_of_channels_in_windows() {
    check_pairs(&[
        Case::new(&[1, 9, 40], &[4, 3, 40]),
        Case::new(&[2, 13, 6], &[33, 5, 6]).padded(2, 2),
        Case::new(&[1, 6, 5, 35], &[50, 3, 2, 35]).padded(1, 0),
        Case::new(&[2, 7, 9, 64], &[70, 3, 3, 64])
            .strided(2)
            .padded(1, 1),
        Case::new(&[1, 9, 9, 66], &[17, 3, 3, 66])
            .dilated(2, 1)
            .padded(2, 2),
        Case::new(&[1, 5, 2300], &[5, 2, 2300]),
        Case::new(&[1, 6, 7, 301], &[60, 3, 3, 301]).padded(1, 1),
        Case::new(&[2, 25, 26, 48], &[40, 3, 3, 48]).padded(1, 1),
    ]);
}

#[test]
fn pairs_of_channels_of_groups() {
    check_pairs(&[
        Case::new(&[2, 9, 7, 64], &[64, 3, 3, 16]).padded(1, 1),
        Case::new(&[1, 9, 15], &[60, 3, 5]).padded(1, 1),
        Case::new(&[1, 20, 6], &[36, 2, 3]).strided(3),
        Case::new(&[1, 4, 4, 68], &[20, 4, 4, 34])
            .dilated(1, 2)
            .padded(2, 2)
            .flipped(),
    ]);
}

#[test]
fn pairs_of_few_channels_and_few_features() {
    check_pairs(&[
        Case::new(&[1, 15, 17, 3], &[18, 5, 4, 3])
            .padded(2, 3)
            .strided(2),
        Case::new(&[1, 20, 29, 2], &[7, 3, 2, 2])
            .padded(-1, 2)
            .strided(3),
        Case::new(&[1, 8, 12, 31], &[9, 2, 1, 31]),
        Case::new(&[1, 4, 5, 9, 5], &[6, 2, 3, 3, 5]).padded(1, 1),
        Case::new(&[1, 5, 9, 4], &[9, 3, 3, 4])
            .dilated(1, 2)
            .padded(2, 2)
            .flipped(),
        Case::new(&[1, 9, 9, 33], &[1, 3, 3, 33]).padded(1, 1),
        Case::new(&[1, 9, 9, 40], &[3, 2, 3, 40]),
        Case::new(&[1, 70, 80], &[4, 3, 80]).padded(1, 1),
    ]);
}

#[test]
fn pairs_that_are_not_finite_stay_in_their_windows() {
    let case = Case::new(&[1, 9, 8, 32], &[20, 3, 3, 32]).padded(1, 1);
    for special in [f32::NAN, f32::INFINITY] {
        let value = |index: usize| match index {
            1003 => bf16::from_f32(special),
            _ => bf16::ONE,
        };
        let (input, elements) = operand(&case.input, Order::Rows, Dtype::Bfloat16, value);
        let (weight, factors) = operand(&case.weight, Order::Rows, Dtype::Bfloat16, |_| bf16::ONE);
        let (shape, bytes) = run(&case, &[input, weight], |call| {
            super::super::run(&case.parameters, call)
        });
        check_exactly(&case, (&shape, &bytes), &elements, &factors);
    }
}
