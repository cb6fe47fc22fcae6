//! Scans of rows whose results lie in order.
//!
//! One step waits for the one before, so a row is cut into segments that are accumulated side by
//! side and then joined; where that is not the same, several rows are. A long row alone is cut into
//! blocks, each of which a thread accumulates before it waits for what comes before it.

use super::kinds::Running;
use super::relay::Relay;
use crate::kernels::fused::Halves;
use crate::kernels::rows::{EachRow, Rows, TOGETHER};
use crate::kernels::shared::Shared;
use crate::simd::{Isa, stream};
use mlx_oxide_ir::{Result, Scan};
use mlx_oxide_runtime::Operand;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Segments, or rows, that are accumulated side by side.
const SEGMENTS: usize = 8;
/// Elements that are accumulated in the cache.
const CHUNK: usize = 4096;
/// Rows shorter than this, in bytes, are not worth passing by the caches.
const LONG: usize = 1024;
/// The least elements of a segment that are worth joining.
const LEAST: usize = 16;
/// Chunks of a block: a part of one long row, which stays in the second cache.
const CHUNKS: usize = 16;

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
        relay: None,
    };
    let block = CHUNKS * CHUNK;
    if F::JOINS && rows.count < SEGMENTS && length >= 4 * block && rows.is_direct() {
        for row in 0..rows.count {
            let scanned = Scanned::<F> {
                results: Shared(results.wrapping_add(row * length).cast()),
                room: block,
                relay: Some(Relay::new(F::default().identity(), length)),
                ..scanned
            };
            let cut = (row, block, op.reverse);
            rows.pieces::<F::In>(cut, isa, scanned.bytes(), &scanned);
        }
        return Ok(());
    }
    rows.vectorised::<F::In>(isa, scanned.bytes(), &scanned);
    Ok(())
}

/// How rows are scanned, and where to.
struct Scanned<F: Running> {
    results: Shared<MaybeUninit<F::Out>>,
    /// How elements become accumulators and these results, if those are 16-bit floats and these of
    /// single precision.
    halves: Option<Halves>,
    /// Accumulators of scratch memory.
    room: usize,
    streamed: bool,
    reverse: bool,
    inclusive: bool,
    /// What the blocks of a row hand on, if rows are blocks of one.
    relay: Option<Relay<F::Acc>>,
}

impl<F: Running> EachRow<F::In> for Scanned<F> {
    #[inline(always)]
    fn abreast(&self, _length: usize) -> usize {
        if F::ABREAST { SEGMENTS } else { 1 }
    }

    #[inline(always)]
    fn row(&self, number: usize, row: &[F::In], scratch: *mut u8) {
        self.rows(number, row, row.len(), scratch);
    }

    #[inline(always)]
    fn rows(&self, first: usize, rows: &[F::In], length: usize, scratch: *mut u8) {
        let start = match &self.relay {
            Some(relay) => relay.start(first, (self.room, rows.len()), self.reverse),
            None => first * length,
        };
        let from = self.results.pointer().wrapping_add(start);
        // SAFETY: the output has as many rows of this length, these only this task's
        let output = unsafe { std::slice::from_raw_parts_mut(from, rows.len()) };
        let room = self.room;
        let values = scratch.cast::<MaybeUninit<F::Acc>>();
        let tile = values.wrapping_add(room).cast();
        // SAFETY: the scratch memory is that long, aligned, and this task's own; accumulators are
        // at least as aligned as results
        let tile = unsafe { std::slice::from_raw_parts_mut(tile, room.min(CHUNK)) };
        // SAFETY: as above
        let values = unsafe { std::slice::from_raw_parts_mut(values, room) };
        if length < SEGMENTS * LEAST && self.relay.is_none() {
            return self.short((rows, length), output, values);
        }
        let tile = self.streamed.then_some(tile);
        let mut scratch = Scratch { values, tile };
        if F::ABREAST && rows.len() == SEGMENTS * length {
            self.abreast(rows, output, &mut scratch);
        } else {
            let outputs = output.chunks_mut(length);
            for (row, output) in rows.chunks(length).zip(outputs) {
                match F::IN_TURN {
                    true => self.in_turn(first, row, output, &mut scratch),
                    false => self.long(first, row, output, &mut scratch),
                }
            }
        }
        if scratch.tile.is_some() {
            stream::settle();
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
    /// Bytes of a task's memory.
    fn bytes(&self) -> usize {
        self.room * size_of::<F::Acc>() + self.room.min(CHUNK) * size_of::<F::Out>()
    }

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
        if self.is_plain() {
            // most are so, and a choice for each row would take a tenth of the time
            return rows.for_each(|(row, output)| {
                forward(fold, row, output, fold.identity());
            });
        }
        for (row, output) in rows {
            self.steps(row, output, fold.identity());
        }
    }

    /// Whether each result is that of all elements up to its place.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        !self.reverse && self.inclusive
    }

