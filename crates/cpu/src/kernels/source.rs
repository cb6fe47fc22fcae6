//! Arrays out of nothing.

use mlx_oxide_ir::{Result, Source};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn supports(_op: &Source) -> bool {
    false
}

pub(crate) fn run(_op: &Source, call: &Call<'_>) -> Result<Results> {
    Err(super::declined(call))
}
