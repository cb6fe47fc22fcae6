//! Errors as Python exceptions, of the classes that MLX raises.

use mlx_oxide_ir::{Error, ErrorClass};
use pyo3::PyErr;
use pyo3::exceptions::{PyIndexError, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};
use std::cell::RefCell;

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
