//! Moving elements.

use mlx_oxide_ir::{ArrayType, Index, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &Index, _inputs: &[&ArrayType]) -> bool {
    false
}

pub(crate) fn run(_op: &Index, call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
