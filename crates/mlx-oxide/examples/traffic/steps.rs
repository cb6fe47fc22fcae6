//! The functions, by elementary operations.

use mlx_oxide::nn::functional::losses::{Reduction, cross_entropy};
use mlx_oxide::ops::{self, fast};
use mlx_oxide::{Array, Dtype, Result, transforms};

type Normal = fn(&[usize], f64) -> Result<Array>;

fn over_rows(
    reduce: fn(&Array, Option<&[i64]>, bool) -> Result<Array>,
    x: &Array,
) -> Result<Array> {
    reduce(x, Some(&[-1]), true)
}

pub(crate) fn softmax(x: &[Array]) -> Result<Vec<Array>> {
    let powers = ops::exp(&(&x[0] - &over_rows(ops::max, &x[0])?)?)?;
    Ok(vec![(&powers / &over_rows(ops::sum, &powers)?)?])
}

pub(crate) fn layer_norm(x: &[Array]) -> Result<Vec<Array>> {
    let centred = (&x[0] - &over_rows(ops::mean, &x[0])?)?;
    let variance = over_rows(ops::mean, &ops::square(&centred)?)?;
    let normal = (&centred * &ops::rsqrt(&(&variance + 1e-5)?)?)?;
    Ok(vec![(&(&normal * &x[1])? + &x[2])?])
}

pub(crate) fn gelu(x: &[Array]) -> Result<Vec<Array>> {
    let share = (&ops::erf(&(&x[0] * std::f64::consts::FRAC_1_SQRT_2)?)? + 1.0)?;
    Ok(vec![(&(&x[0] * 0.5)? * &share)?])
}

/// Two sums of one array.
pub(crate) fn moments(x: &[Array]) -> Result<Vec<Array>> {
    let squares = ops::square(&x[0])?;
    Ok(vec![
        ops::sum(&x[0], None, false)?,
        ops::sum(&squares, None, false)?,
    ])
}

/// The mean of squared differences and its gradient.
pub(crate) fn squared_loss(x: &[Array]) -> Result<Vec<Array>> {
    let loss = |x: &[Array]| {
        let difference = (&ops::tanh(&x[0])? - &x[1])?;
        Ok(vec![ops::mean(&ops::square(&difference)?, None, false)?])
    };
    let (value, gradients) = transforms::value_and_grad(loss, x, &[0])?;
    Ok([value, gradients].concat())
}

/// The next parameter and moments from parameter, gradient and moments.
pub(crate) fn adam(x: &[Array]) -> Result<Vec<Array>> {
    let [parameter, gradient, first, second] = x else {
        return Ok(Vec::new());
    };
    let first = (&(first * 0.9)? + &(gradient * 0.1)?)?;
    let squared = ops::square(gradient)?;
    let second = (&(&ops::abs(second)? * 0.999)? + &(&squared * 0.001)?)?;
    let step = (&(&first * 1e-3)? / &(&ops::sqrt(&second)? + 1e-8)?)?;
    Ok(vec![(parameter - &step)?, first, second])
}

/// The loss, then the updated parameters and moments: `inputs` are the parameters, both moments of
/// each, and then what `loss` needs besides.
fn training_step(
    inputs: &[Array],
    parameters: usize,
    loss: impl Fn(&[Array], &[Array]) -> Result<Array>,
) -> Result<Vec<Array>> {
    let (state, data) = inputs.split_at(3 * parameters);
    let by: Vec<usize> = (0..parameters).collect();
    let (mut results, gradients) =
        transforms::value_and_grad(|x| Ok(vec![loss(x, data)?]), &state[..parameters], &by)?;
    for (number, gradient) in gradients.into_iter().enumerate() {
        let moment = |which: usize| state[which * parameters + number].clone();
        results.extend(adam(&[moment(0), gradient, moment(1), moment(2)])?);
    }
    Ok(results)
}

fn with_moments(parameters: Vec<Array>, data: Vec<Array>) -> Result<Vec<Array>> {
    let zeros: Vec<Array> = parameters
        .iter()
        .map(|parameter| {
            let zeros = ops::contiguous(&ops::zeros_like(parameter)?)?;
            zeros.eval()?;
            Ok(zeros)
        })
        .collect::<Result<_>>()?;
    Ok([parameters, zeros.clone(), zeros, data].concat())
}

fn labels(shape: &[usize], classes: usize) -> Result<Array> {
    let count: usize = shape.iter().product();
    let numbers = ops::arange(0.0, count as f64, 1.0, Dtype::Int32)?;
    let mixed = ops::remainder(&(&numbers * 7919.0)?, &Array::scalar(classes as i32)?)?;
    let labels = ops::reshape_to(&ops::astype(&mixed, Dtype::Int32)?, shape.to_vec())?;
    labels.eval()?;
    Ok(labels)
}

