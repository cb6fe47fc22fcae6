//! Programs against their instructions run one call at a time.

use super::{assert_same, available, bytes_in_order, operand, run, samples};
use crate::simd::Isa;
use mlx_oxide_ir::{Binary, Dtype, Instruction, Op, ScalarOp, ScalarProgram, Unary};
use mlx_oxide_runtime::{Buffer, Operand};
use std::sync::Arc;

fn instruction(op: ScalarOp, operands: &[u32], dtype: Dtype) -> Instruction {
    Instruction {
        op,
        operands: operands.iter().copied().collect(),
        dtype,
    }
}

/// Every value of the program, each from a call of its own.
fn one_by_one(program: &ScalarProgram, inputs: &[Operand], isa: Isa) -> Vec<Operand> {
    let mut values = inputs.to_vec();
    for instruction in &program.instructions {
        let op = match instruction.op {
            ScalarOp::Unary(op) => Op::Unary(op),
            ScalarOp::Binary(op) => Op::Binary(op),
            ScalarOp::Select => Op::Select,
            ScalarOp::Cast => Op::Cast(instruction.dtype),
        };
        let operands: Vec<Operand> = instruction
            .operands
            .iter()
            .map(|value| values[*value as usize].clone())
            .collect();
        let bytes = run(&op, &operands, isa).remove(0);
        values.push(operand(&bytes, &inputs[0].layout.shape, instruction.dtype));
    }
    values
}

fn check(program: ScalarProgram, shape: &[usize]) {
    program.validate().unwrap();
    let count: usize = shape.iter().product();
    let bytes: Vec<Vec<u8>> = (program.inputs.iter().enumerate())
        .map(|(number, dtype)| samples(*dtype, count, number + 1))
        .collect();
    let inputs = |donatable| -> Vec<Operand> {
        (bytes.iter().zip(&program.inputs))
            .map(|(bytes, dtype)| Operand {
                donatable,
                ..operand(bytes, shape, *dtype)
            })
            .collect()
    };
    let op = Op::Fused(Arc::new(program.clone()));
    for isa in available() {
        let values = one_by_one(&program, &inputs(false), isa);
        for donatable in [false, true] {
            let found = run(&op, &inputs(donatable), isa);
            for (found, output) in found.iter().zip(&program.outputs) {
                let expected = &values[*output as usize];
                let context = format!("value {output}, {isa:?}, donatable {donatable}");
                assert_same(
                    expected.dtype,
                    found,
                    expected.buffer.host_bytes().unwrap(),
                    &context,
                );
            }
        }
    }
}

/// A program of so many instructions in one dtype, whose operands wander, with several outputs.
fn long(dtype: Dtype, length: u32) -> ScalarProgram {
    let mut program = ScalarProgram {
        inputs: vec![dtype; 3],
        ..ScalarProgram::default()
    };
    for position in 0..length {
        let newest = 2 + position;
        let older = newest.saturating_sub(position * 7 % 11);
        let made = match position % 4 {
            0 => instruction(ScalarOp::Binary(Binary::Add), &[newest, older], dtype),
            1 => instruction(
                ScalarOp::Binary(Binary::Minimum),
                &[older, position % 3],
                dtype,
            ),
            2 => instruction(ScalarOp::Unary(Unary::Negative), &[older], dtype),
            _ => instruction(ScalarOp::Binary(Binary::Multiply), &[newest, newest], dtype),
        };
        program.instructions.push(made);
    }
    program.outputs = vec![3 + length / 2, 2 + length, 3, 2 + length];
    program
}

#[test]
fn long_programs_agree_with_single_calls_in_every_dtype() {
    for dtype in Dtype::ALL {
        check(long(dtype, 20), &[3000]);
    }
    check(long(Dtype::Float32, 500), &[37, 61]);
    check(long(Dtype::Bfloat16, 500), &[2100]);
}

