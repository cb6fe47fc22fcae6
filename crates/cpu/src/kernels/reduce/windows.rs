//! Few terms of each of many rows of results, neighbours in memory belonging to neighbouring
//! results: windows, as of pooling. The places of the terms are found once for all windows, and the
//! accumulators of some columns stay in registers.

use super::Reducer;
use super::kinds::Reduction;
use super::loops::{Axis, Loops, Walk};
use crate::kernels::shared::Aligned;
use crate::simd::fold::{Fold, fold_window};
use crate::simd::{Isa, Kernel, vectorised};
use mlx_oxide_runtime::parallel;
use smallvec::SmallVec;
use std::mem::MaybeUninit;
use std::ops::Range;

/// The most terms of a window.
const TERMS: usize = 128;
/// The most elements of a window: more are worth a loop for each term.
const ELEMENTS: usize = 6 << 10;
/// The most columns of a window.
const BREADTH: usize = 512;
/// Accumulators that become results at a time.
const ROOM: usize = 1024;
/// Elements for which a thread is worth its while.
const GRAIN: usize = 32 << 10;

/// Whether results are those of windows, or of one: how many there are decides nothing.
pub(super) fn are_in(loops: &Loops) -> bool {
    let columns = loops.kept[loops.kept.len() - 1];
    let (terms, breadth) = (loops.terms(), columns.size);
    let few = terms <= TERMS && breadth <= BREADTH && terms * breadth <= ELEMENTS;
    few && columns.stride == 1 && loops.run == 1
}

/// Whether windows have fewer columns than a loop over them would take at a time.
pub(super) fn are_narrow(loops: &Loops) -> bool {
    are_in(loops) && loops.kept[loops.kept.len() - 1].size < 8
}

impl<F: Reduction> Reducer<'_, F> {
    pub(super) fn windows(&self, isa: Isa) {
        let (terms, results) = (self.loops.terms(), self.loops.results());
        let places: SmallVec<[isize; 16]> = (0..terms).map(|term| self.term_place(term)).collect();
        let columns = self.loops.kept[self.loops.kept.len() - 1];
        let grain = GRAIN / (columns.size * terms).max(1);
        parallel::for_each_range(results / columns.size, grain.max(1), |start, end| {
            let windows = Windows {
                reducer: self,
                places: &places,
                columns,
                numbers: start..end,
            };
            vectorised(isa, windows);
        });
    }
}

/// Windows to be folded.
struct Windows<'a, F: Reduction> {
    reducer: &'a Reducer<'a, F>,
    /// Of the terms, from the first one on.
    places: &'a [isize],
    columns: Axis,
    numbers: Range<usize>,
}

