//! Random functions: compiled, plain and on the reference backend they compute the same.
//!
//! `MLX_OXIDE_COMPILED_GRAPHS` sets how many functions are tried.

use mlx_oxide_core::compile::compile;
use mlx_oxide_core::graph::{Graph, Value};
use mlx_oxide_core::{Array, Dtype, Result, ops, transforms};
use mlx_oxide_ir::Op;
use mlx_oxide_reference::Reference;
use mlx_oxide_runtime::{Backend, Call, Operand, Results, Stored, Stream};

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// One step of a function: an operation and the earlier values that it may take.
#[derive(Clone, Copy, Debug)]
struct Move {
    kind: usize,
    first: usize,
    second: usize,
}

const KINDS: usize = 43;
/// Values are not joined beyond this size.
const MOST_ELEMENTS: usize = 64;

fn function_of(numbers: &mut Numbers) -> Vec<Move> {
    let length = 5 + numbers.below(36);
    (0..length)
        .map(|position| Move {
            kind: numbers.below(KINDS),
            // late values more often, so that functions are deep
            first: (position + 2).saturating_sub(1 + numbers.below(4)),
            second: numbers.below(position + 2),
        })
        .collect()
}

/// A value of the shape of `like`, made from another by a broadcast if need be.
fn fitting(value: &Array, like: &Array) -> Result<Array> {
    if value.shape() == like.shape() {
        return Ok(value.clone());
    }
    ops::broadcast_to(&ops::mean(value, None, false)?, like.shape().clone())
}

/// 0, 1, 2, … in the shape of another array.
fn numbered(like: &Array, dtype: Dtype) -> Result<Array> {
    let numbers = ops::arange(0.0, like.size() as f64, 1.0, dtype)?;
    ops::reshape_to(&numbers, like.shape().clone())
}

fn apply(step: Move, values: &[Array]) -> Result<Array> {
    let a = &values[step.first];
    let b = &fitting(&values[step.second], a)?;
    let last = Some(&[-1i64][..]);
    match step.kind {
        0 => ops::add(a, b),
        1 => ops::subtract(a, b),
        2 => ops::multiply(a, b),
        3 => ops::maximum(a, b),
        4 => ops::minimum(a, b),
        5 => ops::sin(a),
        6 => ops::tanh(a),
        7 => ops::sigmoid(a),
        8 => ops::negative(&ops::negative(a)?),
        9 => ops::exp(&ops::negative(&ops::abs(a)?)?),
        10 => ops::log1p(&ops::square(a)?),
        11 => ops::select(&ops::greater(a, b)?, a, b),
        12 => a * 1.0,
        13 => a + 0.0,
        14 => a - 0.0,
        15 => (a * 0.5)? + 0.25,
        16 => ops::transpose(a, &[]),
        17 => ops::transpose(&ops::transpose(a, &[])?, &[]),
        18 => ops::reshape(
            &ops::reshape(a, &[-1])?,
            &a.shape().iter().map(|s| *s as i64).collect::<Vec<_>>(),
        ),
        19 => ops::multiply(a, &ops::sum(b, last, true)?),
        20 => ops::subtract(a, &ops::mean(a, last, true)?),
        21 => ops::divide(a, &(ops::square(b)? + 1.0)?),
        22 => {
            ops::matmul(&ops::matmul(a, &ops::transpose(b, &[])?)?, a).and_then(|a| ops::tanh(&a))
        }
        23 => ops::fast::softmax(a, last, false),
        24 => ops::cumsum(a, Some(0), false, true),
        25 => ops::stop_gradient(a),
        26 => ops::astype(&ops::astype(a, Dtype::Float64)?, Dtype::Float32),
        27 => ops::add(a, &ops::zeros(a.shape().clone(), Dtype::Float32)?),
        28 => ops::multiply(a, &ops::ones(a.shape().clone(), Dtype::Float32)?),
        29 => ops::slice_axis(&ops::concatenate(&[a, b], 0)?, 0, 0, a.shape()[0]),
        30 => ops::add(&ops::sin(a)?, &ops::sin(a)?),
        31 => ops::max(a, last, true).and_then(|greatest| ops::subtract(a, &greatest)),
        32 => transforms::checkpoint(
            |x| Ok(vec![ops::sin(&ops::multiply(&x[0], &x[1])?)?]),
            &[a.clone(), b.clone()],
        )
        .map(|mut outputs| outputs.swap_remove(0)),
        33 => {
            let weights = ops::remainder(&numbered(a, Dtype::Int32)?, &Array::scalar(3i32)?)?;
            ops::multiply(a, &ops::astype(&weights, Dtype::Float32)?)
        }
        34 => {
            let bytes = ops::add(&numbered(a, Dtype::Uint8)?, &Array::scalar(200u8)?)?;
            ops::add(a, &(&ops::astype(&bytes, Dtype::Float32)? * 0.01)?)
        }
        35 => {
            let odd = ops::remainder(&numbered(a, Dtype::Int64)?, &Array::scalar(2i64)?)?;
            ops::select(&ops::astype(&odd, Dtype::Bool)?, a, b)
        }
        36 => {
            let complex = ops::astype(&(a * 0.3)?, Dtype::Complex64)?;
            ops::real(&ops::multiply(
                &ops::exp(&complex)?,
                &ops::conjugate(&complex)?,
            )?)
        }
        37 => ops::slice_axis(a, 0, 0, a.shape()[0].div_ceil(2)),
        38 | 39 if a.size() > MOST_ELEMENTS => ops::sigmoid(b),
        38 => ops::concatenate(&[a, b], 0),
        39 => ops::concatenate(&[a, b], 1),
        40 => ops::sum(&(a * 0.2)?, Some(&[0]), true),
        41 => ops::fast::softmax(a, Some(&[0]), false),
        _ => ops::sort(a, Some(0)),
    }
}

