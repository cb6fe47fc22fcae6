//! The same elements under another shape or order.

use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{
    ArrayType, AsStrided, Axes, Dtype, Error, Op, Result, Shape, Strides, View, normalize_axes,
    normalize_axis,
};
use mlx_oxide_runtime::Stored;
use smallvec::SmallVec;

fn apply(view: View, a: &Array) -> Result<Array> {
    Array::apply(Op::View(view), &[a])
}

/// The elements in row-major order under another shape; one size may be -1, for what is left.
///
/// # Errors
/// A shape of another size, more than one -1, other negative sizes.
pub fn reshape(a: &Array, shape: &[i64]) -> Result<Array> {
    shapeless::call(
        || Call::Reshape(shape.to_vec()),
        &[a],
        || {
            let target = resolve_shape("reshape", a.size(), shape)?;
            reshape_to(a, target)
        },
    )
}

/// [`reshape`] to a shape without unknown sizes.
pub fn reshape_to(a: &Array, shape: impl Into<Shape>) -> Result<Array> {
    let shape = shape.into();
    if *a.shape() == shape {
        return Ok(a.clone());
    }
    apply(View::Reshape(shape), a)
}

/// The shape that a list of sizes, one of them perhaps -1, stands for.
pub(crate) fn resolve_shape(op: &'static str, size: usize, shape: &[i64]) -> Result<Shape> {
    let fail = || Error::ReshapeSize {
        op,
        size,
        shape: format!("{shape:?}"),
    };
    let unknown: SmallVec<[usize; 2]> = shape
        .iter()
        .enumerate()
        .filter(|(_, size)| **size == -1)
        .map(|(axis, _)| axis)
        .collect();
    let mut known: usize = 1;
    let mut target = Shape::scalar();
    for &extent in shape {
        let extent = match extent {
            -1 => 1,
            extent => usize::try_from(extent).map_err(|_| fail())?,
        };
        known = known.checked_mul(extent).ok_or_else(fail)?;
        target.push(extent);
    }
    match unknown.as_slice() {
        [] => {}
        [axis] if known > 0 && size.is_multiple_of(known) => target[*axis] = size / known,
        _ => return Err(fail()),
    }
    if target.size() != size {
        return Err(fail());
    }
    Ok(target)
}

/// The axes in another order; reversed where `axes` is empty and the array has axes.
pub fn transpose(a: &Array, axes: &[i64]) -> Result<Array> {
    let order: Axes = if axes.is_empty() {
        (0..a.ndim()).rev().collect()
    } else {
        axes.iter()
            .map(|&axis| normalize_axis("transpose", axis, a.ndim()))
            .collect::<Result<_>>()?
    };
    permute(a, order)
}

/// [`transpose`] by checked axes.
pub(crate) fn permute(a: &Array, order: Axes) -> Result<Array> {
    if order.iter().copied().eq(0..a.ndim()) {
        return Ok(a.clone());
    }
    apply(View::Permute(order), a)
}

/// Two axes exchanged.
pub fn swapaxes(a: &Array, axis1: i64, axis2: i64) -> Result<Array> {
    let mut order: Axes = (0..a.ndim()).collect();
    let first = normalize_axis("swapaxes", axis1, a.ndim())?;
    let second = normalize_axis("swapaxes", axis2, a.ndim())?;
    order.swap(first, second);
    permute(a, order)
}

/// The last two axes exchanged: every matrix transposed.
///
/// # Errors
/// Fewer than two axes.
pub fn matrix_transpose(a: &Array) -> Result<Array> {
    if a.ndim() < 2 {
        return Err(Error::ShapeUnsuitable {
            op: "matrix_transpose",
            rule: "the array must have at least two axes",
            shape: a.shape().clone(),
        });
    }
    swapaxes(a, -2, -1)
}

/// An axis moved to another place.
pub fn moveaxis(a: &Array, source: i64, destination: i64) -> Result<Array> {
    let source = normalize_axis("moveaxis", source, a.ndim())?;
    let destination = normalize_axis("moveaxis", destination, a.ndim())?;
    let mut order: Axes = (0..a.ndim()).filter(|axis| *axis != source).collect();
    order.insert(destination, source);
    permute(a, order)
}

