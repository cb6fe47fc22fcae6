//! Programs as steps over tiles: a compiled loop, where its operands lie, where its result goes.

use super::join::{Plan, plan};
use super::lane::{self, Formula};
use crate::simd::{Isa, TileFn};
use mlx_oxide_ir::{Dtype, Instruction, ScalarOp};
use smallvec::SmallVec;

/// A place of tiles: first the inputs, then the outputs, then the registers.
pub(super) type Slot = u16;

const NOWHERE: Slot = Slot::MAX;
const NEVER: usize = usize::MAX;

/// One loop over a tile.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) run: TileFn,
    pub(super) destination: Slot,
    pub(super) operands: [Slot; 3],
    /// What it computes, and the dtype of its lanes, if there are other ways to do so.
    pub(super) formula: Option<(Formula, Dtype)>,
}

impl Step {
    /// The step that reads operands in slots that are `single` as one element each instead of as
    /// tiles, if there is such a loop.
    pub(super) fn beside(self, single: impl Fn(Slot) -> bool, isa: Isa) -> Option<Step> {
        let mut operands = self.operands;
        if !operands.iter().any(|&slot| single(slot)) {
            return Some(self);
        }
        let (formula, dtype) = self.formula?;
        if single(operands[0]) && !single(operands[1]) && formula.is_symmetric() {
            operands.swap(0, 1);
        }
        Some(Step {
            run: formula.beside(operands.map(single), dtype, isa)?,
            operands,
            ..self
        })
    }
}

/// The parts of a scalar program, also of one that was never built.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    pub(super) inputs: &'a [Dtype],
    pub(super) instructions: &'a [Instruction],
    pub(super) outputs: &'a [u32],
}

impl Program<'_> {
    pub(super) fn dtype(&self, value: usize) -> Dtype {
        match value.checked_sub(self.inputs.len()) {
            None => self.inputs[value],
            Some(instruction) => self.instructions[instruction].dtype,
        }
    }
}

/// A program ready to run.
pub(super) struct Lowered {
    pub(super) isa: Isa,
    pub(super) steps: SmallVec<[Step; 4]>,
    /// Steps whose results are the same for every tile, in registers that nothing else writes.
    pub(super) once: SmallVec<[Step; 2]>,
    /// How many registers there are.
    pub(super) registers: usize,
    /// Bytes of the widest lane in a register.
    pub(super) register_width: usize,
    /// Roughly how many nanoseconds sixteen elements take.
    pub(super) weight: usize,
    /// For each input the last step that reads it.
    pub(super) last_read: SmallVec<[usize; 4]>,
    /// For each output the first step that writes it.
    pub(super) written: SmallVec<[usize; 2]>,
}

impl Lowered {
    /// Whether a slot is an output's.
    pub(super) fn is_output(&self, slot: Slot) -> bool {
        let inputs = self.last_read.len();
        (inputs..inputs + self.written.len()).contains(&(slot as usize))
    }
}

/// Chooses loops and registers; none if an operation is outside its domain. Inputs that are
/// `uniform` are one element throughout.
pub(super) fn lower(program: Program<'_>, uniform: &[bool], isa: Isa) -> Option<Lowered> {
    let mut lowering = Lowering::new(program, uniform, isa);
    for position in 0..program.instructions.len() {
        lowering.instruction(position)?;
    }
    Some(lowering.finish())
}

/// One step that moves elements of a dtype as they are.
pub(super) fn lower_copy(dtype: Dtype, isa: Isa) -> Lowered {
    let step = Step {
        run: lane::copy(dtype.size(), isa),
        destination: 1,
        operands: [0; 3],
        formula: None,
    };
    Lowered {
        isa,
        steps: SmallVec::from_elem(step, 1),
        once: SmallVec::new(),
        registers: 0,
        register_width: 1,
        weight: 1,
        last_read: SmallVec::from_elem(0, 1),
        written: SmallVec::from_elem(0, 1),
    }
}

struct Lowering<'a> {
    program: Program<'a>,
    uniform: &'a [bool],
    isa: Isa,
    plans: SmallVec<[Plan; 16]>,
    lowered: Lowered,
    /// Where each value lies as lanes.
    location: SmallVec<[Slot; 16]>,
    /// For each value the last instruction that takes it.
    last_use: SmallVec<[usize; 16]>,
    free: SmallVec<[Slot; 8]>,
}

