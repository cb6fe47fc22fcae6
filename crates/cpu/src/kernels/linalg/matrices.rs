//! Batches of matrices in and out.

use super::element::Element;
use faer::{Mat, MatMut, MatRef};
use mlx_oxide_ir::{ArrayType, Layout, Result, Shape};
use mlx_oxide_runtime::{Buffer, Operand, Stored};
use std::marker::PhantomData;

/// The matrices along the last two axes of an operand.
pub(super) struct Batch<'a, T> {
    start: *const T,
    offsets: Vec<usize>,
    rows: usize,
    columns: usize,
    row_stride: isize,
    column_stride: isize,
    operand: PhantomData<&'a T>,
}

// SAFETY: matrices are only read, and their memory lives as long as the operand
unsafe impl<T: Sync> Sync for Batch<'_, T> {}

impl<'a, T: Element> Batch<'a, T> {
    pub(super) fn new(operand: &'a Operand) -> Result<Self> {
        let layout = &operand.layout;
        let last = layout.shape.ndim() - 1;
        let leading = Layout {
            shape: Shape::from(&layout.shape[..last - 1]),
            strides: layout.strides[..last - 1].iter().copied().collect(),
            offset: layout.offset,
        };
        Ok(Batch {
            start: operand.buffer.host_ptr()?.as_ptr().cast::<T>(),
            offsets: leading.places().collect(),
            rows: layout.shape[last - 1],
            columns: layout.shape[last],
            row_stride: layout.strides[last - 1],
            column_stride: layout.strides[last],
            operand: PhantomData,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.offsets.len()
    }

    /// Matrix number `item`.
    pub(super) fn matrix(&self, item: usize) -> MatRef<'_, T> {
        if self.rows * self.columns == 0 {
            return MatRef::from_column_major_slice(&[], self.rows, self.columns);
        }
        let start = self.start.wrapping_add(self.offsets[item]);
        // SAFETY: the layout was checked to fit the operand's buffer, which outlives `self`
        unsafe {
            MatRef::from_raw_parts(
                start,
                self.rows,
                self.columns,
                self.row_stride,
                self.column_stride,
            )
        }
    }
}

/// Rows and columns that are copied together, so that both sides stay in cache.
const TILE: usize = 16;

/// A copy in column-major order.
pub(super) fn copied<T: Element>(source: MatRef<'_, T>) -> Mat<T> {
    let mut copy = Mat::zeros(source.nrows(), source.ncols());
    copy_into(source, copy.as_mut());
    copy
}

/// Copies a matrix into another of its size.
pub(super) fn copy_into<T: Element>(source: MatRef<'_, T>, target: MatMut<'_, T>) {
    let (rows, columns) = (source.nrows(), source.ncols());
    debug_assert!(target.nrows() == rows && target.ncols() == columns);
    let (from, to) = (source.as_ptr(), target.as_ptr_mut());
    let from_steps = (source.row_stride(), source.col_stride());
    let to_steps = (target.row_stride(), target.col_stride());
    for first_column in (0..columns).step_by(TILE) {
        for first_row in (0..rows).step_by(TILE) {
            for column in first_column..columns.min(first_column + TILE) {
                for row in first_row..rows.min(first_row + TILE) {
                    let (row, column) = (row as isize, column as isize);
                    let read = from.wrapping_offset(row * from_steps.0 + column * from_steps.1);
                    let write = to.wrapping_offset(row * to_steps.0 + column * to_steps.1);
                    // SAFETY: row and column are inside both matrices
                    unsafe { write.write(*read) };
                }
            }
        }
    }
}

/// One output in the making.
pub(super) struct Output {
    buffer: Buffer,
    array_type: ArrayType,
    start: *mut u8,
    /// Whether items are matrices rather than vectors or numbers.
    matrices: bool,
}

// SAFETY: every thread writes items of its own
unsafe impl Sync for Output {}

impl Output {
    /// Room for an output of matrices of as many axes as the input, or of less.
    pub(super) fn allocate(
        op: &'static str,
        array_type: &ArrayType,
        input_ndim: usize,
    ) -> Result<Self> {
        let buffer = Buffer::allocate(op, array_type.bytes())?;
        let start = buffer.host_ptr()?.as_ptr();
        Ok(Output {
            buffer,
            array_type: array_type.clone(),
            start,
            matrices: array_type.shape.ndim() == input_ndim,
        })
    }

    fn slice<T>(&self, item: usize, size: usize) -> *mut T {
        debug_assert!((item + 1) * size * size_of::<T>() <= self.array_type.bytes());
        self.start.cast::<T>().wrapping_add(item * size)
    }

    /// Item number `item`, a matrix, to be written in column-major order.
    pub(super) fn matrix<T: Element>(&self, item: usize) -> MatMut<'_, T> {
        let last = self.array_type.shape.ndim() - 1;
        let (rows, columns) = (self.array_type.shape[last - 1], self.array_type.shape[last]);
        if rows * columns == 0 {
            return MatMut::from_column_major_slice_mut(&mut [], rows, columns);
        }
        let start = self.slice::<T>(item, rows * columns);
        // SAFETY: the buffer holds `rows × columns` elements for each item, this thread's own;
        // all bits zero or any others are numbers
        unsafe { MatMut::from_raw_parts_mut(start, rows, columns, 1, rows as isize) }
    }

    /// Writes item number `item`, a vector.
    pub(super) fn write<T: Copy>(&self, item: usize, values: &[T]) {
        let start = self.slice::<T>(item, values.len());
        // SAFETY: the buffer holds as many elements for each item, this thread's own
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), start, values.len()) };
    }

    /// The whole output; matrices lie in column-major order.
    pub(super) fn finish(self) -> Stored {
        if !self.matrices {
            return Stored::contiguous(self.buffer, &self.array_type);
        }
        let mut shape = self.array_type.shape.clone();
        let last = shape.ndim() - 1;
        shape.swap(last - 1, last);
        let mut order: Vec<usize> = (0..=last).collect();
        order.swap(last - 1, last);
        Stored {
            buffer: self.buffer,
            layout: Layout::contiguous(shape).permute(&order),
        }
    }
}
