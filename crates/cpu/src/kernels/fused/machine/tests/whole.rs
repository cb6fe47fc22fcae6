//! Calls on large arrays, which run by code, against calls that no code is made for.

use super::{Builder, available, elements, numbers, numbers_of, same};
use crate::kernels::fused::run_with;
use crate::simd::Isa;
use mlx_oxide_ir::{Binary, Dtype, Layout, Op, ScalarProgram, Unary, infer};
use mlx_oxide_runtime::{Buffer, Call, Device, Operand, Stream};
use std::sync::Arc;

const ROWS: usize = 301;
const COLUMNS: usize = 1003;

/// An operand of the shape in a buffer that begins with these numbers.
fn operand(values: &[f32], strides: [isize; 2], offset: usize) -> Operand {
    typed_operand(values, Dtype::Float32, strides, offset)
}

fn typed_operand(values: &[f32], dtype: Dtype, strides: [isize; 2], offset: usize) -> Operand {
    Operand {
        buffer: Buffer::from_bytes("test", &elements(values, dtype)).unwrap(),
        layout: Layout {
            shape: [ROWS, COLUMNS][..].into(),
            strides: strides.into_iter().collect(),
            offset,
        },
        dtype,
        donatable: false,
    }
}

/// Operands of many layouts: in order, a row, a column, an element, turned, cut out of a larger one.
fn operands(dtype: Dtype) -> Vec<Operand> {
    let (rows, columns) = (ROWS as isize, COLUMNS as isize);
    let seeds = (1..).map(|seed| numbers(ROWS * COLUMNS, seed));
    let [a, b, c, d, e] = <[Vec<f32>; 5]>::try_from(seeds.take(5).collect::<Vec<_>>()).unwrap();
    let cut = numbers((ROWS + 2) * (COLUMNS + 5), 6);
    let operand = |values, strides, offset| typed_operand(values, dtype, strides, offset);
    vec![
        operand(&a, [columns, 1], 0),
        operand(&b[..COLUMNS], [0, 1], 0),
        operand(&c[..ROWS], [1, 0], 0),
        operand(&d[..1], [0, 0], 0),
        operand(&e, [1, rows], 0),
        operand(&cut, [columns + 5, 1], COLUMNS + 8),
    ]
}

fn run(program: &ScalarProgram, inputs: &[Operand], isa: Isa) -> Vec<f32> {
    let op = Op::Fused(Arc::new(program.clone()));
    let types: Vec<_> = inputs.iter().map(Operand::array_type).collect();
    let outputs = infer(&op, &types.iter().collect::<Vec<_>>()).unwrap();
    let call = Call {
        op: &op,
        inputs,
        outputs: &outputs,
        stream: Stream::default_of(Device::CPU),
    };
    let stored = run_with(&call, isa).unwrap().remove(0);
    let elements = numbers_of(stored.buffer.host_bytes().unwrap(), outputs[0].dtype);
    stored
        .layout
        .places()
        .map(|place| elements[place])
        .collect()
}

fn all_same(left: &[f32], right: &[f32]) -> bool {
    let mut pairs = left.iter().zip(right);
    left.len() == right.len() && pairs.all(|(left, right)| same(*left, *right))
}

/// `√|((a·b + c)·a − max(a, b))/c|`, with `e` to the power of it if `between`, then `·b + a`.
fn program(between: bool, dtype: Dtype) -> ScalarProgram {
    let mut builder = Builder::of(&[dtype; 3]);
    let value = builder.binary(Binary::Multiply, 0, 1);
    let value = builder.binary(Binary::Add, value, 2);
    let value = builder.binary(Binary::Multiply, value, 0);
    let greater = builder.binary(Binary::Maximum, 0, 1);
    let value = builder.binary(Binary::Subtract, value, greater);
    let value = builder.binary(Binary::Divide, value, 2);
    let value = builder.unary(Unary::Abs, value);
    let mut value = builder.unary(Unary::Sqrt, value);
    if between {
        let opposite = builder.unary(Unary::Negative, value);
        value = builder.unary(Unary::Exp, opposite);
    }
    let value = builder.binary(Binary::Multiply, value, 1);
    let condition = builder.binary(Binary::Less, value, 2);
    let value = builder.select(condition, value, greater);
    let value = builder.binary(Binary::Add, value, 0);
    builder.finish(&[value])
}

#[test]
fn operands_of_all_layouts_meet() {
    for dtype in [Dtype::Float32, Dtype::Bfloat16, Dtype::Float16] {
        operands_meet(&operands(dtype), dtype);
    }
}

fn operands_meet(operands: &[Operand], dtype: Dtype) {
    for between in [false, true] {
        let program = program(between, dtype);
        for first in 0..operands.len() {
            for second in 0..operands.len() {
                let third = (first + 2 * second + 1) % operands.len();
                let inputs = [first, second, third].map(|it| operands[it].clone());
                let expected = run(&program, &inputs, Isa::Baseline);
                for isa in available() {
                    let found = run(&program, &inputs, isa);
                    let pairs = found.iter().zip(&expected).enumerate();
                    for (place, (found, expected)) in pairs {
                        assert!(
                            same(*found, *expected),
                            "{found} instead of {expected} at {place}: {first} {second} {third} {isa:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn results_may_take_the_place_of_inputs() {
    for dtype in [Dtype::Float32, Dtype::Bfloat16] {
        let program = program(false, dtype);
        let inputs = || {
            [1, 2, 3].map(|seed| Operand {
                donatable: true,
                ..typed_operand(
                    &numbers(ROWS * COLUMNS, seed),
                    dtype,
                    [COLUMNS as isize, 1],
                    0,
                )
            })
        };
        let expected = run(&program, &inputs(), Isa::Baseline);
        for isa in available() {
            let found = run(&program, &inputs(), isa);
            assert!(all_same(&found, &expected), "{isa:?}");
        }
    }
}

#[test]
fn calls_agree_before_and_after_code_is_made() {
    let mut builder = Builder::new(2);
    let mut value = builder.binary(Binary::Maximum, 0, 1);
    for _ in 0..6 {
        value = builder.binary(Binary::Multiply, value, 1);
        value = builder.binary(Binary::Subtract, value, 0);
        value = builder.unary(Unary::RoundEven, value);
    }
    let program = builder.finish(&[value]);
    let inputs = [1, 2].map(|seed| {
        let mut few = operand(&numbers(ROWS * COLUMNS, seed), [COLUMNS as isize, 1], 0);
        few.layout.shape = [10, COLUMNS][..].into();
        few
    });
    let expected = run(&program, &inputs, Isa::Baseline);
    for isa in available() {
        for call in 0..20 {
            let found = run(&program, &inputs, isa);
            assert!(all_same(&found, &expected), "{isa:?}, call {call}");
        }
    }
}
