//! Kernels by family. Each module answers `supports` and `run`.

pub(crate) mod arg_reduce;
pub(crate) mod attention;
pub(crate) mod contract;
pub(crate) mod fast;
pub(crate) mod fft;
pub(crate) mod fused;
pub(crate) mod index;
pub(crate) mod linalg;
pub(crate) mod quantized;
pub(crate) mod random;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod scan;
pub(crate) mod shared;
pub(crate) mod sort;
pub(crate) mod source;
pub(crate) mod view;

use mlx_oxide_ir::Error;
use mlx_oxide_runtime::Call;

/// The error of a call that `supports` declined.
pub(crate) fn declined(call: &Call<'_>) -> Error {
    Error::Internal {
        op: call.op.name(),
        detail: "the CPU backend declined this call".to_owned(),
    }
}
