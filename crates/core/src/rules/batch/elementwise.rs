//! Elementwise operations: the mapped axes are brought to one place.

use super::Batched;
use crate::array::Array;
use mlx_oxide_ir::{Op, Result};

pub(super) fn batch(op: &Op, inputs: &[Batched], size: usize) -> Result<Batched> {
    let axis = inputs[0].axis;
    if axis.is_some() && inputs.iter().all(|input| input.axis == axis) {
        let arrays: Vec<&Array> = inputs.iter().map(|input| &input.array).collect();
        return Ok(Batched {
            array: Array::apply(op.clone(), &arrays)?,
            axis,
        });
    }
    let arrays: Vec<Array> = inputs
        .iter()
        .map(|input| input.with_axis_first(size))
        .collect::<Result<_>>()?;
    let output = Array::apply(op.clone(), &arrays.iter().collect::<Vec<_>>())?;
    Ok(Batched::first(output))
}
