//! Functions computed again for their gradient.

use super::custom::{CustomFunction, FunctionRules, with_rules};
use super::vjp;
use crate::array::{Array, CustomRules, Role, Site};
use crate::compile::shapeless;
use crate::graph::Graph;
use crate::ops;
use crate::rules::batch::Batched;
use mlx_oxide_ir::Result;
use std::sync::Arc;

/// A function whose intermediates are computed again for its gradient instead of being kept.
///
/// Arrays that the function takes from around it are followed too. Source: Chen et al. 2016,
/// <https://arxiv.org/abs/1604.06174>.
///
/// # Errors
/// Whatever `function` returns.
pub fn checkpoint<F>(function: F, inputs: &[Array]) -> Result<Vec<Array>>
where
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    shapeless::refuse("checkpoint");
    let (graph, outputs) = Graph::trace_with_values(function, inputs)?;
    let (graph, followed) = graph.with_followed_as_inputs();
    let mut operands = inputs.to_vec();
    operands.extend(followed);
    if !operands.iter().any(Array::is_traced) {
        return Ok(outputs);
    }
    let forward = Arc::new(graph);
    let backward = forward.clone();
    let checkpointed = CustomFunction::new(move |inputs| forward.replay(inputs)).with_vjp(
        move |primals, cotangents, _| {
            let primals = depends(primals, cotangents)?;
            let (_, pulled) = vjp(|inputs| backward.replay(inputs), &primals, cotangents)?;
            Ok(pulled.into_iter().map(Some).collect())
        },
    );
    // the inputs stay attached, because a function may store them where they are used again
    let outputs: Vec<Array> = outputs
        .iter()
        .map(ops::stop_gradient)
        .collect::<Result<_>>()?;
    let rules = Arc::new(FunctionRules(checkpointed));
    with_rules(&operands, &outputs, rules)
}

/// The arrays, computed only once the dependencies are.
///
/// # Errors
/// None of its own.
pub fn depends(arrays: &[Array], dependencies: &[Array]) -> Result<Vec<Array>> {
    with_rules(dependencies, arrays, Arc::new(DependsRules))
}

/// The identity in the last inputs.
struct DependsRules;

impl CustomRules for DependsRules {
    fn role(&self) -> Role {
        Role::Order
    }

    fn vjp(&self, site: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let mut pulled = vec![None; site.inputs.len() - site.outputs.len()];
        pulled.extend_from_slice(cotangents);
        Ok(pulled)
    }

    fn jvp(&self, site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        Ok(tangents[site.inputs.len() - site.outputs.len()..].to_vec())
    }

    fn batch(&self, site: &Site<'_>, inputs: &[Batched]) -> Result<Vec<Batched>> {
        let first = inputs.len() - site.outputs.len();
        let arrays: Vec<Array> = inputs.iter().map(|input| input.array.clone()).collect();
        let results = depends(&arrays[first..], &arrays[..first])?;
        let placed = results.into_iter().zip(&inputs[first..]);
        Ok(placed
            .map(|(array, input)| Batched {
                array,
                axis: input.axis,
            })
            .collect())
    }
}
