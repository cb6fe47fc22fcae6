//! Compositions that have kernels of their own.

use super::{FLOATING, INEXACT, between, exactly};
use crate::sample::{InputSpec, Sample};
use crate::tolerance::Tolerance;
use mlx_oxide_ir::{Cell, Dtype, Fast, Op};

pub(super) fn samples() -> Vec<Sample> {
    let softmax = INEXACT.iter().flat_map(|&dtype| softmax(dtype));
    let others = FLOATING.iter().flat_map(|&dtype| {
        [
            norms(dtype),
            rope(dtype),
            attention(dtype),
            recurrent(dtype),
        ]
        .concat()
    });
    softmax.chain(others).collect()
}

fn softmax(dtype: Dtype) -> Vec<Sample> {
    let of = |label: &str, precise: bool, input: InputSpec| {
        let epsilons = match (dtype.size(), precise) {
            (2, true) => 2.0,
            (2, false) => 8.0, // every stage may round to the dtype
            _ => 8.0 + input.shape.last().map_or(0, |terms| terms / 64) as f64,
        };
        let label = if precise {
            format!("precise {label}")
        } else {
            label.to_owned()
        };
        Sample::new(&label, Op::Fast(Fast::Softmax { precise }), vec![input])
            .within(Tolerance::stages(dtype, epsilons, 0.1))
    };
    let mut samples = Vec::new();
    for precise in [false, true] {
        samples.extend([
            of("rows", precise, between([2, 3, 7], dtype, -3.0, 3.0)).differentiable(),
            of("vector", precise, between([5], dtype, -3.0, 3.0)).differentiable(),
            of("one", precise, between([4, 1], dtype, -3.0, 3.0)).differentiable(),
            of("nothing", precise, between([4, 0], dtype, -3.0, 3.0)).differentiable(),
            of("long", precise, between([3, 1031], dtype, -9.0, 9.0)),
        ]);
    }
    if dtype.is_floating() {
        let inf = f64::INFINITY;
        let numbers = [
            -inf,
            1.0,
            2.0,
            -inf,
            -inf,
            -inf,
            inf,
            1.0,
            2.0,
            f64::NAN,
            1.0,
            2.0,
            6e4,
            -6e4,
            1.0,
        ];
        samples.push(of("edges", true, exactly([5, 3], dtype, &numbers)));
    }
    samples
}

fn norms(dtype: Dtype) -> Vec<Sample> {
    let shapes: [&[usize]; 5] = [&[2, 3, 8], &[7], &[4, 1], &[3, 257], &[0, 6]];
    let mut samples = Vec::new();
    for shape in shapes {
        let features = shape[shape.len() - 1];
        let parameter = || between([features], dtype, 0.5, 1.5);
        let input = || between(shape, dtype, -2.0, 2.0);
        let rms = Op::Fast(Fast::RmsNorm { eps: 1e-5.into() });
        let layer = Op::Fast(Fast::LayerNorm { eps: 1e-5.into() });
        let gradient = |centred: bool| {
            // great enough for rows of equal elements, whose rounding is divided by its root
            let eps = 0.1.into();
            let op = Op::Fast(Fast::NormGradient { eps, centred });
            let cotangent = between(shape, dtype, -1.0, 1.0);
            Sample::new(
                &format!("{shape:?}"),
                op,
                vec![input(), parameter(), cotangent],
            )
        };
        let label = format!("{shape:?}");
        let all = [
            Sample::new(&label, rms, vec![input(), parameter()]),
            Sample::new(&label, layer, vec![input(), parameter(), parameter()]),
            gradient(false),
            gradient(true),
        ];
        let small = shape.iter().product::<usize>() <= 64;
        samples.extend(all.into_iter().map(|sample| {
            let sample = sample.within(Tolerance::stages(dtype, 4.0, 4.0));
            if small {
                sample.differentiable()
            } else {
                sample
            }
        }));
    }
    samples
}

fn recurrent(dtype: Dtype) -> Vec<Sample> {
    // rows, times and features: a vector register and more, and rows that are shared out
    let sizes = [
        [2, 3, 4],
        [1, 1, 1],
        [3, 5, 17],
        [70, 2, 8],
        [2, 0, 3],
        [0, 2, 3],
        [2, 3, 0],
    ];
    let mut samples = Vec::new();
    for [batch, times, features] in sizes {
        for cell in [Cell::Lstm, Cell::Gru] {
            for states in [false, true] {
                let width = cell.gates() * features;
                let mut inputs = vec![
                    between([batch, times, width], dtype, -2.0, 2.0),
                    between([features, width], dtype, -1.0, 1.0),
                ];
                if cell == Cell::Gru {
                    inputs.push(between([features], dtype, -1.0, 1.0));
                }
                let given = if states { cell.states() } else { 0 };
                inputs.extend((0..given).map(|_| between([batch, features], dtype, -1.0, 1.0)));
                let begun = if states { "begun" } else { "new" };
                let label = format!("{batch}x{times}x{features} {begun}");
                let op = Op::Fast(Fast::Recurrent { cell, states });
                let sample =
                    Sample::new(&label, op, inputs).within(Tolerance::stages(dtype, 16.0, 2.0));
                samples.push(match batch * times * features <= 24 {
                    true => sample.differentiable(),
                    false => sample,
                });
            }
        }
    }
    samples
}

