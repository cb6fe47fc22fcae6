//! Compositions with kernels of their own.

use super::{ArrayType, OutputTypes, exactly, same_dtype, same_shape};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::layout::broadcast_shapes;
use crate::op::{Cell, Fast};
use crate::shape::Shape;
use smallvec::smallvec;

pub(super) fn fast(fast: &Fast, inputs: &[&ArrayType]) -> Result<OutputTypes> {
    let name = fast.name();
    let taken = |dtype: Dtype| match fast {
        Fast::Softmax { .. } => dtype.is_inexact(),
        // these know no complex numbers: their squares and orders are of real ones
        Fast::RmsNorm { .. }
        | Fast::LayerNorm { .. }
        | Fast::Rope { .. }
        | Fast::Attention { .. }
        | Fast::NormGradient { .. }
        | Fast::Recurrent { .. } => dtype.is_floating(),
    };
    if let Some(first) = inputs.first().filter(|first| !taken(first.dtype)) {
        return Err(Error::DtypeUnsupported {
            op: name,
            dtype: first.dtype,
            expected: "a floating dtype",
        });
    }
    let output = match fast {
        Fast::Softmax { .. } => {
            let [operand] = exactly(name, inputs)?;
            last_axis(name, operand)?;
            operand.clone()
        }
        Fast::RmsNorm { .. } => {
            let [operand, weight] = exactly(name, inputs)?;
            per_feature(name, operand, weight)?;
            operand.clone()
        }
        Fast::LayerNorm { .. } => {
            let [operand, weight, bias] = exactly(name, inputs)?;
            per_feature(name, operand, weight)?;
            per_feature(name, operand, bias)?;
            operand.clone()
        }
        Fast::Rope { dims, .. } => {
            let [operand, offset, frequencies] = exactly(name, inputs)?;
            rope(*dims, operand, offset, frequencies)?
        }
        Fast::Attention { masked, sinks, .. } => attention(*masked, *sinks, inputs)?,
        Fast::NormGradient { centred, .. } => {
            let [operand, weight, cotangent] = exactly(name, inputs)?;
            per_feature(name, operand, weight)?;
            same_dtype(name, operand, cotangent)?;
            same_shape(name, operand, cotangent)?;
            let mut outputs: OutputTypes = smallvec![operand.clone(), weight.clone()];
            if *centred {
                outputs.push(weight.clone());
            }
            return Ok(outputs);
        }
        Fast::Recurrent { cell, states } => return recurrent(name, *cell, *states, inputs),
    };
    Ok(smallvec![output])
}

fn unsuitable(op: &'static str, rule: &'static str, shape: &Shape) -> Error {
    Error::ShapeUnsuitable {
        op,
        rule,
        shape: shape.clone(),
    }
}

fn last_axis(op: &'static str, operand: &ArrayType) -> Result<usize> {
    operand
        .shape
        .last()
        .copied()
        .ok_or_else(|| unsuitable(op, "the input must have at least one axis", &operand.shape))
}

fn per_feature(op: &'static str, operand: &ArrayType, parameter: &ArrayType) -> Result<()> {
    same_dtype(op, operand, parameter)?;
    let features = last_axis(op, operand)?;
    if *parameter.shape != [features] {
        return Err(Error::ShapeMismatch {
            op,
            rule: "weight and bias must be vectors of the last axis' size",
            lhs: operand.shape.clone(),
            rhs: parameter.shape.clone(),
        });
    }
    Ok(())
}

fn rope(
    dims: usize,
    operand: &ArrayType,
    offset: &ArrayType,
    frequencies: &ArrayType,
) -> Result<ArrayType> {
    const OP: &str = "rope";
    if operand.shape.ndim() < 2 {
        return Err(unsuitable(
            OP,
            "the input must have at least two axes",
            &operand.shape,
        ));
    }
    if !dims.is_multiple_of(2) || dims > last_axis(OP, operand)? {
        return Err(Error::InvalidArgument {
            op: OP,
            argument: "dims",
            value: dims.to_string(),
            expected: "an even number up to the last axis' size",
        });
    }
    if *frequencies.shape != [dims / 2] || frequencies.dtype != Dtype::Float32 {
        return Err(unsuitable(
            OP,
            "frequencies must be a float32 vector of dims/2",
            &frequencies.shape,
        ));
    }
    let per_batch = offset.shape.ndim() == 1 && offset.size() == operand.shape[0];
    if offset.dtype != Dtype::Int32 || !(offset.shape.ndim() == 0 || per_batch) {
        return Err(unsuitable(
            OP,
            "the offset must be an int32 scalar or one per batch element",
            &offset.shape,
        ));
    }
    Ok(operand.clone())
}

