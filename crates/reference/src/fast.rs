//! Compositions that have kernels of their own, by their formulas, in double precision.

mod recurrent;

use crate::binary;
use crate::complex;
use crate::elements::{Elements, lanes, place, position};
use crate::value::Value;
use mlx_oxide_ir::{ArrayType, Binary, Fast, Real, Result};
use mlx_oxide_runtime::{Call, Results};
use num_complex::Complex64;

pub(crate) fn run(fast: &Fast, call: &Call<'_>) -> Result<Results> {
    let inputs = call
        .inputs
        .iter()
        .map(Elements::read)
        .collect::<Result<Vec<_>>>()?;
    let output = match fast {
        Fast::Softmax { .. } => per_row(&inputs[0], softmax), // always more than precise
        Fast::RmsNorm { eps } => per_row(&inputs[0], |row| rms_norm(row, *eps, &inputs[1])),
        Fast::LayerNorm { eps } => per_row(&inputs[0], |row| {
            layer_norm(row, *eps, &inputs[1], &inputs[2])
        }),
        Fast::Rope {
            dims,
            traditional,
            scale,
            inverse,
        } => {
            let rotation = Rotation {
                dims: *dims,
                traditional: *traditional,
                scale: scale.get(),
                direction: if *inverse { -1.0 } else { 1.0 },
            };
            rotation.run(&inputs[0], &inputs[1], &inputs[2])
        }
        Fast::Attention {
            scale,
            causal,
            masked,
            sinks,
        } => {
            let mut extra = inputs[3..].iter();
            let attention = Attention {
                scale: scale.get(),
                causal: *causal,
                queries: &inputs[0],
                keys: &inputs[1],
                values: &inputs[2],
                mask: masked.then(|| extra.next()).flatten(),
                sinks: sinks.then(|| extra.next()).flatten(),
            };
            Elements::collect(&call.outputs[0], attention.values(&call.outputs[0].shape))
        }
        Fast::NormGradient { eps, centred } => {
            let gradient = NormGradient {
                eps: eps.get(),
                centred: *centred,
            };
            let outputs = gradient.outputs(&inputs, call.outputs).into_iter();
            return outputs.map(|output| output.store(fast.name())).collect();
        }
        Fast::Recurrent { cell, .. } => {
            let outputs = recurrent::outputs(*cell, &inputs, call.outputs).into_iter();
            return outputs.map(|output| output.store(fast.name())).collect();
        }
    };
    output.finish(fast.name())
}

/// Applies a function to each run of elements along the last axis.
fn per_row(operand: &Elements, function: impl Fn(&[Value]) -> Vec<Value>) -> Elements {
    let mut output = Elements::zeroed(&operand.array_type);
    for places in lanes(operand.shape(), operand.shape().ndim() - 1) {
        let row: Vec<Value> = places.iter().map(|&place| operand.get(place)).collect();
        for (place, value) in places.into_iter().zip(function(&row)) {
            output.set(place, value);
        }
    }
    output
}

/// NaN where the greatest element is infinite, as the formula says.
fn softmax(row: &[Value]) -> Vec<Value> {
    let greatest = row
        .iter()
        .copied()
        .reduce(|lhs, rhs| binary::apply(Binary::Maximum, lhs, rhs, mlx_oxide_ir::Dtype::Float64));
    match greatest {
        None => Vec::new(),
        Some(Value::Complex(greatest)) => {
            let powers: Vec<Complex64> = row
                .iter()
                .map(|value| complex::exp(value.complex() - greatest))
                .collect();
            let sum: Complex64 = powers.iter().sum();
            let quotient = |power: &Complex64| Value::Complex(complex::divide(*power, sum));
            powers.iter().map(quotient).collect()
        }
        Some(greatest) => {
            let scores: Vec<f64> = row.iter().map(|value| value.real()).collect();
            let weights = weights(&scores, greatest.real());
            weights.into_iter().map(Value::Real).collect()
        }
    }
}

