//! Normalisation by mean and variance.

use mlx_oxide_ir::{ArrayType, Result};
use mlx_oxide_runtime::{Call, Results};

pub(super) fn supports(_inputs: &[&ArrayType]) -> bool {
    false
}

pub(super) fn run(call: &Call<'_>, _eps: f64) -> Result<Results> {
    Err(crate::kernels::declined(call))
}
