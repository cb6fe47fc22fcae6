//! Eigenvalues of general matrices, and what all spectra share.

use super::columns::{each, normalising_factor};
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

/// Fails where the iterations would not end.
pub(super) fn check_finite<T: Element>(op: &Linalg, matrix: MatMut<'_, T>) -> Result<()> {
    let finite = each(matrix, |_, column| {
        let values = column.iter().map(|value| value.wide().is_finite());
        values.fold(true, |all, finite| all & finite)
    });
    match finite.into_iter().all(|finite| finite) {
        true => Ok(()),
        false => Err(failed(op, "the matrix has an infinity or NaN in it")),
    }
}

pub(super) fn eig<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    vectors: bool,
) -> Result<()> {
    let mut matrix = copied(a);
    check_finite(op, matrix.as_mut())?;
    if a.nrows() == 0 {
        return Ok(());
    }
    let (values, basis) = T::eigen(matrix.as_ref(), vectors).ok_or_else(|| failed(op, ENDLESS))?;
    let narrow = |value: &Complex64| Complex32::new(value.re as f32, value.im as f32);
    outputs[0].write(item, &values.iter().map(narrow).collect::<Vec<_>>());
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
