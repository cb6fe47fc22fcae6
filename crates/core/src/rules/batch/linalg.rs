//! Linear algebra: the mapped axis is one more leading axis.

use super::Batched;
use crate::array::Array;
use mlx_oxide_ir::{Linalg, Op, Result};

pub(super) fn batch(linalg: &Linalg, inputs: &[Batched], size: usize) -> Result<Vec<Batched>> {
    let arrays: Vec<Array> = inputs
        .iter()
        .map(|input| input.with_axis_first(size))
        .collect::<Result<_>>()?;
    let outputs = Array::apply_all(Op::Linalg(*linalg), &arrays.iter().collect::<Vec<_>>())?;
    Ok(outputs.into_iter().map(Batched::first).collect())
}
