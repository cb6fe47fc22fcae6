//! Neighbours in memory belong to neighbouring results: rows are folded into an accumulator for
//! each column.
//!
//! Where rows are short and follow each other, several make one *line* as long as a good vector
//! loop; the columns of a result are joined at the end, as are those of a run
//! ([`Loops::run`]).

use super::Reducer;
use super::kinds::Reduction;
use super::loops::{Axis, Loops, Walk};
use super::windows;
use crate::kernels::shared::{Aligned, Shared};
use crate::simd::fold::{GROUP, fold_columns, fold_few_rows, fold_group, fold_row};
use crate::simd::{Isa, Kernel, vectorised};
use mlx_oxide_ir::Result;
use mlx_oxide_ir::layout::Strides;
use mlx_oxide_runtime::{Buffer, parallel};
use smallvec::SmallVec;
use std::mem::MaybeUninit;
use std::ops::Range;

/// The most columns of a tile: accumulators that stay in the first cache.
const TILE: usize = 4096;
/// Columns of a line made of several rows.
const LINE: usize = 1024;
/// Columns from which on a row is worth a loop of its own where rows do not follow each other.
const ALONE: usize = 16;
/// Lines that are folded one after the other; such parts are joined in pairs.
const PART: usize = 128;
/// Elements that are made or brought together at a time: a line, or columns of a group of lines.
const ROOM: usize = 2 * TILE;
/// Elements for which a thread is worth its while.
const GRAIN: usize = 64 << 10;

/// How the work is cut: by outer loops, tiles of columns and parts of lines.
pub(super) struct Cut<'a> {
    outer: &'a [Axis],
    columns: Axis,
    outers: usize,
    tiles: usize,
    parts: usize,
    /// Rows of a line.
    rows: usize,
    lines: usize,
    /// The most columns of a tile, whole runs.
    tile: usize,
    /// Neighbouring columns that make one result.
    run: usize,
    /// Accumulators of a tile.
    width: usize,
    /// The reduced loops, then one over columns, for lines that are brought together.
    shape: SmallVec<[usize; 4]>,
    strides: Strides,
    /// Whether lines are read in place.
    pub(super) in_place: bool,
    /// Whether lines follow each other without gaps.
    in_order: bool,
    /// Whether results are those of windows.
    windows: bool,
}

impl<'a> Cut<'a> {
    /// Of elements that may lie at multiples of their width.
    pub(super) fn new(loops: &'a Loops, aligned: bool) -> Self {
        let (outer, columns) = loops.kept.split_at(loops.kept.len() - 1);
        let (columns, terms) = (columns[0], loops.terms());
        let in_order = loops.reduced.len() == 1
            && (loops.reduced_strides[0] == columns.size as isize || terms == 1);
        let apart = !in_order && columns.stride == 1 && columns.size >= ALONE;
        let windows = windows::are_in(loops);
        let alone = apart || windows || columns.size >= LINE / 2;
        let rows = if alone {
            1
        } else {
            (LINE / columns.size).min(terms).max(1)
        };
        let lines = terms.div_ceil(rows);
        let tile = TILE - TILE % loops.run;
        let (mut shape, mut strides) = (loops.reduced.clone(), loops.reduced_strides.clone());
        shape.push(columns.size);
        strides.push(columns.stride);
        Cut {
            outer,
            columns,
            outers: outer.iter().map(|axis| axis.size).product(),
            tiles: columns.size.div_ceil(tile),
            parts: lines.div_ceil(PART).max(1),
            rows,
            lines,
            tile,
            run: loops.run,
            width: (rows * columns.size).min(tile),
            shape,
            strides,
            in_place: aligned && columns.stride == 1 && (rows == 1 || in_order),
            in_order: in_order && columns.size <= TILE,
            windows,
        }
    }

    /// Where the result of a column lies, from that of the first one.
    fn step(&self, column: usize) -> isize {
        (column / self.run) as isize * self.columns.step
    }

