//! Windows of signals: `float32` vectors of `size` points.

use crate::array::Array;
use mlx_oxide_ir::{Error, Result, Shape};

/// Points computed in double precision; a window of one point is 1.
fn points(op: &'static str, size: usize, point: impl Fn(f64, f64) -> f64) -> Result<Array> {
    let too_large = |_| Error::TooLarge {
        op,
        shape: Shape::from([size]),
    };
    let mut values = Vec::new();
    // what is past the limit of memory is an error, not an allocation that ends the process
    if size.saturating_mul(size_of::<f32>()) > mlx_oxide_runtime::allocator::memory_limit() {
        return Err(too_large(()));
    }
    values.try_reserve_exact(size).map_err(|_| too_large(()))?;
    match size {
        1 => values.push(1.0),
        _ => values.extend((0..size).map(|n| point(n as f64, (size as f64) - 1.0) as f32)),
    }
    Array::from_slice(&values, [size])
}

/// `Σ cᵢ·cos(2πi·n/(size - 1))`.
fn cosines(op: &'static str, size: usize, coefficients: &[f64]) -> Result<Array> {
    points(op, size, |n, last| {
        let turn = std::f64::consts::TAU * n / last;
        let terms = coefficients.iter().enumerate();
        terms.map(|(i, c)| c * (turn * i as f64).cos()).sum()
    })
}

/// The Hann window: `0.5 - 0.5·cos(2πn/(size - 1))`.
///
/// # Errors
/// More points than memory holds.
pub fn hanning(size: usize) -> Result<Array> {
    cosines("hanning", size, &[0.5, -0.5])
}

/// The Hamming window: `0.54 - 0.46·cos(2πn/(size - 1))`.
///
/// # Errors
/// More points than memory holds.
pub fn hamming(size: usize) -> Result<Array> {
    cosines("hamming", size, &[0.54, -0.46])
}

/// The Blackman window: `0.42 - 0.5·cos(2πn/(size - 1)) + 0.08·cos(4πn/(size - 1))`.
///
/// # Errors
/// More points than memory holds.
pub fn blackman(size: usize) -> Result<Array> {
    cosines("blackman", size, &[0.42, -0.5, 0.08])
}

/// The triangular Bartlett window: `1 - |2n/(size - 1) - 1|`.
///
/// # Errors
/// More points than memory holds.
pub fn bartlett(size: usize) -> Result<Array> {
    points("bartlett", size, |n, last| {
        let half = last / 2.0;
        1.0 - ((n - half) / half).abs()
    })
}
