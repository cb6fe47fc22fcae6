//! Differences of neighbours.

use crate::arguments::ArrayArgument;
use crate::array::{PyArray, wrap};
use mlx_oxide_core::ops;
use pyo3::exceptions::PyValueError;

super::functions! {
    /// The `n`-th difference of neighbours along an axis.
    diff[a, /, n = 1, axis = -1, *](a: ArrayArgument, n: i64, axis: i64) -> PyArray = {
        let order = usize::try_from(n)
            .map_err(|_| PyValueError::new_err(format!("[diff] n is {n}; expected no negative number")))?;
        wrap(ops::diff(&a.0, order, axis))
    };
}
