//! Programs of many operations.

use super::{Builder, available, check, lowered, numbers, runs};
use mlx_oxide_ir::{Binary, ScalarProgram, Unary};

/// Numbers below a bound, one after the other.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

/// A program of random operations on random values, late ones most of all.
fn random_program(random: &mut Random) -> ScalarProgram {
    const UNARY: [Unary; 9] = [
        Unary::Abs,
        Unary::Negative,
        Unary::Square,
        Unary::Sqrt,
        Unary::Rsqrt,
        Unary::Floor,
        Unary::Sign, // is not made code of
        Unary::Exp,  // nor is this without AVX-512
        Unary::RoundEven,
    ];
    const BINARY: [Binary; 8] = [
        Binary::Add,
        Binary::Add,
        Binary::Subtract,
        Binary::Multiply,
        Binary::Multiply,
        Binary::Divide,
        Binary::Maximum,
        Binary::Minimum,
    ];
    let inputs = 1 + random.below(5);
    let mut builder = Builder::new(inputs);
    let mut values: Vec<u32> = (0..inputs as u32).collect();
    let mut conditions = Vec::new();
    for _ in 0..2 + random.below(40) {
        let near = values.len().min(1 + random.below(12));
        let first = values[values.len() - 1 - random.below(near)];
        let second = values[random.below(values.len())];
        match random.below(10) {
            0 | 1 => values.push(builder.unary(UNARY[random.below(UNARY.len())], first)),
            2 => conditions.push(builder.binary(Binary::Less, first, second)),
            3 if !conditions.is_empty() => {
                let condition = conditions[random.below(conditions.len())];
                values.push(builder.select(condition, first, second));
            }
            _ => values.push(builder.binary(BINARY[random.below(BINARY.len())], first, second)),
        }
    }
    let mut outputs = vec![values[values.len() - 1]];
    let another = values[random.below(values.len())];
    if another as usize >= inputs && random.below(2) == 0 && another != outputs[0] {
        outputs.push(another);
    }
    if (outputs[0] as usize) < inputs {
        outputs[0] = builder.binary(Binary::Add, 0, 0);
    }
    builder.finish(&outputs)
}

#[test]
fn random_programs_have_the_bits_of_their_loops() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut codes = 0;
    for round in 0..400 {
        let program = random_program(&mut random);
        let inputs: Vec<Vec<f32>> = (0..program.inputs.len())
            .map(|input| numbers(200, input + round))
            .collect();
        let singles: Vec<bool> = inputs.iter().map(|_| random.below(3) == 0).collect();
        for isa in available() {
            codes += check(&program, &inputs, &singles, &[1, 7, 16, 150, 200], isa);
        }
    }
    assert!(codes > 400 || available().count() == 0, "{codes} codes");
}

/// `Σ aᵢ·aᵢ₊₁` of so many terms, the sum of which begins with the last.
fn many_terms(terms: usize) -> ScalarProgram {
    let mut builder = Builder::new(terms + 1);
    let products: Vec<u32> = (0..terms as u32)
        .map(|term| builder.binary(Binary::Multiply, term, term + 1))
        .collect();
    // taken twice, so that no product runs within the loop of its sum
    let mut sum = products[0];
    for &product in products.iter().rev() {
        let twice = builder.binary(Binary::Add, product, product);
        sum = builder.binary(Binary::Subtract, sum, twice);
        sum = builder.binary(Binary::Add, sum, product);
    }
    builder.finish(&[sum])
}

#[test]
fn runs_that_need_too_many_registers_are_cut() {
    let program = many_terms(60);
    let inputs: Vec<Vec<f32>> = (0..61).map(|seed| numbers(100, seed)).collect();
    for isa in available() {
        assert_eq!(runs(&lowered(&program, isa)).len(), 1);
        let codes = check(&program, &inputs, &[false; 61], &[5, 16, 100], isa);
        assert!(codes > 1, "{codes} codes");
        check(&program, &inputs, &[true; 61], &[5, 16, 100], isa);
    }
}

#[test]
fn more_slots_than_there_are_pointers_are_read() {
    let program = many_terms(11);
    let inputs: Vec<Vec<f32>> = (0..12).map(|seed| numbers(100, seed)).collect();
    let singles: Vec<bool> = (0..12).map(|input| input % 4 == 0).collect();
    for isa in available() {
        check(&program, &inputs, &singles, &[5, 16, 100], isa);
        check(&program, &inputs, &[false; 12], &[5, 16, 100], isa);
    }
}

#[test]
fn single_steps_stay_loops() {
    let mut builder = Builder::new(2);
    let sum = builder.binary(Binary::Add, 0, 1);
    let sine = builder.unary(Unary::Sin, sum);
    let difference = builder.binary(Binary::Subtract, sine, sum);
    let program = builder.finish(&[difference]);
    for isa in available() {
        assert!(runs(&lowered(&program, isa)).is_empty());
    }
}
