//! A dense complex matrix in row-major order.

use num_complex::Complex64;

#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) values: Vec<Complex64>,
}

impl Matrix {
    pub(super) fn zeros(rows: usize, columns: usize) -> Self {
        Matrix {
            rows,
            columns,
            values: vec![Complex64::default(); rows * columns],
        }
    }

    pub(super) fn identity(size: usize) -> Self {
        let mut identity = Self::zeros(size, size);
        for place in 0..size {
            identity.set(place, place, Complex64::from(1.0));
        }
        identity
    }

    pub(super) fn row(values: Vec<Complex64>) -> Self {
        Matrix {
            rows: 1,
            columns: values.len(),
            values,
        }
    }

    pub(super) fn get(&self, row: usize, column: usize) -> Complex64 {
        self.values[row * self.columns + column]
    }

    pub(super) fn set(&mut self, row: usize, column: usize, value: Complex64) {
        self.values[row * self.columns + column] = value;
    }

    pub(super) fn column(&self, column: usize) -> Vec<Complex64> {
        (0..self.rows).map(|row| self.get(row, column)).collect()
    }

    pub(super) fn set_column(&mut self, column: usize, values: &[Complex64]) {
        for (row, value) in values.iter().enumerate() {
            self.set(row, column, *value);
        }
    }

    pub(super) fn scale_column(&mut self, column: usize, factor: Complex64) {
        for row in 0..self.rows {
            self.set(row, column, self.get(row, column) * factor);
        }
    }

    pub(super) fn swap_rows(&mut self, first: usize, second: usize) {
        for column in 0..self.columns {
            let (a, b) = (self.get(first, column), self.get(second, column));
            self.set(first, column, b);
            self.set(second, column, a);
        }
    }

    /// Row `i` is row `order[i]` of this matrix.
    pub(super) fn with_rows(&self, order: &[usize]) -> Self {
        let mut result = Self::zeros(order.len(), self.columns);
        for (row, source) in order.iter().enumerate() {
            for column in 0..self.columns {
                result.set(row, column, self.get(*source, column));
            }
        }
        result
    }

    pub(super) fn adjoint(&self) -> Self {
        let mut result = Self::zeros(self.columns, self.rows);
        for row in 0..self.rows {
            for column in 0..self.columns {
                result.set(column, row, self.get(row, column).conj());
            }
        }
        result
    }

    pub(super) fn times(&self, other: &Matrix) -> Self {
        let mut result = Self::zeros(self.rows, other.columns);
        for row in 0..self.rows {
            for column in 0..other.columns {
                let terms = (0..self.columns).map(|k| self.get(row, k) * other.get(k, column));
                result.set(row, column, terms.sum());
            }
        }
        result
    }

    /// The Hermitian matrix of which one triangle is given; imaginary parts on the diagonal do
    /// not count.
    pub(super) fn hermitian(&self, lower: bool) -> Self {
        let mut result = self.clone();
        for row in 0..self.rows {
            result.set(row, row, Complex64::from(self.get(row, row).re));
            for column in 0..row {
                if lower {
                    result.set(column, row, self.get(row, column).conj());
                } else {
                    result.set(row, column, self.get(column, row).conj());
                }
            }
        }
        result
    }

    pub(super) fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    /// Columns normalised, the component of the greatest modulus real and positive. Returns the
    /// factors.
    pub(super) fn normalise_columns(&mut self) -> Vec<Complex64> {
        (0..self.columns)
            .map(|column| {
                let values = self.column(column);
                let factor = normalising_factor(&values);
                self.scale_column(column, factor);
                factor
            })
            .collect()
    }
}

/// `√Σ|x|²`.
pub(super) fn length(values: &[Complex64]) -> f64 {
    values.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt()
}

/// What makes a vector one of length 1 with a real and positive component of greatest modulus.
fn normalising_factor(values: &[Complex64]) -> Complex64 {
    let mut greatest = Complex64::default();
    for value in values {
        if value.norm() > greatest.norm() {
            greatest = *value;
        }
    }
    if greatest.norm() == 0.0 {
        return Complex64::from(1.0);
    }
    greatest.conj() / greatest.norm() / length(values)
}
