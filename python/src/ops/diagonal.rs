//! Diagonals.

use crate::arguments::ArrayArgument;
use crate::array::{PyArray, wrap};
use crate::dtype::PyDtype;
use mlx_oxide_core::ops;

super::functions! {
    /// The diagonal `k` of a matrix, or the matrix with a vector on it.
    diag[a, /, k = 0, *](a: ArrayArgument, k: i64) -> PyArray = wrap(ops::diag(&a.0, k));
    /// The elements `a[…, i, i + offset, …]` of two axes, as a last axis.
    diagonal[a, offset = 0, axis1 = 0, axis2 = 1](
        a: ArrayArgument, offset: i64, axis1: i64, axis2: i64
    ) -> PyArray = wrap(ops::diagonal(&a.0, offset, axis1, axis2));
    /// The sum of a diagonal.
    trace[a, /, offset = 0, axis1 = 0, axis2 = 1, dtype = None, *](
        a: ArrayArgument, offset: i64, axis1: i64, axis2: i64, dtype: Option<PyDtype>
    ) -> PyArray = wrap(ops::trace(&a.0, offset, axis1, axis2, dtype.map(|dtype| dtype.0)));
}
