//! Products with few rows read the right operand once, where it is.
//!
//! Where terms lie side by side each result is a dot product; where columns do, rows of the
//! operand are added up.

mod blocks;

use super::compiled::compiled;
use super::dots::{COLUMNS, ROWS, add_dots, add_multiples};
use super::element::{Element, Scalar};
use super::finish::Finish;
use super::matrix::Matrix;
#[cfg(target_arch = "x86_64")]
use super::paired;
use super::product::each;
#[cfg(target_arch = "x86_64")]
use super::vector::round_rows;
use crate::simd::Isa;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::Buffer;
#[cfg(target_arch = "x86_64")]
use mlx_oxide_runtime::parallel;

/// Terms of dot products that several rows meet at a time.
const TERMS: usize = 1024;
/// Rows that are added up together.
const ADDED: usize = 4;
/// Multiplications of pairs for which starting a thread pays.
#[cfg(target_arch = "x86_64")]
const TASK_WORK: usize = 1 << 18;
/// Bytes of the right operand that one task reads.
const TASK_BYTES: usize = 256 << 10;
/// Columns whose rows are added up together; their sums stay in the first cache.
const SPAN: usize = TERMS;
/// The most rows. Of more than [`ROWS`] the right operand is read again from the first cache; more
/// than these had better meet packed slices of it.
const MOST_ROWS: usize = 2 * ROWS;
/// The most columns where the product is the transpose and kernels cannot read the left operand
/// where it is; for more than these it is worth packing.
const MOST_COLUMNS: usize = 4 * ROWS;
/// Terms from which a dot product of pairs takes longer than to add up its lanes.
const PAIRED_TERMS: usize = 256;
/// The most rows or columns whose others meet them by dot products of pairs: half of them if
/// kernels can read the others where they are, twice if there are few sums.
const MOST_PAIRED: usize = 24;
/// Sums that are few.
const PAIRED_SUMS: usize = 1 << 13;
/// Bytes of an operand that the caches do not hold: packing it for more than [`ROWS`] rows or
/// columns would take longer than the product.
const LARGE: usize = 16 << 20;
/// Bytes of an operand whose next columns are fetched while some are multiplied.
const STREAMED: usize = 32 << 20;
/// Bytes for each row of an operand whose columns side by side are better read by kernels.
const CACHED: usize = 256 << 10;
/// As [`SPAN`], of so many rows.
const SPAN_OF_MOST: usize = SPAN / 4;

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
        let few = |rows: usize, columns: usize, most: usize| match rows <= ROWS {
            true => rows <= columns,
            false => rows <= most && inner * columns * size_of::<T>() >= LARGE,
        };
        // dot products of pairs need no packed operand
        let in_pairs = |rows: usize, columns: usize, most: usize| {
            T::has_pairs(isa) && rows <= most && rows <= columns && inner >= PAIRED_TERMS
        };
        let most = match rows * columns <= PAIRED_SUMS {
            true => 2 * MOST_PAIRED,
            false => MOST_PAIRED,
        };
        let flat = rhs.column_stride == 1 || rhs.row_stride == 1;
        // kernels keep sums of several rows in registers, while the caches hold the operand
        let in_registers = T::WIDE
            && (2..=ROWS).contains(&rows)
            && rhs.column_stride == 1
            && (2 * rows..).contains(&columns)
            && inner * columns * size_of::<T>() <= rows * CACHED;
        if in_registers {
            return None;
        }
        let is_paired = rhs.row_stride == 1 && in_pairs(rows, columns, most);
        if (few(rows, columns, MOST_ROWS) || is_paired) && flat && inner > 0 {
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
        // more columns meet rows where they are
        let most = match T::WIDE && lhs.column_stride == 1 {
            true => ROWS,
            false => MOST_COLUMNS,
        };
        let paired = match lhs.has_pairs(inner) {
            true => MOST_PAIRED / 2,
            false => MOST_PAIRED,
        };
        let is_paired = lhs.column_stride == 1 && in_pairs(columns, rows, paired);
        if (few(columns, rows, most) || is_paired) && flat && inner > 0 {
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
        #[cfg(target_arch = "x86_64")]
        if self.has_pairs() {
            // SAFETY: the caller's promise is the same
            return unsafe { self.run_by_pairs(op, shared) };
        }
        if self.has_blocks() {
            // SAFETY: the caller's promise is the same
            return unsafe { self.run_by_blocks(op, shared) };
        }
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
            false if rows <= ROWS => SPAN,
            false => SPAN_OF_MOST,
        };
        let lhs = Matrix {
            start: lhs.cast_const(),
            row_stride: inner as isize,
            column_stride: 1,
        };
        let streams = size_of::<T>() <= 4 && inner * columns * size_of::<T>() >= STREAMED;
        each(shared, columns.div_ceil(span), |task| {
            let first = task * span;
            let part = Part {
                first,
                count: span.min(columns - first),
                dots,
                streams,
            };
            // SAFETY: by the caller's promise; each task writes columns of its own
            unsafe { compute(self.isa, self, lhs, &part) };
        });
        Ok(())
    }

    /// Whether dot products are those of pairs of `bf16`.
    #[cfg(target_arch = "x86_64")]
    fn has_pairs(&self) -> bool {
        self.rhs.row_stride == 1 && T::has_pairs(self.isa)
    }

    /// Computes dot products of pairs.
    ///
    /// # Safety
    /// As for [`Thin::run`]; [`Thin::has_pairs`] holds.
    #[cfg(target_arch = "x86_64")]
    unsafe fn run_by_pairs(&self, op: &'static str, shared: bool) -> Result<()> {
        let (rows, inner, columns) = self.sizes;
        let mut lhs = self.lhs;
        let mut memory = None;
        if lhs.column_stride != 1 {
            let copy = Buffer::allocate(op, rows * inner * size_of::<T>())?;
            let to = copy.host_ptr()?.as_ptr().cast::<T>();
            for row in 0..rows {
                for term in 0..inner {
                    // SAFETY: by the caller's promise; the copy has room for all elements
                    unsafe {
                        let value = lhs.place(row, term).read();
                        to.add(row * inner + term).write(value);
                    }
                }
            }
            lhs = Matrix {
                start: to.cast_const(),
                row_stride: inner as isize,
                column_stride: 1,
            };
            memory = Some(copy);
        }
        let threads = if shared { parallel::threads() } else { 1 };
        let tasks = (2 * threads).min(rows * inner * columns / TASK_WORK).max(1);
        let span = (TASK_BYTES / (inner * size_of::<T>())).min(columns.div_ceil(tasks));
        let span = span.max(1).next_multiple_of(paired::columns(rows));
        each(shared, columns.div_ceil(span), |task| {
            let end = columns.min((task + 1) * span);
            for first_row in (0..rows).step_by(paired::ROWS) {
                let count = paired::ROWS.min(rows - first_row);
                let together = paired::columns(count);
                for first in (task * span..end).step_by(together) {
                    let (lhs, rhs) = (lhs.at(first_row, 0).brain(), self.rhs.at(0, first).brain());
                    let found = together.min(end - first);
                    // SAFETY: by the caller's promise; each task writes columns of its own
                    unsafe {
                        let turned = self.output.column_stride != 1;
                        let sums = paired::dots(count, inner, lhs, rhs, found, turned);
                        self.write_dots(&sums, (first_row, count), (first, found), turned);
                    }
                }
            }
        });
        drop(memory);
        Ok(())
    }

    /// Writes dot products of some rows and columns as [`paired::dots`] gives them.
    ///
    /// # Safety
    /// As for [`Thin::run`]; the places are in the output.
    #[cfg(target_arch = "x86_64")]
    unsafe fn write_dots(
        &self,
        sums: &[[f32; 8]; 8],
        (first_row, rows): (usize, usize),
        (first_column, columns): (usize, usize),
        turned: bool,
    ) {
        let (output, lines, count) = match turned {
            true => (self.output.transposed(), columns, rows),
            false => (self.output, rows, columns),
        };
        let (line, place) = match turned {
            true => (first_column, first_row),
            false => (first_row, first_column),
        };
        if self.finish.is_none() && output.column_stride == 1 {
            for (index, sums) in sums[..lines].iter().enumerate() {
                let to = output.place(line + index, place).cast_mut();
                // SAFETY: by the caller's promise; elements are `bf16`
                unsafe { round_rows(sums.as_ptr(), 0, count, &[to.cast()]) };
            }
            return;
        }
        for (index, sums) in sums[..lines].iter().enumerate() {
            for (step, sum) in sums[..count].iter().enumerate() {
                let (row, column) = match turned {
                    true => (place + step, line + index),
                    false => (line + index, place + step),
                };
                // SAFETY: by the caller's promise
                unsafe { self.write(row, column, T::Sum::of((*sum).into())) };
            }
        }
    }

    /// Whether the processor converts elements in registers.
    #[inline(always)]
    fn converts(&self) -> bool {
        T::CONVERTED && self.isa != Isa::Baseline
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
    /// Whether the caches do not hold the right operand.
    streams: bool,
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
        if part.dots && part.streams {
            dot_products::<T, true>(thin, lhs, part)
        } else if part.dots {
            dot_products::<T, false>(thin, lhs, part)
        } else if thin.sizes.0 <= ROWS {
            added_rows::<T, ROWS, SPAN>(thin, lhs, part)
        } else {
            added_rows::<T, MOST_COLUMNS, SPAN_OF_MOST>(thin, lhs, part)
        }
    }
}

