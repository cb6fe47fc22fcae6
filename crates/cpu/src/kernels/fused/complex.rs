//! Functions of complex numbers, in double precision for lanes of single precision. Branch cuts are
//! those of C99 and NumPy, told apart by signed zeros; inverse functions follow Kahan, *Branch cuts
//! for complex elementary functions* (1987).

use num_complex::Complex64;
use std::cmp::Ordering;
use std::f64::consts::FRAC_PI_2;

fn complex(re: f64, im: f64) -> Complex64 {
    Complex64::new(re, im)
}

/// `i·z`, without the products of a general multiplication, which could be NaN.
pub(super) fn times_i(z: Complex64) -> Complex64 {
    complex(-z.im, z.re)
}

/// `-i·z`.
pub(super) fn over_i(z: Complex64) -> Complex64 {
    complex(z.im, -z.re)
}

/// The quotient by Smith's method (1962); a zero divisor divides both parts.
pub(super) fn divide(a: Complex64, b: Complex64) -> Complex64 {
    if b.re.abs() >= b.im.abs() {
        if b.re == 0.0 && b.im == 0.0 {
            return complex(a.re / b.re.abs(), a.im / b.re.abs());
        }
        let ratio = b.im / b.re;
        let divisor = b.re + b.im * ratio;
        complex(
            (a.re + a.im * ratio) / divisor,
            (a.im - a.re * ratio) / divisor,
        )
    } else {
        let ratio = b.re / b.im;
        let divisor = b.re * ratio + b.im;
        complex(
            (a.re * ratio + a.im) / divisor,
            (a.im * ratio - a.re) / divisor,
        )
    }
}

/// The quotient of finite numbers of single precision, whose squares neither overflow nor vanish in
/// double precision, by a divisor that is not zero.
#[inline(always)]
pub(super) fn quotient(a: Complex64, b: Complex64) -> Complex64 {
    let inverse = 1.0 / (b.re * b.re + b.im * b.im);
    complex(
        (a.re * b.re + a.im * b.im) * inverse,
        (a.im * b.re - a.re * b.im) * inverse,
    )
}

/// By the real part, then by the imaginary part; none if a part is NaN.
pub(super) fn compare(a: Complex64, b: Complex64) -> Option<Ordering> {
    match a.re.partial_cmp(&b.re)? {
        Ordering::Equal => a.im.partial_cmp(&b.im),
        ordering => (!a.im.is_nan() && !b.im.is_nan()).then_some(ordering),
    }
}

pub(super) fn exp(z: Complex64) -> Complex64 {
    let modulus = z.re.exp();
    if z.im == 0.0 {
        return complex(modulus, z.im);
    }
    if modulus == 0.0 && !z.im.is_finite() {
        return complex(0.0, 0.0);
    }
    complex(modulus * z.im.cos(), modulus * z.im.sin())
}

pub(super) fn log(z: Complex64) -> Complex64 {
    complex(log_modulus(z), z.im.atan2(z.re))
}

/// `ln |z|`; near the unit circle by way of `|z|² - 1`, which does not cancel.
fn log_modulus(z: Complex64) -> f64 {
    let (re, im) = (z.re.abs(), z.im.abs());
    let (long, short) = if re < im { (im, re) } else { (re, im) };
    if long > 0.5 && long < 2.0 {
        libm::log1p((long - 1.0) * (long + 1.0) + short * short) / 2.0
    } else {
        long.hypot(short).ln()
    }
}

pub(super) fn log1p(z: Complex64) -> Complex64 {
    let modulus = if z.re.abs() < 0.5 && z.im.abs() < 0.5 {
        libm::log1p(z.re * (2.0 + z.re) + z.im * z.im) / 2.0
    } else {
        log_modulus(complex(1.0 + z.re, z.im))
    };
    complex(modulus, z.im.atan2(1.0 + z.re))
}

/// The root with a real part that is not negative; its imaginary part has the sign of `z`'s.
pub(super) fn sqrt(z: Complex64) -> Complex64 {
    if z.re == 0.0 && z.im == 0.0 {
        return complex(0.0, z.im);
    }
    if z.im.is_infinite() {
        return complex(f64::INFINITY, z.im);
    }
    let root = ((z.re.hypot(z.im) + z.re.abs()) / 2.0).sqrt();
    if z.re < 0.0 {
        complex(z.im.abs() / (2.0 * root), root.copysign(z.im))
    } else {
        complex(root, z.im / (2.0 * root))
    }
}

/// `aᵇ = e^(b·ln a)`. Of a zero base: 1 for the exponent zero, 0 for one of positive real part,
/// else NaN.
pub(super) fn power(a: Complex64, b: Complex64) -> Complex64 {
    if b.re == 0.0 && b.im == 0.0 {
        return complex(1.0, 0.0);
    }
    if a.re == 0.0 && a.im == 0.0 {
        return if b.re > 0.0 && !b.im.is_nan() {
            complex(0.0, 0.0)
        } else {
            complex(f64::NAN, f64::NAN)
        };
    }
    exp(b * log(a))
}

