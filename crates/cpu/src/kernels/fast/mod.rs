//! Compositions in one pass.

mod layer_norm;
mod norm_gradient;
mod recurrent;
mod rms_norm;
mod rope;
mod rows;
mod softmax;
#[cfg(test)]
mod tests;

use super::attention;
use mlx_oxide_ir::{ArrayType, Fast, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(op: &Fast, inputs: &[&ArrayType]) -> bool {
    match op {
        Fast::Softmax { .. } => softmax::supports(inputs),
        Fast::RmsNorm { .. } => rms_norm::supports(inputs),
        Fast::LayerNorm { .. } => layer_norm::supports(inputs),
        Fast::Rope { .. } => rope::supports(inputs),
        Fast::Attention { .. } => attention::supports(inputs),
        Fast::NormGradient { .. } => norm_gradient::supports(inputs),
        Fast::Recurrent { .. } => recurrent::supports(inputs),
    }
}

pub(crate) fn run(op: &Fast, call: &Call<'_>) -> Result<Results> {
    match op {
        Fast::Softmax { .. } => softmax::run(call),
        Fast::RmsNorm { eps } => rms_norm::run(call, eps.get()),
        Fast::LayerNorm { eps } => layer_norm::run(call, eps.get()),
        Fast::Rope { .. } => rope::run(op, call),
        Fast::Attention { .. } => attention::run(op, call),
        Fast::NormGradient { eps, centred } => norm_gradient::run(call, eps.get(), *centred),
        Fast::Recurrent { cell, .. } => recurrent::run(call, *cell),
    }
}