#[test]
fn an_input_is_not_overwritten_before_its_last_reading() {
    let float = Dtype::Float32;
    let program = ScalarProgram {
        inputs: vec![float, float],
        instructions: vec![
            instruction(ScalarOp::Binary(Binary::Add), &[0, 1], float),
            instruction(ScalarOp::Binary(Binary::Multiply), &[2, 0], float),
            instruction(ScalarOp::Binary(Binary::Subtract), &[2, 1], float),
        ],
        outputs: vec![2, 3, 4],
    };
    for count in [1, 100, 5000, 200_000] {
        check(program.clone(), &[count]);
    }
}

#[test]
fn bounds_agree_with_two_operations() {
    let orders = [
        (Binary::Maximum, Binary::Minimum),
        (Binary::Minimum, Binary::Maximum),
    ];
    // the value alone; with the one before it; bounded by its own input; not the first operand
    let shapes: [(&[u32], &[u32], &[u32]); 4] = [
        (&[0, 1], &[3, 2], &[4]),
        (&[0, 1], &[3, 2], &[3, 4]),
        (&[0, 1], &[3, 0], &[4, 4]),
        (&[0, 1], &[2, 3], &[4]),
    ];
    let bounded = |dtype: &Dtype| Binary::Maximum.domain().contains(*dtype);
    for dtype in Dtype::ALL.into_iter().filter(bounded) {
        for (first, second) in orders {
            for (inner, outer, outputs) in shapes {
                let program = ScalarProgram {
                    inputs: vec![dtype; 3],
                    instructions: vec![
                        instruction(ScalarOp::Binary(first), inner, dtype),
                        instruction(ScalarOp::Binary(second), outer, dtype),
                    ],
                    outputs: outputs.to_vec(),
                };
                for count in [1, 7, 16, 33, 3000] {
                    check(program.clone(), &[count]);
                }
            }
        }
    }
}

#[test]
fn choices_by_whether_a_value_is_nan_agree_with_two_operations() {
    for dtype in [Dtype::Float16, Dtype::Float32, Dtype::Float64] {
        // the condition alone; shown too; of two values; chosen twice
        let programs: [(&[u32], &[u32], &[u32]); 4] = [
            (&[0, 0], &[3, 1, 2], &[4]),
            (&[0, 0], &[3, 1, 0], &[3, 4]),
            (&[0, 1], &[3, 0, 2], &[4]),
            (&[1, 1], &[3, 1, 1], &[4]),
        ];
        for (compared, chosen, outputs) in programs {
            let program = ScalarProgram {
                inputs: vec![dtype; 3],
                instructions: vec![
                    instruction(ScalarOp::Binary(Binary::NotEqual), compared, Dtype::Bool),
                    instruction(ScalarOp::Select, chosen, dtype),
                ],
                outputs: outputs.to_vec(),
            };
            for count in [1, 33, 3000] {
                check(program.clone(), &[count]);
            }
        }
    }
}

#[test]
fn dtypes_mix_in_one_program() {
    let (float, half, bool_) = (Dtype::Float32, Dtype::Float16, Dtype::Bool);
    let program = ScalarProgram {
        inputs: vec![half, float, Dtype::Int16, Dtype::Complex64],
        instructions: vec![
            instruction(ScalarOp::Cast, &[0], float), // 4
            instruction(ScalarOp::Binary(Binary::Less), &[4, 1], bool_), // 5
            instruction(ScalarOp::Select, &[5, 4, 1], float), // 6
            instruction(ScalarOp::Cast, &[6], half),  // 7
            instruction(ScalarOp::Binary(Binary::Add), &[7, 0], half), // 8
            instruction(ScalarOp::Cast, &[2], half),  // 9
            instruction(ScalarOp::Binary(Binary::Multiply), &[8, 9], half), // 10
            instruction(ScalarOp::Unary(Unary::Abs), &[3], float), // 11
            instruction(ScalarOp::Cast, &[10], Dtype::Complex64), // 12
            instruction(ScalarOp::Binary(Binary::Add), &[12, 3], Dtype::Complex64), // 13
            instruction(ScalarOp::Cast, &[0], half),  // 14
            instruction(ScalarOp::Unary(Unary::Exp), &[14], half), // 15
            instruction(ScalarOp::Unary(Unary::LogicalNot), &[5], bool_), // 16
        ],
        outputs: vec![7, 8, 10, 11, 13, 14, 15, 5, 16],
    };
    for count in [1, 17, 4097] {
        check(program.clone(), &[count]);
    }
}

