//! Rows of a large operand added up in registers: a block of its terms meets all rows of the left
//! operand in tiles, whose sums stay in the first cache from block to block.

use super::super::dots::ROWS;
use super::super::element::Element;
use super::super::finish::write_row;
use super::super::kernel::{Tile, TileKernel};
use super::super::matrix::Matrix;
use super::super::pack::{self, Piece};
use super::super::panels::{Groups, Panel, Panels};
use super::super::product::each;
use super::super::vector::prefetch_bytes;
use super::{LARGE, Thin};
use crate::simd::Isa;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::Buffer;
use std::ops::Range;

/// Rows of packed operands that a tile sums. Kernels read as many rows of the operand at a time.
const BLOCK: usize = 16;
/// Columns of one task at most, whose sums stay in the first cache.
const SPAN: usize = 512;
/// Panels between a request for what a tile reads and its use.
const AHEAD: usize = 2;

/// Rows times a right operand whose columns lie side by side.
struct Blocks<'a, T: Element> {
    thin: &'a Thin<T>,
    /// The kernels for each number of vectors.
    kernels: [TileKernel<T::Sum>; 3],
    /// Terms that a packed element holds.
    each: usize,
    /// The packed rows of the left operand.
    lhs: Matrix<T::Sum>,
    panels: Panels,
}

impl<T: Element> Thin<T> {
    /// Whether registers have room for sums of all rows, kernels read what the operand holds, and
    /// there are enough rows that adding up in memory takes longer, which fewer rows hide if the
    /// operand comes from beyond the caches.
    pub(super) fn has_blocks(&self) -> bool {
        let (kernels, _) = T::packed_kernels(self.isa);
        let (_, inner, columns) = self.sizes;
        let least = match inner * columns * size_of::<T>() < LARGE {
            true => 3,
            false => ROWS + 1,
        };
        self.isa == Isa::Avx512
            && self.rhs.column_stride == 1
            && match T::WIDE {
                true => (least..=kernels.rows).contains(&self.sizes.0),
                false => (2..=kernels.rows).contains(&self.sizes.0) && T::has_pairs(self.isa),
            }
    }

    /// Computes the product by blocks.
    ///
    /// # Safety
    /// As for [`Thin::run`]; [`Thin::has_blocks`] holds.
    pub(super) unsafe fn run_by_blocks(&self, op: &'static str, shared: bool) -> Result<()> {
        let (rows, inner, columns) = self.sizes;
        let (kernels, terms) = T::packed_kernels(self.isa);
        let bytes = rows * inner.div_ceil(terms) * size_of::<T::Sum>();
        let memory = Buffer::allocate(op, bytes)?;
        let lhs = memory.host_ptr()?.as_ptr().cast::<T::Sum>();
        // SAFETY: by the caller's promise; the memory has room for all rows
        unsafe { self.pack(self.lhs.transposed(), (inner, rows, rows), lhs) };
        let blocks = Blocks {
            thin: self,
            kernels: kernels
                .strip(Panels::new(rows, 1, kernels.rows).get(0), true)
                .kernels,
            each: terms,
            lhs: Matrix {
                start: lhs.cast_const(),
                row_stride: rows as isize,
                column_stride: 1,
            },
            panels: Panels::new(columns, kernels.lanes, kernels.vectors),
        };
        let groups = Groups::new(&blocks.panels, SPAN);
        each(shared, groups.count(), |task| {
            // SAFETY: by the caller's promise; each task writes columns of its own
            unsafe { blocks.compute(groups.get(task)) };
        });
        Ok(())
    }

    /// Packs so many terms of so many elements, which are padded to the last size.
    ///
    /// # Safety
    /// The matrix has them, and there is room for them.
    unsafe fn pack(
        &self,
        source: Matrix<T>,
        (terms, size, padded): (usize, usize, usize),
        to: *mut T::Sum,
    ) {
        let piece = Piece {
            source,
            terms,
            size,
            padded,
        };
        // SAFETY: by the caller's promise; elements that are packed in pairs have 16 bits
        unsafe {
            match T::has_pairs(self.isa) {
                false => pack::pack(self.isa, &piece, to),
                true => pack::pack_pairs(self.isa, &piece.bits(), to.cast()),
            }
        }
    }
}

