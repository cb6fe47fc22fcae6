//! Repetition with a carried state over slices.

use super::cond::{Branch, ControlFlow, mapped_size, operation, same_types};
use super::custom::dense;
use crate::array::{Array, CustomRules, Role, Site};
use crate::compile::shapeless;
use crate::ops;
use crate::rules::batch::Batched;
use mlx_oxide_ir::{ArrayType, Error, Op, Result, Scalar};
use std::sync::Arc;

/// So many steps are built before they are evaluated: elementwise steps of neighbours fuse, and
/// what waits stays small.
const STEPS_AT_ONCE: usize = 16;

/// How a scan reads its operands: carries, then scanned arrays, then arrays that stay the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLayout {
    /// How many operands are carried.
    pub carried: usize,
    /// How many are scanned along their first axis.
    pub scanned: usize,
    /// How many steps there are.
    pub length: usize,
    /// Whether the last slice comes first.
    pub reverse: bool,
}

/// `function` applied to a carried state and one slice after the other along the first axis of
/// `slices`; returns the last state and, stacked, what each step puts out.
///
/// `function(carry, slice)` returns the next carry and an output. `length` is needed where there
/// are no slices. With `reverse` the last slice comes first, and outputs stand where their slices
/// do. The function is traced once and is one operation of the graph. Differentiable in both
/// modes: the reverse one keeps the carries and computes the rest of each step again. Semantics
/// after `jax.lax.scan`.
///
/// # Errors
/// Slices of different lengths; a carry that changes its type; whatever `function` returns.
pub fn scan<F>(
    function: F,
    initial: &[Array],
    slices: &[Array],
    length: Option<usize>,
    reverse: bool,
) -> Result<(Vec<Array>, Vec<Array>)>
where
    F: FnOnce(&[Array], &[Array]) -> Result<(Vec<Array>, Vec<Array>)>,
{
    shapeless::refuse("scan");
    let layout = ScanLayout {
        carried: initial.len(),
        scanned: slices.len(),
        length: length_of(slices, length)?,
        reverse,
    };
    let mut operands = [initial, slices].concat();
    let given: Vec<&ArrayType> = operands.iter().map(Array::array_type).collect();
    let types = layout.step_types(&given)?;
    let step = |inputs: &[Array]| {
        let (carry, outputs) = function(&inputs[..layout.carried], &inputs[layout.carried..])?;
        let found: Vec<ArrayType> = carry.iter().map(|it| it.array_type().clone()).collect();
        layout.check_carry(&types, &found)?;
        Ok([carry, outputs].concat())
    };
    let body = Branch::trace(step, &types, &mut operands)?;
    if body.graph.outputs.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let (operation, rules) = scan_of(&types, body, layout)?;
    let inputs: Vec<&Array> = operands.iter().collect();
    let mut results = Array::apply_custom(operation, &inputs, rules)?;
    let outputs = results.split_off(layout.carried);
    Ok((results, outputs))
}

impl ScanLayout {
    /// The types of one step's operands, from those of the whole.
    pub(crate) fn step_types(&self, operands: &[&ArrayType]) -> Result<Vec<ArrayType>> {
        let scanned = self.carried..self.carried.saturating_add(self.scanned);
        let places = operands.iter().enumerate();
        places
            .map(|(place, operand)| {
                let mut array_type = (*operand).clone();
                if scanned.contains(&place) {
                    if array_type.shape.first() != Some(&self.length) {
                        return Err(other_length(&array_type));
                    }
                    array_type.shape.remove(0);
                }
                Ok(array_type)
            })
            .collect()
    }

    fn check_carry(&self, types: &[ArrayType], found: &[ArrayType]) -> Result<()> {
        same_types(
            "scan",
            "the function changes the type of the carry",
            &types[..self.carried],
            found,
        )
    }

    /// The place of a step's slices.
    fn place(&self, step: usize) -> usize {
        match self.reverse {
            true => self.length - 1 - step,
            false => step,
        }
    }
}

