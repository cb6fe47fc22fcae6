//! Elementwise operations of two operands, and selection.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops::{self, unary::scalar_like};
use mlx_oxide_ir::{Binary, Op, Result};

pub(super) fn derivative(binary: Binary) -> Derivative {
    match binary {
        Binary::Add => Derivative::Linear(|_, ct| Ok(vec![Some(ct.clone()), Some(ct.clone())])),
        Binary::Subtract => Derivative::Linear(|site, ct| {
            let right = site.wanted[1].then(|| ops::negative(ct)).transpose()?;
            Ok(vec![Some(ct.clone()), right])
        }),
        Binary::Multiply => Derivative::Multilinear(|site, input, ct| {
            ops::multiply(ct, &ops::conjugate(&site.inputs[1 - input])?)
        }),
        Binary::Divide
        | Binary::Remainder
        | Binary::Power
        | Binary::Maximum
        | Binary::Minimum
        | Binary::LogAddExp
        | Binary::Arctan2 => Derivative::Partials(partials),
        Binary::FloorDivide
        | Binary::Equal
        | Binary::NotEqual
        | Binary::Less
        | Binary::LessEqual
        | Binary::Greater
        | Binary::GreaterEqual
        | Binary::LogicalAnd
        | Binary::LogicalOr
        | Binary::BitwiseAnd
        | Binary::BitwiseOr
        | Binary::BitwiseXor
        | Binary::LeftShift
        | Binary::RightShift => Derivative::Zero,
    }
}

/// A partial derivative, of both operands and the result.
type Slope = fn(&Array, &Array, &Array) -> Result<Array>;

fn partials(site: &Site<'_>) -> Result<Optional> {
    let Op::Binary(binary) = site.op else {
        return Ok(vec![None, None]);
    };
    let Some((left, right)) = slopes(*binary) else {
        return Ok(vec![None, None]);
    };
    let (a, b) = (&site.inputs[0], &site.inputs[1]);
    let y = &site.outputs[0];
    let left = site.wanted[0].then(|| left(a, b, y)).transpose()?;
    let right = site.wanted[1].then(|| right(a, b, y)).transpose()?;
    Ok(vec![left, right])
}

/// `∂y/∂a` and `∂y/∂b` of what has other derivatives than those of sums and products.
fn slopes(binary: Binary) -> Option<(Slope, Slope)> {
    Some(match binary {
        Binary::Divide => (
            |_, b, _| ops::reciprocal(b),
            |_, b, y| ops::negative(&(y / b)?),
        ),
        Binary::Remainder => (
            |a, _, _| ops::ones_like(a),
            |a, b, _| ops::negative(&ops::floor(&(a / b)?)?),
        ),
        Binary::Power => (power_by_base, power_by_exponent),
        Binary::Maximum => (
            |a, b, _| ops::astype(&ops::greater(a, b)?, a.dtype()),
            |a, b, _| ops::astype(&ops::less_equal(a, b)?, a.dtype()),
        ),
        Binary::Minimum => (
            |a, b, _| ops::astype(&ops::less(a, b)?, a.dtype()),
            |a, b, _| ops::astype(&ops::greater_equal(a, b)?, a.dtype()),
        ),
        Binary::LogAddExp => (
            |a, _, y| ops::exp(&ops::subtract(a, y)?),
            |_, b, y| ops::exp(&ops::subtract(b, y)?),
        ),
        Binary::Arctan2 => (
            |a, b, _| b / &squared_length(a, b)?,
            |a, b, _| ops::negative(&(a / &squared_length(a, b)?)?),
        ),
        Binary::Add
        | Binary::Subtract
        | Binary::Multiply
        | Binary::FloorDivide
        | Binary::Equal
        | Binary::NotEqual
        | Binary::Less
        | Binary::LessEqual
        | Binary::Greater
        | Binary::GreaterEqual
        | Binary::LogicalAnd
        | Binary::LogicalOr
        | Binary::BitwiseAnd
        | Binary::BitwiseOr
        | Binary::BitwiseXor
        | Binary::LeftShift
        | Binary::RightShift => return None,
    })
}

/// `b·aᵇ⁻¹`, zero where `b` is zero whatever `a`.
fn power_by_base(a: &Array, b: &Array, _: &Array) -> Result<Array> {
    let slope = (b * &ops::power(a, &(b - 1.0)?)?)?;
    let zero = scalar_like(a, 0.0)?;
    ops::select(&ops::equal(b, &zero)?, &zero, &slope)
}

/// `aᵇ·ln a`, zero where `a` is zero and `b` is not negative.
fn power_by_exponent(a: &Array, _: &Array, y: &Array) -> Result<Array> {
    let zero = scalar_like(a, 0.0)?;
    let is_zero = ops::equal(a, &zero)?;
    let base = ops::select(&is_zero, &scalar_like(a, 1.0)?, a)?;
    ops::select(&is_zero, &zero, &(y * &ops::log(&base)?)?)
}

fn squared_length(a: &Array, b: &Array) -> Result<Array> {
    ops::square(a)? + &ops::square(b)?
}

/// `where` is linear in both values.
pub(super) fn select() -> Derivative {
    Derivative::Linear(|site, cotangent| {
        let condition = &site.inputs[0];
        let zero = scalar_like(cotangent, 0.0)?;
        let on_true = site.wanted[1]
            .then(|| ops::select(condition, cotangent, &zero))
            .transpose()?;
        let on_false = site.wanted[2]
            .then(|| ops::select(condition, &zero, cotangent))
            .transpose()?;
        Ok(vec![None, on_true, on_false])
    })
}
