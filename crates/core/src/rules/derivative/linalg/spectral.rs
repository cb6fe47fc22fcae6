//! Singular values and eigenvalues.

use super::{
    Optional, adjoint, hermitian_part, inverse_differences, inverse_or_zero, operation,
    real_diagonal, tangent, times_diagonal,
};
use crate::array::{Array, Site};
use crate::ops::{self, unary, view};
use mlx_oxide_ir::{Error, Linalg, Op, Result, SingularVectors};

/// With `F[i, j] = 1/(w[j] - w[i])` and `M = Vᴴ·dA·V`: `dw = Re diag(M)` and `dV = V·(F ∘ M)`; the
/// matrix counts as Hermitian, so both triangles share the gradient.
pub(super) fn eigh(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let change = hermitian_part(tangent(site, tangents)?)?;
    let Linalg::Eigh {
        lower,
        vectors: false,
    } = operation(site)?
    else {
        let (values, basis) = (&site.outputs[0], &site.outputs[1]);
        let inner = ops::matmul(&ops::matmul(&adjoint(basis)?, &change)?, basis)?;
        let factors = ops::astype(&inverse_differences(values)?, inner.dtype())?;
        let turned = ops::matmul(basis, &ops::multiply(&factors, &inner)?)?;
        return Ok(vec![Some(real_diagonal(&inner)?), Some(turned)]);
    };
    let op = Op::Linalg(Linalg::Eigh {
        lower,
        vectors: true,
    });
    let basis = &Array::apply_all(op, &[&site.inputs[0]])?[1];
    let inner = ops::matmul(&ops::matmul(&adjoint(basis)?, &change)?, basis)?;
    Ok(vec![Some(real_diagonal(&inner)?)])
}

/// With `M = V⁻¹·dA·V`: `dw = diag(M)` and `dV = V·(F ∘ M)` less what lengthens the columns.
pub(super) fn eig(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let values = &site.outputs[0];
    let dtype = values.dtype();
    let computed;
    let has_vectors = site.outputs.len() == 2;
    let basis = if has_vectors {
        &site.outputs[1]
    } else {
        let op = Op::Linalg(Linalg::Eig { vectors: true });
        computed = Array::apply_all(op, &[&site.inputs[0]])?;
        &computed[1]
    };
    let change = ops::astype(tangent(site, tangents)?, dtype)?;
    let solve = Op::Linalg(Linalg::Solve);
    let inner = Array::apply(solve, &[basis, &ops::matmul(&change, basis)?])?;
    let moved = ops::linalg::diagonal(&inner, 0)?;
    if !has_vectors {
        return Ok(vec![Some(moved)]);
    }
    let turned = ops::multiply(&inverse_differences(values)?, &inner)?;
    let turned = ops::matmul(basis, &turned)?;
    let overlap = ops::multiply(&ops::conjugate(basis)?, &turned)?;
    let lengthened = ops::real(&ops::sum(&overlap, Some(&[-2]), false)?)?;
    let turned = ops::subtract(&turned, &times_diagonal(basis, &lengthened)?)?;
    Ok(vec![Some(moved), Some(turned)])
}

/// The vectors that go with singular values: thin factors, and what completes the bases.
struct Vectors {
    left: Array,
    right: Array,
    left_rest: Option<Array>,
    right_rest: Option<Array>,
}

fn vectors(site: &Site<'_>, wanted: SingularVectors) -> Result<Vectors> {
    let outputs = match wanted {
        SingularVectors::None => {
            let op = Linalg::Svd {
                vectors: SingularVectors::Thin,
            };
            Array::apply_all(Op::Linalg(op), &[&site.inputs[0]])?
        }
        SingularVectors::Thin | SingularVectors::Full => site.outputs.to_vec(),
    };
    let (left, right) = (&outputs[0], adjoint(&outputs[2])?);
    let least = outputs[1].shape()[outputs[1].ndim() - 1];
    let last = left.ndim() - 1;
    let rest = |basis: &Array| -> Result<Option<Array>> {
        let size = basis.shape()[last];
        (size > least)
            .then(|| view::slice_axis(basis, last, least, size))
            .transpose()
    };
    Ok(Vectors {
        left_rest: rest(left)?,
        right_rest: rest(&right)?,
        left: view::slice_axis(left, last, 0, least)?,
        right: view::slice_axis(&right, last, 0, least)?,
    })
}

