//! Triangular and orthogonal factors.

use super::blocks::{self, for_each_block};
use super::element::Element;
use super::elimination;
use super::matrices::{Output, copied, copy_into};
use super::orthogonal;
use super::reflections;
use super::small::{self, is_small};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_reflections,
};
use faer::linalg::qr::no_pivoting::factor::{
    qr_in_place, qr_in_place_scratch, recommended_block_size,
};
use faer::{ColMut, Conj, Mat, MatMut, MatRef, Par};
use mlx_oxide_ir::{Error, Linalg, Result};
use num_complex::Complex64;

pub(super) fn cholesky<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    upper: bool,
) -> Result<()> {
    let size = a.nrows();
    let mut output = outputs[0].matrix::<T>(item);
    let triangle = if upper { a.transpose() } else { a };
    let mut lower = match upper {
        true => copied(triangle),
        false => Mat::zeros(0, 0),
    };
    let mut work = if upper {
        lower.as_mut()
    } else {
        copy_into(triangle, output.as_mut());
        output.as_mut()
    };
    let mut defined = true;
    for column in 0..size {
        work[(column, column)] = T::narrow(work[(column, column)].wide().re.into());
        for row in column..size {
            if upper {
                work[(row, column)] = work[(row, column)].conjugate();
            }
            defined &= !work[(row, column)].wide().is_nan();
        }
    }
    if defined {
        factor_lower(op, work.as_mut())?;
    } else {
        not_a_number(work.as_mut());
    }
    for column in 1..size {
        for row in 0..column {
            work[(row, column)] = T::default(); // what elimination left there
        }
    }
    if upper {
        for column in 0..size {
            for row in 0..size {
                output[(row, column)] = lower[(column, row)].conjugate();
            }
        }
    }
    Ok(())
}