/// `e^(score - greatest)`, divided by their sum.
fn weights(scores: &[f64], greatest: f64) -> Vec<f64> {
    let powers: Vec<f64> = scores
        .iter()
        .map(|score| (score - greatest).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

fn rms_norm(row: &[Value], eps: Real, weight: &Elements) -> Vec<Value> {
    let row = row.iter().map(|value| value.real()).collect();
    let (normal, _) = normalised(row, eps.get());
    normal
        .iter()
        .zip(weight.values())
        .map(|(value, weight)| Value::Real(value * weight.real()))
        .collect()
}

fn layer_norm(row: &[Value], eps: Real, weight: &Elements, bias: &Elements) -> Vec<Value> {
    let row: Vec<f64> = row.iter().map(|value| value.real()).collect();
    let (normal, _) = normalised(deviations(&row), eps.get());
    let parameters = weight.values().zip(bias.values());
    normal
        .iter()
        .zip(parameters)
        .map(|(value, (weight, bias))| Value::Real(value * weight.real() + bias.real()))
        .collect()
}

/// What elements differ by from their mean.
fn deviations(row: &[f64]) -> Vec<f64> {
    let count = row.len() as f64;
    let near = row.iter().sum::<f64>() / count;
    // what rounding left of the mean: it is all there is to see where elements hardly differ
    let rest = row.iter().map(|value| value - near).sum::<f64>() / count;
    row.iter().map(|value| (value - near) - rest).collect()
}

/// The row divided by the root of its mean square, and by what it was multiplied for that.
fn normalised(row: Vec<f64>, eps: f64) -> (Vec<f64>, f64) {
    let squares: f64 = row.iter().map(|value| value * value).sum();
    let scale = 1.0 / (squares / row.len() as f64 + eps).sqrt();
    (row.into_iter().map(|value| value * scale).collect(), scale)
}

/// The gradients of a norm.
struct NormGradient {
    eps: f64,
    centred: bool,
}

impl NormGradient {
    fn outputs(&self, inputs: &[Elements], types: &[ArrayType]) -> Vec<Elements> {
        let [operand, weight, cotangent] = [&inputs[0], &inputs[1], &inputs[2]];
        let mut outputs: Vec<Elements> = types.iter().map(Elements::zeroed).collect();
        let features = weight.len();
        let (mut scaled, mut shifted) = (vec![0.0; features], vec![0.0; features]);
        for places in lanes(operand.shape(), operand.shape().ndim() - 1) {
            let reals = |elements: &Elements| -> Vec<f64> {
                let values = places.iter().map(|&place| elements.get(place).real());
                values.collect()
            };
            let (row, cotangents) = (reals(operand), reals(cotangent));
            let row = if self.centred { deviations(&row) } else { row };
            let (normal, scale) = normalised(row, self.eps);
            for feature in 0..features {
                scaled[feature] += cotangents[feature] * normal[feature];
                shifted[feature] += cotangents[feature];
            }
            let weights = weight.values().map(|weight| weight.real());
            let weighted: Vec<f64> = cotangents.iter().zip(weights).map(|(c, w)| c * w).collect();
            let count = features as f64;
            let along = weighted
                .iter()
                .zip(&normal)
                .map(|(d, x)| d * x)
                .sum::<f64>()
                / count;
            let level = match self.centred {
                true => weighted.iter().sum::<f64>() / count,
                false => 0.0,
            };
            for (feature, place) in places.into_iter().enumerate() {
                let rest = weighted[feature] - level - normal[feature] * along;
                outputs[0].set(place, Value::Real(scale * rest));
            }
        }
        for (output, sums) in outputs[1..].iter_mut().zip([scaled, shifted]) {
            for (feature, sum) in sums.into_iter().enumerate() {
                output.set(feature, Value::Real(sum));
            }
        }
        outputs
    }
}

/// A rotary position embedding.
struct Rotation {
    dims: usize,
    traditional: bool,
    scale: f64,
    direction: f64,
}

impl Rotation {
    /// Each pair of the first `dims` elements turns by `(offset + t)·scale·frequency`.
    fn run(&self, operand: &Elements, offset: &Elements, frequencies: &Elements) -> Elements {
        let shape = operand.shape();
        let last = shape.ndim() - 1;
        let values = (0..operand.len()).map(|to| {
            let index = position(to, shape);
            let Some((pair, other, is_second)) = self.pair(index[last]) else {
                return operand.get(to);
            };
            let batch = if offset.len() == 1 { 0 } else { index[0] };
            let time = offset.get(batch).real() + index[last - 1] as f64;
            let angle = time * self.scale * frequencies.get(pair).real() * self.direction;
            let partner = operand.get(to + other - index[last]).real();
            let own = operand.get(to).real();
            // (x, y) becomes (x·cos - y·sin, x·sin + y·cos)
            let sine = if is_second { angle.sin() } else { -angle.sin() };
            Value::Real(own * angle.cos() + partner * sine)
        });
        Elements::collect(&operand.array_type, values)
    }

    /// Number of the pair that an element belongs to, its partner, and whether it is the second;
    /// none past the rotated elements.
    fn pair(&self, element: usize) -> Option<(usize, usize, bool)> {
        if element >= self.dims {
            return None;
        }
        let half = self.dims / 2;
        Some(if self.traditional {
            (element / 2, element ^ 1, element % 2 == 1)
        } else if element < half {
            (element, element + half, false)
        } else {
            (element - half, element - half, true)
        })
    }
}

/// Attention of `(B, H, T, D)`; each group of query heads shares a head of keys and values.
struct Attention<'a> {
    scale: f64,
    causal: bool,
    queries: &'a Elements,
    keys: &'a Elements,
    values: &'a Elements,
    mask: Option<&'a Elements>,
    sinks: Option<&'a Elements>,
}

/// The score of a key that is not seen. It is finite, as in MLX: a query that sees no key at all
/// weighs all of them equally.
const UNSEEN: f64 = f32::MIN as f64;

impl Attention<'_> {
    /// The elements of the result in order: for each query the features of its weighted sum.
    fn values(&self, shape: &[usize]) -> impl Iterator<Item = Value> + '_ {
        let [heads, times, features] = [shape[1], shape[2], shape[3]];
        (0..shape[0] * heads * times).flat_map(move |row| {
            let (batch, head, time) = (row / times / heads, row / times % heads, row % times);
            let weights = self.weights(batch, head, time);
            let group = self.group(head);
            (0..features).map(move |feature| {
                let value = |key: usize| {
                    let from = place(&[batch, group, key, feature], self.values.shape());
                    self.values.get(from).real()
                };
                let keys = 0..self.keys.shape()[2];
                Value::Real(keys.map(|key| weights[key] * value(key)).sum())
            })
        })
    }

    /// The weight of every key for one query, then that of the sink.
    fn weights(&self, batch: usize, head: usize, time: usize) -> Vec<f64> {
        let mut scores: Vec<f64> = (0..self.keys.shape()[2])
            .map(|key| self.score(batch, head, time, key))
            .collect();
        scores.extend(self.sinks.map(|sinks| sinks.get(head).real()));
        let greatest = |lhs: f64, rhs: &f64| {
            if *rhs > lhs || rhs.is_nan() {
                *rhs
            } else {
                lhs
            }
        };
        let greatest = scores.iter().fold(f64::NEG_INFINITY, greatest);
        weights(&scores, greatest)
    }

    /// The head of keys and values that a query head belongs to.
    fn group(&self, head: usize) -> usize {
        head / (self.queries.shape()[1] / self.keys.shape()[1])
    }

    fn score(&self, batch: usize, head: usize, time: usize, key: usize) -> f64 {
        let (times, keys) = (self.queries.shape()[2], self.keys.shape()[2]);
        if self.causal && key + times > time + keys {
            return UNSEEN;
        }
        let query = place(&[batch, head, time, 0], self.queries.shape());
        let against = place(&[batch, self.group(head), key, 0], self.keys.shape());
        let product: f64 = (0..self.queries.shape()[3])
            .map(|feature| {
                self.queries.get(query + feature).real() * self.keys.get(against + feature).real()
            })
            .sum();
        let score = self.scale * product;
        match self
            .mask
            .map(|mask| stretched(mask, &[batch, head, time, key]))
        {
            None => score,
            Some(Value::Integer(0)) => UNSEEN,
            Some(Value::Integer(_)) => score,
            Some(addend) => score + addend.real(),
        }
    }
}

/// The element of a broadcast operand at a position of the result.
fn stretched(operand: &Elements, index: &[usize]) -> Value {
    let shape = operand.shape();
    let aligned = &index[index.len() - shape.ndim()..];
    let own: Vec<usize> = aligned
        .iter()
        .zip(shape.iter())
        .map(|(&position, &size)| if size == 1 { 0 } else { position })
        .collect();
    operand.get(place(&own, shape))
}
