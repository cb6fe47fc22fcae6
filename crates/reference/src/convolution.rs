//! Convolution by its definition.

use crate::contract::sum_of_products;
use crate::elements::{Elements, place, position};
use crate::value::Value;
use mlx_oxide_ir::{Convolution, Shape};
use mlx_oxide_runtime::Call;

/// Output `(n, o, c)` is the sum over the kernel's taps and the group's channels of
/// `input(n, o·stride + tap·kernel_dilation - padding_low, ·)·weight(c, tap, ·)`, where the
/// position counts in the input with its gaps, and gaps and padding are zero.
pub(crate) fn run(
    convolution: &Convolution,
    input: &Elements,
    weight: &Elements,
    call: &Call<'_>,
) -> Elements {
    let output = &call.outputs[0];
    let spatial = output.shape.ndim() - 2;
    let kernel: Shape = Shape::from(&weight.shape()[1..=spatial]);
    let values = (0..output.size()).map(|to| {
        let index = position(to, &output.shape);
        let taps = (0..kernel.size()).filter_map(|tap| {
            let tap = position(tap, &kernel);
            let source = source(convolution, &index[1..=spatial], &tap, input.shape())?;
            Some((source, flipped(convolution, &tap, &kernel)))
        });
        let pairs = taps
            .flat_map(|(source, tap)| channels(convolution, input, weight, &index, source, tap));
        sum_of_products(output.dtype, pairs)
    });
    Elements::collect(output, values)
}

/// The position in the input that a tap meets; none in a gap or in the padding.
fn source(
    convolution: &Convolution,
    output: &[usize],
    tap: &[usize],
    input: &Shape,
) -> Option<Vec<usize>> {
    (0..tap.len())
        .map(|axis| {
            let padded = output[axis] * convolution.stride[axis]
                + tap[axis] * convolution.kernel_dilation[axis];
            let place = padded as isize - convolution.padding_low[axis];
            let gap = convolution.input_dilation[axis] as isize;
            let element = usize::try_from(place / gap).ok()?;
            (place >= 0 && place % gap == 0 && element < input[axis + 1]).then_some(element)
        })
        .collect()
}

/// The place in the weight of a tap.
fn flipped(convolution: &Convolution, tap: &[usize], kernel: &Shape) -> Vec<usize> {
    if !convolution.flip {
        return tap.to_vec();
    }
    tap.iter()
        .zip(kernel.iter())
        .map(|(tap, size)| size - 1 - tap)
        .collect()
}

/// The products of one tap: over the channels of the output channel's group.
fn channels<'a>(
    convolution: &Convolution,
    input: &'a Elements,
    weight: &'a Elements,
    output: &[usize],
    source: Vec<usize>,
    tap: Vec<usize>,
) -> impl Iterator<Item = (Value, Value)> + 'a {
    let (batch, channel_out) = (output[0], output[output.len() - 1]);
    let count = weight.shape()[weight.shape().ndim() - 1];
    let group = channel_out / (weight.shape()[0] / convolution.groups);
    (0..count).map(move |channel| {
        let at = |first: usize, middle: &[usize], last: usize| {
            let mut index = vec![first];
            index.extend_from_slice(middle);
            index.push(last);
            index
        };
        let from = at(batch, &source, group * count + channel);
        let by = at(channel_out, &tap, channel);
        (
            input.get(place(&from, input.shape())),
            weight.get(place(&by, weight.shape())),
        )
    })
}
