//! Products whose tasks pack what they read: no core reads what another one has packed, and it
//! stays in the caches until it is used.

use super::element::Element;
use super::kernel::Strip;
use super::matrix::Matrix;
use super::panels::{Groups, Panel};
use super::product::{Product, try_each};
use super::vector::prefetch_bytes;
use crate::simd::Isa;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::Buffer;
use smallvec::SmallVec;
use std::ops::Range;

/// Bytes of the packed rows of a task at most: less than half of the second cache.
const ROW_BYTES: usize = 384 << 10;
/// The most columns of a task.
const MOST_COLUMNS: usize = 1024;
/// Rows or columns that a packed element meets at least, if it is packed more than once.
const LEAST: usize = 256;
/// Tasks for each thread, of which there need not be equally many for each.
const MANY: usize = 8;

/// How a result is cut into tasks.
pub(super) struct Grid {
    down: Groups,
    across: Groups,
}

/// What a task has of its own.
struct Own<S> {
    /// Packed rows, of one block of terms.
    lhs: *mut S,
    /// One packed panel of columns, of one block of terms.
    rhs: *mut S,
    /// The sums, placed as if it had those of the whole result, unless tiles are rounded as a whole.
    sums: Matrix<S>,
}

impl<T: Element> Product<T> {
    /// Tasks for so many threads, if to pack anew for each of them costs little beside their
    /// products. How the result is cut changes no sum.
    pub(super) fn grid(&self, threads: usize) -> Option<Grid> {
        if !self.pack_rhs || self.isa != Isa::Avx512 {
            return None; // shorter registers wait less for what others have packed
        }
        let (rows, columns) = (self.row_panels.padded(), self.column_panels.padded());
        let row = self.block.min(self.depth()).max(1) * size_of::<T::Sum>();
        let down = Groups::new(&self.row_panels, ROW_BYTES / row);
        let across = Groups::new(&self.column_panels, MOST_COLUMNS);
        let wanted = if threads == 1 { 1 } else { 2 * threads };
        let (mut r, mut c) = (down.count(), across.count());
        while r * c < wanted || (r * c < MANY * threads && !(r * c).is_multiple_of(threads)) {
            match ((r + 1) * LEAST <= rows, (c + 1) * LEAST <= columns) {
                (true, true) if rows * c > columns * r => r += 1,
                (true, false) => r += 1,
                (_, true) => c += 1,
                (false, false) if r * c >= threads => break,
                (false, false) => return None,
            }
        }
        Some(Grid {
            down: down.cut(r),
            across: across.cut(c),
        })
    }

    /// Computes the product in such tasks.
    ///
    /// # Safety
    /// As for [`super::multiply`].
    pub(super) unsafe fn run_owned(
        &self,
        op: &'static str,
        shared: bool,
        Grid { down, across }: &Grid,
    ) -> Result<()> {
        try_each(shared, down.count() * across.count(), |task| {
            let rows = down.get(task / across.count());
            let columns = across.get(task % across.count());
            // SAFETY: by the caller's promise; each task writes elements of its own
            unsafe { self.run_task(op, rows, columns) }
        })
    }

    /// Computes the result's elements of some panels.
    ///
    /// # Safety
    /// As for [`super::multiply`].
    unsafe fn run_task(
        &self,
        op: &'static str,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Result<()> {
        let depth = self.depth();
        let block = self.block.min(depth);
        let direct = self.direct();
        let down = self.row_panels.span(rows.clone());
        let across = self.column_panels.span(columns.clone());
        // sizes are whole cache lines, so that parts begin on one
        let bytes = |elements: usize| (elements * size_of::<T::Sum>()).next_multiple_of(64);
        let lhs = bytes(usize::from(self.pack_lhs) * down.len() * block);
        let rhs = bytes(self.kernels.lanes * self.kernels.vectors * block);
        // sums of one block are rounded at once
        let is_kept = direct.is_none() && !(self.rounds_tiles() && block == depth);
        let sums = bytes(usize::from(is_kept) * down.len() * across.len());
        let memory = Buffer::allocate(op, lhs + rhs + sums)?;
        let start = memory.host_ptr()?.as_ptr();
        let own = Own {
            lhs: start.cast(),
            rhs: start.wrapping_add(lhs).cast(),
            sums: direct.unwrap_or_else(|| {
                let sums = Matrix {
                    start: start.wrapping_add(lhs + rhs).cast::<T::Sum>().cast_const(),
                    row_stride: across.len() as isize,
                    column_stride: 1,
                };
                sums.moved(-((down.start * across.len() + across.start) as isize))
            }),
        };
        let strips = self
            .kernels
            .strips_of(&self.row_panels, rows.clone(), self.pack_lhs);
        let strips: SmallVec<[Strip<T::Sum>; 64]> = strips.collect();
        for first in (0..depth.max(1)).step_by(block.max(1)) {
            let terms = first..depth.min(first + block);
            if self.pack_lhs {
                let to = own.lhs.wrapping_sub(down.start * terms.len());
                // SAFETY: by the caller's promise; there is room for the task's rows
                unsafe { self.pack_rows(terms.clone(), rows.clone(), to) };
            }
            // SAFETY: by the caller's promise; the rows are packed
            unsafe { self.add_block(&own, &strips, columns.clone(), terms) };
        }
        // SAFETY: by the caller's promise
        unsafe { self.complete(own.sums, rows, columns) };
        Ok(())
    }

