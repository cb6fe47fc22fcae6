//! Functions of `f32`, computed in double precision where that is worth its price in accuracy
//! and simplicity. Arguments are `f32` values held as `f64`; results are good to at least 2⁻³⁰.

use super::double::{ROUNDER, expm1, log_edges, log1p, power_of_two, reduced_angle};
use super::polynomial;
use std::f64::consts::{FRAC_PI_2, LN_2, LOG2_E, PI};

/// `(eʳ - 1 - r)/r²` for `|r| ≤ ln2/2`, error 2⁻³⁴.
const EXP: [f64; 6] = [
    0.500_000_007_786_677_5,
    0.166_666_668_606_049_73,
    0.041_666_270_066_456_26,
    0.008_333_264_377_082_442,
    0.001_394_606_430_672_232_7,
    0.000_199_183_728_815_834_3,
];

/// `eˣ`, which for arguments beyond `±700` is some number that no `f32` can tell from it.
#[inline(always)]
fn exp(x: f64) -> f64 {
    let clamped = if x > 700.0 { 700.0 } else { x };
    let clamped = if clamped < -700.0 { -700.0 } else { clamped };
    let n = clamped.mul_add(LOG2_E, ROUNDER) - ROUNDER;
    let r = n.mul_add(-LN_2, clamped);
    let power = (r * r).mul_add(polynomial(r, &EXP), r) + 1.0;
    power * power_of_two(n + ROUNDER)
}

/// `(ln((1+s)/(1-s)) - 2s)/s³` in `s²` for `√½ ≤ (1+s)/(1-s) ≤ √2`, error 2⁻⁴⁴.
const LOG: [f64; 5] = [
    0.666_666_666_757_983_8,
    0.399_999_956_231_312_6,
    0.285_721_089_825_581_5,
    0.221_761_974_676_218_83,
    0.195_840_067_538_280_6,
];

/// `ln x` of what is no subnormal number.
#[inline(always)]
fn log(x: f64) -> f64 {
    const HALF: u64 = 0x3fe6_a09e_667f_3bcd; // √½
    let bits = x.to_bits().wrapping_sub(HALF);
    // the exponent, made positive, as the low bits of a large float: no integer conversion
    let exponent = bits.wrapping_add(1024 << 52) >> 52;
    let k = f64::from_bits(exponent | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 1024.0);
    let f = f64::from_bits((bits & ((1 << 52) - 1)) + HALF) - 1.0;
    let s = f / (2.0 + f);
    let square = s * s;
    let value = s.mul_add(2.0, square * s * polynomial(square, &LOG));
    log_edges(x, k.mul_add(LN_2, value))
}

/// As [`LOG`] for `1 ≤ (1+s)/(1-s) ≤ 2`, error 2⁻³⁸.
const LOG_TO_TWO: [f64; 6] = [
    0.666_666_663_591_300_6,
    0.400_000_530_003_303,
    0.285_683_960_902_545_7,
    0.223_015_001_742_046_5,
    0.171_478_508_726_609_77,
    0.217_923_935_981_312,
];

/// As in [`double`], error 2⁻³⁷.
const SIN: [f64; 4] = [
    -0.166_666_666_406_959_62,
    0.008_333_329_292_873_73,
    -0.000_198_393_083_675_397_72,
    2.718_084_084_341_865e-6,
];
/// As in [`double`], error 2⁻⁴³.
const COS: [f64; 4] = [
    0.041_666_666_619_298_395,
    -0.001_388_888_348_362_841_2,
    2.479_945_584_398_871e-5,
    -2.720_539_955_245_081e-7,
];

/// Sine, cosine and quadrant of an angle below [`super::single::GREATEST_ANGLE`].
#[inline(always)]
fn sin_and_cos(x: f64) -> (f64, f64, u64) {
    let (angle, error, quadrant) = reduced_angle(x);
    let angle = angle + error;
    let square = angle * angle;
    let sine = (polynomial(square, &SIN) * square).mul_add(angle, angle);
    let cosine = square.mul_add(square.mul_add(polynomial(square, &COS), -0.5), 1.0);
    (sine, cosine, quadrant)
}

