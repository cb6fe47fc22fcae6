//! Inverses, equations and determinants.

use super::adjugate::adjugate;
use super::{Optional, adjoint, operation, tangent, transpose};
use crate::array::{Array, Site};
use crate::ops;
use mlx_oxide_ir::{Linalg, Op, Result};

/// `dX = -X·dA·X`.
pub(super) fn inverse(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let x = &site.outputs[0];
    let product = ops::matmul(&ops::matmul(x, tangent(site, tangents)?)?, x)?;
    Ok(vec![Some(ops::negative(&product)?)])
}

/// `dP = -P·dA·P + P·Pᴴ·dAᴴ·(I - A·P) + (I - P·A)·dAᴴ·Pᴴ·P` (Golub & Pereyra 1973).
pub(super) fn pseudo_inverse(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let (a, p) = (&site.inputs[0], &site.outputs[0]);
    let change = tangent(site, tangents)?;
    let (changed, adjoint_p) = (adjoint(change)?, adjoint(p)?);
    let without = |x: &Array, projected: Array| ops::subtract(x, &projected);
    let inner = ops::matmul(&ops::matmul(p, change)?, p)?;
    let left = ops::matmul(&ops::matmul(p, &adjoint_p)?, &changed)?;
    let left = without(&left, ops::matmul(&ops::matmul(&left, a)?, p)?)?;
    let right = ops::matmul(&ops::matmul(&changed, &adjoint_p)?, p)?;
    let right = without(&right, ops::matmul(p, &ops::matmul(a, &right)?)?)?;
    let sum = ops::subtract(&ops::add(&left, &right)?, &inner)?;
    Ok(vec![Some(sum)])
}

/// The part of a tangent or cotangent of `A` that the operation reads.
fn read_part(linalg: Linalg, a: &Array) -> Result<Array> {
    match linalg {
        Linalg::SolveTriangular {
            upper,
            unit_diagonal,
        } => {
            let excluded = i64::from(unit_diagonal);
            match upper {
                true => ops::triu(a, excluded),
                false => ops::tril(a, -excluded),
            }
        }
        Linalg::Cholesky { .. }
        | Linalg::Lu
        | Linalg::Qr
        | Linalg::Svd { .. }
        | Linalg::PseudoInverse { .. }
        | Linalg::Eigh { .. }
        | Linalg::Eig { .. }
        | Linalg::Inverse
        | Linalg::Solve
        | Linalg::Determinant
        | Linalg::LogDeterminant
        | Linalg::LuFactors => Ok(a.clone()),
    }
}

/// The same operation for `Aᴴ`.
fn adjoint_operation(linalg: Linalg) -> Linalg {
    match linalg {
        Linalg::SolveTriangular {
            upper,
            unit_diagonal,
        } => Linalg::SolveTriangular {
            upper: !upper,
            unit_diagonal,
        },
        Linalg::Cholesky { .. }
        | Linalg::Lu
        | Linalg::Qr
        | Linalg::Svd { .. }
        | Linalg::PseudoInverse { .. }
        | Linalg::Eigh { .. }
        | Linalg::Eig { .. }
        | Linalg::Inverse
        | Linalg::Solve
        | Linalg::Determinant
        | Linalg::LogDeterminant
        | Linalg::LuFactors => linalg,
    }
}

/// `dX = A⁻¹·(dB - dA·X)`.
pub(super) fn jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    let linalg = operation(site)?;
    let moved = tangents[0]
        .as_ref()
        .map(|change| ops::matmul(&read_part(linalg, change)?, &site.outputs[0]))
        .transpose()?;
    let right = match (&tangents[1], moved) {
        (Some(change), Some(moved)) => ops::subtract(change, &moved)?,
        (Some(change), None) => change.clone(),
        (None, Some(moved)) => ops::negative(&moved)?,
        (None, None) => return ops::zeros_like(&site.outputs[0]),
    };
    Array::apply(site.op.clone(), &[&site.inputs[0], &right])
}

/// `B̄ = A⁻ᴴ·X̄` and `Ā = -B̄·Xᴴ`.
pub(super) fn vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let linalg = operation(site)?;
    let op = Op::Linalg(adjoint_operation(linalg));
    let right = Array::apply(op, &[&adjoint(&site.inputs[0])?, cotangent])?;
    let left = site.wanted[0]
        .then(|| {
            let product = ops::matmul(&right, &adjoint(&site.outputs[0])?)?;
            ops::negative(&read_part(linalg, &product)?)
        })
        .transpose()?;
    Ok(vec![left, Some(right)])
}

/// `tr(A⁻¹·dA)`.
fn relative_change(site: &Site<'_>, change: &Array) -> Result<Array> {
    let inverse = Array::apply(Op::Linalg(Linalg::Inverse), &[&site.inputs[0]])?;
    let product = ops::multiply(&transpose(&inverse)?, change)?;
    ops::sum(&product, Some(&[-1, -2]), false)
}

/// `d det A = tr(adj A·dA)` (Jacobi), at singular matrices too.
pub(super) fn determinant(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let adjugate = adjugate(&site.inputs[0], &site.outputs[0])?;
    let product = ops::multiply(&transpose(&adjugate)?, tangent(site, tangents)?)?;
    Ok(vec![Some(ops::sum(&product, Some(&[-1, -2]), false)?)])
}

/// With `t = tr(A⁻¹·dA)`: `d ln|det A| = Re t`; of a complex sign `d sign = i·sign·Im t`.
/// The logarithm has no derivative at a singular matrix: the inverse is an error there.
pub(super) fn log_determinant(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let change = relative_change(site, tangent(site, tangents)?)?;
    if !change.dtype().is_complex() {
        return Ok(vec![None, Some(change)]);
    }
    let real = ops::real(&change)?;
    let turn = ops::subtract(&change, &ops::astype(&real, change.dtype())?)?;
    let sign = ops::multiply(&site.outputs[0], &turn)?;
    Ok(vec![Some(sign), Some(real)])
}
