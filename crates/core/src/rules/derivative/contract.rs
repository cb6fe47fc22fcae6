//! Matrix products and convolutions: linear in each operand.

use super::{Derivative, gather_product};
use crate::array::{Array, Site};
use crate::ops;
use mlx_oxide_ir::{Contract, Convolution, Error, Op, Result};
use smallvec::SmallVec;

pub(super) fn derivative(contract: &Contract) -> Derivative {
    match contract {
        Contract::Matmul => Derivative::Multilinear(|site, input, cotangent| {
            let adjoint = |a: &Array| ops::conjugate(&ops::swapaxes(a, -1, -2)?);
            match input {
                0 => ops::matmul(cotangent, &adjoint(&site.inputs[1])?),
                _ => ops::matmul(&adjoint(&site.inputs[0])?, cotangent),
            }
        }),
        Contract::Addmm { .. } => Derivative::Decomposed,
        Contract::GatherMatmul { .. } => Derivative::Multilinear(gather_product::gather_matmul),
        Contract::Convolution(_) => Derivative::Multilinear(convolution),
    }
}

fn convolution(site: &Site<'_>, input: usize, cotangent: &Array) -> Result<Array> {
    let Op::Contract(Contract::Convolution(parameters)) = site.op else {
        return Err(Error::Internal {
            op: "conv_general",
            detail: "wrong rule".to_owned(),
        });
    };
    match input {
        0 => input_gradient(site, parameters, cotangent),
        _ => weight_gradient(site, parameters, cotangent),
    }
}

/// `(C_out, kernel…, C_in/groups)` → `(C_in, kernel…, C_out/groups)`: the channels exchanged
/// within each group.
fn exchange_channels(weight: &Array, groups: usize) -> Result<Array> {
    let spatial = weight.ndim() - 2;
    let (outer, inner) = (weight.shape()[0] / groups, weight.shape()[spatial + 1]);
    let mut split = vec![groups, outer];
    split.extend_from_slice(&weight.shape()[1..]);
    let grouped = ops::reshape_to(weight, split)?;
    let swapped = ops::swapaxes(&grouped, 1, -1)?;
    let mut joined = vec![groups * inner];
    joined.extend_from_slice(&weight.shape()[1..=spatial]);
    joined.push(outer);
    ops::reshape_to(&swapped, joined)
}

/// The cotangent, spread by the stride, convolved with the flipped kernel.
fn input_gradient(site: &Site<'_>, forward: &Convolution, cotangent: &Array) -> Result<Array> {
    let (input, weight) = (&site.inputs[0], &site.inputs[1]);
    let spatial = input.ndim() - 2;
    let weight = exchange_channels(&ops::conjugate(weight)?, forward.groups)?;
    let (mut low, mut high) = (SmallVec::new(), SmallVec::new());
    for axis in 0..spatial {
        let reach = (weight.shape()[axis + 1] - 1) * forward.kernel_dilation[axis];
        let spread_input = spread(input.shape()[axis + 1], forward.input_dilation[axis]);
        let spread_output = spread(cotangent.shape()[axis + 1], forward.stride[axis]);
        let before = reach as isize - forward.padding_low[axis];
        low.push(before);
        // what makes the result exactly as long as the input
        high.push(spread_input as isize + reach as isize - spread_output as isize - before);
    }
    let backward = Convolution {
        stride: forward.input_dilation.clone(),
        padding_low: low,
        padding_high: high,
        kernel_dilation: forward.kernel_dilation.clone(),
        input_dilation: forward.stride.clone(),
        groups: forward.groups,
        flip: !forward.flip,
    };
    ops::conv_general(cotangent, &weight, backward)
}

fn spread(size: usize, dilation: usize) -> usize {
    match size {
        0 => 0,
        size => (size - 1) * dilation + 1,
    }
}

