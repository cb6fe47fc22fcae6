//! `max + ln Σ e^(x - max)`, in single precision for 16-bit floats.

use super::kinds::{Max, Sum};
use crate::kernels::declined;
use crate::kernels::rows::{EachRow, Rows, fetching};
use crate::kernels::shared::Shared;
use crate::simd::Isa;
use crate::simd::element::Element;
use crate::simd::float::Float;
use crate::simd::fold::{Cascade, PIECE, fold_slice};
use crate::with_float;
use mlx_oxide_ir::{Dtype, Reduce, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored};
use smallvec::smallvec;
use std::mem::MaybeUninit;

pub(super) fn run(op: &Reduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let dtype = call.inputs[0].dtype;
    with_float!(dtype, T => of::<T>(op, call, isa), Err(declined(call)))
}

fn of<T: Element<Wide: Float>>(op: &Reduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let output = &call.outputs[0];
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    let rows = Rows::new(&call.inputs[0], &op.axes)?;
    let results = Shared(buffer.host_ptr()?.as_ptr().cast::<T>());
    let extra = rows.length.min(PIECE) * size_of::<T::Wide>();
    rows.vectorised::<T>(isa, extra, &LogSumExp { results });
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

struct LogSumExp<T> {
    results: Shared<T>,
}

impl<T: Element<Wide: Float>> EachRow<T> for LogSumExp<T> {
    #[inline(always)]
    fn row(&self, number: usize, row: &[T], scratch: *mut u8) {
        let room = row.len().min(PIECE);
        // SAFETY: the scratch memory is that long, aligned, and this task's own
        let powers = unsafe { std::slice::from_raw_parts_mut(scratch.cast(), room) };
        let value = T::narrow(log_sum_exp(row, powers));
        // SAFETY: there is one result a row
        unsafe { self.results.pointer().add(number).write(value) };
    }
}

/// The value of a row, with room for the powers of a piece of it.
#[inline(always)]
fn log_sum_exp<T: Element<Wide: Float>>(row: &[T], powers: &mut [MaybeUninit<T::Wide>]) -> T::Wide {
    let greatest = fold_slice(Max::<T>::default(), row);
    if !greatest.is_finite() {
        return greatest; // differences from it would be NaN
    }
    let mut cascade = Cascade::new(Sum::<T::Wide>::default());
    for piece in row.chunks(PIECE) {
        let powers = &mut powers[..piece.len()];
        fetching(piece, |chunk, first| {
            for (power, element) in powers[first..].iter_mut().zip(chunk) {
                power.write((element.wide() - greatest).exp_below());
            }
        });
        // SAFETY: there is a power for every element of the piece
        let powers = unsafe { powers.assume_init_ref() };
        cascade.push(fold_slice(Sum::<T::Wide>::default(), powers));
    }
    greatest + cascade.finish().log()
}
