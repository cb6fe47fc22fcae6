//! Linear algebra: factorisations, and what is solved by them.

use crate::real::Real;
use serde::{Deserialize, Serialize};

/// Which singular vectors are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SingularVectors {
    /// None.
    None,
    /// As many as there are singular values.
    Thin,
    /// Whole bases of both spaces.
    Full,
}

/// An operation on the matrices along the last two axes, of `float32`, `float64` or `complex64`.
///
/// Columns of eigenvectors and of left singular vectors are normalised, the component of the
/// greatest modulus real and positive, so that every backend gives the same. NaN in an input
/// makes the results NaN, or fails where values decide the steps (singular values, eigenvalues).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Linalg {
    /// The triangular `L` with `A = L·Lᴴ` of a positive definite matrix, from its lower triangle;
    /// or `U` with `A = Uᴴ·U` from the upper one. Fails on other matrices.
    Cholesky {
        /// `U` rather than `L`.
        upper: bool,
    },
    /// Rows of a matrix `(m, n)` exchanged, each pivot the greatest left in its column by
    /// `|re| + |im|`, and factored by `L·U`. Outputs: `U` with `L` below its
    /// diagonal of ones, not stored; for each of `k = min(m, n)` steps the row (`uint32`) that
    /// the step's row was exchanged with; for each of `m` rows of `L·U` the row (`uint32`) of the
    /// matrix that it is.
    Lu,
    /// `A = Q·R` of a matrix `(m, n)`: `Q` `(m, k)` with orthonormal columns, `R` `(k, n)` upper
    /// triangular, `k = min(m, n)`, by Householder reflections with LAPACK's signs; of a complex
    /// matrix the diagonal of `R` is real and not negative.
    Qr,
    /// `A = U·diag(s)·Vᴴ`, `s` (real) descending. Outputs: `U`, `s`, `Vᴴ`, or `s` alone.
    Svd {
        /// Which vectors.
        vectors: SingularVectors,
    },
    /// The pseudo-inverse: singular values up to `cutoff` times the greatest count as zero.
    PseudoInverse {
        /// The fraction.
        cutoff: Real,
    },
    /// `A = V·diag(w)·Vᴴ` of a Hermitian matrix, `w` (real) ascending. Outputs: `w`, then `V`.
    Eigh {
        /// Whether the lower triangle is read rather than the upper.
        lower: bool,
        /// Whether `V` is an output.
        vectors: bool,
    },
    /// `A·V = V·diag(w)`, both `complex64`, in no order. Outputs: `w`, then `V`.
    Eig {
        /// Whether `V` is an output.
        vectors: bool,
    },
    /// The inverse. Fails on a singular matrix.
    Inverse,
    /// `X` with `A·X = B` for inputs `A` `(n, n)` and `B` `(n, k)`. Fails on a singular matrix.
    Solve,
    /// The same for the triangle of `A`, the other elements of which are not read. Fails on a
    /// zero on the diagonal.
    SolveTriangular {
        /// The upper triangle rather than the lower.
        upper: bool,
        /// Whether the diagonal is taken to be ones and not read.
        unit_diagonal: bool,
    },
    /// The determinant.
    Determinant,
    /// The determinant's sign (of a complex one the number over its modulus; of zero, zero) and
    /// the logarithm of its modulus.
    LogDeterminant,
    /// As `Lu`, the factors apart. Outputs: for each of `m` rows of the matrix the row (`uint32`) of
    /// `L·U` that it is; `L` `(m, k)` with ones on the diagonal; `U` `(k, n)`.
    LuFactors,
}

impl Linalg {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Linalg::Cholesky { .. } => "linalg.cholesky",
            Linalg::Lu => "linalg.lu_factor",
            Linalg::Qr => "linalg.qr",
            Linalg::Svd { .. } => "linalg.svd",
            Linalg::PseudoInverse { .. } => "linalg.pinv",
            Linalg::Eigh { .. } => "linalg.eigh",
            Linalg::Eig { .. } => "linalg.eig",
            Linalg::Inverse => "linalg.inv",
            Linalg::Solve => "linalg.solve",
            Linalg::SolveTriangular { .. } => "linalg.solve_triangular",
            Linalg::Determinant => "linalg.det",
            Linalg::LogDeterminant => "linalg.slogdet",
            Linalg::LuFactors => "linalg.lu",
        }
    }
}
