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
        return AXIS.exception(message);
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

/// Classes of exceptions that are two of Python's at once.
struct Both {
    name: &'static str,
    doc: &'static str,
    class: PyOnceLock<Py<PyType>>,
}

/// The class of errors of axes, as NumPy's, since MLX raises either by operation.
static AXIS: Both = Both {
    name: "AxisError",
    doc: "An axis lies outside the array.",
    class: PyOnceLock::new(),
};

/// The class of errors of values that become no array or number. MLX raises `ValueError` where an
/// array is made, and `TypeError` where a function wants one.
static ARGUMENT: Both = Both {
    name: "ArgumentError",
    doc: "A value becomes no array or no number.",
    class: PyOnceLock::new(),
};

impl Both {
    /// The class, whose other base beside `ValueError` is `IndexError` or `TypeError`.
    fn class<'py>(&'static self, py: Python<'py>) -> PyResult<&'py Bound<'py, PyType>> {
        let class = self.class.get_or_try_init(py, || {
            let second = match self.name {
                "AxisError" => py.get_type::<PyIndexError>(),
                _ => py.get_type::<PyTypeError>(),
            };
            let bases = PyTuple::new(py, [py.get_type::<PyValueError>(), second])?;
            let members = PyDict::new(py);
            members.set_item("__doc__", self.doc)?;
            members.set_item("__module__", "mlx_oxide.core")?;
            let class = py.get_type::<PyType>().call1((self.name, bases, members))?;
            Ok::<_, PyErr>(class.cast_into::<PyType>()?.unbind())
        })?;
        Ok(class.bind(py))
    }

    fn exception(&'static self, message: String) -> PyErr {
        Python::attach(|py| match self.class(py) {
            Ok(class) => PyErr::from_type(class.clone(), message),
            Err(error) => error,
        })
    }
}

/// The exception for a value that becomes no array or no number.
pub(crate) fn argument_error(message: impl Into<String>) -> PyErr {
    ARGUMENT.exception(message.into())
}

/// Adds the exception classes to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for both in [&AXIS, &ARGUMENT] {
        module.add(both.name, both.class(module.py())?)?;
    }
    Ok(())
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
