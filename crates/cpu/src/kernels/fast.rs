//! Compositions in one pass.

use mlx_oxide_ir::{ArrayType, Fast, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &Fast, _inputs: &[&ArrayType]) -> bool {
    false
}

pub(crate) fn run(_op: &Fast, call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
