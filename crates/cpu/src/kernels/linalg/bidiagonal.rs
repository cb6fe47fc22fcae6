//! Singular values and vectors of real matrices in single precision. Reflections from both sides
//! leave two diagonals `B`; the squares of its values are those of `B*·B`, which has three, and its
//! vectors, interleaved, are those of the matrix with the elements of `B` beside a diagonal of
//! zeros (Golub and Kahan, "Calculating the singular values and pseudo-inverse of a matrix", 1965),
//! which twisted factorisations find one by one.

use super::blocks::Columns;
use super::element::Element;
use super::{tridiagonal, twisted};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_reflections,
};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::linalg::svd::bidiag::{bidiag_in_place, bidiag_in_place_scratch};
use faer::{Conj, Mat, MatMut, MatRef, Par};
use mlx_oxide_runtime::parallel;
use std::sync::atomic::{AtomicBool, Ordering};

/// Vectors that one task finds.
const COLUMNS: usize = 32;

/// A matrix with at least as many rows as columns, reduced to two diagonals.
pub(super) struct Bidiagonal<T> {
    /// The diagonals, and the reflections below and behind them.
    matrix: Mat<T>,
    /// The factors of the reflections, for blocks of them.
    left: Mat<T>,
    right: Mat<T>,
    diagonal: Vec<f64>,
    /// The elements behind the diagonal.
    behind: Vec<f64>,
}

impl<T: Element> Bidiagonal<T> {
    /// Reduces a matrix; `block` reflections are applied together afterwards.
    fn reduce(mut matrix: Mat<T>, block: usize) -> Self {
        let (rows, size) = (matrix.nrows(), matrix.ncols());
        debug_assert!(rows >= size && size > 0);
        let mut left = Mat::<T>::zeros(block, size);
        let mut right = Mat::<T>::zeros(block, size - 1);
        let request = bidiag_in_place_scratch::<T>(rows, size, Par::Seq, Default::default());
        bidiag_in_place(
            matrix.as_mut(),
            left.as_mut(),
            right.as_mut(),
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(request)),
            Default::default(),
        );
        let element = |row: usize, column: usize| match T::IS_REAL {
            true => matrix[(row, column)].wide().re,
            false => matrix[(row, column)].wide().norm(),
        };
        Bidiagonal {
            diagonal: (0..size).map(|place| element(place, place)).collect(),
            behind: (1..size).map(|place| element(place - 1, place)).collect(),
            matrix,
            left,
            right,
        }
    }

    /// For values alone.
    pub(super) fn without_vectors(matrix: Mat<T>) -> Self {
        Self::reduce(matrix, 1)
    }

    /// For values and vectors of a real matrix.
    pub(super) fn with_vectors(matrix: Mat<T>) -> Self {
        debug_assert!(T::IS_REAL);
        let block = recommended_block_size::<T>(matrix.nrows(), matrix.ncols());
        Self::reduce(matrix, block)
    }

    /// The values in ascending order, as the roots of the eigenvalues of `B*·B`: exact enough for
    /// single precision. Nothing if the iteration does not end.
    pub(super) fn values(&self) -> Option<Vec<f64>> {
        let size = self.diagonal.len();
        let before = |place: usize| match place {
            0 => 0.0,
            _ => self.behind[place - 1],
        };
        let square = |place: usize| self.diagonal[place].powi(2) + before(place).powi(2);
        let mut squares: Vec<f64> = (0..size).map(square).collect();
        let products = self.diagonal.iter().zip(&self.behind);
        let mut beside: Vec<f64> = products.map(|(own, next)| (own * next).abs()).collect();
        tridiagonal::eigenvalues(&mut squares, &mut beside, f64::EPSILON / 2.0).then(|| {
            let roots = squares.iter().map(|square| square.max(0.0).sqrt());
            roots.collect()
        })
    }

    /// Writes the vectors, those of greater values first, and behind them what completes a basis
    /// if there is room; tells whether they are exact, which they are not where values are the
    /// same or zero, or fewer than are found together.
    pub(super) fn vectors(
        &self,
        values: &[f64],
        mut left: MatMut<'_, T>,
        mut right: MatMut<'_, T>,
    ) -> bool {
        let size = values.len();
        let mut beside = Vec::with_capacity(2 * size);
        for place in 0..size {
            beside.push(self.diagonal[place]);
            beside.extend(self.behind.get(place));
        }
        let both = values.iter().rev().map(|value| -value);
        let both: Vec<f64> = both.chain(values.iter().copied()).collect();
        let Some(twisted) = twisted::Matrix::new(&vec![0.0; 2 * size], &beside, &both) else {
            return false;
        };
        let turned = self.matrix.transpose().to_owned();
        let (all, right_columns) = (left.ncols(), Columns::new(&mut right));
        let left_columns = Columns::new(&mut left);
        let failed = AtomicBool::new(false);
        parallel::for_each_range(all, COLUMNS, |first, end| {
            // SAFETY: both matrices are borrowed, and blocks have no column in common
            let (left, right) = unsafe {
                let right = right_columns.range(first.min(size), end.min(size));
                (left_columns.range(first, end), right)
            };
            if !self.columns(&twisted, &turned, first, left, right) {
                failed.store(true, Ordering::Relaxed);
            }
        });
        !failed.into_inner()
    }

    /// Writes some vectors, the first of which has the number `first`; tells whether they are
    /// exact.
    fn columns(
        &self,
        twisted: &twisted::Matrix,
        turned: &Mat<T>,
        first: usize,
        mut left: MatMut<'_, T>,
        mut right: MatMut<'_, T>,
    ) -> bool {
        const LANES: usize = twisted::LANES;
        let size = self.diagonal.len();
        left.fill(T::default());
        let narrow = |value: f64| T::narrow((value * std::f64::consts::SQRT_2).into());
        for begin in (0..right.ncols()).step_by(LANES) {
            // the least of them, which is the last column
            let last = (2 * size).checked_sub(first + begin + LANES);
            let Some(rows) = last.and_then(|last| twisted.vectors(last)) else {
                return false;
            };
            for lane in 0..LANES.min(right.ncols() - begin) {
                let own = LANES - 1 - lane;
                for (row, pair) in rows.chunks_exact(2).enumerate() {
                    right[(row, begin + lane)] = narrow(pair[0][own]);
                    left[(row, begin + lane)] = narrow(pair[1][own]);
                }
            }
        }
        for column in right.ncols()..left.ncols() {
            left[(first + column, column)] = T::narrow(1.0.into());
        }
        reflect(self.matrix.as_ref(), &self.left, left);
        let reflections = turned.as_ref().submatrix(1, 0, size - 1, size - 1);
        reflect(reflections, &self.right, right.subrows_mut(1, size - 1));
        true
    }
}

