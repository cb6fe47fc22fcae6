//! Code against the loops of the steps that it stands for.

mod caching;
mod halves;
mod operations;
mod programs;
mod truths;
mod whole;

use super::cache::Cache;
use super::{Code, CodeRows, Single, assemble_in, runs};
use crate::kernels::fused::lower::{Lowered, Program, Slot, Step, lower};
use crate::simd::Isa;
use mlx_oxide_ir::{Binary, Dtype, Instruction, ScalarOp, ScalarProgram, Unary};
use mlx_oxide_runtime::Executable;
use std::sync::Arc;

/// The instruction sets of this machine that there is code for.
fn available() -> impl Iterator<Item = Isa> {
    [Isa::Avx2, Isa::Avx512]
        .into_iter()
        .filter(|isa| isa.is_available())
}

/// A program under construction.
struct Builder {
    program: ScalarProgram,
}

impl Builder {
    /// Of so many inputs in single precision.
    fn new(inputs: usize) -> Self {
        Self::of(&vec![Dtype::Float32; inputs])
    }

    /// Of inputs of these dtypes.
    fn of(inputs: &[Dtype]) -> Self {
        Builder {
            program: ScalarProgram {
                inputs: inputs.to_vec(),
                instructions: [].into_iter().collect(),
                outputs: [].into_iter().collect(),
            },
        }
    }

    fn push(&mut self, op: ScalarOp, operands: &[u32], dtype: Dtype) -> u32 {
        self.program.instructions.push(Instruction {
            op,
            operands: operands.iter().copied().collect(),
            dtype,
        });
        (self.program.inputs.len() + self.program.instructions.len() - 1) as u32
    }

    fn dtype(&self, value: u32) -> Dtype {
        self.program.dtype(value)
    }

    fn unary(&mut self, op: Unary, operand: u32) -> u32 {
        self.push(ScalarOp::Unary(op), &[operand], self.dtype(operand))
    }

    fn binary(&mut self, op: Binary, lhs: u32, rhs: u32) -> u32 {
        let dtype = op.result_dtype(self.dtype(lhs));
        self.push(ScalarOp::Binary(op), &[lhs, rhs], dtype)
    }

    fn select(&mut self, condition: u32, on_true: u32, on_false: u32) -> u32 {
        let operands = [condition, on_true, on_false];
        self.push(ScalarOp::Select, &operands, self.dtype(on_true))
    }

    fn cast(&mut self, operand: u32, dtype: Dtype) -> u32 {
        self.push(ScalarOp::Cast, &[operand], dtype)
    }

    fn finish(mut self, outputs: &[u32]) -> ScalarProgram {
        self.program.outputs.extend(outputs.iter().copied());
        self.program.validate().unwrap();
        self.program
    }
}

fn lowered(program: &ScalarProgram, isa: Isa) -> Lowered {
    lowered_for(program, &vec![false; program.inputs.len()], isa)
}

fn lowered_for(program: &ScalarProgram, uniform: &[bool], isa: Isa) -> Lowered {
    let parts = Program {
        inputs: &program.inputs,
        instructions: &program.instructions,
        outputs: &program.outputs,
    };
    lower(parts, uniform, isa).unwrap()
}

/// Numbers as elements of a dtype: `bfloat16` and integers have bits of theirs, so that there is
/// every NaN.
fn elements(numbers: &[f32], dtype: Dtype) -> Vec<u8> {
    let bytes = |number: &f32| -> Vec<u8> {
        match dtype {
            Dtype::Bool => vec![u8::from(*number > 0.0)],
            Dtype::Float16 => half::f16::from_f32(*number).to_le_bytes().to_vec(),
            Dtype::Bfloat16 => number.to_le_bytes()[2..].to_vec(),
            _of_four_bytes => number.to_le_bytes().to_vec(),
        }
    };
    numbers.iter().flat_map(bytes).collect()
}