impl<'a> Lowering<'a> {
    fn new(program: Program<'a>, uniform: &'a [bool], isa: Isa) -> Self {
        let values = program.inputs.len() + program.instructions.len();
        let plans = plan(program, isa);
        let mut last_use = SmallVec::from_elem(NEVER, values);
        for (position, instruction) in program.instructions.iter().enumerate() {
            let operands: &[u32] = match &plans[position] {
                Plan::Alone => &instruction.operands,
                Plan::Within | Plan::Elements(..) => &[],
                Plan::Joined(_, operands, ..) => operands,
            };
            for &operand in operands {
                last_use[operand as usize] = position;
            }
        }
        let mut location = SmallVec::from_elem(NOWHERE, values);
        for (input, dtype) in program.inputs.iter().enumerate() {
            if !lane::is_half(*dtype) {
                location[input] = input as Slot;
            }
        }
        Lowering {
            program,
            uniform,
            isa,
            plans,
            lowered: Lowered {
                isa,
                steps: SmallVec::new(),
                once: SmallVec::new(),
                registers: 0,
                register_width: 1,
                weight: 0,
                last_read: SmallVec::from_elem(0, program.inputs.len()),
                written: SmallVec::from_elem(NEVER, program.outputs.len()),
            },
            location,
            last_use,
            free: SmallVec::new(),
        }
    }

    fn finish(mut self) -> Lowered {
        let inputs = self.program.inputs.len();
        let outputs = self.program.outputs.len();
        for (position, step) in self.lowered.steps.iter().enumerate() {
            for &operand in &step.operands {
                if (operand as usize) < inputs {
                    self.lowered.last_read[operand as usize] = position;
                }
            }
            if let Some(output) = (step.destination as usize).checked_sub(inputs)
                && output < outputs
            {
                let written = &mut self.lowered.written[output];
                *written = position.min(*written);
            }
        }
        self.lowered
    }

    fn register(&mut self, dtype: Dtype) -> Slot {
        match self.free.pop() {
            None => self.fresh_register(dtype),
            Some(slot) => {
                self.widen_registers(dtype);
                slot
            }
        }
    }

    fn fresh_register(&mut self, dtype: Dtype) -> Slot {
        self.widen_registers(dtype);
        self.lowered.registers += 1;
        (self.program.inputs.len() + self.program.outputs.len() + self.lowered.registers - 1)
            as Slot
    }

    fn widen_registers(&mut self, dtype: Dtype) {
        self.lowered.register_width = self.lowered.register_width.max(lane::width(dtype));
    }

    fn output(&self, output: usize) -> Slot {
        (self.program.inputs.len() + output) as Slot
    }

    fn release(&mut self, slot: Slot) {
        if slot as usize >= self.program.inputs.len() + self.program.outputs.len() {
            self.free.push(slot);
        }
    }

    /// A step that there is no other way to compute than by its loop.
    fn step(&mut self, run: TileFn, destination: Slot, operands: [Slot; 3]) {
        self.formula_step(run, destination, operands, None);
    }

    fn formula_step(
        &mut self,
        run: TileFn,
        destination: Slot,
        operands: [Slot; 3],
        formula: Option<(Formula, Dtype)>,
    ) {
        self.lowered.steps.push(Step {
            run,
            destination,
            operands,
            formula,
        });
    }

    /// The slot of an operand's lanes; elements of 16-bit floats are widened on first use.
    fn lanes(&mut self, value: usize) -> Slot {
        if self.location[value] == NOWHERE {
            let dtype = self.program.inputs[value];
            let run = lane::widen(dtype, self.isa);
            let widening = |destination: Slot| Step {
                run,
                destination,
                operands: [value as Slot; 3],
                formula: Some((Formula::Widen, dtype)),
            };
            self.location[value] = if self.uniform[value] {
                let register = self.fresh_register(dtype);
                self.lowered.once.push(widening(register));
                register
            } else {
                let register = self.register(dtype);
                self.lowered.steps.push(widening(register));
                register
            };
        }
        self.location[value]
    }

