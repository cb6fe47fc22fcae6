//! Arrays out of numbers.

use super::{binary, compare, diagonal, index, unary, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use mlx_oxide_ir::{Combine, Dtype, Error, Op, Result, Scalar, Shape, Source};

/// An array with every element `value`, which is broadcast to `shape`.
pub fn full(shape: impl Into<Shape>, value: &Array, dtype: Dtype) -> Result<Array> {
    view::stretch_to(&unary::astype(value, dtype)?, shape)
}

/// An array of the shape that `a` and `value` broadcast to, with every element `value`, in `a`'s
/// dtype.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn full_like(a: &Array, value: &Array) -> Result<Array> {
    let shape = mlx_oxide_ir::layout::broadcast_shapes("full_like", a.shape(), value.shape())?;
    full(shape, value, a.dtype())
}

/// An array with every element `value`.
pub fn full_scalar(shape: impl Into<Shape>, value: Scalar) -> Result<Array> {
    Array::apply(
        Op::Source(Source::Full {
            shape: shape.into(),
            value,
        }),
        &[],
    )
}

/// Zeros.
pub fn zeros(shape: impl Into<Shape>, dtype: Dtype) -> Result<Array> {
    full_scalar(shape, Scalar::new(0.0, dtype))
}

/// Ones.
pub fn ones(shape: impl Into<Shape>, dtype: Dtype) -> Result<Array> {
    full_scalar(shape, Scalar::new(1.0, dtype))
}

/// Zeros of an array's shape and dtype.
pub fn zeros_like(a: &Array) -> Result<Array> {
    shapeless::call(
        || Call::ZerosLike,
        &[a],
        || zeros(a.shape().clone(), a.dtype()),
    )
}

/// Ones of an array's shape and dtype.
pub fn ones_like(a: &Array) -> Result<Array> {
    shapeless::call(
        || Call::OnesLike,
        &[a],
        || ones(a.shape().clone(), a.dtype()),
    )
}

/// The numbers `start, start + step, …` below `stop` (above it where `step` is negative).
///
/// # Errors
/// A zero or NaN step, infinite bounds, more elements than can be addressed, `bool`.
pub fn arange(start: f64, stop: f64, step: f64, dtype: Dtype) -> Result<Array> {
    let invalid = |argument, value: String, expected| {
        Err(Error::InvalidArgument {
            op: "arange",
            argument,
            value,
            expected,
        })
    };
    if dtype == Dtype::Bool {
        return Err(Error::DtypeUnsupported {
            op: "arange",
            dtype,
            expected: "a number dtype",
        });
    }
    if step == 0.0 || step.is_nan() || start.is_nan() || stop.is_nan() {
        return invalid(
            "step",
            format!("{step} from {start} to {stop}"),
            "nonzero numbers",
        );
    }
    let count = ((stop - start) / step).ceil().max(0.0);
    if !count.is_finite() || count >= 2f64.powi(58) {
        return invalid(
            "stop",
            stop.to_string(),
            "a range with a countable number of elements",
        );
    }
    let (start, step) = if dtype.is_inexact() {
        (start, step)
    } else {
        (start.trunc(), truncated(step))
    };
    let source = Source::Arange {
        start: start.into(),
        step: step.into(),
        count: count as usize,
        dtype,
    };
    Array::apply(Op::Source(source), &[])
}

fn truncated(step: f64) -> f64 {
    step.trunc()
}

/// `count` evenly spaced numbers from `start` to `stop`, both included.
pub fn linspace(start: f64, stop: f64, count: usize, dtype: Dtype) -> Result<Array> {
    if count == 1 {
        return full_scalar([1], Scalar::new(start, dtype));
    }
    // start·(1 - t) + stop·t meets both ends exactly
    let positions = arange(0.0, count as f64, 1.0, Dtype::Float32)?;
    let t = binary::divide(
        &positions,
        &unary::scalar_like(&positions, (count.max(2) - 1) as f64)?,
    )?;
    let one = unary::scalar_like(&t, 1.0)?;
    let low = binary::multiply(
        &binary::subtract(&one, &t)?,
        &unary::scalar_like(&t, start)?,
    )?;
    let high = binary::multiply(&t, &unary::scalar_like(&t, stop)?)?;
    unary::astype(&binary::add(&low, &high)?, dtype)
}

/// A matrix with ones on the diagonal `k` (above the main one if positive), else zeros.
pub fn eye(rows: usize, columns: usize, k: i64, dtype: Dtype) -> Result<Array> {
    let shape = Shape::from([rows, columns]).checked("eye")?;
    let one = full_scalar(Shape::scalar(), Scalar::new(1.0, dtype))?;
    let range = diagonal::places(rows, columns, k);
    let flat = zeros([rows * columns], dtype)?;
    let filled = index::slice_update(&flat, &one, &[range], Combine::Replace)?;
    view::reshape_to(&filled, shape)
}

/// The square [`eye`].
pub fn identity(size: usize, dtype: Dtype) -> Result<Array> {
    eye(size, size, 0, dtype)
}

/// A matrix with ones on and below the diagonal `k`, else zeros.
pub fn tri(rows: usize, columns: usize, k: i64, dtype: Dtype) -> Result<Array> {
    let (row, column) = row_and_column(rows, columns, k)?;
    unary::astype(&binary::greater_equal(&row, &column)?, dtype)
}

/// Row numbers plus `k` as a column, and column numbers as a row.
fn row_and_column(rows: usize, columns: usize, k: i64) -> Result<(Array, Array)> {
    // beyond the corners all diagonals are alike
    let reach = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    let first = k.clamp(-reach(rows), reach(columns)) as f64;
    let furthest = rows.max(columns) as f64 + first.abs();
    let dtype = match furthest <= f64::from(i32::MAX) {
        true => Dtype::Int32,
        false => Dtype::Int64,
    };
    let row = arange(first, first + rows as f64, 1.0, dtype)?;
    let column = arange(0.0, columns as f64, 1.0, dtype)?;
    Ok((
        view::expand_dims(&row, &[1])?,
        view::expand_dims(&column, &[0])?,
    ))
}

/// The elements on and below the diagonal `k` of the last two axes, else zeros.
pub fn tril(a: &Array, k: i64) -> Result<Array> {
    shapeless::call(
        || Call::Tril(k),
        &[a],
        || {
            let mask = triangle("tril", a, k)?;
            compare::select(&mask, a, &unary::scalar_like(a, 0.0)?)
        },
    )
}

/// The elements on and above the diagonal `k` of the last two axes, else zeros.
pub fn triu(a: &Array, k: i64) -> Result<Array> {
    shapeless::call(
        || Call::Triu(k),
        &[a],
        || {
            let mask = triangle("triu", a, k.saturating_sub(1))?;
            compare::select(&mask, &unary::scalar_like(a, 0.0)?, a)
        },
    )
}

fn triangle(op: &'static str, a: &Array, k: i64) -> Result<Array> {
    let [.., rows, columns] = a.shape()[..] else {
        return Err(Error::ShapeUnsuitable {
            op,
            rule: "the array must have at least two axes",
            shape: a.shape().clone(),
        });
    };
    tri(rows, columns, k, Dtype::Bool)
}