/// `tan x`.
#[inline(always)]
pub fn tan(x: f64) -> f64 {
    let (sine, cosine, quadrant) = sin_and_cos(x);
    let odd = quadrant & 1 == 1;
    let value = (if odd { -cosine } else { sine }) / (if odd { sine } else { cosine });
    if x == 0.0 { x } else { value }
}

/// `(asin x/x - 1)/x²` in `x²` for `|x| ≤ 1/2`, error 2⁻⁴⁰.
const ASIN: [f64; 8] = [
    0.166_666_666_273_418_45,
    0.075_000_049_809_889_14,
    0.044_640_708_159_401_146,
    0.030_426_518_058_618_773,
    0.021_865_756_408_779_392,
    0.020_646_230_591_776_383,
    0.001_979_370_173_020_228,
    0.032_911_554_059_870_58,
];

/// `arcsin` of a magnitude up to a half, or half of `arccos` of a greater one.
#[inline(always)]
fn arcsin_parts(magnitude: f64) -> (bool, f64) {
    let large = magnitude > 0.5;
    let square = if large {
        (1.0 - magnitude) * 0.5
    } else {
        magnitude * magnitude
    };
    let root = if large { square.sqrt() } else { magnitude };
    (
        large,
        (polynomial(square, &ASIN) * square).mul_add(root, root),
    )
}

/// `arcsin x`.
#[inline(always)]
pub fn arcsin(x: f64) -> f64 {
    let (large, angle) = arcsin_parts(x.abs());
    (if large {
        FRAC_PI_2 - 2.0 * angle
    } else {
        angle
    })
    .copysign(x)
}

/// `arccos x`.
#[inline(always)]
pub fn arccos(x: f64) -> f64 {
    let (large, angle) = arcsin_parts(x.abs());
    let small = FRAC_PI_2 - angle.copysign(x);
    let folded = 2.0 * angle;
    let folded = if x < 0.0 { PI - folded } else { folded };
    if large { folded } else { small }
}

/// `(atan x/x - 1)/x²` in `x²` for `|x| ≤ 1`, error 2⁻³⁹.
const ATAN: [f64; 13] = [
    -0.333_333_332_923_880_57,
    0.199_999_966_361_323_17,
    -0.142_856_170_981_876_7,
    0.111_096_853_262_119_77,
    -0.090_784_317_699_901_2,
    0.076_210_171_459_555_37,
    -0.063_850_796_683_815_98,
    0.050_822_856_729_419_996,
    -0.035_757_977_085_438_514,
    0.020_380_952_261_990_79,
    -0.008_501_504_185_995_249,
    0.002_251_499_661_773_71,
    -0.000_280_036_779_071_793_84,
];

/// `arctan x`.
#[inline(always)]
pub fn arctan(x: f64) -> f64 {
    arctan2(x, 1.0)
}

/// The angle of the point `(x, y)`.
#[inline(always)]
pub fn arctan2(y: f64, x: f64) -> f64 {
    let (up, right) = (y.abs(), x.abs());
    let steep = up > right;
    let (short, long) = if steep { (right, up) } else { (up, right) };
    let ratio = short / long;
    let ratio = if short == 0.0 { 0.0 } else { ratio }; // 0/0 too
    let ratio = if short == f64::INFINITY { 1.0 } else { ratio };
    let square = ratio * ratio;
    let angle = (polynomial(square, &ATAN) * square).mul_add(ratio, ratio);
    let angle = if steep { FRAC_PI_2 - angle } else { angle };
    let angle = if x.is_sign_negative() {
        PI - angle
    } else {
        angle
    };
    let angle = angle.copysign(y);
    if x.is_nan() | y.is_nan() {
        f64::NAN
    } else {
        angle
    }
}

/// `sinh x`, for arguments whose exponential does not overflow a double.
#[inline(always)]
pub fn sinh(x: f64) -> f64 {
    let magnitude = x.abs();
    let t = expm1(if magnitude > 100.0 { 100.0 } else { magnitude });
    let value = (0.5 * (t + t / (t + 1.0))).copysign(x);
    if x.is_nan() { x } else { value }
}

