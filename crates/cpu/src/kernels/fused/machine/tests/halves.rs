//! 16-bit floats: what is loaded widens, every step rounds, what is stored is narrow.

use super::operations::{BINARY, COMPARISONS, UNARY, check_all};
use super::programs::Random;
use super::{Builder, available, check, numbers};
use mlx_oxide_ir::{Binary, Dtype, ScalarProgram, Unary};

const HALVES: [Dtype; 2] = [Dtype::Bfloat16, Dtype::Float16];

#[test]
fn unary_operations_on_halves_have_the_bits_of_their_loops() {
    for dtype in HALVES {
        for op in UNARY {
            let mut builder = Builder::of(&[dtype]);
            let value = builder.unary(op, 0);
            let again = builder.unary(op, value);
            let other = builder.unary(Unary::Negative, again);
            check_all(&builder.finish(&[value, other]));
        }
    }
}

#[test]
fn binary_operations_on_halves_have_the_bits_of_their_loops() {
    for dtype in HALVES {
        for op in BINARY {
            let mut builder = Builder::of(&[dtype; 2]);
            let value = builder.binary(op, 0, 1);
            let swapped = builder.binary(op, 1, value);
            let same = builder.binary(op, 1, 1);
            check_all(&builder.finish(&[value, swapped, same]));
        }
    }
}

#[test]
fn selections_of_halves_have_the_bits_of_their_loops() {
    for dtype in HALVES {
        for op in COMPARISONS {
            let mut builder = Builder::of(&[dtype; 3]);
            let condition = builder.binary(op, 0, 1);
            let value = builder.select(condition, 0, 2);
            let other = builder.select(condition, value, 1);
            check_all(&builder.finish(&[value, other]));
        }
    }
}

#[test]
fn halves_beside_single_elements_have_the_bits_of_their_loops() {
    for dtype in HALVES {
        for single in [
            2.0,
            1.414_062_5,
            -6.0,
            0.0,
            -0.0,
            3.0,
            0.044_677_734,
            f32::NAN,
        ] {
            let mut builder = Builder::of(&[dtype; 2]);
            let quotient = builder.binary(Binary::Divide, 0, 1);
            let greater = builder.binary(Binary::Maximum, quotient, 1);
            let less = builder.binary(Binary::Minimum, greater, 1);
            let value = builder.binary(Binary::Divide, less, 0);
            let value = builder.binary(Binary::Divide, value, 1);
            let program = builder.finish(&[quotient, greater, value]);
            let every = (0..=u16::MAX).map(|bits| match dtype {
                Dtype::Float16 => half::f16::from_bits(bits).to_f32(),
                _bfloat16 => f32::from_bits(u32::from(bits) << 16),
            });
            let inputs = [every.collect(), vec![single; 1 << 16]];
            for isa in available() {
                assert_eq!(check(&program, &inputs, &[false, true], &[1 << 16], isa), 1);
            }
        }
    }
}

/// Numbers with every kind of bits, near ties of either format too.
fn any_bits(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let mut bits = |_| {
        let bits = ((random.below(1 << 16) << 16) | random.below(1 << 16)) as u32;
        f32::from_bits(match random.below(4) {
            0 => bits,
            1 => (bits & 0xffff_0000) + 0x7fff + random.below(3) as u32,
            2 => (bits & 0xffff_e000) + 0x0fff + random.below(3) as u32,
            // NaN and infinities
            _ => (bits & 0x807f_ffff) | 0x7f80_0000,
        })
    };
    (0..count).map(&mut bits).collect()
}

