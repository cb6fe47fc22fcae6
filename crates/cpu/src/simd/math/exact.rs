//! Scalar functions for what vector code leaves out: rare operands, and functions of doubles
//! that are not worth vector code.

use std::f64::consts::PI;

/// `erf⁻¹(x)`: infinite at ±1, NaN beyond.
///
/// Winitzki's closed form (2008) starts three of Halley's steps; near ±1 they work on the
/// complementary function, where `1 - |x|` is exact.
pub fn erfinv(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 1.0 {
        return f64::NAN;
    }
    if x.abs() == 1.0 {
        return f64::INFINITY.copysign(x);
    }
    if x.abs() < 1e-9 {
        return x * (PI.sqrt() / 2.0); // the next term, of third order, is below the last bit
    }
    let target = x.abs();
    let mut root = closed_form(target);
    for _ in 0..3 {
        let excess = if target < 0.5 {
            libm::erf(root) - target
        } else {
            (1.0 - target) - libm::erfc(root)
        };
        let newton = excess * (PI.sqrt() / 2.0) * (root * root).exp();
        root -= newton / (1.0 + root * newton);
    }
    root.copysign(x)
}

/// The root to about two thousandths.
fn closed_form(x: f64) -> f64 {
    const SHAPE: f64 = 0.147;
    let logarithm = ((1.0 - x) * (1.0 + x)).ln();
    let half = 2.0 / (PI * SHAPE) + logarithm / 2.0;
    // the difference of near numbers, as a quotient
    let difference = -logarithm / SHAPE / ((half * half - logarithm / SHAPE).sqrt() + half);
    difference.sqrt()
}

/// `ln(eᵃ + eᵇ)`.
pub fn log_add_exp(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let (great, small) = if a > b { (a, b) } else { (b, a) };
    if great.is_infinite() {
        return great; // both -∞, or one +∞: the difference would be NaN
    }
    great + (small - great).exp().ln_1p()
}

/// The remainder of the truncated quotient, moved to the sign of the divisor.
pub fn remainder(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}

/// The power of an integer by squaring, wrapped; 0 for a negative exponent.
#[inline(always)]
pub fn integer_power(base: u64, exponent: i128) -> u64 {
    if exponent < 0 {
        return 0;
    }
    let (mut power, mut base, mut exponent) = (1u64, base, exponent as u64);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    power
}
