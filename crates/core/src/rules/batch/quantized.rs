//! Packed matrices: rows are packed by themselves, so a mapped axis is one more leading axis.

use super::{Batched, each};
use crate::array::{Array, Expression};
use crate::ops;
use mlx_oxide_ir::{Op, Quantized, Result};

pub(super) fn batch(
    expression: &Expression,
    op: &Quantized,
    inputs: &[Batched],
    size: usize,
) -> Result<Vec<Batched>> {
    let global = match op {
        Quantized::Quantize { global, .. }
        | Quantized::Dequantize { global, .. }
        | Quantized::Requantize { global, .. } => *global,
        Quantized::Matmul { .. } => return product(op, inputs, size),
        Quantized::GatherMatmul { .. } => return each(expression, inputs, size),
        Quantized::ToFp8 | Quantized::FromFp8 { .. } => false,
    };
    let rows = inputs.len() - usize::from(global);
    if inputs[rows..].iter().any(|scale| scale.axis.is_some()) {
        return each(expression, inputs, size); // every slice has a scale of its own
    }
    let mut arrays: Vec<Array> = inputs[..rows]
        .iter()
        .map(|input| input.with_axis_first(size))
        .collect::<Result<_>>()?;
    arrays.extend(inputs[rows..].iter().map(|scale| scale.array.clone()));
    apply(op, &arrays)
}

fn apply(op: &Quantized, arrays: &[Array]) -> Result<Vec<Batched>> {
    let inputs: Vec<&Array> = arrays.iter().collect();
    let outputs = Array::apply_all(Op::Quantized(op.clone()), &inputs)?;
    Ok(outputs.into_iter().map(Batched::first).collect())
}

/// One shared matrix meets the rows of all slices at once.
fn product(op: &Quantized, inputs: &[Batched], size: usize) -> Result<Vec<Batched>> {
    let shared = inputs[1..].iter().all(|part| part.axis.is_none());
    if !shared || inputs[0].slice_ndim() != 2 {
        let arrays: Vec<Array> = inputs
            .iter()
            .map(|input| input.with_axis_first(size))
            .collect::<Result<_>>()?;
        return apply(op, &arrays);
    }
    let x = inputs[0].with_axis_first(size)?;
    let (rows, inner) = (x.shape()[1], x.shape()[2]);
    let flat = ops::reshape_to(&x, [size * rows, inner])?;
    let all: Vec<&Array> = std::iter::once(&flat)
        .chain(inputs[1..].iter().map(|part| &part.array))
        .collect();
    let product = Array::apply(Op::Quantized(op.clone()), &all)?;
    let columns = product.shape()[1];
    let split = ops::reshape_to(&product, [size, rows, columns])?;
    Ok(vec![Batched::first(split)])
}
