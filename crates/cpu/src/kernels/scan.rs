//! Cumulative operations.

use mlx_oxide_ir::{ArrayType, Result, Scan};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &Scan, _inputs: &[&ArrayType]) -> bool {
    false
}

pub(crate) fn run(_op: &Scan, call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
