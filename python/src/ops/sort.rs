//! Sorting and searching.

use crate::arguments::{ArrayArgument, to_size};
use crate::array::{PyArray, wrap};
use crate::error::OrRaise;
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{Result, normalize_axis};
use pyo3::exceptions::PyValueError;

/// The array and axis to work on: the flat array where no axis is given.
fn along(op: &'static str, a: &Array, axis: Option<i64>) -> Result<(Array, i64)> {
    match axis {
        Some(axis) => Ok((a.clone(), normalize_axis(op, axis, a.ndim())? as i64)),
        None => Ok((ops::reshape_to(a, [a.size()])?, 0)),
    }
}

fn sort_descending(a: &Array, axis: Option<i64>) -> Result<Array> {
    let (a, axis) = along("sort", a, axis)?;
    ops::flip(&ops::sort(&a, Some(axis))?, &[axis])
}

/// Positions that sort downward, equal elements in their own order: those of the reversed array,
/// read backward.
fn argsort_descending(a: &Array, axis: Option<i64>) -> Result<Array> {
    let (a, axis) = along("argsort", a, axis)?;
    let order = ops::argsort(&ops::flip(&a, &[axis])?, Some(axis))?;
    let last = a.shape()[axis as usize].saturating_sub(1);
    let last = ops::unary::scalar_like(&order, last as f64)?;
    ops::flip(&ops::subtract(&last, &order)?, &[axis])
}

super::functions! {
    /// The elements in ascending order along an axis; NaN comes last.
    ///
    /// Args:
    ///     a: any array.
    ///     axis: the axis; `None` sorts the flat array.
    ///     descending: whether the greatest comes first.
    ///     stable: accepted for the array API standard; equal elements always keep their order.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.sort(mx.array([3, 1, 2]))
    ///     array([1, 2, 3], dtype=int32)
    #[pyo3(text_signature = "(a, /, axis=-1, *, descending=False, stable=True, stream=None)")]
    sort[a, /, axis = Some(-1), *, descending = false, stable = true](
        a: ArrayArgument, axis: Option<i64>, descending: bool, stable: bool
    ) -> PyArray = wrap(match descending {
        true => sort_descending(&a.0, axis),
        false => ops::sort(&a.0, axis),
    });
    /// The `uint32` positions that sort the elements along an axis.
    ///
    /// Args:
    ///     a: any array.
    ///     axis: the axis; `None` sorts the flat array.
    ///     descending: whether the greatest comes first.
    ///     stable: accepted for the array API standard; equal elements always keep their order.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.argsort(mx.array([3, 1, 2]))
    ///     array([1, 2, 0], dtype=uint32)
    #[pyo3(text_signature = "(a, /, axis=-1, *, descending=False, stable=True, stream=None)")]
    argsort[a, /, axis = Some(-1), *, descending = false, stable = true](
        a: ArrayArgument, axis: Option<i64>, descending: bool, stable: bool
    ) -> PyArray = wrap(match descending {
        true => argsort_descending(&a.0, axis),
        false => ops::argsort(&a.0, axis),
    });
    /// The element that sorting puts at `kth` in its place, lesser ones before it, others after.
    ///
    /// Args:
    ///     a: any array.
    ///     kth: the place; counted from the end if negative.
    ///     axis: the axis; `None` parts the flat array.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: a place out of bounds.
    ///
    /// Example:
    ///     >>> mx.partition(mx.array([3, 1, 2]), 1)[1]
    ///     array(2, dtype=int32)
    #[pyo3(text_signature = "(a, /, kth, axis=-1, *, stream=None)")]
    partition[a, /, kth, axis = Some(-1), *](
        a: ArrayArgument, kth: i64, axis: Option<i64>
    ) -> PyArray = wrap(ops::partition(&a.0, kth, axis));
    /// The `uint32` positions of the elements of a `partition`.
    ///
    /// Args:
    ///     a, kth, axis: as of `partition`.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: a place out of bounds.
    ///
    /// Example:
    ///     >>> mx.argpartition(mx.array([3, 1, 2]), 1)[1]
    ///     array(2, dtype=uint32)
    #[pyo3(text_signature = "(a, /, kth, axis=-1, *, stream=None)")]
    argpartition[a, /, kth, axis = Some(-1), *](
        a: ArrayArgument, kth: i64, axis: Option<i64>
    ) -> PyArray = wrap(ops::argpartition(&a.0, kth, axis));
    /// The `k` greatest elements along an axis, in no particular order.
    ///
    /// Args:
    ///     a: any array.
    ///     k: how many, at most the size of the axis.
    ///     axis: the axis; `None` looks at the flat array.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: more elements than there are.
    ///
    /// Example:
    ///     >>> mx.topk(mx.array([3, 1, 2]), 1)
    ///     array([3], dtype=int32)
    #[pyo3(text_signature = "(a, /, k, axis=-1, *, stream=None)")]
    topk[a, /, k, axis = Some(-1), *](a: ArrayArgument, k: i64, axis: Option<i64>) -> PyArray = {
        if let Some(axis) = axis {
            normalize_axis("topk", axis, a.0.ndim()).or_raise()?;
        }
        wrap(ops::topk(&a.0, to_size("topk", "k", k)?, axis))
    };
    /// The `uint32` places where values keep a sorted vector sorted.
    ///
    /// Args:
    ///     sorted_sequence: a vector in ascending order.
    ///     values: an array of any shape, which is the result's.
    ///     side: `"left"` for places before equal elements, `"right"` for those after them.
    ///     sorter: positions that sort the sequence, if it is not sorted itself.
    ///
    /// Raises:
    ///     ValueError: another side; a sequence of other than one axis.
    ///
    /// Example:
    ///     >>> mx.searchsorted(mx.array([1, 3, 5]), mx.array([0, 3, 9]))
    ///     array([0, 1, 3], dtype=uint32)
    searchsorted[sorted_sequence, values, /, side = "left", *, sorter = None](
        sorted_sequence: ArrayArgument, values: ArrayArgument, side: &str,
        sorter: Option<ArrayArgument>
    ) -> PyArray = {
        let sequence = match sorter {
            Some(sorter) => ops::take(&sorted_sequence.0, &sorter.0, 0).or_raise()?,
            None => sorted_sequence.0,
        };
        match side {
            "left" | "right" => wrap(ops::searchsorted(&sequence, &values.0, side == "right")),
            _ => Err(PyValueError::new_err(format!("[searchsorted] side is {side}; expected left or right"))),
        }
    };
}
