//! Softmax over the last axis.

use mlx_oxide_ir::{ArrayType, Result};
use mlx_oxide_runtime::{Call, Results};

pub(super) fn supports(_inputs: &[&ArrayType]) -> bool {
    false
}

pub(super) fn run(call: &Call<'_>) -> Result<Results> {
    Err(crate::kernels::declined(call))
}
