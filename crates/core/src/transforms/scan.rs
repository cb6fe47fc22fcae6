//! Repetition with a carried state over slices.

use super::cond::same_types;
use crate::array::Array;
use crate::compile::shapeless;
use crate::graph::{Graph, simplify};
use crate::ops;
use mlx_oxide_ir::{ArrayType, Error, Result, Scalar};

/// `function` applied to a carried state and one slice after the other along the first axis of
/// `slices`; returns the last state and, stacked, what each step puts out.
///
/// `function(carry, slice)` returns the next carry and an output. `length` is needed where there
/// are no slices. With `reverse` the last slice comes first, and outputs stand where their slices
/// do. The function is traced once and its graph repeated, so everything that transforms do with
/// operations they do with a scan. Semantics after `jax.lax.scan`.
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
    let length = length_of(slices, length)?;
    let carried = initial.len();
    let mut types: Vec<ArrayType> = initial
        .iter()
        .map(|carry| carry.array_type().clone())
        .collect();
    types.extend(slices.iter().map(|slices| {
        let mut array_type = slices.array_type().clone();
        array_type.shape.remove(0);
        array_type
    }));
    let step = |inputs: &[Array]| {
        let (carry, outputs) = function(&inputs[..carried], &inputs[carried..])?;
        let carry_types: Vec<ArrayType> = carry
            .iter()
            .map(|carry| carry.array_type().clone())
            .collect();
        same_types(
            "scan",
            "the function changes the type of the carry",
            &types[..carried],
            &carry_types,
        )?;
        Ok([carry, outputs].concat())
    };
    let graph = simplify::simplify(Graph::trace(step, &types)?);
    let mut carry = initial.to_vec();
    let mut collected: Vec<Vec<Array>> = vec![Vec::new(); graph.outputs.len() - carried];
    for position in 0..length {
        let place = if reverse {
            length - 1 - position
        } else {
            position
        };
        let mut inputs = carry;
        for slices in slices {
            let slice = ops::slice_axis(slices, 0, place, place + 1)?;
            inputs.push(ops::squeeze(&slice, Some(&[0]))?);
        }
        carry = graph.replay(&inputs)?;
        let outputs = carry.split_off(carried);
        for (collected, output) in collected.iter_mut().zip(outputs) {
            collected.push(output);
        }
    }
    let outputs = collected.into_iter().zip(&graph.outputs[carried..]);
    let stacked = outputs.map(|(mut outputs, value)| {
        if reverse {
            outputs.reverse();
        }
        stack(&outputs, graph.array_type(*value))
    });
    Ok((carry, stacked.collect::<Result<_>>()?))
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
            return Err(Error::InvalidArgument {
                op: "scan",
                argument: "the length of a scanned array",
                value: extent.to_string(),
                expected: "the given length, and one for all",
            });
        }
    }
    known.ok_or(Error::InvalidArgument {
        op: "scan",
        argument: "length",
        value: "unknown".to_owned(),
        expected: "a length where nothing is scanned",
    })
}
