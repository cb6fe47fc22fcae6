//! Distinct elements, and which elements are among others.

use crate::arguments::{ArrayArgument, to_array, to_arrays, to_size};
use crate::array::{PyArray, wrap};
use crate::error::OrRaise;
use crate::named::NamedTuple;
use mlx_oxide_core::ops;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

static ALL: NamedTuple = NamedTuple::new(
    "UniqueAllResult",
    &["values", "indices", "inverse_indices", "counts"],
);
static COUNTS: NamedTuple = NamedTuple::new("UniqueCountsResult", &["values", "counts"]);
static INVERSE: NamedTuple = NamedTuple::new("UniqueInverseResult", &["values", "inverse_indices"]);

fn all_of(py: Python<'_>, x: &ArrayArgument) -> PyResult<ops::Unique> {
    py.detach(|| ops::unique(&x.0, None, None)).or_raise()
}

mod functions {
    use super::*;

    super::super::functions! {
        /// The distinct elements of the flat array in ascending order, cut or filled up to `size`.
        ///
        /// Without a size all of them, which evaluates the array and so cannot be traced. NaN
        /// differs from NaN.
        ///
        /// Args:
        ///     size: how many elements the result has.
        ///     return_index, return_inverse, return_counts: whether to return as well where each
        ///         value first occurs (`uint32`), where each element's value is, in the array's
        ///         shape (`uint32`), and how often each value occurs (`int32`).
        ///     fill_value: what fills up; the least element by default.
        ///
        /// Raises:
        ///     ValueError: a fill of several elements, or none for an empty array.
        ///
        /// Example:
        ///     >>> mx.unique(mx.array([3, 1, 3]))
        ///     array([1, 3], dtype=int32)
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
        /// The distinct elements in ascending order; evaluates the array (array API standard).
        ///
        /// Example:
        ///     >>> mx.unique_values(mx.array([3, 1, 3]))
        ///     array([1, 3], dtype=int32)
        unique_values[x, /, *](py: Python<'_>, x: ArrayArgument) -> PyArray =
            Ok(all_of(py, &x)?.values.into());
        /// The distinct elements and how often each occurs: `(values, counts)`; evaluates the
        /// array (array API standard).
        ///
        /// Example:
        ///     >>> mx.unique_counts(mx.array([3, 1, 3])).counts
        ///     array([1, 2], dtype=int32)
        unique_counts[x, /, *](py: Python<'_>, x: ArrayArgument) -> Py<PyAny> = {
            let found = all_of(py, &x)?;
            COUNTS.of(py, vec![found.values.into(), found.counts.into()])
        };
        /// The distinct elements and where each element's value is among them, in the array's
        /// shape: `(values, inverse_indices)`; evaluates the array (array API standard).
        ///
        /// Example:
        ///     >>> mx.unique_inverse(mx.array([3, 1, 3])).inverse_indices
        ///     array([1, 0, 1], dtype=uint32)
        unique_inverse[x, /, *](py: Python<'_>, x: ArrayArgument) -> Py<PyAny> = {
            let found = all_of(py, &x)?;
            INVERSE.of(py, vec![found.values.into(), found.inverse.into()])
        };
        /// The distinct elements, where each first occurs in the flat array, where each element's
        /// value is, and how often each occurs: `(values, indices, inverse_indices, counts)`;
        /// evaluates the array (array API standard).
        ///
        /// Example:
        ///     >>> mx.unique_all(mx.array([3, 1, 3])).indices
        ///     array([1, 0], dtype=uint32)
        unique_all[x, /, *](py: Python<'_>, x: ArrayArgument) -> Py<PyAny> = {
            let found = all_of(py, &x)?;
            let parts = [found.values, found.index, found.inverse, found.counts];
            ALL.of(py, parts.map(PyArray::from).into())
        };
        /// Whether each element of `x1` equals any element of `x2`, or none with `invert`.
        ///
        /// A `bool` array of `x1`'s shape; NaN equals nothing. Takes `(n + m)·log m` comparisons.
        ///
        /// Example:
        ///     >>> mx.isin(mx.array([1, 2, 3]), mx.array([3, 5, 1]))
        ///     array([True, False, True], dtype=bool)
        isin[x1, x2, /, *, invert = false](
            x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>, invert: bool
        ) -> PyArray = {
            let (x1, x2) = to_arrays(x1, x2)?;
            wrap(ops::isin(&x1, &x2, invert))
        };
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for kind in [&ALL, &COUNTS, &INVERSE] {
        kind.register(module)?;
    }
    functions::register(module)
}
