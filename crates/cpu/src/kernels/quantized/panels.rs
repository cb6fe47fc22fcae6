//! Products with many rows: packed elements become numbers in the panels that the kernels of
//! matrix products read, so the matrix of numbers is never in memory.

use super::operand::{Packed, Scratch};
use super::product::{Job, Products};
use super::rows;
use crate::gemm::kernel::{Kernels, Tile};
use crate::gemm::pack::{self, Piece};
use crate::gemm::{INNER, Matrix, Panels, Scalar};
use crate::simd::Isa;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use parking_lot::Mutex;

/// Rows of x that meet numbers which were unpacked once.
const ROWS: usize = 1024;
/// Rows of x that stay in the second cache beside a task's numbers.
const CACHED_ROWS: usize = 128;
/// Columns of the result that one task computes; whole groups of every size.
const COLUMNS: usize = 128;
/// What widths of panels are a multiple of.
const WIDTH: usize = 8;

/// Some rows of a job, whose packed copy begins at an element.
struct Chunk<'a> {
    job: &'a Job,
    first: usize,
    size: usize,
    start: usize,
}

/// Products that share a packed operand.
pub(super) struct Many<'a> {
    products: &'a Products,
    isa: Isa,
    kernels: &'static Kernels<f32>,
    chunks: Vec<Chunk<'a>>,
    elements: usize,
}

impl<'a> Many<'a> {
    pub(super) fn new(products: &'a Products, jobs: impl Iterator<Item = &'a Job>) -> Self {
        let isa = Isa::best();
        let mut many = Many {
            products,
            isa,
            kernels: f32::kernels(isa),
            chunks: Vec::new(),
            elements: 0,
        };
        for job in jobs {
            let pieces = Panels::new(job.rows, 1, ROWS);
            for piece in (0..pieces.count()).map(|index| pieces.get(index)) {
                many.chunks.push(Chunk {
                    job,
                    first: piece.first,
                    size: piece.size,
                    start: many.elements,
                });
                many.elements += piece.size * products.inner;
            }
        }
        many
    }

    /// Columns of a panel: a whole number of vectors and of [`WIDTH`].
    fn width(&self) -> usize {
        let vectors = (1..=self.kernels.vectors).rev();
        let mut widths = vectors.map(|vectors| vectors * self.kernels.lanes);
        widths
            .find(|width| width.is_multiple_of(WIDTH))
            .unwrap_or(WIDTH)
    }

    /// Computes all products.
    ///
    /// # Safety
    /// Jobs name live memory of the products' sizes; results do not overlap, and nobody else
    /// reads or writes them.
    pub(super) unsafe fn run(&self, op: &'static str) -> Result<()> {
        if self.elements == 0 {
            return Ok(());
        }
        let memory = Buffer::allocate(op, self.elements * size_of::<f32>())?;
        let lhs = memory.host_ptr()?.as_ptr() as usize;
        let blocks = self.products.inner.div_ceil(INNER);
        parallel::for_each(self.chunks.len() * blocks, |task| {
            let chunk = &self.chunks[task / blocks];
            // SAFETY: by the caller's promise; each task writes panels of its own
            unsafe { self.pack(chunk, task % blocks * INNER, lhs as *mut f32) };
        });
        let parts = self.products.columns.div_ceil(COLUMNS);
        let failure = Mutex::new(None);
        parallel::for_each(self.chunks.len() * parts, |task| {
            let (chunk, first) = (&self.chunks[task / parts], task % parts * COLUMNS);
            // SAFETY: by the caller's promise; each task writes columns of its own
            if let Err(error) = unsafe { self.columns(chunk, first, lhs as *const f32) } {
                *failure.lock() = Some(error);
            }
        });
        failure.into_inner().map_or(Ok(()), Err)
    }

