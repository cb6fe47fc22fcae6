//! Eigenvalues of Hermitian matrices.

use super::blocks::for_each_block;
use super::columns::{each, normalise};
use super::element::Element;
use super::matrices::{Output, copied};
use super::spectral::{ENDLESS, failed, prepare, restored};
use super::{reduction, tridiagonal, twisted};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::evd::{
    ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch,
};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_reflections,
};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{ColMut, Conj, Mat, MatMut, MatRef, Par, Spec};
use mlx_oxide_ir::{Linalg, Result};
use num_complex::Complex64;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows of the smallest matrices whose eigenvectors are found by twisted factorisations.
const SMALLEST_TWISTED: usize = 24;
/// Rows of real matrices that are reduced panel by panel: with fewer there is little to gain, and
/// with more the matrix leaves the second cache, where reading it is all that counts.
const PANELS: std::ops::RangeInclusive<usize> = 64..=384;
/// What counts as zero beside the diagonal of matrices in single precision: far below their rounding,
/// and its square, by which most eigenvalues change, far below that of double precision.
const SINGLE: f64 = 1e-10;
/// Eigenvectors that one task finds.
const COLUMNS: usize = 64;

pub(super) fn eigh<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    lower: bool,
    vectors: bool,
) -> Result<()> {
    let mut matrix = copied(if lower { a } else { a.transpose() });
    each(matrix.as_mut(), |place, column| {
        column[..place].fill(T::default()); // not read
        column[place] = T::narrow(column[place].wide().re.into());
        if !lower {
            for value in &mut column[place + 1..] {
                *value = value.conjugate();
            }
        }
    });
    let multiple = prepare(op, matrix.as_mut())?;
    if a.nrows() == 0 {
        return Ok(());
    }
    let values = match vectors {
        true => decompose(matrix, outputs[1].matrix(item)),
        false => eigenvalues(matrix),
    };
    let values = values.ok_or_else(|| failed(op, ENDLESS))?;
    outputs[0].write(item, &restored::<T>(values, multiple));
    Ok(())
}

/// The eigenvalues; writes the eigenvectors, normalised. Nothing if the iteration does not end.
fn decompose<T: Element>(matrix: Mat<T>, mut basis: MatMut<'_, T>) -> Option<Vec<T::Part>> {
    if size_of::<T::Part>() == 4 && matrix.nrows() >= SMALLEST_TWISTED {
        let tridiagonal = Tridiagonal::new(matrix.clone());
        if let Some(values) = tridiagonal.decompose(basis.as_mut()) {
            return Some(values);
        }
    }
    let values = divide(matrix.as_ref(), basis.as_mut());
    normalise(basis);
    values
}

/// As [`decompose`], by division into halves; the vectors are not normalised.
fn divide<T: Element>(matrix: MatRef<'_, T>, basis: MatMut<'_, T>) -> Option<Vec<T::Part>> {
    let size = matrix.nrows();
    let params = Spec::<SelfAdjointEvdParams, T>::default();
    let request = self_adjoint_evd_scratch::<T>(size, ComputeEigenvectors::Yes, Par::Seq, params);
    let mut values = vec![T::default(); size];
    self_adjoint_evd(
        matrix,
        ColMut::from_slice_mut(&mut values).as_diagonal_mut(),
        Some(basis),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(request)),
        params,
    )
    .ok()?;
    let part = |value: &T| T::narrow_part(value.wide().re);
    Some(values.iter().map(part).collect())
}

/// The eigenvalues alone.
fn eigenvalues<T: Element>(matrix: Mat<T>) -> Option<Vec<T::Part>> {
    let values = Tridiagonal::new(matrix).values()?;
    Some(values.into_iter().map(T::narrow_part).collect())
}

/// Reduces a matrix to three diagonals by reflections, each of which changes it; returns their
/// factors for blocks of as many as `block`.
fn reduce_by_columns<T: Element>(mut matrix: MatMut<'_, T>, block: usize) -> Mat<T> {
    let size = matrix.nrows();
    let mut factors = Mat::<T>::zeros(block, size - 1);
    let request = tridiag_in_place_scratch::<T>(size, Par::Seq, Default::default());
    tridiag_in_place(
        matrix.as_mut(),
        factors.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(request)),
        Default::default(),
    );
    factors
}

/// A matrix reduced to three diagonals by reflections.
struct Tridiagonal<T> {
    /// The diagonal, the elements beside it, and below them the reflections.
    matrix: Mat<T>,
    /// Their factors, for blocks of them.
    factors: Mat<T>,
    diagonal: Vec<f64>,
    /// The moduli of the elements beside it.
    beside: Vec<f64>,
}

impl<T: Element> Tridiagonal<T> {
    fn new(mut matrix: Mat<T>) -> Self {
        let size = matrix.nrows();
        let block = recommended_block_size::<T>(size, size);
        let factors = match T::IS_REAL && PANELS.contains(&size) {
            true => reduction::reduce(matrix.as_mut(), block),
            false => reduce_by_columns(matrix.as_mut(), block),
        };
        let diagonal = (0..size).map(|place| matrix[(place, place)].wide().re);
        let beside = (1..size).map(|place| matrix[(place, place - 1)].wide().norm());
        let (diagonal, beside) = (diagonal.collect(), beside.collect());
        Tridiagonal {
            matrix,
            factors,
            diagonal,
            beside,
        }
    }

