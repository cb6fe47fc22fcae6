//! Products of `bf16` on the processor's matrix unit.

mod amx;
#[cfg(test)]
mod model;
mod pack;
#[cfg(test)]
mod tests;
mod unit;

use super::element::{Element, Scalar};
use super::finish::{Finish, write_row};
use super::matrix::Matrix;
use super::product::each;
use crate::simd::Isa;
use amx::{Amx, is_available};
use half::bf16;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use std::ops::Range;
use unit::{SIDE, Sums, TERMS, TILE, Unit};

/// Multiplications below which tiles would be mostly padding or set-up.
const LEAST_WORK: usize = 1 << 14;
/// Multiplications of a task that is not cut further, for which starting a thread pays.
const TASK_WORK: usize = 1 << 22;
/// Bytes of packed operands that a product may hold at a time, if that is enough for
/// [`LEAST_PAIRS`].
const PACKED_BYTES: usize = 96 << 20;
/// Pairs of tiles along an axis that meet all of the other operand at least, so that packing it
/// pays.
const LEAST_PAIRS: usize = 8;
/// Rows or columns of tiles that one task packs, so that whole lines of the cache are read.
const PACK_STRIPS: usize = 4;
/// Tiles of each of them.
const PACK_TILES: usize = 16;
/// The most rows and columns of the result that one task computes, in pairs of tiles.
const TASK_PAIRS: (usize, usize) = (8, 16);

/// A product on the matrix unit.
///
/// Sums of a tile's terms are added one after the other: of 32 terms each, which the unit has
/// summed apart.
pub(super) struct Tiled {
    /// Of what packs operands and writes the result.
    isa: Isa,
    sizes: (usize, usize, usize),
    lhs: Matrix<bf16>,
    rhs: Matrix<bf16>,
    output: Matrix<bf16>,
    finish: Option<Finish<bf16>>,
}

/// The same address of another element type, if it is `bf16` after all.
fn as_bf16<T: Element>(matrix: Matrix<T>) -> Matrix<bf16> {
    Matrix {
        start: matrix.start.cast(),
        row_stride: matrix.row_stride,
        column_stride: matrix.column_stride,
    }
}

impl Tiled {
    /// The product, if its elements are `bf16`, it is large enough and this machine, which has
    /// AVX-512, has the unit.
    pub(super) fn new<T: Element>(
        sizes: (usize, usize, usize),
        lhs: Matrix<T>,
        rhs: Matrix<T>,
        output: Matrix<T>,
        finish: Option<Finish<T>>,
    ) -> Option<Self> {
        let (rows, inner, columns) = sizes;
        let work = rows.saturating_mul(inner).saturating_mul(columns);
        if !T::BRAIN || work < LEAST_WORK || !is_available() {
            return None;
        }
        Some(Tiled {
            isa: Isa::Avx512,
            sizes,
            lhs: as_bf16(lhs),
            rhs: as_bf16(rhs),
            output: as_bf16(output),
            finish: finish.map(|finish| Finish {
                alpha: finish.alpha.to_single(),
                beta: finish.beta.to_single(),
                addend: finish.addend.map(as_bf16),
            }),
        })
    }

    /// # Safety
    /// As for [`super::multiply`].
    pub(super) unsafe fn run(&self, op: &'static str, shared: bool) -> Result<()> {
        // SAFETY: by the caller's promise; `new` found the unit available
        unsafe { self.run_within::<Amx>(PACKED_BYTES, op, shared) }
    }

    /// Computes the product in parts whose packed operands take about so many bytes.
    ///
    /// # Safety
    /// As for [`super::multiply`]; the unit is available, and the instruction set.
    unsafe fn run_within<U: Unit>(
        &self,
        bytes: usize,
        op: &'static str,
        shared: bool,
    ) -> Result<()> {
        let (rows, _, columns) = self.sizes;
        let (tall, wide) = self.part_sizes(bytes);
        for column in (0..columns).step_by(wide) {
            for row in (0..rows).step_by(tall) {
                let part = self.part(
                    row..rows.min(row + tall),
                    column..columns.min(column + wide),
                );
                // SAFETY: the caller's promise is the same
                unsafe { part.run_part::<U>(op, shared) }?;
            }
        }
        Ok(())
    }