/// # Safety
/// As for [`compute`]; the terms of a column lie side by side. The next columns are fetched while
/// some are multiplied if `AHEAD` says so.
#[inline(always)]
unsafe fn dot_products<T: Element, const AHEAD: bool>(
    thin: &Thin<T>,
    lhs: Matrix<T::Sum>,
    part: &Part,
) {
    let (rows, inner, _) = thin.sizes;
    let end = part.first + part.count;
    let converts = thin.converts();
    // more rows read the same terms again, from the first cache
    let step = if rows > 1 { TERMS } else { inner };
    let blocks = rows.div_ceil(ROWS);
    let columns = (part.first..end).step_by(COLUMNS);
    for (first, block) in columns.flat_map(|first| (0..blocks).map(move |block| (first, block))) {
        let (first_row, count) = (block * ROWS, COLUMNS.min(end - first));
        let rows = ROWS.min(rows - first_row);
        let mut sums = [[T::Sum::default(); COLUMNS]; ROWS];
        for term in (0..inner).step_by(step) {
            let terms = step.min(inner - term);
            // columns past the last are that one again
            let columns: [*const T; COLUMNS] =
                std::array::from_fn(|index| thin.rhs.place(term, first + index.min(count - 1)));
            let lhs = lhs.at(first_row, term);
            let ahead = COLUMNS as isize * thin.rhs.column_stride;
            // SAFETY: by the caller's promise
            unsafe {
                match converts {
                    true => {
                        let columns = columns.map(<*const T>::cast);
                        let sizes = (rows, terms);
                        add_dots::<T::Converted, AHEAD>(sizes, lhs, columns, ahead, &mut sums);
                    }
                    false => add_dots::<T, AHEAD>((rows, terms), lhs, columns, ahead, &mut sums),
                }
            }
        }
        for (row, sums) in sums.iter().enumerate().take(rows) {
            for (index, sum) in sums.iter().enumerate().take(count) {
                // SAFETY: by the caller's promise
                unsafe { thin.write(first_row + row, first + index, *sum) };
            }
        }
    }
}