    /// The outputs that show a value.
    fn shown(&self, value: usize) -> SmallVec<[usize; 2]> {
        let outputs = self.program.outputs.iter().enumerate();
        outputs
            .filter(|(_, output)| **output as usize == value)
            .map(|(position, _)| position)
            .collect()
    }

    fn instruction(&mut self, position: usize) -> Option<()> {
        let value = self.program.inputs.len() + position;
        let shown = self.shown(value);
        let used = self.last_use[value] != NEVER;
        if !used && shown.is_empty() {
            return Some(()); // of no use, or run within another
        }
        if let Plan::Elements(run, values) = self.plans[position] {
            let operands = values.map(|value| value as Slot);
            self.step(run, self.output(shown[0]), operands);
            self.lowered.weight += 1;
        } else if lane::is_half(self.program.instructions[position].dtype) {
            if used || shown.len() > 1 || !self.on_elements(position, shown[0]) {
                self.half_result(position, used, &shown)?;
            }
        } else {
            let dtype = self.program.instructions[position].dtype;
            let destination = match shown.first() {
                Some(&output) => self.output(output),
                None => self.register(dtype),
            };
            self.compute(position, destination)?;
            for &output in shown.iter().skip(1) {
                let copy = lane::copy(dtype.size(), self.isa);
                self.step(copy, self.output(output), [destination; 3]);
            }
            self.location[value] = destination;
        }
        self.release_operands(position);
        Some(())
    }

    /// Whether the instruction could run from elements of a 16-bit float straight to an output.
    fn on_elements(&mut self, position: usize, output: usize) -> bool {
        let instruction = &self.program.instructions[position];
        let dtype = instruction.dtype;
        let elements = |&value: &u32| {
            let value = value as usize;
            self.location[value] == NOWHERE && self.program.inputs.get(value) == Some(&dtype)
        };
        if !instruction.operands.iter().all(elements) {
            return false;
        }
        let run = match instruction.op {
            ScalarOp::Unary(op) => lane::half_unary(op, self.isa),
            ScalarOp::Binary(op) => lane::half_binary(op, dtype, self.isa),
            ScalarOp::Select | ScalarOp::Cast => None,
        };
        let Some(run) = run else { return false };
        let mut operands = [instruction.operands[0] as Slot; 3];
        for (slot, &operand) in operands.iter_mut().zip(&instruction.operands) {
            *slot = operand as Slot;
        }
        let formula = match instruction.op {
            ScalarOp::Binary(op) => Some((Formula::Elements(op), dtype)),
            ScalarOp::Unary(_) | ScalarOp::Select | ScalarOp::Cast => None,
        };
        self.formula_step(run, self.output(output), operands, formula);
        self.lowered.weight += 1;
        true
    }

    /// A result in a 16-bit float: rounded lanes if a later instruction takes them, elements for
    /// outputs.
    fn half_result(&mut self, position: usize, used: bool, shown: &[usize]) -> Option<()> {
        let instruction = &self.program.instructions[position];
        let (dtype, value) = (instruction.dtype, self.program.inputs.len() + position);
        let source = self.program.dtype(instruction.operands[0] as usize);
        let exact = match instruction.op {
            ScalarOp::Unary(op) => lane::keeps_rounding(op),
            ScalarOp::Binary(op) => lane::binary_keeps_rounding(op),
            ScalarOp::Select => true,
            ScalarOp::Cast => source == dtype,
        };
        // what casts from single precision round is the operand itself
        let from_lanes =
            instruction.op == ScalarOp::Cast && lane::width(source) == 4 && source.is_floating();
        let rounding = match instruction.op {
            ScalarOp::Binary(op) if used && !exact => {
                lane::half_rounded(op, dtype, self.isa).map(|run| (run, Formula::Rounded(op)))
            }
            _ => None,
        };
        let unrounded = if let Some((run, formula)) = rounding {
            let register = self.register(dtype);
            let operands = [instruction.operands[0], instruction.operands[1]];
            let [lhs, rhs] = operands.map(|operand| self.lanes(operand as usize));
            self.formula_step(run, register, [lhs, rhs, lhs], Some((formula, dtype)));
            self.lowered.weight += 1;
            register
        } else if from_lanes && !(used && exact) {
            self.lanes(instruction.operands[0] as usize)
        } else {
            let register = self.register(dtype);
            self.compute(position, register)?;
            register
        };
        let temporary = !from_lanes || (used && exact);
        let mut lanes = unrounded;
        if used && !exact && rounding.is_none() {
            lanes = self.register(dtype);
            let run = lane::round(dtype, self.isa);
            self.formula_step(run, lanes, [unrounded; 3], Some((Formula::Round, dtype)));
            if temporary {
                self.release(unrounded);
            }
        }
        for &output in shown {
            let run = lane::narrow(dtype, self.isa);
            let destination = self.output(output);
            self.formula_step(run, destination, [lanes; 3], Some((Formula::Narrow, dtype)));
        }
        if used {
            self.location[value] = lanes;
        } else if temporary {
            self.release(lanes);
        }
        Some(())
    }

