//! Neighbours in memory make one result: rows are folded in registers.

use super::Reducer;
use super::kinds::Reduction;
use super::loops::{Loops, Walk};
use crate::kernels::shared::{Aligned, Shared};
use crate::simd::fold::{BRIEF, Cascade, PIECE, RUN, fold_brief_rows, fold_parts, fold_rows};
use crate::simd::{Isa, Kernel, vectorised};
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Elements for which a thread is worth its while.
const GRAIN: usize = 64 << 10;
/// Terms of a result beyond which they are cut into parts.
const PART: usize = 16 * PIECE;
/// Elements that are brought together at a time where they lie apart.
const GATHERED: usize = 1024;
/// The most elements of short rows that a program makes at a time.
const MADE: usize = 4096;
/// The most bytes that these may take: a part of the first cache.
const MADE_BYTES: usize = 16 << 10;
/// Runs of neighbours that are worth folding in place.
const LONG: usize = 64;

/// Whether neighbours are folded where they lie.
pub(super) fn is_in_place(loops: &Loops) -> bool {
    let (shape, strides) = (&loops.reduced, &loops.reduced_strides);
    let inner = shape.len() - 1;
    strides[inner] == 1 && (shape[inner] >= LONG || inner == 0)
}

impl<F: Reduction> Reducer<'_, F> {
    pub(super) fn along(&self, isa: Isa) -> Result<()> {
        let (results, terms) = (self.loops.results(), self.loops.terms());
        if terms <= PART {
            let grain = (GRAIN / terms.max(1)).max(1);
            parallel::for_each_range(results, grain, |start, end| {
                let rows = Rows {
                    reducer: self,
                    rows: start..end,
                    terms: 0..terms,
                    partial: None,
                };
                self.rows(isa, rows);
            });
            return Ok(());
        }
        self.along_in_parts(isa, results, terms)
    }

    fn rows(&self, isa: Isa, rows: Rows<'_, F>) {
        let inner = self.loops.reduced[self.loops.reduced.len() - 1];
        let whole = |term: usize| term.is_multiple_of(inner);
        let runs = match self.loops.reduced.len() {
            1 => true,
            2 => inner <= PIECE && whole(rows.terms.start) && whole(rows.terms.end),
            _ => false,
        };
        if runs && is_in_place(self.loops) && self.source.aligned && self.source.is_plain() {
            if self.are_rows_brief() {
                vectorised(isa, Brief(rows));
            } else {
                vectorised(isa, InPlace(rows));
            }
        } else if !self.source.is_plain()
            && self.are_rows_in_order()
            && 2 * inner <= made::<F::In>()
        {
            vectorised(isa, Made(rows));
        } else {
            vectorised(isa, rows);
        }
    }

    /// Whether rows follow one another without gaps, as do their results.
    fn are_rows_in_order(&self) -> bool {
        let (loops, terms) = (self.loops, self.loops.terms() as isize);
        let [kept] = *loops.kept else { return false };
        kept.stride == terms && kept.step == 1 && loops.reduced_strides[..] == [1]
    }

    /// Whether rows follow one another without gaps, so short that all of them are folded at once.
    fn are_rows_brief(&self) -> bool {
        let (loops, terms) = (self.loops, self.loops.terms());
        let innermost = loops.kept[loops.kept.len() - 1];
        let in_order = loops.reduced_strides[..] == [1] && innermost.stride == terms as isize;
        in_order && is_brief::<F>(terms)
    }

    /// Folds parts of each row in parallel, then the parts.
    fn along_in_parts(&self, isa: Isa, results: usize, terms: usize) -> Result<()> {
        let parts = terms.div_ceil(PART);
        let partial = Buffer::allocate(self.name, results * parts * size_of::<F::Acc>())?;
        let partials = Shared(partial.host_ptr()?.as_ptr().cast::<F::Acc>());
        parallel::for_each(results * parts, |task| {
            let (row, part) = (task / parts, task % parts);
            let rows = Rows {
                reducer: self,
                rows: row..row + 1,
                terms: part * PART..terms.min((part + 1) * PART),
                partial: Some(partials.pointer().wrapping_add(task)),
            };
            self.rows(isa, rows);
        });
        let loops = self.loops;
        let mut walk = Walk::new(&loops.kept, 0, loops.start, loops.result_start);
        for row in 0..results {
            let mut cascade = Cascade::new(F::default());
            for part in 0..parts {
                // SAFETY: written above
                cascade.push(unsafe { partials.pointer().add(row * parts + part).read() });
            }
            // SAFETY: the place is that of a result
            unsafe {
                self.result
                    .offset(walk.result)
                    .write(F::finish(cascade.finish()))
            };
            walk.advance();
        }
        Ok(())
    }

    /// The value of the terms of the row that starts at `place`.
    #[inline(always)]
    fn row(&self, place: isize, terms: Range<usize>) -> F::Acc {
        let (shape, strides) = (&self.loops.reduced, &self.loops.reduced_strides);
        let inner = shape[shape.len() - 1];
        let in_place = self.source.aligned && is_in_place(self.loops);
        let fold = F::default();
        let mut cascade = Cascade::new(fold);
        let mut room = Aligned([const { MaybeUninit::<F::In>::uninit() }; RUN]);
        let room = room.0.as_mut_ptr();
        let mut start = terms.start;
        while start < terms.end {
            let left = terms.end - start;
            let (from, count) = if in_place {
                let run = place + self.term_place(start);
                (run, left.min(inner - start % inner))
            } else {
                let count = left.min(GATHERED);
                let layout = (&**shape, &**strides);
                // SAFETY: there is room for `GATHERED` elements; the terms lie in the operand
                unsafe { self.source.gather(place, layout, start, count, room.cast()) };
                (0, count)
            };
            let value = fold_parts(fold, count, |first, count| {
                if in_place {
                    // SAFETY: so many neighbours in the operand, aligned; at most `RUN`
                    unsafe { self.neighbours(from + first as isize, count, room) }
                } else {
                    // SAFETY: just gathered
                    unsafe { std::slice::from_raw_parts(room.add(first).cast(), count) }
                }
            });
            if count == terms.len() {
                return value;
            }
            cascade.push(value);
            start += count;
        }
        cascade.finish()
    }

    /// Where term number `term` lies from the start of its row.
    pub(super) fn term_place(&self, mut term: usize) -> isize {
        let mut place = 0;
        let loops = self.loops.reduced.iter().zip(&self.loops.reduced_strides);
        for (&size, &stride) in loops.rev() {
            place += (term % size) as isize * stride;
            term /= size;
        }
        place
    }
}

