//! Elements along some axes as rows that lie in order, whatever the layout.
//!
//! Rows that lie in order are read in place. Others are brought together, in blocks of rows that
//! are transposed at once where neighbours in memory belong to different rows.

use super::fused::scratch::with_scratch;
use crate::simd::turn::{self, Block, Target};
use crate::simd::{Isa, Kernel, stream, strided, vectorised};
use mlx_oxide_ir::Result;
use mlx_oxide_ir::layout::{Collapsed, Strides, collapse};
use mlx_oxide_runtime::{Operand, parallel};
use smallvec::SmallVec;

/// Rows of a block: two lines of the cache of 4-byte elements.
const BLOCK: usize = 32;
/// The most bytes of a block.
const BLOCK_BYTES: usize = 1 << 20;
/// Elements for which a thread is worth its while.
const GRAIN: usize = 32 << 10;
/// Tasks of a thread that share work evenly.
const TASKS: usize = 4;
/// Elements of a task that has no reason to be longer.
const LONG_GRAIN: usize = 512 << 10;

/// The rows of an operand, in the row-major order of the axes that they do not go along.
pub(crate) struct Rows {
    base: *const u8,
    width: usize,
    outer: Collapsed,
    inner: Collapsed,
    /// Whether rows lie in order.
    direct: bool,
    /// Rows that are brought together at a time.
    block: usize,
    /// Elements of a row.
    pub(crate) length: usize,
    /// How many rows there are.
    pub(crate) count: usize,
}

// SAFETY: it only reads
unsafe impl Sync for Rows {}

impl Rows {
    /// The rows along `axes`, sorted, of an operand.
    pub(crate) fn new(operand: &Operand, axes: &[usize]) -> Result<Self> {
        let layout = &operand.layout;
        let loops = |along: bool| {
            let chosen = (0..layout.shape.ndim()).filter(|axis| axes.contains(axis) == along);
            let (sizes, strides): (SmallVec<[usize; 4]>, Strides) = chosen
                .map(|axis| (layout.shape[axis], layout.strides[axis]))
                .unzip();
            collapse(&sizes, &[&strides])
        };
        let (outer, inner) = (loops(false), loops(true));
        let width = operand.dtype.size();
        let pointer = operand.buffer.host_ptr()?.as_ptr().cast_const();
        let length: usize = inner.shape.iter().product();
        let is_run = inner.shape.len() == 1 && (inner.strides[0][0] == 1 || length <= 1);
        let mut rows = Rows {
            base: pointer.wrapping_add(layout.offset * width),
            width,
            direct: is_run && (pointer as usize).is_multiple_of(width),
            block: 1,
            length,
            count: outer.shape.iter().product(),
            outer,
            inner,
        };
        if !rows.direct && rows.is_across() {
            rows.block = (BLOCK_BYTES / (length * width).max(1)).clamp(1, BLOCK);
        }
        Ok(rows)
    }

    /// Whether neighbours in memory belong to neighbouring rows.
    fn is_across(&self) -> bool {
        let stride = self.outer.strides[0][self.outer.shape.len() - 1];
        let one_loop = self.inner.shape.len() == 1;
        one_loop && stride != 0 && stride.abs() < self.inner.strides[0][0].abs()
    }

    /// The start of row number `row`.
    fn row(&self, mut row: usize) -> *const u8 {
        let mut place = 0;
        for (&size, &stride) in self.outer.shape.iter().zip(&self.outer.strides[0]).rev() {
            place += (row % size) as isize * stride;
            row /= size;
        }
        self.base.wrapping_offset(place * self.width as isize)
    }

    /// A part of a row, if rows lie in order.
    pub(crate) fn in_place<T>(&self, row: usize, start: usize, end: usize) -> Option<&[T]> {
        debug_assert!(size_of::<T>() == self.width && end <= self.length && row < self.count);
        let from = self.row(row).cast::<T>().wrapping_add(start);
        // SAFETY: the row lies in the operand in order, aligned
        self.direct
            .then(|| unsafe { std::slice::from_raw_parts(from, end - start) })
    }

