//! Elementwise operations, comparisons, choices and conversions.

use super::Kind;
use super::draw::{Draw, broadcasts, is_number, is_ordered};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{Dtype, Result};

/// Brings numbers back near one, so that errors do not grow without bound.
pub(super) fn tame(a: &Array) -> Result<Array> {
    let dtype = a.dtype();
    if dtype == Dtype::Bool {
        return Ok(a.clone());
    }
    if dtype.is_complex() {
        let size = ops::add(&ops::square(&ops::real(a)?)?, &ops::square(&ops::imag(a)?)?)?;
        return ops::divide(a, &plus(&size, 1.0)?);
    }
    match dtype.is_inexact() {
        true => ops::tanh(a),
        false => ops::remainder(a, &number(a, 13.0)?),
    }
}

/// A scalar of an array's dtype.
pub(super) fn number(like: &Array, value: f64) -> Result<Array> {
    ops::unary::scalar_like(like, value)
}

pub(super) fn plus(a: &Array, value: f64) -> Result<Array> {
    ops::add(a, &number(a, value)?)
}

fn times(a: &Array, value: f64) -> Result<Array> {
    ops::multiply(a, &number(a, value)?)
}

fn positive(a: &Array) -> Result<Array> {
    plus(&ops::abs(a)?, 0.5)
}

fn any(draw: &mut Draw<'_>) -> Option<()> {
    draw.any().map(|_| ())
}

fn real(draw: &mut Draw<'_>) -> Option<()> {
    draw.real().map(|_| ())
}

fn complex(draw: &mut Draw<'_>) -> Option<()> {
    draw.operand(|it| it.dtype.is_complex()).map(|_| ())
}

fn inexact(draw: &mut Draw<'_>) -> Option<()> {
    draw.operand(|it| it.dtype.is_inexact()).map(|_| ())
}

fn integer(draw: &mut Draw<'_>) -> Option<()> {
    draw.operand(|it| it.dtype.is_integer()).map(|_| ())
}

fn pair(draw: &mut Draw<'_>) -> Option<()> {
    let first = draw.any()?;
    draw.beside(first, |_| true).map(|_| ())
}

fn numbers(draw: &mut Draw<'_>) -> Option<()> {
    let first = draw.operand(is_number)?;
    draw.beside(first, is_number).map(|_| ())
}

fn ordered(draw: &mut Draw<'_>) -> Option<()> {
    let first = draw.operand(is_ordered)?;
    draw.beside(first, is_ordered).map(|_| ())
}

fn inexacts(draw: &mut Draw<'_>) -> Option<()> {
    let first = draw.operand(|it| it.dtype.is_inexact())?;
    draw.beside(first, |it| it.dtype.is_inexact()).map(|_| ())
}

fn reals(draw: &mut Draw<'_>) -> Option<()> {
    let first = draw.real()?;
    draw.beside(first, |it| it.dtype.is_floating()).map(|_| ())
}

fn integers(draw: &mut Draw<'_>) -> Option<()> {
    let first = draw.operand(|it| it.dtype.is_integer())?;
    // integers of 64 bits with and without a sign go together as floats
    draw.beside(first, |it| it.dtype == first.dtype).map(|_| ())
}

fn bools(draw: &mut Draw<'_>) -> Option<()> {
    let first = draw.operand(|it| it.dtype == Dtype::Bool)?;
    draw.beside(first, |it| it.dtype == Dtype::Bool).map(|_| ())
}

fn choice(draw: &mut Draw<'_>) -> Option<()> {
    let condition = draw.operand(|it| it.dtype == Dtype::Bool)?;
    let first = draw.beside(condition, |_| true)?;
    draw.operand(|it| broadcasts(condition, it) && broadcasts(first, it))
        .map(|_| ())
}

const CASTS: [Dtype; 9] = [
    Dtype::Float32,
    Dtype::Float32,
    Dtype::Float16,
    Dtype::Bfloat16,
    Dtype::Float64,
    Dtype::Complex64,
    Dtype::Int32,
    Dtype::Int64,
    Dtype::Bool,
];

fn cast(draw: &mut Draw<'_>) -> Option<()> {
    draw.any()?;
    draw.below(CASTS.len());
    Some(())
}

/// A complex number loses its imaginary part here, in words.
fn to_dtype(a: &Array, dtype: Dtype) -> Result<Array> {
    match a.dtype().is_complex() && !dtype.is_complex() {
        true => ops::astype(&ops::real(a)?, dtype),
        false => ops::astype(a, dtype),
    }
}

/// A row of the table: a name, how to draw, what to compute of operands `x` (and parameters).
macro_rules! kinds {
    ($($name:literal $draw:ident |$x:ident $(, $n:ident)?| $apply:expr;)*) => {
        &[$(Kind { name: $name, draw: $draw, apply: |$x, numbers| { let _ = numbers; $(let $n = numbers;)? $apply } },)*]
    };
}
pub(super) use kinds;

