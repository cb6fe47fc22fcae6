//! Inexact arrays as vectors over the real numbers, a complex element as its two parts: what
//! directions, differences and inner products are taken in.

use mlx_oxide_core::Array;
use mlx_oxide_ir::{ArrayType, Dtype, Result, Scalar};
use num_complex::Complex32;

/// Real numbers that an element of a dtype consists of.
pub fn parts(dtype: Dtype) -> usize {
    if dtype.is_complex() { 2 } else { 1 }
}

/// The coordinates of an array, computed if need be.
pub fn coordinates(array: &Array) -> Result<Vec<f64>> {
    let elements = array.to_scalars()?;
    Ok(match array.dtype().is_complex() {
        true => elements
            .iter()
            .map(|element| element.to_complex())
            .flat_map(|element| [f64::from(element.re), f64::from(element.im)])
            .collect(),
        false => elements.iter().map(|element| element.to_f64()).collect(),
    })
}

/// The array with these coordinates, rounded to its dtype.
pub fn from_coordinates(numbers: &[f64], array_type: &ArrayType) -> Result<Array> {
    let dtype = array_type.dtype;
    let elements: Vec<Scalar> = match dtype.is_complex() {
        true => numbers
            .chunks_exact(2)
            .map(|pair| Scalar::from_complex(Complex32::new(pair[0] as f32, pair[1] as f32), dtype))
            .collect(),
        false => numbers.iter().map(|&n| Scalar::new(n, dtype)).collect(),
    };
    from_scalars(&elements, array_type)
}

/// The array with these elements.
pub fn from_scalars(elements: &[Scalar], array_type: &ArrayType) -> Result<Array> {
    let mut bytes = Vec::with_capacity(array_type.bytes());
    for element in elements {
        let (source, width) = element.bytes();
        bytes.extend_from_slice(&source[..width]);
    }
    Array::from_bytes(&bytes, array_type.clone())
}

/// A vector of so many coordinates between -1 and 1, none near 0, that `seed` decides.
pub fn direction(count: usize, seed: u64) -> Vec<f64> {
    (0..count as u64)
        .map(|place| {
            let bits = mix(seed << 32 | place);
            let size = 0.25 + 0.75 * (bits >> 12) as f64 / (1u64 << 52) as f64;
            if bits & 1 == 0 { size } else { -size }
        })
        .collect()
}

/// SplitMix64 (Steele, Lea & Flood 2014).
pub fn mix(counter: u64) -> u64 {
    let mut bits = counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// `Σ aᵢ·bᵢ` and `Σ |aᵢ·bᵢ|`, the scale of its rounding. Of complex vectors this is the real part
/// of the Hermitian product, by which `vjp` is the adjoint of `jvp`.
pub fn product(a: &[f64], b: &[f64]) -> (f64, f64) {
    let terms = a.iter().zip(b).map(|(a, b)| a * b);
    terms.fold((0.0, 0.0), |(sum, size), term| {
        (sum + term, size + term.abs())
    })
}
