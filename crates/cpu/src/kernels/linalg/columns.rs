//! Columns of vectors made comparable: length 1, the component of the greatest modulus real and
//! positive.

use super::element::Element;
use faer::MatMut;
use num_complex::Complex64;

/// What makes a column so.
pub(super) fn normalising_factor(column: impl Iterator<Item = Complex64>) -> Complex64 {
    let (mut greatest, mut most, mut squares) = (Complex64::default(), 0.0, 0.0);
    for value in column {
        let square = value.norm_sqr();
        squares += square;
        if square > most {
            (greatest, most) = (value, square);
        }
    }
    match most > 0.0 {
        true => greatest.conj() / (most.sqrt() * squares.sqrt()),
        false => 1.0.into(),
    }
}

/// Normalises every column of a matrix in column-major order; returns the factors.
pub(super) fn normalise<T: Element>(matrix: MatMut<'_, T>) -> Vec<Complex64> {
    each(matrix, |_, column| {
        let factor = normalising_factor(column.iter().map(|value| value.wide()));
        scale(column, factor);
        factor
    })
}

/// Multiplies a column.
pub(super) fn scale<T: Element>(column: &mut [T], factor: Complex64) {
    for value in column {
        *value = value.scaled(factor);
    }
}

/// What a function of every column of a matrix in column-major order returns.
pub(super) fn each<T: Element, R>(
    matrix: MatMut<'_, T>,
    mut visit: impl FnMut(usize, &mut [T]) -> R,
) -> Vec<R> {
    let columns = matrix.col_iter_mut().enumerate();
    columns
        .map(|(place, column)| {
            let column = column.try_as_col_major_mut();
            let column = column.expect("the matrix is in column-major order");
            visit(place, column.as_slice_mut())
        })
        .collect()
}