pub(super) const KINDS: &[Kind] = kinds! {
    "sin" inexact |x| tame(&ops::sin(&x[0])?);
    "cos" real |x| ops::cos(&x[0]);
    "tanh" real |x| ops::tanh(&x[0]);
    "sigmoid" real |x| ops::sigmoid(&x[0]);
    "erf" real |x| ops::erf(&x[0]);
    "arctan" real |x| ops::arctan(&x[0]);
    "arcsinh" real |x| ops::arcsinh(&x[0]);
    "exp" real |x| ops::exp(&ops::negative(&ops::abs(&x[0])?)?);
    "expm1" real |x| tame(&ops::expm1(&ops::tanh(&x[0])?)?);
    "exp of complex" complex |x| tame(&ops::exp(&tame(&x[0])?)?);
    "log1p" real |x| ops::log1p(&ops::square(&x[0])?);
    "log" real |x| tame(&ops::log(&positive(&x[0])?)?);
    "sqrt" real |x| tame(&ops::sqrt(&positive(&x[0])?)?);
    "rsqrt" real |x| ops::rsqrt(&positive(&x[0])?);
    "reciprocal" real |x| ops::reciprocal(&positive(&x[0])?);
    "square" any |x| tame(&ops::square(&x[0])?);
    "negative" any |x| if x[0].dtype() == Dtype::Bool { ops::logical_not(&x[0]) } else { ops::negative(&x[0]) };
    "twice negative" inexact |x| ops::negative(&ops::negative(&x[0])?);
    "abs" any |x| ops::abs(&x[0]);
    "sign" any |x| ops::sign(&x[0]);
    "floor" real |x| ops::floor(&x[0]);
    "ceil" real |x| ops::ceil(&x[0]);
    "round" real |x| ops::round(&x[0], 1);
    "invert" integer |x| tame(&ops::bitwise_invert(&x[0])?);
    "conjugate" complex |x| ops::conjugate(&x[0]);
    "real" complex |x| ops::real(&x[0]);
    "imag" complex |x| ops::imag(&x[0]);
    "scaled" inexact |x| plus(&times(&x[0], 0.5)?, 0.25);
    "times one" any |x| times(&x[0], 1.0);
    "plus zero" any |x| plus(&x[0], 0.0);
    "minus zero" inexact |x| ops::subtract(&x[0], &number(&x[0], 0.0)?);
    "by one" inexact |x| ops::divide(&x[0], &number(&x[0], 1.0)?);
    "plus zeros" any |x| ops::add(&x[0], &ops::zeros(x[0].shape().clone(), x[0].dtype())?);
    "times ones" any |x| ops::multiply(&x[0], &ops::ones(x[0].shape().clone(), x[0].dtype())?);
    "doubled" inexact |x| tame(&ops::add(&ops::sin(&x[0])?, &ops::sin(&x[0])?)?);
    "wide and back" inexact |x| to_dtype(&to_dtype(&x[0], Dtype::Float64)?, x[0].dtype());
    "add" pair |x| tame(&ops::add(&x[0], &x[1])?);
    "subtract" numbers |x| tame(&ops::subtract(&x[0], &x[1])?);
    "multiply" pair |x| tame(&ops::multiply(&x[0], &x[1])?);
    "divide" inexacts |x| {
        let size = ops::add(&ops::square(&ops::real(&x[1])?)?, &ops::square(&ops::imag(&x[1])?)?)?;
        ops::divide(&x[0], &plus(&size, 1.0)?)
    };
    "power" reals |x| tame(&ops::power(&positive(&x[0])?, &ops::tanh(&x[1])?)?);
    "square power" any |x| tame(&ops::power(&x[0], &number(&x[0], 2.0)?)?);
    "maximum" ordered |x| ops::maximum(&x[0], &x[1]);
    "minimum" ordered |x| ops::minimum(&x[0], &x[1]);
    "logaddexp" reals |x| tame(&ops::logaddexp(&x[0], &x[1])?);
    "arctan2" reals |x| ops::arctan2(&x[0], &plus(&ops::abs(&x[1])?, 0.5)?);
    "floor_divide" integers |x| tame(&ops::floor_divide(&x[0], &x[1])?);
    "remainder" ordered |x| {
        let divisor = if x[1].dtype().is_inexact() { positive(&x[1])? } else { x[1].clone() };
        if x[1].dtype() == Dtype::Bool { return Ok(x[0].clone()); }
        ops::remainder(&x[0], &divisor)
    };
    "bitwise_and" integers |x| ops::bitwise_and(&x[0], &x[1]);
    "bitwise_xor" integers |x| tame(&ops::bitwise_xor(&x[0], &x[1])?);
    "left_shift" integer |x| tame(&ops::left_shift(&x[0], &number(&x[0], 2.0)?)?);
    "right_shift" integer |x| ops::right_shift(&x[0], &number(&x[0], 1.0)?);
    "equal" pair |x| ops::equal(&x[0], &x[1]);
    "less" ordered |x| ops::less(&x[0], &x[1]);
    "greater_equal" ordered |x| ops::greater_equal(&x[0], &x[1]);
    "logical_and" bools |x| ops::logical_and(&x[0], &x[1]);
    "logical_or" bools |x| ops::logical_or(&x[0], &x[1]);
    "where" choice |x| ops::select(&x[0], &x[1], &x[2]);
    "where greater" ordered |x| ops::select(&ops::greater(&x[0], &x[1])?, &x[0], &x[1]);
    "clip" real |x| ops::clip(&x[0], Some(&number(&x[0], -0.5)?), Some(&number(&x[0], 0.75)?));
    "isfinite" inexact |x| ops::isfinite(&x[0]);
    "astype" cast |x, n| to_dtype(&x[0], CASTS[n[0] as usize]);
    "stop_gradient" any |x| ops::stop_gradient(&x[0]);
};
