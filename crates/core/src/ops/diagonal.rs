//! Diagonals: reading them, summing them, and matrices with nothing but one.

use super::{create, index, reduce, unary, view};
use crate::array::Array;
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{Axes, Combine, Dtype, Error, Result, Shape, normalize_axis};

/// The elements `a[…, i, i + offset, …]` of two axes, as a last axis in place of both.
///
/// # Errors
/// Fewer than two axes; one axis given twice.
pub fn diagonal(a: &Array, offset: i64, axis1: i64, axis2: i64) -> Result<Array> {
    diagonal_for("diagonal", a, offset, axis1, axis2)
}

fn diagonal_for(op: &'static str, a: &Array, offset: i64, axis1: i64, axis2: i64) -> Result<Array> {
    if a.ndim() < 2 {
        return Err(Error::ShapeUnsuitable {
            op,
            rule: "the array must have at least two axes",
            shape: a.shape().clone(),
        });
    }
    let rows = normalize_axis(op, axis1, a.ndim())?;
    let columns = normalize_axis(op, axis2, a.ndim())?;
    if rows == columns {
        return Err(Error::RepeatedAxis { op, axis: rows });
    }
    let order: Axes = (0..a.ndim())
        .filter(|axis| *axis != rows && *axis != columns)
        .chain([rows, columns])
        .collect();
    let (height, width) = (a.shape()[rows], a.shape()[columns]);
    let matrices = view::permute(a, order)?;
    let mut flat: Shape = matrices.shape()[..a.ndim() - 2].into();
    flat.push(height * width);
    let flat = view::reshape_to(&matrices, flat)?;
    let mut ranges: Vec<SliceRange> = flat.shape().iter().map(|&s| SliceRange::full(s)).collect();
    ranges[a.ndim() - 2] = places(height, width, offset);
    view::slice(&flat, &ranges)
}

/// Where the diagonal `offset` lies in a row-major matrix.
pub(super) fn places(height: usize, width: usize, offset: i64) -> SliceRange {
    let distance = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    let count = if offset >= 0 {
        height.min(width.saturating_sub(distance))
    } else {
        width.min(height.saturating_sub(distance))
    };
    let start = match (count, offset >= 0) {
        (0, _) => 0,
        (_, true) => distance,
        (_, false) => distance * width,
    };
    SliceRange {
        start,
        step: width as isize + 1,
        count,
    }
}

/// The diagonal `k` of a matrix, or the square matrix with a vector on its diagonal `k` and
/// zeros elsewhere.
///
/// # Errors
/// An array of other than one or two axes; a matrix too large to address.
pub fn diag(a: &Array, k: i64) -> Result<Array> {
    match a.ndim() {
        1 => matrix_of(a, k),
        2 => diagonal_for("diag", a, k, 0, 1),
        _ => Err(Error::ShapeUnsuitable {
            op: "diag",
            rule: "the array must have one or two axes",
            shape: a.shape().clone(),
        }),
    }
}

fn matrix_of(vector: &Array, k: i64) -> Result<Array> {
    let distance = usize::try_from(k.unsigned_abs()).unwrap_or(usize::MAX);
    let side = vector.size().saturating_add(distance);
    Shape::from([side, side]).checked("diag")?;
    let flat = create::zeros([side * side], vector.dtype())?;
    let range = places(side, side, k);
    let filled = index::slice_update(&flat, vector, &[range], Combine::Replace)?;
    view::reshape_to(&filled, [side, side])
}

/// The sum of a diagonal of two axes, in `dtype` or the dtype of a sum.
pub fn trace(
    a: &Array,
    offset: i64,
    axis1: i64,
    axis2: i64,
    dtype: Option<Dtype>,
) -> Result<Array> {
    let elements = diagonal_for("trace", a, offset, axis1, axis2)?;
    let elements = match dtype {
        Some(dtype) => unary::astype(&elements, dtype)?,
        None => elements,
    };
    reduce::sum(&elements, Some(&[-1]), false)
}