/// Runs the steps; values are brought back near one, so that errors do not grow without bound.
fn run(steps: &[Move], inputs: &[Array]) -> Result<Vec<Array>> {
    let mut values = inputs.to_vec();
    for (position, step) in steps.iter().enumerate() {
        let value = apply(*step, &values)?;
        let bounded = position % 3 == 2;
        values.push(if bounded { ops::tanh(&value)? } else { value });
    }
    Ok(values.split_off(values.len() - 2))
}

fn loss(outputs: &[Array]) -> Result<Array> {
    let mut total = Array::scalar(0.0f32)?;
    for output in outputs {
        total = ops::add(&total, &ops::sum(&ops::sin(output)?, None, false)?)?;
    }
    Ok(total)
}

fn operand(stored: &Stored, dtype: Dtype) -> Operand {
    Operand {
        buffer: stored.buffer.clone(),
        layout: stored.layout.clone(),
        dtype,
        donatable: false,
    }
}

/// The graph, step by step, on the reference backend.
fn reference(graph: &Graph, inputs: &[Array]) -> Result<Vec<Array>> {
    let mut results: Vec<Results> = Vec::new();
    let stored = |value: Value, results: &[Results]| match value {
        Value::Input(input) => inputs[input as usize].to_stored(),
        Value::Constant(constant) => graph.constants[constant as usize].to_stored(),
        Value::Result { step, output } => Ok(results[step as usize][output as usize].clone()),
    };
    for step in &graph.steps {
        let operands: Vec<Operand> = step
            .inputs
            .iter()
            .map(|value| {
                Ok(operand(
                    &stored(*value, &results)?,
                    graph.array_type(*value).dtype,
                ))
            })
            .collect::<Result<_>>()?;
        let outputs = match &step.op {
            // an identity in its last inputs
            Op::Custom(_) => operands[operands.len() - step.types.len()..]
                .iter()
                .map(|operand| Stored {
                    buffer: operand.buffer.clone(),
                    layout: operand.layout.clone(),
                })
                .collect(),
            op => Reference.run(Call {
                op,
                inputs: &operands,
                outputs: &step.types,
                stream: Stream::current(),
            })?,
        };
        results.push(outputs);
    }
    let outputs = graph.outputs.iter();
    outputs
        .map(|value| {
            let array_type = graph.array_type(*value).clone();
            Ok(Array::from_stored(stored(*value, &results)?, array_type))
        })
        .collect()
}

