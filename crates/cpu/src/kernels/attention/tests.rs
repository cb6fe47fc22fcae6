//! Attention against its formula at sizes around the edges of blocks.

use super::{KEYS, QUERIES, few};
use crate::Cpu;
use half::bf16;
use mlx_oxide_ir::{ArrayType, Dtype, Fast, Layout, Op};
use mlx_oxide_runtime::{Backend, Buffer, Call, Device, Operand, Stream};

fn operand(shape: &[usize], values: &[f32]) -> Operand {
    Operand {
        buffer: Buffer::from_bytes("test", bytemuck::cast_slice(values)).unwrap(),
        layout: Layout::contiguous(shape),
        dtype: Dtype::Float32,
        donatable: false,
    }
}

fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index * 37 + index / 11 * 5 + seed) % 101) as f32 / 50.0 - 1.0)
        .collect()
}

struct Case {
    heads: usize,
    key_heads: usize,
    queries: usize,
    keys: usize,
    features: usize,
    value_features: usize,
    causal: bool,
    /// Added to the scores, over queries and keys.
    mask: Option<Vec<f32>>,
    sinks: Option<Vec<f32>>,
}

impl Case {
    fn new(queries: usize, keys: usize, causal: bool) -> Self {
        Case {
            heads: 4,
            key_heads: 2,
            queries,
            keys,
            features: 20,
            value_features: 33,
            causal,
            mask: None,
            sinks: None,
        }
    }

    fn run(&self) -> (Vec<f32>, Vec<f64>) {
        let queries = values(self.heads * self.queries * self.features, 1);
        let keys = values(self.key_heads * self.keys * self.features, 2);
        let held = values(self.key_heads * self.keys * self.value_features, 3);
        let shape = |heads, size, features| [1, heads, size, features];
        let mut inputs = vec![
            operand(&shape(self.heads, self.queries, self.features), &queries),
            operand(&shape(self.key_heads, self.keys, self.features), &keys),
            operand(
                &shape(self.key_heads, self.keys, self.value_features),
                &held,
            ),
        ];
        inputs.extend(
            self.mask
                .as_ref()
                .map(|mask| operand(&[self.queries, self.keys], mask)),
        );
        inputs.extend(
            self.sinks
                .as_ref()
                .map(|sinks| operand(&[self.heads], sinks)),
        );
        let op = Op::Fast(Fast::Attention {
            scale: 0.5.into(),
            causal: self.causal,
            masked: self.mask.is_some(),
            sinks: self.sinks.is_some(),
        });
        let shape = shape(self.heads, self.queries, self.value_features);
        let outputs = [ArrayType::new(shape, Dtype::Float32)];
        let call = Call {
            op: &op,
            inputs: &inputs,
            outputs: &outputs,
            stream: Stream::default_of(Device::CPU),
        };
        let results = Cpu.run(call).unwrap();
        let found = bytemuck::cast_slice(results[0].buffer.host_bytes().unwrap()).to_vec();
        let expected = (0..self.heads * self.queries)
            .flat_map(|row| self.expected(row, &queries, &keys, &held))
            .collect();
        (found, expected)
    }

    fn expected(&self, row: usize, queries: &[f32], keys: &[f32], held: &[f32]) -> Vec<f64> {
        let (head, query) = (row / self.queries, row % self.queries);
        let group = head / (self.heads / self.key_heads);
        let features = self.features;
        let left = &queries[row * features..][..features];
        let mut scores: Vec<f64> = (0..self.keys)
            .map(|key| {
                if self.causal && key + self.queries > query + self.keys {
                    return f64::from(f32::MIN);
                }
                let right = &keys[(group * self.keys + key) * features..][..features];
                let pairs = left.iter().zip(right);
                let product: f64 = pairs.map(|(l, r)| f64::from(*l) * f64::from(*r)).sum();
                let mask = self.mask.as_ref();
                0.5 * product + mask.map_or(0.0, |mask| f64::from(mask[query * self.keys + key]))
            })
            .collect();
        scores.extend(self.sinks.as_ref().map(|sinks| f64::from(sinks[head])));
        let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = scores
            .iter()
            .map(|score| (score - greatest).exp())
            .collect();
        let sum: f64 = powers.iter().sum();
        let value = |key: usize, feature: usize| {
            f64::from(held[(group * self.keys + key) * self.value_features + feature])
        };
        (0..self.value_features)
            .map(|feature| {
                let weighted = (0..self.keys).map(|key| powers[key] * value(key, feature));
                weighted.sum::<f64>() / sum
            })
            .collect()
    }

    fn check(&self, label: &str) {
        let (found, expected) = self.run();
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let close = (f64::from(*found) - expected).abs() < 2e-6;
            assert!(
                close || (found.is_nan() && expected.is_nan()),
                "{label} {} × {}: {found} for {expected} at {index}",
                self.queries,
                self.keys
            );
        }
    }
}

