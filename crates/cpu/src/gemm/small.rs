//! Products so small that preparing a larger one would cost more than they do.

use super::INNER;
use super::element::{Element, Scalar};
use super::finish::write_row;
use super::kernel::{Kernels, Tile};
use super::matrix::Matrix;
use super::pack::{self, Piece};
use super::panels::Panels;
#[cfg(target_arch = "x86_64")]
use super::stack::{Stack, Stacks, Target};
#[cfg(target_arch = "x86_64")]
use super::vector::pad_rows;
use crate::simd::Isa;

/// The greatest size of a small product, no more than [`INNER`].
const SIZE: usize = 128;

/// Products of one size, one after the other on one thread.
pub(crate) struct Small<T: Element> {
    isa: Isa,
    kernels: &'static Kernels<T::Sum>,
    sizes: (usize, usize, usize),
    rows: Panels,
    columns: Panels,
    lhs: Copies<T::Sum>,
    rhs: Copies<T::Sum>,
    sums: Vec<T::Sum>,
}

/// An operand that kernels cannot read as it is.
#[derive(Default)]
struct Copies<S> {
    /// As the type of sums.
    wide: Vec<S>,
    /// With columns side by side.
    ordered: Vec<S>,
}

impl<T: Element> Small<T> {
    /// For products of `(rows, inner, columns)`, if those are small, and no column or row alone.
    pub(crate) fn new(sizes: (usize, usize, usize)) -> Option<Self> {
        Self::with(Isa::best(), sizes)
    }

    /// [`Small::new`] with an instruction set that this machine has.
    pub(super) fn with(isa: Isa, sizes: (usize, usize, usize)) -> Option<Self> {
        const { assert!(SIZE <= INNER) };
        let (rows, inner, columns) = sizes;
        if rows.max(inner).max(columns) > SIZE || rows.min(inner).min(columns) < 2 {
            return None;
        }
        let kernels = match T::has_pairs(isa) {
            true => T::packed_kernels(isa).0,
            false => T::Sum::kernels(isa),
        };
        Some(Small {
            isa,
            kernels,
            sizes,
            rows: Panels::new(rows, 1, kernels.rows),
            columns: Panels::new(columns, kernels.lanes, kernels.vectors),
            lhs: Copies::default(),
            rhs: Copies::default(),
            sums: Vec::new(),
        })
    }

    /// `output ← lhs × rhs`; the columns of the output lie side by side.
    ///
    /// # Safety
    /// All elements that the sizes and strides reach are inside live memory; nobody else reads or
    /// writes those of `output`.
    pub(crate) unsafe fn multiply(&mut self, lhs: Matrix<T>, rhs: Matrix<T>, output: Matrix<T>) {
        #[cfg(target_arch = "x86_64")]
        if let Some((stacks, 2)) = T::packed_stacks(self.isa) {
            // SAFETY: the caller's promise is the same
            return unsafe { self.multiply_pairs(stacks, lhs, rhs, output) };
        }
        let (rows, inner, columns) = self.sizes;
        // SAFETY: by the caller's promise
        let (lhs, rhs) = unsafe {
            (
                widened(self.isa, lhs, (rows, inner), &mut self.lhs.wide),
                widened(self.isa, rhs, (inner, columns), &mut self.rhs.wide),
            )
        };
        // rows side by side are read as packed ones
        let turned = lhs.row_stride == 1 && lhs.column_stride > 1;
        // SAFETY: by the caller's promise
        let (lhs, rhs) = unsafe {
            (
                match turned {
                    true => lhs,
                    false => in_order(self.isa, lhs, (rows, inner), &mut self.lhs.ordered),
                },
                in_order(self.isa, rhs, (inner, columns), &mut self.rhs.ordered),
            )
        };
        let sums = match T::WIDE {
            true => output.sums(),
            false => {
                self.sums.resize(rows * columns, T::Sum::default());
                Matrix {
                    start: self.sums.as_mut_ptr().cast_const(),
                    row_stride: columns as isize,
                    column_stride: 1,
                }
            }
        };
        for column in (0..self.columns.count()).map(|index| self.columns.get(index)) {
            for row in (0..self.rows.count()).map(|index| self.rows.get(index)) {
                let kernel = (self.kernels.choose)(row.size, column.vectors, turned);
                // SAFETY: by the caller's promise; panels lie inside the matrices
                unsafe {
                    kernel(&Tile {
                        inner,
                        lhs: lhs.place(row.first, 0),
                        lhs_row: if turned {
                            lhs.column_stride
                        } else {
                            lhs.row_stride
                        },
                        rhs: rhs.place(0, column.first),
                        rhs_row: rhs.row_stride,
                        output: sums.place(row.first, column.first).cast_mut(),
                        output_row: sums.row_stride,
                        columns: column.size,
                        accumulate: false,
                    });
                }
            }
        }
        let gapless = output.row_stride == columns as isize;
        let lines = match (T::WIDE, gapless) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => rows,
        };
        for line in 0..lines {
            let (from, to) = (sums.place(line, 0), output.place(line, 0).cast_mut());
            let count = rows * columns / lines;
            // SAFETY: by the caller's promise; the sums have all rows and columns
            unsafe { write_row::<T>(self.isa, from, count, None, to) };
        }
    }
}

