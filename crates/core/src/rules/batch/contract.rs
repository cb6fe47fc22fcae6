//! Matrix products and convolutions.

use super::{Batched, each};
use crate::array::{Array, Expression};
use crate::ops;
use mlx_oxide_ir::{Contract, Convolution, Op, Result, Shape};
use smallvec::smallvec;

pub(super) fn batch(contract: &Contract, inputs: &[Batched], size: usize) -> Result<Batched> {
    match contract {
        Contract::Matmul | Contract::Addmm { .. } => {
            let arrays: Vec<Array> = inputs
                .iter()
                .map(|input| input.with_axis_first(size))
                .collect::<Result<_>>()?;
            let op = Op::Contract(contract.clone());
            Array::apply(op, &arrays.iter().collect::<Vec<_>>()).map(Batched::first)
        }
        Contract::GatherMatmul { .. } => one_by_one(contract, inputs, size),
        Contract::Convolution(convolution) => convolve(convolution, inputs, size),
    }
}

fn one_by_one(contract: &Contract, inputs: &[Batched], size: usize) -> Result<Batched> {
    let op = Op::Contract(contract.clone());
    let expression = Expression {
        op: op.clone(),
        inputs: smallvec![],
        rules: None,
    };
    each(&expression, inputs, size)?
        .pop()
        .ok_or_else(|| super::no_rule(&op))
}

/// Mapped inputs join the batch; mapped weights join the output channels or, with inputs mapped as
/// well, become groups.
fn convolve(convolution: &Convolution, inputs: &[Batched], size: usize) -> Result<Batched> {
    let contract = Contract::Convolution(Box::new(convolution.clone()));
    match (inputs[0].axis, inputs[1].axis) {
        (_, None) => {
            let images = inputs[0].with_axis_first(size)?;
            let mut joined: Shape = images.shape()[1..].into();
            joined[0] *= size;
            let output = Array::apply(
                Op::Contract(contract),
                &[&ops::reshape_to(&images, joined)?, &inputs[1].array],
            )?;
            let mut split = output.shape().clone();
            split[0] /= size;
            split.insert(0, size);
            Ok(Batched::first(ops::reshape_to(&output, split)?))
        }
        (None, Some(_)) if convolution.groups == 1 => {
            let weights = inputs[1].with_axis_first(size)?;
            let mut joined: Shape = weights.shape()[1..].into();
            joined[0] *= size;
            let output = Array::apply(
                Op::Contract(contract),
                &[&inputs[0].array, &ops::reshape_to(&weights, joined)?],
            )?;
            let last = output.ndim() - 1;
            let mut split = output.shape().clone();
            split[last] /= size;
            split.insert(last, size);
            Ok(Batched {
                array: ops::reshape_to(&output, split)?,
                axis: Some(last),
            })
        }
        (_, Some(_)) => in_groups(convolution, inputs, size),
    }
}

/// Every slice's channels are groups of their own.
fn in_groups(convolution: &Convolution, inputs: &[Batched], size: usize) -> Result<Batched> {
    let images = inputs[0].with_axis_first(size)?;
    let weights = inputs[1].with_axis_first(size)?;
    let channels = images.ndim() - 2;
    let images = ops::moveaxis(&images, 0, channels as i64)?;
    let mut joined = images.shape().clone();
    joined.remove(channels);
    joined[channels] *= size;
    let mut filters: Shape = weights.shape()[1..].into();
    filters[0] *= size;
    let grouped = Convolution {
        groups: convolution.groups * size,
        ..convolution.clone()
    };
    let output = Array::apply(
        Op::Contract(Contract::Convolution(Box::new(grouped))),
        &[
            &ops::reshape_to(&images, joined)?,
            &ops::reshape_to(&weights, filters)?,
        ],
    )?;
    let last = output.ndim() - 1;
    let mut split = output.shape().clone();
    split[last] /= size;
    split.insert(last, size);
    Ok(Batched {
        array: ops::reshape_to(&output, split)?,
        axis: Some(last),
    })
}
