//! Methods that are functions of the module with the array first.
//!
//! They pass their arguments on, so that a function and its method are one definition.

use super::PyArray;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

macro_rules! methods {
    ($($name:ident)*) => {
        #[pymethods]
        impl PyArray {
            $(
                /// The function of the same name with this array as its first argument.
                #[pyo3(signature = (*arguments, **keywords))]
                fn $name<'py>(
                    slf: &Bound<'py, Self>,
                    arguments: &Bound<'py, PyTuple>,
                    keywords: Option<&Bound<'py, PyDict>>,
                ) -> PyResult<Bound<'py, PyAny>> {
                    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                    call(&FUNCTION, stringify!($name), slf, arguments, keywords)
                }
            )*
        }
    };
}
methods! {
    flatten squeeze abs square sqrt rsqrt reciprocal exp log log2 log10 log1p sin cos sum prod mean
    std var min max argmax argmin all any swapaxes moveaxis logsumexp cumsum cumprod cummax cummin
    round conj view diag diagonal split logcumsumexp maximum minimum unflatten
}

fn call<'py>(
    cache: &'static PyOnceLock<Py<PyAny>>,
    name: &str,
    slf: &Bound<'py, PyArray>,
    arguments: &Bound<'py, PyTuple>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let function = cache
        .get_or_try_init(py, || {
            py.import("mlx_oxide.core")?
                .getattr(name)
                .map(Bound::unbind)
        })?
        .bind(py);
    let first = PyTuple::new(py, [slf.as_any()])?;
    let all = first
        .as_sequence()
        .concat(arguments.as_sequence())?
        .to_tuple()?;
    function.call(all, keywords)
}

/// Sizes or axes given one by one or as one sequence.
fn spread<'py>(arguments: &Bound<'py, PyTuple>) -> PyResult<Vec<i64>> {
    if arguments.len() == 1 {
        let only = arguments.get_item(0)?;
        if let Ok(numbers) = only.extract() {
            return Ok(numbers);
        }
    }
    arguments.extract()
}

#[pymethods]
impl PyArray {
    /// The elements under another shape, given as numbers or as one sequence.
    #[pyo3(signature = (*shape, stream = None))]
    fn reshape(
        &self,
        shape: &Bound<'_, PyTuple>,
        stream: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyArray> {
        let _scope = crate::device::enter(stream)?;
        super::wrap(mlx_oxide_core::ops::reshape(&self.get(), &spread(shape)?))
    }

    /// The axes in another order, given as numbers or as one sequence; reversed without any.
    #[pyo3(signature = (*axes, stream = None))]
    fn transpose(
        &self,
        axes: &Bound<'_, PyTuple>,
        stream: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyArray> {
        let _scope = crate::device::enter(stream)?;
        let none = axes.len() == 1 && axes.get_item(0)?.is_none();
        let given = match none || axes.is_empty() {
            true => None,
            false => Some(spread(axes)?),
        };
        crate::ops::view::in_order(&self.get(), given.as_deref())
    }
}
