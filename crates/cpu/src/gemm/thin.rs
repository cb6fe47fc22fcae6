//! Products with few rows read the right operand once, where it is.
//!
//! Where terms lie side by side each result is a dot product; where columns do, rows of the
//! operand are added up.

use super::compiled::compiled;
use super::element::Element;
use super::matrix::Matrix;
use super::product::{Finish, each};
use crate::simd::Isa;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::Buffer;

/// Rows up to which the right operand is not worth packing.
const ROWS: usize = 4;
/// Partial sums of a dot product.
const LANES: usize = 32;
/// Columns whose dot products are computed together.
const COLUMNS: usize = 4;
/// Bytes of the right operand that one task reads.
const TASK_BYTES: usize = 256 << 10;
/// Columns whose rows are added up together; their sums stay in the first cache.
const SPAN: usize = 1024;

/// A product with few rows.
pub(super) struct Thin<T: Element> {
    isa: Isa,
    sizes: (usize, usize, usize),
    lhs: Matrix<T>,
    rhs: Matrix<T>,
    output: Matrix<T>,
    finish: Option<Finish<T>>,
}

impl<T: Element> Thin<T> {
    /// The product, or its transpose, if it has few rows and columns or terms side by side.
    pub(super) fn new(
        isa: Isa,
        (rows, inner, columns): (usize, usize, usize),
        lhs: Matrix<T>,
        rhs: Matrix<T>,
        output: Matrix<T>,
        finish: Option<Finish<T>>,
    ) -> Option<Self> {
        let flat = rhs.column_stride == 1 || rhs.row_stride == 1;
        if rows <= ROWS && rows <= columns && flat && inner > 0 {
            return Some(Thin {
                isa,
                sizes: (rows, inner, columns),
                lhs,
                rhs,
                output,
                finish,
            });
        }
        let flat = lhs.column_stride == 1 || lhs.row_stride == 1;
        if columns <= ROWS && columns <= rows && flat && inner > 0 {
            let finish = finish.map(|finish| Finish {
                addend: finish.addend.map(Matrix::transposed),
                ..finish
            });
            return Some(Thin {
                isa,
                sizes: (columns, inner, rows),
                lhs: rhs.transposed(),
                rhs: lhs.transposed(),
                output: output.transposed(),
                finish,
            });
        }
        None
    }

    /// # Safety
    /// As for [`super::multiply`].
    pub(super) unsafe fn run(&self, op: &'static str, shared: bool) -> Result<()> {
        let (rows, inner, columns) = self.sizes;
        let memory = Buffer::allocate(op, rows * inner * size_of::<T::Sum>())?;
        let lhs = memory.host_ptr()?.as_ptr().cast::<T::Sum>();
        for row in 0..rows {
            for term in 0..inner {
                // SAFETY: by the caller's promise; the memory has room for all elements
                unsafe {
                    let value = self.lhs.place(row, term).read().widen();
                    lhs.add(row * inner + term).write(value);
                }
            }
        }
        let dots = self.rhs.row_stride == 1;
        let span = match dots {
            true => (TASK_BYTES / (inner * size_of::<T>()))
                .max(1)
                .next_multiple_of(COLUMNS),
            false => SPAN,
        };
        let lhs = Matrix {
            start: lhs.cast_const(),
            row_stride: inner as isize,
            column_stride: 1,
        };
        each(shared, columns.div_ceil(span), |task| {
            let first = task * span;
            let part = Part {
                first,
                count: span.min(columns - first),
                dots,
            };
            // SAFETY: by the caller's promise; each task writes columns of its own
            unsafe { compute(self.isa, self, lhs, &part) };
        });
        Ok(())
    }

    /// # Safety
    /// The place is in the output.
    #[inline(always)]
    unsafe fn write(&self, row: usize, column: usize, sum: T::Sum) {
        // SAFETY: by the caller's promise
        unsafe {
            let sum = match &self.finish {
                None => sum,
                Some(finish) => finish.apply(sum, row, column),
            };
            let to = self.output.place(row, column).cast_mut();
            to.write(T::narrow(sum));
        }
    }
}

/// Columns of one task.
struct Part {
    first: usize,
    count: usize,
    dots: bool,
}

compiled! {
    /// # Safety
    /// As for [`Thin::run`]; this machine has the instruction set.
    fn compute<T: Element>(thin: &Thin<T>, lhs: Matrix<T::Sum>, part: &Part) by portable
}

/// # Safety
/// As for [`compute`].
#[inline(always)]
unsafe fn portable<T: Element>(thin: &Thin<T>, lhs: Matrix<T::Sum>, part: &Part) {
    // SAFETY: the caller's promise is the same
    unsafe {
        if part.dots {
            dot_products(thin, lhs, part)
        } else {
            added_rows(thin, lhs, part)
        }
    }
}