    /// Rows and columns of parts whose packed operands take about so many bytes.
    fn part_sizes(&self, bytes: usize) -> (usize, usize) {
        let Tiles {
            down,
            across,
            depth,
        } = self.tiles();
        let most = (bytes / (2 * depth * TILE * size_of::<bf16>())).max(2 * LEAST_PAIRS);
        let tall = down.min((most / 2).max(most.saturating_sub(across)));
        let wide = across.min(most - tall);
        // as large as one another
        let equal = |pairs: usize, most: usize| pairs.div_ceil(pairs.div_ceil(most));
        (equal(down, tall) * 2 * SIDE, equal(across, wide) * 2 * SIDE)
    }

    /// The product of some rows and columns.
    fn part(&self, rows: Range<usize>, columns: Range<usize>) -> Self {
        let finish = self.finish.as_ref();
        Tiled {
            isa: self.isa,
            sizes: (rows.len(), self.sizes.1, columns.len()),
            lhs: self.lhs.at(rows.start, 0),
            rhs: self.rhs.at(0, columns.start),
            output: self.output.at(rows.start, columns.start),
            finish: finish.map(|finish| finish.at(rows.start, columns.start)),
        }
    }

    /// # Safety
    /// As for [`Tiled::run_within`].
    unsafe fn run_part<U: Unit>(&self, op: &'static str, shared: bool) -> Result<()> {
        let tiles = self.tiles();
        let shared = shared && tiles.work() >= TASK_WORK;
        let (lhs, rhs) = (
            2 * tiles.down * tiles.depth * TILE,
            2 * tiles.across * tiles.depth * TILE,
        );
        let memory = Buffer::allocate(op, (lhs + rhs) * size_of::<bf16>())?;
        let start = memory.host_ptr()?.as_ptr().cast::<u16>();
        let packed = Packed {
            lhs: start,
            rhs: start.wrapping_add(lhs),
            tiles,
        };
        // SAFETY: the caller's promise is the same; the memory has room for the tiles
        unsafe {
            self.pack(&packed, shared);
            self.multiply::<U>(&packed, shared);
        }
        Ok(())
    }

    fn tiles(&self) -> Tiles {
        let (rows, inner, columns) = self.sizes;
        Tiles {
            down: rows.div_ceil(2 * SIDE),
            across: columns.div_ceil(2 * SIDE),
            depth: inner.div_ceil(TERMS),
        }
    }

    /// # Safety
    /// As for [`Tiled::run_within`].
    unsafe fn pack(&self, packed: &Packed, shared: bool) {
        let Tiles {
            down,
            across,
            depth,
        } = packed.tiles;
        let spans = depth.div_ceil(PACK_TILES);
        let lhs_groups = (2 * down).div_ceil(PACK_STRIPS);
        let rhs_groups = (2 * across).div_ceil(PACK_STRIPS);
        each(shared, (lhs_groups + rhs_groups) * spans, |task| {
            let (group, tile) = (task / spans, task % spans * PACK_TILES);
            let strips = |group: usize, count: usize| {
                let first = group * PACK_STRIPS;
                first..count.min(first + PACK_STRIPS)
            };
            // SAFETY: by the caller's promise; each task fills tiles of its own
            unsafe {
                match group.checked_sub(lhs_groups) {
                    None => self.pack_lhs(packed, strips(group, 2 * down), tile),
                    Some(group) => self.pack_rhs(packed, strips(group, 2 * across), tile),
                }
            }
        });
    }

    /// Terms from a tile on that one task packs.
    fn span(&self, tile: usize) -> (usize, usize) {
        let first = tile * TERMS;
        (first, (PACK_TILES * TERMS).min(self.sizes.1 - first))
    }

    /// # Safety
    /// As for [`Tiled::run_within`].
    unsafe fn pack_lhs(&self, packed: &Packed, strips: Range<usize>, tile: usize) {
        let (term, terms) = self.span(tile);
        for strip in strips {
            let row = strip * SIDE;
            let size = (SIDE.min(self.sizes.0.saturating_sub(row)), terms);
            let to = packed.tile(packed.lhs, strip, tile);
            // SAFETY: by the caller's promise; the packed operand has the tiles
            unsafe { pack::rows(self.isa, self.lhs.at(row, term), size, to) };
        }
    }

