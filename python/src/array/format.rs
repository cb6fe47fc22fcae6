//! Printing.

use mlx_oxide_core::array::format::{print_precision, set_print_precision};
use parking_lot::Mutex;
use pyo3::prelude::*;

pub(super) use mlx_oxide_core::array::format::format;

/// How floats are printed: digits after the point, or -1 for six significant ones.
#[pyclass(
    name = "PrintOptions",
    module = "mlx_oxide.core",
    get_all,
    set_all,
    from_py_object
)]
#[derive(Clone)]
struct PrintOptions {
    precision: i32,
}

#[pymethods]
impl PrintOptions {
    #[new]
    #[pyo3(signature = (precision = -1))]
    fn new(precision: i32) -> Self {
        PrintOptions { precision }
    }
}

/// Sets how floats are printed: with so many digits, or by default with those that MLX shows.
///
/// Example:
///     >>> mx.set_printoptions(precision=3)
#[pyfunction]
#[pyo3(signature = (precision = -1), text_signature = "(precision=-1)")]
fn set_printoptions(precision: i32) {
    set_print_precision(precision);
}

/// How floats are printed.
///
/// Example:
///     >>> mx.get_printoptions()
#[pyfunction]
fn get_printoptions() -> PrintOptions {
    PrintOptions {
        precision: print_precision(),
    }
}

/// Other print options inside a `with` block.
#[pyclass(name = "_PrintOptionsContext", module = "mlx_oxide.core", frozen)]
struct PrintOptionsContext {
    inner: i32,
    outer: Mutex<Vec<i32>>,
}

#[pymethods]
impl PrintOptionsContext {
    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf.get().outer.lock().push(print_precision());
        set_print_precision(slf.get().inner);
        slf
    }

    #[pyo3(signature = (*_arguments))]
    fn __exit__(&self, _arguments: Vec<Bound<'_, PyAny>>) {
        if let Some(outer) = self.outer.lock().pop() {
            set_print_precision(outer);
        }
    }
}

/// A context with other print options; see `set_printoptions`.
///
/// Example:
///     >>> with mx.printoptions(precision=2):
///     ...     print(mx.array(mx.pi))
///     array(3.14, dtype=float32)
#[pyfunction]
#[pyo3(signature = (precision = -1), text_signature = "(precision=-1)")]
fn printoptions(precision: i32) -> PrintOptionsContext {
    PrintOptionsContext {
        inner: precision,
        outer: Mutex::new(Vec::new()),
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PrintOptions>()?;
    module.add_class::<PrintOptionsContext>()?;
    module.add_function(wrap_pyfunction!(set_printoptions, module)?)?;
    module.add_function(wrap_pyfunction!(get_printoptions, module)?)?;
    module.add_function(wrap_pyfunction!(printoptions, module)?)
}