    /// Calls `task(number, row, scratch)` for every row in parallel, with `extra` bytes of
    /// scratch memory of arbitrary content, aligned to a line of the cache.
    pub(crate) fn for_each<T>(&self, extra: usize, task: impl Fn(usize, &[T], *mut u8) + Sync) {
        self.runs(extra, |run: Run<T>, scratch| {
            for place in 0..run.count {
                task(run.first + place, run.row(place), scratch);
            }
        });
    }

    /// As [`Rows::for_each`], compiled for an instruction set with the loop over rows, which for
    /// short rows takes as long as what is done with them.
    pub(crate) fn vectorised<T>(&self, isa: Isa, extra: usize, each: &impl EachRow<T>) {
        self.runs(extra, |run: Run<T>, scratch| {
            let looped = Looped { run, each, scratch };
            vectorised(isa, looped);
        });
    }

    /// Whether rows lie in order.
    pub(crate) fn is_direct(&self) -> bool {
        self.direct
    }

    /// As [`Rows::vectorised`], of the parts of one row that lies in order, each of `most` elements
    /// or, the last of them, less; from the end of the row on if `backwards`. They are begun in
    /// order.
    pub(crate) fn pieces<T>(
        &self,
        (row, most, backwards): (usize, usize, bool),
        isa: Isa,
        extra: usize,
        each: &impl EachRow<T>,
    ) {
        debug_assert!(self.direct && size_of::<T>() == self.width);
        let length = self.length;
        parallel::for_each_range(length, most, |start, end| {
            let from = if backwards { length - end } else { start };
            let run = Run {
                first: start / most,
                count: 1,
                base: self.row(row).cast::<T>().wrapping_add(from),
                step: 0,
                length: end - start,
            };
            with_scratch(extra, |scratch| {
                vectorised(isa, Looped { run, each, scratch });
            });
        });
    }

    /// Rows of a task: many where all stays in the caches, as what the processor fetches ahead of it past
    /// its end is another's.
    fn grain(&self) -> usize {
        let (size, tasks) = (self.count * self.length, TASKS * parallel::threads());
        let elements = match stream::pays_in_order(size * self.width, size * self.width) {
            true => GRAIN,
            false => (size / tasks).clamp(GRAIN, LONG_GRAIN),
        };
        (elements / self.length.max(1)).max(1)
    }

    /// Calls `task` in parallel for runs of rows that are equally far apart.
    fn runs<T>(&self, extra: usize, task: impl Fn(Run<T>, *mut u8) + Sync) {
        debug_assert_eq!(size_of::<T>(), self.width);
        let grain = self.grain();
        let extra = extra.next_multiple_of(64);
        let last = self.outer.shape.len() - 1;
        let (innermost, step) = (self.outer.shape[last], self.outer.strides[0][last]);
        if self.direct {
            parallel::for_each_range(self.count, grain, |start, end| {
                with_scratch(extra, |scratch| {
                    let mut first = start;
                    while first < end {
                        let count = (end - first).min(innermost - first % innermost);
                        let base = self.row(first).cast();
                        let length = self.length;
                        task(
                            Run {
                                first,
                                count,
                                base,
                                step,
                                length,
                            },
                            scratch,
                        );
                        first += count;
                    }
                });
            });
            return;
        }
        let grain = grain.next_multiple_of(self.block);
        let bytes = self.block * self.length * self.width;
        parallel::for_each_range(self.count, grain, |start, end| {
            with_scratch(extra + bytes.max(1), |scratch| {
                let block = scratch.wrapping_add(extra);
                let mut first = start;
                while first < end {
                    let count = self.gather(block, first, end);
                    let (base, length) = (block.cast_const().cast(), self.length);
                    let step = length as isize;
                    task(
                        Run {
                            first,
                            count,
                            base,
                            step,
                            length,
                        },
                        scratch,
                    );
                    first += count;
                }
            });
        });
    }

