//! Packed matrices. Packing is a format: its steps are those of `float32`, one after the other,
//! whatever is wider elsewhere.

use crate::elements::Elements;
use crate::index::bounded;
use crate::value::Value;
use mlx_oxide_ir::float8::{
    E2M1, E2M1_MAX, E4M3_MAX, from_e4m3, from_e8m0, to_e2m1, to_e4m3, to_e8m0,
};
use mlx_oxide_ir::{Dtype, Packing, QuantizationMode, Quantized, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn run(op: &Quantized, call: &Call<'_>) -> Result<Results> {
    let inputs = call
        .inputs
        .iter()
        .map(Elements::read)
        .collect::<Result<Vec<_>>>()?;
    match op {
        Quantized::Quantize { packing, .. } => quantize(packing, &inputs, call),
        Quantized::Dequantize { packing, .. } => dequantize(packing, &inputs, call),
        Quantized::Requantize { packing, .. } => requantize(packing, &inputs, call),
        Quantized::Matmul { packing, transpose } => matmul(packing, *transpose, &inputs, call),
        Quantized::GatherMatmul {
            packing, transpose, ..
        } => gather_matmul(packing, *transpose, &inputs, call),
        Quantized::ToFp8 => {
            let bits = |value: Value| Value::Integer(to_e4m3(single(value)).into());
            Elements::collect(&call.outputs[0], inputs[0].values().map(bits)).finish(op.name())
        }
        Quantized::FromFp8 { .. } => {
            let number = |value: Value| Value::Real(f64::from(from_e4m3(value.integer() as u8)));
            Elements::collect(&call.outputs[0], inputs[0].values().map(number)).finish(op.name())
        }
    }
}

fn single(value: Value) -> f32 {
    value.real() as f32
}

fn rounded(value: f32, dtype: Dtype) -> f32 {
    single(Value::Real(f64::from(value)).rounded(dtype))
}

/// The packed form of one group: an integer for each element, the scale and, in mode affine, the
/// bias, as they are stored.
struct Group {
    elements: Vec<u8>,
    scale: Value,
    bias: Value,
}

fn pack_group(packing: &Packing, group: &[f32], dtype: Dtype, global: Option<f32>) -> Group {
    match packing.mode {
        QuantizationMode::Affine => pack_affine(group, packing.bits),
        QuantizationMode::Mxfp4 | QuantizationMode::Mxfp8 => {
            pack_microscaled(group, packing.bits, dtype)
        }
        QuantizationMode::Nvfp4 => pack_nvfp4(group, dtype, global),
    }
}

fn pack_affine(group: &[f32], bits: usize) -> Group {
    const LEAST_SCALE: f32 = 1e-7;
    let steps = ((1u32 << bits) - 1) as f32;
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for &element in group {
        low = if element < low { element } else { low };
        high = if element > high { element } else { high };
    }
    let (mut scale, mut bias);
    if bits == 1 {
        scale = (high - low).max(LEAST_SCALE);
        bias = low;
    } else {
        scale = ((high - low) / steps).max(LEAST_SCALE);
        let edge = if low.abs() > high.abs() {
            low
        } else {
            scale = -scale;
            high
        };
        bias = 0.0;
        let count = (edge / scale).round_ties_even();
        if count != 0.0 {
            scale = edge / count;
            bias = edge;
        }
    }
    let element = |element: &f32| {
        let count = ((element - bias) / scale).round_ties_even();
        count.clamp(0.0, steps) as u8
    };
    Group {
        elements: group.iter().map(element).collect(),
        scale: Value::Real(scale.into()),
        bias: Value::Real(bias.into()),
    }
}

fn greatest(group: &[f32]) -> f32 {
    group
        .iter()
        .fold(0.0, |most, element| most.max(element.abs()))
}

fn pack_microscaled(group: &[f32], bits: usize, dtype: Dtype) -> Group {
    let top = if bits == 4 { E2M1_MAX } else { E4M3_MAX };
    let scale = to_e8m0(rounded(greatest(group) / top, dtype));
    let step = from_e8m0(scale);
    let element = |element: &f32| {
        let quotient = rounded(element / step, dtype);
        if bits == 4 {
            to_e2m1(quotient)
        } else {
            to_e4m3(quotient)
        }
    };
    Group {
        elements: group.iter().map(element).collect(),
        scale: Value::Integer(scale.into()),
        bias: Value::Integer(0),
    }
}

/// The greatest modulus that a global scale of 1 stands for.
const GLOBAL: f32 = E4M3_MAX * E2M1_MAX;

fn pack_nvfp4(group: &[f32], dtype: Dtype, global: Option<f32>) -> Group {
    let factor = global.map_or(1.0, |greatest| GLOBAL / greatest);
    let scale = to_e4m3(rounded(greatest(group) / E2M1_MAX, dtype) * factor);
    let step = from_e4m3(scale);
    let element = |element: &f32| to_e2m1(rounded(element / step, dtype) * factor);
    Group {
        elements: group.iter().map(element).collect(),
        scale: Value::Integer(scale.into()),
        bias: Value::Integer(0),
    }
}

/// The groups of a matrix's rows, packed.
fn groups(packing: &Packing, inputs: &[Elements]) -> Vec<Group> {
    let numbers: Vec<f32> = inputs[0].values().map(single).collect();
    let global = inputs.get(1).map(|scale| single(scale.get(0)));
    numbers
        .chunks_exact(packing.group_size)
        .map(|group| pack_group(packing, group, inputs[0].dtype(), global))
        .collect()
}

fn quantize(packing: &Packing, inputs: &[Elements], call: &Call<'_>) -> Result<Results> {
    let groups = groups(packing, inputs);
    let mut words = Elements::zeroed(&call.outputs[0]);
    let mut bits = vec![0u32; words.len()];
    // groups and rows are whole numbers of words: all are one stream of bits
    let elements = groups.iter().flat_map(|group| &group.elements);
    for (number, element) in elements.enumerate() {
        for bit in 0..packing.bits {
            let place = number * packing.bits + bit;
            bits[place / 32] |= u32::from(element >> bit & 1) << (place % 32);
        }
    }
    for (place, word) in bits.into_iter().enumerate() {
        words.set(place, Value::Integer(word.into()));
    }
    let scales = groups.iter().map(|group| group.scale);
    let biases = groups.iter().map(|group| group.bias);
    let mut outputs = vec![words, Elements::collect(&call.outputs[1], scales)];
    if packing.has_biases() {
        outputs.push(Elements::collect(&call.outputs[2], biases));
    }
    outputs
        .into_iter()
        .map(|output| output.store("quantize"))
        .collect()
}

/// The integer that an element of the packed stream is.
fn packed_element(packing: &Packing, words: &Elements, number: usize) -> u8 {
    let first = number * packing.bits;
    let bit = |place: usize| (words.get(place / 32).integer() >> (place % 32) & 1) as u8;
    (0..packing.bits).fold(0, |element, position| {
        element | bit(first + position) << position
    })
}

/// The number that an element of a packed matrix stands for, as `factor·scale + bias`.
fn unpacked(packing: &Packing, parts: &[Elements], number: usize) -> (f32, f32, f32) {
    let element = packed_element(packing, &parts[0], number);
    let scale = parts[1].get(number / packing.group_size);
    match packing.mode {
        QuantizationMode::Affine => {
            let bias = parts[2].get(number / packing.group_size);
            (f32::from(element), single(scale), single(bias))
        }
        QuantizationMode::Mxfp4 => (
            E2M1[usize::from(element)],
            from_e8m0(scale.integer() as u8),
            0.0,
        ),
        QuantizationMode::Mxfp8 => (from_e4m3(element), from_e8m0(scale.integer() as u8), 0.0),
        QuantizationMode::Nvfp4 => (
            E2M1[usize::from(element)],
            from_e4m3(scale.integer() as u8),
            0.0,
        ),
    }
}

/// Every step rounds to the dtype of the result.
fn dequantize(packing: &Packing, parts: &[Elements], call: &Call<'_>) -> Result<Results> {
    let output = &call.outputs[0];
    let global = parts
        .get(packing.parts())
        .map(|scale| single(scale.get(0)) / GLOBAL);
    let numbers = (0..output.size()).map(|number| {
        let (factor, scale, bias) = unpacked(packing, parts, number);
        let product = match global {
            Some(global) => factor * (scale * global),
            None => rounded(factor * rounded(scale, output.dtype), output.dtype),
        };
        let sum = if packing.has_biases() {
            product + bias
        } else {
            product
        };
        Value::Real(sum.into())
    });
    Elements::collect(output, numbers).finish("dequantize")
}

fn requantize(packing: &Packing, inputs: &[Elements], call: &Call<'_>) -> Result<Results> {
    let dtype = inputs[0].dtype();
    let global = inputs.get(1).map(|scale| single(scale.get(0)) / GLOBAL);
    let stored = |value: Value| single(value.rounded(dtype));
    let groups = groups(packing, inputs);
    let numbers = groups.iter().flat_map(|group| {
        group
            .elements
            .iter()
            .map(move |element| match packing.mode {
                QuantizationMode::Affine => {
                    let product = rounded(f32::from(*element) * stored(group.scale), dtype);
                    product + stored(group.bias)
                }
                QuantizationMode::Mxfp4 => {
                    let scale = from_e8m0(group.scale.integer() as u8);
                    E2M1[usize::from(*element)] * rounded(scale, dtype)
                }
                QuantizationMode::Mxfp8 => {
                    let scale = from_e8m0(group.scale.integer() as u8);
                    from_e4m3(*element) * rounded(scale, dtype)
                }
                QuantizationMode::Nvfp4 => {
                    let scale = from_e4m3(group.scale.integer() as u8);
                    E2M1[usize::from(*element)] * (scale * global.unwrap_or(1.0))
                }
            })
    });
    let values = numbers.map(|number| Value::Real(number.into()));
    Elements::collect(&call.outputs[0], values).finish("qqmm")
}

/// Sizes of a product `(rows, inner, columns)` and the sums that are its elements.
struct Product<'a> {
    packing: &'a Packing,
    transpose: bool,
    x: &'a Elements,
    parts: &'a [Elements],
    sizes: (usize, usize, usize),
}

