//! Views that need a copy.

use mlx_oxide_ir::{ArrayType, Result, View};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &View, _inputs: &[&ArrayType]) -> bool {
    false
}

pub(crate) fn run(_op: &View, call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