    /// The columns of a tile.
    fn tile(&self, tile: usize) -> Range<usize> {
        tile * self.tile..self.columns.size.min((tile + 1) * self.tile)
    }
}

impl<F: Reduction> Reducer<'_, F> {
    pub(super) fn across(&self, isa: Isa) -> Result<()> {
        let cut = &Cut::new(self.loops, self.source.aligned);
        if cut.windows && self.source.aligned && (self.source.is_plain() || cut.in_order) {
            self.windows(isa);
            return Ok(());
        }
        let tiles = cut.outers * cut.tiles;
        let parts = |numbers: Range<usize>, partial| Parts {
            reducer: self,
            cut,
            numbers,
            partial,
        };
        let grain = GRAIN / (cut.lines.min(PART) * cut.width).max(1);
        if cut.parts == 1 {
            parallel::for_each_range(tiles, grain, |start, end| {
                vectorised(isa, parts(start..end, None));
            });
            return Ok(());
        }
        let bytes = tiles * cut.parts * cut.width * size_of::<F::Acc>();
        let partial = Buffer::allocate(self.name, bytes)?;
        let partials = Shared(partial.host_ptr()?.as_ptr().cast::<MaybeUninit<F::Acc>>());
        parallel::for_each_range(tiles * cut.parts, grain, |start, end| {
            vectorised(isa, parts(start..end, Some(partials.pointer())));
        });
        let grain = GRAIN / (cut.parts * cut.width);
        parallel::for_each_range(tiles, grain, |start, end| {
            let joined = Joined {
                reducer: self,
                cut,
                tiles: start..end,
                partials: partials.pointer(),
            };
            vectorised(isa, joined);
        });
        Ok(())
    }

    /// Joins the rows of the lines and writes the results from place `result` on.
    #[inline(always)]
    fn finish(&self, cut: &Cut<'_>, result: isize, columns: &mut [F::Acc]) {
        let breadth = columns.len() / cut.rows;
        let mut step = 1;
        while step < cut.rows {
            for row in (0..cut.rows - step).step_by(2 * step) {
                let (low, high) = columns.split_at_mut((row + step) * breadth);
                let low = &mut low[row * breadth..][..breadth];
                fold_columns(F::default(), low, &high[..breadth]);
            }
            step *= 2;
        }
        let columns = match cut.run {
            1 => &columns[..breadth],
            run => joined(F::default(), &mut columns[..breadth], run),
        };
        let (to, breadth) = (self.result.wrapping_offset(result), columns.len());
        if cut.columns.step == 1 {
            // SAFETY: the results of a tile, which no other task has
            let to = unsafe { std::slice::from_raw_parts_mut(to.cast(), breadth) };
            for (result, value) in to.iter_mut().zip(columns) {
                *result = MaybeUninit::new(F::finish(*value));
            }
            return;
        }
        for (column, value) in columns.iter().enumerate() {
            let place = column as isize * cut.columns.step;
            // SAFETY: the place is that of a result, which no other task has
            unsafe { to.offset(place).write(F::finish(*value)) };
        }
    }
}

/// The values of runs of so many columns, in the first places.
#[inline(always)]
fn joined<F: Reduction>(fold: F, columns: &mut [F::Acc], run: usize) -> &[F::Acc] {
    let count = columns.len() / run;
    for number in 0..count {
        let terms = &mut columns[number * run..][..run];
        let mut width = run;
        while width > 1 {
            let half = width.div_ceil(2);
            let (low, high) = terms[..width].split_at_mut(half);
            fold_columns(fold, low, high);
            width = half;
        }
        columns[number] = columns[number * run];
    }
    &columns[..count]
}

/// Parts of tiles to be folded.
struct Parts<'a, F: Reduction> {
    reducer: &'a Reducer<'a, F>,
    cut: &'a Cut<'a>,
    /// Of all parts of the first tile, then of the second one, and so on.
    numbers: Range<usize>,
    /// Where the accumulators of all parts go, if tiles have several.
    partial: Option<*mut MaybeUninit<F::Acc>>,
}

