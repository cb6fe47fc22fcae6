//! Functions in double precision.

use super::{polynomial, polynomial_by_halves};
use std::f64::consts::LOG2_E;

/// Adding and subtracting it rounds to an integer, which is then in the low bits.
pub(super) const ROUNDER: f64 = 6_755_399_441_055_744.0; // 1.5·2⁵²
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000); // 21 low bits are zero
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `(eʳ - 1 - r)/r²`: Taylor's series, whose rest at `ln2/2` is below 2⁻⁵⁷.
const EXP: [f64; 12] = [
    0.5,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];

/// `2ᵏ` of the integer in the low bits of `k + ROUNDER`.
#[inline(always)]
pub(super) fn power_of_two(rounded: f64) -> f64 {
    f64::from_bits((rounded.to_bits() << 52).wrapping_add(1023 << 52))
}

/// `e^(x - n·ln2) - 1` and `n`.
#[inline(always)]
fn reduced_expm1(x: f64) -> (f64, f64) {
    let n = x.mul_add(LOG2_E, ROUNDER) - ROUNDER;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    ((r * r).mul_add(polynomial_by_halves(r, &EXP), r), n)
}

/// `eˣ`.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let clamped = if x > 710.0 { 710.0 } else { x };
    let clamped = if clamped < -746.0 { -746.0 } else { clamped };
    let (power, n) = reduced_expm1(clamped);
    // in two steps, since 2ⁿ itself may overflow or be subnormal
    let half = n.mul_add(0.5, ROUNDER);
    let rest = n - (half - ROUNDER) + ROUNDER;
    (power + 1.0) * power_of_two(half) * power_of_two(rest)
}

/// `eˣ - 1`, exact near zero.
#[inline(always)]
pub fn expm1(x: f64) -> f64 {
    let clamped = if x > 710.0 { 710.0 } else { x };
    let clamped = if clamped < -40.0 { -40.0 } else { clamped };
    let (power, n) = reduced_expm1(clamped);
    // doubled at the end, so that 2ⁿ itself does not overflow
    let half = power_of_two(n - 1.0 + ROUNDER);
    let value = 2.0 * power.mul_add(half, half - 0.5);
    let value = if n == 0.0 { power } else { value };
    if x == 0.0 { x } else { value }
}

/// `(ln((1+s)/(1-s)) - 2s)/s³` in `s²` for `√½ ≤ (1+s)/(1-s) ≤ √2`, error 2⁻⁵⁹.
const LOG: [f64; 7] = [
    0.666_666_666_666_673_5,
    0.399_999_999_994_128_7,
    0.285_714_287_428_737_1,
    0.222_221_985_150_767_27,
    0.181_835_677_536_940_7,
    0.153_139_528_924_206_15,
    0.147_970_223_652_994_78,
];
const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
const MANTISSA: u64 = (1 << 52) - 1;

/// `x = 2ᵏ·(1 + f)` with `√½ ≤ 1 + f < √2`: `(k, f)`, for positive finite `x`.
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    let subnormal = x < f64::MIN_POSITIVE;
    let scaled = if subnormal {
        x * 18_014_398_509_481_984.0
    } else {
        x
    };
    let bits = scaled.to_bits().wrapping_sub(SQRT_HALF_BITS);
    // the exponent, made positive, as the low bits of a large float: no integer conversion
    let exponent = bits.wrapping_add(1024 << 52) >> 52;
    let k = f64::from_bits(exponent | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 1024.0);
    let k = k - if subnormal { 54.0 } else { 0.0 };
    (k, f64::from_bits((bits & MANTISSA) + SQRT_HALF_BITS) - 1.0)
}

/// `ln x`.
#[inline(always)]
pub fn log(x: f64) -> f64 {
    let (k, f) = split(x);
    let value = log_of_parts(k, f, 0.0);
    log_edges(x, value)
}

/// `k·ln2 + ln(1 + f) + correction`.
#[inline(always)]
fn log_of_parts(k: f64, f: f64, correction: f64) -> f64 {
    let s = f / (2.0 + f);
    let square = s * s;
    let series = square * polynomial_by_halves(square, &LOG);
    let half = 0.5 * f * f;
    let low = s.mul_add(half + series, k.mul_add(LN2_LOW, correction));
    k.mul_add(LN2_HIGH, f - (half - low))
}

/// The logarithm where the formula does not hold.
#[inline(always)]
pub(super) fn log_edges(x: f64, value: f64) -> f64 {
    let value = if x == f64::INFINITY { x } else { value };
    let value = if x == 0.0 { f64::NEG_INFINITY } else { value };
    if x >= 0.0 { value } else { f64::NAN }
}

/// `ln(1 + x)`, exact near zero.
#[inline(always)]
pub fn log1p(x: f64) -> f64 {
    let sum = 1.0 + x;
    let (k, f) = split(sum);
    // what the sum lost, whichever of the two is greater
    let lost = if x > 1.0 {
        1.0 - (sum - x)
    } else {
        x - (sum - 1.0)
    };
    let value = log_of_parts(k, f, lost / sum);
    let value = log_edges(sum, value);
    // subnormals too, and the sign of zero
    if x.abs() < 1e-17 { x } else { value }
}

/// `π/2` in three parts, the first two of 33 bits.
const HALF_PI: [f64; 3] = [
    f64::from_bits(0x3ff9_21fb_5440_0000),
    f64::from_bits(0x3dd0_b461_1a60_0000),
    2.022_266_248_795_950_6e-21,
];

/// Angles from here on are reduced by the mathematical library, with all digits of π.
pub const GREATEST_ANGLE: f64 = 1_000_000.0;