/// The input, batch and channels exchanged, convolved with the cotangent as the kernel.
fn weight_gradient(site: &Site<'_>, forward: &Convolution, cotangent: &Array) -> Result<Array> {
    let (input, weight) = (&site.inputs[0], &site.inputs[1]);
    let spatial = input.ndim() - 2;
    let (mut low, mut high) = (SmallVec::new(), SmallVec::new());
    for axis in 0..spatial {
        let window = spread(cotangent.shape()[axis + 1], forward.stride[axis]) as isize;
        let reach = ((weight.shape()[axis + 1] - 1) * forward.kernel_dilation[axis]) as isize;
        let spread_input = spread(input.shape()[axis + 1], forward.input_dilation[axis]) as isize;
        low.push(forward.padding_low[axis]);
        high.push(reach + window - spread_input - forward.padding_low[axis]);
    }
    let backward = Convolution {
        stride: forward.kernel_dilation.clone(),
        padding_low: low,
        padding_high: high,
        kernel_dilation: forward.stride.clone(),
        input_dilation: forward.input_dilation.clone(),
        groups: forward.groups,
        flip: false,
    };
    let input = ops::conjugate(input)?;
    let gradient = match forward.groups > 1 && spatial < 3 && input.shape()[0] > 0 {
        true => batch_as_space(&input, cotangent, backward)?,
        false => batch_as_channels(&input, cotangent, backward)?,
    };
    // (c, k…, C_out) → (C_out, k…, c)
    let gradient = ops::swapaxes(&gradient, 0, -1)?;
    if forward.flip {
        let axes: Vec<i64> = (1..=spatial as i64).collect();
        return ops::flip(&gradient, &axes);
    }
    Ok(gradient)
}

/// The input `(N, s…, g·c)` as `(N, s…, g, c)`.
fn split_groups(input: &Array, groups: usize) -> Result<Array> {
    let mut split = input.shape().to_vec();
    let channels = split.pop().unwrap_or(0);
    split.extend([groups, channels / groups]);
    ops::reshape_to(input, split)
}

/// Input `(c, s…, g·N)` with the cotangent `(C_out, o…, N)`: the groups stay groups, the batch
/// becomes their channels.
fn batch_as_channels(input: &Array, cotangent: &Array, backward: Convolution) -> Result<Array> {
    let spatial = input.ndim() - 2;
    let (groups, batch) = (backward.groups, input.shape()[0]);
    let order = std::iter::once(spatial + 2)
        .chain(1..=spatial)
        .chain([spatial + 1, 0])
        .collect();
    let mut joined = vec![input.shape()[spatial + 1] / groups];
    joined.extend_from_slice(&input.shape()[1..=spatial]);
    joined.push(groups * batch);
    let images = ops::view::permute(&split_groups(input, groups)?, order)?;
    let images = ops::reshape_to(&images, joined)?;
    let kernel = ops::swapaxes(cotangent, 0, -1)?;
    ops::conv_general(&images, &kernel, backward)
}

/// Input `(c, N, s…, g)` with the cotangent `(C_out, N, o…, 1)`: the batch becomes one more
/// spatial axis, so that several groups need no copy.
fn batch_as_space(input: &Array, cotangent: &Array, mut backward: Convolution) -> Result<Array> {
    let spatial = input.ndim() - 2;
    let order = std::iter::once(spatial + 2)
        .chain(0..=spatial + 1)
        .collect();
    let images = ops::view::permute(&split_groups(input, backward.groups)?, order)?;
    let mut shape = vec![cotangent.shape()[spatial + 1]];
    shape.extend_from_slice(&cotangent.shape()[..=spatial]);
    shape.push(1);
    let order = std::iter::once(spatial + 1).chain(0..=spatial).collect();
    let kernel = ops::reshape_to(&ops::view::permute(cotangent, order)?, shape)?;
    for sizes in [
        &mut backward.stride,
        &mut backward.kernel_dilation,
        &mut backward.input_dilation,
    ] {
        sizes.insert(0, 1);
    }
    backward.padding_low.insert(0, 0);
    backward.padding_high.insert(0, 0);
    let result = ops::conv_general(&images, &kernel, backward)?;
    let mut shape = result.shape().to_vec();
    shape.remove(1);
    ops::reshape_to(&result, shape)
}
