//! Index of an extreme.

use mlx_oxide_ir::{ArgReduce, ArrayType, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &ArgReduce, _inputs: &[&ArrayType]) -> bool {
    false
}

pub(crate) fn run(_op: &ArgReduce, call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
