//! The functions and their values in double precision.

use mlx_oxide::{Array, Result, ops};
use std::f64::consts::PI;

/// A function of one number.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) run: fn(&Array) -> Result<Array>,
    pub(super) exact: fn(f64) -> f64,
}

/// Names functions whose operation has the same name.
macro_rules! functions {
    ($($name:ident: $exact:expr;)*) => {
        /// All functions that are rounded.
        pub(super) const FUNCTIONS: &[Function] = &[$(Function {
            name: stringify!($name),
            run: |x| ops::$name(x),
            exact: $exact,
        }),*];
    };
}

functions! {
    exp: f64::exp;
    expm1: f64::exp_m1;
    log: f64::ln;
    log2: f64::log2;
    log10: f64::log10;
    log1p: f64::ln_1p;
    sqrt: f64::sqrt;
    rsqrt: |x| 1.0 / x.sqrt();
    reciprocal: |x| 1.0 / x;
    sigmoid: |x| 1.0 / (1.0 + (-x).exp());
    erf: libm::erf;
    erfinv: inverse_erf;
    sin: f64::sin;
    cos: f64::cos;
    tan: f64::tan;
    arcsin: f64::asin;
    arccos: f64::acos;
    arctan: f64::atan;
    sinh: f64::sinh;
    cosh: f64::cosh;
    tanh: f64::tanh;
    arcsinh: f64::asinh;
    arccosh: f64::acosh;
    arctanh: f64::atanh;
}

/// The inverse error function: the value in single precision, mended by Newton's method.
fn inverse_erf(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 1.0 {
        return f64::NAN;
    }
    if x.abs() == 1.0 {
        return x * f64::INFINITY;
    }
    // Winitzki's approximation, good to some thousandths
    let log = (-x * x).ln_1p();
    let half = 2.0 / (PI * 0.147) + log / 2.0;
    let mut root = ((half * half - log / 0.147).sqrt() - half)
        .sqrt()
        .copysign(x);
    for _ in 0..4 {
        // from the nearer end, where the difference keeps its digits
        let beyond = if x.abs() < 0.5 {
            libm::erf(root) - x
        } else {
            ((1.0 - x.abs()) - libm::erfc(root.abs())) * x.signum()
        };
        root -= beyond * PI.sqrt() / 2.0 * (root * root).exp();
    }
    root
}
