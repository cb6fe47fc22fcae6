//! The adjugate `adj A`, with `A·adj A = det A·I`, which every square matrix has.

use super::adjoint;
use crate::array::Array;
use crate::ops;
use crate::transforms::cond;
use mlx_oxide_ir::{Dtype, Linalg, Op, Result, SingularVectors};

/// Up to this size the derivative of the adjugate of a singular matrix is that of a polynomial.
const MOST_POLYNOMIAL: usize = 12;

/// The adjugate of matrices whose determinants are known.
///
/// Where no matrix is near a singular one it is `det A·A⁻¹`. A batch with one that is costs a
/// singular value decomposition.
pub(super) fn adjugate(a: &Array, determinant: &Array) -> Result<Array> {
    let is_regular = ops::greater(&ops::abs(determinant)?, &least_regular(a)?)?;
    let outputs = cond(
        &ops::all(&is_regular, None, false)?,
        |operands| Ok(vec![of_regular(&operands[0], &operands[1])?]),
        |operands| Ok(vec![of_singular(&operands[0])?]),
        &[a.clone(), determinant.clone()],
    )?;
    Ok(outputs[0].clone())
}

/// The modulus that the determinant of a regular matrix exceeds: a part of Hadamard's bound, the
/// product of the rows' norms, at which second derivatives by the inverse lose half of their
/// digits. For large matrices the bound says little, so zero.
fn least_regular(a: &Array) -> Result<Array> {
    let squares = ops::square(&ops::abs(a)?)?;
    let norms = ops::sqrt(&ops::sum(&squares, Some(&[-1]), false)?)?;
    let bound = ops::prod(&norms, Some(&[-1]), false)?;
    let part = match (a.shape()[a.ndim() - 1], a.dtype()) {
        (size, _) if size > MOST_POLYNOMIAL => 0.0,
        (_, Dtype::Float64) => 1e-4,
        _ => 1e-2,
    };
    ops::multiply(&bound, &ops::unary::scalar_like(&bound, part)?)
}

/// `det A·A⁻¹`; of singular matrices, which are here if both branches are computed, anything.
fn of_regular(a: &Array, determinant: &Array) -> Result<Array> {
    let determinant = ops::expand_dims(determinant, &[-1, -2])?;
    let zero = ops::unary::scalar_like(&determinant, 0.0)?;
    let size = a.shape()[a.ndim() - 1];
    let identity = ops::create::identity(size, a.dtype())?;
    let safe = ops::select(&ops::not_equal(&determinant, &zero)?, a, &identity)?;
    let inverse = Array::apply(Op::Linalg(Linalg::Inverse), &[&safe])?;
    ops::multiply(&determinant, &inverse)
}

fn of_singular(a: &Array) -> Result<Array> {
    if a.shape()[a.ndim() - 1] > MOST_POLYNOMIAL {
        return by_singular_values(a);
    }
    // the value of the one, which is accurate, and the derivatives of the other, which are right
    // for equal singular values too
    let value = by_singular_values(&ops::stop_gradient(a)?)?;
    let polynomial = by_powers(a)?;
    let nothing = ops::subtract(&polynomial, &ops::stop_gradient(&polynomial)?)?;
    ops::add(&value, &nothing)
}

/// `adj(U·S·Vᴴ) = det U·det Vᴴ·V·adj(S)·Uᴴ`; a diagonal matrix' adjugate has the products of all
/// other elements.
fn by_singular_values(a: &Array) -> Result<Array> {
    let vectors = SingularVectors::Thin;
    let parts = Array::apply_all(Op::Linalg(Linalg::Svd { vectors }), &[a])?;
    let (u, s, vh) = (&parts[0], &parts[1], &parts[2]);
    let before = ops::cumprod(s, Some(-1), false, false)?;
    let after = ops::cumprod(s, Some(-1), true, false)?;
    let others = ops::multiply(&before, &after)?;
    let scaled = super::times_diagonal(&adjoint(vh)?, &others)?;
    let product = ops::matmul(&scaled, &adjoint(u)?)?;
    let sign = ops::multiply(&determinant(u)?, &determinant(vh)?)?;
    ops::multiply(&product, &ops::expand_dims(&sign, &[-1, -2])?)
}

fn determinant(a: &Array) -> Result<Array> {
    Array::apply(Op::Linalg(Linalg::Determinant), &[a])
}

/// The recurrence of Faddeev and LeVerrier: with `M₁ = I`, `cₖ = -tr(A·Mₖ)/k` and
/// `Mₖ₊₁ = A·Mₖ + cₖ·I`, the adjugate is `(-1)ⁿ⁻¹·Mₙ`.
fn by_powers(a: &Array) -> Result<Array> {
    let size = a.shape()[a.ndim() - 1];
    let identity = ops::create::identity(size, a.dtype())?;
    let mut power = ops::add(&ops::zeros_like(a)?, &identity)?;
    for k in 1..size {
        let product = ops::matmul(a, &power)?;
        let diagonal = ops::multiply(&product, &identity)?;
        let trace = ops::sum(&diagonal, Some(&[-1, -2]), true)?;
        let factor = ops::unary::scalar_like(&trace, -1.0 / k as f64)?;
        let shift = ops::multiply(&ops::multiply(&trace, &factor)?, &identity)?;
        power = ops::add(&product, &shift)?;
    }
    match size % 2 {
        0 => ops::negative(&power),
        _ => Ok(power),
    }
}
