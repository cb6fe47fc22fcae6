//! Factors of small matrices, eliminated step by step where they are small enough for the stack: in
//! batches of them a general factorisation spends more on its memory than on arithmetic.

use super::element::Element;
use faer::{MatMut, MatRef};

/// Most rows and columns.
pub(super) const LARGEST: usize = 8;

/// Whether a square matrix is small.
pub(super) fn is_small<T>(matrix: MatRef<'_, T>) -> bool {
    matrix.nrows() <= LARGEST && matrix.ncols() <= LARGEST
}

/// Factors of a small square matrix with its rows exchanged, column after column.
pub(super) struct Lu<T> {
    size: usize,
    columns: [[T; LARGEST]; LARGEST],
    order: [usize; LARGEST],
    exchanged: [u32; LARGEST],
}

impl<T: Element> Lu<T> {
    pub(super) fn new(matrix: MatRef<'_, T>) -> Self {
        let size = matrix.nrows();
        let mut columns = [[T::default(); LARGEST]; LARGEST];
        for (place, column) in columns.iter_mut().enumerate().take(size) {
            for (row, value) in column.iter_mut().enumerate().take(size) {
                *value = matrix[(row, place)];
            }
        }
        let order = std::array::from_fn(|row| row);
        let mut lu = Lu {
            size,
            columns,
            order,
            exchanged: std::array::from_fn(|step| step as u32),
        };
        (0..size).for_each(|step| lu.eliminate(step));
        lu
    }

    /// One step of elimination; a column without a pivot needs none.
    fn eliminate(&mut self, step: usize) {
        let (size, columns) = (self.size, &mut self.columns);
        let mut pivot = step;
        for row in step + 1..size {
            let [most, own] = [pivot, row].map(|row| columns[step][row].wide().l1_norm());
            if own > most {
                pivot = row;
            }
        }
        if pivot != step {
            self.exchanged[step] = pivot as u32;
            self.order.swap(step, pivot);
            columns[..size]
                .iter_mut()
                .for_each(|column| column.swap(step, pivot));
        }
        let divisor = columns[step][step];
        if divisor == T::default() {
            return;
        }
        let (before, after) = columns[..size].split_at_mut(step + 1);
        let left = &mut before[step];
        for value in &mut left[step + 1..size] {
            *value /= divisor;
        }
        for column in after {
            let factor = column[step];
            let rows = column[step + 1..size].iter_mut();
            for (value, left) in rows.zip(&left[step + 1..size]) {
                *value -= *left * factor;
            }
        }
    }

    /// The place of the first zero on the diagonal of `U`.
    pub(super) fn zero_pivot(&self) -> Option<usize> {
        (0..self.size).find(|&place| self.columns[place][place] == T::default())
    }

    /// Row `i` of `L·U` is this row of the matrix; rows past its size stay where they are.
    pub(super) fn order(&self) -> [usize; LARGEST] {
        self.order
    }

    /// For each step the row that it was exchanged with.
    pub(super) fn exchanges(&self) -> [u32; LARGEST] {
        self.exchanged
    }

    /// The diagonal of `U`.
    pub(super) fn pivots(&self) -> impl Iterator<Item = T> {
        (0..self.size).map(|place| self.columns[place][place])
    }

    /// Whether the rows were exchanged an odd number of times.
    pub(super) fn is_odd(&self) -> bool {
        let steps = self.exchanged.iter().enumerate();
        steps.filter(|(step, row)| *step != **row as usize).count() % 2 == 1
    }

    /// `U`, and `L` below the diagonal.
    pub(super) fn copy_into(&self, mut target: MatMut<'_, T>) {
        for column in 0..self.size {
            for row in 0..self.size {
                target[(row, column)] = self.columns[column][row];
            }
        }
    }

    /// Writes the solutions for right sides with given elements.
    pub(super) fn solve(&self, mut target: MatMut<'_, T>, right: impl Fn(usize, usize) -> T) {
        for column in 0..target.ncols() {
            let mut values = [T::default(); LARGEST];
            for (row, source) in self.order[..self.size].iter().enumerate() {
                values[row] = right(*source, column);
            }
            self.substitute(&mut values);
            for (row, value) in values.iter().enumerate().take(self.size) {
                target[(row, column)] = *value;
            }
        }
    }

