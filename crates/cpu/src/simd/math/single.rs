//! Functions in single precision: those that programs spend their time in.

use super::{polynomial32, polynomial32_by_halves};
use std::f32::consts::LOG2_E;

/// Adding and subtracting it rounds to an integer, which is then in the low bits.
pub const ROUNDER: f32 = 12_582_912.0; // 1.5·2²³
/// The logarithm of two, as a sum.
pub const LN2_HIGH: f32 = 0.693_145_75; // the low bits are zero, so that products are exact
/// See [`LN2_HIGH`].
pub const LN2_LOW: f32 = 1.428_606_8e-6;

/// `(eʳ - 1 - r)/r²` for `|r| ≤ ln2/2`, error 2⁻²⁸.
pub const EXP: [f32; 5] = [
    4.9999994e-1,
    1.6666521e-1,
    4.166839e-2,
    8.3687175e-3,
    1.3814548e-3,
];

/// `2ᵏ` of the integer in the low bits of `k + ROUNDER`.
#[inline(always)]
fn power_of_two(rounded: f32) -> f32 {
    f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23))
}

/// `eˣ`.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let clamped = if x > 89.0 { 89.0 } else { x };
    let clamped = if clamped < -104.0 { -104.0 } else { clamped };
    let (power, n) = reduced_exp(clamped);
    // in two steps, since 2ⁿ itself may overflow or be subnormal
    let half = n.mul_add(0.5, ROUNDER);
    let rest = n - (half - ROUNDER) + ROUNDER;
    power * power_of_two(half) * power_of_two(rest)
}

/// `eˣ` for `x ≤ 0` or NaN, the same bits as of [`exp`] for less.
#[inline(always)]
pub fn exp_below(x: f32) -> f32 {
    const BIAS: f32 = 64.0;
    const SCALE: f32 = 1.0 / 18_446_744_073_709_551_616.0; // 2⁻⁶⁴
    let clamped = if x < -104.0 { -104.0 } else { x };
    let (power, n) = reduced_exp(clamped);
    // too great by 2⁶⁴ at first, so that only the last product may be subnormal
    power * power_of_two(n + BIAS + ROUNDER) * SCALE
}

/// `e^(x - n·ln2)` and `n`.
#[inline(always)]
fn reduced_exp(x: f32) -> (f32, f32) {
    let n = x.mul_add(LOG2_E, ROUNDER) - ROUNDER;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    ((r * r).mul_add(polynomial32(r, &EXP), r) + 1.0, n)
}

/// `(ln(1+f) - f + f²/2)/f³` for `√½ ≤ 1+f ≤ √2`, error 2⁻³⁰.
const LOG: [f32; 9] = [
    3.3333313e-1,
    -2.500001e-1,
    2.0002118e-1,
    -1.6667995e-1,
    1.4219555e-1,
    -1.24056086e-1,
    1.1888164e-1,
    -1.1675538e-1,
    6.7464955e-2,
];
const SQRT_HALF_BITS: u32 = 0x3f35_04f3;

/// What `ln(1 + f)` is more than `f - f²/2`.
#[inline(always)]
fn log_tail(f: f32, square: f32) -> f32 {
    polynomial32_by_halves(f, &LOG) * f * square
}

/// `k·ln2 + ln(1 + f)`.
#[inline(always)]
fn log_of_parts(k: f32, f: f32) -> f32 {
    let square = f * f;
    let tail = k.mul_add(LN2_LOW, log_tail(f, square));
    let tail = square.mul_add(-0.5, tail);
    k.mul_add(LN2_HIGH, f + tail)
}

/// `k` and `f` of `x = 2ᵏ(1 + f)`.
#[inline(always)]
fn log_parts(x: f32) -> (f32, f32) {
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = (bits as i32) >> 23;
    let f = f32::from_bits((bits & 0x007f_ffff) + SQRT_HALF_BITS) - 1.0;
    (exponent as f32 - if subnormal { 23.0 } else { 0.0 }, f)
}

/// `ln x`.
#[inline(always)]
pub fn log(x: f32) -> f32 {
    let (k, f) = log_parts(x);
    log_edges(x, log_of_parts(k, f))
}

/// `log₂ x`.
#[inline(always)]
pub fn log2(x: f32) -> f32 {
    const LOG2_E_LOW: f32 = 1.925_963e-8; // what `LOG2_E` was rounded by
    let (k, f) = log_parts(x);
    let square = f * f;
    let tail = square.mul_add(-0.5, log_tail(f, square));
    let rest = f.mul_add(LOG2_E_LOW, tail.mul_add(LOG2_E, k));
    log_edges(x, f.mul_add(LOG2_E, rest))
}

