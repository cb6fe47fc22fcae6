//! Functions around functions: what `grad`, `vmap`, `compile` and `checkpoint` return.
//!
//! Their classes say to the garbage collector what they hold. The attributes that a wrapper takes
//! over from its function live in the dictionary of a subclass made in Python, because
//! dictionaries of native classes are hidden from the collector. No class here clears what it
//! holds: every cycle goes through a function, a list or a dict, which do.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::type_object::PyTypeInfo;
use pyo3::types::{PyDict, PyTuple, PyType};

/// A new wrapper of a native class, with the name and documentation of what it wraps.
pub(crate) fn wrap<'py, T: PyTypeInfo>(
    class: &'static PyOnceLock<Py<PyType>>,
    function: &Bound<'py, PyAny>,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    let class = class.get_or_try_init(py, || subclass::<T>(py))?;
    let wrapper = class.bind(py).call1(arguments.into_pyobject(py)?)?;
    copy_names(&wrapper, function)?;
    Ok(wrapper)
}

/// The class with a dictionary and weak references.
fn subclass<T: PyTypeInfo>(py: Python<'_>) -> PyResult<Py<PyType>> {
    let base = T::type_object(py);
    let members = PyDict::new(py);
    members.set_item("__module__", "mlx_oxide.core")?;
    members.set_item("__doc__", base.getattr("__doc__")?)?;
    let class = py
        .get_type::<PyType>()
        .call1((base.name()?, (base,), members))?;
    Ok(class.cast_into::<PyType>()?.unbind())
}

/// Gives a wrapper the name and documentation of what it wraps.
fn copy_names(wrapper: &Bound<'_, PyAny>, function: &Bound<'_, PyAny>) -> PyResult<()> {
    for name in ["__name__", "__qualname__", "__doc__", "__module__"] {
        if let Ok(value) = function.getattr(name) {
            let _ = wrapper.setattr(name, value); // what a wrapper cannot take it does without
        }
    }
    wrapper.setattr("__wrapped__", function)
}