fn assert_equal_bits(found: &[Array], expected: &[Array], context: &str) {
    assert_eq!(found.len(), expected.len(), "{context}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.array_type(), expected.array_type(), "{context}");
        let bits = |array: &Array| -> Vec<u32> {
            let values = array.to_vec::<f32>().expect("the function is well-formed");
            values.iter().map(|value| value.to_bits()).collect()
        };
        assert_eq!(bits(found), bits(expected), "{context}");
    }
}

fn assert_near(found: &[Array], expected: &[Array], context: &str) {
    for (found, expected) in found.iter().zip(expected) {
        let pairs = found.to_vec::<f32>().expect("the function is well-formed");
        for (found, expected) in pairs.iter().zip(
            expected
                .to_vec::<f32>()
                .expect("the function is well-formed"),
        ) {
            // forty steps of float32, of which some amplify what went before
            let close = (found - expected).abs() <= 2e-3 + 2e-3 * expected.abs();
            assert!(
                close || found.is_nan() && expected.is_nan(),
                "{context}: {found} {expected}"
            );
        }
    }
}

fn check(seed: u64) {
    let mut numbers = Numbers(seed);
    let steps = function_of(&mut numbers);
    let context = format!("seed {seed}: {steps:?}");
    let input = |numbers: &mut Numbers| {
        let values: Vec<f32> = (0..12).map(|_| numbers.uniform() * 1.5).collect();
        Array::from_slice(&values, [3, 4]).expect("the function is well-formed")
    };
    let inputs = [input(&mut numbers), input(&mut numbers)];
    let plain = run(&steps, &inputs).expect("the function is well-formed");
    let compiled = compile(|inputs: &[Array]| run(&steps, inputs));
    // transposes that cancel and casts that change nothing are dropped, and kernels may sum in
    // another order on another layout, such as a softmax over the first axis leaves
    let moves_axes = |step: &Move| matches!(step.kind, 16 | 17 | 22 | 41);
    let exact = !steps.iter().any(moves_axes);
    for _ in 0..2 {
        let found = compiled.call(&inputs).expect("the function is well-formed");
        match exact {
            true => assert_equal_bits(&found, &plain, &context),
            false => assert_near(&found, &plain, &context),
        }
    }
    assert_eq!(compiled.trace_count(), 1);
    let types = inputs.each_ref().map(|input| input.array_type().clone());
    let graph =
        Graph::trace(|inputs| run(&steps, inputs), &types).expect("the function is well-formed");
    assert_near(
        &plain,
        &reference(&graph, &inputs).expect("the function is well-formed"),
        &context,
    );

    let gradient =
        |inputs: &[Array]| transforms::grad(|x| Ok(vec![loss(&run(&steps, x)?)?]), inputs, &[0, 1]);
    let expected = gradient(&inputs).expect("the function is well-formed");
    let of_compiled = transforms::grad(|x| Ok(vec![loss(&compiled.call(x)?)?]), &inputs, &[0, 1]);
    let near = format!("gradient of compiled, {context}");
    assert_near(
        &of_compiled.expect("the function is well-formed"),
        &expected,
        &near,
    );
    let compiled_gradient = compile(gradient);
    for _ in 0..2 {
        let found = compiled_gradient
            .call(&inputs)
            .expect("the function is well-formed");
        let context = format!("compiled gradient, {context}");
        assert_near(&found, &expected, &context);
    }
}

#[test]
fn compiled_plain_and_reference_agree_on_random_functions() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
    let count = std::env::var("MLX_OXIDE_COMPILED_GRAPHS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(2000);
    (0..count).for_each(check);
}