#[test]
fn results_nobody_reads_are_skipped() {
    let float = Dtype::Float32;
    let program = ScalarProgram {
        inputs: vec![float],
        instructions: vec![
            instruction(ScalarOp::Unary(Unary::Exp), &[0], float),
            instruction(ScalarOp::Unary(Unary::Sin), &[0], float),
        ],
        outputs: vec![2],
    };
    check(program, &[1000]);
}

/// `(a first b) second c` and `c second (a first b)`, whose inner result nothing else takes.
#[test]
fn chains_agree_with_single_calls() {
    let operations = [
        Binary::Add,
        Binary::Subtract,
        Binary::Multiply,
        Binary::Divide,
        Binary::Maximum,
        Binary::Less,
    ];
    for dtype in [
        Dtype::Float32,
        Dtype::Float64,
        Dtype::Bfloat16,
        Dtype::Int32,
    ] {
        for first in operations {
            for second in operations {
                for swapped in [false, true] {
                    let inner = if first == Binary::Less {
                        Dtype::Bool
                    } else {
                        dtype
                    };
                    if inner != dtype || (second == Binary::Less && dtype == Dtype::Int32) {
                        continue;
                    }
                    if dtype == Dtype::Int32 && (first, second) != (Binary::Add, Binary::Multiply) {
                        continue; // integers have no such loops
                    }
                    let outer = if second == Binary::Less {
                        Dtype::Bool
                    } else {
                        dtype
                    };
                    let operands = if swapped { [2, 3] } else { [3, 2] };
                    let program = ScalarProgram {
                        inputs: vec![dtype; 3],
                        instructions: vec![
                            instruction(ScalarOp::Binary(first), &[0, 1], dtype),
                            instruction(ScalarOp::Binary(second), &operands, outer),
                        ],
                        outputs: vec![4],
                    };
                    for count in [1, 33, 600] {
                        check(program.clone(), &[count]);
                    }
                }
            }
        }
    }
}

/// Chains of whole operands, columns and single elements.
#[test]
fn chains_of_single_elements_agree_with_single_calls() {
    let float = Dtype::Float32;
    let operations = [
        Binary::Add,
        Binary::Subtract,
        Binary::Multiply,
        Binary::Divide,
        Binary::Maximum,
        Binary::Minimum,
    ];
    let pairs = operations
        .into_iter()
        .flat_map(|first| operations.map(|second| (first, second)));
    let orders: [&[u32]; 2] = [&[3, 2], &[2, 3]];
    let chains = pairs.flat_map(|pair| orders.map(|order| (pair, order)));
    for (number, ((first, second), order)) in chains.enumerate() {
        let program = ScalarProgram {
            inputs: vec![float; 3],
            instructions: vec![
                instruction(ScalarOp::Binary(first), &[0, 1], float),
                instruction(ScalarOp::Binary(second), order, float),
                // the operands once more, by a step that has no such loops for all of them
                instruction(ScalarOp::Binary(Binary::Remainder), &[4, 1], float),
            ],
            outputs: vec![[4, 5][number / 2 % 2]],
        };
        for full in [[6, 300], [40, 70], [50, 9]] {
            let stored = [full, [full[0], 1], [1, 1]];
            for layouts in 0..27 {
                let inputs: Vec<Operand> = (0..3)
                    .map(|input| {
                        let stored = stored[layouts / 3usize.pow(input) % 3];
                        let bytes = samples(float, stored.iter().product(), input as usize + 1);
                        let operand = operand(&bytes, &stored, float);
                        Operand {
                            layout: operand.layout.broadcast(&full.into()),
                            donatable: number % 3 == 0,
                            ..operand
                        }
                    })
                    .collect();
                check_inputs(&program, &inputs);
            }
        }
    }
}