impl<F: Reduction> Windows<'_, F> {
    /// Folds as many columns at a time as make `N` accumulators, from `column` on, into those from
    /// `to` on; the first that is left.
    #[inline(always)]
    fn columns<const N: usize>(
        &self,
        mut column: usize,
        from: *const F::In,
        to: *mut F::Acc,
    ) -> usize {
        while column + N <= self.columns.size {
            let row = |term: usize| {
                let row = from.wrapping_add(column).wrapping_offset(self.places[term]);
                // SAFETY: so many neighbours in the operand, aligned
                unsafe { &*row.cast::<[F::In; N]>() }
            };
            let values = fold_window(F::default(), self.places.len(), row);
            let to = to.wrapping_add(column).cast::<[F::Acc; N]>();
            // SAFETY: there is room for the accumulators of a window
            unsafe { to.write(values) };
            column += N;
        }
        column
    }

    /// Folds the window at `from` into accumulators from `to` on.
    #[inline(always)]
    fn window(&self, from: *const F::In, to: *mut F::Acc) {
        let column = match size_of::<F::Acc>() {
            1 => self.columns::<64>(0, from, to),
            2 => {
                let column = self.columns::<32>(0, from, to);
                self.columns::<16>(column, from, to)
            }
            3..=4 => self.columns::<16>(0, from, to),
            _ => self.columns::<8>(0, from, to),
        };
        let column = self.columns::<8>(column, from, to);
        self.columns::<1>(column, from, to);
    }

    /// Where neighbouring windows are, from place `place` on: in memory, or in `made` if a program
    /// makes them.
    #[inline(always)]
    fn first(&self, place: isize, count: usize, made: &mut Made<F>) -> *const F::In {
        let source = &self.reducer.source;
        if source.is_plain() {
            return source.pointer.cast::<F::In>().wrapping_offset(place);
        }
        let elements = count * self.places.len() * self.columns.size;
        // SAFETY: the windows lie in the operand without gaps, and there is room for them
        unsafe {
            self.reducer
                .neighbours(place, elements, made.0.as_mut_ptr())
        }
        .as_ptr()
    }

    /// How many windows are folded together.
    fn together(&self, windows: Axis) -> usize {
        let (size, elements) = (self.columns.size, self.places.len() * self.columns.size);
        match self.reducer.source.is_plain() {
            true => ROOM / size,
            false if windows.stride == elements as isize => (ROOM / size).min(ELEMENTS / elements),
            false => 1,
        }
    }

    /// Makes results of the accumulators of some windows, of which the first result is `to`.
    #[inline(always)]
    fn finish(&self, values: &[F::Acc], windows: Axis, to: *mut F::Out) {
        let Axis { size, step, .. } = self.columns;
        if (step, windows.step) == (1, size as isize) {
            // SAFETY: so many results, which no other task has
            let to = unsafe { std::slice::from_raw_parts_mut(to.cast(), values.len()) };
            for (result, value) in to.iter_mut().zip(values) {
                *result = MaybeUninit::new(F::finish(*value));
            }
            return;
        }
        for (number, values) in values.chunks(size).enumerate() {
            let to = to.wrapping_offset(number as isize * windows.step);
            for (column, value) in values.iter().enumerate() {
                let to = to.wrapping_offset(column as isize * step);
                // SAFETY: the place is that of a result, which no other task has
                unsafe { to.write(F::finish(*value)) };
            }
        }
    }
}

/// Windows that a program makes.
type Made<F> = Aligned<[MaybeUninit<<F as Fold>::In>; ELEMENTS]>;

impl<F: Reduction> Kernel for Windows<'_, F> {
    type Output = ();

    const WIDE: bool = F::WIDE;

    #[inline(always)]
    fn run(self) {
        let (loops, size) = (self.reducer.loops, self.columns.size);
        let only = Axis {
            size: 1,
            stride: 0,
            step: size as isize,
        };
        let (windows, outer) = match &loops.kept[..loops.kept.len() - 1] {
            [outer @ .., windows] => (*windows, outer),
            [] => (only, &[][..]),
        };
        let result = self.reducer.result;
        let mut made = Aligned([const { MaybeUninit::uninit() }; ELEMENTS]);
        let mut room = Aligned([const { MaybeUninit::<F::Acc>::uninit() }; ROOM]);
        let Range { mut start, end } = self.numbers;
        let (row, most) = (start / windows.size, self.together(windows));
        let mut walk = Walk::new(outer, row, loops.start, loops.result_start);
        while start < end {
            let first = start % windows.size;
            let count = most.min(windows.size - first).min(end - start);
            let place = walk.place + first as isize * windows.stride;
            let from = self.first(place, count, &mut made);
            let values = &mut room.0[..count * size];
            for (number, values) in values.chunks_exact_mut(size).enumerate() {
                let from = from.wrapping_offset(number as isize * windows.stride);
                self.window(from, values.as_mut_ptr().cast());
            }
            // SAFETY: just written
            let values = unsafe { values.assume_init_ref() };
            let place = walk.result + first as isize * windows.step;
            self.finish(values, windows, result.wrapping_offset(place));
            start += count;
            if first + count == windows.size {
                walk.advance();
            }
        }
    }
}
