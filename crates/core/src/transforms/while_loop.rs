//! Repetition while a condition holds.

use super::cond::{
    Branch, ControlFlow, mapped_size, operation, predicate, same_types, select_slices,
};
use super::custom::dense;
use crate::array::{Array, CustomRules, Role, Site};
use crate::compile::shapeless;
use crate::ops;
use crate::rules::batch::Batched;
use mlx_oxide_ir::{ArrayType, Error, Op, Result};
use std::sync::Arc;

/// `body` applied to the state again and again while `condition` of the state is true.
///
/// Both functions are traced. Differentiable in forward mode; reverse mode needs a number of
/// repetitions that is known, see [`scan`](super::scan). Under vmap the loop runs until no slice
/// goes on, and slices that have ended stay as they are. Semantics after `jax.lax.while_loop`.
///
/// # Errors
/// A body whose outputs differ in type from the state; a condition that is not one scalar.
pub fn while_loop<C, B>(condition: C, body: B, initial: &[Array]) -> Result<Vec<Array>>
where
    C: FnOnce(&[Array]) -> Result<Array>,
    B: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    shapeless::refuse("while_loop");
    let types: Vec<ArrayType> = initial
        .iter()
        .map(|state| state.array_type().clone())
        .collect();
    let mut operands = initial.to_vec();
    let condition = Branch::trace(
        |state| Ok(vec![predicate("while_loop", &condition(state)?)?]),
        &types,
        &mut operands,
    )?;
    let body = Branch::trace(body, &types, &mut operands)?;
    if types.is_empty() {
        return Ok(Vec::new());
    }
    let (operation, rules) = while_of(&types, condition, body)?;
    let inputs: Vec<&Array> = operands.iter().collect();
    Array::apply_custom(operation, &inputs, rules)
}

/// The operation that repeats `body` on a state of these types.
pub(crate) fn while_of(
    types: &[ArrayType],
    condition: Branch,
    body: Branch,
) -> Result<(Op, Arc<dyn CustomRules>)> {
    same_types(
        "while_loop",
        "the body changes the type of the state",
        types,
        &body.output_types(),
    )?;
    let rules = WhileRules(Arc::new(Loop { condition, body }));
    Ok((operation("while_loop", types.to_vec()), Arc::new(rules)))
}

struct Loop {
    condition: Branch,
    body: Branch,
}

/// Inputs: the state, then arrays that stay the same.
struct WhileRules(Arc<Loop>);

impl CustomRules for WhileRules {
    fn role(&self) -> Role {
        Role::Computation
    }

    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let count = self.0.body.graph.outputs.len();
        let mut operands = inputs.to_vec();
        while self.0.condition.call(&operands)?[0].item::<bool>()? {
            let state = self.0.body.call(&operands)?;
            crate::eval(&state)?;
            for (operand, state) in operands.iter_mut().zip(state) {
                *operand = state;
            }
        }
        operands.truncate(count);
        Ok(operands)
    }

    fn control_flow(&self) -> Option<ControlFlow<'_>> {
        Some(ControlFlow::While {
            condition: &self.0.condition,
            body: &self.0.body,
        })
    }

    fn vjp(&self, _site: &Site<'_>, _cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        Err(Error::NotDifferentiable {
            op: "while_loop",
            reason: "reverse mode needs a known number of repetitions; use scan, or jvp",
        })
    }

    fn jvp(&self, site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let count = site.outputs.len();
        let tangents = dense(tangents, site.inputs)?;
        let (constants, constant_tangents) = (&site.inputs[count..], &tangents[count..]);
        let with = |state: &[Array], rest: &[Array]| [state, rest].concat();
        let results = while_loop(
            |state| {
                let outputs = self.0.condition.call(&with(&state[..count], constants))?;
                Ok(outputs[0].clone())
            },
            |state| {
                let primals = with(&state[..count], constants);
                let mut following = self.0.body.call(&primals)?;
                let tangents = with(&state[count..], constant_tangents);
                following.extend(self.0.body.push(&primals, &tangents)?);
                Ok(following)
            },
            &with(&site.inputs[..count], &tangents[..count]),
        )?;
        Ok(results[count..].iter().cloned().map(Some).collect())
    }

    fn batch(&self, site: &Site<'_>, inputs: &[Batched]) -> Result<Vec<Batched>> {
        let count = site.outputs.len();
        let size = mapped_size(inputs);
        let initial: Vec<Array> = inputs[..count]
            .iter()
            .map(|input| input.with_axis_first(size))
            .collect::<Result<_>>()?;
        let constants: Vec<Array> = inputs[count..]
            .iter()
            .map(|input| input.array.clone())
            .collect();
        let axes: Vec<Option<usize>> = std::iter::repeat_n(Some(0), count)
            .chain(inputs[count..].iter().map(|input| input.axis))
            .collect();
        let going_on = |state: &[Array]| -> Result<Array> {
            let operands = [state, &constants].concat();
            Ok(self.0.condition.map(&operands, &axes, size)?.swap_remove(0))
        };
        let results = while_loop(
            |state| ops::any(&going_on(state)?, None, false),
            |state| {
                let conditions = going_on(state)?;
                let operands = [state, &constants].concat();
                let following = self.0.body.map(&operands, &axes, size)?;
                let pairs = following.iter().zip(state);
                pairs
                    .map(|(following, state)| select_slices(&conditions, following, state))
                    .collect()
            },
            &initial,
        )?;
        Ok(results.into_iter().map(Batched::first).collect())
    }
}
