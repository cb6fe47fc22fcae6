//! Scans of rows whose results lie in order.
//!
//! One step waits for the one before, so a row is cut into segments that are accumulated side by
//! side and then joined.

use super::kinds::Running;
use crate::kernels::rows::Rows;
use crate::kernels::shared::Shared;
use crate::simd::{Isa, Kernel, stream, vectorised};
use mlx_oxide_ir::{Result, Scan};
use mlx_oxide_runtime::Operand;
use std::mem::MaybeUninit;

/// Segments that are accumulated side by side.
const SEGMENTS: usize = 8;
/// Elements that are accumulated in the cache.
const CHUNK: usize = 4096;
/// Rows shorter than this, in bytes, are not worth passing by the caches.
const LONG: usize = 1024;
/// The least elements of a segment that are worth joining.
const LEAST: usize = 16;

pub(super) fn run<F: Running>(
    op: &Scan,
    operand: &Operand,
    results: *mut F::Out,
    isa: Isa,
) -> Result<()> {
    let rows = Rows::new(operand, &[op.axis])?;
    let results = Shared(results.cast::<MaybeUninit<F::Out>>());
    let length = rows.length;
    let room = CHUNK.min(length);
    let written = rows.count * length * size_of::<F::Out>();
    let streamed = length * size_of::<F::Out>() >= LONG && stream::pays(written, written);
    let bytes = room * (size_of::<F::Acc>() + size_of::<F::Out>());
    rows.for_each::<F::In>(bytes, |number, row, scratch| {
        let from = results.pointer().wrapping_add(number * length);
        // SAFETY: the output has as many rows of this length, this one only this task's
        let output = unsafe { std::slice::from_raw_parts_mut(from, length) };
        // SAFETY: the scratch memory is that long, aligned, and this task's own
        let values = unsafe { std::slice::from_raw_parts_mut(scratch.cast(), room) };
        let tile = scratch.wrapping_add(room * size_of::<F::Acc>());
        // SAFETY: as above; accumulators are at least as aligned as results
        let tile = unsafe { std::slice::from_raw_parts_mut(tile.cast(), room) };
        let (reverse, inclusive) = (op.reverse, op.inclusive);
        let row = Row::<F> {
            row,
            output,
            values,
            tile: streamed.then_some(tile),
            reverse,
            inclusive,
        };
        vectorised(isa, row);
    });
    Ok(())
}

struct Row<'a, F: Running> {
    row: &'a [F::In],
    output: &'a mut [MaybeUninit<F::Out>],
    values: &'a mut [MaybeUninit<F::Acc>],
    /// Where results are made if they pass by the caches.
    tile: Option<&'a mut [MaybeUninit<F::Out>]>,
    reverse: bool,
    inclusive: bool,
}

impl<F: Running> Kernel for Row<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let fold = F::default();
        let length = self.row.len();
        let mut before = fold.identity();
        let mut done = 0;
        while done < length {
            let count = CHUNK.min(length - done);
            let start = if self.reverse {
                length - done - count
            } else {
                done
            };
            let values = &mut self.values[..count];
            let source = &self.row[start..start + count];
            let output = match &mut self.tile {
                Some(tile) => &mut tile[..count],
                None => &mut self.output[start..start + count],
            };
            let values = if self.reverse {
                lifted(fold, values, source.iter().rev())
            } else {
                lifted(fold, values, source.iter())
            };
            let last = accumulate(fold, values, before);
            if self.reverse {
                store::<F>(output.iter_mut().rev(), values, before, self.inclusive);
            } else {
                store::<F>(output.iter_mut(), values, before, self.inclusive);
            }
            before = last;
            done += count;
            if let Some(tile) = &self.tile {
                let to = self.output[start..].as_mut_ptr().cast();
                let bytes = count * size_of::<F::Out>();
                // SAFETY: the tile has just been filled; the place has room for as many
                unsafe { stream::copy(to, tile.as_ptr().cast(), bytes) };
            }
        }
        if self.tile.is_some() {
            stream::settle();
        }
    }
}

/// Fills `values` with the values of as many elements.
#[inline(always)]
fn lifted<'v, 'e, F: Running<In: 'e>>(
    fold: F,
    values: &'v mut [MaybeUninit<F::Acc>],
    elements: impl ExactSizeIterator<Item = &'e F::In>,
) -> &'v mut [F::Acc] {
    debug_assert_eq!(values.len(), elements.len());
    for (value, element) in values.iter_mut().zip(elements) {
        value.write(fold.lift(*element));
    }
    // SAFETY: there are as many elements as values, and so all have been written
    unsafe { values.assume_init_mut() }
}

/// Stores each value, or each but the last behind the one `before`.
#[inline(always)]
fn store<'o, F: Running<Out: 'o>>(
    mut output: impl Iterator<Item = &'o mut MaybeUninit<F::Out>>,
    values: &[F::Acc],
    before: F::Acc,
    inclusive: bool,
) {
    let values = if inclusive {
        values
    } else {
        if let Some(first) = output.next() {
            first.write(F::store(before));
        }
        &values[..values.len() - 1]
    };
    for (result, value) in output.zip(values) {
        result.write(F::store(*value));
    }
}

/// Accumulates values in place behind the one `before`; the last.
#[inline(always)]
fn accumulate<F: Running>(fold: F, values: &mut [F::Acc], before: F::Acc) -> F::Acc {
    let segment = values.len() / SEGMENTS;
    if !F::JOINS || segment < LEAST {
        return in_turn(fold, values, before);
    }
    let (whole, rest) = values.split_at_mut(segment * SEGMENTS);
    side_by_side(fold, whole, segment);
    let mut total = before;
    for segment in whole.chunks_exact_mut(segment) {
        for value in segment.iter_mut() {
            *value = fold.combine(total, *value);
        }
        total = segment[segment.len() - 1];
    }
    in_turn(fold, rest, total)
}

#[inline(always)]
fn in_turn<F: Running>(fold: F, values: &mut [F::Acc], before: F::Acc) -> F::Acc {
    let mut total = before;
    for value in values {
        total = fold.combine(total, *value);
        *value = total;
    }
    total
}

/// Accumulates each segment by itself.
#[inline(always)]
fn side_by_side<F: Running>(fold: F, values: &mut [F::Acc], segment: usize) {
    let mut segments = values.chunks_exact_mut(segment);
    let segments: [&mut [F::Acc]; SEGMENTS] =
        std::array::from_fn(|_| segments.next().unwrap_or_default());
    let [a, b, c, d, e, f, g, h] = segments;
    let mut totals = [fold.identity(); SEGMENTS];
    let first = a.iter_mut().zip(b).zip(c).zip(d);
    let second = e.iter_mut().zip(f).zip(g).zip(h);
    for ((((a, b), c), d), (((e, f), g), h)) in first.zip(second) {
        for (total, value) in totals.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *total = fold.combine(*total, *value);
            *value = *total;
        }
    }
}
