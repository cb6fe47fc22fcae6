//! Errors as Python exceptions, of the classes that MLX raises.

use mlx_oxide_ir::{Error, ErrorClass};
use pyo3::exceptions::{PyIndexError, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use std::cell::RefCell;

/// Operations whose wrong dtypes are `RuntimeError`s in MLX.
const BITWISE: [&str; 5] = [
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "left_shift",
    "right_shift",
];

thread_local! {
    /// A Python exception on its way through the Rust library.
    static HELD: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// The error that carries an exception through the Rust library; [`raise`] brings it back.
pub(crate) fn hold(exception: PyErr) -> Error {
    let message = exception.to_string();
    HELD.replace(Some(exception));
    Error::Callback { message }
}

/// The exception of an error.
pub(crate) fn raise(error: Error) -> PyErr {
    let message = error.to_string();
    if matches!(error, Error::AxisOutOfBounds { .. }) {
        return axis_error(message);
    }
    if matches!(error, Error::DtypeUnsupported { op, .. } if BITWISE.contains(&op)) {
        return PyRuntimeError::new_err(message);
    }
    if let Error::Callback { .. } = error
        && let Some(exception) = HELD.take()
    {
        return exception;
    }
    match error.class() {
        ErrorClass::Value => PyValueError::new_err(message),
        ErrorClass::Type => PyTypeError::new_err(message),
        ErrorClass::Index => PyIndexError::new_err(message),
        ErrorClass::Runtime => PyRuntimeError::new_err(message),
        ErrorClass::Memory => PyMemoryError::new_err(message),
    }
}

static AXIS_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The class of errors of axes: both a `ValueError` and an `IndexError`, as NumPy's is, since
/// MLX raises either by operation.
fn axis_error_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    let class = AXIS_ERROR.get_or_try_init(py, || {
        let bases = PyTuple::new(
            py,
            [py.get_type::<PyValueError>(), py.get_type::<PyIndexError>()],
        )?;
        let members = PyDict::new(py);
        members.set_item("__doc__", "An axis lies outside the array.")?;
        members.set_item("__module__", "mlx_oxide.core")?;
        let class = py
            .get_type::<PyType>()
            .call1(("AxisError", bases, members))?;
        Ok::<_, PyErr>(class.cast_into::<PyType>()?.unbind())
    })?;
    Ok(class.bind(py))
}

fn axis_error(message: String) -> PyErr {
    Python::attach(|py| match axis_error_class(py) {
        Ok(class) => PyErr::from_type(class.clone(), message),
        Err(error) => error,
    })
}

/// Adds the exception classes to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("AxisError", axis_error_class(module.py())?)
}

/// Turns the error of a result into its exception.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self) -> pyo3::PyResult<T>;
}

impl<T> OrRaise<T> for mlx_oxide_ir::Result<T> {
    fn or_raise(self) -> pyo3::PyResult<T> {
        self.map_err(raise)
    }
}