impl<F: Reduction> Kernel for Parts<'_, F> {
    type Output = ();

    const WIDE: bool = F::WIDE;

    #[inline(always)]
    fn run(self) {
        let (cut, loops) = (self.cut, self.reducer.loops);
        let (mut tile, mut part) = (
            self.numbers.start / cut.parts,
            self.numbers.start % cut.parts,
        );
        let outer = tile / cut.tiles;
        let mut walk = Walk::new(cut.outer, outer, loops.start, loops.result_start);
        tile %= cut.tiles;
        let mut own = [const { MaybeUninit::uninit() }; TILE];
        let mut room = Aligned([const { MaybeUninit::uninit() }; ROOM]);
        for number in self.numbers.clone() {
            let columns = cut.tile(tile);
            let first = columns.start as isize;
            let from = match self.partial {
                Some(partial) => partial.wrapping_add(number * cut.width),
                None => own.as_mut_ptr(),
            };
            let count = columns.len() * cut.rows;
            // SAFETY: parts lie apart, and each is in one task's hands
            let accumulators = unsafe { std::slice::from_raw_parts_mut(from, count) };
            accumulators.fill(MaybeUninit::new(F::default().identity()));
            // SAFETY: just filled
            let accumulators = unsafe { accumulators.assume_init_mut() };
            let lines = Lines {
                reducer: self.reducer,
                cut,
                place: walk.place + first * cut.columns.stride,
                lines: part * PART..cut.lines.min((part + 1) * PART),
                breadth: columns.len(),
                columns: &mut *accumulators,
            };
            lines.fold(&mut room);
            if self.partial.is_none() {
                let result = walk.result + cut.step(columns.start);
                self.reducer.finish(cut, result, accumulators);
            }
            part += 1;
            if part == cut.parts {
                (part, tile) = (0, tile + 1);
            }
            if tile == cut.tiles {
                tile = 0;
                walk.advance();
            }
        }
    }
}

/// Tiles whose parts are to be joined.
struct Joined<'a, F: Reduction> {
    reducer: &'a Reducer<'a, F>,
    cut: &'a Cut<'a>,
    tiles: Range<usize>,
    partials: *mut MaybeUninit<F::Acc>,
}

impl<F: Reduction> Kernel for Joined<'_, F> {
    type Output = ();

    const WIDE: bool = F::WIDE;

    #[inline(always)]
    fn run(self) {
        let (cut, start) = (self.cut, self.reducer.loops.result_start);
        for number in self.tiles {
            let tile = cut.tile(number % cut.tiles);
            let from = self.partials.wrapping_add(number * cut.parts * cut.width);
            let width = tile.len() * cut.rows;
            let part = |number: usize| {
                let from = from.wrapping_add(number * cut.width).cast::<F::Acc>();
                // SAFETY: all parts have been written, and those of a tile are this task's
                unsafe { std::slice::from_raw_parts_mut(from, width) }
            };
            let mut step = 1;
            while step < cut.parts {
                for number in (0..cut.parts - step).step_by(2 * step) {
                    fold_columns(F::default(), part(number), part(number + step));
                }
                step *= 2;
            }
            let walk = Walk::new(cut.outer, number / cut.tiles, 0, start);
            let result = walk.result + cut.step(tile.start);
            self.reducer.finish(cut, result, part(0));
        }
    }
}

/// Elements brought together.
type Room<F> = Aligned<[MaybeUninit<F>; ROOM]>;

/// Lines to be folded into columns.
struct Lines<'a, F: Reduction> {
    reducer: &'a Reducer<'a, F>,
    cut: &'a Cut<'a>,
    /// Place of the first column of the first row.
    place: isize,
    lines: Range<usize>,
    /// Columns of a row.
    breadth: usize,
    columns: &'a mut [F::Acc],
}

