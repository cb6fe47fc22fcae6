//! Products of many rows and a small right operand, of few terms or few columns: it is packed as a
//! whole and stays in the second cache, and all its columns meet a few rows at a time, so that the
//! result is written row by row and its lines leave the first cache complete.

use super::INNER;
use super::element::Element;
use super::finish::{Finish, write_row};
use super::matrix::Matrix;
use super::pack::{self, Piece};
use super::panels::{Groups, Panels};
use super::product::{each, stays};
use super::stack::{Stack, Stacks, Target};
use super::vector::pad_rows;
use crate::simd::Isa;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use std::ops::Range;

/// Bytes of a packed right operand at most.
const PACKED_BYTES: usize = 256 << 10;
/// Bytes of a row of sums that are not of pairs, at most: longer ones had better be cut.
const ROW_BYTES: usize = 2 << 10;
/// Bytes of a panel's block, which stays in the first cache beside rows of the left operand.
const BLOCK_BYTES: usize = 24 << 10;
/// Elements of it that a task packs at least.
const PACK_WORK: usize = 1 << 13;
/// Rows that are a whole number of tiles, however many vectors those have.
const STEP: usize = 48;
/// Rows at least: fewer had better be cut into columns.
const LEAST_ROWS: usize = 2 * STEP;
/// Bytes of a left operand whose rows lie side by side that kernels read in place. A longer one has
/// terms so far apart that each is better read for many rows at once.
const TURNED_BYTES: usize = 256 << 10;
/// Bytes of rows of the left operand and of the result that are used together.
const CHUNK_BYTES: usize = 16 << 10;
/// The most rows that are used together.
const MOST_ROWS: usize = 5 * STEP;
/// Multiplications of a task at least.
const TASK_WORK: usize = 1 << 16;

/// A product of many rows and a small right operand.
pub(super) struct Shallow<T: Element> {
    isa: Isa,
    kernels: &'static Stacks<T::Sum>,
    /// Terms that a packed element holds.
    each: usize,
    sizes: (usize, usize, usize),
    lhs: Matrix<T>,
    rhs: Matrix<T>,
    output: Matrix<T>,
    finish: Option<Finish<T>>,
    panels: Panels,
    /// Rows of packed operands.
    depth: usize,
    /// How many blocks of them are summed one after the other.
    blocks: usize,
}

/// How kernels read rows of the left operand.
#[derive(Clone, Copy)]
struct Rows<S> {
    start: *const S,
    /// As [`Stack::lhs_step`].
    step: isize,
    /// Whether rows lie side by side.
    turned: bool,
}

impl<S> Rows<S> {
    /// Those from a row and a term on.
    fn at(self, row: usize, term: usize) -> Self {
        let (row, term) = (row as isize, term as isize);
        let step = match self.turned {
            true => row + term * self.step,
            false => row * self.step + term,
        };
        Rows {
            start: self.start.wrapping_offset(step),
            ..self
        }
    }
}

impl<T: Element> Shallow<T> {
    /// The product, if it has many rows, a small right operand and columns side by side.
    pub(super) fn new(
        isa: Isa,
        sizes: (usize, usize, usize),
        lhs: Matrix<T>,
        rhs: Matrix<T>,
        output: Matrix<T>,
        finish: Option<Finish<T>>,
    ) -> Option<Self> {
        let (kernels, each) = T::packed_stacks(isa)?;
        let (rows, inner, columns) = sizes;
        let depth = inner.div_ceil(each);
        let lanes = T::packed_kernels(isa).0.lanes;
        let panels = Panels::new(columns, lanes, 3);
        let bytes = panels.padded().saturating_mul(depth * size_of::<T::Sum>());
        let widest = panels.padded().div_ceil(panels.count().max(1)).max(1);
        let block = BLOCK_BYTES / (widest * size_of::<T::Sum>());
        // kernels read what stays in the caches as well where it is, and long rows by other blocks
        let is_read = panels.count() > 1 && rhs.column_stride == 1 && stays(rhs, inner, columns);
        let is_wide = T::WIDE && (is_read || depth > INNER);
        let is_long = each == 1 && columns.saturating_mul(size_of::<T::Sum>()) > ROW_BYTES;
        let suits = rows >= LEAST_ROWS
            && !is_wide
            && !is_long
            && depth > 0
            && (1..=PACKED_BYTES).contains(&bytes)
            && output.column_stride == 1;
        suits.then_some(Shallow {
            isa,
            kernels,
            each,
            sizes,
            lhs,
            rhs,
            output,
            finish,
            panels,
            depth,
            blocks: match depth <= INNER {
                true => 1,
                false => depth.div_ceil(block.min(INNER)),
            },
        })
    }

