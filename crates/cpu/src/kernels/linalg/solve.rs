//! Linear equations and determinants.

use super::blocks::{self, Columns, for_each_block};
use super::element::Element;
use super::factor::{Lu, exchanges};
use super::matrices::{Output, copy_into};
use super::small::{self, is_small};
use faer::linalg::triangular_solve as substitute;
use faer::{Mat, MatMut, MatRef, Par};
use mlx_oxide_ir::{Error, Linalg, Result};
use num_complex::Complex64;

fn singular(op: &Linalg, place: usize) -> Error {
    Error::Numerical {
        op: op.name(),
        reason: format!("the matrix is singular: pivot {place} is zero"),
    }
}

/// Replaces `right`, whose rows are in the order of the factors, by the solution.
fn substitute_both<T: Element>(lu: &Lu<T>, right: MatMut<'_, T>) {
    let factors = lu.factors.as_ref();
    let width = width(factors, right.ncols());
    for_each_block(right, width, |_, mut block| {
        substitute::solve_unit_lower_triangular_in_place(factors, block.as_mut(), Par::Seq);
        substitute::solve_upper_triangular_in_place(factors, block, Par::Seq);
    });
}

/// Columns of right sides that one task solves for.
fn width<T>(factors: MatRef<'_, T>, columns: usize) -> usize {
    match factors.nrows() * factors.nrows() * columns < blocks::WORK {
        true => columns,
        false => blocks::width(columns),
    }
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
    invert(&lu, output.as_mut());
    Ok(())
}

/// Writes the inverse: that of `L`, whose columns begin with zeros, divided by `U`; its columns are
/// in the order that the factors put rows into.
fn invert<T: Element>(lu: &Lu<T>, mut output: MatMut<'_, T>) {
    let (factors, size) = (lu.factors.as_ref(), lu.factors.nrows());
    let all = Columns::new(&mut output);
    let mut inverse = Mat::<T>::zeros(size, size);
    for_each_block(
        inverse.as_mut(),
        width(factors, size),
        |first, mut block| {
            for place in 0..block.ncols() {
                block[(first + place, place)] = T::narrow(1.0.into());
            }
            let (_, left) = block.as_mut().split_at_row_mut(first);
            let lower = factors.submatrix(first, first, size - first, size - first);
            substitute::solve_unit_lower_triangular_in_place(lower, left, Par::Seq);
            substitute::solve_upper_triangular_in_place(factors, block.as_mut(), Par::Seq);
            for (place, column) in block.as_ref().col_iter().enumerate() {
                let target = lu.permutation[first + place];
                // SAFETY: no other task has this column of the order
                let to = unsafe { all.range(target, target + 1) };
                copy_into(column.as_mat(), to);
            }
        },
    );
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
    let solve = match (upper, unit_diagonal) {
        (false, false) => substitute::solve_lower_triangular_in_place,
        (false, true) => substitute::solve_unit_lower_triangular_in_place,
        (true, false) => substitute::solve_upper_triangular_in_place,
        (true, true) => substitute::solve_unit_upper_triangular_in_place,
    };
    for_each_block(output, width(a, b.ncols()), |_, block| {
        solve(a, block, Par::Seq);
    });
    Ok(())
}

/// The sum or product of all pivots, from the determinant of the exchange of rows on.
fn fold_pivots<T: Element, R>(
    a: MatRef<'_, T>,
    first: impl Fn(f64) -> R,
    next: impl Fn(R, Complex64) -> R,
) -> R {
    let sign = |odd: bool| if odd { -1.0 } else { 1.0 };
    if is_small(a) {
        let lu = small::Lu::new(a);
        let pivots = lu.pivots().map(|pivot| pivot.wide());
        return pivots.fold(first(sign(lu.is_odd())), next);
    }
    let lu = Lu::new(a);
    let size = a.nrows();
    let steps = exchanges(&lu.permutation, size);
    let swaps = steps.iter().enumerate();
    let odd = swaps.filter(|(step, row)| *step != **row as usize).count() % 2 == 1;
    let diagonal = (0..size).map(|place| lu.factors[(place, place)].wide());
    diagonal.fold(first(sign(odd)), next)
}

pub(super) fn determinant<T: Element>(a: MatRef<'_, T>, outputs: &[Output], item: usize) {
    let product = fold_pivots(a, Complex64::from, |product, pivot| product * pivot);
    outputs[0].write(item, &[T::narrow(product)]);
}

pub(super) fn log_determinant<T: Element>(a: MatRef<'_, T>, outputs: &[Output], item: usize) {
    let first = |parity: f64| (Complex64::from(parity), 0.0);
    let (sign, logarithm) = fold_pivots(a, first, |(sign, logarithm), pivot| {
        let modulus = pivot.norm();
        let sign = match modulus == 0.0 {
            true => Complex64::default(),
            false => sign * pivot / modulus,
        };
        (sign, logarithm + modulus.ln())
    });
    outputs[0].write(item, &[T::narrow(sign)]);
    outputs[1].write(item, &[T::narrow_part(logarithm)]);
}