    /// Packs a block of terms of a chunk's rows.
    ///
    /// # Safety
    /// As for [`Many::run`]; `lhs` has room for all chunks.
    unsafe fn pack(&self, chunk: &Chunk<'_>, term: usize, lhs: *mut f32) {
        let terms = INNER.min(self.products.inner - term);
        let x = Matrix {
            start: chunk.job.x as *const f32,
            row_stride: self.products.inner as isize,
            column_stride: 1,
        };
        let panels = Panels::new(chunk.size, 1, self.kernels.rows);
        for panel in (0..panels.count()).map(|index| panels.get(index)) {
            let piece = Piece {
                source: x.at(chunk.first + panel.first, term).transposed(),
                terms,
                size: panel.size,
                padded: panel.size,
            };
            let place = chunk.start + term * chunk.size + panel.first * terms;
            // SAFETY: by the caller's promise
            unsafe { pack::pack(self.isa, &piece, lhs.wrapping_add(place)) };
        }
    }

    /// Some columns of a chunk's result.
    ///
    /// # Safety
    /// As for [`Many::run`]; `lhs` has all packed chunks.
    unsafe fn columns(&self, chunk: &Chunk<'_>, first: usize, lhs: *const f32) -> Result<()> {
        let count = COLUMNS.min(self.products.columns - first);
        let width = self.width();
        let mut scratch = Scratch::default();
        let mut numbers = vec![0f32; count.next_multiple_of(width) * INNER];
        for term in (0..self.products.inner).step_by(INNER) {
            let terms = INNER.min(self.products.inner - term);
            self.unpack(
                chunk.job.matrix,
                first..first + count,
                term..term + terms,
                &mut scratch,
                &mut numbers,
            )?;
            let rows = Panels::new(chunk.size, 1, self.kernels.rows);
            let most = (CACHED_ROWS / self.kernels.rows).max(1);
            for begin in (0..rows.count()).step_by(most) {
                for column in (0..count).step_by(width) {
                    let rhs = numbers[column * terms..].as_ptr();
                    let columns = width.min(count - column);
                    for row in (begin..rows.count().min(begin + most)).map(|row| rows.get(row)) {
                        let vectors = columns.div_ceil(self.kernels.lanes);
                        let kernel = (self.kernels.choose)(row.size, vectors, true);
                        let place = chunk.start + term * chunk.size + row.first * terms;
                        let output = (chunk.first + row.first) * self.products.columns;
                        let output = output + first + column;
                        // SAFETY: panels lie inside the packed operands, the tile in the result
                        unsafe {
                            kernel(&Tile {
                                inner: terms,
                                lhs: lhs.wrapping_add(place),
                                lhs_row: 0,
                                rhs,
                                rhs_row: width as isize,
                                output: (chunk.job.output as *mut f32).wrapping_add(output),
                                output_row: self.products.columns as isize,
                                columns,
                                accumulate: term > 0,
                            });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The numbers of some columns and terms, in panels of a width.
    fn unpack(
        &self,
        matrix: usize,
        columns: std::ops::Range<usize>,
        terms: std::ops::Range<usize>,
        scratch: &mut Scratch,
        numbers: &mut [f32],
    ) -> Result<()> {
        let packed: &Packed = &self.products.packed;
        let size = packed.packing.group_size;
        let groups = |range: std::ops::Range<usize>| range.start / size..range.end / size;
        let (width, to) = (self.width(), numbers.as_mut_ptr());
        debug_assert!(columns.len().next_multiple_of(width) * terms.len() <= numbers.len());
        if self.products.transpose {
            let block = packed.block(matrix, columns, groups(terms), scratch)?;
            // SAFETY: the numbers have room for the panels; the best instruction set is there
            unsafe { rows::unpack_turned(self.isa, block, width, to) };
        } else {
            let block = packed.block(matrix, terms, groups(columns), scratch)?;
            // SAFETY: as above
            unsafe { rows::unpack_panels(self.isa, block, width, to) };
        }
        Ok(())
    }
}
