//! Activation functions, elementwise unless an axis is named.

use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{Result, Scalar};

fn number(x: &Array, value: f64) -> Result<Array> {
    Array::from_scalar(Scalar::new(value, x.dtype()))
}

/// `max(x, 0)`.
pub fn relu(x: &Array) -> Result<Array> {
    ops::maximum(x, &number(x, 0.0)?)
}

/// `max(x, 0)` with slope `negative_slope` below zero.
pub fn leaky_relu(x: &Array, negative_slope: f64) -> Result<Array> {
    ops::maximum(&(x * negative_slope)?, x)
}

/// `min(max(x, 0), 6)`.
pub fn relu6(x: &Array) -> Result<Array> {
    ops::minimum(&relu(x)?, &number(x, 6.0)?)
}

/// `x·σ(x)`. Source: Elfwing, Uchibe and Doya 2018, "Sigmoid-Weighted Linear Units".
pub fn silu(x: &Array) -> Result<Array> {
    x * &ops::sigmoid(x)?
}

/// `x·Φ(x)`, the normal distribution's function. Source: Hendrycks and Gimpel 2016, "Gaussian
/// Error Linear Units".
pub fn gelu(x: &Array) -> Result<Array> {
    let phi = (ops::erf(&(x / std::f64::consts::SQRT_2)?)? + 1.0)?;
    (x * &phi)? / 2.0
}

/// [`gelu`] by a hyperbolic tangent.
pub fn gelu_approx(x: &Array) -> Result<Array> {
    let cubic = (x + &(ops::power(x, &number(x, 3.0)?)? * 0.044715)?)?;
    let inner = (cubic * (2.0 / std::f64::consts::PI).sqrt())?;
    (x * 0.5)? * &(ops::tanh(&inner)? + 1.0)?
}

/// `ln(1 + eˣ)`.
pub fn softplus(x: &Array) -> Result<Array> {
    ops::logaddexp(x, &number(x, 0.0)?)
}

/// `x` where positive, else `alpha·(eˣ - 1)`.
pub fn elu(x: &Array, alpha: f64) -> Result<Array> {
    let zero = number(x, 0.0)?;
    let below = (ops::exp(&ops::minimum(x, &zero)?)? - 1.0)?;
    ops::select(&ops::greater(x, &zero)?, x, &(below * alpha)?)
}

/// `x - logsumexp(x)` over an axis.
pub fn log_softmax(x: &Array, axis: i64) -> Result<Array> {
    x - &ops::logsumexp(x, Some(&[axis]), true)?
}