    /// The loop of an instruction, into lanes that are not yet rounded.
    fn compute(&mut self, position: usize, destination: Slot) -> Option<()> {
        if let Plan::Joined(run, values, weight, formula) = self.plans[position] {
            let operands = values.map(|value| self.lanes(value as usize));
            let dtype = self.program.instructions[position].dtype;
            self.formula_step(run, destination, operands, Some((formula, dtype)));
            self.lowered.weight += weight;
            return Some(());
        }
        let instruction = &self.program.instructions[position];
        let first = instruction.operands[0] as usize;
        let dtype = self.program.dtype(first);
        let isa = self.isa;
        let widens = instruction.op == ScalarOp::Cast
            && instruction.dtype == Dtype::Float32
            && self.location[first] == NOWHERE;
        if widens {
            let (run, formula) = (lane::widen(dtype, isa), Some((Formula::Widen, dtype)));
            self.formula_step(run, destination, [first as Slot; 3], formula);
            self.lowered.weight += 1;
            return Some(());
        }
        if instruction.op == ScalarOp::Cast
            && self.location[first] == NOWHERE
            && !self.uniform[first]
            && let Some(run) = lane::cast_elements(dtype, instruction.dtype, isa)
        {
            self.step(run, destination, [first as Slot; 3]);
            self.lowered.weight += 1;
            return Some(());
        }
        let (run, weight) = match instruction.op {
            ScalarOp::Unary(op) => (lane::unary(op, dtype, isa)?, lane::weight(op, dtype)),
            ScalarOp::Binary(op) => (
                lane::binary(op, dtype, isa)?,
                lane::binary_weight(op, dtype),
            ),
            ScalarOp::Select => (lane::select(instruction.dtype, isa), 1),
            ScalarOp::Cast => (lane::cast(dtype, instruction.dtype, isa), 1),
        };
        let mut operands = [0; 3];
        for (slot, &operand) in operands.iter_mut().zip(&instruction.operands) {
            *slot = self.lanes(operand as usize);
        }
        for unused in instruction.operands.len()..3 {
            operands[unused] = operands[0];
        }
        let formula = match instruction.op {
            ScalarOp::Unary(op) => Some((Formula::Unary(op), dtype)),
            ScalarOp::Binary(op) => Some((Formula::Binary(op), dtype)),
            ScalarOp::Select => Some((Formula::Select, instruction.dtype)),
            ScalarOp::Cast => Some((Formula::Cast(instruction.dtype), dtype)),
        };
        self.formula_step(run, destination, operands, formula);
        self.lowered.weight += weight;
        Some(())
    }

    /// Frees the registers of values that no later instruction takes.
    fn release_operands(&mut self, position: usize) {
        let operands: SmallVec<[u32; 3]> = match self.plans[position] {
            Plan::Joined(_, operands, ..) => SmallVec::from_slice(&operands),
            Plan::Alone | Plan::Within | Plan::Elements(..) => {
                SmallVec::from_slice(&self.program.instructions[position].operands)
            }
        };
        for (number, &operand) in operands.iter().enumerate() {
            let operand = operand as usize;
            let again = operands[..number].contains(&(operand as u32));
            let again = again || self.uniform.get(operand) == Some(&true);
            if self.last_use[operand] == position && !again && self.location[operand] != NOWHERE {
                self.release(self.location[operand]);
            }
        }
    }
}