    /// Accumulates elements one by one behind the value `before`; the last.
    #[inline(always)]
    fn steps(&self, row: &[F::In], output: &mut [MaybeUninit<F::Out>], before: F::Acc) -> F::Acc {
        let (fold, mut total) = (F::default(), before);
        if self.is_plain() {
            return forward(fold, row, output, before);
        }
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
        total
    }

    /// A row, or the block `number` of one, element by element.
    #[inline(always)]
    fn in_turn(
        &self,
        number: usize,
        row: &[F::In],
        whole: &mut [MaybeUninit<F::Out>],
        scratch: &mut Scratch<'_, F>,
    ) {
        let (fold, length) = (F::default(), row.len());
        let mut total = fold.identity();
        if let Some(relay) = &self.relay {
            let elements = row.iter().map(|element| fold.lift(*element));
            let sum = elements.fold(total, |sum, value| fold.combine(sum, value));
            total = relay.pass(number, |before| fold.combine(before, sum));
        }
        for first in (0..length).step_by(CHUNK) {
            let places = self.places(&(first..length.min(first + CHUNK)), length);
            let (source, whole) = (&row[places.clone()], &mut whole[places]);
            let Some(tile) = &mut scratch.tile else {
                total = self.steps(source, whole, total);
                continue;
            };
            let tile = &mut tile[..source.len()];
            total = self.steps(source, tile, total);
            let (to, bytes) = (whole.as_mut_ptr().cast(), size_of_val(whole));
            // SAFETY: the tile has just been filled; the place has room for as many
            unsafe { stream::copy(to, tile.as_ptr().cast(), bytes) };
        }
    }

    /// A row, or the block `number` of one.
    #[inline(always)]
    fn long(
        &self,
        number: usize,
        row: &[F::In],
        whole: &mut [MaybeUninit<F::Out>],
        scratch: &mut Scratch<'_, F>,
    ) {
        let fold = F::default();
        let length = row.len();
        let mut before = fold.identity();
        for done in (0..length).step_by(self.room) {
            let piece = done..length.min(done + self.room);
            let chunks = piece.clone().step_by(CHUNK);
            let chunks = chunks.map(|first| first..piece.end.min(first + CHUNK));
            for chunk in chunks.clone() {
                let (source, first) = (&row[self.places(&chunk, length)], chunk.start - done);
                let values = self.lifted(&mut scratch.values[first..][..chunk.len()], source);
                apart(fold, values);
            }
            // SAFETY: just written, chunk by chunk
            let values = unsafe { scratch.values[..piece.len()].assume_init_mut() };
            if let Some(relay) = &self.relay {
                let chunks = values.chunks(CHUNK);
                before = relay.pass(number, |before| {
                    chunks.fold(before, |before, values| carried(fold, values, before))
                });
            }
            for (chunk, values) in chunks.zip(values.chunks_mut(CHUNK)) {
                let last = join(fold, values, before);
                let output = &mut whole[self.places(&chunk, length)];
                self.stored(values, before, output, &mut scratch.tile);
                before = last;
            }
        }
    }

    /// As many rows as are accumulated side by side.
    #[inline(always)]
    fn abreast(
        &self,
        rows: &[F::In],
        whole: &mut [MaybeUninit<F::Out>],
        scratch: &mut Scratch<'_, F>,
    ) {
        let fold = F::default();
        let (length, most) = (rows.len() / SEGMENTS, self.room / SEGMENTS);
        let mut totals = [fold.identity(); SEGMENTS];
        for done in (0..length).step_by(most) {
            let chunk = done..length.min(done + most);
            let places = self.places(&chunk, length);
            let values = &mut scratch.values[..SEGMENTS * chunk.len()];
            for (values, row) in values.chunks_mut(chunk.len()).zip(rows.chunks(length)) {
                self.lifted(values, &row[places.clone()]);
            }
            // SAFETY: just written, row by row
            let values = unsafe { values.assume_init_mut() };
            let before = totals;
            side_by_side(fold, values, chunk.len(), &mut totals);
            let rows = values.chunks(chunk.len()).zip(whole.chunks_mut(length));
            for ((values, output), before) in rows.zip(before) {
                let output = &mut output[places.clone()];
                self.stored(values, before, output, &mut scratch.tile);
            }
        }
    }