impl<T: Element> Small<T> {
    /// As [`Small::multiply`], of pairs of `bf16`, which are rounded as they leave the registers.
    ///
    /// # Safety
    /// As for [`Small::multiply`]; this machine multiplies pairs.
    #[cfg(target_arch = "x86_64")]
    unsafe fn multiply_pairs(
        &mut self,
        stacks: &Stacks<T::Sum>,
        lhs: Matrix<T>,
        rhs: Matrix<T>,
        output: Matrix<T>,
    ) {
        let (rows, inner, _) = self.sizes;
        let depth = inner.div_ceil(2);
        // SAFETY: by the caller's promise
        unsafe { pack_panels(self.isa, rhs, inner, &self.columns, &mut self.rhs.ordered) };
        let is_gapless = lhs.column_stride == 1 && lhs.row_stride == inner as isize;
        let (start, step, turned) = if lhs.has_pairs(inner) {
            (lhs.start.cast(), lhs.row_stride / 2, false)
        } else if is_gapless && !inner.is_multiple_of(2) {
            let copy = &mut self.lhs.ordered;
            copy.resize(rows * depth, T::Sum::default());
            // SAFETY: by the caller's promise; elements that are multiplied by pairs are `bf16`
            unsafe { pad_rows(lhs.start.cast(), inner, rows, copy.as_mut_ptr().cast()) };
            (copy.as_ptr(), depth as isize, false)
        } else {
            let (lhs, all) = (lhs.transposed(), Panels::new(rows, 1, rows));
            // SAFETY: by the caller's promise
            unsafe { pack_panels(self.isa, lhs, inner, &all, &mut self.lhs.ordered) };
            (self.lhs.ordered.as_ptr(), rows as isize, true)
        };
        for column in (0..self.columns.count()).map(|index| self.columns.get(index)) {
            let kernel = stacks.choose(column.vectors, turned);
            let to = output.place(0, column.first).cast_mut();
            // SAFETY: by the caller's promise; panels lie inside the matrices
            unsafe {
                kernel(&Stack {
                    rows,
                    inner: depth,
                    lhs: start,
                    lhs_step: step,
                    rhs: self.rhs.ordered.as_ptr().wrapping_add(column.first * depth),
                    before: std::ptr::null(),
                    before_row: 0,
                    output: Target::Rounded(to.cast()),
                    output_row: output.row_stride,
                    columns: column.size,
                });
            }
        }
    }
}

/// Packs all panels of an operand with one row a term, as pairs of terms.
///
/// # Safety
/// It has so many terms of what the panels cover; this machine has the instruction set.
#[cfg(target_arch = "x86_64")]
unsafe fn pack_panels<T: Element>(
    isa: Isa,
    matrix: Matrix<T>,
    terms: usize,
    panels: &Panels,
    copy: &mut Vec<T::Sum>,
) {
    let depth = terms.div_ceil(2);
    copy.resize(depth * panels.padded(), T::Sum::default());
    for panel in (0..panels.count()).map(|index| panels.get(index)) {
        let piece = Piece {
            source: matrix.at(0, panel.first),
            terms,
            size: panel.size,
            padded: panels.width(&panel),
        };
        let to = copy.as_mut_ptr().wrapping_add(panel.first * depth);
        // SAFETY: by the caller's promise; the copy has room, and elements have 16 bits
        unsafe { pack::pack_pairs(isa, &piece.bits(), to.cast()) };
    }
}

/// The matrix as it is, or a copy of it as the type of sums whose elements lie alike.
///
/// # Safety
/// It has so many rows and columns; this machine has the instruction set.
unsafe fn widened<T: Element>(
    isa: Isa,
    matrix: Matrix<T>,
    (rows, columns): (usize, usize),
    copy: &mut Vec<T::Sum>,
) -> Matrix<T::Sum> {
    if T::WIDE {
        return matrix.sums();
    }
    if matrix.row_stride == 1 && matrix.column_stride != 1 {
        // SAFETY: by the caller's promise
        return unsafe { widened(isa, matrix.transposed(), (columns, rows), copy) }.transposed();
    }
    copy.resize(rows * columns, T::Sum::default());
    let gapless = matrix.column_stride == 1 && matrix.row_stride == columns as isize;
    let (terms, size) = match gapless {
        true => (1, rows * columns),
        false => (rows, columns),
    };
    let piece = Piece {
        source: matrix,
        terms,
        size,
        padded: size,
    };
    // SAFETY: by the caller's promise; the copy has room
    unsafe { pack::pack(isa, &piece, copy.as_mut_ptr()) };
    Matrix {
        start: copy.as_ptr(),
        row_stride: columns as isize,
        column_stride: 1,
    }
}

/// The matrix as it is, if kernels can read it, or a copy with columns side by side.
///
/// # Safety
/// It has so many rows and columns; this machine has the instruction set.
unsafe fn in_order<S: Scalar>(
    isa: Isa,
    matrix: Matrix<S>,
    (rows, columns): (usize, usize),
    copy: &mut Vec<S>,
) -> Matrix<S> {
    if matrix.column_stride == 1 {
        return matrix;
    }
    copy.resize(rows * columns, S::default());
    let piece = Piece {
        source: matrix,
        terms: rows,
        size: columns,
        padded: columns,
    };
    // SAFETY: by the caller's promise; the copy has room
    unsafe { pack::pack(isa, &piece, copy.as_mut_ptr()) };
    Matrix {
        start: copy.as_ptr(),
        row_stride: columns as isize,
        column_stride: 1,
    }
}