impl<'a> Product<'a> {
    fn new(packing: &'a Packing, transpose: bool, inputs: &'a [Elements], call: &Call<'_>) -> Self {
        let (x, output) = (&inputs[0], &call.outputs[0].shape);
        let rows = x.shape()[x.shape().ndim() - 2];
        let inner = x.shape()[x.shape().ndim() - 1];
        Product {
            packing,
            transpose,
            x,
            parts: &inputs[1..=packing.parts()],
            sizes: (rows, inner, output[output.ndim() - 1]),
        }
    }

    /// The element at a place of the result, of the matrices that `picked` gives for its own.
    fn element(&self, place: usize, picked: impl Fn(usize) -> Result<[usize; 2]>) -> Result<Value> {
        let (rows, inner, columns) = self.sizes;
        let (row, column) = (place / columns % rows, place % columns);
        let [left, right] = picked(place / columns / rows)?;
        let mut sum = 0.0;
        for index in 0..inner {
            let within = if self.transpose {
                column * inner + index
            } else {
                index * columns + column
            };
            let number = right * inner * columns + within;
            let (factor, scale, bias) = unpacked(self.packing, self.parts, number);
            let weight = f64::from(factor) * f64::from(scale) + f64::from(bias);
            sum += self.x.get((left * rows + row) * inner + index).real() * weight;
        }
        Ok(Value::Real(sum))
    }
}

