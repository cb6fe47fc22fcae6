//! Differences of neighbours.

use crate::arguments::{ArrayArgument, to_size};
use crate::array::{PyArray, wrap};
use mlx_oxide_core::ops;

super::functions! {
    /// The `n`-th difference of neighbours along an axis.
    diff[a, /, n = 1, axis = -1, *](a: ArrayArgument, n: i64, axis: i64) -> PyArray = {
        wrap(ops::diff(&a.0, to_size("diff", "n", n)?, axis))
    };
}