/// Some terms of some rows.
struct Rows<'a, F: Reduction> {
    reducer: &'a Reducer<'a, F>,
    rows: Range<usize>,
    terms: Range<usize>,
    /// Where the value of the only row goes, if it is a part of one.
    partial: Option<*mut F::Acc>,
}

impl<F: Reduction> Rows<'_, F> {
    #[inline(always)]
    fn write(&self, place: isize, value: F::Acc) {
        match self.partial {
            // SAFETY: there is one place a task
            Some(partial) => unsafe { partial.write(value) },
            // SAFETY: the place is that of a result, which no other task has
            None => unsafe { self.reducer.result.offset(place).write(F::finish(value)) },
        }
    }
}

impl<F: Reduction> Kernel for Rows<'_, F> {
    type Output = ();

    const WIDE: bool = F::WIDE;

    #[inline(always)]
    fn run(self) {
        let (reducer, start) = (self.reducer, self.rows.start);
        let loops = reducer.loops;
        let mut walk = Walk::new(&loops.kept, start, loops.start, loops.result_start);
        for _ in self.rows.clone() {
            self.write(walk.result, reducer.row(walk.place, self.terms.clone()));
            walk.advance();
        }
    }
}

/// Rows that lie in order, or in runs at even distances. Alone in their loop, they stay in registers.
struct InPlace<'a, F: Reduction>(Rows<'a, F>);

/// How many elements of short rows a program makes at a time.
const fn made<T>() -> usize {
    let fitting = MADE_BYTES / size_of::<T>();
    if fitting < MADE { fitting } else { MADE }
}

/// Bytes of the accumulators of the longest row that is brief.
const BRIEF_BYTES: usize = 16;

/// Whether rows are so short that all of them are folded at once: where any order gives the same
/// bits, and accumulators are small.
const fn is_brief<F: Reduction>(terms: usize) -> bool {
    let (size, small) = (size_of::<F::Acc>(), size_of::<F::Acc>() <= 2);
    !F::WIDE && small && 1 < terms && terms <= BRIEF && terms * size <= BRIEF_BYTES
}

/// Short rows in order, which a program makes several at a time.
struct Made<'a, F: Reduction>(Rows<'a, F>);

impl<F: Reduction> Kernel for Made<'_, F> {
    type Output = ();

    const WIDE: bool = F::WIDE;

    #[inline(always)]
    fn run(self) {
        let reducer = self.0.reducer;
        let (loops, terms) = (reducer.loops, reducer.loops.terms());
        let mut room = Aligned([const { MaybeUninit::<F::In>::uninit() }; MADE]);
        let room = room.0.as_mut_ptr();
        let Range { mut start, end } = self.0.rows;
        while start < end {
            let count = (made::<F::In>() / terms).min(end - start);
            let place = loops.start + (start * terms) as isize;
            // SAFETY: the rows lie in the operand, and there is room for them
            let made = unsafe { reducer.neighbours(place, count * terms, room) };
            let row = |number: usize| &made[number * terms..][..terms];
            let first = loops.result_start + start as isize;
            let put = |number: usize, value| self.0.write(first + number as isize, value);
            if is_brief::<F>(terms) {
                fold_brief_rows(F::default(), terms, made, put);
            } else {
                fold_rows(F::default(), (terms, !F::WIDE), count, row, put);
            }
            start += count;
        }
    }
}

