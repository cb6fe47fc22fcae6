//! Functions of rows along the last axis: a row is widened, worked on in the cache, and narrowed.

use crate::kernels::rows::Rows;
use crate::kernels::shared::Shared;
use crate::simd::element::Element;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored};
use smallvec::smallvec;
use std::mem::MaybeUninit;

/// Calls `function(number, row, wide, output)` for every row along the last axis of the first input;
/// `wide` is as long as the row, of arbitrary content, and `output` is to be filled.
pub(super) fn for_each<T: Element>(
    call: &Call<'_>,
    function: impl Fn(usize, &[T], &mut [MaybeUninit<T::Wide>], &mut [MaybeUninit<T>]) + Sync,
) -> Result<Results> {
    let output = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let results = Shared(buffer.host_ptr()?.as_ptr().cast::<MaybeUninit<T>>());
    let operand = &call.inputs[0];
    let rows = Rows::new(operand, &[operand.layout.shape.ndim() - 1])?;
    let length = rows.length;
    rows.for_each::<T>(length * size_of::<T::Wide>(), |number, row, scratch| {
        // SAFETY: the scratch memory is that long, aligned, and this task's own
        let wide = unsafe { std::slice::from_raw_parts_mut(scratch.cast(), length) };
        let from = results.pointer().wrapping_add(number * length);
        // SAFETY: the output has as many rows of this length, this one only this task's
        let output = unsafe { std::slice::from_raw_parts_mut(from, length) };
        function(number, row, wide, output);
    });
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

/// A vector in the type that is computed in.
pub(super) fn vector<T: Element>(operand: &Operand) -> Result<Vec<T::Wide>> {
    let rows = Rows::new(operand, &[0])?;
    let mut vector = Vec::<T::Wide>::with_capacity(rows.length);
    let places = Shared(vector.as_mut_ptr());
    rows.for_each::<T>(0, |_, row, _| {
        for (place, element) in row.iter().enumerate() {
            // SAFETY: there is room for the one row
            unsafe { places.pointer().add(place).write(element.wide()) };
        }
    });
    // SAFETY: every element has been written
    unsafe { vector.set_len(rows.length) };
    Ok(vector)
}

/// Widens a row.
#[inline(always)]
pub(super) fn widen<'w, T: Element>(
    row: &[T],
    wide: &'w mut [MaybeUninit<T::Wide>],
) -> &'w mut [T::Wide] {
    for (wide, element) in wide.iter_mut().zip(row) {
        wide.write(element.wide());
    }
    debug_assert_eq!(wide.len(), row.len());
    // SAFETY: both are equally long, and so every element has been written
    unsafe { wide.assume_init_mut() }
}