    /// # Safety
    /// As for [`super::multiply`].
    pub(super) unsafe fn run(&self, op: &'static str, shared: bool) -> Result<()> {
        let (rows, inner, columns) = self.sizes;
        let elements = self.panels.padded() * self.depth;
        let memory = Buffer::allocate(op, elements * size_of::<T::Sum>())?;
        let packed = Matrix {
            start: memory.host_ptr()?.as_ptr().cast::<T::Sum>().cast_const(),
            row_stride: 1,
            column_stride: 1,
        };
        let threads = if shared { parallel::threads() } else { 1 };
        let groups = Groups::new(&self.panels, usize::MAX);
        let groups = groups.cut((elements / PACK_WORK).clamp(1, threads));
        each(shared, groups.count(), |task| {
            for panel in groups.get(task) {
                let panel = self.panels.get(panel);
                let piece = Piece {
                    source: self.rhs.at(0, panel.first),
                    terms: inner,
                    size: panel.size,
                    padded: self.panels.width(&panel),
                };
                let to = packed.place(0, panel.first * self.depth);
                // SAFETY: by the caller's promise; each task writes panels of its own
                unsafe { self.pack(&piece, to.cast_mut()) };
            }
        });
        let chunk = self.chunk();
        let chunks = rows.div_ceil(chunk);
        let work = chunk * columns * inner;
        let together = (TASK_WORK / work).clamp(1, (chunks / threads).max(1));
        each(shared, chunks.div_ceil(together), |task| {
            let first = task * together * chunk;
            let rows = first..rows.min(first + together * chunk);
            // SAFETY: by the caller's promise; each task writes rows of its own
            unsafe { self.compute(packed.place(0, 0), rows, chunk) };
        });
        Ok(())
    }

    /// Rows that are used together.
    fn chunk(&self) -> usize {
        let (_, inner, columns) = self.sizes;
        let bytes = inner * size_of::<T>() + columns * size_of::<T>();
        (CHUNK_BYTES / (STEP * bytes) * STEP).clamp(STEP, MOST_ROWS)
    }

    /// Whether kernels round sums to elements of the result.
    fn rounds(&self) -> bool {
        self.finish.is_none() && self.each == 2
    }

    /// Whether kernels write elements of the result.
    fn is_direct(&self) -> bool {
        self.finish.is_none() && (T::WIDE || self.rounds())
    }

    /// Some rows of the result.
    ///
    /// # Safety
    /// As for [`super::multiply`], with the right operand packed.
    unsafe fn compute(&self, packed: *const T::Sum, rows: Range<usize>, chunk: usize) {
        let columns = self.sizes.2;
        let in_place = self.in_place();
        let copied = usize::from(in_place.is_none()) * chunk * self.depth;
        let mut copy = vec![T::Sum::default(); copied];
        let is_kept = !self.is_direct() || self.rounds() && self.blocks > 1;
        let mut memory = vec![T::Sum::default(); usize::from(is_kept) * chunk * columns];
        for first in rows.clone().step_by(chunk) {
            let count = chunk.min(rows.end - first);
            let left = match in_place {
                Some(rows) => rows.at(first, 0),
                // SAFETY: by the caller's promise; the copy has room for so many rows
                None => unsafe { self.copy(first, count, copy.as_mut_ptr()) },
            };
            let sums = match self.is_direct() && T::WIDE {
                true => self.output.at(first, 0).sums(),
                false => Matrix {
                    start: memory.as_mut_ptr().cast_const(),
                    row_stride: columns as isize,
                    column_stride: 1,
                },
            };
            // SAFETY: by the caller's promise; the sums have so many rows
            unsafe { self.add_blocks(packed, (first, count), left, sums) };
            let finished = if self.is_direct() { 0 } else { count };
            for row in first..first + finished {
                let finish = self.finish.as_ref().map(|finish| finish.at(row, 0));
                let to = self.output.place(row, 0).cast_mut();
                // SAFETY: by the caller's promise
                unsafe { write_row(self.isa, sums.place(row - first, 0), columns, finish, to) };
            }
        }
    }

