//! Order between computations that share no data.

use crate::array::PyArray;
use crate::error::OrRaise;
use crate::tree;
use mlx_oxide_core::{Array, ops};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyListMethods};

fn arrays(value: &Bound<'_, PyAny>) -> PyResult<Vec<Array>> {
    let found = tree::arrays(value)?;
    let none = value.cast::<PyList>().is_ok_and(|list| list.is_empty());
    if found.is_empty() && !none {
        return Err(PyTypeError::new_err(
            "[depends] expected an array or a sequence of arrays",
        ));
    }
    Ok(found)
}

/// The inputs unchanged, but computed only after the dependencies.
///
/// Args:
///     inputs, dependencies: an array, or a sequence of arrays.
///
/// Raises:
///     TypeError: anything else.
///
/// Example:
///     >>> x, y = mx.ones(2), mx.zeros(2)
///     >>> mx.depends(x, y).tolist()
///     [1.0, 1.0]
#[pyfunction]
fn depends<'py>(
    inputs: &Bound<'py, PyAny>,
    dependencies: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = inputs.py();
    let (values, before) = (arrays(inputs)?, arrays(dependencies)?);
    let outputs = ops::depends(
        &values.iter().collect::<Vec<_>>(),
        &before.iter().collect::<Vec<_>>(),
    )
    .or_raise()?;
    if inputs.is_instance_of::<PyArray>()
        && let [only] = &outputs[..]
    {
        return Ok(PyArray::from(only.clone()).into_pyobject(py)?.into_any());
    }
    let outputs: Vec<PyArray> = outputs.into_iter().map(PyArray::from).collect();
    Ok(PyList::new(py, outputs)?.into_any())
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(depends, module)?)
}