    /// Adds a block of terms to the sums of a task.
    ///
    /// # Safety
    /// As for [`super::multiply`], with the rows of the block packed if they have to be.
    unsafe fn add_block(
        &self,
        own: &Own<T::Sum>,
        strips: &[Strip<T::Sum>],
        columns: Range<usize>,
        terms: Range<usize>,
    ) {
        let inner = terms.len();
        let first_row = strips[0].first;
        let next_terms = terms.end..self.depth().min(terms.end + self.block);
        for column in columns.clone() {
            let panel = self.column_panels.get(column);
            let width = self.column_panels.width(&panel);
            let to = own.rhs.wrapping_sub(panel.first * inner);
            let panels = (&self.column_panels, column..column + 1);
            // SAFETY: by the caller's promise; there is room for the widest panel
            unsafe { self.pack(self.rhs, terms.clone(), panels, to) };
            // what is packed next comes while this is used
            let (next, next_block) = match column + 1 < columns.end {
                true => (column + 1, &terms),
                false => (columns.start, &next_terms),
            };
            let next = self.column_panels.get(next);
            for (turn, strip) in strips.iter().enumerate() {
                self.fetch_columns(&next, next_block, (turn, strips.len()));
                if self.pack_lhs {
                    let part = (column - columns.start, columns.len());
                    self.fetch_rows(strip.first, &next_terms, part);
                }
                let lhs = match self.pack_lhs {
                    true => own.lhs.wrapping_add((strip.first - first_row) * inner),
                    false => self.lhs_as_read.place(strip.first, terms.start).cast_mut(),
                };
                let rhs = (own.rhs.cast_const(), width as isize);
                let sums = own.sums.at(strip.first, panel.first);
                // SAFETY: by the caller's promise; panels lie inside the matrices
                unsafe { self.add_tile(strip, &panel, terms.clone(), lhs, rhs, sums) };
            }
        }
    }

    /// Has one of so many parts of a panel's columns fetched.
    #[inline(always)]
    fn fetch_columns(&self, panel: &Panel, terms: &Range<usize>, part: (usize, usize)) {
        let first = self.rhs.at(terms.start * self.each, panel.first);
        let count = terms.len() * self.each;
        if self.rhs.column_stride == 1 {
            for row in share(count, part) {
                prefetch_bytes(first.place(row, 0), panel.size * size_of::<T>());
            }
        } else if self.rhs.row_stride == 1 {
            for column in share(panel.size, part) {
                prefetch_bytes(first.place(0, column), count * size_of::<T>());
            }
        }
    }

    /// Has one of so many parts of a strip's rows fetched.
    #[inline(always)]
    fn fetch_rows(&self, row: usize, terms: &Range<usize>, part: (usize, usize)) {
        if self.lhs.column_stride == 1 {
            let first = self.lhs.at(row, terms.start * self.each);
            let bytes = terms.len() * self.each * size_of::<T>();
            for row in share(self.kernels.rows, part) {
                prefetch_bytes(first.place(row, 0), bytes);
            }
        }
    }
}

/// One of so many parts of a number of things.
fn share(count: usize, (part, parts): (usize, usize)) -> Range<usize> {
    part * count / parts..(part + 1) * count / parts
}
