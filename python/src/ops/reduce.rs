//! Reductions and cumulative operations.

use crate::arguments::{ArrayArgument, Axes, list};
use crate::array::{PyArray, wrap};
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use mlx_oxide_core::{Array, ops};
use pyo3::PyResult;

fn cast(a: ArrayArgument, dtype: Option<PyDtype>) -> PyResult<Array> {
    match dtype {
        Some(dtype) => ops::astype(&a.0, dtype.0).or_raise(),
        None => Ok(a.0),
    }
}

super::functions! {
    /// The sum over axes.
    _sum[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::sum(&a.0, list(&axis), keepdims));
    /// The product over axes.
    prod[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::prod(&a.0, list(&axis), keepdims));
    /// The greatest element over axes.
    _max[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::max(&a.0, list(&axis), keepdims));
    /// The least element over axes.
    _min[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::min(&a.0, list(&axis), keepdims));
    /// The least and the greatest element over axes.
    minmax[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> (PyArray, PyArray) = {
        let least = wrap(ops::min(&a.0, list(&axis), keepdims))?;
        Ok((least, wrap(ops::max(&a.0, list(&axis), keepdims))?))
    };
    /// Whether all elements are nonzero.
    _all[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::all(&a.0, list(&axis), keepdims));
    /// Whether any element is nonzero.
    _any[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::any(&a.0, list(&axis), keepdims));
    /// The mean over axes.
    mean[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::mean(&a.0, list(&axis), keepdims));
    /// The median over axes.
    median[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::median(&a.0, list(&axis), keepdims));
    /// The variance over axes.
    var[a, /, axis = None, keepdims = false, ddof = 0, *, correction = None](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool, ddof: usize, correction: Option<usize>
    ) -> PyArray = wrap(ops::var(&a.0, list(&axis), keepdims, correction.unwrap_or(ddof)));
    /// The standard deviation over axes.
    _std[a, /, axis = None, keepdims = false, ddof = 0, *, correction = None](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool, ddof: usize, correction: Option<usize>
    ) -> PyArray = wrap(ops::std(&a.0, list(&axis), keepdims, correction.unwrap_or(ddof)));
    /// `ln Σ eˣ` over axes.
    logsumexp[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::logsumexp(&a.0, list(&axis), keepdims));
    /// How many elements are nonzero, over axes.
    count_nonzero[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::count_nonzero(&a.0, list(&axis), keepdims));
    /// The index of the first greatest element along an axis.
    argmax[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<i64>, keepdims: bool
    ) -> PyArray = wrap(ops::argmax(&a.0, axis, keepdims));
    /// The index of the first least element along an axis.
    argmin[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<i64>, keepdims: bool
    ) -> PyArray = wrap(ops::argmin(&a.0, axis, keepdims));
    /// Sums of the elements so far.
    cumsum[a, /, axis = None, *, reverse = false, inclusive = true, dtype = None](
        a: ArrayArgument, axis: Option<i64>, reverse: bool, inclusive: bool, dtype: Option<PyDtype>
    ) -> PyArray = wrap(ops::cumsum(&cast(a, dtype)?, axis, reverse, inclusive));
    /// Products of the elements so far.
    cumprod[a, /, axis = None, *, reverse = false, inclusive = true, dtype = None](
        a: ArrayArgument, axis: Option<i64>, reverse: bool, inclusive: bool, dtype: Option<PyDtype>
    ) -> PyArray = wrap(ops::cumprod(&cast(a, dtype)?, axis, reverse, inclusive));
    /// The greatest element so far.
    cummax[a, /, axis = None, *, reverse = false, inclusive = true](
        a: ArrayArgument, axis: Option<i64>, reverse: bool, inclusive: bool
    ) -> PyArray = wrap(ops::cummax(&a.0, axis, reverse, inclusive));
    /// The least element so far.
    cummin[a, /, axis = None, *, reverse = false, inclusive = true](
        a: ArrayArgument, axis: Option<i64>, reverse: bool, inclusive: bool
    ) -> PyArray = wrap(ops::cummin(&a.0, axis, reverse, inclusive));
    /// `ln Σ eˣ` of the elements so far.
    logcumsumexp[a, /, axis = None, *, reverse = false, inclusive = true](
        a: ArrayArgument, axis: Option<i64>, reverse: bool, inclusive: bool
    ) -> PyArray = wrap(ops::logcumsumexp(&a.0, axis, reverse, inclusive));
}
