//! Compositions with kernels of their own.

mod recurrent;

use crate::array::Array;
use crate::ops::{self, unary::scalar_like};
use mlx_oxide_ir::{Dtype, Fast, Result, Shape};

pub(super) fn decompose(fast: &Fast, inputs: &[Array]) -> Result<Vec<Array>> {
    let output = match fast {
        Fast::Softmax { precise } => softmax(&inputs[0], &[-1], *precise),
        Fast::RmsNorm { eps } => rms_norm(&inputs[0], &inputs[1], eps.get()),
        Fast::LayerNorm { eps } => layer_norm(&inputs[0], &inputs[1], &inputs[2], eps.get()),
        Fast::Rope {
            dims,
            traditional,
            scale,
            inverse,
        } => rope(inputs, *dims, *traditional, scale.get(), *inverse),
        Fast::Attention {
            scale,
            causal,
            masked,
            sinks,
        } => attention(inputs, scale.get(), *causal, *masked, *sinks),
        Fast::NormGradient { eps, centred } => return norm_gradient(inputs, eps.get(), *centred),
        Fast::Recurrent { cell, .. } => return recurrent::decompose(*cell, inputs),
    };
    Ok(vec![output?])
}

/// 16-bit floats are computed in `float32`.
pub(super) fn widened(a: &Array) -> Result<Array> {
    match a.dtype() {
        Dtype::Float16 | Dtype::Bfloat16 => ops::astype(a, Dtype::Float32),
        _ => Ok(a.clone()),
    }
}

/// `exp(x - max)/Σ exp(x - max)` over axes.
pub(crate) fn softmax(a: &Array, axes: &[i64], precise: bool) -> Result<Array> {
    if a.size() == 0 {
        return Ok(a.clone()); // rows of nothing have no greatest element
    }
    let x = if precise { widened(a)? } else { a.clone() };
    // found before anything is made wide
    let greatest = ops::stop_gradient(&ops::max(a, Some(axes), true)?)?;
    let greatest = ops::astype(&greatest, x.dtype())?;
    let powers = ops::exp(&ops::subtract(&x, &greatest)?)?;
    let sum = ops::sum(&powers, Some(axes), true)?;
    ops::astype(&ops::divide(&powers, &sum)?, a.dtype())
}

/// A row divided by the root of its mean square, and by what it was multiplied for that.
fn normalised(row: &Array, eps: f64) -> Result<(Array, Array)> {
    let mean = ops::mean(&ops::square(row)?, Some(&[-1]), true)?;
    let scale = ops::rsqrt(&ops::add(&mean, &scalar_like(&mean, eps)?)?)?;
    Ok((ops::multiply(row, &scale)?, scale))
}

/// What elements differ by from the mean of their row.
fn deviation(wide: &Array) -> Result<Array> {
    ops::subtract(wide, &ops::mean(wide, Some(&[-1]), true)?)
}

fn rms_norm(x: &Array, weight: &Array, eps: f64) -> Result<Array> {
    let (normal, _) = normalised(&widened(x)?, eps)?;
    ops::multiply(&ops::astype(&normal, x.dtype())?, weight)
}

fn layer_norm(x: &Array, weight: &Array, bias: &Array, eps: f64) -> Result<Array> {
    let (normal, _) = normalised(&deviation(&widened(x)?)?, eps)?;
    let normal = ops::astype(&normal, x.dtype())?;
    ops::add(&ops::multiply(&normal, weight)?, bias)
}

fn norm_gradient(inputs: &[Array], eps: f64, centred: bool) -> Result<Vec<Array>> {
    let (x, weight) = (&inputs[0], &inputs[1]);
    let cotangent = widened(&inputs[2])?;
    let wide = widened(x)?;
    let row = if centred { deviation(&wide)? } else { wide };
    let (normal, scale) = normalised(&row, eps)?;
    let weighted = ops::multiply(&cotangent, &widened(weight)?)?;
    let along = ops::mean(&ops::multiply(&weighted, &normal)?, Some(&[-1]), true)?;
    let level = if centred {
        deviation(&weighted)?
    } else {
        weighted
    };
    let rest = ops::subtract(&level, &ops::multiply(&normal, &along)?)?;
    let rows: Vec<i64> = (0..x.ndim() as i64 - 1).collect();
    let total = |a: &Array| ops::astype(&ops::sum(a, Some(&rows), false)?, weight.dtype());
    let mut gradients = vec![
        ops::astype(&ops::multiply(&rest, &scale)?, x.dtype())?,
        total(&ops::multiply(&cotangent, &normal)?)?,
    ];
    if centred {
        gradients.push(total(&cotangent)?);
    }
    Ok(gradients)
}

