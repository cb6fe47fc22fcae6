//! The same elements under another shape or order.

use crate::arguments::{ArrayArgument, Axes, list, to_shape};
use crate::array::{PyArray, wrap, wrap_all};
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::layout::contiguous_strides;
use mlx_oxide_ir::normalize_axis;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// The axes in a given order, or reversed. No axes are an order too, of an array without any.
pub(crate) fn in_order(array: &Array, axes: Option<&[i64]>) -> PyResult<PyArray> {
    match axes {
        Some([]) if array.ndim() > 0 => Err(PyValueError::new_err(format!(
            "[transpose] axes is () for an array of {} axes",
            array.ndim()
        ))),
        axes => wrap(ops::transpose(array, axes.unwrap_or(&[]))),
    }
}

super::functions! {
    /// The elements in row-major order under another shape; one size may be -1.
    reshape[a, /, shape, *](a: ArrayArgument, shape: Axes) -> PyArray =
        wrap(ops::reshape(&a.0, shape.list()));
    /// The axes from `start_axis` to `end_axis` made one.
    flatten[a, /, start_axis = 0, end_axis = -1, *](
        a: ArrayArgument, start_axis: i64, end_axis: i64
    ) -> PyArray = wrap(ops::flatten(&a.0, start_axis, end_axis));
    /// One axis split into several.
    unflatten[a, /, axis, shape, *](a: ArrayArgument, axis: i64, shape: Vec<i64>) -> PyArray = {
        if shape.is_empty() {
            return Err(PyValueError::new_err("[unflatten] shape is (); expected at least one size"));
        }
        wrap(ops::unflatten(&a.0, axis, &shape))
    };
    /// Without axes of size 1.
    squeeze[a, /, axis = None, *](a: ArrayArgument, axis: Option<Axes>) -> PyArray =
        wrap(ops::squeeze(&a.0, list(&axis)));
    /// With new axes of size 1.
    expand_dims[a, /, axis, *](a: ArrayArgument, axis: Axes) -> PyArray =
        wrap(ops::expand_dims(&a.0, axis.list()));
    /// The elements in reverse order along axes, or all.
    flip[a, /, axis = None, *](a: ArrayArgument, axis: Option<Axes>) -> PyArray = {
        let all: Vec<i64> = (0..a.0.ndim() as i64).collect();
        let mut axes: Vec<i64> = Vec::new();
        for &axis in list(&axis).unwrap_or(&all) {
            let place = normalize_axis("flip", axis, a.0.ndim()).or_raise()? as i64;
            if !axes.contains(&place) {
                axes.push(place); // an axis named twice is reversed once
            }
        }
        wrap(ops::flip(&a.0, &axes))
    };
    /// The slices of an axis, one by one.
    unstack[x, /, *, axis = 0](
        py: Python<'_>, x: ArrayArgument, axis: i64
    ) -> Py<PyTuple> = {
        let place = normalize_axis("unstack", axis, x.0.ndim()).or_raise()?;
        let slices = (0..x.0.shape()[place]).map(|index| {
            ops::squeeze(&ops::slice_axis(&x.0, place, index, index + 1)?, Some(&[place as i64]))
        });
        Ok(PyTuple::new(py, wrap_all(slices.collect())?)?.unbind())
    };
    /// The axes in another order; reversed without one.
    transpose[a, /, axes = None, *](a: ArrayArgument, axes: Option<Vec<i64>>) -> PyArray =
        in_order(&a.0, axes.as_deref());
    /// The last two axes exchanged.
    matrix_transpose[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::matrix_transpose(&a.0));
    /// Two axes exchanged.
    swapaxes[a, /, axis1, axis2, *](a: ArrayArgument, axis1: i64, axis2: i64) -> PyArray =
        wrap(ops::swapaxes(&a.0, axis1, axis2));
    /// An axis moved to another place.
    moveaxis[a, /, source, destination, *](
        a: ArrayArgument, source: i64, destination: i64
    ) -> PyArray = wrap(ops::moveaxis(&a.0, source, destination));
    /// Stretched to a shape.
    broadcast_to[a, /, shape, *](a: ArrayArgument, shape: Axes) -> PyArray =
        wrap(ops::broadcast_to(&a.0, to_shape("broadcast_to", shape.list())?));
    /// All arrays stretched to one shape.
    broadcast_arrays[*arrays](arrays: Vec<ArrayArgument>) -> Vec<PyArray> =
        wrap_all(ops::broadcast_arrays(&arrays.iter().map(|array| &array.0).collect::<Vec<_>>()));
    /// The bytes read as another dtype.
    view[a, dtype](a: ArrayArgument, dtype: PyDtype) -> PyArray = wrap(ops::view(&a.0, dtype.0));
    /// The elements in row-major order without gaps in memory.
    contiguous[a, /, allow_col_major = false, *](
        a: ArrayArgument, allow_col_major: bool
    ) -> PyArray = wrap(ops::contiguous(&a.0));
    /// Any shape, strides and offset over the row-major elements.
    as_strided[a, /, shape = None, strides = None, offset = 0, *](
        a: ArrayArgument, shape: Option<Vec<i64>>, strides: Option<Vec<isize>>, offset: usize
    ) -> PyArray = {
        let shape = match shape {
            Some(shape) => to_shape("as_strided", &shape)?,
            None => a.0.shape().clone(),
        };
        let strides = strides.map_or_else(|| contiguous_strides(&shape), Into::into);
        wrap(ops::as_strided(&a.0, shape, strides, offset))
    };
}