/// `log₁₀ x`.
#[inline(always)]
pub fn log10(x: f32) -> f32 {
    const LOG10_E: f32 = std::f32::consts::LOG10_E;
    const LOG10_E_LOW: f32 = -1.010_305e-8; // what it was rounded by
    const LOG10_2_HIGH: f32 = 0.300_781_25; // the low bits are zero, so that products are exact
    const LOG10_2_LOW: f32 = 2.487_456_7e-4;
    let (k, f) = log_parts(x);
    let square = f * f;
    let tail = square.mul_add(-0.5, log_tail(f, square));
    let rest = f.mul_add(LOG10_E_LOW, tail.mul_add(LOG10_E, k * LOG10_2_LOW));
    log_edges(x, k.mul_add(LOG10_2_HIGH, f.mul_add(LOG10_E, rest)))
}

/// `ln(1 + x)`, exact near zero.
#[inline(always)]
pub fn log1p(x: f32) -> f32 {
    let sum = 1.0 + x;
    // what the sum lost, whichever of the two is greater
    let lost = if x > 1.0 {
        1.0 - (sum - x)
    } else {
        x - (sum - 1.0)
    };
    let bits = sum.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = (bits as i32) >> 23;
    let f = f32::from_bits((bits & 0x007f_ffff) + SQRT_HALF_BITS) - 1.0;
    // 2⁻ᵏ, or nothing for the greatest `k`, where nothing of weight was lost
    let scale = f32::from_bits((127u32 << 23).wrapping_sub(bits & 0xff80_0000));
    let scale = if scale > 0.0 { scale } else { 0.0 };
    let f = lost.mul_add(scale, f);
    let value = log_of_parts(exponent as f32, f);
    let value = log_edges(sum, value);
    // subnormals too, and the sign of zero
    if x.abs() < 1e-10 { x } else { value }
}

/// The logarithm where the formula does not hold.
#[inline(always)]
fn log_edges(x: f32, value: f32) -> f32 {
    let edge = if x == 0.0 {
        f32::NEG_INFINITY
    } else {
        f32::NAN
    };
    let edge = if x > 0.0 { x } else { edge };
    // from the least subnormal to the greatest finite number
    let ordinary = x.to_bits().wrapping_sub(1) < 0x7f7f_ffff;
    if ordinary { value } else { edge }
}

/// `tanh x`.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    let clamped = if magnitude > 10.0 { 10.0 } else { magnitude }; // tanh 10 rounds to 1
    let n = clamped.mul_add(-2.0 * LOG2_E, ROUNDER) - ROUNDER;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, -2.0 * clamped));
    let power = (r * r).mul_add(polynomial32(r, &EXP), r);
    let scale = power_of_two(n + ROUNDER);
    // e^(-2·magnitude) less and plus one, each rounded once
    let numerator = power.mul_add(-scale, 1.0 - scale);
    let denominator = power.mul_add(scale, 1.0 + scale);
    (numerator / denominator).copysign(x)
}

/// Numerator and denominator of [`sigmoid`] are multiplied by it, so that neither overflows.
pub const SIGMOID_SCALE: f32 = 1.0 / 18_446_744_073_709_551_616.0; // 2⁻⁶⁴

/// `1/(1 + e⁻ˣ)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    const SCALE: f32 = SIGMOID_SCALE;
    let clamped = if x < -104.0 { -104.0 } else { x }; // there it rounds to zero
    let clamped = if clamped > 40.0 { 40.0 } else { clamped }; // and here to one
    let n = clamped.mul_add(-LOG2_E, ROUNDER) - ROUNDER;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, -clamped));
    let power = (r * r).mul_add(polynomial32(r, &EXP), r); // less one
    let scale = power_of_two(n - 64.0 + ROUNDER);
    // the sum of three, of which two are exact but for what is lost
    let sum = scale + SCALE;
    let lost = SCALE - (sum - scale);
    SCALE / (power.mul_add(scale, lost) + sum)
}

/// `eˣ - 1`, exact near zero.
#[inline(always)]
pub fn expm1(x: f32) -> f32 {
    let clamped = if x > 89.0 { 89.0 } else { x };
    let clamped = if clamped < -18.0 { -18.0 } else { clamped }; // there it rounds to -1
    let n = clamped.mul_add(LOG2_E, ROUNDER) - ROUNDER;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, clamped));
    let power = (r * r).mul_add(polynomial32(r, &EXP), r);
    // doubled at the end, so that 2ⁿ itself does not overflow
    let half = power_of_two(n - 1.0 + ROUNDER);
    (2.0 * power.mul_add(half, half - 0.5)).copysign(x)
}

