//! Which instructions run in the loop of the one that takes their result.
//!
//! A value that one instruction alone takes need not be stored: `(a·b) + c` is one loop, as is
//! `f(a·b) + c` for the functions that programs use most. What each instruction rounds to stays
//! as it is.

use super::lane::{self, After, Formula};
use super::lower::Program;
use crate::simd::{Isa, TileFn};
use mlx_oxide_ir::{Binary, Dtype, ScalarOp, Unary};
use smallvec::{SmallVec, smallvec};

/// How an instruction runs.
#[derive(Clone, Copy)]
pub(super) enum Plan {
    /// By a loop of its own.
    Alone,
    /// In the loop of the only instruction that takes its result.
    Within,
    /// With others before it: a loop, the values it reads, its weight, and what it computes.
    Joined(TileFn, [u32; 3], usize, Formula),
    /// With another before it, from elements of 16-bit floats straight to an output.
    Elements(TileFn, [u32; 3]),
}

/// The plan of every instruction.
pub(super) fn plan(program: Program<'_>, isa: Isa) -> SmallVec<[Plan; 16]> {
    let mut planner = Planner {
        program,
        isa,
        uses: uses(program),
        plans: smallvec![Plan::Alone; program.instructions.len()],
        functions: smallvec![None; program.instructions.len()],
    };
    for position in 0..program.instructions.len() {
        planner.instruction(position);
    }
    planner.plans
}

/// How often each value is taken, outputs counted.
fn uses(program: Program<'_>) -> SmallVec<[u32; 16]> {
    let values = program.inputs.len() + program.instructions.len();
    let mut uses: SmallVec<[u32; 16]> = smallvec![0; values];
    let operands = program.instructions.iter().flat_map(|it| &it.operands);
    for &value in operands.chain(program.outputs) {
        uses[value as usize] += 1;
    }
    uses
}

/// A function of a value, or of the product of two.
#[derive(Clone, Copy)]
struct Function {
    op: Unary,
    scaled: bool,
    operands: [u32; 2],
    within: Option<usize>,
}

struct Planner<'a> {
    program: Program<'a>,
    isa: Isa,
    uses: SmallVec<[u32; 16]>,
    plans: SmallVec<[Plan; 16]>,
    /// The instructions that apply a function.
    functions: SmallVec<[Option<Function>; 16]>,
}

