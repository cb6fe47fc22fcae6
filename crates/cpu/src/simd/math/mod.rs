//! Elementary functions without branches, so that loops over them become vector code.
//!
//! [`single`] and [`double`] hold functions in the precision of their names. Most functions of
//! `f32` are computed in double precision ([`widened`]) and are then rounded nearly correctly.
//! Polynomials are minimax fits of relative error, made by Remez exchange; the comments state
//! their errors.

pub mod double;
pub mod exact;
pub mod single;
pub mod widened;

/// `c[0] + c[1]·x + c[2]·x² + …` by Horner's rule, every step fused.
#[inline(always)]
pub(crate) fn polynomial<const N: usize>(x: f64, coefficients: &[f64; N]) -> f64 {
    let mut sum = coefficients[N - 1];
    let mut index = N - 1;
    while index > 0 {
        index -= 1;
        sum = sum.mul_add(x, coefficients[index]);
    }
    sum
}

/// As [`polynomial`], in single precision.
#[inline(always)]
pub(crate) fn polynomial32<const N: usize>(x: f32, coefficients: &[f32; N]) -> f32 {
    let mut sum = coefficients[N - 1];
    let mut index = N - 1;
    while index > 0 {
        index -= 1;
        sum = sum.mul_add(x, coefficients[index]);
    }
    sum
}
