//! Eigenvalues of general matrices, and what all spectra share.

use super::columns::{each, normalising_factor, scale};
use super::element::Element;
use super::matrices::{Output, copied};
use faer::{MatMut, MatRef};
use mlx_oxide_ir::{Error, Linalg, Result};
use num_complex::{Complex32, Complex64};

pub(super) fn failed(op: &Linalg, reason: &'static str) -> Error {
    Error::Numerical {
        op: op.name(),
        reason: reason.to_owned(),
    }
}

pub(super) const ENDLESS: &str = "the iteration did not end";

/// Brings a matrix near one, where the squares of its elements would overflow or vanish; returns by
/// what its values are to be multiplied. Fails where the iterations would not end.
pub(super) fn prepare<T: Element>(op: &Linalg, mut matrix: MatMut<'_, T>) -> Result<f64> {
    let greatest = each(matrix.as_mut(), |_, column| {
        let values = column.iter().map(|value| value.wide());
        values.fold(0.0f64, |most, value| {
            let modulus = value.re.abs().max(value.im.abs());
            match value.is_finite() {
                true => most.max(modulus),
                false => f64::INFINITY,
            }
        })
    });
    let greatest = greatest.into_iter().fold(0.0, f64::max);
    if greatest.is_infinite() {
        return Err(failed(op, "the matrix has an infinity or NaN in it"));
    }
    let ordinary = match size_of::<T::Part>() {
        4 => 20,
        _ => 250,
    };
    let exponent = greatest.log2().clamp(-1000.0, 1000.0) as i32;
    if greatest == 0.0 || exponent.abs() <= ordinary {
        return Ok(1.0);
    }
    each(matrix, |_, column| {
        scale(column, 2f64.powi(-exponent).into())
    });
    Ok(2f64.powi(exponent))
}

/// Values of a matrix before it was prepared.
pub(super) fn restored<T: Element>(values: Vec<T::Part>, multiple: f64) -> Vec<T::Part> {
    let restore = |value: T::Part| T::narrow_part(value.into() * multiple);
    values.into_iter().map(restore).collect()
}

pub(super) fn eig<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    vectors: bool,
) -> Result<()> {
    let mut matrix = copied(a);
    let multiple = prepare(op, matrix.as_mut())?;
    if a.nrows() == 0 {
        return Ok(());
    }
    let (values, basis) = T::eigen(matrix.as_ref(), vectors).ok_or_else(|| failed(op, ENDLESS))?;
    let narrow = |value: &Complex64| Complex32::new(value.re as f32, value.im as f32);
    let restored = values.iter().map(|value| narrow(&(value * multiple)));
    outputs[0].write(item, &restored.collect::<Vec<_>>());
    if let Some(basis) = basis {
        let mut target = outputs[1].matrix::<Complex32>(item);
        each(target.as_mut(), |place, column| {
            let values = basis.col(place);
            let factor = normalising_factor(values.iter().copied());
            for (to, value) in column.iter_mut().zip(values.iter()) {
                *to = narrow(&(value * factor));
            }
        });
    }
    Ok(())
}