    fn values(&self) -> Option<Vec<f64>> {
        let (mut values, mut beside) = (self.diagonal.clone(), self.beside.clone());
        let precision = match size_of::<T::Part>() {
            4 => SINGLE,
            _ => f64::EPSILON / 2.0,
        };
        tridiagonal::eigenvalues(&mut values, &mut beside, precision).then_some(values)
    }

    /// Writes the eigenvectors, if they are found without division into halves.
    fn decompose(&self, basis: MatMut<'_, T>) -> Option<Vec<T::Part>> {
        let values = self.values()?;
        let twisted = twisted::Matrix::new(&self.diagonal, &self.beside, &values)?;
        let phases = self.phases();
        let failed = AtomicBool::new(false);
        for_each_block(basis, COLUMNS, |first, columns| {
            if !self.columns(&twisted, &phases, first, columns) {
                failed.store(true, Ordering::Relaxed);
            }
        });
        let narrow = values.into_iter().map(T::narrow_part);
        (!failed.into_inner()).then(|| narrow.collect())
    }

    /// By what the rows of the eigenvectors are multiplied, since elements beside the diagonal are
    /// not their moduli.
    fn phases(&self) -> Vec<Complex64> {
        let mut phase = Complex64::from(1.0);
        let mut phases = vec![phase];
        for (place, modulus) in self.beside.iter().enumerate() {
            if *modulus > 0.0 {
                phase *= self.matrix[(place + 1, place)].wide() / modulus;
            }
            phases.push(phase);
        }
        phases
    }

    /// Writes some eigenvectors, the first of which has the number `first`; tells whether they are
    /// exact.
    fn columns(
        &self,
        twisted: &twisted::Matrix,
        phases: &[Complex64],
        first: usize,
        mut columns: MatMut<'_, T>,
    ) -> bool {
        let (size, count) = (columns.nrows(), columns.ncols());
        for begin in (0..count).step_by(twisted::LANES) {
            let Some(rows) = twisted.vectors(first + begin) else {
                return false;
            };
            for lane in 0..twisted::LANES.min(count - begin) {
                for (row, phase) in phases.iter().enumerate() {
                    columns[(row, begin + lane)] = T::narrow(phase * rows[row][lane]);
                }
            }
        }
        let block = self.factors.nrows();
        let request = apply_scratch::<T>(size - 1, block, count);
        apply_reflections(
            self.matrix.as_ref().submatrix(1, 0, size - 1, size - 1),
            self.factors.as_ref(),
            Conj::No,
            columns.as_mut().subrows_mut(1, size - 1),
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(request)),
        );
        normalise(columns);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_complex::Complex32;

    /// Vectors are orthogonal and belong to their values, up to the rounding of single precision.
    fn check<T: Element>(matrix: &Mat<T>, eigenvalues_apart: bool) {
        let size = matrix.nrows();
        let mut basis = Mat::<T>::zeros(size, size);
        let tridiagonal = Tridiagonal::new(matrix.clone());
        let found = tridiagonal.decompose(basis.as_mut()).is_some();
        assert_eq!(found, eigenvalues_apart, "{size}");
        let values = decompose(matrix.clone(), basis.as_mut()).unwrap();
        let values: Vec<f64> = values.into_iter().map(Into::into).collect();
        let norm = values
            .iter()
            .fold(1e-30f64, |most, value| most.max(value.abs()));
        let (image, products) = (matrix * &basis, basis.adjoint() * &basis);
        let tolerance = 4.0 * size as f64 * f64::from(f32::EPSILON);
        for column in 0..size {
            for row in 0..size {
                let expected = basis[(row, column)].wide() * values[column];
                let error = (image[(row, column)].wide() - expected).norm();
                assert!(error < tolerance * norm, "{size} {row} {column}: {error}");
                let one = f64::from(u8::from(row == column));
                let error = (products[(row, column)].wide() - one).norm();
                assert!(error < tolerance, "{size} {row} {column}: {error}");
            }
        }
    }

    fn random<T: Element>(size: usize) -> Mat<T> {
        let number = |index: usize| ((index * index * 7919 + 13) % 1009) as f64 / 500.0 - 1.0;
        let matrix = Mat::<T>::from_fn(size, size, |row, column| {
            let index = row * size + column;
            T::narrow(Complex64::new(number(index), number(index + 7)))
        });
        &matrix + matrix.adjoint()
    }

    #[test]
    fn vectors_of_values_apart_are_orthogonal() {
        for size in [1, 2, 5, 24, 33, 64, 130] {
            check(&random::<f32>(size), true);
            check(&random::<Complex32>(size), true);
        }
    }

    #[test]
    fn vectors_of_values_side_by_side_are_orthogonal() {
        for size in [24, 40] {
            check(&Mat::<f32>::identity(size, size), false);
            check(&Mat::<Complex32>::zeros(size, size), false);
            let column = random::<f32>(size);
            let column = column.as_ref().subcols(0, 2);
            check(&(column * column.transpose()), false); // of rank 2
        }
    }
}