/// The operation that repeats `body`, whose operands have these types in each step.
pub(crate) fn scan_of(
    types: &[ArrayType],
    body: Branch,
    layout: ScanLayout,
) -> Result<(Op, Arc<dyn CustomRules>)> {
    let mut outputs = body.output_types();
    let given = types.len() >= layout.carried.saturating_add(layout.scanned);
    if !given || outputs.len() < layout.carried {
        return Err(Error::InputCount {
            op: "scan",
            expected: layout.carried,
            found: outputs.len().min(types.len()),
        });
    }
    layout.check_carry(types, &outputs[..layout.carried])?;
    for output in &mut outputs[layout.carried..] {
        output.shape.insert(0, layout.length);
        output.shape.clone().checked("scan")?;
    }
    let rules = ScanRules {
        body: Arc::new(body),
        layout,
    };
    Ok((operation("scan", outputs), Arc::new(rules)))
}

struct ScanRules {
    body: Arc<Branch>,
    layout: ScanLayout,
}

impl ScanRules {
    /// Carries, scanned arrays and what stays the same.
    fn parts<'a, T>(&self, operands: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let (carries, rest) = operands.split_at(self.layout.carried);
        let (scanned, constants) = rest.split_at(self.layout.scanned);
        (carries, scanned, constants)
    }

    /// The carries with which each step begins, stacked.
    fn carries(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let (initial, scanned, constants) = self.parts(inputs);
        let step = |carry: &[Array], slices: &[Array]| {
            let mut next = self.body.call(&[carry, slices, constants].concat())?;
            next.truncate(carry.len());
            Ok((next, carry.to_vec()))
        };
        let ScanLayout {
            length, reverse, ..
        } = self.layout;
        Ok(scan(step, initial, scanned, Some(length), reverse)?.1)
    }
}

