//! The same elements under another shape or order.

use crate::arguments::{ArrayArgument, Axes, Numbers, list, to_shape};
use crate::array::{PyArray, wrap, wrap_all};
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::layout::contiguous_strides;
use mlx_oxide_ir::normalize_axis;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// The order of axes after moves of several.
fn order_of_moves(ndim: usize, source: &[i64], destination: &[i64]) -> PyResult<Vec<i64>> {
    if source.len() != destination.len() {
        return Err(PyValueError::new_err(format!(
            "[moveaxis] {} axes cannot move to {} places",
            source.len(),
            destination.len()
        )));
    }
    let places = |axes: &[i64]| -> PyResult<Vec<usize>> {
        let mut found = Vec::new();
        for &axis in axes {
            let place = normalize_axis("moveaxis", axis, ndim).or_raise()?;
            if found.contains(&place) {
                return Err(PyValueError::new_err(format!(
                    "[moveaxis] axis {axis} is given twice"
                )));
            }
            found.push(place);
        }
        Ok(found)
    };
    let (source, destination) = (places(source)?, places(destination)?);
    let mut staying = (0..ndim).filter(|axis| !source.contains(axis));
    let order = (0..ndim).map(
        |place| match destination.iter().position(|&to| to == place) {
            Some(index) => Some(source[index] as i64),
            None => staying.next().map(|axis| axis as i64),
        },
    );
    Ok(order.flatten().collect())
}

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
    /// The elements in row-major order under another shape.
    ///
    /// Args:
    ///     a: any array.
    ///     shape: sizes along the axes; one of them may be -1, which takes what remains.
    ///     copy: accepted for the array API standard: arrays do not change, so a copy cannot be
    ///         told from the elements themselves.
    ///
    /// Raises:
    ///     ValueError: a shape of another number of elements.
    ///
    /// Example:
    ///     >>> mx.reshape(mx.arange(4), (2, -1)).shape
    ///     (2, 2)
    reshape[a, /, shape, *, copy = None](
        a: ArrayArgument, shape: Axes, copy: Option<bool>
    ) -> PyArray = wrap(ops::reshape(&a.0, shape.list()));
    /// The axes from `start_axis` to `end_axis`, both included, made one; a scalar becomes a
    /// vector.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: an end before the start.
    ///
    /// Example:
    ///     >>> mx.flatten(mx.zeros((2, 3, 4)), 1).shape
    ///     (2, 12)
    #[pyo3(text_signature = "(a, /, start_axis=0, end_axis=-1, *, stream=None)")]
    flatten[a, /, start_axis = 0, end_axis = -1, *](
        a: ArrayArgument, start_axis: i64, end_axis: i64
    ) -> PyArray = wrap(ops::flatten(&a.0, start_axis, end_axis));
    /// One axis split into several of sizes `shape`, one of which may be -1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: sizes whose product is not the axis's.
    ///
    /// Example:
    ///     >>> mx.unflatten(mx.zeros((6, 4)), 0, (2, -1)).shape
    ///     (2, 3, 4)
    unflatten[a, /, axis, shape, *](a: ArrayArgument, axis: i64, shape: Numbers) -> PyArray = {
        if shape.is_empty() {
            return Err(PyValueError::new_err("[unflatten] shape is (); expected at least one size"));
        }
        wrap(ops::unflatten(&a.0, axis, &shape))
    };
    /// The array without axes of size 1: without all of them, or those in `axis`.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: an axis of another size; one given twice.
    ///
    /// Example:
    ///     >>> mx.squeeze(mx.zeros((1, 3, 1)), 0).shape
    ///     (3, 1)
    squeeze[a, /, axis = None, *](a: ArrayArgument, axis: Option<Axes>) -> PyArray =
        wrap(ops::squeeze(&a.0, list(&axis)));
    /// The array with new axes of size 1 at the places `axis` of the result.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: one given twice.
    ///
    /// Example:
    ///     >>> mx.expand_dims(mx.zeros((3,)), (0, 2)).shape
    ///     (1, 3, 1)
    expand_dims[a, /, axis, *](a: ArrayArgument, axis: Axes) -> PyArray =
        wrap(ops::expand_dims(&a.0, axis.list()));
    /// The elements in reverse order along axes, or along all.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.flip(mx.array([1, 2, 3]))
    ///     array([3, 2, 1], dtype=int32)
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
    /// The slices along an axis, which they lack, as a tuple.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.unstack(mx.array([[1, 2], [3, 4]]))[1]
    ///     array([3, 4], dtype=int32)
    unstack[x, /, *, axis = 0](
        py: Python<'_>, x: ArrayArgument, axis: i64
    ) -> Py<PyTuple> = {
        Ok(PyTuple::new(py, wrap_all(ops::unstack(&x.0, axis))?)?.unbind())
    };
    /// The array with its axes in the order `axes`, reversed by default.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: an order that does not name each axis once.
    ///
    /// Example:
    ///     >>> mx.transpose(mx.zeros((2, 3, 4)), (1, 0, 2)).shape
    ///     (3, 2, 4)
    transpose[a, /, axes = None, *](a: ArrayArgument, axes: Option<Numbers>) -> PyArray =
        in_order(&a.0, axes.as_deref());
    /// The array with its last two axes exchanged.
    ///
    /// Raises:
    ///     ValueError: fewer than two axes.
    ///
    /// Example:
    ///     >>> mx.matrix_transpose(mx.zeros((2, 3, 4))).shape
    ///     (2, 4, 3)
    matrix_transpose[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::matrix_transpose(&a.0));
    /// The array with two axes exchanged.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.swapaxes(mx.zeros((2, 3, 4)), 0, 2).shape
    ///     (4, 3, 2)
    swapaxes[a, /, axis1, axis2, *](a: ArrayArgument, axis1: i64, axis2: i64) -> PyArray =
        wrap(ops::swapaxes(&a.0, axis1, axis2));
    /// The array with axes moved to other places; the others keep their order.
    ///
    /// Args:
    ///     a: any array.
    ///     source, destination: an axis and its place in the result, or as many of both.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: not as many places as axes; one given twice.
    ///
    /// Example:
    ///     >>> mx.moveaxis(mx.zeros((2, 3, 4)), 0, 2).shape
    ///     (3, 4, 2)
    moveaxis[a, /, source, destination, *](
        a: ArrayArgument, source: Axes, destination: Axes
    ) -> PyArray = match (&source, &destination) {
        (Axes::One(source), Axes::One(destination)) => {
            wrap(ops::moveaxis(&a.0, *source, *destination))
        }
        _ => {
            let order = order_of_moves(a.0.ndim(), source.list(), destination.list())?;
            wrap(ops::transpose(&a.0, &order))
        }
    };
    /// The array stretched to a shape: axes of size 1 repeat, missing ones come first.
    ///
    /// Raises:
    ///     ValueError: a shape to which the array does not broadcast.
    ///
    /// Example:
    ///     >>> mx.broadcast_to(mx.array([1, 2]), (2, 2)).tolist()
    ///     [[1, 2], [1, 2]]
    broadcast_to[a, /, shape, *](a: ArrayArgument, shape: Axes) -> PyArray =
        wrap(ops::broadcast_to(&a.0, to_shape("broadcast_to", shape.list())?));
    /// All arrays stretched to the shape that they broadcast to, as a list.
    ///
    /// Raises:
    ///     ValueError: shapes that do not broadcast.
    ///
    /// Example:
    ///     >>> mx.broadcast_arrays(mx.zeros((2, 1)), mx.zeros((3,)))[0].shape
    ///     (2, 3)
    broadcast_arrays[*arrays](arrays: Vec<ArrayArgument>) -> Vec<PyArray> =
        wrap_all(ops::broadcast_arrays(&arrays.iter().map(|array| &array.0).collect::<Vec<_>>()));
    /// The elements' bytes read as another dtype; the last axis shrinks or grows with the width.
    ///
    /// Raises:
    ///     ValueError: a last axis whose bytes are no whole number of elements.
    ///
    /// Example:
    ///     >>> mx.view(mx.array([1.0]), mx.int32)
    ///     array([1065353216], dtype=int32)
    view[a, dtype](a: ArrayArgument, dtype: PyDtype) -> PyArray = wrap(ops::view(&a.0, dtype.0));
    /// The array with its elements in row-major order without gaps in memory.
    ///
    /// Args:
    ///     allow_col_major: accepted for MLX's sake.
    ///
    /// Example:
    ///     >>> mx.contiguous(mx.zeros((2, 3)).T).shape
    ///     (3, 2)
    contiguous[a, /, allow_col_major = false, *](
        a: ArrayArgument, allow_col_major: bool
    ) -> PyArray = wrap(ops::contiguous(&a.0));
    /// An array over the row-major elements: element `i` is number `offset + Σ iₖ·stridesₖ`.
    ///
    /// Args:
    ///     a: any array.
    ///     shape: sizes along the axes, the array's by default.
    ///     strides: steps along the axes in elements; row-major order by default.
    ///     offset: number of the first element.
    ///
    /// Raises:
    ///     ValueError: elements beyond the array's.
    ///
    /// Example:
    ///     >>> mx.as_strided(mx.arange(4), (3, 2), (1, 1)).tolist()
    ///     [[0, 1], [1, 2], [2, 3]]
    as_strided[a, /, shape = None, strides = None, offset = 0, *](
        a: ArrayArgument, shape: Option<Numbers>, strides: Option<Numbers>, offset: usize
    ) -> PyArray = {
        let shape = match shape {
            Some(shape) => to_shape("as_strided", &shape)?,
            None => a.0.shape().clone(),
        };
        let strides = strides.map_or_else(
            || contiguous_strides(&shape),
            |steps| steps.iter().map(|step| *step as isize).collect(),
        );
        wrap(ops::as_strided(&a.0, shape, strides, offset))
    };
}
