//! Matrices as places in memory.

use super::element::Element;

/// Where a matrix's elements lie.
pub(crate) struct Matrix<T> {
    /// The element of row 0 and column 0.
    pub(crate) start: *const T,
    /// Elements from one row to the next.
    pub(crate) row_stride: isize,
    /// Elements from one column to the next.
    pub(crate) column_stride: isize,
}

impl<T> Clone for Matrix<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Matrix<T> {}

// SAFETY: a place in memory that the caller keeps alive and does not write while it is shared
unsafe impl<T: Sync> Sync for Matrix<T> {}
// SAFETY: as above
unsafe impl<T: Sync> Send for Matrix<T> {}

impl<T> Matrix<T> {
    /// A place of the matrix; nothing is read.
    #[inline(always)]
    pub(crate) fn place(self, row: usize, column: usize) -> *const T {
        let step = row as isize * self.row_stride + column as isize * self.column_stride;
        self.start.wrapping_offset(step)
    }

    /// The matrix that begins at a row and column of this one.
    pub(crate) fn at(self, row: usize, column: usize) -> Self {
        Matrix {
            start: self.place(row, column),
            ..self
        }
    }

    /// The matrix that begins some elements further on.
    pub(crate) fn moved(self, elements: isize) -> Self {
        Matrix {
            start: self.start.wrapping_offset(elements),
            ..self
        }
    }

    /// Whether pairs of as many columns can be read where they are.
    pub(crate) fn has_pairs(self, columns: usize) -> bool {
        self.column_stride == 1
            && columns.is_multiple_of(2)
            && self.row_stride % 2 == 0
            && self.start.cast::<f32>().is_aligned()
    }

    /// The same elements, whose type is that of sums.
    pub(crate) fn sums(self) -> Matrix<T::Sum>
    where
        T: Element,
    {
        debug_assert!(T::WIDE);
        Matrix {
            start: self.start.cast(),
            row_stride: self.row_stride,
            column_stride: self.column_stride,
        }
    }

    /// The same elements, which are `bf16`.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn brain(self) -> Matrix<half::bf16>
    where
        T: Element,
    {
        debug_assert!(T::BRAIN);
        Matrix {
            start: self.start.cast(),
            row_stride: self.row_stride,
            column_stride: self.column_stride,
        }
    }

    /// The same elements, which have four bytes, as single precision.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn single(self) -> Matrix<f32> {
        debug_assert_eq!(size_of::<T>(), 4);
        Matrix {
            start: self.start.cast(),
            row_stride: self.row_stride,
            column_stride: self.column_stride,
        }
    }

    /// The same elements with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Matrix {
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}