const SIZES: [usize; 4] = [784, 512, 512, 10];

pub(crate) fn perceptron_inputs(normal: Normal) -> Result<Vec<Array>> {
    let mut parameters = Vec::new();
    for pair in SIZES.windows(2) {
        parameters.push(normal(&[pair[0], pair[1]], 0.05)?);
        parameters.push(normal(&[pair[1]], 0.05)?);
    }
    let data = vec![normal(&[256, SIZES[0]], 1.0)?, labels(&[256], SIZES[3])?];
    with_moments(parameters, data)
}

/// Three layers, 256 samples.
pub(crate) fn perceptron_step(inputs: &[Array]) -> Result<Vec<Array>> {
    training_step(inputs, 6, |parameters, data| {
        let mut x = data[0].clone();
        for (number, layer) in parameters.chunks_exact(2).enumerate() {
            x = (&ops::matmul(&x, &layer[0])? + &layer[1])?;
            if number < 2 {
                x = ops::maximum(&x, &Array::scalar(0.0f32)?)?;
            }
        }
        cross_entropy(&x, &data[1], Reduction::Mean)
    })
}

const WIDTH: usize = 256;
const HEADS: usize = 8;
const LENGTH: usize = 128;
const WORDS: usize = 1024;
const LAYERS: usize = 4;
const BATCH: usize = 8;
const LAYER_PARAMETERS: usize = 7;

pub(crate) fn transformer_inputs(normal: Normal) -> Result<Vec<Array>> {
    let mut parameters = vec![normal(&[WORDS, WIDTH], 0.05)?];
    for _ in 0..LAYERS {
        parameters.push(normal(&[WIDTH], 0.05)?);
        parameters.push(normal(&[WIDTH], 0.05)?);
        for shape in [
            [WIDTH, 3 * WIDTH],
            [WIDTH, WIDTH],
            [WIDTH, 4 * WIDTH],
            [WIDTH, 4 * WIDTH],
            [4 * WIDTH, WIDTH],
        ] {
            parameters.push(normal(&shape, 0.05)?);
        }
    }
    parameters.push(normal(&[WIDTH], 0.05)?);
    parameters.push(normal(&[WIDTH, WORDS], 0.05)?);
    let data = vec![
        labels(&[BATCH, LENGTH], WORDS)?,
        labels(&[BATCH, LENGTH], WORDS - 1)?,
    ];
    with_moments(parameters, data)
}

/// Four layers of attention and gated units, 8 texts of 128 words.
pub(crate) fn transformer_step(inputs: &[Array]) -> Result<Vec<Array>> {
    let count = 3 + LAYERS * LAYER_PARAMETERS;
    training_step(inputs, count, |parameters, data| {
        let (embedding, rest) = (&parameters[0], &parameters[1..]);
        let (layers, last) = rest.split_at(LAYERS * LAYER_PARAMETERS);
        let mut x = ops::take(embedding, &data[0], 0)?;
        for layer in layers.chunks_exact(LAYER_PARAMETERS) {
            x = block(&x, layer)?;
        }
        let logits = ops::matmul(&rms_norm(&x, &last[0])?, &last[1])?;
        cross_entropy(&logits, &data[1], Reduction::Mean)
    })
}

fn rms_norm(x: &Array, weight: &Array) -> Result<Array> {
    let size = over_rows(ops::mean, &ops::square(x)?)?;
    &(x * &ops::rsqrt(&(&size + 1e-5)?)?)? * weight
}

fn block(x: &Array, layer: &[Array]) -> Result<Array> {
    let mixed = ops::matmul(&rms_norm(x, &layer[0])?, &layer[2])?;
    let heads = ops::split(&mixed, 3, -1)?
        .iter()
        .map(|part| {
            let size = WIDTH / HEADS;
            let shape = [BATCH, LENGTH, HEADS, size];
            ops::transpose(&ops::reshape_to(part, shape)?, &[0, 2, 1, 3])
        })
        .collect::<Result<Vec<_>>>()?;
    let scale = (WIDTH as f64 / HEADS as f64).sqrt().recip();
    let attended = fast::scaled_dot_product_attention(
        &heads[0],
        &heads[1],
        &heads[2],
        scale,
        fast::Mask::Causal,
        None,
    )?;
    let attended = ops::transpose(&attended, &[0, 2, 1, 3])?;
    let attended = ops::reshape_to(&attended, [BATCH, LENGTH, WIDTH])?;
    let x = (x + &ops::matmul(&attended, &layer[3])?)?;
    let hidden = rms_norm(&x, &layer[1])?;
    let gate = ops::matmul(&hidden, &layer[4])?;
    let gated = (&(&gate * &ops::sigmoid(&gate)?)? * &ops::matmul(&hidden, &layer[5])?)?;
    &x + &ops::matmul(&gated, &layer[6])?
}
