//! Vectorisation.

use super::tape::{Tape, key};
use super::trace::Trace;
use crate::array::Array;
use crate::compile::shapeless;
use crate::ops;
use crate::rules::batch::{self, Batched};
use mlx_oxide_ir::{ArrayType, Error, Result, normalize_axis};
use rustc_hash::FxHashMap;

/// `function` applied to every slice of the inputs at once.
///
/// `in_axes[i]` is the axis of input `i` that is mapped over, or `None` for an input that every
/// slice shares; `out_axes` says where the mapped axis goes in each output (missing entries are
/// axis 0).
///
/// # Errors
/// Whatever `function` returns; mapped sizes that differ; reading a value inside `function`.
pub fn vmap<F>(
    function: F,
    inputs: &[Array],
    in_axes: &[Option<i64>],
    out_axes: &[Option<i64>],
) -> Result<Vec<Array>>
where
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    vmap_with(function, inputs, in_axes, |_| out_axes.to_vec())
}

/// [`vmap`] with output axes that are known once the function has run, by its number of outputs.
pub fn vmap_with<F>(
    function: F,
    inputs: &[Array],
    in_axes: &[Option<i64>],
    out_axes: impl FnOnce(usize) -> Vec<Option<i64>>,
) -> Result<Vec<Array>>
where
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    let (batched, size) = mapped_inputs(inputs, in_axes)?;
    let (outputs, tape, placeholders) = {
        shapeless::refuse("vmap");
        let scope = Trace::begin();
        let placeholders: Vec<Array> = batched
            .iter()
            .map(|input| match input.axis {
                Some(_) => Array::placeholder(input.slice_type(), &scope),
                None => input.array.clone(),
            })
            .collect();
        let outputs = function(&placeholders)?;
        let mapped: Vec<Array> = placeholders
            .iter()
            .zip(&batched)
            .filter(|(_, input)| input.axis.is_some())
            .map(|(placeholder, _)| placeholder.clone())
            .collect();
        let tape = Tape::record(&mapped, &outputs)?;
        (outputs, tape, placeholders)
    };
    let mut known: FxHashMap<(usize, u32), Batched> = FxHashMap::default();
    for (placeholder, input) in placeholders.iter().zip(&batched) {
        if input.axis.is_some() {
            known.insert(key(placeholder), input.clone());
        }
    }
    for record in &tape.records {
        let operands: Vec<Batched> = record
            .expression
            .inputs
            .iter()
            .map(|input| {
                known
                    .get(&key(input))
                    .cloned()
                    .unwrap_or_else(|| Batched::shared(input.clone()))
            })
            .collect();
        let results = record.outputs();
        let mapped = match &record.expression.rules {
            Some(rules) => rules.batch(&record.site(&results), &operands)?,
            None => batch::batch(&record.expression, &operands, size)?,
        };
        for (result, mapped) in results.iter().zip(mapped) {
            known.insert(key(result), mapped);
        }
    }
    let out_axes = out_axes(outputs.len());
    outputs
        .iter()
        .enumerate()
        .map(|(position, output)| {
            let axis = out_axes.get(position).copied().unwrap_or(Some(0));
            let mapped = known.get(&key(output)).cloned();
            place_output(
                mapped.unwrap_or_else(|| Batched::shared(output.clone())),
                axis,
                size,
            )
        })
        .collect()
}

fn mapped_inputs(inputs: &[Array], in_axes: &[Option<i64>]) -> Result<(Vec<Batched>, usize)> {
    if inputs.len() != in_axes.len() {
        return Err(Error::InputCount {
            op: "vmap",
            expected: inputs.len(),
            found: in_axes.len(),
        });
    }
    let mut size: Option<(usize, &Array)> = None;
    let mut batched = Vec::with_capacity(inputs.len());
    for (input, axis) in inputs.iter().zip(in_axes) {
        let axis = axis
            .map(|axis| normalize_axis("vmap", axis, input.ndim()))
            .transpose()?;
        if let Some(axis) = axis {
            let extent = input.shape()[axis];
            match size {
                Some((known, first)) if known != extent => {
                    return Err(Error::ShapeMismatch {
                        op: "vmap",
                        rule: "sizes along the mapped axes differ",
                        lhs: first.shape().clone(),
                        rhs: input.shape().clone(),
                    });
                }
                _ => size = Some((extent, input)),
            }
        }
        batched.push(Batched {
            array: input.clone(),
            axis,
        });
    }
    let (size, _) = size.ok_or(Error::InvalidArgument {
        op: "vmap",
        argument: "in_axes",
        value: "without any axis".to_owned(),
        expected: "an axis for at least one input",
    })?;
    Ok((batched, size))
}

fn place_output(output: Batched, axis: Option<i64>, size: usize) -> Result<Array> {
    let Some(axis) = axis else {
        return match output.axis {
            None => Ok(output.array),
            Some(_) => Err(Error::InvalidArgument {
                op: "vmap",
                argument: "out_axes",
                value: "None".to_owned(),
                expected: "an axis for an output that depends on a mapped input",
            }),
        };
    };
    let stacked = output.with_axis_first(size)?;
    let target = normalize_axis("vmap", axis, stacked.ndim())?;
    ops::moveaxis(&stacked, 0, target as i64)
}

impl Batched {
    /// The type of one slice.
    fn slice_type(&self) -> ArrayType {
        let mut array_type = self.array.array_type().clone();
        if let Some(axis) = self.axis {
            array_type.shape.remove(axis);
        }
        array_type
    }
}
