//! Sorting and searching.

use mlx_oxide_ir::{ArrayType, Result, Sort};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &Sort, _inputs: &[&ArrayType]) -> bool {
    false
}

pub(crate) fn run(_op: &Sort, call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
