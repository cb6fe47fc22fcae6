//! Reductions.

use mlx_oxide_ir::{ArrayType, Reduce, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &Reduce, _inputs: &[&ArrayType]) -> bool {
    false
}

pub(crate) fn run(_op: &Reduce, call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
