//! Differences of neighbours.

use crate::arguments::{ArrayArgument, to_size};
use crate::array::{PyArray, wrap};
use crate::error::OrRaise;
use mlx_oxide_core::{Array, ops};

super::functions! {
    /// The `n`-th difference of neighbours along an axis: `a[i + 1] - a[i]`; of bools whether
    /// neighbours differ.
    ///
    /// Args:
    ///     a: an array of at least one axis, which loses `n` elements.
    ///     n: how many times to take differences.
    ///     axis: the axis.
    ///     prepend, append: arrays put before and after along the axis first.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: a negative `n`.
    ///
    /// Example:
    ///     >>> mx.diff(mx.array([1, 4, 9]))
    ///     array([3, 5], dtype=int32)
    #[pyo3(text_signature = "(a, /, n=1, axis=-1, *, prepend=None, append=None, stream=None)")]
    diff[a, /, n = 1, axis = -1, *, prepend = None, append = None](
        a: ArrayArgument, n: i64, axis: i64, prepend: Option<ArrayArgument>,
        append: Option<ArrayArgument>
    ) -> PyArray = {
        let parts = [prepend.as_ref(), Some(&a), append.as_ref()];
        let parts: Vec<&Array> = parts.into_iter().flatten().map(|part| &part.0).collect();
        let whole = match parts[..] {
            [only] => only.clone(),
            _ => ops::concatenate(&parts, axis).or_raise()?,
        };
        wrap(ops::diff(&whole, to_size("diff", "n", n)?, axis))
    };
}
