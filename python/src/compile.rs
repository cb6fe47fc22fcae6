//! `compile`: evaluation fuses by itself, so a compiled function is, for now, the function.
//!
//! Calling it runs the Python code each time; state capture and constants are therefore always
//! right, and nothing is ever stale. A cached trace is the next step.

use crate::transforms::copy_names;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

#[pyclass(module = "mlx_oxide.core", frozen, dict)]
struct Compiled {
    function: Py<PyAny>,
}

#[pymethods]
impl Compiled {
    #[pyo3(signature = (*arguments, **keywords))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.function.bind(py).call(arguments, keywords)
    }
}

/// A function that computes what `fun` does, its elementwise chains fused.
#[pyfunction]
#[pyo3(signature = (fun, inputs = None, outputs = None, shapeless = false))]
fn compile<'py>(
    fun: &Bound<'py, PyAny>,
    inputs: Option<&Bound<'py, PyAny>>,
    outputs: Option<&Bound<'py, PyAny>>,
    shapeless: bool,
) -> PyResult<Bound<'py, Compiled>> {
    let _ = (inputs, outputs, shapeless); // the function itself reads and writes its state
    let compiled = Bound::new(
        fun.py(),
        Compiled {
            function: fun.clone().unbind(),
        },
    )?;
    copy_names(&compiled, fun)?;
    Ok(compiled)
}

/// Compiled functions run as written; kept for compatibility.
#[pyfunction]
fn disable_compile() {}

/// The opposite of `disable_compile`; kept for compatibility.
#[pyfunction]
fn enable_compile() {}

/// Adds the functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(compile, module)?)?;
    module.add_function(wrap_pyfunction!(disable_compile, module)?)?;
    module.add_function(wrap_pyfunction!(enable_compile, module)?)
}