/// # Safety
/// As for [`compute`]; the terms of a column lie side by side.
#[inline(always)]
unsafe fn dot_products<T: Element>(thin: &Thin<T>, lhs: Matrix<T::Sum>, part: &Part) {
    let (rows, inner, _) = thin.sizes;
    let end = part.first + part.count;
    let whole = part.first + part.count / COLUMNS * COLUMNS;
    for first in (part.first..whole).step_by(COLUMNS) {
        let columns = std::array::from_fn(|index| thin.rhs.place(0, first + index));
        for row in 0..rows {
            // SAFETY: by the caller's promise
            let sums = unsafe { dots::<T, COLUMNS>(lhs.place(row, 0), columns, inner) };
            for (index, sum) in sums.into_iter().enumerate() {
                // SAFETY: by the caller's promise
                unsafe { thin.write(row, first + index, sum) };
            }
        }
    }
    for column in whole..end {
        for row in 0..rows {
            let place = [thin.rhs.place(0, column)];
            // SAFETY: by the caller's promise
            let [sum] = unsafe { dots::<T, 1>(lhs.place(row, 0), place, inner) };
            // SAFETY: by the caller's promise
            unsafe { thin.write(row, column, sum) };
        }
    }
}

/// Dot products of one vector with several.
///
/// # Safety
/// All have `terms` elements.
#[inline(always)]
unsafe fn dots<T: Element, const N: usize>(
    lhs: *const T::Sum,
    columns: [*const T; N],
    terms: usize,
) -> [T::Sum; N] {
    let mut lanes = [[T::Sum::default(); LANES]; N];
    let whole = terms / LANES * LANES;
    for first in (0..whole).step_by(LANES) {
        // SAFETY: by the caller's promise
        let left = unsafe { lhs.add(first).cast::<[T::Sum; LANES]>().read() };
        for (lanes, column) in lanes.iter_mut().zip(columns) {
            // SAFETY: by the caller's promise
            let right = unsafe { column.add(first).cast::<[T; LANES]>().read() };
            for ((lane, left), right) in lanes.iter_mut().zip(&left).zip(right) {
                *lane = *lane + *left * right.widen();
            }
        }
    }
    std::array::from_fn(|index| {
        let lanes = &mut lanes[index];
        for term in whole..terms {
            // SAFETY: by the caller's promise
            let product = unsafe { lhs.add(term).read() * columns[index].add(term).read().widen() };
            lanes[0] = lanes[0] + product;
        }
        let mut width = LANES;
        while width > 1 {
            width /= 2;
            for lane in 0..width {
                lanes[lane] = lanes[lane] + lanes[lane + width];
            }
        }
        lanes[0]
    })
}

/// # Safety
/// As for [`compute`]; the columns of a row lie side by side.
#[inline(always)]
unsafe fn added_rows<T: Element>(thin: &Thin<T>, lhs: Matrix<T::Sum>, part: &Part) {
    const TERMS: usize = 4;
    let (rows, inner, _) = thin.sizes;
    let mut sums = [[T::Sum::default(); SPAN]; ROWS];
    let whole = inner / TERMS * TERMS;
    // SAFETY: by the caller's promise
    unsafe {
        for first in (0..whole).step_by(TERMS) {
            let terms = std::array::from_fn(|term| thin.rhs.place(first + term, part.first));
            for (row, sums) in sums.iter_mut().enumerate().take(rows) {
                let factors = std::array::from_fn(|term| lhs.place(row, first + term).read());
                add::<T, TERMS>(&mut sums[..part.count], factors, terms);
            }
        }
        for term in whole..inner {
            for (row, sums) in sums.iter_mut().enumerate().take(rows) {
                let factors = [lhs.place(row, term).read()];
                let terms = [thin.rhs.place(term, part.first)];
                add::<T, 1>(&mut sums[..part.count], factors, terms);
            }
        }
        for (row, sums) in sums.iter().enumerate().take(rows) {
            for (column, sum) in sums[..part.count].iter().enumerate() {
                thin.write(row, part.first + column, *sum);
            }
        }
    }
}

/// Adds rows times their factors.
///
/// # Safety
/// The rows are as long as the sums.
#[inline(always)]
unsafe fn add<T: Element, const N: usize>(
    sums: &mut [T::Sum],
    factors: [T::Sum; N],
    rows: [*const T; N],
) {
    // SAFETY: by the caller's promise
    let rows = rows.map(|row| unsafe { std::slice::from_raw_parts(row, sums.len()) });
    for (index, sum) in sums.iter_mut().enumerate() {
        let mut total = *sum;
        for (row, factor) in rows.iter().zip(factors) {
            total = total + factor * row[index].widen();
        }
        *sum = total;
    }
}
