//! Which frequency lies where in a spectrum.

use crate::array::Array;
use crate::ops::{self, view};
use mlx_oxide_ir::{Axes, Dtype, Error, Op, Result, Source, normalize_axis};

/// Checks that samples do not lie on one place.
fn spacing(op: &'static str, d: f64) -> Result<()> {
    if d != 0.0 {
        return Ok(());
    }
    Err(Error::InvalidArgument {
        op,
        argument: "d",
        value: d.to_string(),
        expected: "a distance other than zero",
    })
}

fn positive(op: &'static str, n: i64) -> Result<usize> {
    usize::try_from(n)
        .ok()
        .filter(|n| *n > 0)
        .ok_or(Error::InvalidArgument {
            op,
            argument: "n",
            value: n.to_string(),
            expected: "a positive number",
        })
}

/// `start·step, (start + 1)·step, …`
fn multiples(start: f64, count: usize, step: f64) -> Result<Array> {
    let source = Source::Arange {
        start: (start * step).into(),
        step: step.into(),
        count,
        dtype: Dtype::Float32,
    };
    Array::apply(Op::Source(source), &[])
}

/// The frequencies of the elements of a spectrum of `n`, in cycles for each unit of `d`, the
/// distance of samples: `0, 1, …, -2, -1` over `n·d`.
///
/// # Errors
/// `n` that is not positive; `d` of zero.
pub fn fftfreq(n: i64, d: f64) -> Result<Array> {
    let n = positive("fftfreq", n)?;
    spacing("fftfreq", d)?;
    let step = 1.0 / (n as f64 * d);
    let positives = n.div_ceil(2);
    let upper = multiples(0.0, positives, step)?;
    let lower = multiples(-((n / 2) as f64), n / 2, step)?;
    ops::concatenate(&[&upper, &lower], 0)
}

/// The frequencies of the elements of the spectrum of `n` real samples: `0, 1, …, n/2` over `n·d`.
///
/// # Errors
/// `n` that is not positive; `d` of zero.
pub fn rfftfreq(n: i64, d: f64) -> Result<Array> {
    let n = positive("rfftfreq", n)?;
    spacing("rfftfreq", d)?;
    multiples(0.0, n / 2 + 1, 1.0 / (n as f64 * d))
}

/// Turns each axis by as many places as `turn` says of its size.
fn turned(
    op: &'static str,
    a: &Array,
    axes: Option<&[i64]>,
    turn: fn(usize) -> usize,
) -> Result<Array> {
    let axes: Axes = match axes {
        Some(axes) => axes
            .iter()
            .map(|axis| normalize_axis(op, *axis, a.ndim()))
            .collect::<Result<_>>()?,
        None => (0..a.ndim()).collect(),
    };
    let mut result = a.clone();
    for axis in axes {
        let size = a.shape()[axis];
        let head = size - turn(size);
        let front = view::slice_axis(&result, axis, head, size)?;
        let back = view::slice_axis(&result, axis, 0, head)?;
        result = ops::concatenate(&[&front, &back], axis as i64)?;
    }
    Ok(result)
}

/// Frequency zero moved to the middle of the axes, or of all where none are given.
///
/// # Errors
/// An axis out of bounds.
pub fn fftshift(a: &Array, axes: Option<&[i64]>) -> Result<Array> {
    turned("fftshift", a, axes, |size| size / 2)
}

/// The inverse of [`fftshift`].
///
/// # Errors
/// An axis out of bounds.
pub fn ifftshift(a: &Array, axes: Option<&[i64]>) -> Result<Array> {
    turned("ifftshift", a, axes, |size| size.div_ceil(2))
}
