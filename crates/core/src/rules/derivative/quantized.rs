//! Packed matrices: linear in the numbers beside them, constant in the packed elements.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops::{self, quantized::Packed};
use mlx_oxide_ir::{Combine, Dtype, Error, Op, Packing, Quantized, Result, Shape};

pub(super) fn derivative(op: &Quantized) -> Derivative {
    match op {
        // without biases packed elements and scales are integers all
        Quantized::Quantize { packing, .. } if !packing.has_biases() => Derivative::Zero,
        Quantized::Quantize { .. } => Derivative::Tangents(|site, _| {
            Err(Error::NotDifferentiable {
                op: site.op.name(),
                reason: "elements are rounded; take the gradient at the dequantized matrix",
            })
        }),
        Quantized::ToFp8 | Quantized::FromFp8 { .. } => Derivative::Zero, // to and from integers
        Quantized::Requantize { .. } => Derivative::General {
            jvp: |site, tangents| match &tangents[0] {
                Some(tangent) => Ok(tangent.clone()),
                None => ops::zeros_like(&site.outputs[0]),
            },
            vjp: |site, cotangent| {
                let mut cotangents = vec![None; site.inputs.len()];
                cotangents[0] = Some(cotangent.clone());
                Ok(cotangents)
            },
        },
        Quantized::Dequantize { .. } => Derivative::Linear(dequantize),
        Quantized::Matmul { .. } | Quantized::GatherMatmul { .. } => Derivative::General {
            jvp: product_jvp,
            vjp: product_vjp,
        },
    }
}

fn internal(site: &Site<'_>) -> Error {
    Error::Internal {
        op: site.op.name(),
        detail: "wrong rule".to_owned(),
    }
}

fn packing(site: &Site<'_>) -> Result<Packing> {
    match site.op {
        Op::Quantized(
            Quantized::Dequantize { packing, .. }
            | Quantized::Matmul { packing, .. }
            | Quantized::GatherMatmul { packing, .. },
        ) => Ok(*packing),
        _ => Err(internal(site)),
    }
}

/// The sums over groups of what is there for every element.
fn group_sums(elements: &Array, packing: &Packing) -> Result<Array> {
    let mut shape = elements.shape().clone();
    let last = shape.ndim() - 1;
    shape[last] /= packing.group_size;
    shape.push(packing.group_size);
    ops::sum(&ops::reshape_to(elements, shape)?, Some(&[-1]), false)
}

/// The cotangents of scales and biases from that of the elements: of `scale·q + bias` they are the
/// sums over groups of `q` times it and of itself.
fn scales_and_biases(
    words: &Array,
    scales: &Array,
    cotangent: &Array,
    packing: Packing,
) -> Result<[Array; 2]> {
    let integers = Packed {
        words: words.clone(),
        scales: ops::ones_like(scales)?,
        biases: Some(ops::zeros_like(scales)?),
    };
    let integers = ops::quantized::dequantize(&integers, packing, None, Some(cotangent.dtype()))?;
    Ok([
        group_sums(&ops::multiply(cotangent, &integers)?, &packing)?,
        group_sums(cotangent, &packing)?,
    ])
}

fn dequantize(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let packing = packing(site)?;
    let mut cotangents = vec![None; site.inputs.len()];
    if packing.has_biases() {
        let [scales, biases] =
            scales_and_biases(&site.inputs[0], &site.inputs[1], cotangent, packing)?;
        cotangents[1] = Some(scales);
        cotangents[2] = Some(biases);
    }
    if let Op::Quantized(Quantized::Dequantize { global: true, .. }) = site.op {
        // every element is the global scale times something
        let last = site.inputs.len() - 1;
        let one = ops::ones_like(&site.inputs[last])?;
        let mut inputs: Vec<&Array> = site.inputs.iter().collect();
        inputs[last] = &one;
        let factors = Array::apply(site.op.clone(), &inputs)?;
        let sum = ops::sum(&ops::multiply(cotangent, &factors)?, None, false)?;
        let sum = ops::astype(&sum, site.inputs[last].dtype())?;
        cotangents[last] = Some(ops::reshape_to(&sum, site.inputs[last].shape().clone())?);
    }
    Ok(cotangents)
}

/// The product of the tangent of x, and that with the tangent of the matrix, which scales and
/// biases are together.
fn product_jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    let apply = |replaced: &[(usize, &Array)]| {
        let mut inputs: Vec<&Array> = site.inputs.iter().collect();
        for (input, array) in replaced {
            inputs[*input] = array;
        }
        Array::apply(site.op.clone(), &inputs)
    };
    let from_x = match &tangents[0] {
        Some(tangent) => Some(apply(&[(0, tangent)])?),
        None => None,
    };
    let packing = packing(site)?;
    let moves = packing.has_biases() && (tangents[2].is_some() || tangents[3].is_some());
    let from_matrix = if moves {
        let or_zeros = |input: usize| match &tangents[input] {
            Some(tangent) => Ok(tangent.clone()),
            None => ops::zeros_like(&site.inputs[input]),
        };
        Some(apply(&[(2, &or_zeros(2)?), (3, &or_zeros(3)?)])?)
    } else {
        None
    };
    match (from_x, from_matrix) {
        (Some(lhs), Some(rhs)) => ops::add(&lhs, &rhs),
        (Some(tangent), None) | (None, Some(tangent)) => Ok(tangent),
        (None, None) => ops::zeros_like(&site.outputs[0]),
    }
}

