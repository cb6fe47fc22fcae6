//! Custom kernels in the languages of particular vendors.
//!
//! The functions exist so that programs that only choose them where they run can be imported;
//! using one says where it would run.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// A kernel in Metal's language, which runs on Apple's GPUs.
#[pyclass(module = "mlx_oxide.core.fast", frozen)]
struct MetalKernel {
    name: String,
}

#[pymethods]
impl MetalKernel {
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn __call__(
        &self,
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Err(PyRuntimeError::new_err(format!(
            "[metal_kernel] {} is Metal source, which runs on Apple's GPUs through Metal's \
             compiler; no such device is available (mx.metal.is_available() is False)",
            self.name
        )))
    }
}

/// A kernel in Metal's language; calling it needs one of Apple's GPUs.
///
/// Args:
///     name: the kernel's name.
///     input_names, output_names: names of its parameters.
///     source: its body.
///     header, ensure_row_contiguous, atomic_outputs, compile_options: as of MLX.
///
/// Returns:
///     An object whose call raises `RuntimeError` where Metal is not available.
///
/// Example:
///     >>> kernel = mx.fast.metal_kernel("copy", ["x"], ["y"], "y[0] = x[0];")
#[pyfunction]
#[pyo3(signature = (name, input_names, output_names, source, header = "",
    ensure_row_contiguous = true, atomic_outputs = false, compile_options = None))]
#[allow(unused_variables)]
fn metal_kernel(
    name: String,
    input_names: Vec<String>,
    output_names: Vec<String>,
    source: &str,
    header: &str,
    ensure_row_contiguous: bool,
    atomic_outputs: bool,
    compile_options: Option<&Bound<'_, PyAny>>,
) -> MetalKernel {
    MetalKernel { name }
}

fn no_cuda(op: &str, name: &str) -> PyErr {
    PyRuntimeError::new_err(format!(
        "[{op}] {name} is CUDA code, which runs on NVIDIA's GPUs through CUDA; there is no CUDA \
         back-end (mx.cuda.is_available() is False)"
    ))
}

/// A kernel in CUDA's language, which no back-end runs.
///
/// Raises:
///     RuntimeError: always.
///
/// Example:
///     >>> mx.fast.cuda_kernel("copy", ["x"], ["y"], "y[0] = x[0];")  # with CUDA
#[pyfunction]
#[pyo3(signature = (name, input_names, output_names, source, header = "",
    ensure_row_contiguous = true, shared_memory = 0))]
#[allow(unused_variables)]
fn cuda_kernel(
    name: &str,
    input_names: Vec<String>,
    output_names: Vec<String>,
    source: &str,
    header: &str,
    ensure_row_contiguous: bool,
    shared_memory: i64,
) -> PyResult<Py<PyAny>> {
    Err(no_cuda("cuda_kernel", name))
}

/// A compiled CUDA kernel, which no back-end runs.
///
/// Raises:
///     RuntimeError: always.
///
/// Example:
///     >>> mx.fast.precompiled_cuda_kernel(name="copy", ...)  # with CUDA
#[pyfunction]
#[pyo3(signature = (*, name, compiled_source, inputs, output_shapes, output_dtypes, scalars, grid,
    threadgroup, shared_memory = 0, init_value = None, ensure_row_contiguous = false, stream = None))]
#[allow(unused_variables)]
fn precompiled_cuda_kernel(
    name: &str,
    compiled_source: &[u8],
    inputs: &Bound<'_, PyAny>,
    output_shapes: &Bound<'_, PyAny>,
    output_dtypes: &Bound<'_, PyAny>,
    scalars: &Bound<'_, PyAny>,
    grid: (i64, i64, i64),
    threadgroup: (i64, i64, i64),
    shared_memory: i64,
    init_value: Option<f64>,
    ensure_row_contiguous: bool,
    stream: Option<&Bound<'_, PyAny>>,
) -> PyResult<Py<PyAny>> {
    Err(no_cuda("precompiled_cuda_kernel", name))
}

/// Adds the functions to the submodule `fast`.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(metal_kernel, module)?)?;
    module.add_function(wrap_pyfunction!(cuda_kernel, module)?)?;
    module.add_function(wrap_pyfunction!(precompiled_cuda_kernel, module)?)
}
