//! Compositions in one pass.

use super::attention;
use mlx_oxide_ir::{ArrayType, Fast, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(op: &Fast, inputs: &[&ArrayType]) -> bool {
    match op {
        Fast::Attention { .. } => attention::supports(inputs),
        Fast::Softmax { .. }
        | Fast::RmsNorm { .. }
        | Fast::LayerNorm { .. }
        | Fast::Rope { .. } => false,
    }
}

pub(crate) fn run(op: &Fast, call: &Call<'_>) -> Result<Results> {
    match op {
        Fast::Attention { .. } => attention::run(op, call),
        Fast::Softmax { .. }
        | Fast::RmsNorm { .. }
        | Fast::LayerNorm { .. }
        | Fast::Rope { .. } => Err(super::declined(call)),
    }
}
