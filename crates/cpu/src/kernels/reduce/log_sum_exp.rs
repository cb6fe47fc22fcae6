//! `max + ln Σ e^(x - max)`, in single precision for 16-bit floats.

use super::kinds::{Max, Sum};
use crate::kernels::declined;
use crate::kernels::fused::Halves;
use crate::kernels::rows::{EachRow, Rows, SHORT, TOGETHER, fetching};
use crate::kernels::shared::Shared;
use crate::simd::Isa;
use crate::simd::float::{Float, Wide};
use crate::simd::fold::{Cascade, Fold, PIECE, RUN, fold_parts, fold_rows, fold_slice};
use crate::with_float;
use mlx_oxide_ir::{Dtype, Reduce, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored};
use smallvec::smallvec;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

pub(super) fn run(op: &Reduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let dtype = call.inputs[0].dtype;
    with_float!(dtype, T => of::<Wide<T>>(op, call, isa), Err(declined(call)))
}

fn of<T: Float>(op: &Reduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let (output, dtype) = (&call.outputs[0], call.inputs[0].dtype);
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    let rows = Rows::new(&call.inputs[0], &op.axes)?;
    let room = rows.length.clamp(TOGETHER, PIECE);
    let results = Shared(buffer.host_ptr()?.as_ptr());
    if let Some(halves) = Halves::of(dtype, isa).filter(|_| T::SERVES_HALVES) {
        let each = Widened {
            results,
            halves,
            kind: PhantomData::<T>,
        };
        rows.vectorised::<u16>(isa, (room + RUN) * size_of::<T>(), &each);
    } else {
        let kind = PhantomData::<T>;
        let each = LogSumExp { results, kind };
        rows.vectorised::<T>(isa, room * size_of::<T>(), &each);
    }
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

struct LogSumExp<T> {
    results: Shared<u8>,
    kind: PhantomData<T>,
}

impl<T: Float> EachRow<T> for LogSumExp<T> {
    #[inline(always)]
    fn row(&self, number: usize, row: &[T], scratch: *mut u8) {
        self.rows(number, row, row.len(), scratch);
    }

    #[inline(always)]
    fn rows(&self, first: usize, rows: &[T], length: usize, scratch: *mut u8) {
        let size = rows.len().min(PIECE);
        // SAFETY: the scratch memory has that room, aligned, and is this task's own
        let powers = unsafe { room(scratch.cast(), size) };
        let count = rows.len().checked_div(length).unwrap_or(1);
        // SAFETY: there is one result a row, those of these rows only this task's
        let results = unsafe { room(self.results.element::<T>(first), count) };
        if length <= SHORT {
            return short_rows(rows, length, powers, results);
        }
        let value = log_sum_exp(length, powers, |start, count| &rows[start..start + count]);
        results[0].write(value);
    }
}

/// Rows of 16-bit floats, a part of which at a time becomes a vector in the cache.
struct Widened<T> {
    results: Shared<u8>,
    halves: Halves,
    kind: PhantomData<T>,
}

impl<T: Float> EachRow<u16> for Widened<T> {
    #[inline(always)]
    fn row(&self, number: usize, row: &[u16], scratch: *mut u8) {
        self.rows(number, row, row.len(), scratch);
    }

    #[inline(always)]
    fn rows(&self, first: usize, rows: &[u16], length: usize, scratch: *mut u8) {
        let values = scratch.cast::<T>();
        let size = rows.len().min(PIECE);
        // SAFETY: the scratch memory has that room, aligned, and is this task's own
        let powers = unsafe { room(values.wrapping_add(RUN), size) };
        let part = |start: usize, count: usize| {
            // SAFETY: there is room for `RUN` values, and those of the part before are done with
            let values = unsafe { room(values, count) };
            &*self.halves.widened(values, &rows[start..start + count])
        };
        let count = rows.len().checked_div(length).unwrap_or(1);
        let mut results = [MaybeUninit::uninit(); TOGETHER];
        if length <= SHORT {
            short_rows(part(0, rows.len()), length, powers, &mut results[..count]);
        } else {
            results[0].write(log_sum_exp(length, powers, part));
        }
        // SAFETY: there is one result a row, just written
        let values = unsafe { results[..count].assume_init_ref() };
        // SAFETY: there is one result a row, those of these rows only this task's
        let to = unsafe { room(self.results.element::<u16>(first), count) };
        self.halves.narrowed(to, values);
    }
}

/// The values of rows of at most [`SHORT`] elements, at most [`TOGETHER`] in all, with room for the
/// powers of all: these are made in one loop, as are the logarithms.
#[inline(always)]
fn short_rows<T: Float>(
    elements: &[T],
    length: usize,
    powers: &mut [MaybeUninit<T>],
    results: &mut [MaybeUninit<T>],
) {
    let count = results.len();
    let mut greatest = [T::ZERO; TOGETHER];
    let each = (length, count);
    fold_each(Max::<T>::default(), each, elements, |number, value| {
        greatest[number] = value;
    });
    for (number, greatest) in greatest[..count].iter().enumerate() {
        let row = number * length..(number + 1) * length;
        let differences = powers[row.clone()].iter_mut();
        for (difference, element) in differences.zip(&elements[row]) {
            difference.write(*element - *greatest);
        }
    }
    // SAFETY: just written
    let powers = unsafe { powers[..elements.len()].assume_init_mut() };
    for power in powers.iter_mut() {
        *power = power.exp_below();
    }
    fold_each(Sum::<T>::default(), each, powers, |number, value| {
        results[number].write(value);
    });
    // SAFETY: just written
    let results = unsafe { results.assume_init_mut() };
    for (result, greatest) in results.iter_mut().zip(&greatest) {
        let value = *greatest + result.log();
        *result = if greatest.is_finite() {
            value
        } else {
            *greatest
        };
    }
}

/// Elements of a row from which on the last steps of several are worth taking together.
const LONG: usize = 24;

/// Calls `put(number, value)` for so many rows of so many elements, which follow one another.
#[inline(always)]
fn fold_each<F: Fold>(
    fold: F,
    (length, count): (usize, usize),
    elements: &[F::In],
    mut put: impl FnMut(usize, F::Acc),
) {
    let row = |number: usize| &elements[number * length..(number + 1) * length];
    if length >= LONG {
        return fold_rows(fold, (length, false), count, row, put);
    }
    for number in 0..count {
        put(number, fold_slice(fold, row(number)));
    }
}

/// Memory of arbitrary content.
///
/// # Safety
/// It is valid for so many values, and nobody else uses it.
unsafe fn room<'a, T>(start: *mut T, count: usize) -> &'a mut [MaybeUninit<T>] {
    // SAFETY: the caller's promise
    unsafe { std::slice::from_raw_parts_mut(start.cast(), count) }
}

/// The value of `length` elements of which `part` gives at most [`RUN`] from a place on, with room
/// for the powers of a piece of them.
#[inline(always)]
fn log_sum_exp<'a, T: Float>(
    length: usize,
    powers: &mut [MaybeUninit<T>],
    mut part: impl FnMut(usize, usize) -> &'a [T],
) -> T {
    let greatest = fold_parts(Max::<T>::default(), length, &mut part);
    if !greatest.is_finite() {
        return greatest; // differences from it would be NaN
    }
    let mut cascade = Cascade::new(Sum::<T>::default());
    for start in (0..length).step_by(PIECE) {
        let powers = &mut powers[..PIECE.min(length - start)];
        for first in (0..powers.len()).step_by(RUN) {
            let powers = &mut powers[first..];
            let run = part(start + first, RUN.min(powers.len()));
            fetching(run, |chunk, first| {
                for (power, element) in powers[first..].iter_mut().zip(chunk) {
                    power.write((*element - greatest).exp_below());
                }
            });
        }
        // SAFETY: there is a power for every element of the piece
        let powers = unsafe { powers.assume_init_ref() };
        cascade.push(fold_slice(Sum::<T>::default(), powers));
    }
    greatest + cascade.finish().log()
}
