//! Views and casts: linear maps that move elements.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops;
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{Axes, Combine, Dtype, Op, Padding, ReduceKind, Result, Shape, View};
use smallvec::SmallVec;

pub(super) fn cast() -> Derivative {
    Derivative::Linear(|site, cotangent| {
        let input = site.inputs[0].dtype();
        let through = site.outputs[0].dtype().is_inexact() && input.is_inexact();
        Ok(vec![
            through.then(|| ops::astype(cotangent, input)).transpose()?,
        ])
    })
}

pub(super) fn derivative(view: &View, site: &Site<'_>) -> Derivative {
    match view {
        View::Reshape(_) => Derivative::Linear(|site, cotangent| {
            one(ops::reshape_to(cotangent, site.inputs[0].shape().clone()))
        }),
        View::Permute(_) => Derivative::Linear(unpermute),
        View::Broadcast(_) => Derivative::Linear(|site, cotangent| {
            one(sum_to_shape(cotangent, site.inputs[0].shape()))
        }),
        View::Slice(_) => Derivative::Linear(unslice),
        View::Contiguous => Derivative::Linear(|_, cotangent| one(Ok(cotangent.clone()))),
        View::AsStrided(_) => Derivative::Linear(unstride),
        View::StopGradient => Derivative::Zero,
        View::Bitcast(to) => bitcast(site.inputs[0].dtype(), *to),
    }
}

/// Complex numbers and their parts are the same numbers; otherwise bits have no derivative.
fn bitcast(from: Dtype, to: Dtype) -> Derivative {
    let single = |dtype| matches!(dtype, Dtype::Float32 | Dtype::Complex64);
    if from.is_inexact() && (from == to || (single(from) && single(to))) {
        return Derivative::Linear(|site, cotangent| {
            one(ops::view(cotangent, site.inputs[0].dtype()))
        });
    }
    Derivative::Zero
}

fn one(gradient: Result<Array>) -> Result<Optional> {
    Ok(vec![Some(gradient?)])
}

fn unpermute(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::View(View::Permute(axes)) = site.op else {
        return Ok(vec![None]);
    };
    let mut inverse: Axes = axes.clone();
    for (place, &axis) in axes.iter().enumerate() {
        inverse[axis] = place;
    }
    one(ops::view::permute(cotangent, inverse))
}

/// The sum over all axes along which `shape` was stretched to the array's.
pub(crate) fn sum_to_shape(a: &Array, shape: &Shape) -> Result<Array> {
    let shift = a.ndim() - shape.ndim();
    let axes: Axes = (0..a.ndim())
        .filter(|&axis| axis < shift || (shape[axis - shift] == 1 && a.shape()[axis] != 1))
        .collect();
    if axes.is_empty() {
        return ops::reshape_to(a, shape.clone());
    }
    let sum = ops::reduce::reduce_keeping(a, ReduceKind::Sum, axes)?;
    ops::reshape_to(&sum, shape.clone())
}

/// Zeros around and between the cotangent's elements.
fn unslice(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::View(View::Slice(ranges)) = site.op else {
        return Ok(vec![None]);
    };
    let shape = site.inputs[0].shape();
    if cotangent.size() == 0 {
        return one(ops::zeros_like(&site.inputs[0]));
    }
    let reversed: Vec<i64> = (0..ranges.len())
        .filter(|&axis| ranges[axis].step < 0)
        .map(|axis| axis as i64)
        .collect();
    let forward = ops::flip(cotangent, &reversed)?;
    let paddings: SmallVec<[Padding; 4]> = ranges
        .iter()
        .zip(shape.iter())
        .map(|(range, &size)| padding(range, size))
        .collect();
    one(ops::join::pad_interior(
        &forward,
        paddings,
        &ops::unary::scalar_like(cotangent, 0.0)?,
    ))
}

fn padding(range: &SliceRange, size: usize) -> Padding {
    let last = range.last().map_or(range.start, |last| last as usize);
    let (first, last) = (range.start.min(last), range.start.max(last));
    Padding {
        low: first,
        high: size - 1 - last,
        interior: range.step.unsigned_abs() - 1,
    }
}

/// Each place receives the sum of the cotangents of the elements that showed it.
fn unstride(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::View(View::AsStrided(target)) = site.op else {
        return Ok(vec![None]);
    };
    let input = &site.inputs[0];
    let mut places = ops::full_scalar(
        target.shape.clone(),
        mlx_oxide_ir::Scalar::from_integer(target.offset as i64, Dtype::Int64),
    )?;
    for (axis, &stride) in target.strides.iter().enumerate() {
        let steps = ops::arange(0.0, target.shape[axis] as f64, 1.0, Dtype::Int64)?;
        let stride = Array::scalar(stride as i64)?;
        let mut along: Shape = vec![1; target.shape.ndim()].into();
        along[axis] = target.shape[axis];
        let steps = ops::reshape_to(&ops::multiply(&steps, &stride)?, along)?;
        places = ops::add(&places, &steps)?;
    }
    let flat = ops::zeros([input.size()], input.dtype())?;
    let count = cotangent.size();
    let places = ops::reshape_to(&places, [count])?;
    let updates = ops::reshape_to(cotangent, [count, 1])?;
    let sums = ops::scatter(&flat, &[&places], &updates, &[0], Combine::Add)?;
    one(ops::reshape_to(&sums, input.shape().clone()))
}