/// `(v - x)/x²`, where `v` is what [`erf`] makes of `1 - √(1 - erf x)`, for `0 ≤ x ≤ 3.92`; the
/// error of `erf` is 0.4 units in the last place below 0.6 and half a unit from there on.
pub const ERF: [f32; 12] = [
    2.8209385e-1,
    -1.7414707e-1,
    -7.610111e-2,
    3.0651359e-2,
    1.0511727e-2,
    -6.2663795e-4,
    -4.7387993e-3,
    2.2174565e-3,
    -4.006091e-4,
    1.8430534e-5,
    3.252609e-6,
    -3.40131e-7,
];

/// From here on [`erf`] rounds to one, and here its formula gives one.
pub const ERF_MOST: f32 = 3.919_995_8;
/// `2/√π - 1`.
pub const ERF_LINEAR: f32 = 0.128_379_15;
/// `-1/π`, so that the greatest value is one.
pub const ERF_SQUARE: f32 = -0.318_309_87;

/// `2/√π ∫₀ˣ e^(-t²) dt`.
///
/// One polynomial serves all arguments, since the root of the complement decays half as fast:
/// `erf x = 1 - (1 - u)² = 2u - u²`, and `u` is nearly a multiple of `x`. With `v = √π·u`, which
/// begins like `x`, that is `v·2/√π - v²/π`, of which every step errs by little.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let magnitude = x.abs();
    let magnitude = if magnitude > ERF_MOST {
        ERF_MOST
    } else {
        magnitude
    };
    let square = magnitude * magnitude;
    let v = square.mul_add(polynomial_of_twelve(magnitude, square, &ERF), magnitude);
    v.mul_add(v.mul_add(ERF_SQUARE, ERF_LINEAR), v).copysign(x)
}

/// A polynomial by Estrin's scheme: the wait is that of six steps, not of twelve.
#[inline(always)]
fn polynomial_of_twelve(x: f32, square: f32, coefficients: &[f32; 12]) -> f32 {
    let fourth = square * square;
    let two = |first: usize| coefficients[first + 1].mul_add(x, coefficients[first]);
    let four = |first: usize| two(first + 2).mul_add(square, two(first));
    four(8).mul_add(fourth, four(4)).mul_add(fourth, four(0))
}

/// Angles from here on are reduced in double precision.
pub const GREATEST_ANGLE: f32 = 1_000_000.0;

/// `(sin r - r)/r³` in `r²` for `|r| ≤ 0.82`, error 2⁻²⁷.
const SIN: [f32; 3] = [-1.666665e-1, 8.331939e-3, -1.9485976e-4];
/// `(cos r - 1 + r²/2)/r⁴` in `r²` for `|r| ≤ 0.82`, error 2⁻³².
const COS: [f32; 3] = [4.166664e-2, -1.3887016e-3, 2.4399637e-5];

/// Sine and cosine of an angle less `n·π/2`, and `n` in the low bits.
#[inline(always)]
fn sin_and_cos(x: f32) -> (f32, f32, u32) {
    /// π/2 as a sum.
    const PARTS: [f32; 3] = [1.570_796_4, -4.371_139e-8, -1.715_124_5e-15];
    let rounded = x.mul_add(std::f32::consts::FRAC_2_PI, ROUNDER);
    let n = rounded - ROUNDER;
    // exact: a multiple of the last place of π/2 that is less than one
    let near = n.mul_add(-PARTS[0], x);
    let second = n * PARTS[1];
    let angle = near - second;
    // what the product, the difference and the third part add to the angle
    let lost = n.mul_add(PARTS[2], n.mul_add(PARTS[1], -second));
    let error = (near - angle) - second - lost;
    let square = angle * angle;
    let sine = (angle * square).mul_add(polynomial32(square, &SIN), error) + angle;
    let cosine = square.mul_add(square.mul_add(polynomial32(square, &COS), -0.5), 1.0);
    (sine, angle.mul_add(-error, cosine), rounded.to_bits())
}

/// `sin x` for angles below [`GREATEST_ANGLE`].
#[inline(always)]
pub fn sin(x: f32) -> f32 {
    let (sine, cosine, quadrant) = sin_and_cos(x);
    let value = if quadrant & 1 == 1 { cosine } else { sine };
    let value = f32::from_bits(value.to_bits() ^ ((quadrant & 2) << 30));
    if x == 0.0 { x } else { value }
}

/// `cos x` for angles below [`GREATEST_ANGLE`].
#[inline(always)]
pub fn cos(x: f32) -> f32 {
    let (sine, cosine, quadrant) = sin_and_cos(x);
    let value = if quadrant & 1 == 1 { sine } else { cosine };
    f32::from_bits(value.to_bits() ^ ((quadrant.wrapping_add(1) & 2) << 30))
}