/// `cosh x`.
#[inline(always)]
pub fn cosh(x: f64) -> f64 {
    let magnitude = x.abs();
    let power = exp(magnitude);
    0.5 * power + 0.5 / power
}

/// `arcsinh x`.
#[inline(always)]
pub fn arcsinh(x: f64) -> f64 {
    let magnitude = x.abs();
    let square = x * x;
    let value = log1p(magnitude + square / (1.0 + (1.0 + square).sqrt()));
    let value = if magnitude == f64::INFINITY {
        magnitude
    } else {
        value
    };
    value.copysign(x)
}

/// `arccosh x`.
#[inline(always)]
pub fn arccosh(x: f64) -> f64 {
    let excess = x - 1.0;
    let value = log1p(excess + (excess * (x + 1.0)).sqrt());
    if x < 1.0 { f64::NAN } else { value }
}

/// `arctanh x`, half the logarithm of `(1 + x)/(1 - x) = 2ᵏ(1 + s)/(1 - s)`.
#[inline(always)]
pub fn arctanh(x: f64) -> f64 {
    let magnitude = x.abs();
    let (above, below) = (1.0 + magnitude, 1.0 - magnitude);
    // `k` to less than 0.6, since bits of floats are nearly their logarithms
    let quotient = above.to_bits().wrapping_sub(below.to_bits());
    let exponent = quotient.wrapping_add(1 << 51) >> 52;
    let k = f64::from_bits(exponent | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0;
    let below = f64::from_bits(below.to_bits().wrapping_add(exponent << 52));
    let s = (above - below) / (above + below);
    let s = if exponent == 0 { magnitude } else { s }; // what it is without rounding
    let square = s * s;
    let curve = (0.5 * square * s).mul_add(polynomial(square, &LOG), s);
    let value = k.mul_add(LN_2 * 0.5, curve);
    let edge = if magnitude == 1.0 {
        f64::INFINITY
    } else {
        f64::NAN
    };
    (if magnitude < 1.0 { value } else { edge }).copysign(x)
}

/// `aᵇ` for arguments that are `f32` values.
#[inline(always)]
pub fn power(a: f64, b: f64) -> f64 {
    let magnitude = a.abs();
    let value = exp(b * log(magnitude));
    let value = if magnitude == 1.0 { 1.0 } else { value };
    let half = b * 0.5;
    let integer = b.floor() == b; // infinities are even integers
    let odd = integer & (half.floor() != half);
    let negative = if odd { -value } else { value };
    let signed = if a.is_sign_negative() & odd {
        negative
    } else {
        value
    };
    let signed = if (a < 0.0) & a.is_finite() & !integer {
        f64::NAN
    } else {
        signed
    };
    let signed = if a.is_nan() | b.is_nan() {
        f64::NAN
    } else {
        signed
    };
    if (b == 0.0) | (a == 1.0) { 1.0 } else { signed }
}

/// `ln(eᵃ + eᵇ)`.
#[inline(always)]
pub fn log_add_exp(a: f64, b: f64) -> f64 {
    let (great, small) = if a > b { (a, b) } else { (b, a) };
    let power = exp(small - great); // at most one
    let s = power / (2.0 + power);
    let square = s * s;
    let value = s.mul_add(2.0, square * s * polynomial(square, &LOG_TO_TWO));
    let value = great + value;
    let value = if great.is_infinite() { great } else { value };
    if a.is_nan() | b.is_nan() {
        f64::NAN
    } else {
        value
    }
}

/// `a - b·⌊a/b⌋` where [`is_great_quotient`] does not hold: exact.
#[inline(always)]
pub fn remainder(a: f64, b: f64) -> f64 {
    let quotient = (a / b).trunc();
    let rest = (-quotient).mul_add(b, a);
    let rest = if rest == 0.0 { rest.copysign(a) } else { rest };
    let rest = if b.is_infinite() & a.is_finite() {
        a
    } else {
        rest
    };
    if (rest != 0.0) & ((rest < 0.0) != (b < 0.0)) {
        rest + b
    } else {
        rest
    }
}

/// Whether the quotient's integer part may be inexact in double precision.
#[inline(always)]
pub fn is_great_quotient(a: f32, b: f32) -> bool {
    a.abs() >= b.abs() * 134_217_728.0
}
