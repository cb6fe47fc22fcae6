//! Neighbours in memory belong to neighbouring results: rows are folded into an accumulator for
//! each column.
//!
//! Where rows are short and follow each other, several make one *line* as long as a good vector
//! loop; the columns of a result are joined at the end.

use super::Reducer;
use super::kinds::Reduction;
use super::loops::{Axis, Walk};
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
/// Elements for which a thread is worth its while.
const GRAIN: usize = 64 << 10;

/// How the work is cut: by outer loops, tiles of columns and parts of lines.
struct Cut<'a> {
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
    in_place: bool,
}

impl<'a> Cut<'a> {
    fn new<F: Reduction>(reducer: &Reducer<'a, F>) -> Self {
        let loops = reducer.loops;
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
            in_place: reducer.aligned && columns.stride == 1 && (rows == 1 || in_order),
        }
    }

    /// The columns of a tile.
    fn tile(&self, tile: usize) -> Range<usize> {
        tile * TILE..self.columns.size.min((tile + 1) * TILE)
    }
}

impl<F: Reduction> Reducer<'_, F> {
    pub(super) fn across(&self, isa: Isa) -> Result<()> {
        let cut = &Cut::new(self);
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

    /// A line that lies in order.
    #[inline(always)]
    fn in_place(&self, line: usize) -> &[F::In] {
        let (first, count) = self.extent(line);
        let from = self
            .reducer
            .operand
            .wrapping_offset(self.place + self.reducer.term_place(first));
        // SAFETY: a line lies in the operand, aligned
        unsafe { std::slice::from_raw_parts(from, count) }
    }

    /// A line, brought together in `line`.
    #[inline(always)]
    fn gathered<'l>(
        &'l self,
        number: usize,
        Aligned(line): &'l mut Aligned<[MaybeUninit<F::In>; TILE]>,
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
        // the last line may be shorter
        while self.cut.in_place && start + GROUP < end {
            let rows = std::array::from_fn(|row| self.in_place(start + row));
            fold_group(fold, columns, rows);
            start += GROUP;
        }
        let mut line = Aligned([const { MaybeUninit::uninit() }; TILE]);
        for number in start..end {
            let line = if self.cut.in_place {
                self.in_place(number)
            } else {
                self.gathered(number, &mut line, &shape)
            };
            fold_row(fold, columns, line);
        }
    }
}
