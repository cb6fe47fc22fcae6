//! Norms of vectors and matrices.

use super::spectral::svdvals;
use crate::array::Array;
use crate::ops::{self, reduce, unary, view};
use mlx_oxide_ir::{Dtype, Error, Result, normalize_axis};

/// Which norm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum NormOrder {
    /// The root of the sum of squares, of vectors, matrices and whole arrays alike.
    #[default]
    Euclidean,
    /// The same, of matrices alone.
    Frobenius,
    /// The sum of the singular values.
    Nuclear,
    /// `(Σ|x|ᵖ)^(1/p)` of vectors; `±1`, `±2` and `±∞` of matrices.
    Order(f64),
}

const OP: &str = "linalg.norm";

fn invalid<T>(argument: &'static str, value: String, expected: &'static str) -> Result<T> {
    Err(Error::InvalidArgument {
        op: OP,
        argument,
        value,
        expected,
    })
}

/// A norm over one axis, two axes or, by default, the whole array: the flat array's where no order
/// is given, else a vector's or a matrix's. Real; of integers in `float32`.
///
/// # Errors
/// More than two axes; an order that has no meaning for as many axes.
pub fn norm(a: &Array, order: NormOrder, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    let all: Vec<i64> = (0..a.ndim() as i64).collect();
    if axes.is_none() && order == NormOrder::Euclidean {
        return vector_norm(a, 2.0, Some(&all), keepdims);
    }
    let axes = axes.unwrap_or(&all);
    match (order, axes) {
        (NormOrder::Euclidean, [] | [_] | [_, _]) => vector_norm(a, 2.0, Some(axes), keepdims),
        (NormOrder::Order(p), [_]) => vector_norm(a, p, Some(axes), keepdims),
        (_, [row, column]) => matrix_norm(a, order, (*row, *column), keepdims),
        (NormOrder::Frobenius | NormOrder::Nuclear, _) => invalid(
            "axis",
            format!("{axes:?}"),
            "two axes, as this norm is one of matrices",
        ),
        (NormOrder::Euclidean | NormOrder::Order(_), _) => {
            invalid("axis", format!("{axes:?}"), "one or two axes")
        }
    }
}

/// The moduli, floating.
fn moduli(a: &Array) -> Result<Array> {
    let inexact = unary::astype(a, a.dtype().at_least_float())?;
    unary::abs(&inexact)
}

/// `(Σ|x|ᵖ)^(1/p)` over axes, all where none are given; the greatest modulus for `p = ∞`, the
/// least for `-∞`, the number of nonzero elements for `0`.
///
/// # Errors
/// An axis out of bounds.
pub fn vector_norm(a: &Array, p: f64, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    if p == 2.0 {
        return euclidean(a, axes, keepdims);
    }
    let moduli = moduli(a)?;
    if p == f64::INFINITY {
        return reduce::max(&moduli, axes, keepdims);
    }
    if p == f64::NEG_INFINITY {
        return reduce::min(&moduli, axes, keepdims);
    }
    if p == 0.0 {
        let nonzero = ops::not_equal(&moduli, &unary::scalar_like(&moduli, 0.0)?)?;
        return reduce::sum(&unary::astype(&nonzero, moduli.dtype())?, axes, keepdims);
    }
    if p == 1.0 {
        return reduce::sum(&moduli, axes, keepdims);
    }
    let powers = ops::power(&moduli, &unary::scalar_like(&moduli, p)?)?;
    let sum = reduce::sum(&powers, axes, keepdims)?;
    ops::power(&sum, &unary::scalar_like(&sum, 1.0 / p)?)
}

fn euclidean(a: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    let inexact = unary::astype(a, a.dtype().at_least_float())?;
    let squares = match inexact.dtype().is_complex() {
        true => ops::add(
            &unary::square(&unary::real(&inexact)?)?,
            &unary::square(&unary::imag(&inexact)?)?,
        )?,
        false => unary::square(&inexact)?,
    };
    unary::sqrt(&reduce::sum(&squares, axes, keepdims)?)
}

/// A norm of the matrices along two axes, rows and columns: the greatest sum of moduli of a column
/// (`1`) or a row (`∞`), the least of them (`-1`, `-∞`), the greatest or least singular value
/// (`2`, `-2`), their sum, or the root of the sum of squares.
///
/// # Errors
/// Axes out of bounds or equal; another order.
pub fn matrix_norm(a: &Array, order: NormOrder, axes: (i64, i64), keepdims: bool) -> Result<Array> {
    let row = normalize_axis(OP, axes.0, a.ndim())?;
    let column = normalize_axis(OP, axes.1, a.ndim())?;
    if row == column {
        return Err(Error::RepeatedAxis { op: OP, axis: row });
    }
    let both = [row as i64, column as i64];
    let p = match order {
        NormOrder::Euclidean | NormOrder::Frobenius => {
            return euclidean(a, Some(&both), keepdims);
        }
        NormOrder::Nuclear => return of_singular_values(a, both, keepdims, reduce::sum),
        NormOrder::Order(p) => p,
    };
    let greatest = p > 0.0;
    let extreme = if greatest { reduce::max } else { reduce::min };
    if p.abs() == 2.0 {
        return of_singular_values(a, both, keepdims, extreme);
    }
    let (summed, kept) = if p.abs() == 1.0 {
        (row, column)
    } else if p.is_infinite() {
        (column, row)
    } else {
        return invalid(
            "ord",
            p.to_string(),
            "1, -1, 2, -2, inf, -inf, \"fro\" or \"nuc\" for matrices",
        );
    };
    let sums = reduce::sum(&moduli(a)?, Some(&[summed as i64]), true)?;
    let found = extreme(&sums, Some(&[kept as i64]), true)?;
    match keepdims {
        true => Ok(found),
        false => view::squeeze(&found, Some(&both)),
    }
}

fn of_singular_values(
    a: &Array,
    axes: [i64; 2],
    keepdims: bool,
    reduction: fn(&Array, Option<&[i64]>, bool) -> Result<Array>,
) -> Result<Array> {
    let dtype = a.dtype().at_least_float();
    let wide = match dtype {
        Dtype::Float64 | Dtype::Complex64 => dtype,
        _ => Dtype::Float32,
    };
    let [row, column] = axes;
    let others: Vec<i64> = (0..a.ndim() as i64)
        .filter(|axis| *axis != row && *axis != column)
        .collect();
    let order: Vec<i64> = others.iter().copied().chain(axes).collect();
    let matrices = ops::transpose(&unary::astype(a, wide)?, &order)?;
    let found = reduction(&svdvals(&matrices)?, Some(&[-1]), false)?;
    let found = match dtype.is_complex() {
        true => found,
        false => unary::astype(&found, dtype)?,
    };
    match keepdims {
        true => {
            let mut sorted = axes;
            sorted.sort_unstable();
            view::expand_dims(&found, &sorted)
        }
        false => Ok(found),
    }
}
