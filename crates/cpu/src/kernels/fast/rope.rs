//! Rotary position embedding.

use mlx_oxide_ir::{ArrayType, Fast, Result};
use mlx_oxide_runtime::{Call, Results};

pub(super) fn supports(_inputs: &[&ArrayType]) -> bool {
    false
}

pub(super) fn run(_op: &Fast, call: &Call<'_>) -> Result<Results> {
    Err(crate::kernels::declined(call))
}
