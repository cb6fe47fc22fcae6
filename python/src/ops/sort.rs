//! Sorting and searching.

use crate::arguments::{ArrayArgument, to_size};
use crate::array::{PyArray, wrap};
use crate::error::OrRaise;
use mlx_oxide_core::ops;
use mlx_oxide_ir::normalize_axis;
use pyo3::exceptions::PyValueError;

super::functions! {
    /// The elements in ascending order; NaN last.
    sort[a, /, axis = Some(-1), *](a: ArrayArgument, axis: Option<i64>) -> PyArray =
        wrap(ops::sort(&a.0, axis));
    /// The positions that sort the elements.
    argsort[a, /, axis = Some(-1), *](a: ArrayArgument, axis: Option<i64>) -> PyArray =
        wrap(ops::argsort(&a.0, axis));
    /// The element that sorting puts at `kth` in its place, lesser ones before it.
    partition[a, /, kth, axis = Some(-1), *](
        a: ArrayArgument, kth: i64, axis: Option<i64>
    ) -> PyArray = wrap(ops::partition(&a.0, kth, axis));
    /// The positions of such a partition.
    argpartition[a, /, kth, axis = Some(-1), *](
        a: ArrayArgument, kth: i64, axis: Option<i64>
    ) -> PyArray = wrap(ops::argpartition(&a.0, kth, axis));
    /// The `k` greatest elements, in no order.
    topk[a, /, k, axis = Some(-1), *](a: ArrayArgument, k: i64, axis: Option<i64>) -> PyArray = {
        if let Some(axis) = axis {
            normalize_axis("topk", axis, a.0.ndim()).or_raise()?;
        }
        wrap(ops::topk(&a.0, to_size("topk", "k", k)?, axis))
    };
    /// Where values keep a sorted vector sorted.
    searchsorted[sorted_sequence, values, /, side = "left", *](
        sorted_sequence: ArrayArgument, values: ArrayArgument, side: &str
    ) -> PyArray = match side {
        "left" | "right" => {
            wrap(ops::searchsorted(&sorted_sequence.0, &values.0, side == "right"))
        }
        _ => Err(PyValueError::new_err(format!("[searchsorted] side is {side}; expected left or right"))),
    };
}