fn product_vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let packing = packing(site)?;
    let mut cotangents = vec![None; site.inputs.len()];
    if site.wanted[0] {
        cotangents[0] = Some(match site.op {
            Op::Quantized(Quantized::GatherMatmul { .. }) => gathered_x(site, cotangent)?,
            _ => product_x(site, cotangent)?,
        });
    }
    if packing.has_biases() && (site.wanted[2] || site.wanted[3]) {
        let elements = match site.op {
            Op::Quantized(Quantized::GatherMatmul { transpose, .. }) => {
                gathered_matrix(site, cotangent, *transpose, &packing)?
            }
            Op::Quantized(Quantized::Matmul { transpose, .. }) => {
                matrix(&site.inputs[0], cotangent, *transpose)?
            }
            _ => return Err(internal(site)),
        };
        let [scales, biases] =
            scales_and_biases(&site.inputs[1], &site.inputs[2], &elements, packing)?;
        cotangents[2] = Some(scales);
        cotangents[3] = Some(biases);
    }
    Ok(cotangents)
}

/// The cotangent times the matrix the other way around.
fn product_x(site: &Site<'_>, cotangent: &Array) -> Result<Array> {
    let Op::Quantized(Quantized::Matmul { packing, transpose }) = site.op else {
        return Err(internal(site));
    };
    let op = Quantized::Matmul {
        packing: *packing,
        transpose: !transpose,
    };
    let inputs: Vec<&Array> = std::iter::once(cotangent)
        .chain(&site.inputs[1..])
        .collect();
    Array::apply(Op::Quantized(op), &inputs)
}

/// The cotangent of the matrix, in the order of its elements.
fn matrix(x: &Array, cotangent: &Array, transpose: bool) -> Result<Array> {
    let (rows, columns) = if transpose {
        (cotangent, x)
    } else {
        (x, cotangent)
    };
    ops::matmul(&ops::swapaxes(rows, -1, -2)?, columns)
}

/// Sums of matrices at the numbers that `picks` gives, in the shape of `target`.
fn added_up(matrices: &Array, picks: &Array, target: Shape) -> Result<Array> {
    let ndim = target.ndim();
    let (rows, columns) = (target[ndim - 2], target[ndim - 1]);
    let count: usize = target[..ndim - 2].iter().product();
    let flat = picks.size();
    let updates = ops::reshape_to(matrices, [flat, 1, rows, columns])?;
    let positions = ops::reshape_to(picks, [flat])?;
    let zeros = ops::zeros([count, rows, columns], matrices.dtype())?;
    let sums = ops::scatter(&zeros, &[&positions], &updates, &[0], Combine::Add)?;
    ops::reshape_to(&sums, target)
}

/// The cotangents times the picked matrices, added up at the picked parts of x.
fn gathered_x(site: &Site<'_>, cotangent: &Array) -> Result<Array> {
    let Op::Quantized(Quantized::GatherMatmul {
        packing,
        transpose,
        sorted,
    }) = site.op
    else {
        return Err(internal(site));
    };
    let parts = packing.parts();
    let picks = &site.inputs[1 + parts];
    let each = ops::arange(0.0, picks.size() as f64, 1.0, Dtype::Uint32)?;
    let each = ops::reshape_to(&each, picks.shape().clone())?;
    let op = Quantized::GatherMatmul {
        packing: *packing,
        transpose: !transpose,
        sorted: *sorted,
    };
    let mut inputs: Vec<&Array> = vec![cotangent];
    inputs.extend(&site.inputs[1..=parts]);
    inputs.extend([&each, &site.inputs[2 + parts]]);
    let products = Array::apply(Op::Quantized(op), &inputs)?;
    added_up(&products, picks, site.inputs[0].shape().clone())
}

/// The cotangent of all matrices, those that are picked several times added up.
fn gathered_matrix(
    site: &Site<'_>,
    cotangent: &Array,
    transpose: bool,
    packing: &Packing,
) -> Result<Array> {
    let (x, parts) = (&site.inputs[0], packing.parts());
    let ndim = x.ndim();
    let (rows, inner) = (x.shape()[ndim - 2], x.shape()[ndim - 1]);
    let count: usize = x.shape()[..ndim - 2].iter().product();
    let flat = ops::reshape_to(x, [count, rows, inner])?;
    let picked = ops::take(&flat, &site.inputs[1 + parts], 0)?;
    let mut target = site.inputs[2].shape().clone();
    let last = target.ndim() - 1;
    target[last] *= packing.group_size;
    let matrices = matrix(&picked, cotangent, transpose)?;
    added_up(&matrices, &site.inputs[2 + parts], target)
}
