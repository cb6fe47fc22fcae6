//! Cumulative operations.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops;
use mlx_oxide_ir::{Binary, Op, Result, Scan, ScanKind};

pub(super) fn derivative(scan: &Scan) -> Derivative {
    match scan.kind {
        ScanKind::Sum => Derivative::Linear(|site, cotangent| {
            let Op::Scan(scan) = site.op else {
                return Ok(vec![None]);
            };
            Ok(vec![Some(reversed_sum(scan, cotangent)?)])
        }),
        ScanKind::Prod | ScanKind::Max | ScanKind::Min | ScanKind::LogAddExp => {
            Derivative::General { jvp, vjp }
        }
    }
}

/// The transpose of a cumulative sum: one in the other direction.
fn reversed_sum(scan: &Scan, cotangent: &Array) -> Result<Array> {
    let op = Scan {
        kind: ScanKind::Sum,
        reverse: !scan.reverse,
        ..*scan
    };
    Array::apply(Op::Scan(op), &[cotangent])
}

/// The square matrices of `∂yᵢ/∂xⱼ` along the axis, which is moved last: shape `(…, n, n)`.
///
/// A scan along an axis of `n` takes `n²` partial derivatives here; products and extremes have no
/// cheaper form that is right at zeros and ties in both modes and again differentiable.
fn jacobian(scan: &Scan, site: &Site<'_>) -> Result<Array> {
    let axis = scan.axis as i64;
    let x = ops::moveaxis(&site.inputs[0], axis, -1)?;
    let y = ops::moveaxis(&site.outputs[0], axis, -1)?;
    let size = site.inputs[0].shape()[scan.axis];
    let reached = reached(scan, size)?;
    let row = ops::expand_dims(&x, &[-2])?;
    let result = ops::expand_dims(&y, &[-1])?;
    let zero = ops::unary::scalar_like(&x, 0.0)?;
    match scan.kind {
        ScanKind::LogAddExp => {
            let slopes = ops::exp(&ops::subtract(&row, &result)?)?;
            ops::select(&reached, &slopes, &zero)
        }
        ScanKind::Max | ScanKind::Min => first_attained(scan, &row, &result, &reached),
        ScanKind::Prod => {
            // the product of all reached elements but j
            let one = ops::unary::scalar_like(&x, 1.0)?;
            let eye = ops::identity(size, mlx_oxide_ir::Dtype::Bool)?;
            let others = ops::logical_and(
                &ops::expand_dims(&reached, &[-1])?,
                &ops::logical_not(&ops::expand_dims(&eye, &[0])?)?,
            )?;
            let factors = ops::select(&others, &ops::expand_dims(&row, &[-3])?, &one)?;
            let products = ops::prod(&ops::swapaxes(&factors, -1, -2)?, Some(&[-1]), false)?;
            ops::select(&reached, &products, &zero)
        }
        ScanKind::Sum => ops::astype(&reached, x.dtype()),
    }
}

/// Whether element `j` takes part in result `i`.
fn reached(scan: &Scan, size: usize) -> Result<Array> {
    let places = ops::arange(0.0, size as f64, 1.0, mlx_oxide_ir::Dtype::Int64)?;
    let result = ops::expand_dims(&places, &[1])?;
    let element = ops::expand_dims(&places, &[0])?;
    let compare = match (scan.reverse, scan.inclusive) {
        (false, true) => Binary::LessEqual,
        (false, false) => Binary::Less,
        (true, true) => Binary::GreaterEqual,
        (true, false) => Binary::Greater,
    };
    ops::binary::apply(compare, &element, &result)
}

/// One for the first reached element, in the scan's direction, that attains the extreme.
fn first_attained(scan: &Scan, row: &Array, result: &Array, reached: &Array) -> Result<Array> {
    let attained = ops::logical_and(&ops::equal(row, result)?, reached)?;
    let count = ops::cumsum(
        &ops::astype(&attained, mlx_oxide_ir::Dtype::Int32)?,
        Some(-1),
        scan.reverse,
        true,
    )?;
    let first = ops::equal(&count, &Array::scalar(1i32)?)?;
    ops::astype(&ops::logical_and(&attained, &first)?, row.dtype())
}

fn jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    let (Op::Scan(scan), Some(tangent)) = (site.op, &tangents[0]) else {
        return ops::zeros_like(&site.outputs[0]);
    };
    let moved = ops::expand_dims(&ops::moveaxis(tangent, scan.axis as i64, -1)?, &[-2])?;
    let product = ops::sum(
        &ops::multiply(&jacobian(scan, site)?, &moved)?,
        Some(&[-1]),
        false,
    )?;
    ops::moveaxis(&product, -1, scan.axis as i64)
}

fn vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Scan(scan) = site.op else {
        return Ok(vec![None]);
    };
    let moved = ops::expand_dims(&ops::moveaxis(cotangent, scan.axis as i64, -1)?, &[-1])?;
    let jacobian = ops::conjugate(&jacobian(scan, site)?)?;
    let product = ops::sum(&ops::multiply(&jacobian, &moved)?, Some(&[-2]), false)?;
    Ok(vec![Some(ops::moveaxis(&product, -1, scan.axis as i64)?)])
}
