//! Reductions, cumulative operations, products, norms.

use super::Kind;
use super::draw::{Draw, axes_of, filled, is_number, is_ordered};
use super::elementwise::{kinds, plus, tame};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{ArrayType, Result};

fn reduced(draw: &mut Draw<'_>, fits: impl Fn(&ArrayType) -> bool) -> Option<()> {
    let it = draw.operand(fits)?;
    draw.axes(it);
    draw.below(2);
    Some(())
}

fn any(draw: &mut Draw<'_>) -> Option<()> {
    reduced(draw, |_| true)
}

fn ordered(draw: &mut Draw<'_>) -> Option<()> {
    reduced(draw, |it| filled(it) && is_ordered(it))
}

fn inexact(draw: &mut Draw<'_>) -> Option<()> {
    reduced(draw, |it| filled(it) && it.dtype.is_inexact())
}

fn real(draw: &mut Draw<'_>) -> Option<()> {
    reduced(draw, |it| filled(it) && it.dtype.is_floating())
}

fn one_axis(draw: &mut Draw<'_>) -> Option<()> {
    let it = draw.operand(|it| it.shape.ndim() > 0 && filled(it) && is_ordered(it))?;
    draw.axis(it)?;
    draw.below(2);
    Some(())
}

fn along(draw: &mut Draw<'_>, fits: impl Fn(&ArrayType) -> bool) -> Option<()> {
    let it = draw.operand(|it| it.shape.ndim() > 0 && fits(it))?;
    draw.axis(it)?;
    draw.below(2);
    draw.below(2);
    Some(())
}

fn number_along(draw: &mut Draw<'_>) -> Option<()> {
    along(draw, is_number)
}

fn ordered_along(draw: &mut Draw<'_>) -> Option<()> {
    along(draw, is_ordered)
}

fn real_along(draw: &mut Draw<'_>) -> Option<()> {
    along(draw, |it| it.dtype.is_floating())
}

fn product(draw: &mut Draw<'_>) -> Option<()> {
    let left = draw.operand(|it| it.dtype.is_inexact() && it.shape.ndim() > 0)?;
    let ndim = left.shape.ndim();
    draw.operand(|it| {
        let contracted = it.shape.ndim().saturating_sub(2);
        let leading_fit = (1..=ndim.min(it.shape.ndim()).saturating_sub(2)).all(|from_end| {
            let a = left.shape[ndim - 2 - from_end];
            let b = it.shape[it.shape.ndim() - 2 - from_end];
            a == b || a == 1 || b == 1
        });
        let has_axis = it.dtype.is_inexact() && it.shape.ndim() > 0;
        has_axis && leading_fit && it.shape[contracted] == left.shape[ndim - 1]
    })
    .map(|_| ())
}

fn same_last(draw: &mut Draw<'_>) -> Option<()> {
    let left = draw.operand(|it| it.dtype.is_inexact() && it.shape.ndim() > 0)?;
    draw.operand(|it| it.dtype.is_inexact() && it.shape.last() == left.shape.last())
        .map(|_| ())
}

fn vectors(draw: &mut Draw<'_>) -> Option<()> {
    let small = |it: &ArrayType| it.dtype.is_inexact() && it.shape.size() <= 16;
    draw.operand(small)?;
    draw.operand(small).map(|_| ())
}

fn rows(draw: &mut Draw<'_>) -> Option<()> {
    draw.operand(|it| it.dtype.is_floating() && it.shape.ndim() > 0 && filled(it))
        .map(|_| ())
}

fn sequences(draw: &mut Draw<'_>) -> Option<()> {
    draw.operand(|it| it.dtype.is_floating() && it.shape.ndim() == 3 && filled(it))
        .map(|_| ())
}

fn keep(numbers: &[i64]) -> bool {
    numbers[1] == 1
}

fn attention(x: &Array) -> Result<Array> {
    let heads = ops::expand_dims(x, &[1])?;
    let scale = 0.5;
    let mask = ops::fast::Mask::Causal;
    let output =
        ops::fast::scaled_dot_product_attention(&heads, &heads, &heads, scale, mask, None)?;
    ops::squeeze(&output, Some(&[1]))
}