    /// # Safety
    /// As for [`Tiled::run_within`].
    unsafe fn pack_rhs(&self, packed: &Packed, strips: Range<usize>, tile: usize) {
        let (term, terms) = self.span(tile);
        for strip in strips {
            let column = strip * SIDE;
            let size = (terms, SIDE.min(self.sizes.2.saturating_sub(column)));
            let to = packed.tile(packed.rhs, strip, tile);
            // SAFETY: by the caller's promise; the packed operand has the tiles
            unsafe { pack::pairs(self.isa, self.rhs.at(term, column), size, to) };
        }
    }

    /// # Safety
    /// As for [`Tiled::run_within`], with operands packed.
    unsafe fn multiply<U: Unit>(&self, packed: &Packed, shared: bool) {
        let Tiles { down, across, .. } = packed.tiles;
        let threads = if shared { parallel::threads() } else { 1 };
        let (tall, wide) = Self::task_pairs(packed.tiles, threads);
        let tasks_across = across.div_ceil(wide);
        each(shared, down.div_ceil(tall) * tasks_across, |task| {
            let (row, column) = (task / tasks_across * tall, task % tasks_across * wide);
            let mut sums = [0.0; _];
            // SAFETY: by the caller's promise; nothing else on this thread runs meanwhile
            let unit = unsafe { U::configure() };
            for column in column..across.min(column + wide) {
                for row in row..down.min(row + tall) {
                    // SAFETY: by the caller's promise; each task writes elements of its own
                    unsafe { self.pair(&unit, packed, (row, column), &mut sums) };
                }
            }
        });
    }

    /// Pairs of tiles down and across that one task computes: enough tasks for all threads if they
    /// are worth it. How the result is cut changes no sum.
    fn task_pairs(tiles: Tiles, threads: usize) -> (usize, usize) {
        let wanted = (2 * threads).min(tiles.work() / TASK_WORK);
        let (mut tall, mut wide) = TASK_PAIRS;
        (tall, wide) = (tall.min(tiles.down), wide.min(tiles.across));
        while tiles.down.div_ceil(tall) * tiles.across.div_ceil(wide) < wanted && tall * wide > 1 {
            match tall > wide {
                true => tall = tall.div_ceil(2),
                false => wide = wide.div_ceil(2),
            }
        }
        (tall, wide)
    }

    /// Two by two tiles of the result.
    ///
    /// # Safety
    /// As for [`Tiled::run_within`], with operands packed.
    unsafe fn pair<U: Unit>(
        &self,
        unit: &U,
        packed: &Packed,
        (row, column): (usize, usize),
        sums: &mut Sums,
    ) {
        let both = |start: *mut u16, pair: usize| {
            [2 * pair, 2 * pair + 1].map(|strip| packed.tile(start, strip, 0).cast_const())
        };
        let (lhs, rhs) = (both(packed.lhs, row), both(packed.rhs, column));
        // SAFETY: the packed operands have the tiles
        unsafe { unit.multiply(packed.tiles.depth, lhs, rhs, sums) };
        let (rows, _, columns) = self.sizes;
        let (first_row, first_column) = (2 * row * SIDE, 2 * column * SIDE);
        let columns = (columns - first_column).min(2 * SIDE);
        for (row, sums) in (first_row..rows).zip(sums.chunks_exact(2 * SIDE)) {
            let to = self.output.place(row, first_column).cast_mut();
            let finish = self
                .finish
                .as_ref()
                .map(|finish| finish.at(row, first_column));
            // SAFETY: by the caller's promise
            unsafe { write_row(self.isa, sums.as_ptr(), columns, finish, to) };
        }
    }
}

/// How many tiles there are.
#[derive(Clone, Copy)]
struct Tiles {
    /// Pairs of rows of tiles.
    down: usize,
    /// Pairs of columns of tiles.
    across: usize,
    /// Tiles along the terms.
    depth: usize,
}

impl Tiles {
    /// Multiplications of all of them.
    fn work(self) -> usize {
        4 * self.down * self.across * self.depth * SIDE * SIDE * TERMS
    }
}

/// Operands in tiles: those of one row or column of tiles follow each other.
struct Packed {
    lhs: *mut u16,
    rhs: *mut u16,
    tiles: Tiles,
}

impl Packed {
    /// A tile of a row or column of tiles of an operand.
    fn tile(&self, start: *mut u16, strip: usize, tile: usize) -> *mut u16 {
        start.wrapping_add((strip * self.tiles.depth + tile) * TILE)
    }
}

// SAFETY: tasks write tiles that do not overlap, and read only after all are written
unsafe impl Sync for Packed {}