/// `x - n·π/2`, its rounding error, and `n` in the low bits.
#[inline(always)]
pub(super) fn reduced_angle(x: f64) -> (f64, f64, u64) {
    let rounded = x.mul_add(std::f64::consts::FRAC_2_PI, ROUNDER);
    let n = rounded - ROUNDER;
    let first = n.mul_add(-HALF_PI[0], x);
    let angle = n.mul_add(-HALF_PI[1], first);
    let error = n.mul_add(-HALF_PI[1], first - angle);
    (angle, n.mul_add(-HALF_PI[2], error), rounded.to_bits())
}

/// `(sin r/r - 1)/r²` in `r²` for `|r| ≤ π/4`, error 2⁻⁵⁸.
const SIN: [f64; 6] = [
    -0.166_666_666_666_666_3,
    0.008_333_333_333_322_061,
    -0.000_198_412_698_295_417_44,
    2.755_731_360_417_501e-6,
    -2.505_074_497_945_51e-8,
    1.589_606_407_259_119_6e-10,
];
/// `(cos r - 1 + r²/2)/r⁴` in `r²` for `|r| ≤ π/4`, error 2⁻⁶⁴.
const COS: [f64; 6] = [
    0.041_666_666_666_666_595,
    -0.001_388_888_888_887_297_8,
    2.480_158_728_880_083_4e-5,
    -2.755_731_416_418_902e-7,
    2.087_569_873_531_342e-9,
    -1.135_842_482_286_986e-11,
];

#[inline(always)]
fn sin_and_cos(angle: f64, error: f64) -> (f64, f64) {
    let square = angle * angle;
    let sine = angle + (polynomial(square, &SIN) * square).mul_add(angle, error);
    let half = 0.5 * square;
    let high = 1.0 - half;
    let low = (1.0 - high) - half;
    let tail = (polynomial(square, &COS) * square).mul_add(square, low - angle * error);
    (sine, high + tail)
}

/// `sin x` for angles below [`GREATEST_ANGLE`].
#[inline(always)]
pub fn sin(x: f64) -> f64 {
    let (angle, error, quadrant) = reduced_angle(x);
    let (sine, cosine) = sin_and_cos(angle, error);
    let value = if quadrant & 1 == 1 { cosine } else { sine };
    let value = f64::from_bits(value.to_bits() ^ ((quadrant & 2) << 62));
    if x == 0.0 { x } else { value }
}

/// `cos x` for angles below [`GREATEST_ANGLE`].
#[inline(always)]
pub fn cos(x: f64) -> f64 {
    let (angle, error, quadrant) = reduced_angle(x);
    let (sine, cosine) = sin_and_cos(angle, error);
    let value = if quadrant & 1 == 1 { sine } else { cosine };
    f64::from_bits(value.to_bits() ^ ((quadrant.wrapping_add(1) & 2) << 62))
}

/// `sinh x`.
#[inline(always)]
pub fn sinh(x: f64) -> f64 {
    let magnitude = x.abs();
    let t = expm1(magnitude);
    let value = 0.5 * (t + t / (t + 1.0));
    let root = exp(0.5 * magnitude);
    let large = 0.5 * root * root;
    (if magnitude > 40.0 { large } else { value }).copysign(x)
}

/// `cosh x`.
#[inline(always)]
pub fn cosh(x: f64) -> f64 {
    let root = exp(0.5 * x.abs());
    let power = exp(x.abs());
    let large = 0.5 * root * root;
    if x.abs() > 40.0 {
        large
    } else {
        0.5 * power + 0.5 / power
    }
}

/// `tanh x`.
#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    let t = expm1(-2.0 * x.abs());
    (-t / (t + 2.0)).copysign(x)
}

/// `1/(1 + e⁻ˣ)`.
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    let power = exp(-x.abs());
    (if x < 0.0 { power } else { 1.0 }) / (1.0 + power)
}

/// `erf x/x - 1` in `x²` for `|x| ≤ 1`, error 2⁻⁵⁷.
const ERF: [f64; 12] = [
    0.128_379_167_095_512_56,
    -0.376_126_389_031_834_93,
    0.112_837_916_709_430_83,
    -0.026_866_170_642_930_33,
    0.005_223_977_604_594_866,
    -0.000_854_832_585_475_658_9,
    0.000_120_552_913_080_478_99,
    -1.492_466_806_376_175_9e-5,
    1.644_657_864_279_548_2e-6,
    -1.620_203_077_063_485_5e-7,
    1.369_226_563_086_190_3e-8,
    -7.744_213_898_216_066e-10,
];
/// `e^(x²)·erfc x` in `(x-2)/(x+2)` for `1 ≤ x ≤ 6.1`, error of `erf` 2⁻⁵⁵.
const ERF_TAIL: [f64; 12] = [
    0.255_395_676_310_507_14,
    -0.427_185_847_413_946,
    0.241_658_194_240_952_53,
    -0.078_978_581_036_591,
    0.003_732_892_520_042_799,
    0.006_997_464_610_273_939,
    -0.000_847_135_695_270_977_1,
    -0.000_982_060_007_284_622_2,
    4.303_981_854_046_571e-5,
    0.000_174_131_681_308_368_1,
    3.291_019_883_134_867e-5,
    -1.177_586_330_423_841_6e-5,
];

/// `2/√π ∫₀ˣ e^(-t²) dt`.
#[inline(always)]
pub fn erf(x: f64) -> f64 {
    let magnitude = x.abs();
    let clamped = if magnitude > 6.1 { 6.1 } else { magnitude }; // beyond, erf rounds to 1
    let small = polynomial(x * x, &ERF).mul_add(x, x);
    let tail = polynomial((clamped - 2.0) / (clamped + 2.0), &ERF_TAIL);
    let large = (1.0 - exp(-clamped * clamped) * tail).copysign(x);
    // so that NaN takes the first
    if magnitude >= 1.0 { large } else { small }
}