/// # Safety
/// As for [`compute`]; the columns of a row lie side by side.
#[inline(always)]
unsafe fn added_rows<T: Element, const ROWS: usize, const SPAN: usize>(
    thin: &Thin<T>,
    lhs: Matrix<T::Sum>,
    part: &Part,
) {
    let inner = thin.sizes.1;
    let mut sums = [[T::Sum::default(); SPAN]; ROWS];
    let whole = inner / ADDED * ADDED;
    // SAFETY: by the caller's promise
    unsafe {
        for first in (0..whole).step_by(ADDED) {
            add_rows::<T, ADDED, SPAN>(thin, lhs, part, first, &mut sums);
        }
        for term in whole..inner {
            add_rows::<T, 1, SPAN>(thin, lhs, part, term, &mut sums);
        }
        for (row, sums) in sums.iter().enumerate().take(thin.sizes.0) {
            for (column, sum) in sums[..part.count].iter().enumerate() {
                thin.write(row, part.first + column, *sum);
            }
        }
    }
}

/// Adds the terms from `first` on.
///
/// # Safety
/// As for [`added_rows`].
#[inline(always)]
unsafe fn add_rows<T: Element, const N: usize, const SPAN: usize>(
    thin: &Thin<T>,
    lhs: Matrix<T::Sum>,
    part: &Part,
    first: usize,
    sums: &mut [[T::Sum; SPAN]],
) {
    let terms: [*const T; N] = std::array::from_fn(|term| thin.rhs.place(first + term, part.first));
    let rows = sums.iter_mut().enumerate().take(thin.sizes.0);
    // SAFETY: by the caller's promise
    unsafe {
        let converts = thin.converts();
        for (row, sums) in rows {
            let factors = std::array::from_fn(|term| lhs.place(row, first + term).read());
            let sums = &mut sums[..part.count];
            match converts {
                true => {
                    add_multiples::<T::Converted, N>(sums, factors, terms.map(<*const T>::cast))
                }
                false => add_multiples::<T, N>(sums, factors, terms),
            }
        }
    }
}
