//! Neighbours in memory belong to neighbouring results: rows are folded into an accumulator for
//! each column.
//!
//! Where rows are short and follow each other, several make one *line* as long as a good vector
//! loop; the columns of a result are joined at the end.

use super::Reducer;
use super::kinds::Reduction;
use super::loops::{Axis, Loops, Walk};
use crate::kernels::shared::{Aligned, Shared};
use crate::simd::fold::{Cascade, GROUP, fold_columns, fold_group, fold_row};
use crate::simd::{Isa, Kernel, strided, vectorised};
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
    /// Accumulators of a tile.
    width: usize,
    /// The reduced loops, then one over columns, for lines that are brought together.
    shape: SmallVec<[usize; 4]>,
    strides: Strides,
    /// Whether lines are read in place.
    pub(super) in_place: bool,
    /// Whether lines follow each other without gaps.
    in_order: bool,
}

impl<'a> Cut<'a> {
    /// Of elements that may lie at multiples of their width.
    pub(super) fn new(loops: &'a Loops, aligned: bool) -> Self {
        let (outer, columns) = loops.kept.split_at(loops.kept.len() - 1);
        let columns = columns[0];
        let terms = loops.terms();
        let rows = match columns.size {
            size if size < LINE / 2 => (LINE / size).min(terms).max(1),
            _ => 1,
        };
        let lines = terms.div_ceil(rows);
        let in_order = loops.reduced.len() == 1
            && (loops.reduced_strides[0] == columns.size as isize || terms == 1);
        let (mut shape, mut strides) = (loops.reduced.clone(), loops.reduced_strides.clone());
        shape.push(columns.size);
        strides.push(columns.stride);
        Cut {
            outer,
            columns,
            outers: outer.iter().map(|axis| axis.size).product(),
            tiles: columns.size.div_ceil(TILE),
            parts: lines.div_ceil(PART).max(1),
            rows,
            lines,
            width: (rows * columns.size).min(TILE),
            shape,
            strides,
            in_place: aligned && columns.stride == 1 && (rows == 1 || in_order),
            in_order: in_order && columns.size <= TILE,
        }
    }

    /// The columns of a tile.
    fn tile(&self, tile: usize) -> Range<usize> {
        tile * TILE..self.columns.size.min((tile + 1) * TILE)
    }
}

impl<F: Reduction> Reducer<'_, F> {
    pub(super) fn across(&self, isa: Isa) -> Result<()> {
        let cut = &Cut::new(self.loops, self.aligned);
        let tiles = cut.outers * cut.tiles;
        let grain = GRAIN / (cut.lines.min(PART) * cut.width).max(1);
        if cut.parts == 1 {
            parallel::for_each_range(tiles, grain, |start, end| {
                let mut columns = [const { MaybeUninit::uninit() }; TILE];
                for tile in start..end {
                    let columns = self.lines(isa, cut, tile, 0, &mut columns);
                    self.write(cut, tile, columns);
                }
            });
            return Ok(());
        }
        let bytes = tiles * cut.parts * cut.width * size_of::<F::Acc>();
        let partial = Buffer::allocate(self.name, bytes)?;
        let partials = Shared(partial.host_ptr()?.as_ptr().cast::<MaybeUninit<F::Acc>>());
        let part = |number: usize| {
            let from = partials.pointer().wrapping_add(number * cut.width);
            // SAFETY: parts lie apart, and each is in one task's hands
            unsafe { std::slice::from_raw_parts_mut(from, cut.width) }
        };
        parallel::for_each_range(tiles * cut.parts, grain, |start, end| {
            for number in start..end {
                let (tile, part_of_tile) = (number / cut.parts, number % cut.parts);
                self.lines(isa, cut, tile, part_of_tile, part(number));
            }
        });
        let grain = GRAIN / (cut.parts * cut.width);
        parallel::for_each_range(tiles, grain, |start, end| {
            for tile in start..end {
                let width = cut.tile(tile % cut.tiles).len() * cut.rows;
                let first = tile * cut.parts;
                // SAFETY: written above
                let part = |number| unsafe { part(first + number)[..width].assume_init_mut() };
                let mut step = 1;
                while step < cut.parts {
                    for number in (0..cut.parts - step).step_by(2 * step) {
                        let (columns, others) = (part(number), &*part(number + step));
                        vectorised(isa, Join::<F> { columns, others });
                    }
                    step *= 2;
                }
                self.write(cut, tile, part(0));
            }
        });
        Ok(())
    }

    /// Folds a part of the lines of a tile.
    fn lines<'c>(
        &self,
        isa: Isa,
        cut: &Cut<'_>,
        number: usize,
        part: usize,
        columns: &'c mut [MaybeUninit<F::Acc>],
    ) -> &'c mut [F::Acc] {
        let tile = cut.tile(number % cut.tiles);
        let walk = Walk::new(cut.outer, number / cut.tiles, self.loops.start, 0);
        let columns = &mut columns[..tile.len() * cut.rows];
        columns.fill(MaybeUninit::new(F::default().identity()));
        // SAFETY: just filled
        let columns = unsafe { columns.assume_init_mut() };
        let place = walk.place + tile.start as isize * cut.columns.stride;
        let lines = part * PART..cut.lines.min((part + 1) * PART);
        vectorised(
            isa,
            Lines {
                reducer: self,
                cut,
                place,
                lines,
                breadth: tile.len(),
                columns: &mut *columns,
            },
        );
        columns
    }

    /// Joins the rows of the lines and writes the results.
    fn write(&self, cut: &Cut<'_>, number: usize, columns: &[F::Acc]) {
        let tile = cut.tile(number % cut.tiles);
        let walk = Walk::new(cut.outer, number / cut.tiles, 0, self.loops.result_start);
        for column in tile.clone() {
            let first = column - tile.start;
            let value = if cut.rows == 1 {
                columns[first]
            } else {
                let mut cascade = Cascade::new(F::default());
                for row in 0..cut.rows {
                    cascade.push(columns[row * tile.len() + first]);
                }
                cascade.finish()
            };
            let place = walk.result + column as isize * cut.columns.step;
            // SAFETY: the place is that of a result, which no other task has
            unsafe { self.result.offset(place).write(F::finish(value)) };
        }
    }
}

