//! Scalar programs: a fused elementwise chain as straight-line code over one element.

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::op::{Binary, Reduce, Unary};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// A value of a [`ScalarProgram`]: first the inputs, then the instructions' results in order.
pub type ValueIndex = u32;

/// What an instruction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScalarOp {
    /// One operand.
    Unary(Unary),
    /// Two operands of one dtype.
    Binary(Binary),
    /// Operands: condition, value if true, value if false.
    Select,
    /// Conversion to the instruction's dtype.
    Cast,
}

impl ScalarOp {
    /// How many operands it takes.
    pub const fn arity(self) -> usize {
        match self {
            ScalarOp::Unary(_) | ScalarOp::Cast => 1,
            ScalarOp::Binary(_) => 2,
            ScalarOp::Select => 3,
        }
    }
}

/// One step; it rounds to its own dtype.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instruction {
    /// What is computed.
    pub op: ScalarOp,
    /// Earlier values.
    pub operands: SmallVec<[ValueIndex; 3]>,
    /// Dtype of the result.
    pub dtype: Dtype,
}

/// Straight-line code over one element of each input, run for every element of the iteration
/// shape. Inputs may be strided or stretched; outputs are row-major.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScalarProgram {
    /// Dtypes of the inputs.
    pub inputs: Vec<Dtype>,
    /// Steps in order.
    pub instructions: Vec<Instruction>,
    /// Values that are written out, each one an instruction's result.
    pub outputs: Vec<ValueIndex>,
}

/// A program with a reduction of one of its values, which need not exist whole. The results are the
/// program's outputs, then the reduction, whose axes are those of the iteration shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReducedProgram {
    /// What is computed of every element.
    pub program: ScalarProgram,
    /// An instruction's result.
    pub value: ValueIndex,
    /// What is made of it.
    pub reduce: Reduce,
}

impl ScalarProgram {
    /// The dtype of a value.
    pub fn dtype(&self, value: ValueIndex) -> Dtype {
        let value = value as usize;
        match value.checked_sub(self.inputs.len()) {
            None => self.inputs[value],
            Some(instruction) => self.instructions[instruction].dtype,
        }
    }

    /// The value that instruction number `instruction` makes.
    pub fn result_of(&self, instruction: usize) -> ValueIndex {
        (self.inputs.len() + instruction) as ValueIndex
    }

    /// Checks that every operand is an earlier value, every dtype follows from the operands and
    /// every output exists: for programs that come from files.
    pub fn validate(&self) -> Result<()> {
        for (position, instruction) in self.instructions.iter().enumerate() {
            let limit = self.result_of(position);
            let sound = instruction.operands.len() == instruction.op.arity()
                && instruction.operands.iter().all(|operand| *operand < limit)
                && self.dtypes_follow(instruction);
            if !sound {
                return Err(malformed(format!("instruction {position} is malformed")));
            }
        }
        let values = self.result_of(self.instructions.len());
        if self
            .outputs
            .iter()
            .any(|output| (*output as usize) < self.inputs.len() || *output >= values)
        {
            return Err(malformed("an output names no instruction".to_owned()));
        }
        Ok(())
    }

    fn dtypes_follow(&self, instruction: &Instruction) -> bool {
        let operand = |index: usize| self.dtype(instruction.operands[index]);
        match instruction.op {
            ScalarOp::Unary(unary) => {
                unary.domain().contains(operand(0))
                    && instruction.dtype == unary.result_dtype(operand(0))
            }
            ScalarOp::Binary(binary) => {
                operand(0) == operand(1)
                    && binary.domain().contains(operand(0))
                    && instruction.dtype == binary.result_dtype(operand(0))
            }
            ScalarOp::Select => {
                operand(0) == Dtype::Bool
                    && operand(1) == operand(2)
                    && instruction.dtype == operand(1)
            }
            ScalarOp::Cast => true,
        }
    }
}

fn malformed(value: String) -> Error {
    Error::InvalidArgument {
        op: "fused",
        argument: "program",
        value,
        expected: "a well-formed program",
    }
}
