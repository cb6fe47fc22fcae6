//! Derivatives. Each is stated once and serves both modes; rules build graph, so they can be
//! differentiated again.

mod binary;
mod contract;
mod fast;
mod fft;
mod gather_product;
mod index;
mod linalg;
mod quantized;
mod reduce;
mod scan;
mod scatter;
mod sort;
mod unary;
mod view;

use super::decompose;
use crate::array::{Array, Site};
use crate::ops;
use crate::transforms;
use mlx_oxide_ir::{Error, Op, Result};

/// Cotangents or tangents; `None` is zero.
pub type Optional = Vec<Option<Array>>;

/// The derivative of an operation.
pub enum Derivative {
    /// Zero everywhere: comparisons, rounding, integers.
    Zero,
    /// For each wanted input the elementwise partial derivative of the one output.
    Partials(fn(&Site<'_>) -> Result<Optional>),
    /// Linear in all inputs at once. The rule is the transpose: from the output's cotangent to
    /// the inputs'; the tangent of the output is the operation itself on tangents.
    Linear(fn(&Site<'_>, &Array) -> Result<Optional>),
    /// Linear in each input of those wanted, by itself. The rule is the transpose for one input.
    Multilinear(fn(&Site<'_>, usize, &Array) -> Result<Array>),
    /// Both modes by hand, for one output.
    General {
        /// The output's tangent from the inputs'.
        jvp: fn(&Site<'_>, &[Option<Array>]) -> Result<Array>,
        /// The inputs' cotangents from the output's.
        vjp: fn(&Site<'_>, &Array) -> Result<Optional>,
    },
    /// Tangents of all outputs from those of the inputs, of which some are there; `None` is zero.
    /// The rule is linear in them, so the cotangents follow by transposing it.
    Tangents(fn(&Site<'_>, &[Option<Array>]) -> Result<Optional>),
    /// The inputs' cotangents, by hand, from those of the outputs that have some; tangents are
    /// those of the decomposition.
    Pulled(fn(&Site<'_>, &[Option<Array>]) -> Result<Optional>),
    /// That of the decomposition into simpler operations.
    Decomposed,
    /// None.
    Undefined {
        /// Why.
        reason: &'static str,
    },
}

/// The derivative of an operation at a site.
pub fn derivative(site: &Site<'_>) -> Derivative {
    match site.op {
        Op::Source(_) | Op::ArgReduce(_) | Op::Random(_) => Derivative::Zero,
        Op::Unary(op) => unary::derivative(*op, site),
        Op::Binary(op) => binary::derivative(*op),
        Op::Select => binary::select(),
        Op::Cast(_) => view::cast(),
        Op::View(op) => view::derivative(op, site),
        Op::Index(op) => index::derivative(op),
        Op::Reduce(op) => reduce::derivative(op),
        Op::Scan(op) => scan::derivative(op),
        Op::Sort(op) => sort::derivative(op),
        Op::Contract(op) => contract::derivative(op),
        Op::Fft(op) => fft::derivative(op),
        Op::Linalg(op) => linalg::derivative(op),
        Op::Fast(op) => fast::derivative(op),
        Op::Quantized(op) => quantized::derivative(op),
        Op::Fused(_) | Op::FusedReduce(_) => Derivative::Undefined {
            reason: "fused programs are made after transforms",
        },
        Op::Custom(_) => Derivative::Undefined {
            reason: "the operation brings no rules",
        },
    }
}

/// Cotangents of the inputs from those of the outputs.
pub(crate) fn pull(site: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Optional> {
    // a rule for one output has nothing to do without its cotangent
    let cotangent = cotangents.first().and_then(Option::as_ref);
    match (derivative(site), cotangent) {
        (Derivative::Tangents(rule), _) => pull_tangents(rule, site, cotangents),
        (Derivative::Pulled(vjp), _) => vjp(site, cotangents),
        (Derivative::Decomposed, _) => pull_decomposed(site, cotangents),
        (Derivative::Zero, _) | (_, None) => Ok(vec![None; site.inputs.len()]),
        (Derivative::Partials(partials), Some(cotangent)) => partials(site)?
            .into_iter()
            .map(|partial| {
                let conjugated = partial
                    .map(|partial| ops::conjugate(&partial))
                    .transpose()?;
                conjugated
                    .map(|partial| ops::multiply(cotangent, &partial))
                    .transpose()
            })
            .collect(),
        (Derivative::Linear(transpose), Some(cotangent)) => transpose(site, cotangent),
        (Derivative::Multilinear(transpose), Some(cotangent)) => (0..site.inputs.len())
            .map(|input| {
                let wanted = site.wanted[input] && site.inputs[input].dtype().is_inexact();
                wanted
                    .then(|| transpose(site, input, cotangent))
                    .transpose()
            })
            .collect(),
        (Derivative::General { vjp, .. }, Some(cotangent)) => vjp(site, cotangent),
        (Derivative::Undefined { reason }, Some(_)) => Err(Error::NotDifferentiable {
            op: site.op.name(),
            reason,
        }),
    }
}

/// Tangents of the outputs from those of the inputs.
pub(crate) fn push(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let tangent = match derivative(site) {
        Derivative::Zero => None,
        Derivative::Partials(partials) => {
            let mut sum: Option<Array> = None;
            for (partial, tangent) in partials(site)?.into_iter().zip(tangents) {
                if let (Some(partial), Some(tangent)) = (partial, tangent) {
                    sum = add(sum, ops::multiply(tangent, &partial)?)?;
                }
            }
            sum
        }
        Derivative::Linear(_) => Some(push_linear(site, tangents)?),
        Derivative::Multilinear(_) => {
            let mut sum: Option<Array> = None;
            for (input, tangent) in tangents.iter().enumerate() {
                if let Some(tangent) = tangent.as_ref().filter(|_| site.wanted[input]) {
                    let mut inputs: Vec<&Array> = site.inputs.iter().collect();
                    inputs[input] = tangent;
                    sum = add(sum, Array::apply(site.op.clone(), &inputs)?)?;
                }
            }
            sum
        }
        Derivative::General { jvp, .. } => Some(jvp(site, tangents)?),
        Derivative::Tangents(rule) => return rule(site, tangents),
        Derivative::Pulled(_) | Derivative::Decomposed => return push_decomposed(site, tangents),
        Derivative::Undefined { reason } => {
            return Err(Error::NotDifferentiable {
                op: site.op.name(),
                reason,
            });
        }
    };
    Ok(vec![tangent])
}

/// The transpose of a rule for tangents: its reverse derivative, which, the rule being linear, does
/// not depend on where it is taken. The rule's values at zero are never computed.
fn pull_tangents(
    rule: fn(&Site<'_>, &[Option<Array>]) -> Result<Optional>,
    site: &Site<'_>,
    cotangents: &[Option<Array>],
) -> Result<Optional> {
    let moving: Vec<usize> = (0..site.inputs.len())
        .filter(|&input| site.wanted[input] && site.inputs[input].dtype().is_inexact())
        .collect();
    let zeros: Vec<Array> = moving
        .iter()
        .map(|&input| ops::zeros_like(&site.inputs[input]))
        .collect::<Result<_>>()?;
    let seeds: Vec<Array> = cotangents.iter().flatten().cloned().collect();
    let linear = |tangents: &[Array]| -> Result<Vec<Array>> {
        let mut incoming = vec![None; site.inputs.len()];
        for (&input, tangent) in moving.iter().zip(tangents) {
            incoming[input] = Some(tangent.clone());
        }
        let outgoing = rule(site, &incoming)?;
        let pairs = outgoing.into_iter().zip(site.outputs).zip(cotangents);
        pairs
            .filter(|(_, cotangent)| cotangent.is_some())
            .map(|((tangent, output), _)| tangent.map_or_else(|| ops::zeros_like(output), Ok))
            .collect()
    };
    let (_, pulled) = transforms::vjp(linear, &zeros, &seeds)?;
    let mut results = vec![None; site.inputs.len()];
    for (input, cotangent) in moving.into_iter().zip(pulled) {
        results[input] = Some(cotangent);
    }
    Ok(results)
}

fn add(sum: Option<Array>, term: Array) -> Result<Option<Array>> {
    match sum {
        Some(sum) => ops::add(&sum, &term).map(Some),
        None => Ok(Some(term)),
    }
}

/// The operation on tangents, zeros where there is none; inputs that are no numbers of the
/// linear map (indices, conditions) stay.
fn push_linear(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    let inputs: Vec<Array> = site
        .inputs
        .iter()
        .zip(tangents)
        .map(|(input, tangent)| match tangent {
            Some(tangent) => Ok(tangent.clone()),
            None if input.dtype().is_inexact() => ops::zeros_like(input),
            None => Ok(input.clone()),
        })
        .collect::<Result<_>>()?;
    Array::apply(site.op.clone(), &inputs.iter().collect::<Vec<_>>())
}

fn decomposed<'a>(site: &'a Site<'_>) -> impl Fn(&[Array]) -> Result<Vec<Array>> + use<'a> {
    move |inputs: &[Array]| {
        decompose::decompose(site.op, inputs).unwrap_or_else(|| {
            Err(Error::Internal {
                op: site.op.name(),
                detail: "no decomposition".to_owned(),
            })
        })
    }
}

/// Outputs without a cotangent have zeros.
fn pull_decomposed(site: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Optional> {
    if cotangents.iter().all(Option::is_none) {
        return Ok(vec![None; site.inputs.len()]);
    }
    let cotangents: Vec<Array> = cotangents
        .iter()
        .zip(site.outputs)
        .map(|(cotangent, output)| match cotangent {
            Some(cotangent) => Ok(cotangent.clone()),
            None => ops::zeros_like(output),
        })
        .collect::<Result<_>>()?;
    let (_, gradients) = transforms::vjp(decomposed(site), site.inputs, &cotangents)?;
    Ok(gradients.into_iter().map(Some).collect())
}

fn push_decomposed(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Optional> {
    let tangents: Vec<Array> = site
        .inputs
        .iter()
        .zip(tangents)
        .map(|(input, tangent)| match tangent {
            Some(tangent) => Ok(tangent.clone()),
            None => ops::zeros_like(input),
        })
        .collect::<Result<_>>()?;
    let (_, results) = transforms::jvp(decomposed(site), site.inputs, &tangents)?;
    Ok(results.into_iter().map(Some).collect())
}