#[test]
fn attention_agrees_with_its_formula_around_the_edges_of_blocks() {
    for queries in [1, 7, QUERIES - 1, QUERIES, QUERIES + 1, 2 * QUERIES + 5] {
        for keys in [1, 15, KEYS - 1, KEYS, KEYS + 1, 2 * KEYS + 17] {
            Case::new(queries, keys, false).check("all");
            Case::new(queries, keys, true).check("causal");
        }
    }
}

#[test]
fn masks_of_minus_infinity_hide_whole_blocks() {
    let mut case = Case::new(70, KEYS + 9, false);
    let hidden = |index: usize| index % case.keys < KEYS && (index / case.keys).is_multiple_of(2);
    let mask = (0..case.queries * case.keys)
        .map(|index| {
            if hidden(index) {
                f32::NEG_INFINITY
            } else {
                0.25
            }
        })
        .collect();
    case.mask = Some(mask);
    case.check("hidden");
    case.sinks = Some(vec![0.5, -3.0, f32::NEG_INFINITY, 9.0]);
    case.check("hidden with sinks");
}

#[test]
fn a_query_that_every_key_is_hidden_from_gets_no_number() {
    let mut case = Case::new(2, 5, false);
    let mut mask = vec![0.0; 10];
    mask[5..].fill(f32::NEG_INFINITY);
    case.mask = Some(mask);
    let (found, _) = case.run();
    assert!(
        found[..case.value_features]
            .iter()
            .all(|value| value.is_finite())
    );
    assert!(
        found[case.value_features..2 * case.value_features]
            .iter()
            .all(|value| value.is_nan())
    );
    case.check("one hidden");
}

#[test]
fn few_queries_see_all_spans_of_many_keys() {
    for queries in [1, 3, 8] {
        for keys in [few::SPAN - 1, few::SPAN, few::SPAN + 1, 3 * few::SPAN + 70] {
            let mut case = Case::new(queries, keys, true);
            case.check("causal");
            case.sinks = Some(vec![0.5, -3.0, f32::NEG_INFINITY, 9.0]);
            let unseen = |index: usize| index.is_multiple_of(3) || index % keys < few::SPAN;
            let mask = (0..queries * keys).map(|index| match unseen(index) {
                true => f32::NEG_INFINITY,
                false => 0.25,
            });
            case.mask = Some(mask.collect());
            case.causal = false;
            case.check("masked");
        }
    }
}

#[test]
fn few_queries_meet_keys_and_values_of_several_registers() {
    for (features, value_features) in [(64, 64), (80, 130), (128, 96)] {
        for queries in [1, 3] {
            let case = Case {
                features,
                value_features,
                ..Case::new(queries, 100, true)
            };
            case.check("several registers");
        }
    }
}

/// The result for eight heads of queries and two of keys, whose elements are the given ones.
fn attend<T: bytemuck::Pod>(dtype: Dtype, shapes: [[usize; 4]; 3], elements: &[Vec<T>]) -> Vec<T> {
    let operands = shapes
        .iter()
        .zip(elements)
        .map(|(shape, elements)| Operand {
            buffer: Buffer::from_bytes("test", bytemuck::cast_slice(elements)).unwrap(),
            layout: Layout::contiguous(&shape[..]),
            dtype,
            donatable: false,
        });
    let op = Op::Fast(Fast::Attention {
        scale: 0.5.into(),
        causal: true,
        masked: false,
        sinks: false,
    });
    let [_, heads, queries, _] = shapes[0];
    let outputs = [ArrayType::new([1, heads, queries, shapes[2][3]], dtype)];
    let results = Cpu.run(Call {
        op: &op,
        inputs: &operands.collect::<Vec<_>>(),
        outputs: &outputs,
        stream: Stream::default_of(Device::CPU),
    });
    bytemuck::pod_collect_to_vec(results.unwrap()[0].buffer.host_bytes().unwrap())
}

#[test]
fn few_queries_of_brain_floats_agree_with_single_precision() {
    for (queries, keys) in [(1, 70), (1, 600), (3, 64), (4, 131)] {
        let shapes = [[1, 8, queries, 33], [1, 2, keys, 33], [1, 2, keys, 20]];
        let round = |index: usize| -> Vec<bf16> {
            let count = shapes[index].iter().product();
            let values = values(count, index).into_iter();
            values.map(bf16::from_f32).collect()
        };
        let narrow: Vec<Vec<bf16>> = (0..3).map(round).collect();
        let widen = |elements: &Vec<bf16>| elements.iter().map(|value| value.to_f32()).collect();
        let wide: Vec<Vec<f32>> = narrow.iter().map(widen).collect();
        let found = attend(Dtype::Bfloat16, shapes, &narrow);
        let expected = attend(Dtype::Float32, shapes, &wide);
        for index in 0..8 * queries * 20 {
            let (found, expected) = (found[index].to_f32(), expected[index]);
            let close = (found - expected).abs() <= expected.abs() / 256.0 + 1e-5;
            assert!(
                close,
                "{queries} × {keys}: {found} for {expected} at {index}"
            );
        }
    }
}
