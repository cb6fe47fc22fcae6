//! Triangular and orthogonal factors.

use super::{Optional, adjoint, hermitian_part, operation, tangent, transpose};
use crate::array::{Array, Site};
use crate::ops::{self, unary, view};
use mlx_oxide_ir::{Linalg, Op, Result};

/// `T⁻¹·B`.
fn solve_left(t: &Array, b: &Array, upper: bool, unit_diagonal: bool) -> Result<Array> {
    let op = Linalg::SolveTriangular {
        upper,
        unit_diagonal,
    };
    Array::apply(Op::Linalg(op), &[t, b])
}

/// `B·T⁻¹`.
fn solve_right(b: &Array, t: &Array, upper: bool) -> Result<Array> {
    transpose(&solve_left(&transpose(t)?, &transpose(b)?, !upper, false)?)
}

/// The lower triangle with half of the diagonal.
fn half_lower(a: &Array) -> Result<Array> {
    let both = ops::add(&ops::tril(a, 0)?, &ops::tril(a, -1)?)?;
    ops::multiply(&both, &unary::scalar_like(&both, 0.5)?)
}

/// `dL = L·Φ(L⁻¹·dA·L⁻ᴴ)`, `Φ` the lower triangle with half of the diagonal; the matrix counts
/// as Hermitian, so both triangles share the gradient.
pub(super) fn cholesky(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let upper = matches!(operation(site)?, Linalg::Cholesky { upper: true });
    let lower = match upper {
        true => adjoint(&site.outputs[0])?,
        false => site.outputs[0].clone(),
    };
    let change = hermitian_part(tangent(site, tangents)?)?;
    let left = solve_left(&lower, &change, false, false)?;
    let inner = solve_right(&left, &adjoint(&lower)?, true)?;
    let result = ops::matmul(&lower, &half_lower(&inner)?)?;
    Ok(vec![Some(match upper {
        true => adjoint(&result)?,
        false => result,
    })])
}

/// The square matrix with `a` in its upper left corner, ones on the rest of the diagonal, zeros
/// elsewhere.
fn squared(a: &Array, size: usize) -> Result<Array> {
    let (rows, columns) = (a.shape()[a.ndim() - 2], a.shape()[a.ndim() - 1]);
    if rows == size && columns == size {
        return Ok(a.clone());
    }
    let mut widths = vec![(0, 0); a.ndim()];
    widths[a.ndim() - 2] = (0, size - rows);
    widths[a.ndim() - 1] = (0, size - columns);
    let padded = ops::pad(a, &widths, &unary::scalar_like(a, 0.0)?)?;
    let least = rows.min(columns);
    let ones: Vec<f32> = (0..size * size)
        .map(
            |place| match place / size == place % size && place / size >= least {
                true => 1.0,
                false => 0.0,
            },
        )
        .collect();
    let ones = Array::from_slice(&ones, [size, size])?;
    ops::add(&padded, &ops::astype(&ones, a.dtype())?)
}

/// With `M = L⁻¹·P·dA·U⁻¹`: `dL = L·tril(M, -1)` and `dU = triu(M)·U`; of rectangular matrices
/// the factors are first made square. `order` holds the row of `A` that each row of `L·U` is.
fn lu_changes(lower: &Array, upper: &Array, order: &Array, change: &Array) -> Result<[Array; 2]> {
    let last = change.ndim() - 1;
    let lower = squared(lower, change.shape()[last - 1])?;
    let upper = squared(upper, change.shape()[last])?;
    let order = ops::expand_dims(order, &[-1])?;
    let order = ops::broadcast_to(&order, change.shape().clone())?;
    let exchanged = ops::take_along_axis(change, &order, -2)?;
    let middle = solve_right(&solve_left(&lower, &exchanged, false, true)?, &upper, true)?;
    Ok([
        ops::matmul(&lower, &ops::tril(&middle, -1)?)?,
        ops::matmul(&ops::triu(&middle, 0)?, &upper)?,
    ])
}

/// Both changes in one matrix.
pub(super) fn lu(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let (factors, permutation) = (&site.outputs[0], &site.outputs[2]);
    let last = factors.ndim() - 1;
    let (rows, columns) = (factors.shape()[last - 1], factors.shape()[last]);
    let least = rows.min(columns);
    let left = view::slice_axis(&ops::tril(factors, -1)?, last, 0, least)?;
    let identity = ops::eye(rows, least, 0, factors.dtype())?;
    let lower = ops::add(&left, &identity)?;
    let upper = view::slice_axis(&ops::triu(factors, 0)?, last - 1, 0, least)?;
    let [below, above] = lu_changes(&lower, &upper, permutation, tangent(site, tangents)?)?;
    Ok(vec![Some(ops::add(&below, &above)?), None, None])
}

/// The changes apart.
pub(super) fn lu_factors(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let (places, lower, upper) = (&site.outputs[0], &site.outputs[1], &site.outputs[2]);
    let order = ops::argsort(places, Some(-1))?;
    let [below, above] = lu_changes(lower, upper, &order, tangent(site, tangents)?)?;
    let last = below.ndim() - 1;
    let least = lower.shape()[last];
    let below = view::slice_axis(&below, last, 0, least)?;
    let above = view::slice_axis(&above, last - 1, 0, least)?;
    Ok(vec![None, Some(below), Some(above)])
}

/// With `W = dA·R⁻¹` and `M = Qᴴ·W`: `dQ = Q·(Ω - M) + W` and `dR = (M - Ω)·R`, where `Ω` is
/// skew-Hermitian with the strict lower triangle of `M` and, of a complex matrix, the imaginary
/// parts of its diagonal, which keep `R`'s real. Columns beyond the square follow as `Qᴴ·A`.
pub(super) fn qr(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let (q, r) = (&site.outputs[0], &site.outputs[1]);
    let change = tangent(site, tangents)?;
    let last = r.ndim() - 1;
    let (least, columns) = (r.shape()[last - 1], r.shape()[last]);
    let square = view::slice_axis(r, last, 0, least)?;
    let first = view::slice_axis(change, last, 0, least)?;
    let scaled = solve_right(&first, &square, true)?;
    let inner = ops::matmul(&adjoint(q)?, &scaled)?;
    let lower = ops::tril(&inner, -1)?;
    let mut skew = ops::subtract(&lower, &adjoint(&lower)?)?;
    if inner.dtype().is_complex() {
        let identity = ops::eye(least, least, 0, inner.dtype())?;
        let diagonal = ops::multiply(&inner, &identity)?;
        let real = ops::astype(&ops::real(&diagonal)?, inner.dtype())?;
        skew = ops::add(&skew, &ops::subtract(&diagonal, &real)?)?;
    }
    let basis = ops::matmul(q, &ops::subtract(&skew, &inner)?)?;
    let basis = ops::add(&basis, &scaled)?;
    let triangle = ops::matmul(&ops::subtract(&inner, &skew)?, &square)?;
    if columns == least {
        return Ok(vec![Some(basis), Some(triangle)]);
    }
    let rest = view::slice_axis(&site.inputs[0], last, least, columns)?;
    let rest_change = view::slice_axis(change, last, least, columns)?;
    let rest = ops::add(
        &ops::matmul(&adjoint(&basis)?, &rest)?,
        &ops::matmul(&adjoint(q)?, &rest_change)?,
    )?;
    let whole = ops::concatenate(&[&triangle, &rest], last as i64)?;
    Ok(vec![Some(basis), Some(whole)])
}
