//! Functions in single precision: those that programs spend their time in.

use super::{polynomial32, polynomial32_by_halves};
use std::f32::consts::LOG2_E;

/// Adding and subtracting it rounds to an integer, which is then in the low bits.
const ROUNDER: f32 = 12_582_912.0; // 1.5·2²³
const LN2_HIGH: f32 = 0.693_145_75; // the low bits are zero, so that products are exact
const LN2_LOW: f32 = 1.428_606_8e-6;

/// `(eʳ - 1 - r)/r²` for `|r| ≤ ln2/2`, error 2⁻²⁸.
const EXP: [f32; 5] = [
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

/// `k·ln2 + ln(1 + f)`.
#[inline(always)]
fn log_of_parts(k: f32, f: f32) -> f32 {
    let square = f * f;
    let tail = polynomial32_by_halves(f, &LOG) * f * square;
    let tail = k.mul_add(LN2_LOW, tail);
    let tail = square.mul_add(-0.5, tail);
    k.mul_add(LN2_HIGH, f + tail)
}

/// `ln x`.
#[inline(always)]
pub fn log(x: f32) -> f32 {
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = (bits as i32) >> 23;
    let f = f32::from_bits((bits & 0x007f_ffff) + SQRT_HALF_BITS) - 1.0;
    let k = exponent as f32 - if subnormal { 23.0 } else { 0.0 };
    log_edges(x, log_of_parts(k, f))
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

/// `1/(1 + e⁻ˣ)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    /// Numerator and denominator are multiplied by it, so that neither overflows.
    const SCALE: f32 = 1.0 / 18_446_744_073_709_551_616.0; // 2⁻⁶⁴
    let clamped = if x < -104.0 { -104.0 } else { x }; // there it rounds to zero
    let clamped = if clamped > 40.0 { 40.0 } else { clamped }; // and here to one
    let (power, n) = reduced_exp(-clamped);
    SCALE / power.mul_add(power_of_two(n - 64.0 + ROUNDER), SCALE)
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

/// `erf x/x - 1` in `x²` for `|x| ≤ 1.1`, error 2⁻²⁷.
const ERF: [f32; 7] = [
    1.2837917e-1,
    -3.76126e-1,
    1.1283292e-1,
    -2.6841449e-2,
    5.1648696e-3,
    -7.8058103e-4,
    7.187985e-5,
];
/// `(1 - erf x)^⅛` for `1.1 ≤ x ≤ 3.95`, error of `erf` 2⁻²⁸.
const ERF_ROOT: [f32; 8] = [
    1.000573,
    -1.4377528e-1,
    -6.4054154e-2,
    -8.472464e-3,
    1.10571645e-2,
    -1.7672335e-3,
    7.1139766e-6,
    1.2093637e-5,
];

/// `2/√π ∫₀ˣ e^(-t²) dt`.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let magnitude = x.abs();
    let clamped = if magnitude > 3.95 { 3.95 } else { magnitude }; // erf 3.95 rounds to 1
    let small = polynomial32(x * x, &ERF).mul_add(x, x);
    let root = polynomial32(clamped, &ERF_ROOT);
    let fourth = (root * root) * (root * root);
    let large = fourth.mul_add(-fourth, 1.0).copysign(x);
    // so that NaN takes the first
    if magnitude >= 1.1 { large } else { small }
}
