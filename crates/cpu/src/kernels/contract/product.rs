//! One product of complex matrices, by the `gemm` crate.

use num_complex::Complex32;

/// Element types of products.
pub(super) trait Number: Copy + Send + Sync + Default + bytemuck::Pod {
    /// The nearest element.
    fn of(value: f64) -> Self;
}

impl Number for Complex32 {
    fn of(value: f64) -> Complex32 {
        Complex32::new(value as f32, 0.0)
    }
}

/// Where a matrix's elements lie.
#[derive(Clone, Copy)]
pub(super) struct Matrix<T> {
    pub(super) start: *const T,
    pub(super) row_stride: isize,
    pub(super) column_stride: isize,
}

// SAFETY: a place in memory that the caller keeps alive and does not write while it is shared
unsafe impl<T: Sync> Sync for Matrix<T> {}
// SAFETY: as above
unsafe impl<T: Sync> Send for Matrix<T> {}

impl<T> Matrix<T> {
    /// The matrix that begins at a row and column of this one.
    pub(super) fn at(self, row: usize, column: usize) -> Self {
        let step = row as isize * self.row_stride + column as isize * self.column_stride;
        Matrix {
            start: self.start.wrapping_offset(step),
            ..self
        }
    }
}

/// `output ← alpha·(lhs × rhs) + beta·output` of `rows × inner × columns`.
///
/// # Safety
/// All elements that the sizes and strides reach are inside live memory; nobody else reads or
/// writes those of `output`, which are initialised unless `beta` is absent.
pub(super) unsafe fn multiply<T: Number>(
    (rows, inner, columns): (usize, usize, usize),
    lhs: Matrix<T>,
    rhs: Matrix<T>,
    output: Matrix<T>,
    alpha: T,
    beta: Option<T>,
) {
    // SAFETY: by the caller's promise
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            output.start.cast_mut(),
            output.column_stride,
            output.row_stride,
            beta.is_some(),
            lhs.start,
            lhs.column_stride,
            lhs.row_stride,
            rhs.start,
            rhs.column_stride,
            rhs.row_stride,
            beta.unwrap_or_default(),
            alpha,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