/// Accumulators to be joined to others.
struct Join<'a, F: Reduction> {
    columns: &'a mut [F::Acc],
    others: &'a [F::Acc],
}

impl<F: Reduction> Kernel for Join<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        fold_columns(F::default(), self.columns, self.others);
    }
}

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

    /// The same columns of a group of lines, `whole` if all of them.
    #[inline(always)]
    fn group<'l>(
        &self,
        line: usize,
        column: usize,
        (count, whole): (usize, bool),
        room: *mut MaybeUninit<F::In>,
    ) -> [&'l [F::In]; GROUP] {
        if self.cut.in_order && whole {
            let lines = self.in_place(line, 0, GROUP * count, room);
            return std::array::from_fn(|row| &lines[row * count..(row + 1) * count]);
        }
        std::array::from_fn(|row| {
            let room = room.wrapping_add(row * count);
            self.in_place(line + row, column, count, room)
        })
    }

    /// A line, brought together in `line`.
    #[inline(always)]
    fn gathered<'l>(
        &'l self,
        number: usize,
        Aligned(line): &'l mut Aligned<[MaybeUninit<F::In>; ROOM]>,
        shape: &[usize],
    ) -> &'l [F::In] {
        let (first, count) = self.extent(number);
        let from = self.reducer.operand.wrapping_offset(self.place);
        let (to, width) = (line.as_mut_ptr().cast(), size_of::<F::In>());
        let start = first * self.breadth;
        // SAFETY: a line has at most `TILE` elements and lies in the operand
        unsafe {
            strided::gather(
                to,
                from.cast(),
                width,
                shape,
                &self.cut.strides,
                start,
                count,
            );
            line[..count].assume_init_ref()
        }
    }
}

impl<F: Reduction> Kernel for Lines<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let fold = F::default();
        let columns = std::mem::take(&mut self.columns);
        let Range { mut start, end } = self.lines;
        let mut shape = self.cut.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = self.breadth;
        }
        let mut room = Aligned([const { MaybeUninit::uninit() }; ROOM]);
        // what is made is to stay in the first cache until it is folded
        let breadth = match self.reducer.prologue {
            None => columns.len(),
            Some(_) => columns.len().min(ROOM / GROUP),
        };
        // the last line may be shorter
        while self.cut.in_place && start + GROUP < end {
            let (mut column, whole) = (0, breadth == columns.len());
            for columns in columns.chunks_mut(breadth) {
                let count = (columns.len(), whole);
                let rows = self.group(start, column, count, room.0.as_mut_ptr());
                fold_group(fold, columns, rows);
                column += columns.len();
            }
            start += GROUP;
        }
        for number in start..end {
            let line = if self.cut.in_place {
                let (_, count) = self.extent(number);
                self.in_place(number, 0, count, room.0.as_mut_ptr())
            } else {
                self.gathered(number, &mut room, &shape)
            };
            fold_row(fold, columns, line);
        }
    }
}
