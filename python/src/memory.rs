//! Memory counters and limits.

use crate::error::OrRaise;
use crate::tree;
use mlx_oxide_core::Array;
use mlx_oxide_runtime::allocator;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::collections::HashMap;

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty)?) -> $result:ty = $call:expr;)*) => {
        $($(#[$doc])* #[pyfunction] fn $name($($argument: $kind)?) -> $result { $call })*

        /// Adds the functions to the module.
        pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            module.add_function(wrap_pyfunction!(get_array_buffer_size, module)?)
        }
    };
}

functions! {
    /// Bytes held by live arrays.
    get_active_memory() -> usize = allocator::active_memory();
    /// The most bytes active at once since the start or the last reset.
    get_peak_memory() -> usize = allocator::peak_memory();
    /// Sets the peak to zero.
    reset_peak_memory() -> () = allocator::reset_peak_memory();
    /// Bytes kept for reuse.
    get_cache_memory() -> usize = allocator::cache_memory();
    /// Gives all kept memory back to the system.
    clear_cache() -> () = allocator::clear_cache();
    /// Sets how many bytes may be active and cached together; returns the old limit.
    set_memory_limit(limit: usize) -> usize = allocator::set_memory_limit(limit);
    /// How many bytes may be active and cached together.
    get_memory_limit() -> usize = allocator::memory_limit();
    /// Sets how many bytes are kept for reuse at most; returns the old limit.
    set_cache_limit(limit: usize) -> usize = allocator::set_cache_limit(limit);
    /// Accepted for compatibility: wired memory exists on Apple's GPUs alone. Returns 0.
    set_wired_limit(limit: usize) -> usize = { let _ = limit; 0 };
}

/// The bytes of the buffers behind the evaluated arrays of trees, each buffer counted once.
///
/// Example:
///     >>> x = mx.zeros((4,))
///     >>> mx.eval(x)
///     >>> size = mx.get_array_buffer_size(x)
#[pyfunction]
#[pyo3(signature = (*args))]
fn get_array_buffer_size(args: &Bound<'_, PyTuple>) -> PyResult<usize> {
    let arrays = tree::arrays(args.as_any())?;
    if !arrays.iter().all(Array::is_evaluated) {
        return Err(PyValueError::new_err(
            "[get_array_buffer_size] the arrays must be evaluated first",
        ));
    }
    let mut buffers = HashMap::new();
    for array in &arrays {
        let buffer = array.to_stored().or_raise()?.buffer;
        let address = buffer.host_ptr().or_raise()?.as_ptr() as usize;
        buffers.insert(address, buffer.len());
    }
    Ok(buffers.values().sum())
}
