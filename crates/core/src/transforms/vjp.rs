//! Reverse-mode differentiation.

use super::tape::{Record, Tape, key};
use super::trace::Trace;
use crate::array::Array;
use crate::compile::shapeless;
use crate::ops;
use crate::rules;
use mlx_oxide_ir::{Error, Result};
use rustc_hash::FxHashMap;

/// Cotangents collected so far, by output of a node.
type Cotangents = FxHashMap<(usize, u32), Array>;

/// The outputs of `function` at `primals` and the product of `cotangents` with its Jacobian.
///
/// `cotangents[i]` has the shape and dtype of output `i`. The result has one array for each
/// primal, of its shape and dtype.
///
/// # Errors
/// Whatever `function` returns; cotangents that do not fit; an operation without a derivative.
pub fn vjp<F>(
    function: F,
    primals: &[Array],
    cotangents: &[Array],
) -> Result<(Vec<Array>, Vec<Array>)>
where
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    let (outputs, tape, tracers) = trace(function, primals)?;
    check_cotangents(&outputs, cotangents)?;
    let seeds = outputs
        .iter()
        .zip(cotangents)
        .map(|(output, seed)| (output, seed.clone()));
    let gradients = backward(&tape, &tracers, seeds)?;
    Ok((outputs, gradients))
}

/// The outputs of `function`, of which the first is a scalar, and the gradients of that scalar
/// with respect to the primals `argnums`.
pub fn value_and_grad<F>(
    function: F,
    primals: &[Array],
    argnums: &[usize],
) -> Result<(Vec<Array>, Vec<Array>)>
where
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    if let Some(argnum) = argnums.iter().find(|argnum| **argnum >= primals.len()) {
        return Err(Error::InvalidArgument {
            op: "grad",
            argument: "argnums",
            value: argnum.to_string(),
            expected: "positions of arguments",
        });
    }
    let chosen: Vec<Array> = argnums
        .iter()
        .map(|argnum| primals[*argnum].clone())
        .collect();
    let whole = |tracers: &[Array]| {
        let mut arguments = primals.to_vec();
        for (argnum, tracer) in argnums.iter().zip(tracers) {
            arguments[*argnum] = tracer.clone();
        }
        function(&arguments)
    };
    let (outputs, tape, tracers) = trace(whole, &chosen)?;
    let Some(loss) = outputs.first() else {
        return Err(Error::InvalidArgument {
            op: "grad",
            argument: "the result of the function",
            value: "empty".to_owned(),
            expected: "a scalar first",
        });
    };
    if loss.ndim() != 0 {
        return Err(Error::ShapeUnsuitable {
            op: "grad",
            rule: "the function must return a scalar; sum it, or use vjp",
            shape: loss.shape().clone(),
        });
    }
    let seed = ops::ones_like(loss)?;
    let gradients = backward(&tape, &tracers, [(loss, seed)])?;
    Ok((outputs, gradients))
}

/// The gradients of a scalar function with respect to the primals `argnums`.
pub fn grad<F>(function: F, primals: &[Array], argnums: &[usize]) -> Result<Vec<Array>>
where
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    value_and_grad(function, primals, argnums).map(|(_, gradients)| gradients)
}

fn trace<F>(function: F, primals: &[Array]) -> Result<(Vec<Array>, Tape, Vec<Array>)>
where
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    shapeless::refuse("vjp");
    let scope = Trace::begin();
    let tracers: Vec<Array> = primals.iter().map(|primal| primal.tracer(&scope)).collect();
    let outputs = function(&tracers)?;
    let tape = Tape::record(&tracers, &outputs)?;
    Ok((outputs, tape, tracers))
}

fn check_cotangents(outputs: &[Array], cotangents: &[Array]) -> Result<()> {
    if outputs.len() != cotangents.len() {
        return Err(Error::InputCount {
            op: "vjp",
            expected: outputs.len(),
            found: cotangents.len(),
        });
    }
    for (output, cotangent) in outputs.iter().zip(cotangents) {
        if output.shape() != cotangent.shape() {
            return Err(Error::ShapeMismatch {
                op: "vjp",
                rule: "a cotangent must have its output's shape",
                lhs: output.shape().clone(),
                rhs: cotangent.shape().clone(),
            });
        }
    }
    Ok(())
}

/// Walks the tape from the outputs to the inputs.
fn backward<'a>(
    tape: &Tape,
    tracers: &[Array],
    seeds: impl IntoIterator<Item = (&'a Array, Array)>,
) -> Result<Vec<Array>> {
    let mut collected = Cotangents::default();
    for (output, seed) in seeds {
        if output.dtype().is_inexact() {
            let seed = ops::astype(&seed, output.dtype())?;
            accumulate(&mut collected, output, seed)?;
        }
    }
    for record in tape.records.iter().rev() {
        pull(record, &mut collected)?;
    }
    tracers
        .iter()
        .map(|tracer| match collected.remove(&key(tracer)) {
            Some(gradient) => Ok(gradient),
            None => ops::zeros_like(tracer),
        })
        .collect()
}

/// Moves the cotangents of a node's outputs to its inputs.
fn pull(record: &Record, collected: &mut Cotangents) -> Result<()> {
    let outputs = record.outputs();
    let cotangents: Vec<Option<Array>> = outputs
        .iter()
        .map(|output| collected.remove(&key(output)))
        .collect();
    if cotangents.iter().all(Option::is_none) {
        return Ok(());
    }
    let site = record.site(&outputs);
    let pulled = match &record.expression.rules {
        Some(rules) => rules.vjp(&site, &cotangents)?,
        None => rules::derivative::pull(&site, &cotangents)?,
    };
    for ((input, wanted), cotangent) in record
        .expression
        .inputs
        .iter()
        .zip(&record.wanted)
        .zip(pulled)
    {
        if let Some(cotangent) = cotangent.filter(|_| *wanted && input.dtype().is_inexact()) {
            accumulate(collected, input, cotangent)?;
        }
    }
    Ok(())
}

fn accumulate(collected: &mut Cotangents, array: &Array, cotangent: Array) -> Result<()> {
    debug_assert_eq!(array.shape(), cotangent.shape());
    let cotangent = match collected.remove(&key(array)) {
        Some(sum) => ops::add(&sum, &cotangent)?,
        None => cotangent,
    };
    collected.insert(key(array), cotangent);
    Ok(())
}
