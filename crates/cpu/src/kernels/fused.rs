//! Elementwise operations and programs of them.

use mlx_oxide_ir::{ArrayType, Op, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &Op, _inputs: &[&ArrayType]) -> bool {
    false
}

pub(crate) fn run(call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