#[test]
fn conversions_round_every_kind_of_number_as_their_loops() {
    for dtype in HALVES {
        let mut builder = Builder::of(&[Dtype::Float32, dtype]);
        let narrow = builder.cast(0, dtype);
        let opposite = builder.unary(Unary::Negative, 0);
        let rounded = builder.cast(opposite, dtype);
        let wide = builder.cast(rounded, Dtype::Float32);
        let sum = builder.binary(Binary::Add, narrow, 1);
        let product = builder.binary(Binary::Multiply, 0, opposite);
        let product = builder.cast(product, dtype);
        let program = builder.finish(&[narrow, wide, sum, product]);
        let inputs = [any_bits(20_000, 7), any_bits(20_000, 8)];
        for isa in available() {
            assert_eq!(check(&program, &inputs, &[false; 2], &[20_000], isa), 1);
        }
    }
}

#[test]
fn halves_of_both_formats_meet() {
    let mut builder = Builder::of(&HALVES);
    let sum = builder.cast(0, Dtype::Float16);
    let sum = builder.binary(Binary::Add, sum, 1);
    let product = builder.cast(sum, Dtype::Bfloat16);
    let product = builder.binary(Binary::Multiply, product, 0);
    let wide = builder.cast(product, Dtype::Float32);
    let narrow = builder.cast(1, Dtype::Bfloat16);
    check_all(&builder.finish(&[sum, product, wide, narrow]));
}

#[test]
fn what_functions_give_is_rounded() {
    for dtype in HALVES {
        for op in [Unary::Exp, Unary::Erf, Unary::Sin, Unary::Log] {
            let mut builder = Builder::of(&[dtype; 2]);
            let value = builder.binary(Binary::Divide, 0, 1);
            let value = builder.unary(op, value);
            let value = builder.binary(Binary::Add, value, 1);
            let value = builder.binary(Binary::Multiply, value, 0);
            let program = builder.finish(&[value]);
            let inputs = [any_bits(20_000, 9), any_bits(20_000, 10)];
            for isa in available() {
                assert_eq!(check(&program, &inputs, &[false; 2], &[20_000, 99], isa), 2);
            }
        }
    }
}

/// A program of random operations on halves and numbers in single precision, late ones most of all.
fn random_program(random: &mut Random) -> ScalarProgram {
    const DTYPES: [Dtype; 3] = [Dtype::Bfloat16, Dtype::Float16, Dtype::Float32];
    let main = DTYPES[random.below(2)];
    let inputs: Vec<Dtype> = (0..1 + random.below(4))
        .map(|_| match random.below(3) {
            0 => DTYPES[random.below(3)],
            _ => main,
        })
        .collect();
    let mut builder = Builder::of(&inputs);
    let mut values: Vec<u32> = (0..inputs.len() as u32).collect();
    for _ in 0..2 + random.below(30) {
        let near = values.len().min(1 + random.below(8));
        let first = values[values.len() - 1 - random.below(near)];
        let dtype = builder.dtype(first);
        let mut second = values[random.below(values.len())];
        if builder.dtype(second) != dtype {
            second = builder.cast(second, dtype);
        }
        values.push(match random.below(8) {
            0 => builder.unary(UNARY[random.below(UNARY.len())], first),
            1 => builder.unary(Unary::Tanh, first),
            2 => {
                let op = COMPARISONS[random.below(COMPARISONS.len())];
                let condition = builder.binary(op, first, second);
                builder.select(condition, second, first)
            }
            3 => builder.cast(first, DTYPES[random.below(3)]),
            _ => builder.binary(BINARY[random.below(BINARY.len())], first, second),
        });
    }
    let last = builder.binary(
        Binary::Add,
        values[values.len() - 1],
        values[values.len() - 1],
    );
    builder.finish(&[last])
}

#[test]
fn random_programs_of_halves_have_the_bits_of_their_loops() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut codes = 0;
    for round in 0..400 {
        let program = random_program(&mut random);
        let inputs: Vec<Vec<f32>> = (0..program.inputs.len())
            .map(|input| numbers(300, input + round))
            .collect();
        let singles: Vec<bool> = inputs.iter().map(|_| random.below(3) == 0).collect();
        for isa in available() {
            codes += check(&program, &inputs, &singles, &[1, 7, 16, 150, 300], isa);
        }
    }
    assert!(codes > 400 || available().count() == 0, "{codes} codes");
}
