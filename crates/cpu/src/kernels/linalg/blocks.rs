//! Blocks of columns of one matrix, each worked on by whoever is free.

use super::element::Element;
use crate::kernels::shared::Shared;
use faer::{MatMut, MatRef};
use mlx_oxide_runtime::parallel;

/// Multiplications below which starting a thread does not pay.
pub(super) const WORK: usize = 1 << 20;

/// Columns of the blocks of a number of columns, a number that the sizes alone decide.
pub(super) fn width(columns: usize) -> usize {
    columns.div_ceil(8).next_multiple_of(16).max(32)
}

/// A matrix in column-major order whose columns several threads work on.
pub(super) struct Columns<T> {
    start: Shared<T>,
    rows: usize,
    columns: usize,
    pitch: usize,
}

impl<T: Element> Columns<T> {
    pub(super) fn new(matrix: &mut MatMut<'_, T>) -> Self {
        debug_assert!(matrix.row_stride() == 1 || matrix.nrows() <= 1);
        Columns {
            start: Shared(matrix.as_ptr_mut()),
            rows: matrix.nrows(),
            columns: matrix.ncols(),
            pitch: matrix.col_stride() as usize,
        }
    }

    /// Columns from `first` to before `end`.
    ///
    /// # Safety
    /// The matrix lives, and nobody else uses these columns.
    pub(super) unsafe fn range(&self, first: usize, end: usize) -> MatMut<'_, T> {
        debug_assert!(first <= end && end <= self.columns);
        let place = self.start.pointer().wrapping_add(first * self.pitch);
        // SAFETY: columns of the matrix, which are the caller's own
        unsafe { MatMut::from_raw_parts_mut(place, self.rows, end - first, 1, self.pitch as isize) }
    }

    /// One column.
    ///
    /// # Safety
    /// As for [`Self::range`].
    #[expect(clippy::mut_from_ref, reason = "columns are shared out among tasks")]
    pub(super) unsafe fn column(&self, number: usize) -> &mut [T] {
        debug_assert!(number < self.columns);
        let place = self.start.pointer().wrapping_add(number * self.pitch);
        // SAFETY: a column of the matrix, without gaps, which is the caller's own
        unsafe { std::slice::from_raw_parts_mut(place, self.rows) }
    }

    /// Columns from `first` to before `end`, to be read.
    ///
    /// # Safety
    /// The matrix lives, and nobody writes these columns.
    pub(super) unsafe fn read(&self, first: usize, end: usize) -> MatRef<'_, T> {
        debug_assert!(first <= end && end <= self.columns);
        let place = self.start.pointer().wrapping_add(first * self.pitch);
        // SAFETY: columns of the matrix, which nobody writes
        unsafe { MatRef::from_raw_parts(place, self.rows, end - first, 1, self.pitch as isize) }
    }
}

/// Runs a task for every block of columns with the number of its first one.
pub(super) fn for_each_block<T: Element>(
    mut matrix: MatMut<'_, T>,
    width: usize,
    task: impl Fn(usize, MatMut<'_, T>) + Sync,
) {
    let columns = Columns::new(&mut matrix);
    parallel::for_each_range(columns.columns, width, |first, end| {
        // SAFETY: blocks have no column in common, and the matrix is borrowed
        task(first, unsafe { columns.range(first, end) });
    });
}
