//! Gathering and scattering.

use crate::arguments::{ArrayArgument, to_shape};
use crate::array::{PyArray, wrap, wrap_all};
use crate::error::OrRaise;
use mlx_oxide_core::ops;
use mlx_oxide_ir::Combine;

super::functions! {
    /// The slices that indices name along an axis, or the elements of the flat array.
    take[a, /, indices, axis = None, *](
        a: ArrayArgument, indices: ArrayArgument, axis: Option<i64>
    ) -> PyArray = match axis {
        Some(axis) => wrap(ops::take(&a.0, &indices.0, axis)),
        None => wrap(ops::take_flat(&a.0, &indices.0)),
    };
    /// Element `i` along the axis is the array's at index `i`.
    take_along_axis[a, /, indices, axis = Some(-1), *](
        a: ArrayArgument, indices: ArrayArgument, axis: Option<i64>
    ) -> PyArray = match axis {
        Some(axis) => wrap(ops::take_along_axis(&a.0, &indices.0, axis)),
        None => {
            let flat = ops::reshape_to(&a.0, [a.0.size()]).or_raise()?;
            wrap(ops::take_along_axis(&flat, &indices.0, 0))
        }
    };
    /// The array with the places that indices name along the axis replaced.
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
    /// The part of a size that begins at an array of starts.
    slice[a, start_indices, axes, slice_size, *](
        a: ArrayArgument, start_indices: ArrayArgument, axes: Vec<i64>, slice_size: Vec<i64>
    ) -> PyArray =
        wrap(ops::dynamic_slice(&a.0, &start_indices.0, &axes, to_shape("slice", &slice_size)?));
    /// The array with the part that begins at an array of starts replaced.
    slice_update[a, update, start_indices, axes, *](
        a: ArrayArgument, update: ArrayArgument, start_indices: ArrayArgument, axes: Vec<i64>
    ) -> PyArray = wrap(ops::dynamic_slice_update(&a.0, &update.0, &start_indices.0, &axes));
    /// For each axis the positions of the nonzero elements; evaluates the array.
    nonzero[a, /, *](a: ArrayArgument) -> Vec<PyArray> = wrap_all(ops::nonzero(&a.0));
}
