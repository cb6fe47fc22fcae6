//! Singular values.

use super::bidiagonal::Bidiagonal;
use super::columns::{each, normalise, normalising_factor, scale};
use super::element::Element;
use super::matrices::{Output, copied, copy_into};
use super::spectral::{ENDLESS, failed, prepare, restored};
use crate::kernels::shared::Shared;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd as decompose_into, svd_scratch};
use faer::{Auto, ColMut, Mat, MatMut, MatRef, Par, Spec};
use mlx_oxide_ir::{Linalg, Result, SingularVectors};
use mlx_oxide_runtime::parallel;

/// How much taller than wide a matrix may be whose values are found without a triangular factor.
const TALL: usize = 2;

/// Rows or columns of the smallest matrices whose vectors are found by twisted factorisations.
const SMALLEST_TWISTED: usize = 24;

/// Values that one task makes of vectors.
const QUOTIENTS: usize = 64;

pub(super) fn svd<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    vectors: SingularVectors,
) -> Result<()> {
    let mut matrix = copied(a);
    let multiple = prepare(op, matrix.as_mut())?;
    let least = a.nrows().min(a.ncols());
    if vectors == SingularVectors::None {
        let values = values(matrix).ok_or_else(|| failed(op, ENDLESS))?;
        outputs[0].write(item, &restored::<T>(values, multiple));
        return Ok(());
    }
    if least == 0 {
        identity::<T>(outputs[0].matrix(item));
        identity::<T>(outputs[2].matrix(item));
        return Ok(());
    }
    let mut adjoint = outputs[2].matrix::<T>(item);
    let mut right = Mat::<T>::zeros(adjoint.ncols(), adjoint.nrows());
    let values = decompose(matrix.as_ref(), outputs[0].matrix(item), right.as_mut());
    let values = values.ok_or_else(|| failed(op, ENDLESS))?;
    outputs[1].write(item, &restored::<T>(values, multiple));
    let factors = normalise(outputs[0].matrix::<T>(item));
    each(right.as_mut(), |place, column| {
        let factor = match factors.get(place).filter(|_| place < least) {
            Some(factor) => factor / factor.norm(),
            None => normalising_factor(column.iter().map(|value| value.wide())),
        };
        scale(column, factor);
        for value in column {
            *value = value.conjugate();
        }
    });
    copy_into(right.transpose(), adjoint.as_mut());
    Ok(())
}

fn identity<T: Element>(mut matrix: MatMut<'_, T>) {
    for column in 0..matrix.ncols() {
        for row in 0..matrix.nrows() {
            let one = f64::from(u8::from(row == column));
            matrix[(row, column)] = T::narrow(one.into());
        }
    }
}

/// The singular values of a matrix that is not empty; writes the vectors, thin or full as there is
/// room. Nothing if the iteration does not end.
fn decompose<T: Element>(
    matrix: MatRef<'_, T>,
    mut left: MatMut<'_, T>,
    mut right: MatMut<'_, T>,
) -> Option<Vec<T::Part>> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let single = T::IS_REAL && size_of::<T::Part>() == 4;
    if single
        && rows.min(columns) >= SMALLEST_TWISTED
        && rows.max(columns) <= TALL * rows.min(columns)
    {
        let found = match rows < columns {
            true => twisted(copied(matrix.transpose()), right.as_mut(), left.as_mut()),
            false => twisted(copied(matrix), left.as_mut(), right.as_mut()),
        };
        if found {
            return Some(quotients(matrix, left.as_ref(), right.as_ref()));
        }
    }
    divide(matrix, left, right)
}

/// Writes the vectors of a real matrix in single precision with at least as many rows as columns,
/// if they are found without division into halves.
fn twisted<T: Element>(matrix: Mat<T>, left: MatMut<'_, T>, right: MatMut<'_, T>) -> bool {
    let bidiagonal = Bidiagonal::with_vectors(matrix);
    let values = bidiagonal.values();
    values.is_some_and(|values| bidiagonal.vectors(&values, left, right))
}

/// As [`decompose`], by division into halves.
fn divide<T: Element>(
    matrix: MatRef<'_, T>,
    mut left: MatMut<'_, T>,
    mut right: MatMut<'_, T>,
) -> Option<Vec<T::Part>> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let least = rows.min(columns);
    let which = |matrix: &MatMut<'_, T>| match matrix.ncols() > least {
        true => ComputeSvdVectors::Full,
        false => ComputeSvdVectors::Thin,
    };
    let params = Spec::<SvdParams, T>::default();
    let (left_kind, right_kind) = (which(&left), which(&right));
    // the solver writes no zeros beside the vectors that complete a basis
    if left_kind == ComputeSvdVectors::Full {
        left.fill(T::default());
    }
    if right_kind == ComputeSvdVectors::Full {
        right.fill(T::default());
    }
    let request = svd_scratch::<T>(rows, columns, left_kind, right_kind, Par::Seq, params);
    let mut values = vec![T::default(); least];
    decompose_into(
        matrix,
        ColMut::from_slice_mut(&mut values).as_diagonal_mut(),
        Some(left.as_mut()),
        Some(right.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(request)),
        params,
    )
    .ok()?;
    if size_of::<T::Part>() == 4 {
        return Some(quotients(matrix, left.as_ref(), right.as_ref()));
    }
    let part = |value: &T| T::narrow_part(value.wide().re);
    Some(values.iter().map(part).collect())
}

