//! Elementwise operations of one operand.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops::{self, unary::scalar_like};
use mlx_oxide_ir::{Dtype, Op, Result, Unary};
use std::f64::consts::{LN_2, LN_10, PI};

pub(super) fn derivative(unary: Unary, site: &Site<'_>) -> Derivative {
    let complex = site.inputs[0].dtype().is_complex();
    match unary {
        Unary::Sign if complex => Derivative::General {
            jvp: direction_jvp,
            vjp: direction_vjp,
        },
        Unary::Sign
        | Unary::Ceil
        | Unary::Floor
        | Unary::RoundEven
        | Unary::LogicalNot
        | Unary::BitwiseInvert => Derivative::Zero,
        Unary::Negative => Derivative::Linear(|_, ct| Ok(vec![Some(ops::negative(ct)?)])),
        Unary::Conjugate => Derivative::Linear(|_, ct| Ok(vec![Some(ops::conjugate(ct)?)])),
        Unary::Real => {
            Derivative::Linear(|site, ct| Ok(vec![Some(ops::astype(ct, site.inputs[0].dtype())?)]))
        }
        Unary::Imag => Derivative::Linear(imaginary),
        Unary::Abs if complex => Derivative::General {
            jvp: modulus_jvp,
            vjp: modulus_vjp,
        },
        Unary::Abs
        | Unary::Square
        | Unary::Exp
        | Unary::Expm1
        | Unary::Log
        | Unary::Log2
        | Unary::Log10
        | Unary::Log1p
        | Unary::Sqrt
        | Unary::Rsqrt
        | Unary::Sin
        | Unary::Cos
        | Unary::Tan
        | Unary::Arcsin
        | Unary::Arccos
        | Unary::Arctan
        | Unary::Sinh
        | Unary::Cosh
        | Unary::Tanh
        | Unary::Arcsinh
        | Unary::Arccosh
        | Unary::Arctanh
        | Unary::Sigmoid
        | Unary::Erf
        | Unary::Erfinv => Derivative::Partials(partial),
    }
}

fn partial(site: &Site<'_>) -> Result<Optional> {
    let Op::Unary(unary) = site.op else {
        return Ok(vec![None]);
    };
    slope(*unary, &site.inputs[0], &site.outputs[0]).map(|slope| vec![Some(slope)])
}

/// `f'(x)` from `x` and `y = f(x)`.
fn slope(unary: Unary, x: &Array, y: &Array) -> Result<Array> {
    let number = |value: f64| scalar_like(x, value);
    let one_minus = |a: &Array| ops::subtract(&number(1.0)?, a);
    match unary {
        Unary::Abs => ops::sign(x),
        Unary::Square => x * 2.0,
        Unary::Exp => Ok(y.clone()),
        Unary::Expm1 => y + 1.0,
        Unary::Log => ops::reciprocal(x),
        Unary::Log2 => ops::reciprocal(&(x * LN_2)?),
        Unary::Log10 => ops::reciprocal(&(x * LN_10)?),
        Unary::Log1p => ops::reciprocal(&(x + 1.0)?),
        Unary::Sqrt => 0.5 / y,
        Unary::Rsqrt => (y / x)? * -0.5,
        Unary::Sin => ops::cos(x),
        Unary::Cos => ops::negative(&ops::sin(x)?),
        Unary::Tan => ops::square(y)? + 1.0,
        Unary::Arcsin => ops::rsqrt(&one_minus(&ops::square(x)?)?),
        Unary::Arccos => ops::negative(&ops::rsqrt(&one_minus(&ops::square(x)?)?)?),
        Unary::Arctan => ops::reciprocal(&(ops::square(x)? + 1.0)?),
        Unary::Sinh => ops::cosh(x),
        Unary::Cosh => ops::sinh(x),
        Unary::Tanh => one_minus(&ops::square(y)?),
        Unary::Arcsinh => ops::rsqrt(&(ops::square(x)? + 1.0)?),
        // √(x-1)·√(x+1) keeps the branch of complex arguments
        Unary::Arccosh => ops::reciprocal(&(ops::sqrt(&(x - 1.0)?)? * &ops::sqrt(&(x + 1.0)?)?)?),
        Unary::Arctanh => ops::reciprocal(&one_minus(&ops::square(x)?)?),
        Unary::Sigmoid => y * &one_minus(y)?,
        Unary::Erf => ops::exp(&ops::negative(&ops::square(x)?)?)? * (2.0 / PI.sqrt()),
        Unary::Erfinv => ops::exp(&ops::square(y)?)? * (PI.sqrt() / 2.0),
        Unary::Negative
        | Unary::Sign
        | Unary::Ceil
        | Unary::Floor
        | Unary::RoundEven
        | Unary::LogicalNot
        | Unary::BitwiseInvert
        | Unary::Conjugate
        | Unary::Real
        | Unary::Imag => ops::zeros_like(x),
    }
}

fn imaginary(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let input = &site.inputs[0];
    if !input.dtype().is_complex() {
        return Ok(vec![Some(ops::zeros_like(input)?)]);
    }
    let unit = Array::scalar(num_complex::Complex32::I)?;
    Ok(vec![Some(ops::multiply(
        &ops::astype(cotangent, Dtype::Complex64)?,
        &unit,
    )?)])
}

/// The derivative of `z/|z|` along `t`: what of `t` is across `z`, over `|z|`; zero at zero. It is
/// its own adjoint.
fn turned(site: &Site<'_>, t: &Array) -> Result<Array> {
    let (z, direction) = (&site.inputs[0], &site.outputs[0]);
    let along = ops::real(&ops::multiply(&ops::conjugate(direction)?, t)?)?;
    let across = ops::subtract(t, &ops::multiply(direction, &along)?)?;
    let zero = scalar_like(z, 0.0)?;
    let is_zero = ops::equal(z, &zero)?;
    let length = ops::abs(&ops::select(&is_zero, &scalar_like(z, 1.0)?, z)?)?;
    ops::select(&is_zero, &zero, &ops::divide(&across, &length)?)
}

fn direction_jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    match &tangents[0] {
        Some(tangent) => turned(site, tangent),
        None => ops::zeros_like(&site.outputs[0]),
    }
}

fn direction_vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    Ok(vec![Some(turned(site, cotangent)?)])
}

fn modulus_jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    let direction = ops::sign(&site.inputs[0])?;
    match &tangents[0] {
        Some(tangent) => ops::real(&ops::multiply(&ops::conjugate(&direction)?, tangent)?),
        None => ops::zeros_like(&site.outputs[0]),
    }
}

fn modulus_vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let direction = ops::sign(&site.inputs[0])?;
    Ok(vec![Some(ops::multiply(
        &direction,
        &ops::astype(cotangent, Dtype::Complex64)?,
    )?)])
}