/// Very short rows that follow one another without gaps.
struct Brief<'a, F: Reduction>(Rows<'a, F>);

impl<F: Reduction> Kernel for Brief<'_, F> {
    type Output = ();

    const WIDE: bool = F::WIDE;

    #[inline(always)]
    fn run(self) {
        let reducer = self.0.reducer;
        let (loops, terms) = (reducer.loops, reducer.loops.terms());
        let operand = reducer.source.pointer.cast::<F::In>();
        let (outer, innermost) = loops.kept.split_at(loops.kept.len() - 1);
        let Range { mut start, end } = self.0.rows;
        let (size, step) = (innermost[0].size, innermost[0].step);
        let mut walk = Walk::new(outer, start / size, loops.start, loops.result_start);
        while start < end {
            let column = start % size;
            let count = (size - column).min(end - start);
            let from = operand.wrapping_offset(walk.place + (column * terms) as isize);
            // SAFETY: so many rows without gaps in the operand, aligned
            let rows = unsafe { std::slice::from_raw_parts(from, count * terms) };
            fold_brief_rows(F::default(), terms, rows, |number, value| {
                let place = walk.result + (column + number) as isize * step;
                self.0.write(place, value);
            });
            start += count;
            walk.advance();
        }
    }
}

/// Runs of neighbours, each as long as a piece at most.
struct Runs {
    /// Place of the first.
    place: isize,
    stride: isize,
    count: usize,
    length: usize,
}

impl<F: Reduction> InPlace<'_, F> {
    /// Whether a row is a batch of runs; else neighbouring rows are one.
    #[inline(always)]
    fn several(&self) -> bool {
        self.0.reducer.loops.reduced.len() > 1 || self.0.terms.len() > PIECE
    }

    /// Of the row that a walk has come to: all of its runs, the last of which may be shorter.
    #[inline(always)]
    fn of_row(&self, place: isize) -> [Runs; 2] {
        let (loops, terms) = (self.0.reducer.loops, &self.0.terms);
        let (place, stride, length) = match loops.reduced.len() {
            1 => (place + terms.start as isize, PIECE as isize, PIECE),
            _ => {
                let (inner, stride) = (loops.reduced[1], loops.reduced_strides[0]);
                (
                    place + (terms.start / inner) as isize * stride,
                    stride,
                    inner,
                )
            }
        };
        let (count, rest) = (terms.len() / length, terms.len() % length);
        let runs = |place, count, length| Runs {
            place,
            stride,
            count,
            length,
        };
        let last = place + count as isize * stride;
        [
            runs(place, count, length),
            runs(last, usize::from(rest > 0), rest),
        ]
    }

    /// Of as many neighbouring rows as lie at even distances, each one run.
    #[inline(always)]
    fn of_rows(&self, place: isize, stride: isize, count: usize) -> [Runs; 2] {
        let (terms, length) = (&self.0.terms, self.0.terms.len());
        let runs = |count| Runs {
            place: place + terms.start as isize,
            stride,
            count,
            length,
        };
        [runs(count), runs(0)]
    }
}

impl<F: Reduction> Kernel for InPlace<'_, F> {
    type Output = ();

    const WIDE: bool = F::WIDE;

    #[inline(always)]
    fn run(self) {
        let (reducer, several) = (self.0.reducer, self.several());
        let loops = reducer.loops;
        let operand = reducer.source.pointer.cast::<F::In>();
        let outer = loops.kept.len() - usize::from(!several);
        let (outer, inner) = loops.kept.split_at(outer);
        let inner = inner.first().copied();
        let (size, stride, step) = inner.map_or((1, 0, 0), |it| (it.size, it.stride, it.step));
        let Range { mut start, end } = self.0.rows;
        let (first, place) = (start / size, loops.start);
        let mut walk = Walk::new(outer, first, place, loops.result_start);
        while start < end {
            let column = (start % size) as isize;
            let count = (size - column as usize).min(end - start);
            let batches = match several {
                true => self.of_row(walk.place),
                false => self.of_rows(walk.place + column * stride, stride, count),
            };
            let mut cascade = Cascade::new(F::default());
            for runs in batches {
                let row = |number: usize| {
                    let place = runs.place + number as isize * runs.stride;
                    let from = operand.wrapping_offset(place);
                    // SAFETY: so many neighbours in the operand, aligned
                    unsafe { std::slice::from_raw_parts(from, runs.length) }
                };
                let (fold, length) = (F::default(), (runs.length, !F::WIDE));
                fold_rows(fold, length, runs.count, row, |number, value| {
                    if several {
                        return cascade.push(value);
                    }
                    let place = walk.result + (column + number as isize) * step;
                    self.0.write(place, value);
                });
            }
            if several {
                self.0.write(walk.result, cascade.finish());
            }
            start += if several { 1 } else { count };
            walk.advance();
        }
    }
}