pub(super) const KINDS: &[Kind] = kinds! {
    "sum" any |x, n| tame(&ops::sum(&x[0], Some(&axes_of(n[0])), keep(n))?);
    "sum of squares" inexact |x, n| tame(&ops::sum(&ops::square(&x[0])?, Some(&axes_of(n[0])), keep(n))?);
    "mean" inexact |x, n| ops::mean(&x[0], Some(&axes_of(n[0])), keep(n));
    "less mean" inexact |x, n| ops::subtract(&x[0], &ops::mean(&x[0], Some(&axes_of(n[0])), true)?);
    "var" real |x, n| ops::var(&x[0], Some(&axes_of(n[0])), keep(n), 0);
    "prod" any |x, n| tame(&ops::prod(&x[0], Some(&axes_of(n[0])), keep(n))?);
    "max" ordered |x, n| ops::max(&x[0], Some(&axes_of(n[0])), keep(n));
    "min" ordered |x, n| ops::min(&x[0], Some(&axes_of(n[0])), keep(n));
    "all" any |x, n| ops::all(&x[0], Some(&axes_of(n[0])), keep(n));
    "any" any |x, n| ops::any(&x[0], Some(&axes_of(n[0])), keep(n));
    "logsumexp" real |x, n| tame(&ops::logsumexp(&x[0], Some(&axes_of(n[0])), keep(n))?);
    "count_nonzero" any |x, n| ops::count_nonzero(&x[0], Some(&axes_of(n[0])), keep(n));
    "argmax" one_axis |x, n| ops::argmax(&x[0], Some(n[0]), keep(n));
    "argmin" one_axis |x, n| ops::argmin(&x[0], Some(n[0]), keep(n));
    "median" real |x, n| ops::median(&x[0], Some(&axes_of(n[0])), keep(n));
    "cumsum" number_along |x, n| tame(&ops::cumsum(&x[0], Some(n[0]), n[1] == 1, n[2] == 1)?);
    "cumprod" number_along |x, n| tame(&ops::cumprod(&x[0], Some(n[0]), n[1] == 1, n[2] == 1)?);
    "cummax" ordered_along |x, n| ops::cummax(&x[0], Some(n[0]), n[1] == 1, true);
    "cummin" ordered_along |x, n| ops::cummin(&x[0], Some(n[0]), n[1] == 1, true);
    "logcumsumexp" real_along |x, n| tame(&ops::logcumsumexp(&x[0], Some(n[0]), n[1] == 1, true)?);
    "matmul" product |x| tame(&ops::matmul(&x[0], &x[1])?);
    "inner" same_last |x| tame(&ops::inner(&x[0], &x[1])?);
    "outer" vectors |x| tame(&ops::outer(&x[0], &x[1])?);
    "gram" rows |x| {
        let rows = ops::reshape(&x[0], &[-1, x[0].shape()[x[0].ndim() - 1] as i64])?;
        tame(&ops::matmul(&ops::transpose(&rows, &[])?, &rows)?)
    };
    "einsum" sequences |x| tame(&ops::einsum("abc,abd->acd", &[&x[0], &x[0]])?);
    "softmax" real |x, n| ops::fast::softmax(&x[0], Some(&axes_of(n[0].max(1) & ((1 << x[0].ndim()) - 1))), keep(n));
    "softmax by hand" real |x, n| {
        let axes = axes_of(n[0]);
        let shifted = ops::subtract(&x[0], &ops::max(&x[0], Some(&axes), true)?)?;
        let powers = ops::exp(&shifted)?;
        ops::divide(&powers, &ops::sum(&powers, Some(&axes), true)?)
    };
    "norm by hand" real |x, n| {
        let axes = axes_of(n[0]);
        let centred = ops::subtract(&x[0], &ops::mean(&x[0], Some(&axes), true)?)?;
        let variance = ops::mean(&ops::square(&centred)?, Some(&axes), true)?;
        ops::multiply(&centred, &ops::rsqrt(&plus(&variance, 0.1)?)?)
    };
    "rms_norm" rows |x| ops::fast::rms_norm(&x[0], None, 1e-2);
    "layer_norm" rows |x| ops::fast::layer_norm(&x[0], None, None, 1e-2);
    "attention" sequences |x| attention(&x[0]);
};
