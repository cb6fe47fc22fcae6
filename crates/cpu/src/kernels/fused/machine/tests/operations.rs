//! Every operation that code is made of.

use super::{Builder, available, check, numbers};
use crate::simd::Isa;
use mlx_oxide_ir::{Binary, Dtype, ScalarProgram, Unary};

pub(super) const UNARY: [Unary; 8] = [
    Unary::Abs,
    Unary::Negative,
    Unary::Square,
    Unary::Sqrt,
    Unary::Rsqrt,
    Unary::Ceil,
    Unary::Floor,
    Unary::RoundEven,
];
pub(super) const BINARY: [Binary; 7] = [
    Binary::Add,
    Binary::Subtract,
    Binary::Multiply,
    Binary::Divide,
    Binary::FloorDivide,
    Binary::Maximum,
    Binary::Minimum,
];
pub(super) const COMPARISONS: [Binary; 6] = [
    Binary::Equal,
    Binary::NotEqual,
    Binary::Less,
    Binary::LessEqual,
    Binary::Greater,
    Binary::GreaterEqual,
];

/// Twice the lanes of the widest registers, and one.
const LONGEST: usize = 33;
/// Lengths about those of six and twelve registers, and of three rows of one or more.
const LONG: [usize; 7] = [51, 95, 96, 97, 113, 129, 193];

/// Checks all lengths, then enough numbers for every pair of edges, with all and no inputs single.
pub(super) fn check_all(program: &ScalarProgram) {
    let inputs: Vec<Vec<f32>> = (0..program.inputs.len())
        .map(|seed| numbers(4000, seed))
        .collect();
    let mut counts: Vec<usize> = (0..=LONGEST).collect();
    counts.extend(LONG);
    counts.push(4000);
    for isa in available() {
        for singles in 0..1 << inputs.len() {
            let singles: Vec<bool> = (0..inputs.len())
                .map(|input| singles >> input & 1 == 1)
                .collect();
            assert_eq!(
                check(program, &inputs, &singles, &counts, isa),
                1,
                "{program:?}"
            );
        }
    }
}

#[test]
fn unary_operations_have_the_bits_of_their_loops() {
    for op in UNARY {
        let mut builder = Builder::new(1);
        let value = builder.unary(op, 0);
        let other = builder.unary(Unary::Negative, 0);
        check_all(&builder.finish(&[value, other]));
    }
}

#[test]
fn functions_have_the_bits_of_their_loops() {
    let mut inputs: Vec<Vec<f32>> = (0..3).map(|seed| numbers(4000, seed)).collect();
    // all exponents, and where a function goes over to another formula
    let bits = (0..u32::MAX).step_by(40_009).map(f32::from_bits);
    let edges = [
        89.0,
        88.8,
        -104.0,
        -103.5,
        40.0,
        10.0,
        9.9,
        3.92,
        -3.919_995_8,
        -0.0,
    ];
    inputs[0].extend(bits.chain(edges));
    let count = inputs[0].len();
    for input in &mut inputs[1..] {
        *input = input.iter().copied().cycle().take(count).collect();
    }
    let counts: Vec<usize> = (0..=LONGEST).chain(LONG).chain([count]).collect();
    for op in [Unary::Exp, Unary::Sigmoid, Unary::Tanh, Unary::Erf] {
        let mut builder = Builder::new(3);
        let value = builder.unary(op, 0);
        let product = builder.binary(Binary::Multiply, 0, 1);
        let scaled = builder.unary(op, product);
        let sum = builder.binary(Binary::Add, scaled, 2);
        let other = builder.unary(op, 1);
        let other = builder.binary(Binary::Multiply, other, 0);
        let program = builder.finish(&[value, sum, other]);
        for isa in available().filter(|isa| *isa == Isa::Avx512) {
            for singles in [[false; 3], [false, true, true]] {
                assert_eq!(
                    check(&program, &inputs, &singles, &counts, isa),
                    1,
                    "{op:?}"
                );
            }
        }
    }
}

#[test]
fn extremes_beside_single_elements_have_the_bits_of_their_loops() {
    let numbers = numbers(4000, 1);
    for single in [0.0, -0.0, 6.0, -1.0, f32::INFINITY, f32::NAN, 1e-40] {
        for op in [Binary::Maximum, Binary::Minimum] {
            let mut builder = Builder::new(2);
            let value = builder.binary(op, 0, 1);
            let swapped = builder.binary(op, 1, value);
            let program = builder.finish(&[value, swapped]);
            let inputs = [numbers.clone(), vec![single; numbers.len()]];
            for isa in available() {
                assert_eq!(check(&program, &inputs, &[false, true], &[4000], isa), 1);
            }
        }
    }
}

