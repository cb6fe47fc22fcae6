//! Random bits.

use mlx_oxide_ir::{ArrayType, Random, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &Random, _inputs: &[&ArrayType]) -> bool {
    false
}

pub(crate) fn run(_op: &Random, call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