pub(super) fn sinh(z: Complex64) -> Complex64 {
    if z.im == 0.0 {
        return complex(z.re.sinh(), z.im);
    }
    complex(z.re.sinh() * z.im.cos(), z.re.cosh() * z.im.sin())
}

pub(super) fn cosh(z: Complex64) -> Complex64 {
    if z.im == 0.0 {
        return complex(z.re.cosh(), z.im * z.re.signum());
    }
    complex(z.re.cosh() * z.im.cos(), z.re.sinh() * z.im.sin())
}

pub(super) fn tanh(z: Complex64) -> Complex64 {
    if z.re.abs() > 22.0 {
        // 1 - tanh is below the last bit
        let tail = 4.0 * z.im.sin() * z.im.cos() * (-2.0 * z.re.abs()).exp();
        return complex(1f64.copysign(z.re), tail);
    }
    let tangent = z.im.tan();
    let slope = 1.0 + tangent * tangent;
    let sine = z.re.sinh();
    let cosine = (1.0 + sine * sine).sqrt();
    let divisor = 1.0 + slope * sine * sine;
    complex(slope * cosine * sine / divisor, tangent / divisor)
}

pub(super) fn sin(z: Complex64) -> Complex64 {
    over_i(sinh(times_i(z)))
}

pub(super) fn tan(z: Complex64) -> Complex64 {
    over_i(tanh(times_i(z)))
}

/// `√(1 - z)` and `√(1 + z)`; the sign of a zero imaginary part survives.
fn root_pair(z: Complex64) -> (Complex64, Complex64) {
    (
        sqrt(complex(1.0 - z.re, -z.im)),
        sqrt(complex(1.0 + z.re, z.im)),
    )
}

pub(super) fn acos(z: Complex64) -> Complex64 {
    let (minus, plus) = root_pair(z);
    complex(
        2.0 * minus.re.atan2(plus.re),
        libm::asinh(plus.re * minus.im - plus.im * minus.re),
    )
}

pub(super) fn asin(z: Complex64) -> Complex64 {
    let (minus, plus) = root_pair(z);
    complex(
        z.re.atan2(minus.re * plus.re - minus.im * plus.im),
        libm::asinh(minus.re * plus.im - minus.im * plus.re),
    )
}

pub(super) fn asinh(z: Complex64) -> Complex64 {
    over_i(asin(times_i(z)))
}

pub(super) fn acosh(z: Complex64) -> Complex64 {
    let minus = sqrt(complex(z.re - 1.0, z.im));
    let plus = sqrt(complex(z.re + 1.0, z.im));
    complex(
        libm::asinh(minus.re * plus.re + minus.im * plus.im),
        2.0 * minus.im.atan2(plus.re),
    )
}

pub(super) fn atanh(z: Complex64) -> Complex64 {
    if z.re.is_sign_negative() {
        return -atanh(-z); // odd; the formula below is for the right half plane
    }
    if z.re.is_infinite() || z.im.is_infinite() {
        return complex(0.0, FRAC_PI_2.copysign(z.im));
    }
    let gap = 1.0 - z.re;
    let square = z.im * z.im;
    complex(
        libm::log1p(4.0 * z.re / (gap * gap + square)) / 4.0,
        (2.0 * z.im).atan2(gap * (1.0 + z.re) - square) / 2.0,
    )
}

pub(super) fn atan(z: Complex64) -> Complex64 {
    over_i(atanh(times_i(z)))
}

/// `z/|z|`; zero of zero.
pub(super) fn sign(z: Complex64) -> Complex64 {
    if z.re == 0.0 && z.im == 0.0 {
        return complex(0.0, 0.0);
    }
    z / z.re.hypot(z.im)
}

fn is_nan(z: Complex64) -> bool {
    z.re.is_nan() || z.im.is_nan()
}

/// The greater by [`compare`]; the operand that is NaN.
pub(super) fn maximum(a: Complex64, b: Complex64) -> Complex64 {
    let first = is_nan(a) || compare(a, b) == Some(Ordering::Greater);
    if first { a } else { b }
}

/// The lesser by [`compare`]; the operand that is NaN.
pub(super) fn minimum(a: Complex64, b: Complex64) -> Complex64 {
    let first = is_nan(a) || compare(a, b) == Some(Ordering::Less);
    if first { a } else { b }
}

