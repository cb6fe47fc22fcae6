//! Compositions with kernels of their own: row-wise ones take any leading axes, the others are
//! decomposed.

use super::Batched;
use crate::array::Array;
use crate::rules::decompose;
use crate::transforms;
use mlx_oxide_ir::{Fast, Op, Result};

pub(super) fn batch(fast: &Fast, inputs: &[Batched], size: usize) -> Result<Vec<Batched>> {
    let op = Op::Fast(fast.clone());
    let parameters_shared = inputs[1..].iter().all(|input| input.axis.is_none());
    let rows = match fast {
        Fast::Softmax { .. } | Fast::RmsNorm { .. } | Fast::LayerNorm { .. } => true,
        // a mapped axis would be taken for the batch that offsets belong to
        Fast::Rope { .. } => inputs[1].slice_ndim() == 0,
        // the parameters have a gradient of their own in every slice
        Fast::Attention { .. } | Fast::NormGradient { .. } | Fast::Recurrent { .. } => false,
    };
    if rows && parameters_shared {
        let array = inputs[0].with_axis_first(size)?;
        let all: Vec<&Array> = std::iter::once(&array)
            .chain(inputs[1..].iter().map(|input| &input.array))
            .collect();
        return Ok(vec![Batched::first(Array::apply(op, &all)?)]);
    }
    let arrays: Vec<Array> = inputs.iter().map(|input| input.array.clone()).collect();
    let axes: Vec<Option<i64>> = inputs
        .iter()
        .map(|input| input.axis.map(|axis| axis as i64))
        .collect();
    let decomposed = |slices: &[Array]| match decompose::decompose(&op, slices) {
        Some(outputs) => outputs,
        None => Err(super::no_rule(&op)),
    };
    let outputs = transforms::vmap(decomposed, &arrays, &axes, &[])?;
    Ok(outputs.into_iter().map(Batched::first).collect())
}
