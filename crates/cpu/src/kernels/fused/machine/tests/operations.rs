//! Every operation that code is made of.

use super::{Builder, available, check, numbers};
use mlx_oxide_ir::{Binary, ScalarProgram, Unary};

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
/// Lengths about those of six and twelve registers.
const LONG: [usize; 5] = [95, 96, 97, 113, 193];

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
