//! Fourier transforms: linear, each the transpose of another up to the weight of frequencies that
//! stand for two.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops::{self, unary};
use mlx_oxide_ir::{Error, Fft, Op, Result};

pub(super) fn derivative(fft: &Fft) -> Derivative {
    match fft {
        Fft::Forward { .. }
        | Fft::Inverse { .. }
        | Fft::RealForward { .. }
        | Fft::RealInverse { .. } => Derivative::Linear(transpose),
    }
}

fn transpose(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Fft(fft) = site.op else {
        return Err(Error::Internal {
            op: site.op.name(),
            detail: "wrong rule".to_owned(),
        });
    };
    let apply = |fft: Fft, a: &Array| Array::apply(Op::Fft(fft), &[a]);
    let gradient = match fft.clone() {
        Fft::Forward { axes, scale } => apply(Fft::Inverse { axes, scale }, cotangent)?,
        Fft::Inverse { axes, scale } => apply(Fft::Forward { axes, scale }, cotangent)?,
        Fft::RealForward { axes, scale } => {
            let halved = axes.last().copied().unwrap_or_default();
            let length = site.inputs[0].shape()[halved];
            let weighted = weighted(cotangent, halved, length, 0.5)?;
            let transposed = Fft::RealInverse {
                axes,
                length,
                scale,
            };
            apply(transposed, &weighted)?
        }
        Fft::RealInverse {
            axes,
            length,
            scale,
        } => {
            let halved = axes.last().copied().unwrap_or_default();
            let spectrum = apply(Fft::RealForward { axes, scale }, cotangent)?;
            weighted(&spectrum, halved, length, 2.0)?
        }
    };
    Ok(vec![Some(gradient)])
}

/// The frequencies that stand for two, themselves and their negatives, times `weight`.
fn weighted(spectrum: &Array, axis: usize, length: usize, weight: f64) -> Result<Array> {
    let count = length / 2 + 1;
    let weights: Vec<f32> = (0..count)
        .map(
            |frequency| match frequency == 0 || 2 * frequency == length {
                true => 1.0,
                false => weight as f32,
            },
        )
        .collect();
    let mut shape = vec![1; spectrum.ndim()];
    shape[axis] = count;
    let weights = Array::from_slice(&weights, shape)?;
    ops::multiply(spectrum, &unary::astype(&weights, spectrum.dtype())?)
}
