//! Batched products of complex matrices, by the `gemm` crate.

use super::matmul::offsets;
use super::product::{Matrix, Number, multiply};
use mlx_oxide_ir::{Layout, Result, Shape};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use num_complex::Complex32;
use smallvec::smallvec;

/// Products with less work than this stay on one thread.
const SMALL_WORK: usize = 1 << 18;
/// Rows that one task computes of a large product, a multiple of the micro-kernels' rows.
const ROWS: usize = 240;
/// Columns that one task computes of a product with few rows.
const COLUMNS: usize = 256;

/// `(alpha, beta)` are the factors of `addmm`, whose first input is the addend.
pub(super) fn run(call: &Call<'_>, factors: Option<(f64, f64)>) -> Result<Results> {
    product::<Complex32>(call, factors)
}

/// The last two axes of an operand as a matrix, without its batch offset.
fn matrix<T>(operand: &Operand) -> Result<Matrix<T>> {
    let ndim = operand.layout.shape.ndim();
    let start = operand.buffer.host_ptr()?.as_ptr().cast::<T>();
    Ok(Matrix {
        start: start.wrapping_add(operand.layout.offset),
        row_stride: operand.layout.strides[ndim - 2],
        column_stride: operand.layout.strides[ndim - 1],
    })
}

fn product<T: Number>(call: &Call<'_>, factors: Option<(f64, f64)>) -> Result<Results> {
    let (addend, operands) = match factors {
        Some(_) => (Some(&call.inputs[0]), &call.inputs[1..]),
        None => (None, call.inputs),
    };
    let output_type = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    let ndim = output_type.shape.ndim();
    let (rows, columns) = (output_type.shape[ndim - 2], output_type.shape[ndim - 1]);
    let inner = operands[0].layout.shape[ndim - 1];
    let (lhs, rhs) = (matrix::<T>(&operands[0])?, matrix::<T>(&operands[1])?);
    let output = Matrix {
        start: buffer.host_ptr()?.as_ptr().cast::<T>().cast_const(),
        row_stride: columns as isize,
        column_stride: 1,
    };
    let batch = Batch {
        lhs: offsets(&operands[0]),
        rhs: offsets(&operands[1]),
    };
    let (alpha, beta) = factors.unwrap_or((1.0, 0.0));
    if let Some(addend) = addend.filter(|_| beta != 0.0) {
        fill(addend, output, rows * columns)?;
    }
    let beta = (beta != 0.0).then(|| T::of(beta));
    let tasks = Tasks::new(batch.lhs.len(), rows, columns, inner);
    parallel::for_each(tasks.count(), |task| {
        for (item, row, column, sizes) in tasks.parts(task) {
            let at = |matrix: Matrix<T>, offset: isize| Matrix {
                start: matrix.start.wrapping_offset(offset),
                ..matrix
            };
            // SAFETY: layouts were checked to fit their buffers; parts of different tasks do not
            // overlap; with `beta` the output holds the addend
            unsafe {
                multiply(
                    sizes,
                    at(lhs, batch.lhs[item]).at(row, 0),
                    at(rhs, batch.rhs[item]).at(0, column),
                    at(output, (item * rows * columns) as isize).at(row, column),
                    T::of(alpha),
                    beta,
                );
            }
        }
    });
    Ok(smallvec![Stored::contiguous(buffer, output_type)])
}

struct Batch {
    lhs: Vec<isize>,
    rhs: Vec<isize>,
}

/// Writes the addend's elements where the product will be added to them.
fn fill<T: Number>(addend: &Operand, output: Matrix<T>, matrix_size: usize) -> Result<()> {
    let source = addend.buffer.host_ptr()?.as_ptr().cast::<T>() as usize;
    let target = output.start as usize;
    let layout = &addend.layout;
    let width = layout.shape[layout.shape.ndim() - 1].max(1);
    let step = layout.strides[layout.shape.ndim() - 1];
    let rows = Layout {
        shape: Shape::from(&layout.shape[..layout.shape.ndim() - 1]),
        strides: layout.strides[..layout.shape.ndim() - 1]
            .iter()
            .copied()
            .collect(),
        offset: layout.offset,
    };
    if matrix_size == 0 {
        return Ok(());
    }
    for (row, place) in rows.places().enumerate() {
        for column in 0..width {
            // SAFETY: the addend's layout fits its buffer; the output has one element for each
            unsafe {
                let value = *(source as *const T).offset(place as isize + column as isize * step);
                (target as *mut T).add(row * width + column).write(value);
            }
        }
    }
    Ok(())
}

/// How a batch of products is cut into tasks; sizes alone decide, so that results do not depend
/// on the number of threads.
struct Tasks {
    batch: usize,
    sizes: (usize, usize, usize),
    /// Rows and columns of one part.
    part: (usize, usize),
    /// Whole products that one task computes.
    group: usize,
}

impl Tasks {
    fn new(batch: usize, rows: usize, columns: usize, inner: usize) -> Self {
        let work = rows.saturating_mul(columns).saturating_mul(inner.max(1));
        let sizes = (rows, inner, columns);
        if rows * columns == 0 {
            return Tasks {
                batch: 0,
                sizes,
                part: (1, 1),
                group: 1,
            };
        }
        if work < SMALL_WORK {
            let group = (SMALL_WORK / work.max(1)).clamp(1, batch.max(1));
            return Tasks {
                batch,
                sizes,
                part: (rows, columns),
                group,
            };
        }
        let part = if rows >= 2 * ROWS {
            (ROWS.max(rows.div_ceil(8).next_multiple_of(24)), columns)
        } else if columns >= 2 * COLUMNS {
            (rows, COLUMNS.max(columns.div_ceil(8).next_multiple_of(64)))
        } else {
            (rows, columns)
        };
        Tasks {
            batch,
            sizes,
            part,
            group: 1,
        }
    }

    fn grid(&self) -> (usize, usize) {
        (
            self.sizes.0.div_ceil(self.part.0),
            self.sizes.2.div_ceil(self.part.1),
        )
    }

    fn count(&self) -> usize {
        let (down, across) = self.grid();
        self.batch.div_ceil(self.group) * down * across
    }

    /// Product, first row, first column and sizes of each part of a task.
    fn parts(
        &self,
        task: usize,
    ) -> impl Iterator<Item = (usize, usize, usize, (usize, usize, usize))> + '_ {
        let (down, across) = self.grid();
        let (group, cell) = (task / (down * across), task % (down * across));
        let (row, column) = ((cell / across) * self.part.0, (cell % across) * self.part.1);
        let (rows, inner, columns) = self.sizes;
        let sizes = (
            self.part.0.min(rows - row),
            inner,
            self.part.1.min(columns - column),
        );
        let first = group * self.group;
        (first..self.batch.min(first + self.group)).map(move |item| (item, row, column, sizes))
    }
}
