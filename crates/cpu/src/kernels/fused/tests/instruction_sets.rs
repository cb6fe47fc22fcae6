//! Every operation on every dtype, by every instruction set, at every length around the vectors'.

use super::{assert_same, available, operand, run, samples};
use crate::simd::Isa;
use mlx_oxide_ir::{Binary, Dtype, Op, Unary};
use mlx_oxide_runtime::Operand;

/// Twice the lanes of the widest vector of the narrowest element, and one.
const LONGEST: usize = 2 * 64 + 1;

/// The results of calls on one element at a time by the poorest instruction set.
fn one_by_one(op: &Op, dtypes: &[Dtype], operands: &[Vec<u8>]) -> Vec<u8> {
    let count = operands[0].len() / dtypes[0].size();
    let mut bytes = Vec::new();
    for index in 0..count {
        let inputs: Vec<Operand> = (operands.iter().zip(dtypes))
            .map(|(operand_bytes, dtype)| {
                let width = dtype.size();
                operand(
                    &operand_bytes[index * width..(index + 1) * width],
                    &[1],
                    *dtype,
                )
            })
            .collect();
        bytes.extend(run(op, &inputs, Isa::Baseline).remove(0));
    }
    bytes
}

fn check(op: &Op, dtypes: &[Dtype], result: Dtype) {
    let operands: Vec<Vec<u8>> = (0..dtypes.len())
        .map(|number| samples(dtypes[number], LONGEST, number + 3))
        .collect();
    let expected = one_by_one(op, dtypes, &operands);
    let lengths = (0..=9).chain([15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, LONGEST]);
    for isa in available() {
        for length in lengths.clone() {
            let cut = |shift: usize| -> Vec<Operand> {
                (operands.iter().zip(dtypes))
                    .map(|(bytes, dtype)| {
                        let mut whole = operand(bytes, &[LONGEST], *dtype);
                        whole.layout.shape = [length - shift.min(length)].into();
                        whole.layout.offset = shift.min(length);
                        whole
                    })
                    .collect()
            };
            for shift in [0, 1] {
                let found = run(op, &cut(shift), isa).remove(0);
                let width = result.size();
                let expected = &expected[shift.min(length) * width..length * width];
                assert_same(
                    result,
                    &found,
                    expected,
                    &format!("{op:?} of {dtypes:?}, {isa:?}, length {length}"),
                );
            }
        }
        let donated = run_donated(op, &operands, dtypes, isa);
        assert_same(
            result,
            &donated,
            &expected,
            &format!("{op:?} of {dtypes:?}, {isa:?}, in place"),
        );
    }
}

/// The result when every operand's memory may be taken over.
fn run_donated(op: &Op, operands: &[Vec<u8>], dtypes: &[Dtype], isa: Isa) -> Vec<u8> {
    let inputs: Vec<Operand> = (operands.iter().zip(dtypes))
        .map(|(bytes, dtype)| {
            let mut donated = operand(bytes, &[LONGEST], *dtype);
            donated.donatable = true;
            donated
        })
        .collect();
    run(op, &inputs, isa).remove(0)
}

#[test]
fn unary_operations_agree_at_every_length_and_in_place() {
    for &unary in Unary::ALL {
        for dtype in Dtype::ALL
            .into_iter()
            .filter(|dtype| unary.domain().contains(*dtype))
        {
            check(&Op::Unary(unary), &[dtype], unary.result_dtype(dtype));
        }
    }
}

#[test]
fn binary_operations_agree_at_every_length_and_in_place() {
    for &binary in Binary::ALL {
        for dtype in Dtype::ALL
            .into_iter()
            .filter(|dtype| binary.domain().contains(*dtype))
        {
            check(
                &Op::Binary(binary),
                &[dtype, dtype],
                binary.result_dtype(dtype),
            );
        }
    }
}

#[test]
fn selections_agree_at_every_length_and_in_place() {
    for dtype in Dtype::ALL {
        check(&Op::Select, &[Dtype::Bool, dtype, dtype], dtype);
    }
}

#[test]
fn casts_agree_at_every_length_and_in_place() {
    for from in Dtype::ALL {
        for to in Dtype::ALL {
            check(&Op::Cast(to), &[from], to);
        }
    }
}