    /// Brings rows together, from number `first` on, at most up to `end`; how many.
    fn gather(&self, block: *mut u8, first: usize, end: usize) -> usize {
        let innermost = self.outer.shape[self.outer.shape.len() - 1];
        let count = self
            .block
            .min(end - first)
            .min(innermost - first % innermost);
        let from = self.row(first);
        if count == 1 {
            let (shape, strides) = (&self.inner.shape, &self.inner.strides[0]);
            // SAFETY: there is room for the block; the row lies in the operand
            unsafe { strided::gather(block, from, self.width, shape, strides, 0, self.length) };
            return 1;
        }
        let transposed = Block {
            rows: count,
            columns: self.length,
            row_stride: self.outer.strides[0][self.outer.shape.len() - 1],
            column_stride: self.inner.strides[0][0],
        };
        let target = Target {
            start: block,
            pitch: self.length,
        };
        // SAFETY: there is room for the block; its rows lie in the operand
        unsafe { turn::transpose(target, from, self.width, transposed, Isa::best()) };
        count
    }
}

/// What is done with rows.
pub(crate) trait EachRow<T>: Sync {
    /// How many long rows of such a length are worked on together where they follow each other.
    #[inline(always)]
    fn abreast(&self, _length: usize) -> usize {
        1
    }

    /// Works on row `number`; must be `inline(always)`.
    fn row(&self, number: usize, row: &[T], scratch: *mut u8);

    /// Works on rows of so many elements, from number `first` on: one, or as many as [`TOGETHER`]
    /// elements make, or at most [`EachRow::abreast`]. Must be `inline(always)`.
    #[inline(always)]
    fn rows(&self, first: usize, rows: &[T], length: usize, scratch: *mut u8) {
        let count = rows.len().checked_div(length).unwrap_or(1);
        for place in 0..count {
            let row = &rows[place * length..(place + 1) * length];
            self.row(first + place, row, scratch);
        }
    }
}

/// Elements of short rows that are worked on together.
pub(crate) const TOGETHER: usize = 1024;
/// Elements of the longest row that is short.
pub(crate) const SHORT: usize = 128;

/// Rows that are equally far apart.
struct Run<T> {
    /// Number of the first.
    first: usize,
    count: usize,
    base: *const T,
    step: isize,
    length: usize,
}

impl<T> Run<T> {
    /// A row, counted from the first.
    #[inline(always)]
    fn row(&self, place: usize) -> &[T] {
        debug_assert!(place < self.count);
        let from = self.base.wrapping_offset(place as isize * self.step);
        // SAFETY: `Rows::runs` makes runs of rows that lie in order, aligned
        unsafe { std::slice::from_raw_parts(from, self.length) }
    }

    /// How many rows may be worked on together, of long ones so many.
    fn together(&self, abreast: usize) -> usize {
        match self.length {
            _ if self.step != self.length as isize => 1,
            0 => 1,
            1..=SHORT => TOGETHER / self.length,
            _ => abreast,
        }
    }
}

/// A run of rows and what is done with them.
struct Looped<'a, T, E> {
    run: Run<T>,
    each: &'a E,
    scratch: *mut u8,
}

impl<T, E: EachRow<T>> Kernel for Looped<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let run = &self.run;
        let together = run.together(self.each.abreast(run.length));
        for place in (0..run.count).step_by(together) {
            let from = run.row(place).as_ptr();
            let count = together.min(run.count - place) * run.length;
            // SAFETY: as of one row; those that are taken together have no gaps
            let rows = unsafe { std::slice::from_raw_parts(from, count) };
            let first = run.first + place;
            self.each.rows(first, rows, run.length, self.scratch);
        }
    }
}

/// Elements between two requests for what comes after them.
const CHUNK: usize = 256;

/// Fetches the row behind this one while `work(chunk, first)` is done on its chunks.
#[inline(always)]
pub(crate) fn fetching<T>(row: &[T], mut work: impl FnMut(&[T], usize)) {
    for (number, chunk) in row.chunks(CHUNK).enumerate() {
        fetch_behind(row, number * CHUNK, chunk.len());
        work(chunk, number * CHUNK);
    }
}

/// Fetches `count` elements of the row behind this one, from a place on.
#[inline(always)]
pub(crate) fn fetch_behind<T>(row: &[T], first: usize, count: usize) {
    fetch_far_behind(row, row.len() + first, count);
}

/// Fetches `count` elements from so many behind the start of this row on.
#[inline(always)]
pub(crate) fn fetch_far_behind<T>(row: &[T], distance: usize, count: usize) {
    let place = row.as_ptr().wrapping_add(distance);
    stream::fetch(place, count * size_of::<T>());
}
