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

#[cfg(test)]
mod tests {
    use super::single;

    #[test]
    fn the_exponential_below_zero_has_the_bits_of_the_other() {
        let bits = (f32::to_bits(-0.0)..=f32::to_bits(f32::NEG_INFINITY)).step_by(997);
        let edges = [f32::NEG_INFINITY, -104.0, -103.5, -87.4, -0.0, 0.0];
        for x in bits.map(f32::from_bits).chain(edges) {
            let (found, expected) = (single::exp_below(x), single::exp(x));
            assert_eq!(found.to_bits(), expected.to_bits(), "{x:e}");
        }
        assert!(single::exp_below(f32::NAN).is_nan());
    }
}
