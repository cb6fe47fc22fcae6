//! Fourier transforms: the mapped axis is first, other axes move by one.

use super::Batched;
use crate::array::Array;
use mlx_oxide_ir::{Fft, Op, Result};

pub(super) fn batch(fft: &Fft, input: &Batched, size: usize) -> Result<Batched> {
    let array = input.with_axis_first(size)?;
    let moved = fft.over(fft.axes().iter().map(|axis| axis + 1).collect());
    Ok(Batched::first(Array::apply(Op::Fft(moved), &[&array])?))
}
