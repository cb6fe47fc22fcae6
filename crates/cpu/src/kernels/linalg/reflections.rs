//! Orthogonal factors of small real matrices by reflections, in double precision on the stack: in
//! batches of them blocks of reflections spend more on their memory than on arithmetic.

use super::element::Element;
use super::small::LARGEST;
use faer::{MatMut, MatRef};
use num_complex::Complex64;

/// Columns one behind the other.
type Columns = [[f64; LARGEST]; LARGEST];

/// Squares whose sums neither overflow nor lose digits.
const ORDINARY: std::ops::Range<f64> = 1e-280..1e280;

/// Writes `Q` `(m, k)` and `R` `(k, n)` of a matrix `(m, n)` of at most [`LARGEST`] rows and columns.
pub(super) fn factor<T: Element>(a: MatRef<'_, T>, mut q: MatMut<'_, T>, mut r: MatMut<'_, T>) {
    debug_assert!(T::IS_REAL && a.nrows() <= LARGEST && a.ncols() <= LARGEST);
    let (rows, columns) = (a.nrows(), a.ncols());
    let least = rows.min(columns);
    let mut upper: Columns = [[0.0; LARGEST]; LARGEST];
    for (column, values) in upper.iter_mut().enumerate().take(columns) {
        for (row, value) in values.iter_mut().enumerate().take(rows) {
            *value = a[(row, column)].wide().re;
        }
    }
    let mut vectors: Columns = [[0.0; LARGEST]; LARGEST];
    let mut scales = [0.0; LARGEST];
    for step in 0..least {
        let (head, scale) = reflection(&upper[step][step..rows], &mut vectors[step][step..rows]);
        upper[step][step] = head;
        scales[step] = scale;
        for column in &mut upper[step + 1..columns] {
            reflect(&mut column[step..rows], &vectors[step][step..rows], scale);
        }
    }
    let number = |value: f64| T::narrow(Complex64::new(value, 0.0));
    for column in 0..columns {
        for row in 0..least {
            let is_upper = row <= column;
            r[(row, column)] = number(if is_upper { upper[column][row] } else { 0.0 });
        }
    }
    for column in 0..least {
        let mut basis = [0.0; LARGEST];
        basis[column] = 1.0;
        // later reflections do not touch this column of the identity
        for step in (0..=column).rev() {
            let vector = &vectors[step][step..rows];
            reflect(&mut basis[step..rows], vector, scales[step]);
        }
        for row in 0..rows {
            q[(row, column)] = number(basis[row]);
        }
    }
}

/// Makes the vector of the reflection of a column on its first element, whose own first element is
/// 1; returns what the column's first element becomes and the multiple `τ` of `I - τ·v·vᵀ`, zero if
/// nothing else is in the column.
fn reflection(column: &[f64], vector: &mut [f64]) -> (f64, f64) {
    let (head, tail) = (column[0], &column[1..]);
    vector[0] = 1.0;
    if tail.iter().all(|value| *value == 0.0) {
        return (head, 0.0);
    }
    let reflected = -length(column).copysign(head);
    for (to, value) in vector[1..].iter_mut().zip(tail) {
        *to = value / (head - reflected);
    }
    (reflected, (reflected - head) / reflected)
}

/// The length of a vector that is not zero.
fn length(vector: &[f64]) -> f64 {
    let squares: f64 = vector.iter().map(|value| value * value).sum();
    if ORDINARY.contains(&squares) {
        return squares.sqrt();
    }
    let greatest = vector
        .iter()
        .fold(0.0f64, |most, value| most.max(value.abs()));
    let scaled = vector.iter().map(|value| (value / greatest).powi(2));
    greatest * scaled.sum::<f64>().sqrt()
}

/// Reflects a column: `x - τ·v·(vᵀ·x)`.
fn reflect(column: &mut [f64], vector: &[f64], scale: f64) {
    let products = column
        .iter()
        .zip(vector)
        .map(|(value, other)| value * other);
    let multiple = scale * products.sum::<f64>();
    for (value, other) in column.iter_mut().zip(vector) {
        *value -= multiple * other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    fn restores<T: Element>(matrix: &Mat<T>, tolerance: f64) {
        let (rows, columns) = (matrix.nrows(), matrix.ncols());
        let least = rows.min(columns);
        let (mut q, mut r) = (Mat::zeros(rows, least), Mat::zeros(least, columns));
        factor(matrix.as_ref(), q.as_mut(), r.as_mut());
        let (product, products) = (&q * &r, q.transpose() * &q);
        let most = (0..columns)
            .flat_map(|column| (0..rows).map(move |row| matrix[(row, column)].wide().norm()))
            .fold(f64::MIN_POSITIVE, f64::max);
        for column in 0..columns {
            for row in 0..rows {
                let error = product[(row, column)].wide() - matrix[(row, column)].wide();
                assert!(
                    error.norm() <= tolerance * most,
                    "{rows} {columns}: {row} {column}"
                );
            }
            for row in column + 1..least {
                assert_eq!(r[(row, column)], T::default(), "{rows} {columns}");
            }
        }
        for (row, column) in (0..least).flat_map(|row| (0..least).map(move |other| (row, other))) {
            let one = f64::from(u8::from(row == column));
            let error = products[(row, column)].wide() - one;
            assert!(error.norm() < tolerance, "{rows} {columns}: {row} {column}");
        }
    }

    fn all<T: Element>(tolerance: f64, extremes: [f64; 2]) {
        for (rows, columns) in (1..=LARGEST).flat_map(|m| (1..=LARGEST).map(move |n| (m, n))) {
            let number = |index: usize| ((index * index * 7919 + 13) % 1009) as f64 / 500.0 - 1.0;
            let of = |multiple: f64| {
                Mat::<T>::from_fn(rows, columns, |row, column| {
                    T::narrow((multiple * number(row * columns + column)).into())
                })
            };
            restores(&of(1.0), tolerance);
            restores(&of(0.0), tolerance);
            for multiple in extremes {
                restores(&of(multiple), tolerance);
            }
            // columns of zeros, and the same ones again
            let matrix = of(1.0);
            let fewer = Mat::<T>::from_fn(rows, columns, |row, column| match column % 3 {
                0 => T::default(),
                _ => matrix[(row, column / 3)],
            });
            restores(&fewer, tolerance);
        }
    }

    #[test]
    fn reflections_restore_small_matrices() {
        all::<f32>(2e-6, [1e-30, 1e36]);
        all::<f64>(1e-14, [1e-250, 1e300]);
    }

    #[test]
    fn infinities_and_nan_go_on() {
        for wrong in [f64::NAN, f64::INFINITY] {
            let matrix = Mat::<f64>::from_fn(3, 3, |row, column| match (row, column) {
                (1, 1) => wrong,
                _ => (row * 3 + column * column) as f64,
            });
            let (mut q, mut r) = (Mat::zeros(3, 3), Mat::zeros(3, 3));
            factor(matrix.as_ref(), q.as_mut(), r.as_mut());
            assert!(r[(1, 1)].is_nan());
        }
    }
}
