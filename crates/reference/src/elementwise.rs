//! Elementwise operations: each output element depends on the input elements at its place.

use crate::binary;
use crate::elements::Elements;
use crate::unary;
use crate::value::Value;
use mlx_oxide_ir::{Binary, Dtype, Instruction, Result, ScalarOp, ScalarProgram, Unary};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn unary(op: Unary, call: &Call<'_>) -> Result<Results> {
    let operand = Elements::read(&call.inputs[0])?;
    let dtype = operand.dtype();
    map(
        call,
        operand.values().map(|value| unary::apply(op, value, dtype)),
    )
}

pub(crate) fn binary(op: Binary, call: &Call<'_>) -> Result<Results> {
    let lhs = Elements::read(&call.inputs[0])?;
    let rhs = Elements::read(&call.inputs[1])?;
    let dtype = lhs.dtype();
    let pairs = lhs.values().zip(rhs.values());
    map(
        call,
        pairs.map(|(lhs, rhs)| binary::apply(op, lhs, rhs, dtype)),
    )
}

pub(crate) fn select(call: &Call<'_>) -> Result<Results> {
    let condition = Elements::read(&call.inputs[0])?;
    let on_true = Elements::read(&call.inputs[1])?;
    let on_false = Elements::read(&call.inputs[2])?;
    let mut output = Elements::zeroed(&call.outputs[0]);
    for place in 0..output.len() {
        let chosen = if condition.get(place).is_nonzero() {
            &on_true
        } else {
            &on_false
        };
        output.raw_mut(place).copy_from_slice(chosen.raw(place));
    }
    output.finish(call.op.name())
}

pub(crate) fn cast(dtype: Dtype, call: &Call<'_>) -> Result<Results> {
    let operand = Elements::read(&call.inputs[0])?;
    map(call, operand.values().map(|value| value.cast(dtype)))
}

fn map(call: &Call<'_>, values: impl Iterator<Item = Value>) -> Result<Results> {
    Elements::collect(&call.outputs[0], values).finish(call.op.name())
}

/// Runs the program on one element of each input after the other.
pub(crate) fn fused(program: &ScalarProgram, call: &Call<'_>) -> Result<Results> {
    let inputs = call
        .inputs
        .iter()
        .map(Elements::read)
        .collect::<Result<Vec<_>>>()?;
    let mut outputs: Vec<Elements> = call.outputs.iter().map(Elements::zeroed).collect();
    let count = inputs.first().map_or(0, Elements::len);
    for place in 0..count {
        let mut values: Vec<Value> = inputs.iter().map(|input| input.get(place)).collect();
        for instruction in &program.instructions {
            let value = step(program, instruction, &values);
            values.push(value);
        }
        for (output, &value) in outputs.iter_mut().zip(&program.outputs) {
            output.set(place, values[value as usize]);
        }
    }
    outputs
        .into_iter()
        .map(|output| output.store("fused"))
        .collect()
}

/// One instruction on one element, rounded to the instruction's dtype.
fn step(program: &ScalarProgram, instruction: &Instruction, values: &[Value]) -> Value {
    let operand = |number: usize| values[instruction.operands[number] as usize];
    let dtype = program.dtype(instruction.operands[0]);
    let value = match instruction.op {
        ScalarOp::Unary(op) => unary::apply(op, operand(0), dtype),
        ScalarOp::Binary(op) => binary::apply(op, operand(0), operand(1), dtype),
        ScalarOp::Select if operand(0).is_nonzero() => operand(1),
        ScalarOp::Select => operand(2),
        ScalarOp::Cast => operand(0).cast(instruction.dtype),
    };
    value.rounded(instruction.dtype)
}
