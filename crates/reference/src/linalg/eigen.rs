//! Eigenvalues.

use super::factor::qr;
use super::matrix::Matrix;
use num_complex::Complex64;

/// More sweeps than any matrix needs.
const SWEEPS: usize = 100;

/// Ascending eigenvalues and orthonormal eigenvectors of a Hermitian matrix by Jacobi's rotations
/// (1846).
pub(super) fn hermitian(a: &Matrix) -> (Vec<f64>, Matrix) {
    let size = a.rows;
    let mut matrix = a.clone();
    let mut basis = Matrix::identity(size);
    for _ in 0..SWEEPS {
        let mut done = true;
        for p in 0..size {
            for q in p + 1..size {
                done &= !rotate(&mut matrix, &mut basis, p, q);
            }
        }
        if done {
            break;
        }
    }
    let values: Vec<f64> = (0..size).map(|place| matrix.get(place, place).re).collect();
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut vectors = Matrix::zeros(size, size);
    for (place, &source) in order.iter().enumerate() {
        vectors.set_column(place, &basis.column(source));
    }
    vectors.normalise_columns();
    (order.iter().map(|&place| values[place]).collect(), vectors)
}

/// Makes element `(p, q)` zero; false if it was.
fn rotate(matrix: &mut Matrix, basis: &mut Matrix, p: usize, q: usize) -> bool {
    let element = matrix.get(p, q);
    let (alpha, beta) = (matrix.get(p, p).re, matrix.get(q, q).re);
    let modulus = element.norm();
    if modulus == 0.0 || modulus <= 1e-17 * (alpha.abs() + beta.abs()) {
        return false;
    }
    let zeta = (beta - alpha) / (2.0 * modulus);
    let sign = if zeta < 0.0 { -1.0 } else { 1.0 };
    let tangent = sign / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sine = element / modulus * (cosine * tangent);
    for target in [&mut *matrix, basis] {
        for row in 0..target.rows {
            let (a, b) = (target.get(row, p), target.get(row, q));
            target.set(row, p, a * cosine - b * sine.conj());
            target.set(row, q, a * sine + b * cosine);
        }
    }
    for column in 0..matrix.columns {
        let (a, b) = (matrix.get(p, column), matrix.get(q, column));
        matrix.set(p, column, a * cosine - b * sine);
        matrix.set(q, column, a * sine.conj() + b * cosine);
    }
    true
}

/// Eigenvalues and normalised eigenvectors of any square matrix, in no order, by shifted QR steps
/// down to a triangle; nothing if they do not get there.
pub(super) fn general(a: &Matrix) -> Option<(Vec<Complex64>, Matrix)> {
    let size = a.rows;
    let (triangle, basis) = schur(a)?;
    let values: Vec<Complex64> = (0..size).map(|place| triangle.get(place, place)).collect();
    let mut vectors = Matrix::zeros(size, size);
    let scale = triangle.values.iter().map(|v| v.norm()).fold(0.0, f64::max);
    for column in 0..size {
        // back substitution in (T - λ)·x = 0 with x[column] = 1
        let mut solution = vec![Complex64::default(); size];
        solution[column] = 1.0.into();
        for row in (0..column).rev() {
            let known: Complex64 = (row + 1..=column)
                .map(|k| triangle.get(row, k) * solution[k])
                .sum();
            let mut divisor = triangle.get(row, row) - values[column];
            if divisor.norm() <= scale * f64::EPSILON {
                divisor = (scale * f64::EPSILON).max(f64::MIN_POSITIVE).into();
            }
            solution[row] = -known / divisor;
        }
        vectors.set_column(column, &solution);
    }
    let mut vectors = basis.times(&vectors);
    vectors.normalise_columns();
    Some((values, vectors))
}

/// `A = Q·T·Qᴴ` with `T` upper triangular.
fn schur(a: &Matrix) -> Option<(Matrix, Matrix)> {
    let size = a.rows;
    let mut triangle = a.clone();
    let mut basis = Matrix::identity(size);
    let mut end = size;
    let scale = a
        .values
        .iter()
        .map(|value| value.norm())
        .fold(0.0, f64::max);
    let mut steps = 0;
    while end > 1 {
        let last = end - 1;
        let below: f64 = (0..last).map(|k| triangle.get(last, k).norm()).sum();
        if below <= 1e-17 * scale {
            for k in 0..last {
                triangle.set(last, k, Complex64::default());
            }
            end -= 1;
            steps = 0;
            continue;
        }
        steps += 1;
        if steps > 10_000 {
            return None;
        }
        let shift = wilkinson(&triangle, last, steps);
        step(&mut triangle, &mut basis, end, shift);
    }
    Some((triangle, basis))
}

/// The eigenvalue of the last two rows and columns next to the last element; now and then another
/// number, to leave a cycle.
fn wilkinson(matrix: &Matrix, last: usize, steps: usize) -> Complex64 {
    let (a, b) = (matrix.get(last - 1, last - 1), matrix.get(last - 1, last));
    let (c, d) = (matrix.get(last, last - 1), matrix.get(last, last));
    if steps.is_multiple_of(11) {
        return d + Complex64::new(c.norm(), 0.3 * c.norm());
    }
    let half = (a - d) / 2.0;
    let root = (half * half + b * c).sqrt();
    let (first, second) = (d + half + root, d + half - root);
    if (first - d).norm() < (second - d).norm() {
        first
    } else {
        second
    }
}

/// `A - σ = Q·R`, then `A ← Qᴴ·A·Q` on the first `end` rows and columns and beside them.
fn step(matrix: &mut Matrix, basis: &mut Matrix, end: usize, shift: Complex64) {
    let mut block = Matrix::zeros(end, end);
    for row in 0..end {
        for column in 0..end {
            block.set(row, column, matrix.get(row, column));
        }
        block.set(row, row, block.get(row, row) - shift);
    }
    let (q, _) = qr(&block, true);
    let mut rotation = Matrix::identity(matrix.rows);
    for row in 0..end {
        for column in 0..end {
            rotation.set(row, column, q.get(row, column));
        }
    }
    *matrix = rotation.adjoint().times(matrix).times(&rotation);
    *basis = basis.times(&rotation);
}