/// Elements of a dtype as numbers.
fn numbers_of(elements: &[u8], dtype: Dtype) -> Vec<f32> {
    let half = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    let number = |bytes: &[u8]| match dtype {
        Dtype::Bool => f32::from(bytes[0]),
        Dtype::Float16 => half::f16::from_bits(half(bytes)).to_f32(),
        Dtype::Bfloat16 => half::bf16::from_bits(half(bytes)).to_f32(),
        _of_four_bytes => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
    };
    elements.chunks_exact(dtype.size()).map(number).collect()
}

/// Numbers with all edges, in an order that `seed` shuffles.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    let edges = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        1.0,
        -1.0,
        1e-40,
        -1e-45,
        f32::MAX,
        f32::MIN_POSITIVE,
        0.5,
        -2.5,
    ];
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match (state >> 60) < 6 {
            true => edges[(state >> 8) as usize % edges.len()],
            false => ((state >> 20) as i32 as f32) * 2f32.powi((state >> 52) as i32 % 8 - 34),
        }
    };
    (0..count).map(number).collect()
}

/// What surrounds tiles, to show whether it was written.
const AROUND: usize = 32;
const UNTOUCHED: u8 = 0xa5;
/// Rows that elements are taken for where code can go from row to row.
const ROWS: usize = 3;

/// Tiles of outputs and registers, and where all slots are.
struct Tiles {
    memory: Vec<Vec<u8>>,
    slots: Vec<*mut u8>,
}

impl Tiles {
    fn new(inputs: &[Vec<u8>], lowered: &Lowered, count: usize) -> Self {
        let others = lowered.written.len() + lowered.registers;
        let bytes = count * lowered.register_width.max(4) + 2 * AROUND;
        let mut memory = vec![vec![UNTOUCHED; bytes]; others];
        let read = inputs.iter().map(|input| input.as_ptr().cast_mut());
        let written = memory
            .iter_mut()
            .map(|tile| tile.as_mut_ptr().wrapping_add(AROUND));
        let slots = read.chain(written).collect();
        Tiles { memory, slots }
    }

    fn run(&self, step: &Step, count: usize) {
        let [first, second, third] = step.operands.map(|slot| self.slots[slot as usize]);
        let destination = self.slots[step.destination as usize];
        // SAFETY: tiles have room for `count` elements; the instruction set is available
        unsafe { (step.run)(destination, first, second, third, count) };
    }

    /// Runs code for rows of so many elements, one after the other.
    fn run_rows(&mut self, program: &ScalarProgram, code: &Code, singles: &[bool], length: usize) {
        let outputs = program.outputs.iter().map(|output| program.dtype(*output));
        let dtypes = program.inputs.iter().copied().chain(outputs);
        let mut strides: Vec<isize> = dtypes
            .map(|dtype| (length * dtype.size()) as isize)
            .collect();
        for (stride, single) in strides.iter_mut().zip(singles) {
            *stride = if *single { 0 } else { *stride };
        }
        strides.resize(self.slots.len(), 0);
        let rows = CodeRows {
            slots: &self.slots,
            strides: &strides,
            length,
            count: ROWS,
        };
        // SAFETY: tiles have room for the rows; the instruction set is available
        unsafe { code.run_rows(rows) };
    }

    /// The elements of an output.
    fn output(&self, output: usize, count: usize, dtype: Dtype) -> Vec<f32> {
        let end = AROUND + count * dtype.size();
        assert!(self.memory[output][end..].iter().all(|it| *it == UNTOUCHED));
        numbers_of(&self.memory[output][AROUND..end], dtype)
    }

    fn assert_untouched_around(&self, context: &str) {
        for tile in &self.memory {
            let (before, after) = (&tile[..AROUND], &tile[tile.len() - AROUND..]);
            let untouched = before.iter().chain(after).all(|byte| *byte == UNTOUCHED);
            assert!(untouched, "{context}: written beside a tile");
        }
    }
}

/// All code of a program, with the steps between: `Err` for those.
fn works(
    cache: &Cache,
    lowered: &Lowered,
    single: &dyn Fn(Slot) -> Option<Single>,
) -> Vec<Result<Arc<Code>, usize>> {
    let found = runs(lowered);
    let mut works = Vec::new();
    let mut done = 0;
    for run in found {
        works.extend((done..run.start).map(Err));
        let codes = assemble_in(cache, lowered, run.clone(), single, usize::MAX);
        works.extend(codes.unwrap().into_iter().map(Ok));
        done = run.end;
    }
    works.extend((done..lowered.steps.len()).map(Err));
    works
}

