//! Cumulative operations.
//!
//! Along the axis, in the direction of the scan, results and tangents obey a recurrence:
//! `ẏᵢ = carryᵢ·ẏᵢ₋₁ + slopeᵢ·ẋᵢ`. Its transpose is `rᵢ = cᵢ + carryᵢ₊₁·rᵢ₊₁`, `x̄ᵢ = slopeᵢ·rᵢ`.
//! Neither divides, so both hold at zeros; each takes `n·log n` steps and is made of differentiable
//! operations.

use super::{Derivative, Optional};
use crate::array::{Array, Site};
use crate::ops::{self, unary::scalar_like};
use mlx_oxide_ir::{Op, Padding, Result, Scan, ScanKind};
use smallvec::{SmallVec, smallvec};

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

/// The coefficients of the recurrence.
struct Coefficients {
    carry: Array,
    slope: Array,
}

fn coefficients(scan: &Scan, x: &Array) -> Result<Coefficients> {
    let scanned = |inclusive| Array::apply(Op::Scan(Scan { inclusive, ..*scan }), &[x]);
    let before = scanned(false)?; // the result so far, without the element
    match scan.kind {
        ScanKind::LogAddExp => {
            let so_far = scanned(true)?;
            let carry = share(&before, &so_far)?;
            let slope = share(x, &so_far)?;
            Ok(Coefficients { carry, slope })
        }
        // the first of several equal extremes was there before the others
        ScanKind::Max | ScanKind::Min => {
            let exceeds = match scan.kind {
                ScanKind::Max => ops::greater(x, &before)?,
                _ => ops::less(x, &before)?,
            };
            let slope = ops::astype(&exceeds, x.dtype())?;
            let carry = ops::astype(&ops::logical_not(&exceeds)?, x.dtype())?;
            Ok(Coefficients { carry, slope })
        }
        ScanKind::Prod | ScanKind::Sum => Ok(Coefficients {
            carry: x.clone(),
            slope: before,
        }),
    }
}

/// `exp(part - whole)`, zero where the part is the logarithm of zero; there the difference must
/// not even be formed, or second derivatives would multiply infinities by zero.
fn share(part: &Array, whole: &Array) -> Result<Array> {
    let zero = scalar_like(part, 0.0)?;
    let is_something = ops::not_equal(part, &scalar_like(part, f64::NEG_INFINITY)?)?;
    let difference = ops::subtract(
        &ops::select(&is_something, part, &zero)?,
        &ops::select(&is_something, whole, &zero)?,
    )?;
    ops::select(&is_something, &ops::exp(&difference)?, &zero)
}

/// The array moved by `distance` elements along the axis, zeros following; forward moves element 0
/// to `distance`.
fn shifted(a: &Array, axis: usize, distance: usize, forward: bool) -> Result<Array> {
    let size = a.shape()[axis];
    let kept = size.saturating_sub(distance);
    let missing = size - kept;
    let (start, low, high) = match forward {
        true => (0, missing, 0),
        false => (missing, 0, missing),
    };
    let part = ops::slice_axis(a, axis, start, start + kept)?;
    let mut paddings: SmallVec<[Padding; 4]> = smallvec![Padding::default(); a.ndim()];
    paddings[axis].low = low;
    paddings[axis].high = high;
    ops::join::pad_interior(&part, paddings, &scalar_like(a, 0.0)?)
}

/// `yᵢ = termᵢ + carryᵢ·yᵢ₋₁`, by doubling the distance over which terms are carried (Hillis &
/// Steele 1986).
fn recurrence(carry: &Array, term: &Array, axis: usize, forward: bool) -> Result<Array> {
    let (mut carry, mut sum) = (carry.clone(), term.clone());
    let mut distance = 1;
    while distance < term.shape()[axis] {
        let carried = ops::multiply(&carry, &shifted(&sum, axis, distance, forward)?)?;
        sum = ops::add(&sum, &carried)?;
        carry = ops::multiply(&carry, &shifted(&carry, axis, distance, forward)?)?;
        distance *= 2;
    }
    Ok(sum)
}

fn jvp(site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Array> {
    let (Op::Scan(scan), Some(tangent)) = (site.op, &tangents[0]) else {
        return ops::zeros_like(&site.outputs[0]);
    };
    let Coefficients { carry, slope } = coefficients(scan, &site.inputs[0])?;
    let term = ops::multiply(&slope, tangent)?;
    let result = recurrence(&carry, &term, scan.axis, !scan.reverse)?;
    match scan.inclusive {
        true => Ok(result),
        false => shifted(&result, scan.axis, 1, !scan.reverse),
    }
}

fn vjp(site: &Site<'_>, cotangent: &Array) -> Result<Optional> {
    let Op::Scan(scan) = site.op else {
        return Ok(vec![None]);
    };
    let Coefficients { carry, slope } = coefficients(scan, &site.inputs[0])?;
    let cotangent = match scan.inclusive {
        true => cotangent.clone(),
        false => shifted(cotangent, scan.axis, 1, scan.reverse)?,
    };
    let carry = shifted(&ops::conjugate(&carry)?, scan.axis, 1, scan.reverse)?;
    let received = recurrence(&carry, &cotangent, scan.axis, scan.reverse)?;
    Ok(vec![Some(ops::multiply(
        &ops::conjugate(&slope)?,
        &received,
    )?)])
}