/// [`broadcast_to`] as a part of another operation, which its error names.
pub(crate) fn broadcast_for(op: &'static str, a: &Array, shape: &Shape) -> Result<Array> {
    stretch_to(a, shape.clone()).map_err(|error| match error {
        Error::BroadcastMismatch { lhs, rhs, .. } => Error::BroadcastMismatch { op, lhs, rhs },
        other => other,
    })
}

/// The array stretched to a shape by NumPy's rule.
pub fn broadcast_to(a: &Array, shape: impl Into<Shape>) -> Result<Array> {
    let shape = shape.into();
    shapeless::call(
        || Call::BroadcastTo(shape.clone()),
        &[a],
        || stretch_to(a, shape.clone()),
    )
}

/// [`broadcast_to`] a shape that an operation found, rather than one that its caller gave.
pub(crate) fn stretch_to(a: &Array, shape: impl Into<Shape>) -> Result<Array> {
    let shape = shape.into();
    if *a.shape() == shape {
        return Ok(a.clone());
    }
    if a.ndim() == 0
        && let Some(stored) = a.known()
    {
        // a number in an expression, most often: nothing is left to be computed later
        let shape = shape.checked("broadcast_to")?;
        let stretched = Stored {
            layout: stored.layout.broadcast(&shape),
            buffer: stored.buffer,
        };
        let array_type = ArrayType::new(shape, a.dtype());
        return Ok(Array::from_stored(stretched, array_type));
    }
    apply(View::Broadcast(shape), a)
}

/// All arrays stretched to one shape.
pub fn broadcast_arrays(arrays: &[&Array]) -> Result<Vec<Array>> {
    shapeless::call_all(
        || Call::BroadcastArrays,
        arrays,
        || {
            let mut shape = Shape::scalar();
            for array in arrays {
                shape = mlx_oxide_ir::layout::broadcast_shapes(
                    "broadcast_arrays",
                    &shape,
                    array.shape(),
                )?;
            }
            arrays
                .iter()
                .map(|array| stretch_to(array, shape.clone()))
                .collect()
        },
    )
}

/// New axes of size 1 at the places `axes` of the result.
pub fn expand_dims(a: &Array, axes: &[i64]) -> Result<Array> {
    shapeless::call(
        || Call::ExpandDims(axes.to_vec()),
        &[a],
        || {
            let ndim = a.ndim() + axes.len();
            let axes = normalize_axes("expand_dims", axes, ndim)?;
            let mut shape = a.shape().clone();
            for &axis in &axes {
                shape.insert(axis, 1);
            }
            reshape_to(a, shape)
        },
    )
}

/// Without the axes of size 1: the given ones, or all where none is given.
pub fn squeeze(a: &Array, axes: Option<&[i64]>) -> Result<Array> {
    shapeless::call(
        || Call::Squeeze(axes.map(<[i64]>::to_vec)),
        &[a],
        || {
            let axes: Axes = match axes {
                Some(axes) => normalize_axes("squeeze", axes, a.ndim())?,
                None => (0..a.ndim()).filter(|&axis| a.shape()[axis] == 1).collect(),
            };
            if axes.iter().any(|&axis| a.shape()[axis] != 1) {
                return Err(Error::ShapeUnsuitable {
                    op: "squeeze",
                    rule: "only axes of size 1 can be squeezed",
                    shape: a.shape().clone(),
                });
            }
            let kept = (0..a.ndim()).filter(|axis| !axes.contains(axis));
            reshape_to(a, kept.map(|axis| a.shape()[axis]).collect::<Shape>())
        },
    )
}

/// The axes from `start_axis` to `end_axis`, both included, made one.
pub fn flatten(a: &Array, start_axis: i64, end_axis: i64) -> Result<Array> {
    shapeless::call(
        || Call::Flatten(start_axis, end_axis),
        &[a],
        || {
            if a.ndim() == 0 {
                return reshape_to(a, [1]);
            }
            let last = a.ndim() as i64 - 1;
            let clamp = |axis: i64| if axis < 0 { axis + last + 1 } else { axis };
            let start = normalize_axis("flatten", clamp(start_axis).max(0), a.ndim())?;
            let end = normalize_axis("flatten", clamp(end_axis).min(last), a.ndim())?;
            if start > end {
                return Err(Error::InvalidArgument {
                    op: "flatten",
                    argument: "start_axis",
                    value: format!("{start_axis} with end_axis {end_axis}"),
                    expected: "a start that is not after the end",
                });
            }
            let mut shape: Shape = a.shape()[..start].into();
            shape.push(a.shape()[start..=end].iter().product());
            for &size in &a.shape()[end + 1..] {
                shape.push(size);
            }
            reshape_to(a, shape)
        },
    )
}

