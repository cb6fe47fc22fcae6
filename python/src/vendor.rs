//! The submodules `metal` and `cuda`, by which programs ask for the GPUs of one vendor.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Whether kernels in the vendor's own language run here.
///
/// Example:
///     >>> mx.metal.is_available()
///     False
#[pyfunction]
fn is_available() -> bool {
    false
}

/// Properties of the vendor's device: none.
///
/// Example:
///     >>> mx.metal.device_info()
///     {}
#[pyfunction]
fn device_info(py: Python<'_>) -> Bound<'_, PyDict> {
    PyDict::new(py)
}

fn no_capture() -> PyErr {
    PyRuntimeError::new_err(
        "[metal] captures for Xcode are made by Metal on Apple's GPUs; no such device is \
         available (mx.metal.is_available() is False)",
    )
}

/// Starts a capture of GPU work for Xcode.
///
/// Raises:
///     RuntimeError: always, without Metal.
///
/// Example:
///     >>> mx.metal.start_capture("trace.gputrace")  # on Metal
#[pyfunction]
fn start_capture(path: &str) -> PyResult<()> {
    let _ = path;
    Err(no_capture())
}

/// Ends a capture.
///
/// Raises:
///     RuntimeError: always, without Metal.
///
/// Example:
///     >>> mx.metal.stop_capture()  # on Metal
#[pyfunction]
fn stop_capture() -> PyResult<()> {
    Err(no_capture())
}

/// Functions of the main module that `metal` has too.
const SHARED: [&str; 8] = [
    "get_active_memory",
    "get_peak_memory",
    "reset_peak_memory",
    "get_cache_memory",
    "set_memory_limit",
    "set_cache_limit",
    "set_wired_limit",
    "clear_cache",
];

/// Adds both submodules; the functions of memory must be there.
pub(crate) fn register_all(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let cuda = crate::add_submodule(module, "cuda")?;
    cuda.add_function(wrap_pyfunction!(is_available, &cuda)?)?;
    let metal = crate::add_submodule(module, "metal")?;
    metal.add_function(wrap_pyfunction!(is_available, &metal)?)?;
    metal.add_function(wrap_pyfunction!(device_info, &metal)?)?;
    metal.add_function(wrap_pyfunction!(start_capture, &metal)?)?;
    metal.add_function(wrap_pyfunction!(stop_capture, &metal)?)?;
    SHARED
        .iter()
        .try_for_each(|name| metal.add(*name, module.getattr(*name)?))
}
