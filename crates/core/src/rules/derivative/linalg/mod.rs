//! Linear algebra. The rules are those of Giles, *An extended collection of matrix derivative
//! results for forward and reverse mode algorithmic differentiation* (2008), with the extensions
//! to complex and rectangular matrices that JAX documents. `ᴴ` is the conjugate transpose.

mod adjugate;
mod factor;
mod solve;
mod spectral;

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops::{self, unary};
use mlx_oxide_ir::{Error, Linalg, Op, Result};

pub(super) fn derivative(linalg: &Linalg) -> Derivative {
    match linalg {
        Linalg::Cholesky { .. } => Derivative::Tangents(factor::cholesky),
        Linalg::Lu => Derivative::Tangents(factor::lu),
        Linalg::Qr => Derivative::Tangents(factor::qr),
        Linalg::Svd { .. } => Derivative::Tangents(spectral::svd),
        Linalg::PseudoInverse { .. } => Derivative::Tangents(solve::pseudo_inverse),
        Linalg::Eigh { .. } => Derivative::Tangents(spectral::eigh),
        Linalg::Eig { .. } => Derivative::Tangents(spectral::eig),
        Linalg::Inverse => Derivative::Tangents(solve::inverse),
        Linalg::Solve | Linalg::SolveTriangular { .. } => Derivative::General {
            jvp: solve::jvp,
            vjp: solve::vjp,
        },
        Linalg::Determinant => Derivative::Tangents(solve::determinant),
        Linalg::LogDeterminant => Derivative::Tangents(solve::log_determinant),
        Linalg::LuFactors => Derivative::Tangents(factor::lu_factors),
    }
}

/// The site's operation.
fn operation(site: &Site<'_>) -> Result<Linalg> {
    match site.op {
        Op::Linalg(linalg) => Ok(*linalg),
        other => Err(Error::Internal {
            op: other.name(),
            detail: "wrong rule".to_owned(),
        }),
    }
}

/// The tangent of the one input; rules are not asked without one.
fn tangent<'a>(site: &Site<'_>, tangents: &'a [Option<Array>]) -> Result<&'a Array> {
    match tangents.first() {
        Some(Some(tangent)) => Ok(tangent),
        _ => Err(Error::Internal {
            op: site.op.name(),
            detail: "no tangent".to_owned(),
        }),
    }
}

fn transpose(a: &Array) -> Result<Array> {
    ops::swapaxes(a, -1, -2)
}

/// `Aᴴ`.
fn adjoint(a: &Array) -> Result<Array> {
    let transposed = transpose(a)?;
    match a.dtype().is_complex() {
        true => ops::conjugate(&transposed),
        false => Ok(transposed),
    }
}

/// `(A + Aᴴ)/2`.
fn hermitian_part(a: &Array) -> Result<Array> {
    let sum = ops::add(a, &adjoint(a)?)?;
    ops::multiply(&sum, &unary::scalar_like(&sum, 0.5)?)
}

/// The real diagonal of square matrices, as `(…, n)`.
fn real_diagonal(a: &Array) -> Result<Array> {
    ops::real(&ops::linalg::diagonal(a, 0)?)
}

/// A matrix with its columns multiplied by a vector.
fn times_diagonal(a: &Array, diagonal: &Array) -> Result<Array> {
    let row = ops::expand_dims(diagonal, &[-2])?;
    ops::multiply(a, &ops::astype(&row, a.dtype())?)
}

/// `1/x`, or zero where `x` is zero.
fn inverse_or_zero(x: &Array) -> Result<Array> {
    let zero = unary::scalar_like(x, 0.0)?;
    let vanishes = ops::equal(x, &zero)?;
    let safe = ops::select(&vanishes, &ops::ones_like(x)?, x)?;
    ops::select(&vanishes, &zero, &ops::reciprocal(&safe)?)
}

/// `F[i, j] = 1/(d[j] - d[i])`, zero on the diagonal and where both are equal: there the vectors
/// may turn freely, and what does not depend on that has the right derivative all the same.
fn inverse_differences(d: &Array) -> Result<Array> {
    let differences = ops::subtract(&ops::expand_dims(d, &[-2])?, &ops::expand_dims(d, &[-1])?)?;
    inverse_or_zero(&differences)
}
