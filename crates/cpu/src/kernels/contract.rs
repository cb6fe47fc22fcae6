//! Matrix products and convolutions.

use mlx_oxide_ir::{ArrayType, Contract, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &Contract, _inputs: &[&ArrayType]) -> bool {
    false
}

pub(crate) fn run(_op: &Contract, call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
