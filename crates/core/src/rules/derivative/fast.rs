//! Compositions with kernels of their own.

mod recurrent;

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops;
use mlx_oxide_ir::{Fast, Op, Result};

pub(super) fn derivative(fast: &Fast) -> Derivative {
    match fast {
        Fast::Softmax { .. } => Derivative::General {
            jvp: softmax_jvp,
            vjp: softmax_vjp,
        },
        Fast::Rope { .. } => Derivative::General {
            jvp: rope_jvp,
            vjp: rope_vjp,
        },
        Fast::RmsNorm { .. } | Fast::LayerNorm { .. } => Derivative::General {
            jvp: pushed,
            vjp: norm_vjp,
        },
        Fast::Attention { .. } | Fast::NormGradient { .. } => Derivative::Decomposed,
        Fast::Recurrent { .. } => Derivative::Pulled(recurrent::vjp),
    }
}

/// `y·(t - Σ y·t)`, for tangents and, with `y` conjugated, cotangents alike: the Jacobian is
/// symmetric.
fn softmax_product(y: &Array, direction: &Array) -> Result<Array> {
    let weighted = ops::multiply(y, direction)?;
    let sum = ops::sum(&weighted, Some(&[-1]), true)?;
    ops::subtract(&weighted, &ops::multiply(y, &sum)?)
}

fn softmax_jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    match &tangents[0] {
        Some(tangent) => softmax_product(&site.outputs[0], tangent),
        None => ops::zeros_like(&site.outputs[0]),
    }
}

fn softmax_vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let y = ops::conjugate(&site.outputs[0])?;
    Ok(vec![Some(softmax_product(&y, cotangent)?)])
}

/// All at once; without that of the rows, little is left to do, and the decomposition does it.
fn norm_vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let (eps, centred) = match site.op {
        Op::Fast(Fast::RmsNorm { eps }) if site.wanted[0] => (*eps, false),
        Op::Fast(Fast::LayerNorm { eps }) if site.wanted[0] => (*eps, true),
        _ => return super::pull_decomposed(site, &[Some(cotangent.clone())]),
    };
    let op = Op::Fast(Fast::NormGradient { eps, centred });
    let inputs = [&site.inputs[0], &site.inputs[1], cotangent];
    let gradients = Array::apply_all(op, &inputs)?;
    Ok(gradients.into_iter().map(Some).collect())
}

/// The tangent of the one output of the decomposition.
fn pushed(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    super::push_decomposed(site, tangents)?
        .pop()
        .flatten()
        .map_or_else(|| ops::zeros_like(&site.outputs[0]), Ok)
}

/// The same rotation of the tangent; by frequencies, which are rarely followed, that of the
/// decomposition.
fn rope_jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    match (&tangents[0], &tangents[2]) {
        (Some(tangent), None) => Array::apply(
            site.op.clone(),
            &[tangent, &site.inputs[1], &site.inputs[2]],
        ),
        (None, None) => ops::zeros_like(&site.outputs[0]),
        (_, Some(_)) => pushed(site, tangents),
    }
}

/// The rotation back.
fn rope_vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Fast(Fast::Rope {
        dims,
        traditional,
        scale,
        inverse,
    }) = site.op
    else {
        return Ok(vec![None; site.inputs.len()]);
    };
    if site.wanted[2] {
        return super::pull_decomposed(site, &[Some(cotangent.clone())]);
    }
    let op = Fast::Rope {
        dims: *dims,
        traditional: *traditional,
        scale: *scale,
        inverse: !inverse,
    };
    let turned = Array::apply(Op::Fast(op), &[cotangent, &site.inputs[1], &site.inputs[2]])?;
    Ok(vec![Some(turned), None, None])
}