/// One axis split into several; one of their sizes may be -1.
pub fn unflatten(a: &Array, axis: i64, shape: &[i64]) -> Result<Array> {
    shapeless::call(
        || Call::Unflatten(axis, shape.to_vec()),
        &[a],
        || {
            let axis = normalize_axis("unflatten", axis, a.ndim())?;
            let inner = resolve_shape("unflatten", a.shape()[axis], shape)?;
            let mut target: Shape = a.shape()[..axis].into();
            for &size in inner.iter().chain(&a.shape()[axis + 1..]) {
                target.push(size);
            }
            reshape_to(a, target)
        },
    )
}

/// A part of each axis.
pub fn slice(a: &Array, ranges: &[SliceRange]) -> Result<Array> {
    let full = ranges.len() == a.ndim()
        && ranges
            .iter()
            .zip(a.shape().iter())
            .all(|(range, size)| range.is_full(*size));
    if full {
        return Ok(a.clone());
    }
    apply(View::Slice(SmallVec::from_slice(ranges)), a)
}

/// The part `start..stop` of one axis.
pub fn slice_axis(a: &Array, axis: usize, start: usize, stop: usize) -> Result<Array> {
    let mut ranges: SmallVec<[SliceRange; 4]> = a
        .shape()
        .iter()
        .map(|&size| SliceRange::full(size))
        .collect();
    ranges[axis] = SliceRange {
        start,
        step: 1,
        count: stop.saturating_sub(start),
    };
    slice(a, &ranges)
}

/// The elements in reverse order along axes.
pub fn flip(a: &Array, axes: &[i64]) -> Result<Array> {
    shapeless::call(
        || Call::Flip(axes.to_vec()),
        &[a],
        || {
            let axes = normalize_axes("flip", axes, a.ndim())?;
            let mut ranges: SmallVec<[SliceRange; 4]> = a
                .shape()
                .iter()
                .map(|&size| SliceRange::full(size))
                .collect();
            for &axis in &axes {
                ranges[axis] = SliceRange::from_python(None, None, -1, a.shape()[axis]);
            }
            slice(a, &ranges)
        },
    )
}

/// The bytes read as another dtype; the last axis grows or shrinks with the width.
pub fn view(a: &Array, dtype: Dtype) -> Result<Array> {
    if a.dtype() == dtype {
        return Ok(a.clone());
    }
    apply(View::Bitcast(dtype), a)
}

/// Any shape, strides and offset over the row-major elements, which may overlap.
pub fn as_strided(
    a: &Array,
    shape: impl Into<Shape>,
    strides: Strides,
    offset: usize,
) -> Result<Array> {
    let target = AsStrided {
        shape: shape.into(),
        strides,
        offset,
    };
    apply(View::AsStrided(Box::new(target)), &contiguous(a)?)
}

/// The array itself, through which no gradient flows.
pub fn stop_gradient(a: &Array) -> Result<Array> {
    apply(View::StopGradient, a)
}

/// The array with its elements in row-major order without gaps in memory.
pub fn contiguous(a: &Array) -> Result<Array> {
    apply(View::Contiguous, a)
}

/// An array without elements may have more slices than memory has room for their nodes.
pub(super) fn check_parts(op: &'static str, parts: usize) -> Result<()> {
    const MOST: usize = 1 << 24;
    if parts <= MOST {
        return Ok(());
    }
    Err(Error::InvalidArgument {
        op,
        argument: "the number of parts",
        value: parts.to_string(),
        expected: "at most 2²⁴",
    })
}

/// The slices along an axis, which they lack.
///
/// # Errors
/// An axis out of bounds; more than 2²⁴ slices.
pub fn unstack(a: &Array, axis: i64) -> Result<Vec<Array>> {
    let place = normalize_axis("unstack", axis, a.ndim())?;
    check_parts("unstack", a.shape()[place])?;
    (0..a.shape()[place])
        .map(|index| {
            squeeze(
                &slice_axis(a, place, index, index + 1)?,
                Some(&[place as i64]),
            )
        })
        .collect()
}