fn rope(
    inputs: &[Array],
    dims: usize,
    traditional: bool,
    scale: f64,
    inverse: bool,
) -> Result<Array> {
    let (x, offset, frequencies) = (&inputs[0], &inputs[1], &inputs[2]);
    let (last, length) = (x.ndim() - 1, x.shape()[x.ndim() - 2]);
    let angles = rope_angles(x, offset, frequencies, length, scale)?;
    let (cosine, mut sine) = (ops::cos(&angles)?, ops::sin(&angles)?);
    if inverse {
        sine = ops::negative(&sine)?;
    }
    let wide = widened(x)?;
    let rotated = ops::slice_axis(&wide, last, 0, dims)?;
    let half = dims / 2;
    let turned = if traditional {
        let mut pairs = rotated.shape().clone();
        pairs[last] = half;
        pairs.push(2);
        let pairs = ops::reshape_to(&rotated, pairs)?;
        let part = |index: usize| {
            let part = ops::slice_axis(&pairs, last + 1, index, index + 1)?;
            ops::squeeze(&part, Some(&[-1]))
        };
        let (first, second) = turn(&part(0)?, &part(1)?, &cosine, &sine)?;
        let stacked = ops::stack(&[&first, &second], -1)?;
        ops::reshape_to(&stacked, rotated.shape().clone())?
    } else {
        let first = ops::slice_axis(&rotated, last, 0, half)?;
        let second = ops::slice_axis(&rotated, last, half, dims)?;
        let (first, second) = turn(&first, &second, &cosine, &sine)?;
        ops::concatenate(&[&first, &second], -1)?
    };
    let turned = ops::astype(&turned, x.dtype())?;
    if dims == x.shape()[last] {
        return Ok(turned);
    }
    let rest = ops::slice_axis(x, last, dims, x.shape()[last])?;
    ops::concatenate(&[&turned, &rest], -1)
}

/// `(offset + t)·scale·frequency`, of shape `(B or 1, 1…, T, dims/2)`.
fn rope_angles(
    x: &Array,
    offset: &Array,
    frequencies: &Array,
    length: usize,
    scale: f64,
) -> Result<Array> {
    let steps = ops::arange(0.0, length as f64, 1.0, Dtype::Float32)?;
    let offset = ops::astype(offset, Dtype::Float32)?;
    let mut leading: Shape = vec![1; x.ndim()].into();
    leading[0] = offset.size();
    let mut along: Shape = vec![1; x.ndim()].into();
    along[x.ndim() - 2] = length;
    let positions = ops::add(
        &ops::reshape_to(&steps, along)?,
        &ops::reshape_to(&offset, leading)?,
    )?;
    ops::multiply(&(positions * scale)?, frequencies)
}

fn turn(first: &Array, second: &Array, cosine: &Array, sine: &Array) -> Result<(Array, Array)> {
    let one = ops::subtract(
        &ops::multiply(first, cosine)?,
        &ops::multiply(second, sine)?,
    )?;
    let two = ops::add(
        &ops::multiply(first, sine)?,
        &ops::multiply(second, cosine)?,
    )?;
    Ok((one, two))
}

fn attention(
    inputs: &[Array],
    scale: f64,
    causal: bool,
    masked: bool,
    sinks: bool,
) -> Result<Array> {
    let [queries, keys, values] = [&inputs[0], &inputs[1], &inputs[2]];
    let (batch, heads, length, _) = sizes(queries);
    let (_, shared, extent, features) = sizes(values);
    let group = heads / shared;
    // heads as (shared, group), so that keys and values broadcast over each group
    let grouped = |a: &Array, group: usize| {
        let (batch, heads, length, size) = sizes(a);
        ops::reshape_to(a, [batch, heads / group, group, length, size])
    };
    let keys = grouped(keys, 1)?;
    let values = grouped(values, 1)?;
    let scaled = (queries * scale)?;
    let mut scores = ops::matmul(&grouped(&scaled, group)?, &ops::swapaxes(&keys, -1, -2)?)?;
    let split = |a: &Array| -> Result<Array> {
        let full = ops::broadcast_to(a, [batch, heads, length, extent])?;
        ops::reshape_to(&full, [batch, shared, group, length, extent])
    };
    let unseen = unseen(&scores)?;
    if masked {
        let mask = split(&inputs[3])?;
        scores = match mask.dtype() {
            Dtype::Bool => ops::select(&mask, &scores, &unseen)?,
            _ => ops::add(&scores, &mask)?,
        };
    }
    if causal {
        let seen = ops::tri(length, extent, extent as i64 - length as i64, Dtype::Bool)?;
        scores = ops::select(&seen, &scores, &unseen)?;
    }
    if sinks {
        let sinks = ops::reshape_to(&inputs[inputs.len() - 1], [1, shared, group, 1, 1])?;
        let sinks = ops::broadcast_to(&sinks, [batch, shared, group, length, 1])?;
        scores = ops::concatenate(&[&sinks, &scores], -1)?;
    }
    let mut weights = ops::fast::softmax(&scores, Some(&[-1]), true)?;
    if sinks {
        weights = ops::slice_axis(&weights, 4, 1, extent + 1)?;
    }
    ops::reshape_to(
        &ops::matmul(&weights, &values)?,
        [batch, heads, length, features],
    )
}

/// The score of a key that is not seen: finite, so that a query that sees none weighs all alike.
fn unseen(scores: &Array) -> Result<Array> {
    let least = match scores.dtype() {
        Dtype::Float16 => half::f16::MIN.to_f64(),
        Dtype::Bfloat16 => half::bf16::MIN.to_f64(),
        _ => f64::from(f32::MIN),
    };
    scalar_like(scores, least)
}

fn sizes(a: &Array) -> (usize, usize, usize, usize) {
    (a.shape()[0], a.shape()[1], a.shape()[2], a.shape()[3])
}
