//! Triangular and orthogonal factors.

use super::{first, pair, square_size, triple};
use crate::array::Array;
use crate::ops::{self, unary};
use mlx_oxide_ir::{Linalg, Result};

/// The lower triangular `L` with `A = L·Lᴴ` of positive definite matrices `(…, n, n)`, or the upper
/// triangular `U` with `A = Uᴴ·U`. One triangle is read; the gradient falls on both.
///
/// # Errors
/// Matrices that are not square; when computed, one that is not positive definite.
pub fn cholesky(a: &Array, upper: bool) -> Result<Array> {
    first(Linalg::Cholesky { upper }, &[a])
}

/// The inverse of `A` from its factor: `L` of [`cholesky`], or `U` if `upper`.
///
/// # Errors
/// Matrices that are not square; when computed, a zero on the diagonal.
pub fn cholesky_inv(factor: &Array, upper: bool) -> Result<Array> {
    square_size("linalg.cholesky_inv", factor)?;
    let inverse = super::tri_inv(factor, upper)?;
    let transposed = ops::swapaxes(&inverse, -1, -2)?;
    let adjoint = match inverse.dtype().is_complex() {
        true => unary::conjugate(&transposed)?,
        false => transposed,
    };
    match upper {
        true => ops::matmul(&inverse, &adjoint),
        false => ops::matmul(&adjoint, &inverse),
    }
}

/// `A = (L·U)[P]` of matrices `(…, m, n)`: the rows' order `P` (`uint32`), `L` `(…, m, k)` with
/// ones on the diagonal and `U` `(…, k, n)`, `k = min(m, n)`.
///
/// # Errors
/// Fewer than two axes.
pub fn lu(a: &Array) -> Result<(Array, Array, Array)> {
    triple(Linalg::LuFactors, a)
}

/// Both factors in one matrix `(…, m, n)`, the ones on the diagonal of `L` left out, and for each
/// step the row (`uint32`) that it was exchanged with.
///
/// # Errors
/// Fewer than two axes.
pub fn lu_factor(a: &Array) -> Result<(Array, Array)> {
    let (factors, pivots, _) = triple(Linalg::Lu, a)?;
    Ok((factors, pivots))
}

/// `A = Q·R` of matrices `(…, m, n)`: `Q` `(…, m, k)` with orthonormal columns and upper triangular
/// `R` `(…, k, n)`, `k = min(m, n)`.
///
/// # Errors
/// Fewer than two axes.
pub fn qr(a: &Array) -> Result<(Array, Array)> {
    pair(Linalg::Qr, a)
}