/// The singular values that belong to vectors, `|u*Av| / (|u|·|v|)`: their error is the square of the vectors',
/// where the solver's own values in single precision are off by a hundred roundings.
fn quotients<T: Element>(
    matrix: MatRef<'_, T>,
    left: MatRef<'_, T>,
    right: MatRef<'_, T>,
) -> Vec<T::Part> {
    let least = matrix.nrows().min(matrix.ncols());
    let mut values = vec![0f64; least];
    let found = Shared(values.as_mut_ptr());
    parallel::for_each_range(least, QUOTIENTS, |first, end| {
        let count = end - first;
        let (left, right) = (left.subcols(first, count), right.subcols(first, count));
        let images = matrix * right;
        for place in 0..count {
            let [left, image, right] = [left, images.as_ref(), right].map(|own| own.col(place));
            let terms = left.iter().zip(image.iter());
            let terms = terms.map(|(left, image)| left.wide().conj() * image.wide());
            let product = terms.sum::<num_complex::Complex64>().norm();
            let [left, right] = [left, right]
                .map(|column| -> f64 { column.iter().map(|value| value.wide().norm_sqr()).sum() });
            // SAFETY: each value is one task's own
            unsafe {
                *found.pointer().wrapping_add(first + place) = product / (left * right).sqrt()
            };
        }
    });
    // equal ones may come out in either order
    for place in (1..least).rev() {
        values[place - 1] = values[place - 1].max(values[place]);
    }
    values.into_iter().map(T::narrow_part).collect()
}

/// The singular values alone, in descending order.
fn values<T: Element>(matrix: Mat<T>) -> Option<Vec<T::Part>> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let least = rows.min(columns);
    if least == 0 {
        return Some(Vec::new());
    }
    // squares of single precision are exact enough in double precision
    if size_of::<T::Part>() == 4 && rows.max(columns) <= TALL * least {
        return match rows < columns {
            true => values_by_squares(copied(matrix.transpose())),
            false => values_by_squares(matrix),
        };
    }
    let mut params = <SvdParams as Auto<T>>::auto();
    params.recursion_threshold = usize::MAX; // without vectors there is little to divide
    let params = Spec::new(params);
    let none = ComputeSvdVectors::No;
    let request = svd_scratch::<T>(rows, columns, none, none, Par::Seq, params);
    let mut values = vec![T::default(); least];
    decompose_into(
        matrix.as_ref(),
        ColMut::from_slice_mut(&mut values).as_diagonal_mut(),
        None,
        None,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(request)),
        params,
    )
    .ok()?;
    let part = |value: &T| T::narrow_part(value.wide().re);
    Some(values.iter().map(part).collect())
}

/// The singular values of a matrix in single precision with at least as many rows as columns.
fn values_by_squares<T: Element>(matrix: Mat<T>) -> Option<Vec<T::Part>> {
    let values = Bidiagonal::without_vectors(matrix).values()?;
    Some(values.into_iter().rev().map(T::narrow_part).collect())
}

pub(super) fn pseudo_inverse<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    cutoff: f64,
) -> Result<()> {
    let mut matrix = copied(a);
    let multiple = prepare(op, matrix.as_mut())?;
    let least = a.nrows().min(a.ncols());
    if least == 0 {
        return Ok(());
    }
    let mut left = Mat::<T>::zeros(a.nrows(), least);
    let mut right = Mat::<T>::zeros(a.ncols(), least);
    let values = decompose(matrix.as_ref(), left.as_mut(), right.as_mut());
    let values = values.ok_or_else(|| failed(op, ENDLESS))?;
    let values: Vec<f64> = values.into_iter().map(Into::into).collect();
    let limit = cutoff * values[0];
    each(right.as_mut(), |place, column| {
        let value = values[place];
        let factor = match value > limit {
            true => 1.0 / (value * multiple),
            false => 0.0,
        };
        scale(column, factor.into());
    });
    let product = right * left.adjoint();
    copy_into(product.as_ref(), outputs[0].matrix::<T>(item));
    Ok(())
}
