//! Linear equations and determinants.

use super::element::Element;
use super::factor::{Lu, exchanges};
use super::matrices::{Output, copy_into};
use super::small::{self, is_small};
use faer::linalg::triangular_solve as substitute;
use faer::{MatMut, MatRef, Par};
use mlx_oxide_ir::{Error, Linalg, Result};
use num_complex::Complex64;

fn singular(op: &Linalg, place: usize) -> Error {
    Error::Numerical {
        op: op.name(),
        reason: format!("the matrix is singular: pivot {place} is zero"),
    }
}

/// Replaces `right`, whose rows are in the order of the factors, by the solution.
fn substitute_both<T: Element>(lu: &Lu<T>, mut right: MatMut<'_, T>) {
    let factors = lu.factors.as_ref();
    substitute::solve_unit_lower_triangular_in_place(factors, right.as_mut(), Par::Seq);
    substitute::solve_upper_triangular_in_place(factors, right, Par::Seq);
}

fn solve_small<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    target: MatMut<'_, T>,
    right: impl Fn(usize, usize) -> T,
) -> Result<()> {
    let lu = small::Lu::new(a);
    match lu.zero_pivot() {
        Some(place) => Err(singular(op, place)),
        None => {
            lu.solve(target, right);
            Ok(())
        }
    }
}

pub(super) fn inverse<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
) -> Result<()> {
    let mut output = outputs[0].matrix::<T>(item);
    let element = |row: usize, column: usize| {
        let one = f64::from(u8::from(row == column));
        T::narrow(one.into())
    };
    if is_small(a) {
        return solve_small(op, a, output, element);
    }
    let lu = Lu::new(a);
    if let Some(place) = lu.zero_pivot() {
        return Err(singular(op, place));
    }
    let size = a.nrows();
    for column in 0..size {
        for row in 0..size {
            output[(row, column)] = element(lu.permutation[row], column);
        }
    }
    substitute_both(&lu, output);
    Ok(())
}

pub(super) fn general<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
) -> Result<()> {
    let mut output = outputs[0].matrix::<T>(item);
    if is_small(a) {
        return solve_small(op, a, output, |row, column| b[(row, column)]);
    }
    let lu = Lu::new(a);
    if let Some(place) = lu.zero_pivot() {
        return Err(singular(op, place));
    }
    for column in 0..b.ncols() {
        for (row, &source) in lu.permutation.iter().enumerate() {
            output[(row, column)] = b[(source, column)];
        }
    }
    substitute_both(&lu, output);
    Ok(())
}

pub(super) fn triangular<T: Element>(
    op: &Linalg,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    outputs: &[Output],
    item: usize,
    upper: bool,
    unit_diagonal: bool,
) -> Result<()> {
    let zero = |place: &usize| a[(*place, *place)] == T::default();
    if !unit_diagonal {
        let mut places: Vec<usize> = (0..a.nrows()).collect();
        if upper {
            places.reverse(); // the order of substitution
        }
        if let Some(place) = places.into_iter().find(zero) {
            return Err(singular(op, place));
        }
    }
    let mut output = outputs[0].matrix::<T>(item);
    copy_into(b, output.as_mut());
    match (upper, unit_diagonal) {
        (false, false) => substitute::solve_lower_triangular_in_place(a, output, Par::Seq),
        (false, true) => substitute::solve_unit_lower_triangular_in_place(a, output, Par::Seq),
        (true, false) => substitute::solve_upper_triangular_in_place(a, output, Par::Seq),
        (true, true) => substitute::solve_unit_upper_triangular_in_place(a, output, Par::Seq),
    }
    Ok(())
}

/// The pivots, and the determinant of the exchange of rows.
fn pivots<T: Element>(a: MatRef<'_, T>) -> (Vec<Complex64>, f64) {
    let lu = Lu::new(a);
    let size = a.nrows();
    let steps = exchanges(&lu.permutation, size);
    let swaps = steps.iter().enumerate();
    let odd = swaps.filter(|(step, row)| *step != **row as usize).count() % 2 == 1;
    let diagonal = (0..size).map(|place| lu.factors[(place, place)].wide());
    (diagonal.collect(), if odd { -1.0 } else { 1.0 })
}

pub(super) fn determinant<T: Element>(a: MatRef<'_, T>, outputs: &[Output], item: usize) {
    let (pivots, parity) = pivots(a);
    let product = pivots.iter().product::<Complex64>() * parity;
    outputs[0].write(item, &[T::narrow(product)]);
}

pub(super) fn log_determinant<T: Element>(a: MatRef<'_, T>, outputs: &[Output], item: usize) {
    let (pivots, parity) = pivots(a);
    let (mut sign, mut logarithm) = (Complex64::from(parity), 0.0);
    for pivot in pivots {
        let modulus = pivot.norm();
        sign = if modulus == 0.0 {
            Complex64::default()
        } else {
            sign * pivot / modulus
        };
        logarithm += modulus.ln();
    }
    outputs[0].write(item, &[T::narrow(sign)]);
    outputs[1].write(item, &[T::narrow_part(logarithm)]);
}