    /// The sums of some rows, or the elements of the result, if kernels round them.
    ///
    /// # Safety
    /// As for [`Shallow::compute`]; the sums have the rows, unless all terms are one block and sums
    /// are rounded at once.
    unsafe fn add_blocks(
        &self,
        packed: *const T::Sum,
        (first, count): (usize, usize),
        rows: Rows<T::Sum>,
        sums: Matrix<T::Sum>,
    ) {
        for panel in (0..self.panels.count()).map(|index| self.panels.get(index)) {
            let sums = sums.at(0, panel.first);
            let width = self.panels.width(&panel);
            for block in 0..self.blocks {
                let begin = block * self.depth / self.blocks;
                let end = (block + 1) * self.depth / self.blocks;
                let (output, output_row) = match end == self.depth && self.rounds() {
                    true => {
                        let to = self.output.place(first, panel.first).cast_mut();
                        (Target::Rounded(to.cast()), self.output.row_stride)
                    }
                    false => (Target::Sums(sums.start.cast_mut()), sums.row_stride),
                };
                let left = rows.at(0, begin);
                let right = panel.first * self.depth + begin * width;
                let kernel = self.kernels.choose(panel.vectors, left.turned);
                // SAFETY: by the caller's promise; rows and panels lie inside of the matrices
                unsafe {
                    kernel(&Stack {
                        rows: count,
                        inner: end - begin,
                        lhs: left.start,
                        lhs_step: left.step,
                        rhs: packed.wrapping_add(right),
                        before: match block {
                            0 => std::ptr::null(),
                            _ => sums.start,
                        },
                        before_row: sums.row_stride,
                        output,
                        output_row,
                        columns: panel.size,
                    });
                }
            }
        }
    }

    /// The rows of the left operand where they are, if kernels can read them.
    fn in_place(&self) -> Option<Rows<T::Sum>> {
        let lhs = self.lhs;
        let start = lhs.start.cast();
        let is_short = self.sizes.0 * self.sizes.1 * size_of::<T>() <= TURNED_BYTES;
        match self.each {
            1 if !T::WIDE => None,
            1 if lhs.column_stride == 1 => Some(Rows {
                start,
                step: lhs.row_stride,
                turned: false,
            }),
            1 if lhs.row_stride == 1 && is_short => Some(Rows {
                start,
                step: lhs.column_stride,
                turned: true,
            }),
            2 if lhs.has_pairs(self.sizes.1) => Some(Rows {
                start,
                step: lhs.row_stride / 2,
                turned: false,
            }),
            _ => None,
        }
    }

    /// A copy of some rows of the left operand.
    ///
    /// # Safety
    /// As for [`super::multiply`], with room for the copy.
    unsafe fn copy(&self, first: usize, count: usize, to: *mut T::Sum) -> Rows<T::Sum> {
        let (inner, lhs) = (self.sizes.1, self.lhs.at(first, 0));
        let is_gapless = lhs.column_stride == 1 && lhs.row_stride == inner as isize;
        if self.each == 2 && is_gapless && !inner.is_multiple_of(2) {
            // SAFETY: by the caller's promise; elements that are packed in pairs are `bf16`
            unsafe { pad_rows(lhs.start.cast(), inner, count, to.cast()) };
            return Rows {
                start: to.cast_const(),
                step: self.depth as isize,
                turned: false,
            };
        }
        let piece = Piece {
            source: lhs.transposed(),
            terms: inner,
            size: count,
            padded: count,
        };
        // SAFETY: by the caller's promise
        unsafe { self.pack(&piece, to) };
        Rows {
            start: to.cast_const(),
            step: count as isize,
            turned: true,
        }
    }

    /// # Safety
    /// As for [`pack::pack`].
    unsafe fn pack(&self, piece: &Piece<T>, to: *mut T::Sum) {
        // SAFETY: the caller's promise is the same; elements that are packed in pairs have 16 bits
        unsafe {
            match self.each {
                1 => pack::pack(self.isa, piece, to),
                _ => pack::pack_pairs(self.isa, &piece.bits(), to.cast()),
            }
        }
    }
}
