//! Truths: what comparisons make and selections take, as bytes outside of code.

use super::operations::{COMPARISONS, check_all};
use super::{Builder, available, check, numbers};
use mlx_oxide_ir::{Binary, Dtype, Unary};

#[test]
fn comparisons_give_bytes() {
    for dtype in [Dtype::Float32, Dtype::Bfloat16, Dtype::Float16] {
        for op in COMPARISONS {
            let mut builder = Builder::of(&[dtype; 2]);
            let sum = builder.binary(Binary::Add, 0, 1);
            let truth = builder.binary(op, sum, 1);
            let other = builder.binary(op, 0, 1);
            check_all(&builder.finish(&[truth, other]));
        }
    }
}

#[test]
fn selections_take_bytes() {
    for dtype in [Dtype::Float32, Dtype::Bfloat16, Dtype::Float16] {
        let mut builder = Builder::of(&[Dtype::Bool, dtype, dtype]);
        let product = builder.binary(Binary::Multiply, 1, 2);
        let value = builder.select(0, product, 2);
        check_all(&builder.finish(&[value]));
    }
}

#[test]
fn truths_are_combined() {
    for op in [Binary::LogicalAnd, Binary::LogicalOr, Binary::BitwiseXor] {
        let mut builder = Builder::of(&[Dtype::Bool, Dtype::Float32, Dtype::Float32]);
        let less = builder.binary(Binary::Less, 1, 2);
        let both = builder.binary(op, less, 0);
        let neither = builder.unary(Unary::LogicalNot, both);
        let value = builder.select(neither, 1, 2);
        check_all(&builder.finish(&[value, both, neither]));
    }
}

#[test]
fn truths_and_integers_become_numbers() {
    for dtype in [Dtype::Float32, Dtype::Bfloat16, Dtype::Float16] {
        let mut builder = Builder::of(&[Dtype::Bool, Dtype::Int32, dtype]);
        let truth = builder.cast(0, dtype);
        let value = builder.binary(Binary::Multiply, truth, 2);
        let integer = builder.cast(1, dtype);
        let sum = builder.binary(Binary::Add, integer, 2);
        let is_any = builder.cast(sum, Dtype::Bool);
        check_all(&builder.finish(&[value, sum, is_any]));
    }
}

#[test]
fn truths_leave_and_enter_code() {
    let mut builder = Builder::new(2);
    let condition = builder.binary(Binary::Less, 0, 1);
    let sum = builder.binary(Binary::Add, 0, 1);
    let chosen = builder.select(condition, sum, 0);
    let sine = builder.unary(Unary::Sin, chosen);
    let again = builder.select(condition, sine, 1);
    let again = builder.binary(Binary::Subtract, again, sum);
    let program = builder.finish(&[again]);
    let inputs = [numbers(100, 1), numbers(100, 2)];
    for isa in available() {
        assert_eq!(check(&program, &inputs, &[false; 2], &[5, 100], isa), 2);
    }
}
