//! Singular values and eigenvalues.

use super::{first, matrix_sizes, pair, triple};
use crate::array::Array;
use crate::ops::{self, reduce, unary};
use mlx_oxide_ir::{Dtype, Linalg, Result, SingularVectors};

/// `A = U·diag(s)·Vᴴ` of matrices `(…, m, n)`: `U`, the singular values `s` (real, descending) and
/// `Vᴴ`; whole bases `(…, m, m)` and `(…, n, n)` if `full`, else `k = min(m, n)` vectors each.
///
/// The gradient is defined where singular values differ, and elsewhere for what depends on the
/// spaces of the vectors alone.
///
/// # Errors
/// Fewer than two axes; when computed, a matrix with NaN or infinities.
pub fn svd(a: &Array, full: bool) -> Result<(Array, Array, Array)> {
    let vectors = match full {
        true => SingularVectors::Full,
        false => SingularVectors::Thin,
    };
    triple(Linalg::Svd { vectors }, a)
}

/// The singular values (real, descending) of matrices.
///
/// # Errors
/// As [`svd`].
pub fn svdvals(a: &Array) -> Result<Array> {
    let vectors = SingularVectors::None;
    first(Linalg::Svd { vectors }, &[a])
}

/// The eigenvalues (real, ascending) and eigenvectors (columns) of Hermitian matrices, of which
/// the lower or the upper triangle is read; the gradient falls on both.
///
/// # Errors
/// Matrices that are not square; when computed, one with NaN or infinities.
pub fn eigh(a: &Array, lower: bool) -> Result<(Array, Array)> {
    let vectors = true;
    pair(Linalg::Eigh { lower, vectors }, a)
}

/// The eigenvalues (real, ascending) of Hermitian matrices.
///
/// # Errors
/// As [`eigh`].
pub fn eigvalsh(a: &Array, lower: bool) -> Result<Array> {
    let vectors = false;
    first(Linalg::Eigh { lower, vectors }, &[a])
}

/// The eigenvalues and eigenvectors (columns of length 1), both `complex64`, of square matrices.
///
/// # Errors
/// Matrices that are not square; when computed, one with NaN or infinities.
pub fn eig(a: &Array) -> Result<(Array, Array)> {
    pair(Linalg::Eig { vectors: true }, a)
}

/// The eigenvalues (`complex64`) of square matrices.
///
/// # Errors
/// As [`eig`].
pub fn eigvals(a: &Array) -> Result<Array> {
    first(Linalg::Eig { vectors: false }, &[a])
}

/// How many singular values exceed `rtol` times the greatest; `max(m, n)` epsilons unless given.
/// `int32`.
///
/// # Errors
/// As [`svd`].
pub fn matrix_rank(a: &Array, rtol: Option<f64>) -> Result<Array> {
    let (rows, columns) = matrix_sizes("linalg.matrix_rank", a)?;
    let epsilon = match a.dtype() {
        Dtype::Float64 => f64::EPSILON,
        _ => f64::from(f32::EPSILON),
    };
    let rtol = rtol.unwrap_or(rows.max(columns) as f64 * epsilon);
    let values = svdvals(a)?;
    if rows.min(columns) == 0 {
        let count = reduce::sum(&values, Some(&[-1]), false)?;
        return unary::astype(&count, Dtype::Int32);
    }
    let greatest = reduce::max(&values, Some(&[-1]), true)?;
    let least = ops::multiply(&greatest, &unary::scalar_like(&greatest, rtol)?)?;
    let count = reduce::sum(&ops::greater(&values, &least)?, Some(&[-1]), false)?;
    unary::astype(&count, Dtype::Int32)
}
