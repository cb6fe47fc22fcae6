//! Triangular factors.

use super::matrix::{Matrix, length};
use num_complex::Complex64;

/// `L` with `L·Lᴴ = A`, or the place of the first pivot that is not positive. NaN goes on.
pub(super) fn cholesky(a: &Matrix) -> Result<Matrix, usize> {
    let size = a.rows;
    let mut lower = Matrix::zeros(size, size);
    for column in 0..size {
        let known = |row: usize, lower: &Matrix| -> Complex64 {
            (0..column)
                .map(|k| lower.get(row, k) * lower.get(column, k).conj())
                .sum()
        };
        let pivot = (a.get(column, column) - known(column, &lower)).re;
        if pivot <= 0.0 {
            return Err(column);
        }
        let root = pivot.sqrt();
        lower.set(column, column, root.into());
        for row in column + 1..size {
            let value = (a.get(row, column) - known(row, &lower)) / root;
            lower.set(row, column, value);
        }
    }
    Ok(lower)
}

pub(super) struct Lu {
    pub(super) factors: Matrix,
    pub(super) pivots: Vec<usize>,
    pub(super) permutation: Vec<usize>,
}

impl Lu {
    /// The row of `L·U` that each row of the matrix is.
    pub(super) fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.permutation.len()];
        for (place, row) in self.permutation.iter().enumerate() {
            places[*row] = place;
        }
        places
    }

    /// `L` `(m, k)` with its ones.
    pub(super) fn lower(&self) -> Matrix {
        let rows = self.factors.rows;
        let mut lower = Matrix::zeros(rows, rows.min(self.factors.columns));
        for column in 0..lower.columns {
            lower.set(column, column, 1.0.into());
            for row in column + 1..rows {
                lower.set(row, column, self.factors.get(row, column));
            }
        }
        lower
    }

    /// `U` `(k, n)`.
    pub(super) fn upper(&self) -> Matrix {
        let columns = self.factors.columns;
        let mut upper = Matrix::zeros(self.factors.rows.min(columns), columns);
        for row in 0..upper.rows {
            for column in row..columns {
                upper.set(row, column, self.factors.get(row, column));
            }
        }
        upper
    }

    /// The determinant of the exchange of rows.
    pub(super) fn parity(&self) -> f64 {
        let exchanges = self.pivots.iter().enumerate();
        let count = exchanges.filter(|(step, row)| step != *row).count();
        if count.is_multiple_of(2) { 1.0 } else { -1.0 }
    }
}

/// What pivots are chosen by, as in LAPACK: `|re| + |im|`.
fn size_of(value: Complex64) -> f64 {
    value.re.abs() + value.im.abs()
}

/// Gaussian elimination, each pivot the greatest left in its column.
pub(super) fn lu(a: &Matrix) -> Lu {
    let mut factors = a.clone();
    let steps = a.rows.min(a.columns);
    let mut permutation: Vec<usize> = (0..a.rows).collect();
    let mut pivots = Vec::with_capacity(steps);
    for step in 0..steps {
        let mut pivot = step;
        for row in step + 1..a.rows {
            if size_of(factors.get(row, step)) > size_of(factors.get(pivot, step)) {
                pivot = row;
            }
        }
        pivots.push(pivot);
        permutation.swap(step, pivot);
        factors.swap_rows(step, pivot);
        let divisor = factors.get(step, step);
        if divisor.norm() == 0.0 {
            continue;
        }
        for row in step + 1..a.rows {
            let factor = factors.get(row, step) / divisor;
            factors.set(row, step, factor);
            for column in step + 1..a.columns {
                let value = factors.get(row, column) - factor * factors.get(step, column);
                factors.set(row, column, value);
            }
        }
    }
    Lu {
        factors,
        pivots,
        permutation,
    }
}

/// `X` with `T·X = B` for a triangle `T` of `a`, or the place of a zero on its diagonal.
pub(super) fn solve_triangular(
    a: &Matrix,
    b: &Matrix,
    upper: bool,
    unit_diagonal: bool,
) -> Result<Matrix, usize> {
    let size = a.rows;
    let order: Vec<usize> = if upper {
        (0..size).rev().collect()
    } else {
        (0..size).collect()
    };
    let mut solution = b.clone();
    for (number, &row) in order.iter().enumerate() {
        let divisor = if unit_diagonal {
            Complex64::from(1.0)
        } else {
            a.get(row, row)
        };
        if divisor.norm() == 0.0 {
            return Err(row);
        }
        for column in 0..b.columns {
            let known: Complex64 = order[..number]
                .iter()
                .map(|&k| a.get(row, k) * solution.get(k, column))
                .sum();
            let value = (solution.get(row, column) - known) / divisor;
            solution.set(row, column, value);
        }
    }
    Ok(solution)
}

/// `Q` with `min(m, n)` orthonormal columns and upper triangular `R`, by Householder reflections;
/// the diagonal of `R` has the sign opposite to that of the column's first element, as in LAPACK; of
/// a complex matrix it is then made positive.
pub(super) fn qr(a: &Matrix, complex: bool) -> (Matrix, Matrix) {
    let least = a.rows.min(a.columns);
    let mut reduced = a.clone();
    let mut basis = Matrix::identity(a.rows);
    // a real column of one element needs no reflection, as in LAPACK
    for step in 0..least {
        let column: Vec<Complex64> = (step..a.rows).map(|row| reduced.get(row, step)).collect();
        if length(&column[1..]) == 0.0 && column[0].im == 0.0 {
            continue;
        }
        let norm = length(&column);
        let beta = if column[0].re >= 0.0 { -norm } else { norm };
        let tau = (Complex64::from(beta) - column[0]) / beta;
        let scale = column[0] - beta;
        let mut reflector: Vec<Complex64> = column.iter().map(|value| value / scale).collect();
        reflector[0] = 1.0.into();
        // R ← (I - τ·v·vᴴ)ᴴ·R and Q ← Q·(I - τ·v·vᴴ)
        for column in 0..a.columns {
            let product: Complex64 = reflector
                .iter()
                .enumerate()
                .map(|(k, value)| value.conj() * reduced.get(step + k, column))
                .sum();
            for (k, value) in reflector.iter().enumerate() {
                let updated = reduced.get(step + k, column) - tau.conj() * value * product;
                reduced.set(step + k, column, updated);
            }
        }
        for row in 0..a.rows {
            let product: Complex64 = reflector
                .iter()
                .enumerate()
                .map(|(k, value)| basis.get(row, step + k) * value)
                .sum();
            for (k, value) in reflector.iter().enumerate() {
                let updated = basis.get(row, step + k) - tau * product * value.conj();
                basis.set(row, step + k, updated);
            }
        }
    }
    let mut q = Matrix::zeros(a.rows, least);
    for column in 0..least {
        q.set_column(column, &basis.column(column));
    }
    let mut r = Matrix::zeros(least, a.columns);
    for row in 0..least {
        for column in row..a.columns {
            r.set(row, column, reduced.get(row, column));
        }
    }
    if complex {
        make_positive(&mut q, &mut r);
    }
    (q, r)
}

/// Turns `R`'s diagonal to positive numbers, and `Q`'s columns with it.
fn make_positive(q: &mut Matrix, r: &mut Matrix) {
    for place in 0..r.rows {
        let pivot = r.get(place, place);
        if pivot.norm() == 0.0 || pivot.is_nan() {
            continue;
        }
        let phase = pivot / pivot.norm();
        for column in place..r.columns {
            r.set(place, column, r.get(place, column) * phase.conj());
        }
        q.scale_column(place, phase);
    }
}
