//! Products of `bf16` on the processor's matrix unit.

mod pack;
mod unit;

use super::compiled::compiled;
use super::element::{Element, Scalar};
use super::finish::{Finish, write_row};
use super::matrix::Matrix;
use super::product::each;
use crate::simd::Isa;
use half::bf16;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::Buffer;
use std::ops::Range;
use unit::{SIDE, TERMS, TILE, Unit};

pub(crate) use unit::is_available;

/// Multiplications below which tiles would be mostly padding or set-up.
const LEAST_WORK: usize = 1 << 14;
/// Tiles that one packing task fills along an axis.
const PACK_TILES: usize = 4;
/// Rows and columns of the result that one task computes, in pairs of tiles.
const TASK_PAIRS: (usize, usize) = (8, 16);

/// A product on the matrix unit.
pub(super) struct Tiled {
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
    /// The product, if its elements are `bf16` and it is large enough.
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
        let (rows, inner, columns) = self.sizes;
        let depth = inner.div_ceil(TERMS);
        // in whole pairs of tiles, as they are computed
        let (down, across) = (rows.div_ceil(2 * SIDE) * 2, columns.div_ceil(2 * SIDE) * 2);
        let memory = Buffer::allocate(op, (down + across) * depth * TILE * 2)?;
        let lhs = memory.host_ptr()?.as_ptr().cast::<u16>();
        let packed = Packed {
            lhs,
            rhs: lhs.wrapping_add(down * depth * TILE),
            depth,
        };
        let (lhs_tasks, rhs_tasks) = (down.div_ceil(PACK_TILES), across.div_ceil(PACK_TILES));
        each(shared, lhs_tasks + rhs_tasks, |task| {
            // SAFETY: by the caller's promise; each task fills tiles of its own
            unsafe {
                match task.checked_sub(lhs_tasks) {
                    None => {
                        let tiles = task * PACK_TILES..down.min((task + 1) * PACK_TILES);
                        pack_lhs(Isa::Avx512, self, &packed, tiles);
                    }
                    Some(task) => {
                        let tiles = task * PACK_TILES..across.min((task + 1) * PACK_TILES);
                        pack_rhs(Isa::Avx512, self, &packed, tiles);
                    }
                }
            }
        });
        let (pairs_down, pairs_across) = (down / 2, across / 2);
        let tasks_across = pairs_across.div_ceil(TASK_PAIRS.1);
        each(
            shared,
            pairs_down.div_ceil(TASK_PAIRS.0) * tasks_across,
            |task| {
                let (row, column) = (
                    task / tasks_across * TASK_PAIRS.0,
                    task % tasks_across * TASK_PAIRS.1,
                );
                // SAFETY: `new` found the unit available
                let unit = unsafe { Unit::configure() };
                for column in column..pairs_across.min(column + TASK_PAIRS.1) {
                    for row in row..pairs_down.min(row + TASK_PAIRS.0) {
                        // SAFETY: by the caller's promise; each task writes elements of its own
                        unsafe { self.pair(&unit, &packed, row, column) };
                    }
                }
            },
        );
        Ok(())
    }

    /// # Safety
    /// As for [`Tiled::run`].
    #[inline(always)]
    unsafe fn fill_lhs(&self, packed: &Packed, tiles: Range<usize>) {
        for tile in tiles {
            let (rows, inner, _) = self.sizes;
            let first = tile * SIDE;
            for block in 0..packed.depth {
                let term = block * TERMS;
                let count = (
                    SIDE.min(rows.saturating_sub(first)),
                    TERMS.min(inner - term),
                );
                let to = packed
                    .lhs
                    .wrapping_add((tile * packed.depth + block) * TILE);
                // SAFETY: by the caller's promise; the packed operand has the tile
                unsafe { pack::rows(self.lhs.at(first, term), count, to) };
            }
        }
    }

    /// # Safety
    /// As for [`Tiled::run`].
    #[inline(always)]
    unsafe fn fill_rhs(&self, packed: &Packed, tiles: Range<usize>) {
        for tile in tiles {
            let (_, inner, columns) = self.sizes;
            let first = tile * SIDE;
            for block in 0..packed.depth {
                let term = block * TERMS;
                let count = (
                    TERMS.min(inner - term),
                    SIDE.min(columns.saturating_sub(first)),
                );
                let to = packed
                    .rhs
                    .wrapping_add((tile * packed.depth + block) * TILE);
                // SAFETY: by the caller's promise; the packed operand has the tile
                unsafe { pack::pairs(self.rhs.at(term, first), count, to) };
            }
        }
    }

    /// Two by two tiles of the result.
    ///
    /// # Safety
    /// As for [`Tiled::run`].
    unsafe fn pair(&self, unit: &Unit, packed: &Packed, row: usize, column: usize) {
        let length = packed.depth * TILE;
        let both = |start: *mut u16, pair: usize| {
            let start = start.cast_const().wrapping_add(2 * pair * length);
            [start, start.wrapping_add(length)]
        };
        let mut sums = [0.0; 4 * SIDE * SIDE];
        let (lhs, rhs) = (both(packed.lhs, row), both(packed.rhs, column));
        // SAFETY: the packed operands have the tiles
        unsafe { unit.multiply(packed.depth, lhs, rhs, &mut sums) };
        let (rows, _, columns) = self.sizes;
        let (first_row, first_column) = (2 * row * SIDE, 2 * column * SIDE);
        let columns = (columns - first_column).min(2 * SIDE);
        for (row, sums) in (first_row..rows).zip(sums.chunks_exact(2 * SIDE)) {
            let to = self.output.place(row, first_column).cast_mut();
            let finish = self
                .finish
                .as_ref()
                .map(|finish| finish.at(row, first_column));
            // SAFETY: by the caller's promise; whoever has the unit has AVX-512
            unsafe { write_row(Isa::Avx512, sums.as_ptr(), columns, finish, to) };
        }
    }
}

compiled! {
    /// # Safety
    /// As for [`Tiled::run`].
    fn pack_lhs(tiled: &Tiled, packed: &Packed, tiles: Range<usize>) by Tiled::fill_lhs
}

compiled! {
    /// # Safety
    /// As for [`Tiled::run`].
    fn pack_rhs(tiled: &Tiled, packed: &Packed, tiles: Range<usize>) by Tiled::fill_rhs
}

/// Operands in tiles: those of one row or column of tiles follow each other.
struct Packed {
    lhs: *mut u16,
    rhs: *mut u16,
    /// Tiles along the terms.
    depth: usize,
}

// SAFETY: tasks write tiles that do not overlap, and read only after all are written
unsafe impl Sync for Packed {}
