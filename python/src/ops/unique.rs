//! Distinct elements.

use crate::arguments::{ArrayArgument, to_array, to_size};
use crate::array::PyArray;
use crate::error::OrRaise;
use mlx_oxide_core::ops;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

super::functions! {
    /// The distinct elements in ascending order, cut or filled up to `size`; without a size all
    /// of them, which evaluates the array.
    unique[a, /, size = None, return_index = false, return_inverse = false, return_counts = false,
        fill_value = None, *](
        py: Python<'_>, a: ArrayArgument, size: Option<i64>, return_index: bool,
        return_inverse: bool, return_counts: bool, fill_value: Option<&Bound<'_, PyAny>>
    ) -> Py<PyAny> = {
        let size = size.map(|size| to_size("unique", "size", size)).transpose()?;
        let fill = fill_value.map(|fill| to_array(fill, Some(a.0.dtype()))).transpose()?;
        let found = py.detach(|| ops::unique(&a.0, size, fill.as_ref())).or_raise()?;
        let values = PyArray::from(found.values);
        if !(return_index || return_inverse || return_counts) {
            return Ok(values.into_pyobject(py)?.into_any().unbind());
        }
        let parts = [
            (return_index, found.index),
            (return_inverse, found.inverse),
            (return_counts, found.counts),
        ];
        let wanted = parts.into_iter().filter(|part| part.0).map(|part| part.1.into());
        let results: Vec<PyArray> = std::iter::once(values).chain(wanted).collect();
        Ok(PyTuple::new(py, results)?.into_any().unbind())
    };
}
