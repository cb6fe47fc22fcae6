//! Diagonals.

use crate::arguments::ArrayArgument;
use crate::array::{PyArray, wrap};
use crate::dtype::PyDtype;
use mlx_oxide_core::ops;

super::functions! {
    /// The diagonal `k` of a matrix, or the square matrix with a vector on that diagonal and zeros
    /// elsewhere.
    ///
    /// Raises:
    ///     ValueError: other than one or two axes.
    ///
    /// Example:
    ///     >>> mx.diag(mx.array([1, 2])).tolist()
    ///     [[1, 0], [0, 2]]
    diag[a, /, k = 0, *](a: ArrayArgument, k: i64) -> PyArray = wrap(ops::diag(&a.0, k));
    /// The elements `a[…, i, i + offset, …]` of two axes, as a last axis in place of both.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: fewer than two axes; one axis given twice.
    ///
    /// Example:
    ///     >>> mx.diagonal(mx.array([[1, 2], [3, 4]]))
    ///     array([1, 4], dtype=int32)
    diagonal[a, offset = 0, axis1 = 0, axis2 = 1](
        a: ArrayArgument, offset: i64, axis1: i64, axis2: i64
    ) -> PyArray = wrap(ops::diagonal(&a.0, offset, axis1, axis2));
    /// The sum of a diagonal of two axes: `Σ a[…, i, i + offset, …]`.
    ///
    /// Args:
    ///     a: an array of at least two axes.
    ///     offset, axis1, axis2: as of `diagonal`.
    ///     dtype: what elements are converted to before.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: fewer than two axes; one axis given twice.
    ///
    /// Example:
    ///     >>> mx.trace(mx.array([[1, 2], [3, 4]]))
    ///     array(5, dtype=int32)
    trace[a, /, offset = 0, axis1 = 0, axis2 = 1, dtype = None, *](
        a: ArrayArgument, offset: i64, axis1: i64, axis2: i64, dtype: Option<PyDtype>
    ) -> PyArray = wrap(ops::trace(&a.0, offset, axis1, axis2, dtype.map(|dtype| dtype.0)));
}
