//! Products and parts of matrices.

use super::{inv, matrix_sizes, square_size};
use crate::array::Array;
use crate::ops::{self, reduce, unary, view};
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{Error, Result, Shape, normalize_axis};

/// The cross product of vectors of two or three components along an axis; a missing third one is
/// zero. Other axes broadcast.
///
/// # Errors
/// An axis out of bounds, or of another size than two or three.
pub fn cross(a: &Array, b: &Array, axis: i64) -> Result<Array> {
    const OP: &str = "linalg.cross";
    let components = |array: &Array| -> Result<[Array; 3]> {
        let axis = normalize_axis(OP, axis, array.ndim())?;
        let size = array.shape()[axis];
        if size != 2 && size != 3 {
            return Err(Error::ShapeUnsuitable {
                op: OP,
                rule: "the axis must have size 2 or 3",
                shape: array.shape().clone(),
            });
        }
        let part = |place: usize| view::slice_axis(array, axis, place, place + 1);
        let third = match size {
            2 => ops::zeros_like(&part(0)?)?,
            _ => part(2)?,
        };
        Ok([part(0)?, part(1)?, third])
    };
    let (a, b) = (components(a)?, components(b)?);
    let minor = |i: usize, j: usize| -> Result<Array> {
        ops::subtract(&ops::multiply(&a[i], &b[j])?, &ops::multiply(&a[j], &b[i])?)
    };
    let parts = [minor(1, 2)?, minor(2, 0)?, minor(0, 1)?];
    ops::concatenate(&parts.iter().collect::<Vec<_>>(), axis)
}

/// The diagonal `offset` above the main one of matrices: `(…, m, n)` → `(…, k)`.
///
/// # Errors
/// Fewer than two axes.
pub fn diagonal(a: &Array, offset: i64) -> Result<Array> {
    let (rows, columns) = matrix_sizes("linalg.diagonal", a)?;
    let down = usize::try_from(offset.min(0).unsigned_abs()).unwrap_or(usize::MAX);
    let right = usize::try_from(offset.max(0)).unwrap_or(usize::MAX);
    let count = rows.saturating_sub(down).min(columns.saturating_sub(right));
    let last = a.ndim() - 1;
    let square = view::slice_axis(a, last - 1, down.min(rows), down.min(rows) + count)?;
    let start = right.min(columns);
    let square = view::slice_axis(&square, last, start, start + count)?;
    let mut flat: Shape = a.shape()[..last - 1].into();
    flat.push(count * count);
    let flat = view::reshape_to(&square, flat)?;
    let mut ranges: Vec<SliceRange> = flat.shape()[..last - 1]
        .iter()
        .map(|size| SliceRange::full(*size))
        .collect();
    ranges.push(SliceRange {
        start: 0,
        step: count as isize + 1,
        count,
    });
    view::slice(&flat, &ranges)
}

/// The sum of the diagonal `offset` above the main one.
///
/// # Errors
/// Fewer than two axes.
pub fn trace(a: &Array, offset: i64) -> Result<Array> {
    reduce::sum(&diagonal(a, offset)?, Some(&[-1]), false)
}

/// `Aⁿ` of square matrices by repeated squaring; a negative power is one of the inverse.
///
/// # Errors
/// Matrices that are not square; when computed, a negative power of a singular one.
pub fn matrix_power(a: &Array, n: i64) -> Result<Array> {
    let size = square_size("linalg.matrix_power", a)?;
    let mut base = match n < 0 {
        true => inv(a)?,
        false => a.clone(),
    };
    let mut left = n.unsigned_abs();
    let mut power: Option<Array> = None;
    while left > 0 {
        if left % 2 == 1 {
            power = Some(match power {
                Some(power) => ops::matmul(&power, &base)?,
                None => base.clone(),
            });
        }
        left /= 2;
        if left > 0 {
            base = ops::matmul(&base, &base)?;
        }
    }
    match power {
        Some(power) => Ok(power),
        None => {
            let identity = ops::eye(size, size, 0, a.dtype())?;
            let identity = view::stretch_to(&identity, a.shape().clone())?;
            unary::astype(&identity, a.dtype())
        }
    }
}
