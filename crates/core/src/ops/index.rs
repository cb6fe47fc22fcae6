//! Gathering and scattering.

use super::{create, unary, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{Axes, Combine, Error, Index, Op, Result, Shape, normalize_axis};
use smallvec::SmallVec;

fn apply(index: Index, inputs: &[&Array]) -> Result<Array> {
    Array::apply(Op::Index(index), inputs)
}

/// The slices that `indices` name along an axis: the axis is replaced by the indices' axes.
///
/// # Errors
/// Indices that are no integers; at evaluation, an index out of bounds.
pub fn take(a: &Array, indices: &Array, axis: i64) -> Result<Array> {
    shapeless::call(
        || Call::Take(axis),
        &[a, indices],
        || {
            let axis = normalize_axis("take", axis, a.ndim())?;
            if !indices.dtype().is_integer() {
                return Err(Error::DtypeUnsupported {
                    op: "take",
                    dtype: indices.dtype(),
                    expected: "an integer dtype for indices",
                });
            }
            if indices.size() > 0 && a.shape()[axis] == 0 {
                return Err(Error::ShapeUnsuitable {
                    op: "take",
                    rule: "cannot take elements of an empty axis",
                    shape: a.shape().clone(),
                });
            }
            if a.shape()[axis] == 0 {
                // nothing of nothing, of which no slice could be cut
                let (before, after) = (&a.shape()[..axis], &a.shape()[axis + 1..]);
                let shape: Shape = before
                    .iter()
                    .chain(&indices.shape()[..])
                    .chain(after)
                    .copied()
                    .collect();
                return create::zeros(shape, a.dtype());
            }
            let slice_sizes = a.shape().with(axis, 1);
            let gathered = gather(a, &[indices], &[axis as i64], slice_sizes)?;
            // the slice axes follow the index axes: bring the index axes to the place of `axis`
            let count = indices.ndim();
            let mut shape = gathered.shape().clone();
            shape.remove(count + axis);
            let squeezed = view::reshape_to(&gathered, shape)?;
            let order: Axes = (count..count + axis)
                .chain(0..count)
                .chain(count + axis..squeezed.ndim())
                .collect();
            view::permute(&squeezed, order)
        },
    )
}

/// The elements of the flat array that `indices` name.
pub fn take_flat(a: &Array, indices: &Array) -> Result<Array> {
    shapeless::call(
        || Call::TakeFlat,
        &[a, indices],
        || take(&view::reshape_to(a, [a.size()])?, indices, 0),
    )
}

/// Slices of `a`; see [`Index::Gather`].
pub fn gather(a: &Array, indices: &[&Array], axes: &[i64], slice_sizes: Shape) -> Result<Array> {
    let axes = checked_axes("gather", axes, a.ndim())?;
    let indices = broadcast_indices(indices)?;
    let inputs: Vec<&Array> = std::iter::once(a).chain(&indices).collect();
    apply(Index::Gather { axes, slice_sizes }, &inputs)
}

/// `a` with slices combined with `updates`; see [`Index::Scatter`].
pub fn scatter(
    a: &Array,
    indices: &[&Array],
    updates: &Array,
    axes: &[i64],
    combine: Combine,
) -> Result<Array> {
    let axes = checked_axes("scatter", axes, a.ndim())?;
    let indices = broadcast_indices(indices)?;
    let updates = unary::astype(updates, a.dtype())?;
    let inputs: Vec<&Array> = [a, &updates].into_iter().chain(&indices).collect();
    apply(Index::Scatter { axes, combine }, &inputs)
}

fn checked_axes(op: &'static str, axes: &[i64], ndim: usize) -> Result<Axes> {
    axes.iter()
        .map(|axis| normalize_axis(op, *axis, ndim))
        .collect()
}

fn broadcast_indices(indices: &[&Array]) -> Result<Vec<Array>> {
    view::broadcast_arrays(indices)
}

/// Element `i` along the axis is `a`'s at `indices`' element `i`; the other axes broadcast.
pub fn take_along_axis(a: &Array, indices: &Array, axis: i64) -> Result<Array> {
    shapeless::call(
        || Call::TakeAlongAxis(axis),
        &[a, indices],
        || {
            let axis = normalize_axis("take_along_axis", axis, a.ndim())?;
            let (a, indices) = align_off_axis("take_along_axis", a, indices, axis)?;
            apply(Index::TakeAlongAxis { axis }, &[&a, &indices])
        },
    )
}

/// `a` with the places that `indices` name along the axis replaced by, or combined with,
/// `values`.
pub fn put_along_axis(
    a: &Array,
    indices: &Array,
    values: &Array,
    axis: i64,
    combine: Combine,
) -> Result<Array> {
    let axis = normalize_axis("put_along_axis", axis, a.ndim())?;
    let (_, indices) = align_off_axis("put_along_axis", a, indices, axis)?;
    let values = unary::astype(values, a.dtype())?;
    let values = view::broadcast_for("put_along_axis", &values, indices.shape())?;
    apply(
        Index::ScatterAlongAxis { axis, combine },
        &[a, &indices, &values],
    )
}

/// Stretches both so that they differ along the axis alone.
fn align_off_axis(
    op: &'static str,
    a: &Array,
    indices: &Array,
    axis: usize,
) -> Result<(Array, Array)> {
    if a.ndim() != indices.ndim() {
        return Err(Error::ShapeMismatch {
            op,
            rule: "array and indices must have as many axes",
            lhs: a.shape().clone(),
            rhs: indices.shape().clone(),
        });
    }
    let common = mlx_oxide_ir::layout::broadcast_shapes(
        op,
        &a.shape().with(axis, 1),
        &indices.shape().with(axis, 1),
    )?;
    let stretch = |array: &Array| view::stretch_to(array, common.with(axis, array.shape()[axis]));
    Ok((stretch(a)?, stretch(indices)?))
}

/// `a` with a part replaced by, or combined with, `update`, which broadcasts to the part.
pub fn slice_update(
    a: &Array,
    update: &Array,
    ranges: &[SliceRange],
    combine: Combine,
) -> Result<Array> {
    let part: Shape = ranges.iter().map(|range| range.count).collect();
    let update = view::stretch_to(&unary::astype(update, a.dtype())?, part)?;
    apply(
        Index::SliceUpdate {
            ranges: SmallVec::from_slice(ranges),
            combine,
        },
        &[a, &update],
    )
}

/// The part of `shape` that begins at `start`, a vector of one index for each of `axes`.
pub fn dynamic_slice(a: &Array, start: &Array, axes: &[i64], shape: Shape) -> Result<Array> {
    let axes = checked_axes("slice", axes, a.ndim())?;
    apply(Index::DynamicSlice { axes, shape }, &[a, start])
}

/// `a` with the part of `update`'s shape that begins at `start` replaced by it.
///
/// Leading axes that the update lacks are of size one where they are among `axes`, and whole
/// elsewhere.
pub fn dynamic_slice_update(
    a: &Array,
    update: &Array,
    start: &Array,
    axes: &[i64],
) -> Result<Array> {
    let axes = checked_axes("slice_update", axes, a.ndim())?;
    let mut update = unary::astype(update, a.dtype())?;
    if let Some(missing) = a
        .ndim()
        .checked_sub(update.ndim())
        .filter(|missing| *missing > 0)
    {
        let leading = (0..missing).map(|axis| match axes.contains(&axis) {
            true => 1,
            false => a.shape()[axis],
        });
        let shape: Shape = leading.chain(update.shape().iter().copied()).collect();
        update = view::broadcast_to(&update, shape)?;
    }
    apply(Index::DynamicSliceUpdate { axes }, &[a, &update, start])
}