fn rope(dtype: Dtype) -> Vec<Sample> {
    let of = |label: &str, shape: &[usize], dims: usize, traditional, inverse, offset| {
        let op = Fast::Rope {
            dims,
            traditional,
            scale: 0.5.into(),
            inverse,
        };
        let numbers: Vec<f64> = (0..dims / 2).map(|i| 0.7f64.powi(i as i32)).collect();
        let inputs = vec![
            between(shape, dtype, -2.0, 2.0),
            offset,
            exactly([dims / 2], Dtype::Float32, &numbers),
        ];
        let turn = if inverse { "back" } else { "forth" };
        let pairs = if traditional { "neighbours" } else { "halves" };
        let label = format!("{label} {pairs} {turn}");
        // the angle, up to 16 radians, has the precision of float32
        let mut sample = Sample::new(&label, Op::Fast(op), inputs)
            .within(Tolerance::stages(dtype, 2.0, 2.0).or_absolute(1e-5));
        sample.held = vec![2];
        sample
    };
    let offset = |numbers: &[f64]| match numbers {
        [one] => exactly([], Dtype::Int32, &[*one]),
        many => exactly([many.len()], Dtype::Int32, many),
    };
    let mut samples = Vec::new();
    for traditional in [false, true] {
        for inverse in [false, true] {
            let rows = |label, shape: &[usize], dims, offset| {
                of(label, shape, dims, traditional, inverse, offset)
            };
            samples.extend([
                rows("whole", &[2, 3, 8], 8, offset(&[3.0])).differentiable(),
                rows("part", &[1, 2, 5, 10], 6, offset(&[0.0])).differentiable(),
                rows("offsets", &[2, 2, 3, 4], 4, offset(&[3.0, 11.0])).differentiable(),
                rows("table", &[7, 4], 4, offset(&[1.0])).differentiable(),
                rows("nothing turns", &[2, 3, 4], 0, offset(&[1.0])).differentiable(),
                rows("empty", &[0, 3, 4], 4, offset(&[1.0])).differentiable(),
            ]);
        }
    }
    samples
}

/// Sizes of one attention: batch, heads of queries and of keys, queries, keys, features of keys
/// and of values.
struct Sizes {
    label: &'static str,
    batch: usize,
    heads: usize,
    groups: usize,
    queries: usize,
    keys: usize,
    features: usize,
    values: usize,
}

const SIZES: [Sizes; 5] = [
    Sizes {
        label: "plain",
        batch: 2,
        heads: 2,
        groups: 2,
        queries: 4,
        keys: 4,
        features: 8,
        values: 8,
    },
    Sizes {
        label: "grouped",
        batch: 1,
        heads: 4,
        groups: 2,
        queries: 3,
        keys: 5,
        features: 8,
        values: 6,
    },
    Sizes {
        label: "one query",
        batch: 1,
        heads: 2,
        groups: 1,
        queries: 1,
        keys: 37,
        features: 16,
        values: 16,
    },
    Sizes {
        label: "more queries than keys",
        batch: 1,
        heads: 1,
        groups: 1,
        queries: 6,
        keys: 4,
        features: 4,
        values: 4,
    },
    Sizes {
        label: "long",
        batch: 1,
        heads: 1,
        groups: 1,
        queries: 67,
        keys: 70,
        features: 16,
        values: 16,
    },
];

/// What hides keys besides the causal order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mask {
    Nothing,
    Bools,
    Addend,
}

fn attention(dtype: Dtype) -> Vec<Sample> {
    let mut samples = Vec::new();
    for sizes in &SIZES {
        for causal in [false, true] {
            for sinks in [false, true] {
                for mask in [Mask::Nothing, Mask::Bools, Mask::Addend] {
                    samples.push(attend(sizes, dtype, causal, sinks, mask));
                }
            }
        }
    }
    samples
}

fn attend(sizes: &Sizes, dtype: Dtype, causal: bool, sinks: bool, mask: Mask) -> Sample {
    let Sizes {
        batch,
        heads,
        groups,
        queries,
        keys,
        features,
        values,
        label,
    } = *sizes;
    let mut inputs = vec![
        between([batch, heads, queries, features], dtype, -2.0, 2.0),
        between([batch, groups, keys, features], dtype, -2.0, 2.0),
        between([batch, groups, keys, values], dtype, -2.0, 2.0),
    ];
    match mask {
        Mask::Nothing => {}
        Mask::Bools => inputs.push(between([queries, keys], Dtype::Bool, 0.0, 1.0)),
        Mask::Addend => inputs.push(between([batch, 1, queries, keys], dtype, -3.0, 3.0)),
    }
    if sinks {
        inputs.push(between([heads], dtype, -2.0, 2.0));
    }
    let op = Fast::Attention {
        scale: (features as f64).sqrt().recip().into(),
        causal,
        masked: mask != Mask::Nothing,
        sinks,
    };
    let order = if causal { "causal" } else { "all" };
    let sunk = if sinks { "sunk" } else { "afloat" };
    let label = format!("{label} {order} {sunk} {mask:?}");
    // scores of up to 12, and weights, may round to the dtype between the stages
    let sample =
        Sample::new(&label, Op::Fast(op), inputs).within(Tolerance::stages(dtype, 16.0, 2.0));
    if queries * keys <= 20 {
        sample.differentiable()
    } else {
        sample
    }
}