#[test]
fn quotients_by_single_elements_have_the_bits_of_their_loops() {
    let numbers = numbers(4000, 1);
    for single in [
        2.0,
        -0.125,
        3.0,
        1.702,
        0.0,
        f32::NAN,
        1e-40,
        2f32.powi(-126),
    ] {
        let mut builder = Builder::new(2);
        let value = builder.binary(Binary::Divide, 0, 1);
        let swapped = builder.binary(Binary::Divide, 1, value);
        let program = builder.finish(&[value, swapped]);
        let inputs = [numbers.clone(), vec![single; numbers.len()]];
        for isa in available() {
            assert_eq!(check(&program, &inputs, &[false, true], &[4000], isa), 1);
        }
    }
}

#[test]
fn binary_operations_have_the_bits_of_their_loops() {
    for op in BINARY {
        let mut builder = Builder::new(2);
        let value = builder.binary(op, 0, 1);
        let swapped = builder.binary(op, 1, 0);
        let same = builder.binary(op, 1, 1);
        check_all(&builder.finish(&[value, swapped, same]));
    }
}

#[test]
fn selections_have_the_bits_of_their_loops() {
    for op in COMPARISONS {
        let mut builder = Builder::new(3);
        let condition = builder.binary(op, 0, 1);
        let value = builder.select(condition, 0, 2);
        let other = builder.select(condition, value, 1);
        check_all(&builder.finish(&[value, other]));
    }
}

#[test]
fn selections_of_what_is_nan_have_the_bits_of_their_loops() {
    let mut builder = Builder::new(2);
    let condition = builder.binary(Binary::NotEqual, 0, 0);
    let value = builder.select(condition, 1, 0);
    let other = builder.unary(Unary::Negative, 0);
    check_all(&builder.finish(&[value, other]));
}

#[test]
fn joined_operations_have_the_bits_of_their_loops() {
    for first in BINARY {
        for second in BINARY {
            let mut builder = Builder::new(3);
            let inner = builder.binary(first, 0, 1);
            let value = builder.binary(second, inner, 2);
            let inner = builder.binary(first, 0, 1);
            let swapped = builder.binary(second, 2, inner);
            check_all(&builder.finish(&[value, swapped]));
        }
    }
    for op in UNARY {
        let mut builder = Builder::new(3);
        let product = builder.binary(Binary::Multiply, 0, 1);
        let value = builder.unary(op, product);
        let sum = builder.unary(op, 1);
        let sum = builder.binary(Binary::Add, sum, 2);
        let scaled = builder.binary(Binary::Multiply, 0, 2);
        let scaled = builder.unary(op, scaled);
        let scaled = builder.binary(Binary::Multiply, 0, scaled);
        check_all(&builder.finish(&[value, sum, scaled]));
    }
}

#[test]
fn operations_on_integers_have_the_bits_of_their_loops() {
    use Binary::{Add, BitwiseAnd, BitwiseOr, BitwiseXor, Maximum, Minimum, Multiply, Subtract};
    let simple = [
        Add, Subtract, Multiply, Maximum, Minimum, BitwiseAnd, BitwiseOr, BitwiseXor,
    ];
    for dtype in [Dtype::Int32, Dtype::Uint32] {
        for op in simple {
            let mut builder = Builder::of(&[dtype; 2]);
            let value = builder.binary(op, 0, 1);
            let swapped = builder.binary(op, 1, value);
            check_all(&builder.finish(&[value, swapped]));
        }
        let inputs: Vec<Vec<f32>> = (0..3).map(|seed| numbers(4000, seed)).collect();
        for op in COMPARISONS {
            let mut builder = Builder::of(&[dtype; 3]);
            let condition = builder.binary(op, 0, 1);
            let value = builder.select(condition, 2, 0);
            let program = builder.finish(&[condition, value]);
            for isa in available().filter(|isa| *isa == Isa::Avx512) {
                for singles in [[false; 3], [false, true, false]] {
                    let counts = [1, 15, 16, 33, 4000];
                    assert_eq!(check(&program, &inputs, &singles, &counts, isa), 1);
                }
            }
        }
    }
}
