//! Scans of rows whose results lie in order.
//!
//! One step waits for the one before, so a row is cut into segments that are accumulated side by
//! side and then joined.

use super::kinds::Running;
use crate::kernels::fused::Halves;
use crate::kernels::rows::{EachRow, Rows, TOGETHER};
use crate::kernels::shared::Shared;
use crate::simd::{Isa, stream};
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
    let length = rows.length;
    let written = rows.count * length * size_of::<F::Out>();
    let single = size_of::<F::Acc>() == size_of::<f32>();
    let scanned = Scanned::<F> {
        results: Shared(results.cast()),
        halves: Halves::of(operand.dtype, isa).filter(|_| single),
        room: length.clamp(TOGETHER, CHUNK),
        streamed: length * size_of::<F::Out>() >= LONG && stream::pays(written, written),
        reverse: op.reverse,
        inclusive: op.inclusive,
    };
    let bytes = scanned.room * (size_of::<F::Acc>() + size_of::<F::Out>());
    rows.vectorised::<F::In>(isa, bytes, &scanned);
    Ok(())
}

/// How rows are scanned, and where to.
struct Scanned<F: Running> {
    results: Shared<MaybeUninit<F::Out>>,
    /// How elements become accumulators and these results, if those are 16-bit floats and these of
    /// single precision.
    halves: Option<Halves>,
    /// Elements of scratch memory of each kind.
    room: usize,
    streamed: bool,
    reverse: bool,
    inclusive: bool,
}

impl<F: Running> EachRow<F::In> for Scanned<F> {
    #[inline(always)]
    fn row(&self, number: usize, row: &[F::In], scratch: *mut u8) {
        self.rows(number, row, row.len(), scratch);
    }

    #[inline(always)]
    fn rows(&self, first: usize, rows: &[F::In], length: usize, scratch: *mut u8) {
        let from = self.results.pointer().wrapping_add(first * length);
        // SAFETY: the output has as many rows of this length, these only this task's
        let output = unsafe { std::slice::from_raw_parts_mut(from, rows.len()) };
        let room = self.room;
        let values = scratch.cast::<MaybeUninit<F::Acc>>();
        let tile = values.wrapping_add(room).cast();
        // SAFETY: the scratch memory is that long, aligned, and this task's own; accumulators are
        // at least as aligned as results
        let tile = unsafe { std::slice::from_raw_parts_mut(tile, room) };
        // SAFETY: as above
        let values = unsafe { std::slice::from_raw_parts_mut(values, room) };
        if length < SEGMENTS * LEAST {
            return self.short((rows, length), output, values);
        }
        let tile = self.streamed.then_some(tile);
        let mut scratch = Scratch { values, tile };
        let outputs = output.chunks_mut(length);
        for (row, output) in rows.chunks(length).zip(outputs) {
            self.long(row, output, &mut scratch);
        }
    }
}

/// Memory of a task.
struct Scratch<'a, F: Running> {
    values: &'a mut [MaybeUninit<F::Acc>],
    /// Where results are made if they pass by the caches.
    tile: Option<&'a mut [MaybeUninit<F::Out>]>,
}

impl<F: Running> Scanned<F> {
    /// Rows that are not worth cutting.
    #[inline(always)]
    fn short(
        &self,
        (rows, length): (&[F::In], usize),
        output: &mut [MaybeUninit<F::Out>],
        values: &mut [MaybeUninit<F::Acc>],
    ) {
        let (fold, length) = (F::default(), length.max(1));
        if let Some(halves) = &self.halves
            && !self.reverse
            && self.inclusive
        {
            let values = halves.widened(&mut values[..rows.len()], rows);
            for row in values.chunks_mut(length) {
                in_turn(fold, row, fold.identity());
            }
            return halves.narrowed(output, values);
        }
        let rows = rows.chunks(length).zip(output.chunks_mut(length));
        if !self.reverse && self.inclusive {
            // most are so, and a choice for each element would take a quarter of the time
            for (row, output) in rows {
                let mut total = fold.identity();
                for (element, result) in row.iter().zip(output) {
                    total = fold.combine(total, fold.lift(*element));
                    result.write(F::store(total));
                }
            }
            return;
        }
        for (row, output) in rows {
            let mut total = fold.identity();
            let mut step = |element: &F::In, result: &mut MaybeUninit<F::Out>| {
                let next = fold.combine(total, fold.lift(*element));
                result.write(F::store(if self.inclusive { next } else { total }));
                total = next;
            };
            let pairs = row.iter().zip(output);
            match self.reverse {
                true => pairs
                    .rev()
                    .for_each(|(element, result)| step(element, result)),
                false => pairs.for_each(|(element, result)| step(element, result)),
            }
        }
    }

    #[inline(always)]
    fn long(&self, row: &[F::In], whole: &mut [MaybeUninit<F::Out>], scratch: &mut Scratch<'_, F>) {
        let fold = F::default();
        let length = row.len();
        let mut before = fold.identity();
        let mut done = 0;
        while done < length {
            let count = CHUNK.min(length - done);
            let start = if self.reverse {
                length - done - count
            } else {
                done
            };
            let values = &mut scratch.values[..count];
            let source = &row[start..start + count];
            let output = match &mut scratch.tile {
                Some(tile) => &mut tile[..count],
                None => &mut whole[start..start + count],
            };
            let values = match &self.halves {
                Some(halves) if !self.reverse => halves.widened(values, source),
                _ if self.reverse => lifted(fold, values, source.iter().rev()),
                _ => lifted(fold, values, source.iter()),
            };
            let last = accumulate(fold, values, before);
            match &self.halves {
                Some(halves) if !self.reverse && self.inclusive => {
                    halves.narrowed(output, values);
                }
                _ if self.reverse => {
                    store::<F>(output.iter_mut().rev(), values, before, self.inclusive);
                }
                _ => store::<F>(output.iter_mut(), values, before, self.inclusive),
            }
            before = last;
            done += count;
            if let Some(tile) = &scratch.tile {
                let to = whole[start..].as_mut_ptr().cast();
                let bytes = count * size_of::<F::Out>();
                // SAFETY: the tile has just been filled; the place has room for as many
                unsafe { stream::copy(to, tile.as_ptr().cast(), bytes) };
            }
        }
        if scratch.tile.is_some() {
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
