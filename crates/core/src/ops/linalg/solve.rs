//! Inverses, linear equations and determinants.

use super::{first, matrix_sizes, pair, square_size};
use crate::array::Array;
use crate::ops::{self, unary, view};
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{Dtype, Error, Linalg, Result, Shape, result_type};

/// The inverse of square matrices.
///
/// # Errors
/// Matrices that are not square; when computed, a singular one.
pub fn inv(a: &Array) -> Result<Array> {
    first(Linalg::Inverse, &[a])
}

/// The inverse of the lower triangle, or of the upper one.
///
/// # Errors
/// Matrices that are not square; when computed, a zero on the diagonal.
pub fn tri_inv(a: &Array, upper: bool) -> Result<Array> {
    let size = square_size("linalg.tri_inv", a)?;
    let identity = ops::eye(size, size, 0, a.dtype())?;
    let identity = view::stretch_to(&identity, a.shape().clone())?;
    let op = Linalg::SolveTriangular {
        upper,
        unit_diagonal: false,
    };
    first(op, &[a, &identity])
}

/// The pseudo-inverse (Moore 1920, Penrose 1955): `(…, m, n)` → `(…, n, m)`. Singular values up to
/// `rtol` times the greatest count as zero; `10·max(m, n)` epsilons unless given.
///
/// # Errors
/// Fewer than two axes; when computed, a matrix with NaN or infinities.
pub fn pinv(a: &Array, rtol: Option<f64>) -> Result<Array> {
    let (rows, columns) = matrix_sizes("linalg.pinv", a)?;
    let epsilon = match a.dtype() {
        Dtype::Float64 => f64::EPSILON,
        _ => f64::from(f32::EPSILON),
    };
    let cutoff = rtol.unwrap_or(10.0 * rows.max(columns) as f64 * epsilon);
    let op = Linalg::PseudoInverse {
        cutoff: cutoff.into(),
    };
    first(op, &[a])
}

/// Both sides in one dtype with the same leading axes, and whether the right one was a vector.
fn sides(op: &'static str, a: &Array, b: &Array) -> Result<(Array, Array, bool)> {
    let size = square_size(op, a)?;
    let is_vector = b.ndim() == 1;
    let rows_axis = b.ndim().checked_sub(if is_vector { 1 } else { 2 });
    if rows_axis.is_none_or(|axis| b.shape()[axis] != size) {
        return Err(Error::ShapeMismatch {
            op,
            rule: "the right side has not as many rows as the matrix",
            lhs: a.shape().clone(),
            rhs: b.shape().clone(),
        });
    }
    let dtype = result_type(a.dtype(), b.dtype());
    let (a, b) = (unary::astype(a, dtype)?, unary::astype(b, dtype)?);
    let b = if is_vector {
        view::expand_dims(&b, &[-1])?
    } else {
        b
    };
    let leading = |array: &Array| Shape::from(&array.shape()[..array.ndim() - 2]);
    let shape = broadcast_shapes(op, &leading(&a), &leading(&b))?;
    let stretch = |array: &Array| {
        let matrix = &array.shape()[array.ndim() - 2..];
        let whole: Shape = shape.iter().chain(matrix).copied().collect();
        view::stretch_to(array, whole)
    };
    Ok((stretch(&a)?, stretch(&b)?, is_vector))
}

fn solved(op: Linalg, name: &'static str, a: &Array, b: &Array) -> Result<Array> {
    let (a, b, is_vector) = sides(name, a, b)?;
    let solution = first(op, &[&a, &b])?;
    match is_vector {
        true => view::squeeze(&solution, Some(&[-1])),
        false => Ok(solution),
    }
}

/// `X` with `A·X = B` for square matrices `A` `(…, n, n)` and `B` `(…, n, k)`, or a vector `(n,)`;
/// leading axes broadcast.
///
/// # Errors
/// Sizes that do not fit; when computed, a singular matrix.
pub fn solve(a: &Array, b: &Array) -> Result<Array> {
    solved(Linalg::Solve, "linalg.solve", a, b)
}

/// The same for the lower triangle of `A`, or for the upper one.
///
/// # Errors
/// Sizes that do not fit; when computed, a zero on the diagonal.
pub fn solve_triangular(a: &Array, b: &Array, upper: bool) -> Result<Array> {
    let op = Linalg::SolveTriangular {
        upper,
        unit_diagonal: false,
    };
    solved(op, "linalg.solve_triangular", a, b)
}

/// The array in a dtype that determinants are computed in.
fn widened(a: &Array) -> Result<Array> {
    match a.dtype() {
        Dtype::Float32 | Dtype::Float64 | Dtype::Complex64 => Ok(a.clone()),
        _ => unary::astype(a, Dtype::Float32),
    }
}

/// The determinant of square matrices; of integers in `float32`.
///
/// # Errors
/// Matrices that are not square. The gradient fails where a matrix is singular.
pub fn det(a: &Array) -> Result<Array> {
    let determinant = first(Linalg::Determinant, &[&widened(a)?])?;
    match a.dtype().is_inexact() {
        true => unary::astype(&determinant, a.dtype()),
        false => Ok(determinant),
    }
}

/// The determinant's sign and the logarithm of its modulus; of a singular matrix 0 and `-∞`.
///
/// # Errors
/// Matrices that are not square. The gradient fails where a matrix is singular.
pub fn slogdet(a: &Array) -> Result<(Array, Array)> {
    let (sign, logarithm) = pair(Linalg::LogDeterminant, &widened(a)?)?;
    if a.dtype().is_floating() {
        let narrow = |array: &Array| unary::astype(array, a.dtype());
        return Ok((narrow(&sign)?, narrow(&logarithm)?));
    }
    Ok((sign, logarithm))
}