impl<F: Reduction> Lines<'_, F> {
    /// Number of the first row of a line, and how many elements it has.
    #[inline(always)]
    fn extent(&self, line: usize) -> (usize, usize) {
        let first = line * self.cut.rows;
        let rows = self.cut.rows.min(self.reducer.loops.terms() - first);
        (first, rows * self.breadth)
    }

    /// Some elements of a line that lies in order, from a column on, made in `room` if they are not
    /// in memory.
    #[inline(always)]
    fn in_place<'l>(
        &self,
        line: usize,
        column: usize,
        count: usize,
        room: *mut MaybeUninit<F::In>,
    ) -> &'l [F::In] {
        let (first, _) = self.extent(line);
        let place = self.place + self.reducer.term_place(first) + column as isize;
        // SAFETY: a line lies in the operand, aligned; there is room for `GROUP` pieces of one
        unsafe { self.reducer.neighbours(place, count, room) }
    }

    /// The same columns of at most [`GROUP`] lines, `whole` if all columns.
    #[inline(always)]
    fn group<'l>(
        &self,
        lines: Range<usize>,
        column: usize,
        (count, whole): (usize, bool),
        room: *mut MaybeUninit<F::In>,
    ) -> [&'l [F::In]; GROUP] {
        let mut group: [&[F::In]; GROUP] = [&[]; GROUP];
        let existing = &mut group[..lines.len()];
        if self.cut.in_order && whole {
            let all = self.in_place(lines.start, 0, existing.len() * count, room);
            for (line, elements) in existing.iter_mut().zip(all.chunks_exact(count.max(1))) {
                *line = elements;
            }
            return group;
        }
        for (line, elements) in existing.iter_mut().enumerate() {
            let room = room.wrapping_add(line * count);
            *elements = self.in_place(lines.start + line, column, count, room);
        }
        group
    }

    /// A line, brought together in `line`.
    #[inline(always)]
    fn gathered<'l>(&self, number: usize, room: &'l mut Room<F::In>) -> &'l [F::In] {
        let (first, count) = self.extent(number);
        let mut shape = self.cut.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = self.breadth;
        }
        let (layout, start) = ((&*shape, &*self.cut.strides), first * self.breadth);
        let (source, to) = (&self.reducer.source, room.0.as_mut_ptr().cast());
        // SAFETY: a line has at most `TILE` elements and lies in the operand
        unsafe { source.gather(self.place, layout, start, count, to) };
        // SAFETY: just written
        unsafe { room.0[..count].assume_init_ref() }
    }

    #[inline(always)]
    fn fold(mut self, room: &mut Room<F::In>) {
        let fold = F::default();
        let columns = std::mem::take(&mut self.columns);
        let Range { mut start, end } = self.lines;
        // what is made is to stay in the first cache until it is folded
        let breadth = match self.reducer.source.is_plain() {
            true => columns.len(),
            false => columns.len().min(ROOM / GROUP),
        };
        // the last line may be shorter
        let whole = match end.checked_sub(1).map(|last| self.extent(last).1) {
            Some(count) if count < columns.len() => end - 1,
            _ => end,
        };
        while self.cut.in_place && start < whole {
            let lines = start..whole.min(start + GROUP);
            let (mut column, whole) = (0, breadth == columns.len());
            for columns in columns.chunks_mut(breadth) {
                let count = (columns.len(), whole);
                let rows = self.group(lines.clone(), column, count, room.0.as_mut_ptr());
                match lines.len() {
                    GROUP => fold_group(fold, columns, rows),
                    few => fold_few_rows(fold, columns, &rows[..few]),
                }
                column += columns.len();
            }
            start = lines.end;
        }
        for number in start..end {
            let line = if self.cut.in_place {
                let (_, count) = self.extent(number);
                self.in_place(number, 0, count, room.0.as_mut_ptr())
            } else {
                self.gathered(number, room)
            };
            fold_row(fold, columns, line);
        }
    }
}