fn factor_lower<T: Element>(op: &Linalg, matrix: MatMut<'_, T>) -> Result<()> {
    let not_definite = |index: usize| Error::Numerical {
        op: op.name(),
        reason: format!("the matrix is not positive definite: pivot {index} is not positive"),
    };
    if is_small(matrix.as_ref()) {
        return small::cholesky(matrix).map_err(not_definite);
    }
    let size = matrix.nrows();
    let request = llt::factor::cholesky_in_place_scratch::<T>(size, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(request);
    llt::factor::cholesky_in_place(
        matrix,
        Default::default(),
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map(|_| ())
    .map_err(|error| {
        let llt::factor::LltError::NonPositivePivot { index } = error;
        not_definite(index)
    })
}

/// NaN in the lower triangle.
fn not_a_number<T: Element>(mut matrix: MatMut<'_, T>) {
    for column in 0..matrix.ncols() {
        for row in column..matrix.nrows() {
            matrix[(row, column)] = T::narrow(Complex64::new(f64::NAN, f64::NAN));
        }
    }
}

/// Factors of a matrix with its rows exchanged.
pub(super) struct Lu<T> {
    /// `U`, and `L` below the diagonal.
    pub(super) factors: Mat<T>,
    /// Row `i` of `L·U` is this row of the matrix.
    pub(super) permutation: Vec<usize>,
}

impl<T: Element> Lu<T> {
    pub(super) fn new(a: MatRef<'_, T>) -> Self {
        let mut factors = copied(a);
        let permutation = factor_in_place(a, factors.as_mut());
        Lu {
            factors,
            permutation,
        }
    }

    /// The place of the first zero on the diagonal of `U`.
    pub(super) fn zero_pivot(&self) -> Option<usize> {
        (0..self.factors.nrows()).find(|&place| self.factors[(place, place)] == T::default())
    }
}

/// Factors a copy of `a` and returns the permutation.
fn factor_in_place<T: Element>(a: MatRef<'_, T>, mut factors: MatMut<'_, T>) -> Vec<usize> {
    let (rows, columns) = (a.nrows(), a.ncols());
    let order = match rows.min(columns) >= elimination::SMALLEST {
        true => elimination::eliminate_blocks(factors.as_mut()),
        false => elimination::factor_panel(factors.as_mut()),
    };
    // blocked elimination divides by zero where a pivot is zero, though a column of zeros needs
    // no elimination: such a matrix is factored again, step by step
    let regular = (0..rows.min(columns)).all(|place| {
        let pivot = factors[(place, place)].wide();
        pivot != Complex64::default() && !pivot.is_nan()
    });
    if !regular {
        copy_into(a, factors.as_mut());
        return eliminate(factors);
    }
    order
}

/// Gaussian elimination step by step that leaves columns without a pivot alone.
fn eliminate<T: Element>(mut matrix: MatMut<'_, T>) -> Vec<usize> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let mut permutation: Vec<usize> = (0..rows).collect();
    for step in 0..rows.min(columns) {
        let mut pivot = step;
        for row in step + 1..rows {
            if matrix[(row, step)].wide().l1_norm() > matrix[(pivot, step)].wide().l1_norm() {
                pivot = row;
            }
        }
        permutation.swap(step, pivot);
        for column in 0..columns {
            let (a, b) = (matrix[(step, column)], matrix[(pivot, column)]);
            matrix[(step, column)] = b;
            matrix[(pivot, column)] = a;
        }
        if matrix[(step, step)] == T::default() {
            continue;
        }
        let divisor = matrix[(step, step)].wide();
        for row in step + 1..rows {
            matrix[(row, step)] = T::narrow(matrix[(row, step)].wide() / divisor);
        }
        for column in step + 1..columns {
            let factor = matrix[(step, column)].wide();
            for row in step + 1..rows {
                let product = matrix[(row, step)].wide() * factor;
                matrix[(row, column)] = T::narrow(matrix[(row, column)].wide() - product);
            }
        }
    }
    permutation
}

/// For each step the row that it was exchanged with.
pub(super) fn exchanges(permutation: &[usize], steps: usize) -> Vec<u32> {
    let mut rows: Vec<usize> = (0..permutation.len()).collect();
    let mut places = rows.clone();
    (0..steps)
        .map(|step| {
            let place = places[permutation[step]];
            let displaced = rows[step];
            rows.swap(step, place);
            places.swap(displaced, permutation[step]);
            place as u32
        })
        .collect()
}

pub(super) fn lu<T: Element>(a: MatRef<'_, T>, outputs: &[Output], item: usize) -> Result<()> {
    let mut factors = outputs[0].matrix::<T>(item);
    if a.nrows() == a.ncols() && is_small(a) {
        let lu = small::Lu::new(a);
        lu.copy_into(factors);
        let size = a.nrows();
        outputs[1].write(item, &lu.exchanges()[..size]);
        outputs[2].write(item, &lu.order().map(|row| row as u32)[..size]);
        return Ok(());
    }
    copy_into(a, factors.as_mut());
    let permutation = factor_in_place(a, factors);
    let steps = a.nrows().min(a.ncols());
    outputs[1].write(item, &exchanges(&permutation, steps));
    let narrow: Vec<u32> = permutation.iter().map(|row| *row as u32).collect();
    outputs[2].write(item, &narrow);
    Ok(())
}

/// The factors apart: made where the greater of them goes, from where the other's part is moved.
pub(super) fn lu_factors<T: Element>(a: MatRef<'_, T>, outputs: &[Output], item: usize) {
    let mut lower = outputs[1].matrix::<T>(item);
    let mut upper = outputs[2].matrix::<T>(item);
    let (rows, columns) = (a.nrows(), a.ncols());
    let is_tall = rows >= columns;
    let mut factors = match is_tall {
        true => lower.as_mut(),
        false => upper.as_mut(),
    };
    let mut places = vec![0u32; rows];
    let mut place_rows = |order: &[usize]| {
        for (place, row) in order[..rows].iter().enumerate() {
            places[*row] = place as u32;
        }
    };
    if rows == columns && is_small(a) {
        let lu = small::Lu::new(a);
        lu.copy_into(factors);
        place_rows(&lu.order());
    } else {
        copy_into(a, factors.as_mut());
        place_rows(&factor_in_place(a, factors));
    }
    outputs[0].write(item, &places);
    match is_tall {
        true => take_upper(lower, upper),
        false => take_lower(lower, upper),
    }
}

/// Moves `U` out of `L`'s matrix.
fn take_upper<T: Element>(lower: MatMut<'_, T>, upper: MatMut<'_, T>) {
    let one = T::narrow(1.0.into());
    for (place, (left, right)) in lower.col_iter_mut().zip(upper.col_iter_mut()).enumerate() {
        let (left, right) = (elements(left), elements(right));
        right[..=place].copy_from_slice(&left[..=place]);
        right[place + 1..].fill(T::default());
        left[..place].fill(T::default());
        left[place] = one;
    }
}

/// Moves `L` out of `U`'s matrix.
fn take_lower<T: Element>(lower: MatMut<'_, T>, upper: MatMut<'_, T>) {
    let one = T::narrow(1.0.into());
    for (place, (left, right)) in lower.col_iter_mut().zip(upper.col_iter_mut()).enumerate() {
        let (left, right) = (elements(left), elements(right));
        left[..place].fill(T::default());
        left[place] = one;
        left[place + 1..].copy_from_slice(&right[place + 1..]);
        right[place + 1..].fill(T::default());
    }
}

/// A column of an output.
fn elements<T: Element>(column: ColMut<'_, T>) -> &mut [T] {
    let column = column.try_as_col_major_mut();
    column
        .expect("outputs are in column-major order")
        .as_slice_mut()
}

pub(super) fn qr<T: Element>(a: MatRef<'_, T>, outputs: &[Output], item: usize) -> Result<()> {
    let mut q = outputs[0].matrix::<T>(item);
    let mut r = outputs[1].matrix::<T>(item);
    let least = a.nrows().min(a.ncols());
    if least == 0 {
        return Ok(());
    }
    if T::IS_REAL && is_small(a) {
        reflections::factor(a, q, r);
        return Ok(());
    }
    reflect(a, q.as_mut(), r.as_mut());
    if T::IS_REAL {
        return Ok(());
    }
    // of complex factors the diagonal is made real and not negative
    for place in 0..least {
        let pivot = r[(place, place)].wide();
        let modulus = pivot.norm();
        if modulus == 0.0 || modulus.is_nan() {
            continue;
        }
        let phase = pivot / modulus;
        for column in place..r.ncols() {
            r[(place, column)] = T::narrow(r[(place, column)].wide() * phase.conj());
        }
        r[(place, place)] = T::narrow(modulus.into());
        for row in 0..q.nrows() {
            q[(row, place)] = T::narrow(q[(row, place)].wide() * phase);
        }
    }
    Ok(())
}

/// As [`orthogonal::factor`], for complex matrices.
fn reflect_complex<T: Element>(mut matrix: MatMut<'_, T>) -> Mat<T> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let block = recommended_block_size::<T>(rows, columns);
    let mut factors = Mat::<T>::zeros(block, rows.min(columns));
    let request = qr_in_place_scratch::<T>(rows, columns, block, Par::Seq, Default::default());
    qr_in_place(
        matrix.as_mut(),
        factors.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(request)),
        Default::default(),
    );
    factors
}

/// Writes the factors of a matrix that is not empty.
fn reflect<T: Element>(a: MatRef<'_, T>, q: MatMut<'_, T>, mut r: MatMut<'_, T>) {
    let (rows, columns) = (a.nrows(), a.ncols());
    let least = rows.min(columns);
    let mut matrix = copied(a);
    let factors = match T::IS_REAL {
        true => orthogonal::factor(matrix.as_mut()),
        false => reflect_complex(matrix.as_mut()),
    };
    let block = factors.nrows();
    for column in 0..columns {
        for row in 0..least {
            let value = match row <= column {
                true => matrix[(row, column)],
                false => T::default(),
            };
            r[(row, column)] = value;
        }
    }
    let width = match rows * least * least < blocks::WORK {
        true => least,
        false => blocks::width(least).next_multiple_of(block),
    };
    for_each_block(q, width, |first, mut columns| {
        columns.fill(T::default());
        let count = columns.ncols();
        for place in 0..count {
            columns[(first + place, place)] = T::narrow(1.0.into());
        }
        // later reflections do not touch these columns of the identity
        let used = first + count;
        let request = apply_scratch::<T>(rows, block, count);
        apply_reflections(
            matrix.as_ref().subcols(0, used),
            factors.as_ref().subcols(0, used),
            Conj::No,
            columns,
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(request)),
        );
    });
}