    /// Where the elements lie that come at some places of the order of accumulating.
    #[inline(always)]
    fn places(&self, chunk: &Range<usize>, length: usize) -> Range<usize> {
        match self.reverse {
            true => length - chunk.end..length - chunk.start,
            false => chunk.clone(),
        }
    }

    /// The values of elements, in the order of accumulating.
    #[inline(always)]
    fn lifted<'v>(
        &self,
        values: &'v mut [MaybeUninit<F::Acc>],
        source: &[F::In],
    ) -> &'v mut [F::Acc] {
        let fold = F::default();
        match &self.halves {
            Some(halves) if !self.reverse => halves.widened(values, source),
            _ if self.reverse => lifted(fold, values, source.iter().rev()),
            _ => lifted(fold, values, source.iter()),
        }
    }

    /// Makes the results of accumulated values behind the one `before`.
    #[inline(always)]
    fn stored(
        &self,
        values: &[F::Acc],
        before: F::Acc,
        whole: &mut [MaybeUninit<F::Out>],
        tile: &mut Option<&mut [MaybeUninit<F::Out>]>,
    ) {
        let (to, bytes) = (whole.as_mut_ptr().cast(), size_of_val(whole));
        let output = match tile {
            Some(tile) => &mut tile[..values.len()],
            None => whole,
        };
        match &self.halves {
            Some(halves) if !self.reverse && self.inclusive => halves.narrowed(output, values),
            _ if self.reverse => {
                store::<F>(output.iter_mut().rev(), values, before, self.inclusive);
            }
            _ => store::<F>(output.iter_mut(), values, before, self.inclusive),
        }
        if let Some(tile) = tile {
            // SAFETY: the tile has just been filled; the place has room for as many
            unsafe { stream::copy(to, tile.as_ptr().cast(), bytes) };
        }
    }
}

/// Accumulates elements one by one behind the value `before`, each with a result; the last.
#[inline(always)]
fn forward<F: Running>(
    fold: F,
    row: &[F::In],
    output: &mut [MaybeUninit<F::Out>],
    before: F::Acc,
) -> F::Acc {
    let mut total = before;
    for (element, result) in row.iter().zip(output) {
        total = fold.combine(total, fold.lift(*element));
        result.write(F::store(total));
    }
    total
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

/// Elements of a segment of so many values; 0 if those are not cut.
#[inline(always)]
fn segment<F: Running>(values: usize) -> usize {
    match values / SEGMENTS {
        segment if F::JOINS && segment >= LEAST => segment,
        _ => 0,
    }
}

/// Accumulates each segment of values by itself.
#[inline(always)]
fn apart<F: Running>(fold: F, values: &mut [F::Acc]) {
    let segment = segment::<F>(values.len());
    if segment > 0 {
        let whole = &mut values[..segment * SEGMENTS];
        side_by_side(fold, whole, segment, &mut [fold.identity(); SEGMENTS]);
    }
}

/// The last of values whose segments are accumulated, joined behind the one `before`.
#[inline(always)]
fn carried<F: Running>(fold: F, values: &[F::Acc], before: F::Acc) -> F::Acc {
    let segment = segment::<F>(values.len());
    let (whole, rest) = values.split_at(segment * SEGMENTS);
    let lasts = whole.iter().skip(segment.saturating_sub(1));
    let lasts = lasts.step_by(segment.max(1)).chain(rest);
    lasts.fold(before, |total, value| fold.combine(total, *value))
}

/// Joins values, whose segments are accumulated, behind the one `before`; the last.
#[inline(always)]
fn join<F: Running>(fold: F, values: &mut [F::Acc], before: F::Acc) -> F::Acc {
    let segment = segment::<F>(values.len());
    let (whole, rest) = values.split_at_mut(segment * SEGMENTS);
    let mut total = before;
    for segment in whole.chunks_exact_mut(segment.max(1)) {
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

/// Accumulates each segment by itself, behind its total.
#[inline(always)]
fn side_by_side<F: Running>(
    fold: F,
    values: &mut [F::Acc],
    segment: usize,
    result: &mut [F::Acc; SEGMENTS],
) {
    let mut segments = values.chunks_exact_mut(segment);
    let segments: [&mut [F::Acc]; SEGMENTS] =
        std::array::from_fn(|_| segments.next().unwrap_or_default());
    let [a, b, c, d, e, f, g, h] = segments;
    let mut totals = *result;
    let first = a.iter_mut().zip(b).zip(c).zip(d);
    let second = e.iter_mut().zip(f).zip(g).zip(h);
    for ((((a, b), c), d), (((e, f), g), h)) in first.zip(second) {
        for (total, value) in totals.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *total = fold.combine(*total, *value);
            *value = *total;
        }
    }
    *result = totals;
}