/// `ln(eᵃ + eᵇ)`.
pub(in crate::kernels) fn log_add_exp(a: Complex64, b: Complex64) -> Complex64 {
    let (great, small) = match compare(a, b) {
        None => return complex(f64::NAN, f64::NAN),
        Some(Ordering::Greater) => (a, b),
        Some(Ordering::Less | Ordering::Equal) => (b, a),
    };
    if great.re.is_infinite() {
        return great;
    }
    great + log1p(exp(small - great))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Complex64, re: f64, im: f64) {
        let expected = complex(re, im);
        assert!(
            (found - expected).norm() <= 2e-7 * expected.norm(),
            "{found} instead of {expected}"
        );
        assert_eq!(found.re == 0.0, re == 0.0, "{found} against {expected}");
        assert_eq!(found.im.is_sign_negative(), im.is_sign_negative());
    }

    #[test]
    fn inverse_functions_agree_with_mlx_off_the_cuts() {
        let z = complex(-2.0, -0.5);
        near(asin(z), -1.293_042_063_713_073_7, -1.361_800_909_042_358_4);
        near(acos(z), 2.863_838_434_219_360_4, 1.361_800_909_042_358_4);
        near(atan(z), -1.126_556_396_484_375, -0.096_415_616_571_903_23);
        near(
            asinh(z),
            -1.465_715_408_325_195_3,
            -0.221_018_627_285_957_34,
        );
        near(acosh(z), 1.361_800_909_042_358_4, -2.863_838_434_219_360_4);
        near(atanh(z), -0.500_370_025_634_765_6, -1.421_546_816_825_866_7);
        near(tan(z), 0.850_878_179_073_333_7, -1.321_286_559_104_919_4);
        near(tanh(z), -0.979_940_891_265_869_1, -0.030_215_987_935_662_27);
        near(sqrt(z), 0.175_432_056_188_583_37, -1.425_053_119_659_423_8);
        near(log1p(z), 0.111_571_788_787_841_8, -2.677_945_137_023_926);
    }

    #[test]
    fn the_sign_of_zero_chooses_the_side_of_a_cut_as_in_mlx() {
        let (above, below) = (complex(-2.0, 0.0), complex(-2.0, -0.0));
        near(sqrt(above), 0.0, std::f64::consts::SQRT_2);
        near(sqrt(below), 0.0, -std::f64::consts::SQRT_2);
        near(log(below), std::f64::consts::LN_2, -std::f64::consts::PI);
        near(asin(above), -FRAC_PI_2, 1.316_957_950_592_041);
        near(asin(below), -FRAC_PI_2, -1.316_957_950_592_041);
        near(acos(above), std::f64::consts::PI, -1.316_957_950_592_041);
        near(acosh(below), 1.316_957_950_592_041, -std::f64::consts::PI);
        near(atanh(above), -0.549_306_154_251_098_6, FRAC_PI_2);
        near(atanh(below), -0.549_306_154_251_098_6, -FRAC_PI_2);
        near(acos(complex(2.0, 0.0)), 0.0, -1.316_957_950_592_041);
    }

    #[test]
    fn small_operands_keep_their_relative_precision() {
        for function in [asin, asinh, atan, atanh, sin, tan, sinh, tanh, log1p] {
            near(function(complex(1e-20, -3e-20)), 1e-20, -3e-20);
        }
        near(log(complex(1.0, 1e-7)), 5e-15, 1e-7);
    }

    #[test]
    fn quotients_of_finite_numbers_are_those_of_smith() {
        let parts = [1e-45f32, 1.5e-30, -0.3, 7.0, -2e20, f32::MAX, 0.0].map(f64::from);
        let numbers = parts.map(|re| parts.map(|im| complex(re, im)));
        let numbers = numbers.as_flattened();
        for &a in numbers {
            for &b in numbers.iter().filter(|b| b.norm_sqr() > 0.0) {
                let (found, expected) = (quotient(a, b), divide(a, b));
                let error = (found - expected).norm();
                assert!(error <= 1e-15 * expected.norm(), "{a} / {b}");
            }
        }
    }

    #[test]
    fn zeros_in_quotients_have_the_signs_of_mlx() {
        let negative = |re, im, divisor_im| {
            let quotient = quotient(complex(re, im), complex(-1.0, divisor_im));
            [quotient.re, quotient.im].map(f64::is_sign_negative)
        };
        assert_eq!(negative(-1.0, 0.0, 0.0), [false, false]);
        assert_eq!(negative(-1.0, 0.0, -0.0), [false, true]);
        assert_eq!(negative(1.0, 0.0, 0.0), [true, true]);
    }

    #[test]
    fn powers_of_zero_are_limits() {
        let zero = complex(0.0, 0.0);
        assert_eq!(power(zero, zero), complex(1.0, 0.0));
        assert_eq!(power(zero, complex(1.0, 0.0)), zero);
        assert_eq!(power(zero, complex(1.0, -2.0)), zero);
        assert!(power(zero, complex(-1.0, 0.0)).re.is_nan());
        near(
            power(complex(1.0, 2.0), complex(2.0, 1.0)),
            -1.640_101_075_172_424_3,
            0.202_050_209_045_410_16,
        );
    }

    #[test]
    fn order_is_lexicographic() {
        assert_eq!(
            compare(complex(1.0, 9.0), complex(2.0, 0.0)),
            Some(Ordering::Less)
        );
        assert_eq!(
            compare(complex(1.0, 9.0), complex(1.0, 0.0)),
            Some(Ordering::Greater)
        );
        assert_eq!(compare(complex(1.0, f64::NAN), complex(2.0, 0.0)), None);
    }
}
