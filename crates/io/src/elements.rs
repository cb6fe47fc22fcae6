//! Elements on their way into a file.

use crate::error::Result;
use mlx_oxide_core::Array;

/// Calls `write` with the bytes of the elements in row-major order.
pub(crate) fn with_elements(array: &Array, write: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
    let stored = array.to_contiguous()?;
    let bytes = stored.buffer.host_bytes()?;
    write(&bytes[stored.layout.offset * array.itemsize()..][..array.nbytes()])
}
