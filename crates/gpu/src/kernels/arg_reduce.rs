//! Positions of extremes: a reduction that carries the position along.

use super::operand::Place;
use super::reduce;
use crate::codegen::Accumulator;
use crate::dispatch::{Capabilities, Context};
use mlx_oxide_ir::{ArgReduce, ArrayType, Dtype, Layout, Result};
use mlx_oxide_runtime::{Call, Results};
use smallvec::smallvec;

pub(super) fn supports(op: &ArgReduce, inputs: &[&ArrayType], capabilities: &Capabilities) -> bool {
    capabilities.computes(inputs[0].dtype)
        && Accumulator::Position(op.extreme).supports(inputs[0].dtype, Dtype::Uint32)
}

pub(super) fn run(op: &ArgReduce, call: &Call<'_>) -> Result<Results> {
    let context = Context::get()?;
    let input = Place::of(context, &call.inputs[0])?;
    let (kept, reduced) = reduce::split(&input.layout, |axis| axis == op.axis);
    let together = reduced.size() > 32;
    let mut stored = reduce::launch(
        context,
        Accumulator::Position(op.extreme),
        &input,
        &kept,
        &reduced,
        Dtype::Uint32,
        together,
        1,
    )?
    .stored();
    stored.layout = Layout::contiguous(call.outputs[0].shape.clone());
    Ok(smallvec![stored])
}
