//! Singular values by rotations that make columns orthogonal (Hestenes 1958).

use super::matrix::{Matrix, length};
use num_complex::Complex64;

pub(super) struct Svd {
    pub(super) left: Matrix,
    pub(super) values: Vec<f64>,
    pub(super) right: Matrix,
}

/// More sweeps than any matrix needs.
const SWEEPS: usize = 100;

/// Thin or full factors of `A = U·S·Vᴴ`.
pub(super) fn svd(a: &Matrix, full: bool) -> Svd {
    let mut svd = if a.rows >= a.columns {
        tall(a)
    } else {
        let adjoint = tall(&a.adjoint());
        Svd {
            left: adjoint.right,
            values: adjoint.values,
            right: adjoint.left,
        }
    };
    if full {
        svd.left = completed(svd.left);
        svd.right = completed(svd.right);
    }
    let least = svd.values.len();
    let factors = svd.left.normalise_columns();
    for (column, factor) in factors.into_iter().enumerate().take(least) {
        svd.right.scale_column(column, factor / factor.norm());
    }
    for column in least..svd.right.columns {
        let mut rest = Matrix::zeros(svd.right.rows, 1);
        rest.set_column(0, &svd.right.column(column));
        rest.normalise_columns();
        svd.right.set_column(column, &rest.column(0));
    }
    svd
}

fn tall(a: &Matrix) -> Svd {
    let count = a.columns;
    let mut columns = a.clone();
    let mut right = Matrix::identity(count);
    for _ in 0..SWEEPS {
        let mut done = true;
        for p in 0..count {
            for q in p + 1..count {
                done &= !orthogonalise(&mut columns, &mut right, p, q);
            }
        }
        if done {
            break;
        }
    }
    let lengths: Vec<f64> = (0..count).map(|c| length(&columns.column(c))).collect();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| lengths[b].total_cmp(&lengths[a]));
    let mut svd = Svd {
        left: Matrix::zeros(a.rows, 0),
        values: Vec::new(),
        right: Matrix::zeros(count, count),
    };
    let greatest = order.first().map_or(0.0, |&first| lengths[first]);
    let mut left = Vec::new();
    for (place, &source) in order.iter().enumerate() {
        svd.right.set_column(place, &right.column(source));
        svd.values.push(lengths[source]);
        let column = columns.column(source);
        if lengths[source] > greatest * f64::EPSILON {
            left.push(column.iter().map(|v| v / lengths[source]).collect());
        } else {
            let next = another_direction(&left, a.rows);
            left.push(next);
        }
    }
    svd.left = from_columns(&left, a.rows);
    svd
}

/// Rotates two columns until they are orthogonal; false if they were.
fn orthogonalise(columns: &mut Matrix, right: &mut Matrix, p: usize, q: usize) -> bool {
    let (first, second) = (columns.column(p), columns.column(q));
    let (alpha, beta) = (length(&first).powi(2), length(&second).powi(2));
    let inner: Complex64 = first.iter().zip(&second).map(|(a, b)| a.conj() * b).sum();
    let modulus = inner.norm();
    if modulus == 0.0 || modulus <= 1e-16 * (alpha * beta).sqrt() {
        return false;
    }
    let zeta = (beta - alpha) / (2.0 * modulus);
    let tangent = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sine = inner / modulus * (cosine * tangent);
    for matrix in [columns, right] {
        for row in 0..matrix.rows {
            let (a, b) = (matrix.get(row, p), matrix.get(row, q));
            matrix.set(row, p, a * cosine - b * sine.conj());
            matrix.set(row, q, a * sine + b * cosine);
        }
    }
    true
}

fn from_columns(columns: &[Vec<Complex64>], rows: usize) -> Matrix {
    let mut matrix = Matrix::zeros(rows, columns.len());
    for (place, column) in columns.iter().enumerate() {
        matrix.set_column(place, column);
    }
    matrix
}

/// Orthonormal columns with more of them up to a basis.
fn completed(matrix: Matrix) -> Matrix {
    let mut columns: Vec<Vec<Complex64>> = (0..matrix.columns).map(|c| matrix.column(c)).collect();
    while columns.len() < matrix.rows {
        let next = another_direction(&columns, matrix.rows);
        columns.push(next);
    }
    from_columns(&columns, matrix.rows)
}

/// A unit vector orthogonal to all of these: what is left of the unit vector that they hold least
/// of.
fn another_direction(columns: &[Vec<Complex64>], rows: usize) -> Vec<Complex64> {
    let held = |row: usize| columns.iter().map(|c| c[row].norm_sqr()).sum::<f64>();
    let least = (0..rows).min_by(|&a, &b| held(a).total_cmp(&held(b)));
    let mut vector = vec![Complex64::default(); rows];
    if let Some(least) = least {
        vector[least] = 1.0.into();
    }
    for _ in 0..2 {
        // once more removes what rounding left
        for column in columns {
            let inner: Complex64 = column.iter().zip(&vector).map(|(a, b)| a.conj() * b).sum();
            for (value, direction) in vector.iter_mut().zip(column) {
                *value -= direction * inner;
            }
        }
    }
    let length = length(&vector);
    vector.iter().map(|value| value / length).collect()
}