/// With `P = Uᴴ·dA·V` and `F[i, j] = 1/(s[j]² - s[i]²)`: `ds = Re diag(P)`,
/// `dU = U·(F ∘ (P·S + S·Pᴴ)) + (I - U·Uᴴ)·dA·V·S⁻¹` and `dV` the same of the adjoint; of a
/// complex matrix the phase of each pair of columns turns with `U` alone. Bases that are completed
/// turn back by as much as the others turn out of their space.
pub(super) fn svd(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let Linalg::Svd { vectors: wanted } = operation(site)? else {
        return Err(Error::Internal {
            op: site.op.name(),
            detail: "wrong rule".to_owned(),
        });
    };
    let change = tangent(site, tangents)?;
    let Vectors {
        left,
        right,
        left_rest,
        right_rest,
    } = vectors(site, wanted)?;
    let outer = ops::matmul(change, &right)?;
    let inner = ops::matmul(&adjoint(&left)?, &outer)?;
    let moved = real_diagonal(&inner)?;
    if wanted == SingularVectors::None {
        return Ok(vec![Some(moved)]);
    }
    let values = &site.outputs[1];
    let factors = inverse_differences(&ops::square(values)?)?;
    let factors = ops::astype(&factors, inner.dtype())?;
    let reciprocal = inverse_or_zero(values)?;
    let back = adjoint(&inner)?;
    // P·S + S·Pᴴ is Hermitian: S·Pᴴ is the adjoint of P·S
    let scaled = times_diagonal(&inner, values)?;
    let mut left_turn = ops::multiply(&factors, &ops::add(&scaled, &adjoint(&scaled)?)?)?;
    let scaled = times_diagonal(&back, values)?;
    let right_turn = ops::multiply(&factors, &ops::add(&scaled, &adjoint(&scaled)?)?)?;
    if inner.dtype().is_complex() {
        left_turn = ops::add(&left_turn, &phases(&inner, &reciprocal)?)?;
    }
    let across = ops::matmul(&adjoint(change)?, &left)?;
    let left_change = turned(&left, &left_turn, &times_diagonal(&outer, &reciprocal)?)?;
    let right_change = turned(&right, &right_turn, &times_diagonal(&across, &reciprocal)?)?;
    Ok(vec![
        Some(completed(wanted, &left, left_rest, left_change)?),
        Some(moved),
        Some(adjoint(&completed(
            wanted,
            &right,
            right_rest,
            right_change,
        )?)?),
    ])
}

/// `i·Im(diag P)·S⁻¹` as a diagonal matrix.
fn phases(inner: &Array, reciprocal: &Array) -> Result<Array> {
    let size = inner.shape()[inner.ndim() - 1];
    let identity = ops::eye(size, size, 0, inner.dtype())?;
    let diagonal = ops::multiply(inner, &identity)?;
    let real = ops::astype(&ops::real(&diagonal)?, inner.dtype())?;
    times_diagonal(&ops::subtract(&diagonal, &real)?, reciprocal)
}

/// `B·X + (I - B·Bᴴ)·W`: columns turned among themselves, and out of their space.
fn turned(basis: &Array, turn: &Array, out: &Array) -> Result<Array> {
    let (rows, columns) = (
        basis.shape()[basis.ndim() - 2],
        basis.shape()[basis.ndim() - 1],
    );
    let within = ops::matmul(basis, turn)?;
    if rows == columns {
        return Ok(within); // there is nothing outside
    }
    let inside = ops::matmul(basis, &ops::matmul(&adjoint(basis)?, out)?)?;
    ops::add(&within, &ops::subtract(out, &inside)?)
}

/// The change of a whole basis: the rest `R` stays orthogonal by `dR = -B·(dB)ᴴ·R`.
fn completed(
    wanted: SingularVectors,
    basis: &Array,
    rest: Option<Array>,
    change: Array,
) -> Result<Array> {
    let (SingularVectors::Full, Some(rest)) = (wanted, rest) else {
        return Ok(change);
    };
    let back = ops::matmul(basis, &ops::matmul(&adjoint(&change)?, &rest)?)?;
    let axis = basis.ndim() as i64 - 1;
    let negative = ops::multiply(&back, &unary::scalar_like(&back, -1.0)?)?;
    ops::concatenate(&[&change, &negative], axis)
}
