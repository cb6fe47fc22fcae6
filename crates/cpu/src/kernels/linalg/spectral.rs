//! Singular values and eigenvalues.

use super::element::Element;
use super::matrices::{Output, copied, copy_into};
use faer::linalg::solvers::{SelfAdjointEigen, Svd};
use faer::{Mat, MatMut, MatRef, Side};
use mlx_oxide_ir::{Error, Linalg, Result, SingularVectors};
use num_complex::{Complex32, Complex64};

fn failed(op: &Linalg, reason: &'static str) -> Error {
    Error::Numerical {
        op: op.name(),
        reason: reason.to_owned(),
    }
}

const ENDLESS: &str = "the iteration did not end";

/// Fails where the iterations would not end.
fn check_finite<T: Element>(op: &Linalg, a: MatRef<'_, T>) -> Result<()> {
    for column in 0..a.ncols() {
        for row in 0..a.nrows() {
            if !a[(row, column)].wide().is_finite() {
                return Err(failed(op, "the matrix has an infinity or NaN in it"));
            }
        }
    }
    Ok(())
}

/// What makes the component of the greatest modulus real and positive, and the length 1.
fn normalising_factor(column: impl Iterator<Item = Complex64>) -> Complex64 {
    let (mut greatest, mut squares) = (Complex64::default(), 0.0);
    for value in column {
        squares += value.norm_sqr();
        if value.norm() > greatest.norm() {
            greatest = value;
        }
    }
    if greatest == Complex64::default() {
        return 1.0.into();
    }
    greatest.conj() / greatest.norm() / squares.sqrt()
}

/// Copies columns, each normalised; returns the factors.
fn normalised<T: Element>(source: MatRef<'_, T>, mut target: MatMut<'_, T>) -> Vec<Complex64> {
    (0..source.ncols())
        .map(|column| {
            let values = (0..source.nrows()).map(|row| source[(row, column)].wide());
            let factor = normalising_factor(values);
            for row in 0..source.nrows() {
                let value = source[(row, column)].wide() * factor;
                target[(row, column)] = T::narrow(value);
            }
            factor
        })
        .collect()
}

pub(super) fn svd<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    vectors: SingularVectors,
) -> Result<()> {
    check_finite(op, a)?;
    if vectors == SingularVectors::None {
        let values = a.singular_values().map_err(|_| failed(op, ENDLESS))?;
        outputs[0].write(item, &values);
        return Ok(());
    }
    let least = a.nrows().min(a.ncols());
    if least == 0 {
        identity::<T>(outputs[0].matrix(item));
        identity::<T>(outputs[2].matrix(item));
        return Ok(());
    }
    let svd = match vectors {
        SingularVectors::Full => Svd::new(copied(a).as_ref()),
        SingularVectors::Thin | SingularVectors::None => Svd::new_thin(copied(a).as_ref()),
    };
    let svd = svd.map_err(|_| failed(op, ENDLESS))?;
    let factors = normalised(svd.U(), outputs[0].matrix::<T>(item));
    let values = svd.S().column_vector().iter();
    let values: Vec<T::Part> = values
        .map(|value: &T| T::narrow_part(value.wide().re))
        .collect();
    outputs[1].write(item, &values);
    let right = svd.V();
    let mut adjoint = outputs[2].matrix::<T>(item);
    for row in 0..right.ncols() {
        let factor = match factors.get(row).filter(|_| row < least) {
            Some(factor) => factor / factor.norm(),
            None => normalising_factor((0..right.nrows()).map(|k| right[(k, row)].wide())),
        };
        for column in 0..right.nrows() {
            let value = right[(column, row)].wide() * factor;
            adjoint[(row, column)] = T::narrow(value.conj());
        }
    }
    Ok(())
}

fn identity<T: Element>(mut matrix: MatMut<'_, T>) {
    for column in 0..matrix.ncols() {
        for row in 0..matrix.nrows() {
            let one = f64::from(u8::from(row == column));
            matrix[(row, column)] = T::narrow(one.into());
        }
    }
}

pub(super) fn pseudo_inverse<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    cutoff: f64,
) -> Result<()> {
    check_finite(op, a)?;
    if a.nrows().min(a.ncols()) == 0 {
        return Ok(());
    }
    let svd = Svd::new_thin(copied(a).as_ref()).map_err(|_| failed(op, ENDLESS))?;
    let values = svd.S().column_vector().iter();
    let values: Vec<f64> = values.map(|value: &T| value.wide().re).collect();
    let least = cutoff * values.first().copied().unwrap_or(0.0);
    let right = svd.V();
    let scaled = Mat::from_fn(right.nrows(), right.ncols(), |row, column| {
        let value = values[column];
        let factor = if value > least { 1.0 / value } else { 0.0 };
        T::narrow(right[(row, column)].wide() * factor)
    });
    let product = scaled * svd.U().adjoint();
    copy_into(product.as_ref(), outputs[0].matrix::<T>(item));
    Ok(())
}

pub(super) fn eigh<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    lower: bool,
    vectors: bool,
) -> Result<()> {
    let size = a.nrows();
    let mut matrix = copied(if lower { a } else { a.transpose() });
    for column in 0..size {
        for row in 0..size {
            if row < column {
                matrix[(row, column)] = T::default(); // not read
            } else if row == column {
                matrix[(row, row)] = T::narrow(matrix[(row, row)].wide().re.into());
            } else if !lower {
                matrix[(row, column)] = matrix[(row, column)].conjugate();
            }
        }
    }
    check_finite(op, matrix.as_ref())?;
    if size == 0 {
        return Ok(());
    }
    if !vectors {
        let values = matrix
            .self_adjoint_eigenvalues(Side::Lower)
            .map_err(|_| failed(op, ENDLESS))?;
        outputs[0].write(item, &values);
        return Ok(());
    }
    let eigen =
        SelfAdjointEigen::new(matrix.as_ref(), Side::Lower).map_err(|_| failed(op, ENDLESS))?;
    let values = eigen.S().column_vector().iter();
    let values: Vec<T::Part> = values
        .map(|value: &T| T::narrow_part(value.wide().re))
        .collect();
    outputs[0].write(item, &values);
    normalised(eigen.U(), outputs[1].matrix::<T>(item));
    Ok(())
}

pub(super) fn eig<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    vectors: bool,
) -> Result<()> {
    check_finite(op, a)?;
    if a.nrows() == 0 {
        return Ok(());
    }
    let (values, basis) =
        T::eigen(copied(a).as_ref(), vectors).ok_or_else(|| failed(op, ENDLESS))?;
    let narrow = |value: &Complex64| Complex32::new(value.re as f32, value.im as f32);
    outputs[0].write(item, &values.iter().map(narrow).collect::<Vec<_>>());
    if let Some(basis) = basis {
        let mut target = outputs[1].matrix::<Complex32>(item);
        for column in 0..basis.ncols() {
            let factor = normalising_factor((0..basis.nrows()).map(|row| basis[(row, column)]));
            for row in 0..basis.nrows() {
                target[(row, column)] = narrow(&(basis[(row, column)] * factor));
            }
        }
    }
    Ok(())
}