/// Whether two numbers have the same bits, or are both NaN.
fn same(left: f32, right: f32) -> bool {
    left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan())
}

/// Runs the program by code and by loops; how many codes there were. The inputs that are `single` are
/// their first element throughout, which lowering knows of in one of two rounds.
fn check(
    program: &ScalarProgram,
    inputs: &[Vec<f32>],
    singles: &[bool],
    counts: &[usize],
    isa: Isa,
) -> usize {
    if singles.contains(&true) {
        check_lowered(
            program,
            &lowered_for(program, singles, isa),
            inputs,
            singles,
            counts,
        );
    }
    check_lowered(program, &lowered(program, isa), inputs, singles, counts)
}

fn check_lowered(
    program: &ScalarProgram,
    lowered: &Lowered,
    inputs: &[Vec<f32>],
    singles: &[bool],
    counts: &[usize],
) -> usize {
    let typed = inputs.iter().zip(&program.inputs);
    let inputs: Vec<Vec<u8>> = typed
        .map(|(input, dtype)| elements(input, *dtype))
        .collect();
    let spread: Vec<Vec<u8>> = (inputs.iter().zip(singles).zip(&program.inputs))
        .map(|((input, single), dtype)| match single {
            true => input[..dtype.size()].repeat(input.len() / dtype.size()),
            false => input.clone(),
        })
        .collect();
    let single = |slot: Slot| {
        let input = slot as usize;
        let is_single = singles.get(input) == Some(&true);
        is_single.then(|| {
            let dtype = program.inputs[input];
            Single::of(dtype, &inputs[input][..dtype.size()])
        })
    };
    let cache = Cache::new(Executable::new);
    let works = works(&cache, lowered, &single);
    for &count in counts {
        let isa = lowered.isa;
        let context = format!("{count} elements, {isa:?}, single {singles:?}, {program:?}");
        let expected = Tiles::new(&spread, lowered, count);
        let mut found = Tiles::new(&inputs, lowered, count);
        let read_whole = Tiles::new(&spread, lowered, count).slots[..inputs.len()].to_vec();
        let run_whole = |found: &mut Tiles, step: &Step| {
            let before = found.slots.clone();
            found.slots[..inputs.len()].copy_from_slice(&read_whole);
            found.run(step, count);
            found.slots = before;
        };
        for step in &lowered.once {
            expected.run(step, count);
            run_whole(&mut found, step);
        }
        for step in &lowered.steps {
            expected.run(step, count);
        }
        for work in &works {
            match work {
                // SAFETY: tiles have room for `count` elements; the instruction set is available
                Ok(code) => unsafe { code.run(&found.slots, count) },
                Err(step) => run_whole(&mut found, &lowered.steps[*step]),
            }
        }
        found.assert_untouched_around(&context);
        assert_same_outputs(program, &found, &expected, count, &context);
        if let [Ok(code)] = &works[..]
            && code.has_rows()
            && count > 0
            && count.is_multiple_of(ROWS)
        {
            let length = count / ROWS;
            let mut found = Tiles::new(&inputs, lowered, count);
            found.run_rows(program, code, singles, length);
            let context = format!("by rows, {context}");
            found.assert_untouched_around(&context);
            assert_same_outputs(program, &found, &expected, count, &context);
        }
    }
    works.iter().filter(|work| work.is_ok()).count()
}

fn assert_same_outputs(
    program: &ScalarProgram,
    found: &Tiles,
    expected: &Tiles,
    count: usize,
    context: &str,
) {
    for (output, value) in program.outputs.iter().enumerate() {
        let dtype = program.dtype(*value);
        let [found, expected] = [found, expected].map(|it| it.output(output, count, dtype));
        for (place, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            assert!(
                same(found, expected),
                "{context}: {found:?} instead of {expected:?} at {place}"
            );
        }
    }
}