    fn substitute(&self, values: &mut [T; LARGEST]) {
        for step in 0..self.size {
            let known = values[step];
            let rows = values[step + 1..self.size].iter_mut();
            for (value, factor) in rows.zip(&self.columns[step][step + 1..self.size]) {
                *value -= *factor * known;
            }
        }
        for step in (0..self.size).rev() {
            let known = values[step] / self.columns[step][step];
            values[step] = known;
            let rows = values[..step].iter_mut();
            for (value, factor) in rows.zip(&self.columns[step][..step]) {
                *value -= *factor * known;
            }
        }
    }
}

/// Replaces the lower triangle of a small matrix by its factor; fails with the place of a pivot that
/// is not positive.
pub(super) fn cholesky<T: Element>(mut matrix: MatMut<'_, T>) -> Result<(), usize> {
    let size = matrix.nrows();
    for step in 0..size {
        let pivot = matrix[(step, step)].wide().re;
        if pivot <= 0.0 {
            return Err(step);
        }
        let root = T::narrow(pivot.sqrt().into());
        matrix[(step, step)] = root;
        for row in step + 1..size {
            matrix[(row, step)] /= root;
        }
        for column in step + 1..size {
            let factor = matrix[(column, step)].conjugate();
            for row in column..size {
                let product = matrix[(row, step)] * factor;
                matrix[(row, column)] -= product;
            }
            let real = matrix[(column, column)].wide().re;
            matrix[(column, column)] = T::narrow(real.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;
    use num_complex::{Complex32, Complex64};

    fn random<T: Element>(size: usize, seed: usize) -> Mat<T> {
        Mat::from_fn(size, size, |row, column| {
            let value = |salt: usize| {
                // squares, since numbers in arithmetic progression make singular matrices
                let index = (row * 31 + column * 17 + seed * 101 + salt + 1).pow(2) * 7919 % 1009;
                index as f64 / 500.0 - 1.0
            };
            T::narrow(Complex64::new(value(0), value(5)))
        })
    }

    fn largest_difference<T: Element>(a: &Mat<T>, b: &Mat<T>) -> f64 {
        let places = (0..a.ncols()).flat_map(|column| (0..a.nrows()).map(move |row| (row, column)));
        let difference = |place| (a[place].wide() - b[place].wide()).norm();
        places.map(difference).fold(0.0, f64::max)
    }

    fn factors_restore<T: Element>(tolerance: f64) {
        for size in 0..=LARGEST {
            let matrix = random::<T>(size, size);
            let lu = Lu::new(matrix.as_ref());
            assert_eq!(lu.zero_pivot(), None);
            let identity = Mat::<T>::identity(size, size);
            let mut inverse = Mat::zeros(size, size);
            lu.solve(inverse.as_mut(), |row, column| identity[(row, column)]);
            let product = &matrix * &inverse;
            assert!(
                largest_difference(&product, &identity) < tolerance,
                "{size}"
            );
            let mut factors = Mat::zeros(size, size);
            lu.copy_into(factors.as_mut());
            let product = Mat::from_fn(size, size, |row, column| {
                let lower = |k: usize| match row == k {
                    true => T::narrow(1.0.into()),
                    false => factors[(row, k)],
                };
                let terms = (0..=row.min(column)).map(|k| lower(k) * factors[(k, column)]);
                terms.fold(T::default(), |sum, term| sum + term)
            });
            let ordered = Mat::from_fn(size, size, |row, column| matrix[(lu.order()[row], column)]);
            assert!(largest_difference(&product, &ordered) < tolerance, "{size}");
            let definite = &matrix * matrix.adjoint() + &identity;
            let mut lower = definite.clone();
            assert_eq!(cholesky(lower.as_mut()), Ok(()));
            for column in 1..size {
                (0..column).for_each(|row| lower[(row, column)] = T::default());
            }
            let product = &lower * lower.adjoint();
            assert!(
                largest_difference(&product, &definite) < tolerance,
                "{size}"
            );
        }
    }

    #[test]
    fn small_factors_restore_the_matrix() {
        factors_restore::<f32>(1e-3);
        factors_restore::<f64>(1e-11);
        factors_restore::<Complex32>(1e-3);
    }

    #[test]
    fn pivots_that_fail_are_named() {
        let mut matrix = random::<f64>(5, 1);
        for row in 0..5 {
            matrix[(row, 2)] = matrix[(row, 0)];
        }
        for row in 0..5 {
            matrix[(row, 1)] = 0.0;
        }
        assert_eq!(Lu::new(matrix.as_ref()).zero_pivot(), Some(1));
        let mut matrix = Mat::<f64>::identity(4, 4);
        matrix[(2, 2)] = -1.0;
        assert_eq!(cholesky(matrix.as_mut()), Err(2));
    }
}
