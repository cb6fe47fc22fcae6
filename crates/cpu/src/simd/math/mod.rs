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

/// Defines `c[0] + c[1]·x + c[2]·x² + …` by two orders of the same steps, every one fused.
macro_rules! polynomials {
    ($horner:ident, $halves:ident, $float:ty) => {
        /// By Horner's rule: the fewest operations, each of which waits for the one before.
        #[inline(always)]
        pub(crate) fn $horner<const N: usize>(x: $float, coefficients: &[$float; N]) -> $float {
            let mut sum = coefficients[N - 1];
            let mut index = N - 1;
            while index > 0 {
                index -= 1;
                sum = sum.mul_add(x, coefficients[index]);
            }
            sum
        }

        /// Even and odd terms by Horner's rule in `x²`: one operation more, half the wait. For
        /// functions that do nothing else meanwhile.
        #[inline(always)]
        pub(crate) fn $halves<const N: usize>(x: $float, coefficients: &[$float; N]) -> $float {
            let square = x * x;
            let mut last = coefficients[N - 1];
            let mut other = coefficients[N - 2];
            let mut index = N - 2;
            while index > 1 {
                index -= 2;
                last = last.mul_add(square, coefficients[index + 1]);
                other = other.mul_add(square, coefficients[index]);
            }
            if index == 1 {
                other.mul_add(x, last.mul_add(square, coefficients[0]))
            } else {
                last.mul_add(x, other)
            }
        }
    };
}
polynomials!(polynomial, polynomial_by_halves, f64);
polynomials!(polynomial32, polynomial32_by_halves, f32);

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
