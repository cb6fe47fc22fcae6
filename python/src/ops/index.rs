//! Gathering and scattering.

use crate::arguments::{ArrayArgument, Numbers, to_shape};
use crate::array::{PyArray, wrap, wrap_all};
use crate::error::OrRaise;
use mlx_oxide_core::ops;
use mlx_oxide_ir::Combine;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

super::functions! {
    /// The slices that indices name along an axis, or the elements of the flat array; the
    /// indices' shape replaces the axis.
    ///
    /// Args:
    ///     a: any array.
    ///     indices: integers; those below zero count from the end.
    ///     axis: the axis; the flat array by default.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds; at evaluation, an index out of bounds.
    ///     ValueError: indices of a floating dtype.
    ///
    /// Example:
    ///     >>> mx.take(mx.array([5, 6, 7]), mx.array([2, 0]))
    ///     array([7, 5], dtype=int32)
    take[a, /, indices, axis = None, *](
        a: ArrayArgument, indices: ArrayArgument, axis: Option<i64>
    ) -> PyArray = match axis {
        Some(axis) => wrap(ops::take(&a.0, &indices.0, axis)),
        None => wrap(ops::take_flat(&a.0, &indices.0)),
    };
    /// For each place the element along the axis that the index there names: with axis 0,
    /// `r[i, j] = a[indices[i, j], j]`.
    ///
    /// Args:
    ///     a: any array.
    ///     indices: integers, with as many axes; shapes off the axis broadcast.
    ///     axis: the axis; `None` takes from the flat array.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds; at evaluation, an index out of bounds.
    ///     ValueError: another number of axes.
    ///
    /// Example:
    ///     >>> mx.take_along_axis(mx.array([[1, 2], [3, 4]]), mx.array([[1], [0]]), 1).tolist()
    ///     [[2], [3]]
    #[pyo3(text_signature = "(a, /, indices, axis=-1, *, stream=None)")]
    take_along_axis[a, /, indices, axis = Some(-1), *](
        a: ArrayArgument, indices: ArrayArgument, axis: Option<i64>
    ) -> PyArray = match axis {
        Some(axis) => wrap(ops::take_along_axis(&a.0, &indices.0, axis)),
        None => {
            let flat = ops::reshape_to(&a.0, [a.0.size()]).or_raise()?;
            wrap(ops::take_along_axis(&flat, &indices.0, 0))
        }
    };
    /// The array with the elements that indices name along the axis replaced by values: with axis
    /// 0, `r[indices[i, j], j] = values[i, j]`.
    ///
    /// Args:
    ///     a: any array.
    ///     indices: integers, with as many axes; shapes off the axis broadcast.
    ///     values: what broadcasts to the indices.
    ///     axis: the axis; the flat array by default.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds; at evaluation, an index out of bounds.
    ///     ValueError: another number of axes.
    ///
    /// Example:
    ///     >>> mx.put_along_axis(mx.zeros((1, 3)), mx.array([[2]]), mx.array(7.0), 1).tolist()
    ///     [[0.0, 0.0, 7.0]]
    put_along_axis[a, /, indices, values, axis = None, *](
        a: ArrayArgument, indices: ArrayArgument, values: ArrayArgument, axis: Option<i64>
    ) -> PyArray = match axis {
        Some(axis) => wrap(ops::put_along_axis(&a.0, &indices.0, &values.0, axis, Combine::Replace)),
        None => {
            let flat = ops::reshape_to(&a.0, [a.0.size()]).or_raise()?;
            let put = ops::put_along_axis(&flat, &indices.0, &values.0, 0, Combine::Replace);
            wrap(ops::reshape_to(&put.or_raise()?, a.0.shape()))
        }
    };
    /// The part of sizes `slice_size` that begins at `start_indices`, which may be computed.
    ///
    /// Args:
    ///     a: any array.
    ///     start_indices: a vector of one integer for each of `axes`.
    ///     axes: the axes along which the part begins there; it begins at 0 along others.
    ///     slice_size: the part's sizes along all axes.
    ///
    /// Raises:
    ///     ValueError: sizes greater than the array's.
    ///
    /// Example:
    ///     >>> mx.slice(mx.arange(5), mx.array([2]), [0], [3])
    ///     array([2, 3, 4], dtype=int32)
    slice[a, start_indices, axes, slice_size, *](
        a: ArrayArgument, start_indices: ArrayArgument, axes: Numbers, slice_size: Numbers
    ) -> PyArray =
        wrap(ops::dynamic_slice(&a.0, &start_indices.0, &axes, to_shape("slice", &slice_size)?));
    /// The array with the part of `update`'s shape that begins at `start_indices` replaced by it.
    ///
    /// Args:
    ///     a: any array.
    ///     update: the new part.
    ///     start_indices, axes: as of `slice`.
    ///
    /// Raises:
    ///     ValueError: a part greater than the array.
    ///
    /// Example:
    ///     >>> mx.slice_update(mx.zeros((3,)), mx.ones((2,)), mx.array([1]), [0])
    ///     array([0, 1, 1], dtype=float32)
    slice_update[a, update, start_indices, axes, *](
        a: ArrayArgument, update: ArrayArgument, start_indices: ArrayArgument, axes: Numbers
    ) -> PyArray = wrap(ops::dynamic_slice_update(&a.0, &update.0, &start_indices.0, &axes));
    /// For each axis the positions of the nonzero elements along it, in row-major order.
    ///
    /// The shapes depend on the elements, so this evaluates the array and cannot be traced.
    ///
    /// Raises:
    ///     ValueError: an array without axes; under `vmap`, `compile` or `export_function`.
    ///
    /// Example:
    ///     >>> mx.nonzero(mx.array([0, 7, 8]))[0].tolist()
    ///     [1, 2]
    nonzero[a, /, *](py: Python<'_>, a: ArrayArgument) -> Py<PyTuple> = {
        let positions = wrap_all(py.detach(|| ops::nonzero(&a.0)))?;
        Ok(PyTuple::new(py, positions)?.unbind())
    };
}