impl<T: Element> Blocks<'_, T> {
    /// The columns of some panels.
    ///
    /// # Safety
    /// As for [`Thin::run`].
    unsafe fn compute(&self, group: Range<usize>) {
        let (rows, inner, _) = self.thin.sizes;
        let depth = inner.div_ceil(self.each);
        let span = self.panels.span(group.clone());
        let mut sums = vec![T::Sum::default(); rows * span.len()];
        let widest = group.clone().map(|panel| self.panels.get(panel));
        let widest = widest.map(|panel| self.panels.width(&panel)).max();
        let packed = match T::WIDE {
            true => 0,
            false => BLOCK * widest.unwrap_or(0),
        };
        let mut packed = vec![T::Sum::default(); packed];
        for first in (0..depth).step_by(BLOCK) {
            let terms = first..depth.min(first + BLOCK);
            for index in group.clone() {
                self.fetch(&group, index + AHEAD, &terms);
                let panel = self.panels.get(index);
                // SAFETY: by the caller's promise
                let (rhs, rhs_row) = unsafe { self.columns(&panel, &terms, &mut packed) };
                // SAFETY: by the caller's promise; the sums have the panel's columns
                unsafe {
                    self.kernels[panel.vectors - 1](&Tile {
                        inner: terms.len(),
                        lhs: self.lhs.place(first, 0),
                        lhs_row: 0,
                        rhs,
                        rhs_row,
                        output: sums.as_mut_ptr().wrapping_add(panel.first - span.start),
                        output_row: span.len() as isize,
                        columns: panel.size,
                        accumulate: first > 0,
                    });
                }
            }
        }
        // SAFETY: by the caller's promise
        unsafe { self.write(&sums, span) };
    }

    /// Where kernels read some terms of a panel: in place, or a copy of pairs.
    ///
    /// # Safety
    /// As for [`Thin::run`], with room for the copy.
    unsafe fn columns(
        &self,
        panel: &Panel,
        terms: &Range<usize>,
        packed: &mut [T::Sum],
    ) -> (*const T::Sum, isize) {
        let first = terms.start * self.each;
        let source = self.thin.rhs.at(first, panel.first);
        if T::WIDE {
            return (source.start.cast(), source.row_stride);
        }
        let width = self.panels.width(panel);
        let count = (terms.len() * self.each).min(self.thin.sizes.1 - first);
        let to = packed.as_mut_ptr();
        // SAFETY: by the caller's promise
        unsafe { self.thin.pack(source, (count, panel.size, width), to) };
        (to.cast_const(), width as isize)
    }

    /// Has what a panel reads of a block fetched, or what the panel as far beyond the last does of
    /// the next block.
    fn fetch(&self, group: &Range<usize>, index: usize, terms: &Range<usize>) {
        let (index, first) = match index < group.end {
            true => (index, terms.start),
            false => (group.start + (index - group.end) % group.len(), terms.end),
        };
        let panel = self.panels.get(index);
        let rows = first * self.each..self.thin.sizes.1.min((first + BLOCK) * self.each);
        for row in rows {
            let place = self.thin.rhs.place(row, panel.first);
            prefetch_bytes(place, panel.size * size_of::<T>());
        }
    }

    /// Writes the sums of some columns.
    ///
    /// # Safety
    /// As for [`Thin::run`].
    unsafe fn write(&self, sums: &[T::Sum], span: Range<usize>) {
        let thin = self.thin;
        for (row, sums) in sums.chunks_exact(span.len()).enumerate() {
            if thin.output.column_stride == 1 {
                let finish = thin.finish.as_ref();
                let finish = finish.map(|finish| finish.at(row, span.start));
                let to = thin.output.place(row, span.start).cast_mut();
                // SAFETY: by the caller's promise
                unsafe { write_row(thin.isa, sums.as_ptr(), sums.len(), finish, to) };
                continue;
            }
            for (column, sum) in span.clone().zip(sums) {
                // SAFETY: by the caller's promise
                unsafe { thin.write(row, column, *sum) };
            }
        }
    }
}
