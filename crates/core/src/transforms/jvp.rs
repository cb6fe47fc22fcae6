//! Forward-mode differentiation.

use super::tape::{Tape, key};
use super::trace::Trace;
use crate::array::Array;
use crate::compile::shapeless;
use crate::ops;
use crate::rules;
use mlx_oxide_ir::{Error, Result};
use rustc_hash::FxHashMap;

/// The outputs of `function` at `primals` and the product of its Jacobian with `tangents`.
///
/// `tangents[i]` has the shape of primal `i` and is converted to its dtype; that of an integer or
/// bool is zero, whatever is given. The result has one tangent for each output.
///
/// # Errors
/// Whatever `function` returns; tangents that do not fit; an operation without a derivative.
pub fn jvp<F>(
    function: F,
    primals: &[Array],
    tangents: &[Array],
) -> Result<(Vec<Array>, Vec<Array>)>
where
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    check_tangents(primals, tangents)?;
    let (outputs, tape, tracers) = {
        shapeless::refuse("jvp");
        let scope = Trace::begin();
        let tracers: Vec<Array> = primals.iter().map(|primal| primal.tracer(&scope)).collect();
        let outputs = function(&tracers)?;
        let tape = Tape::record(&tracers, &outputs)?;
        (outputs, tape, tracers)
    };
    let mut known: FxHashMap<(usize, u32), Array> = FxHashMap::default();
    for (tracer, tangent) in tracers.iter().zip(tangents) {
        // integers and bools do not vary
        if tracer.dtype().is_inexact() {
            known.insert(key(tracer), ops::astype(tangent, tracer.dtype())?);
        }
    }
    for record in &tape.records {
        let results = record.outputs();
        let site = record.site(&results);
        let incoming: Vec<Option<Array>> = record
            .expression
            .inputs
            .iter()
            .map(|input| known.get(&key(input)).cloned())
            .collect();
        if incoming.iter().all(Option::is_none) {
            continue;
        }
        let outgoing = match &record.expression.rules {
            Some(rules) => rules.jvp(&site, &incoming)?,
            None => rules::derivative::push(&site, &incoming)?,
        };
        for (result, tangent) in results.iter().zip(outgoing) {
            if let Some(tangent) = tangent.filter(|_| result.dtype().is_inexact()) {
                known.insert(key(result), tangent);
            }
        }
    }
    let tangents = outputs
        .iter()
        .map(|output| match known.get(&key(output)) {
            Some(tangent) => Ok(tangent.clone()),
            None => ops::zeros_like(output),
        })
        .collect::<Result<_>>()?;
    Ok((outputs, tangents))
}

fn check_tangents(primals: &[Array], tangents: &[Array]) -> Result<()> {
    if primals.len() != tangents.len() {
        return Err(Error::InputCount {
            op: "jvp",
            expected: primals.len(),
            found: tangents.len(),
        });
    }
    for (primal, tangent) in primals.iter().zip(tangents) {
        if primal.shape() != tangent.shape() {
            return Err(Error::ShapeMismatch {
                op: "jvp",
                rule: "a tangent must have its primal's shape",
                lhs: primal.shape().clone(),
                rhs: tangent.shape().clone(),
            });
        }
    }
    Ok(())
}