impl CustomRules for ScanRules {
    fn role(&self) -> Role {
        Role::Computation
    }

    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let (initial, scanned, constants) = self.parts(inputs);
        let mut carry = initial.to_vec();
        let outputs = &self.body.graph.outputs[carry.len()..];
        let mut collected: Vec<Vec<Array>> = vec![Vec::new(); outputs.len()];
        for step in 0..self.layout.length {
            let place = self.layout.place(step);
            let mut operands = carry;
            for scanned in scanned {
                let slice = ops::slice_axis(scanned, 0, place, place + 1)?;
                operands.push(ops::squeeze(&slice, Some(&[0]))?);
            }
            operands.extend_from_slice(constants);
            carry = self.body.call(&operands)?;
            let outputs = carry.split_off(self.layout.carried);
            for (collected, output) in collected.iter_mut().zip(outputs) {
                collected.push(output);
            }
            if step % STEPS_AT_ONCE == STEPS_AT_ONCE - 1 {
                let recent = collected.iter().filter_map(|outputs| outputs.last());
                crate::eval(&carry.iter().chain(recent).cloned().collect::<Vec<_>>())?;
            }
        }
        for (mut outputs, value) in collected.into_iter().zip(outputs) {
            if self.layout.reverse {
                outputs.reverse();
            }
            carry.push(stack(&outputs, self.body.graph.array_type(*value))?);
        }
        crate::eval(&carry)?;
        Ok(carry)
    }

    fn control_flow(&self) -> Option<ControlFlow<'_>> {
        Some(ControlFlow::Scan {
            body: &self.body,
            layout: self.layout,
        })
    }

    fn vjp(&self, site: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let (_, scanned, constants) = self.parts(site.inputs);
        let cotangents = dense(cotangents, site.outputs)?;
        let (carried, stacked) = cotangents.split_at(self.layout.carried);
        let sums = constants.iter().map(ops::zeros_like);
        let initial = [carried.to_vec(), sums.collect::<Result<_>>()?].concat();
        let carries = self.carries(site.inputs)?;
        let slices = [&carries, scanned, stacked].concat();
        let step = |state: &[Array], slices: &[Array]| {
            let (carried, sums) = state.split_at(self.layout.carried);
            let (operands, stacked) = slices.split_at(self.layout.carried + self.layout.scanned);
            let operands = [operands, constants].concat();
            let mut pulled = self.body.pull(&operands, &[carried, stacked].concat())?;
            let added = pulled.split_off(self.layout.carried + self.layout.scanned);
            let outputs = pulled.split_off(self.layout.carried);
            for (sum, added) in sums.iter().zip(&added) {
                pulled.push(ops::add(sum, added)?);
            }
            Ok((pulled, outputs))
        };
        let ScanLayout {
            length, reverse, ..
        } = self.layout;
        let (mut pulled, outputs) = scan(step, &initial, &slices, Some(length), !reverse)?;
        let sums = pulled.split_off(self.layout.carried);
        Ok([pulled, outputs, sums]
            .concat()
            .into_iter()
            .map(Some)
            .collect())
    }

    fn jvp(&self, site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let tangents = dense(tangents, site.inputs)?;
        let (initial, scanned, constants) = self.parts(site.inputs);
        let (initial_tangents, scanned_tangents, constant_tangents) = self.parts(&tangents);
        let step = |state: &[Array], slices: &[Array]| {
            let (carry, carry_tangents) = state.split_at(self.layout.carried);
            let (slices, slice_tangents) = slices.split_at(self.layout.scanned);
            let primals = [carry, slices, constants].concat();
            let mut next = self.body.call(&primals)?;
            next.truncate(self.layout.carried);
            let tangents = [carry_tangents, slice_tangents, constant_tangents].concat();
            let mut pushed = self.body.push(&primals, &tangents)?;
            let outputs = pushed.split_off(self.layout.carried);
            Ok(([next, pushed].concat(), outputs))
        };
        let ScanLayout {
            length, reverse, ..
        } = self.layout;
        let (mut state, outputs) = scan(
            step,
            &[initial, initial_tangents].concat(),
            &[scanned, scanned_tangents].concat(),
            Some(length),
            reverse,
        )?;
        let pushed = state.split_off(self.layout.carried);
        Ok(pushed.into_iter().chain(outputs).map(Some).collect())
    }

    fn batch(&self, _site: &Site<'_>, inputs: &[Batched]) -> Result<Vec<Batched>> {
        let size = mapped_size(inputs);
        let (carried, scanned, constants) = self.parts(inputs);
        let initial: Vec<Array> = carried
            .iter()
            .map(|carry| carry.with_axis_first(size))
            .collect::<Result<_>>()?;
        // the mapped axis comes after the scanned one, so that it is first in a slice
        let slices: Vec<Array> = scanned
            .iter()
            .map(|input| match input.axis {
                Some(axis) => ops::moveaxis(&input.array, axis as i64, 1),
                None => Ok(input.array.clone()),
            })
            .collect::<Result<_>>()?;
        let axes: Vec<Option<usize>> = std::iter::repeat_n(Some(0), carried.len())
            .chain(scanned.iter().map(|input| input.axis.map(|_| 0)))
            .chain(constants.iter().map(|input| input.axis))
            .collect();
        let constants: Vec<Array> = constants.iter().map(|input| input.array.clone()).collect();
        let step = |carry: &[Array], slices: &[Array]| {
            let operands = [carry, slices, &constants].concat();
            let mut next = self.body.map(&operands, &axes, size)?;
            let outputs = next.split_off(carry.len());
            Ok((next, outputs))
        };
        let ScanLayout {
            length, reverse, ..
        } = self.layout;
        let (carry, outputs) = scan(step, &initial, &slices, Some(length), reverse)?;
        let outputs = outputs.into_iter().map(|array| Batched {
            array,
            axis: Some(1),
        });
        Ok(carry
            .into_iter()
            .map(Batched::first)
            .chain(outputs)
            .collect())
    }
}

fn stack(outputs: &[Array], array_type: &ArrayType) -> Result<Array> {
    if outputs.is_empty() {
        let mut shape = array_type.shape.clone();
        shape.insert(0, 0);
        let zero = Array::from_scalar(Scalar::new(0.0, array_type.dtype))?;
        return ops::broadcast_to(&zero, shape);
    }
    ops::stack(&outputs.iter().collect::<Vec<_>>(), 0)
}

fn length_of(slices: &[Array], length: Option<usize>) -> Result<usize> {
    let mut known = length;
    for array in slices {
        let Some(&extent) = array.shape().first() else {
            return Err(Error::ShapeUnsuitable {
                op: "scan",
                rule: "a scanned array needs an axis",
                shape: array.shape().clone(),
            });
        };
        if *known.get_or_insert(extent) != extent {
            return Err(other_length(array.array_type()));
        }
    }
    known.ok_or(Error::InvalidArgument {
        op: "scan",
        argument: "length",
        value: "unknown".to_owned(),
        expected: "a length where nothing is scanned",
    })
}

fn other_length(scanned: &ArrayType) -> Error {
    let extent = scanned.shape.first();
    Error::InvalidArgument {
        op: "scan",
        argument: "the length of a scanned array",
        value: extent.map_or("none".to_owned(), usize::to_string),
        expected: "the given length, and one for all",
    }
}
