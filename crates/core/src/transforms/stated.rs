//! Rules of a function that are traced functions themselves, as they stand in files.

use super::cond::operation;
use super::custom::{batch_identity, dense};
use crate::array::{Array, CustomRules, Site};
use crate::graph::{Graph, Step, simplify};
use crate::rules::batch::Batched;
use mlx_oxide_ir::{ArrayType, Error, Op, Result};
use std::sync::Arc;

/// A rule as a traced function, or why there is none.
pub(crate) type Traced = std::result::Result<Graph, String>;

/// Derivatives as traced functions. Both take the operation's inputs; then the one takes the
/// outputs' cotangents and gives those of the primals, the other takes the primals' tangents and
/// gives the outputs'.
#[derive(Clone)]
pub(crate) struct StatedRules {
    pub(crate) vjp: Arc<Traced>,
    pub(crate) jvp: Arc<Traced>,
}

impl StatedRules {
    /// The rules of a step, traced for the types that it has.
    pub(crate) fn of(step: &Step, rules: &dyn CustomRules, types: &[ArrayType]) -> Self {
        let primals = types.len() - step.types.len();
        let wanted = vec![true; types.len()];
        let outputs = |inputs: &[Array]| inputs[primals..].to_vec();
        let some = |arrays: &[Array]| arrays.iter().cloned().map(Some).collect::<Vec<_>>();
        let pull = |arrays: &[Array]| {
            let (inputs, cotangents) = arrays.split_at(types.len());
            let site = Site {
                op: &step.op,
                inputs,
                outputs: &outputs(inputs),
                wanted: &wanted,
            };
            let pulled = rules.vjp(&site, &some(cotangents))?;
            dense(&pulled, &inputs[..primals])
        };
        let push = |arrays: &[Array]| {
            let (inputs, tangents) = arrays.split_at(types.len());
            let site = Site {
                op: &step.op,
                inputs,
                outputs: &outputs(inputs),
                wanted: &wanted,
            };
            let mut tangents = some(tangents);
            tangents.resize(types.len(), None);
            let pushed = rules.jvp(&site, &tangents)?;
            dense(&pushed, site.outputs)
        };
        let trace = |rule: &dyn Fn(&[Array]) -> Result<Vec<Array>>, further: &[ArrayType]| {
            let all = [types, further].concat();
            let graph = Graph::trace(rule, &all).map_err(|error| error.to_string())?;
            if graph.followed_constants().next().is_some() {
                return Err("it depends on arrays inside a transform".to_owned());
            }
            Ok(simplify::simplify(graph))
        };
        StatedRules {
            vjp: Arc::new(trace(&pull, &types[primals..])),
            jvp: Arc::new(trace(&push, &types[..primals])),
        }
    }

    /// The operation whose last inputs are its outputs, of these types.
    pub(crate) fn operation(outputs: Vec<ArrayType>) -> Op {
        operation("custom_function", outputs)
    }
}

/// The outputs of a rule's graph.
fn apply(rule: &Traced, mode: &'static str, inputs: &[Array]) -> Result<Vec<Array>> {
    let graph = rule.as_ref().map_err(|reason| Error::ExportedFunction {
        op: "import_function",
        reason: format!("the {mode} rule of a function in it could not be written: {reason}"),
    })?;
    graph.replay(inputs)
}

impl CustomRules for StatedRules {
    fn vjp(&self, site: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let primals = site.inputs.len() - site.outputs.len();
        let mut operands = site.inputs.to_vec();
        operands.extend(dense(cotangents, site.outputs)?);
        let pulled = apply(&self.vjp, "vjp", &operands)?.into_iter();
        let mut pulled: Vec<Option<Array>> = pulled
            .zip(&site.inputs[..primals])
            .map(|(pulled, primal)| primal.dtype().is_inexact().then_some(pulled))
            .collect();
        pulled.resize(site.inputs.len(), None);
        Ok(pulled)
    }

    fn jvp(&self, site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let primals = site.inputs.len() - site.outputs.len();
        let mut operands = site.inputs.to_vec();
        operands.extend(dense(&tangents[..primals], &site.inputs[..primals])?);
        let pushed = apply(&self.jvp, "jvp", &operands)?;
        Ok(pushed.into_iter().map(Some).collect())
    }

    fn batch(&self, site: &Site<'_>, inputs: &[Batched]) -> Result<Vec<Batched>> {
        batch_identity(Arc::new(self.clone()), site, inputs)
    }
}
