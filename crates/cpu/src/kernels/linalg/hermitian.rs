//! Eigenvalues of Hermitian matrices.

use super::columns::{each, normalise};
use super::element::Element;
use super::matrices::{Output, copied};
use super::spectral::{ENDLESS, check_finite, failed};
use super::tridiagonal;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::evd::{
    ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch,
};
use faer::{ColMut, Mat, MatMut, MatRef, Par, Spec};
use mlx_oxide_ir::{Linalg, Result};

pub(super) fn eigh<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    lower: bool,
    vectors: bool,
) -> Result<()> {
    let mut matrix = copied(if lower { a } else { a.transpose() });
    each(matrix.as_mut(), |place, column| {
        column[..place].fill(T::default()); // not read
        column[place] = T::narrow(column[place].wide().re.into());
        if !lower {
            for value in &mut column[place + 1..] {
                *value = value.conjugate();
            }
        }
    });
    check_finite(op, matrix.as_mut())?;
    if a.nrows() == 0 {
        return Ok(());
    }
    let values = match vectors {
        true => decompose(matrix.as_ref(), outputs[1].matrix(item)),
        false => eigenvalues(matrix),
    };
    let values = values.ok_or_else(|| failed(op, ENDLESS))?;
    outputs[0].write(item, &values);
    if vectors {
        normalise(outputs[1].matrix::<T>(item));
    }
    Ok(())
}

/// The eigenvalues; writes the eigenvectors. Nothing if the iteration does not end.
fn decompose<T: Element>(matrix: MatRef<'_, T>, basis: MatMut<'_, T>) -> Option<Vec<T::Part>> {
    let size = matrix.nrows();
    let params = Spec::<SelfAdjointEvdParams, T>::default();
    let request = self_adjoint_evd_scratch::<T>(size, ComputeEigenvectors::Yes, Par::Seq, params);
    let mut values = vec![T::default(); size];
    self_adjoint_evd(
        matrix,
        ColMut::from_slice_mut(&mut values).as_diagonal_mut(),
        Some(basis),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(request)),
        params,
    )
    .ok()?;
    let part = |value: &T| T::narrow_part(value.wide().re);
    Some(values.iter().map(part).collect())
}

/// The eigenvalues alone.
fn eigenvalues<T: Element>(mut matrix: Mat<T>) -> Option<Vec<T::Part>> {
    let size = matrix.nrows();
    let mut reflectors = Mat::<T>::zeros(1, size - 1);
    let request = tridiag_in_place_scratch::<T>(size, Par::Seq, Default::default());
    tridiag_in_place(
        matrix.as_mut(),
        reflectors.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(request)),
        Default::default(),
    );
    let diagonal = (0..size).map(|place| matrix[(place, place)].wide().re);
    let beside = (1..size).map(|place| matrix[(place, place - 1)].wide().norm());
    let (mut values, mut beside): (Vec<f64>, Vec<f64>) = (diagonal.collect(), beside.collect());
    tridiagonal::eigenvalues(&mut values, &mut beside)
        .then(|| values.into_iter().map(T::narrow_part).collect())
}
