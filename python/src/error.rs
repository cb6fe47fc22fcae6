//! Errors as Python exceptions, of the classes that MLX raises.

use mlx_oxide_ir::{Error, ErrorClass};
use pyo3::PyErr;
use pyo3::exceptions::{PyIndexError, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};

/// The exception of an error.
pub(crate) fn raise(error: Error) -> PyErr {
    let message = error.to_string();
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