/// Applies reflections to some columns.
fn reflect<T: Element>(reflections: MatRef<'_, T>, factors: &Mat<T>, columns: MatMut<'_, T>) {
    if columns.ncols() * columns.nrows() == 0 {
        return;
    }
    let request = apply_scratch::<T>(columns.nrows(), factors.nrows(), columns.ncols());
    apply_reflections(
        reflections,
        factors.as_ref(),
        Conj::No,
        columns,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(request)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(rows: usize, columns: usize) -> Mat<f32> {
        let number = |index: usize| ((index * index * 7919 + 13) % 1009) as f32 / 500.0 - 1.0;
        Mat::from_fn(rows, columns, |row, column| number(row * columns + column))
    }

    fn is_orthogonal(vectors: MatRef<'_, f32>, tolerance: f32) {
        let products = vectors.transpose() * vectors;
        for column in 0..products.ncols() {
            for row in 0..products.nrows() {
                let one = f32::from(u8::from(row == column));
                let error = (products[(row, column)] - one).abs();
                assert!(error < tolerance, "{row} {column}: {error}");
            }
        }
    }

    /// Vectors are orthogonal and restore the matrix, up to the rounding of single precision.
    fn check(matrix: &Mat<f32>, full: bool, apart: bool) {
        let (rows, size) = (matrix.nrows(), matrix.ncols());
        let mut left = Mat::zeros(rows, if full { rows } else { size });
        let mut right = Mat::zeros(size, size);
        let bidiagonal = Bidiagonal::with_vectors(matrix.clone());
        let values = bidiagonal.values().unwrap();
        let found = bidiagonal.vectors(&values, left.as_mut(), right.as_mut());
        assert_eq!(found, apart, "{rows} {size}");
        if !found {
            return;
        }
        let tolerance = 4.0 * rows as f32 * f32::EPSILON;
        is_orthogonal(left.as_ref(), tolerance);
        is_orthogonal(right.as_ref(), tolerance);
        let greatest = values[size - 1] as f32;
        let scaled = Mat::from_fn(rows, size, |row, column| {
            left[(row, column)] * values[size - 1 - column] as f32
        });
        let product = scaled * right.transpose();
        for column in 0..size {
            for row in 0..rows {
                let error = (product[(row, column)] - matrix[(row, column)]).abs();
                assert!(error < tolerance * greatest, "{row} {column}: {error}");
            }
        }
    }

    #[test]
    fn vectors_of_values_apart_restore_the_matrix() {
        for (rows, columns) in [(8, 8), (19, 9), (24, 24), (33, 31), (70, 64), (130, 100)] {
            check(&random(rows, columns), false, true);
            check(&random(rows, columns), true, true);
        }
    }

    #[test]
    fn values_side_by_side_or_zero_have_no_vectors() {
        check(&Mat::identity(30, 30), false, false);
        check(&Mat::zeros(30, 24), false, false);
        let column = random(40, 2);
        check(&(&column * column.transpose()), false, false); // of rank 2
    }

    #[test]
    fn values_are_those_of_the_definition() {
        // reflections change no values
        for (rows, columns) in [(5, 5), (40, 25)] {
            let matrix = random(rows, columns);
            let values = Bidiagonal::without_vectors(matrix.clone())
                .values()
                .unwrap();
            let squares: f64 = values.iter().map(|value| value * value).sum();
            let elements = (0..columns).flat_map(|column| matrix.col(column).iter());
            let expected: f64 = elements.map(|value| f64::from(value * value)).sum();
            assert!((squares - expected).abs() < 1e-5 * expected);
            let tiny = Mat::from_fn(rows, columns, |row, column| matrix[(row, column)] * 1e-12);
            let tiny = Bidiagonal::without_vectors(tiny).values().unwrap();
            for (value, tiny) in values.iter().zip(tiny) {
                assert!((value * 1e-12 - tiny).abs() < 1e-17 * values[columns - 1]);
            }
        }
    }
}