fn attention(masked: bool, sinks: bool, inputs: &[&ArrayType]) -> Result<ArrayType> {
    const OP: &str = "scaled_dot_product_attention";
    let expected = 3 + usize::from(masked) + usize::from(sinks);
    if inputs.len() != expected {
        return Err(Error::InputCount {
            op: OP,
            expected,
            found: inputs.len(),
        });
    }
    let [queries, keys, values] = [inputs[0], inputs[1], inputs[2]];
    same_dtype(OP, queries, keys)?;
    same_dtype(OP, queries, values)?;
    for operand in [queries, keys, values] {
        if operand.shape.ndim() != 4 {
            return Err(unsuitable(
                OP,
                "queries, keys and values must be (B, H, T, D)",
                &operand.shape,
            ));
        }
    }
    let (query, key, value) = (&queries.shape, &keys.shape, &values.shape);
    let fits = query[0] == key[0] && key[..3] == value[..3] && query[3] == key[3];
    if !fits || key[1] == 0 || query[1] % key[1] != 0 {
        return Err(Error::ShapeMismatch {
            op: OP,
            rule: "batch, heads or sizes of queries and keys or values do not fit",
            lhs: query.clone(),
            rhs: if fits || key[..3] == value[..3] {
                key.clone()
            } else {
                value.clone()
            },
        });
    }
    if masked {
        check_mask(queries, keys, inputs[3])?;
    }
    if sinks && *inputs[expected - 1].shape != [query[1]] {
        return Err(unsuitable(
            OP,
            "sinks must have one element per query head",
            &inputs[expected - 1].shape,
        ));
    }
    Ok(ArrayType::new(
        [query[0], query[1], query[2], value[3]],
        queries.dtype,
    ))
}

fn check_mask(queries: &ArrayType, keys: &ArrayType, mask: &ArrayType) -> Result<()> {
    const OP: &str = "scaled_dot_product_attention";
    let scores = Shape::from([
        queries.shape[0],
        queries.shape[1],
        queries.shape[2],
        keys.shape[2],
    ]);
    if broadcast_shapes(OP, &scores, &mask.shape)? != scores {
        return Err(Error::BroadcastMismatch {
            op: OP,
            lhs: mask.shape.clone(),
            rhs: scores,
        });
    }
    if mask.dtype != Dtype::Bool && mask.dtype != queries.dtype {
        return Err(Error::DtypeMismatch {
            op: OP,
            lhs: mask.dtype,
            rhs: queries.dtype,
        });
    }
    Ok(())
}

fn recurrent(
    op: &'static str,
    cell: Cell,
    states: bool,
    inputs: &[&ArrayType],
) -> Result<OutputTypes> {
    let given = if states { cell.states() } else { 0 };
    let expected = cell.parameters() + given;
    if inputs.len() != expected {
        return Err(Error::InputCount {
            op,
            expected,
            found: inputs.len(),
        });
    }
    let (gates, weight) = (inputs[0], inputs[1]);
    let &[batch, times, width] = &gates.shape[..] else {
        return Err(unsuitable(op, "gates must be (B, T, G·H)", &gates.shape));
    };
    let hidden = width / cell.gates();
    let of_hidden = |operand: &ArrayType, shape: &[usize], rule| {
        same_dtype(op, gates, operand)?;
        match *operand.shape == *shape {
            true => Ok(()),
            false => Err(Error::ShapeMismatch {
                op,
                rule,
                lhs: gates.shape.clone(),
                rhs: operand.shape.clone(),
            }),
        }
    };
    of_hidden(
        weight,
        &[hidden, hidden * cell.gates()],
        "weights of the hidden state must be (H, G·H)",
    )?;
    if width != hidden * cell.gates() {
        return Err(unsuitable(op, "gates must be (B, T, G·H)", &gates.shape));
    }
    for bias in &inputs[2..cell.parameters()] {
        of_hidden(bias, &[hidden], "the bias must be (H)")?;
    }
    for state in &inputs[cell.parameters()..] {
        of_hidden(
            state,
            &[batch, hidden],
            "states to begin with must be (B, H)",
        )?;
    }
    let output = ArrayType::new([batch, times, hidden], gates.dtype);
    Ok((0..cell.states()).map(|_| output.clone()).collect())
}