fn matmul(
    packing: &Packing,
    transpose: bool,
    inputs: &[Elements],
    call: &Call<'_>,
) -> Result<Results> {
    let product = Product::new(packing, transpose, inputs, call);
    let mut output = Elements::zeroed(&call.outputs[0]);
    for place in 0..output.len() {
        output.set(place, product.element(place, |matrix| Ok([matrix; 2]))?);
    }
    output.finish("quantized_matmul")
}

fn gather_matmul(
    packing: &Packing,
    transpose: bool,
    inputs: &[Elements],
    call: &Call<'_>,
) -> Result<Results> {
    let product = Product::new(packing, transpose, inputs, call);
    let parts = packing.parts();
    let count = |operand: &Elements| -> usize {
        operand.shape()[..operand.shape().ndim() - 2]
            .iter()
            .product()
    };
    let counts = [count(&inputs[0]), count(&inputs[1])];
    let picked = |which: usize| -> Result<[usize; 2]> {
        let index = |side: usize| {
            let index = inputs[1 + parts + side].get(which).integer();
            bounded("gather_qmm", index, 0, counts[side], 1)
        };
        Ok([index(0)?, index(1)?])
    };
    let mut output = Elements::zeroed(&call.outputs[0]);
    for place in 0..output.len() {
        output.set(place, product.element(place, picked)?);
    }
    output.finish("gather_qmm")
}
