//! Reductions.

use super::{binary, compare, unary, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use crate::rules::decompose;
use mlx_oxide_ir::{
    ArgReduce, Axes, Dtype, Error, Extreme, Op, Reduce, ReduceKind, Result, Shape, normalize_axes,
    normalize_axis,
};

/// Drops, or keeps with size 1, the reduced axes.
fn finish(reduced: &Array, axes: &[usize], keepdims: bool) -> Result<Array> {
    if keepdims || axes.is_empty() {
        return Ok(reduced.clone());
    }
    let kept = (0..reduced.ndim()).filter(|axis| !axes.contains(axis));
    view::reshape_to(
        reduced,
        kept.map(|axis| reduced.shape()[axis]).collect::<Shape>(),
    )
}

fn chosen(op: &'static str, axes: Option<&[i64]>, ndim: usize) -> Result<Axes> {
    match axes {
        Some(axes) => normalize_axes(op, axes, ndim),
        None => Ok((0..ndim).collect()),
    }
}

/// A reduction over axes that stay with size 1.
pub(crate) fn reduce_keeping(a: &Array, kind: ReduceKind, axes: Axes) -> Result<Array> {
    Array::apply(Op::Reduce(Reduce { kind, axes }), &[a])
}

pub(crate) fn reduce(
    a: &Array,
    kind: ReduceKind,
    axes: Option<&[i64]>,
    keepdims: bool,
) -> Result<Array> {
    shapeless::call(
        || Call::Reduce(kind, axes.map(<[i64]>::to_vec), keepdims),
        &[a],
        || {
            let op = Reduce {
                kind,
                axes: Axes::new(),
            }
            .name();
            let axes = chosen(op, axes, a.ndim())?;
            if axes.is_empty() && matches!(kind, ReduceKind::Sum | ReduceKind::Prod) {
                return Ok(a.clone()); // nothing is joined, so nothing needs a wider dtype
            }
            let reduced = reduce_keeping(a, kind, axes.clone())?;
            finish(&reduced, &axes, keepdims)
        },
    )
}

macro_rules! reductions {
    ($($name:ident $kind:ident $formula:literal;)*) => {$(
        #[doc = $formula]
        ///
        /// Over `axes`, or all where none are given; reduced axes stay with size 1 if `keepdims`.
        ///
        /// # Errors
        /// An axis out of bounds or given twice.
        pub fn $name(a: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
            reduce(a, ReduceKind::$kind, axes, keepdims)
        }

        impl Array {
            #[doc = $formula]
            pub fn $name(&self, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
                reduce(self, ReduceKind::$kind, axes, keepdims)
            }
        }
    )*};
}
reductions! {
    sum Sum "The sum; of bools and narrow integers in `int32` or `uint32`.";
    prod Prod "The product; of bools and narrow integers in `int32` or `uint32`.";
    max Max "The greatest element; NaN if any is.";
    min Min "The least element; NaN if any is.";
    all All "Whether all elements are nonzero.";
    any Any "Whether any element is nonzero.";
}

/// `ln Σ eˣ` over axes without overflow.
pub fn logsumexp(a: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    let real = unary::astype(a, a.dtype().at_least_float())?;
    let along = chosen("logsumexp", axes, a.ndim())?;
    let single = matches!(
        real.dtype(),
        Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16
    );
    match single && is_across(&real, &along) {
        true => finish(&decompose::logsumexp(&real, &along)?, &along, keepdims),
        false => reduce(&real, ReduceKind::LogSumExp, axes, keepdims),
    }
}

/// Neighbours that are worth treating alike.
const LINE: usize = 16;

/// Whether axes are joined behind which whole lines of neighbours follow.
pub(super) fn is_across(a: &Array, axes: &[usize]) -> bool {
    let last = a.shape().last().copied().unwrap_or(0);
    !axes.is_empty() && !axes.contains(&(a.ndim() - 1)) && last >= LINE && a.size() > 0
}

/// How many elements a reduction over the axes joins into one.
fn count(a: &Array, axes: &[usize]) -> usize {
    axes.iter().map(|&axis| a.shape()[axis]).product()
}

/// The mean `Σ x / n` over axes.
pub fn mean(a: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    shapeless::call(
        || Call::Mean(axes.map(<[i64]>::to_vec), keepdims),
        &[a],
        || {
            let axes = chosen("mean", axes, a.ndim())?;
            let real = unary::astype(a, a.dtype().at_least_float())?;
            let sum = reduce_keeping(&real, ReduceKind::Sum, axes.clone())?;
            let factor = unary::scalar_like(&sum, 1.0 / count(a, &axes) as f64)?;
            finish(&binary::multiply(&sum, &factor)?, &axes, keepdims)
        },
    )
}

/// The variance `Σ |x - mean|² / (n - ddof)` over axes.
pub fn var(a: &Array, axes: Option<&[i64]>, keepdims: bool, ddof: usize) -> Result<Array> {
    shapeless::call(
        || Call::Var(axes.map(<[i64]>::to_vec), keepdims, ddof),
        &[a],
        || {
            let axes = chosen("var", axes, a.ndim())?;
            let real = unary::astype(a, a.dtype().at_least_float())?;
            let signed: Vec<i64> = axes.iter().map(|axis| *axis as i64).collect();
            let deviation = binary::subtract(&real, &mean(&real, Some(&signed), true)?)?;
            let squares = if real.dtype().is_complex() {
                unary::square(&unary::abs(&deviation)?)?
            } else {
                unary::square(&deviation)?
            };
            let sum = reduce_keeping(&squares, ReduceKind::Sum, axes.clone())?;
            let degrees = (count(a, &axes) as f64 - ddof as f64).max(0.0);
            let variance = binary::multiply(&sum, &unary::scalar_like(&sum, 1.0 / degrees)?)?;
            finish(&variance, &axes, keepdims)
        },
    )
}

/// The standard deviation, the square root of [`var`].
pub fn std(a: &Array, axes: Option<&[i64]>, keepdims: bool, ddof: usize) -> Result<Array> {
    unary::sqrt(&var(a, axes, keepdims, ddof)?)
}

pub(crate) fn arg_reduce(
    a: &Array,
    extreme: Extreme,
    axis: Option<i64>,
    keepdims: bool,
) -> Result<Array> {
    shapeless::call(
        || Call::ArgReduce(extreme, axis, keepdims),
        &[a],
        || {
            let op = ArgReduce { extreme, axis: 0 }.name();
            let Some(axis) = axis else {
                let found = arg_reduce(&view::reshape_to(a, [a.size()])?, extreme, Some(0), false)?;
                return match keepdims {
                    true => view::reshape_to(&found, vec![1; a.ndim()]),
                    false => Ok(found),
                };
            };
            let axis = normalize_axis(op, axis, a.ndim())?;
            let found = Array::apply(Op::ArgReduce(ArgReduce { extreme, axis }), &[a])?;
            finish(&found, &[axis], keepdims)
        },
    )
}

/// The `uint32` index of the first greatest element along an axis, or of the flat array.
pub fn argmax(a: &Array, axis: Option<i64>, keepdims: bool) -> Result<Array> {
    arg_reduce(a, Extreme::Max, axis, keepdims)
}

/// The `uint32` index of the first least element along an axis, or of the flat array.
pub fn argmin(a: &Array, axis: Option<i64>, keepdims: bool) -> Result<Array> {
    arg_reduce(a, Extreme::Min, axis, keepdims)
}

/// How many elements are nonzero, over axes.
pub fn count_nonzero(a: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    let set = unary::astype(a, Dtype::Bool)?;
    sum(&unary::astype(&set, Dtype::Int32)?, axes, keepdims)
}

/// The median over axes: the middle element, or the mean of the two middle ones; NaN if there is
/// one.
pub fn median(a: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    shapeless::call(
        || Call::Median(axes.map(<[i64]>::to_vec), keepdims),
        &[a],
        || {
            let axes = chosen("median", axes, a.ndim())?;
            let size = count(a, &axes);
            if size == 0 {
                return Err(Error::ShapeUnsuitable {
                    op: "median",
                    rule: "the median of no elements is undefined",
                    shape: a.shape().clone(),
                });
            }
            let kept: Vec<usize> = (0..a.ndim()).filter(|axis| !axes.contains(axis)).collect();
            let order = kept.iter().chain(&axes).copied().collect();
            let mut flat: Shape = kept.iter().map(|&axis| a.shape()[axis]).collect();
            flat.push(size);
            let axis = kept.len();
            let real = unary::astype(a, a.dtype().at_least_float())?;
            let rows = view::reshape_to(&view::permute(&real, order)?, flat)?;
            let last = [axis as i64];
            let median = mean(&middle(&rows, axis)?, Some(&last), false)?;
            // NaN are last in every order, but whatever is among them has no middle
            let greatest = max(&rows, Some(&last), false)?;
            let is_nan = compare::isnan(&greatest)?;
            let nan = unary::scalar_like(&median, f64::NAN)?;
            let median = compare::select(&is_nan, &nan, &median)?;
            let shape: Shape = match keepdims {
                true => (0..a.ndim())
                    .map(|axis| {
                        if axes.contains(&axis) {
                            1
                        } else {
                            a.shape()[axis]
                        }
                    })
                    .collect(),
                false => median.shape().clone(),
            };
            view::reshape_to(&median, shape)
        },
    )
}

/// The middle element of a sorted axis, or the two middle ones, without sorting the others.
fn middle(a: &Array, axis: usize) -> Result<Array> {
    let size = a.shape()[axis];
    let nth = |a: &Array, nth: usize| -> Result<(Array, Array)> {
        let parts = super::sort::partition(a, nth as i64, Some(axis as i64))?;
        let lower = view::slice_axis(&parts, axis, 0, nth)?;
        Ok((lower, view::slice_axis(&parts, axis, nth, nth + 1)?))
    };
    let (lower, upper) = nth(a, size / 2)?;
    if size % 2 == 1 {
        return Ok(upper);
    }
    let (_, greatest) = nth(&lower, size / 2 - 1)?;
    super::join::concatenate(&[&greatest, &upper], axis as i64)
}

/// The least and the greatest elements over axes.
///
/// # Errors
/// As [`min`]: an axis out of bounds; no elements.
pub fn minmax(a: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<(Array, Array)> {
    Ok((min(a, axes, keepdims)?, max(a, axes, keepdims)?))
}