/// Runs the program on inputs as they lie, and its instructions on copies in order.
fn check_inputs(program: &ScalarProgram, inputs: &[Operand]) {
    let op = Op::Fused(Arc::new(program.clone()));
    let shape = &inputs[0].layout.shape;
    for isa in available() {
        let in_order: Vec<Operand> = inputs
            .iter()
            .map(|input| {
                let source = input.buffer.host_bytes().unwrap();
                let bytes = bytes_in_order(source, &input.layout, input.dtype.size());
                operand(&bytes, shape, input.dtype)
            })
            .collect();
        let values = one_by_one(program, &in_order, isa);
        let owned: Vec<Operand> = inputs
            .iter()
            .map(|input| Operand {
                buffer: Buffer::from_bytes("test", input.buffer.host_bytes().unwrap()).unwrap(),
                ..input.clone()
            })
            .collect();
        let found = run(&op, &owned, isa);
        for (found, output) in found.iter().zip(&program.outputs) {
            let expected = &values[*output as usize];
            let strides = inputs.iter().map(|input| &input.layout.strides);
            let context = format!("{program:?} {:?} {isa:?}", strides.collect::<Vec<_>>());
            let expected_bytes = expected.buffer.host_bytes().unwrap();
            assert_same(expected.dtype, found, expected_bytes, &context);
        }
    }
}

/// `f(a·b) + c`, `f(a)·c` and the like, for every function that is fused.
#[test]
fn functions_with_neighbours_agree_with_single_calls() {
    let float = Dtype::Float32;
    for &function in Unary::ALL.iter().filter(|it| it.domain().contains(float)) {
        for scaled in [false, true] {
            for after in [None, Some(Binary::Add), Some(Binary::Multiply)] {
                let mut instructions = Vec::new();
                let mut value = 0;
                if scaled {
                    instructions.push(instruction(
                        ScalarOp::Binary(Binary::Multiply),
                        &[0, 1],
                        float,
                    ));
                    value = 3;
                }
                instructions.push(instruction(ScalarOp::Unary(function), &[value], float));
                value = 2 + instructions.len() as u32;
                if let Some(after) = after {
                    instructions.push(instruction(ScalarOp::Binary(after), &[2, value], float));
                }
                let program = ScalarProgram {
                    inputs: vec![float; 3],
                    outputs: vec![2 + instructions.len() as u32],
                    instructions,
                };
                check(program, &[601]);
            }
        }
    }
}

/// A value that is shown, or taken twice, is there as well as what is joined to it.
#[test]
fn values_of_two_takers_are_not_lost() {
    let float = Dtype::Float32;
    let binary = |op, operands: &[u32]| instruction(ScalarOp::Binary(op), operands, float);
    let program = |outputs: &[u32]| ScalarProgram {
        inputs: vec![float; 3],
        instructions: vec![
            binary(Binary::Multiply, &[0, 1]),                     // 3
            instruction(ScalarOp::Unary(Unary::Erf), &[3], float), // 4
            binary(Binary::Add, &[2, 4]),                          // 5
            binary(Binary::Multiply, &[0, 2]),                     // 6
            binary(Binary::Multiply, &[6, 5]),                     // 7
            binary(Binary::Subtract, &[7, 7]),                     // 8
            binary(Binary::Divide, &[1, 8]),                       // 9
        ],
        outputs: outputs.to_vec(),
    };
    for outputs in [
        &[9][..],
        &[3, 9],
        &[4, 9],
        &[5, 7, 9],
        &[6, 9, 3, 4, 5],
        &[7],
        &[9, 9],
    ] {
        check(program(outputs), &[1300]);
    }
}