impl Planner<'_> {
    fn instruction(&mut self, position: usize) {
        let instruction = &self.program.instructions[position];
        let dtype = instruction.dtype;
        if instruction.op == ScalarOp::Select {
            return self.select(position, dtype);
        }
        let same = |&operand: &u32| self.program.dtype(operand as usize) == dtype;
        if !instruction.operands.iter().all(same) {
            return;
        }
        if lane::is_half(dtype) {
            return self.clamp(position, dtype);
        }
        match instruction.op {
            ScalarOp::Unary(op) => self.unary(position, op, dtype),
            ScalarOp::Binary(op) => self.binary(position, op, dtype),
            ScalarOp::Select | ScalarOp::Cast => {}
        }
    }

    /// A choice by whether a value is NaN.
    fn select(&mut self, position: usize, dtype: Dtype) {
        let operands = &self.program.instructions[position].operands;
        let [condition, on_true, on_false] = [operands[0], operands[1], operands[2]];
        let Some(maker) = self.only_maker(condition) else {
            return;
        };
        let compared = &self.program.instructions[maker];
        let value = compared.operands[0];
        let is_nan = compared.op == ScalarOp::Binary(Binary::NotEqual)
            && compared.operands[1] == value
            && self.program.dtype(value as usize) == dtype;
        if is_nan && let Some(run) = lane::where_nan(dtype, self.isa) {
            self.plans[maker] = Plan::Within;
            self.plans[position] =
                Plan::Joined(run, [value, on_true, on_false], 1, Formula::WhereNan);
        }
    }

    /// The greater and the less of inputs in a 16-bit float, shown once and not taken further.
    fn clamp(&mut self, position: usize, dtype: Dtype) {
        let (inputs, instruction) = (
            self.program.inputs.len(),
            &self.program.instructions[position],
        );
        let ScalarOp::Binary(second) = instruction.op else {
            return;
        };
        let value = (inputs + position) as u32;
        let shown = self.uses[value as usize] == 1 && self.program.outputs.contains(&value);
        let [inner, far] = [instruction.operands[0], instruction.operands[1]];
        let Some((maker, first, [value, near])) = self.only_binary(inner).filter(|_| shown) else {
            return;
        };
        if [value, near, far].iter().all(|it| (*it as usize) < inputs)
            && let Some(run) = lane::half_clamp(first, second, dtype, self.isa)
        {
            self.plans[maker] = Plan::Within;
            self.plans[position] = Plan::Elements(run, [value, near, far]);
        }
    }

    /// The instruction that made a value which nothing else takes.
    fn only_maker(&self, value: u32) -> Option<usize> {
        let position = (value as usize).checked_sub(self.program.inputs.len())?;
        (self.uses[value as usize] == 1).then_some(position)
    }

    /// As [`Self::only_maker`], of a binary operation that runs alone.
    fn only_binary(&self, value: u32) -> Option<(usize, Binary, [u32; 2])> {
        let position = self.only_maker(value)?;
        let instruction = &self.program.instructions[position];
        match (instruction.op, self.plans[position]) {
            (ScalarOp::Binary(op), Plan::Alone) => {
                let same =
                    |&operand: &u32| self.program.dtype(operand as usize) == instruction.dtype;
                let operands = [instruction.operands[0], instruction.operands[1]];
                operands
                    .iter()
                    .all(same)
                    .then_some((position, op, operands))
            }
            _joined_or_other => None,
        }
    }

    /// `f(a·b)`, or `f(a)`, which may still be joined to what follows.
    fn unary(&mut self, position: usize, op: Unary, dtype: Dtype) {
        let operand = self.program.instructions[position].operands[0];
        let product = self.only_binary(operand);
        if let Some((within, Binary::Multiply, operands)) = product
            && let Some(run) = lane::applied(op, true, After::Nothing, dtype, self.isa)
        {
            let [a, b] = operands;
            let formula = Formula::Applied(op, true, After::Nothing);
            self.plans[position] = Plan::Joined(run, [a, b, a], lane::weight(op, dtype), formula);
            self.plans[within] = Plan::Within;
            self.functions[position] = Some(Function {
                op,
                scaled: true,
                operands,
                within: Some(within),
            });
        } else {
            self.functions[position] = Some(Function {
                op,
                scaled: false,
                operands: [operand; 2],
                within: None,
            });
        }
    }

    fn binary(&mut self, position: usize, op: Binary, dtype: Dtype) {
        let operands = &self.program.instructions[position].operands;
        let [lhs, rhs] = [operands[0], operands[1]];
        if lhs == rhs {
            return;
        }
        let _ = self.after_function(position, op, lhs, rhs, dtype)
            || self.after_function(position, op, rhs, lhs, dtype)
            || self.after_binary(position, op, lhs, rhs, false, dtype)
            || self.after_binary(position, op, rhs, lhs, true, dtype);
    }

    /// `f(…) + c` or `f(…)·c`.
    fn after_function(
        &mut self,
        position: usize,
        op: Binary,
        value: u32,
        other: u32,
        dtype: Dtype,
    ) -> bool {
        let after = match op {
            Binary::Add => After::Add,
            Binary::Multiply => After::Multiply,
            _without_loop => return false,
        };
        let Some(maker) = self.only_maker(value) else {
            return false;
        };
        let Some(function) = self.functions[maker] else {
            return false;
        };
        let Function { op, scaled, .. } = function;
        let Some(run) = lane::applied(op, scaled, after, dtype, self.isa) else {
            return false;
        };
        let [a, b] = function.operands;
        self.plans[maker] = Plan::Within;
        if let Some(within) = function.within {
            self.plans[within] = Plan::Within;
        }
        let (weight, formula) = (lane::weight(op, dtype), Formula::Applied(op, scaled, after));
        self.plans[position] = Plan::Joined(run, [a, b, other], weight, formula);
        true
    }

    /// `(a ∘ b) ∘ c`, or `c ∘ (a ∘ b)` if swapped.
    fn after_binary(
        &mut self,
        position: usize,
        op: Binary,
        value: u32,
        other: u32,
        swapped: bool,
        dtype: Dtype,
    ) -> bool {
        let Some((maker, first, [a, b])) = self.only_binary(value) else {
            return false;
        };
        let Some(run) = lane::chain(first, op, swapped, dtype, self.isa) else {
            return false;
        };
        self.plans[maker] = Plan::Within;
        let formula = Formula::Chain(first, op, swapped);
        self.plans[position] = Plan::Joined(run, [a, b, other], 1, formula);
        true
    }
}
