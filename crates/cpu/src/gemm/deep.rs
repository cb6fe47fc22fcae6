//! Products with long inner axes and results that the second cache holds: the inner axis is cut
//! into parts, each of which reads its operands once and keeps its blocks in the caches, and the
//! parts' sums are added up in order.

use super::INNER;
use super::compiled::compiled;
use super::element::{Element, Scalar};
use super::matrix::Matrix;
use super::product::{Product, each, try_each};
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::Buffer;

/// Elements of a result at most.
const RESULT: usize = 1 << 16;
/// Terms at least for each row and for each column.
const DEPTH: usize = 16;
/// Terms of a part, about.
const TERMS: usize = 2 * INNER;
/// The most parts.
const MOST_PARTS: usize = 8;
/// Multiplications from which cutting pays.
const WORK: usize = 1 << 21;
/// Elements of a result that one task adds up, about.
const TASK: usize = 1 << 13;

/// How many parts the inner axis is cut into.
fn parts(inner: usize) -> usize {
    // as many for each of two or four threads
    (inner / TERMS).next_power_of_two().min(MOST_PARTS)
}

/// Whether a product of such sizes is better computed by parts.
pub(super) fn suits((rows, inner, columns): (usize, usize, usize)) -> bool {
    let size = rows.saturating_mul(columns);
    size <= RESULT
        && size.saturating_mul(inner) >= WORK
        && rows.max(columns).saturating_mul(DEPTH) <= inner
        && parts(inner) >= 4
}

/// Computes the product by parts.
///
/// # Safety
/// As for [`super::multiply`].
pub(super) unsafe fn run<T: Element>(
    product: &Product<T>,
    op: &'static str,
    shared: bool,
) -> Result<()> {
    let (rows, inner, columns) = product.sizes();
    let parts = parts(inner);
    let size = rows * columns;
    let memory = Buffer::allocate(op, parts * size * size_of::<T::Sum>())?;
    let sums = Matrix {
        start: memory.host_ptr()?.as_ptr().cast::<T::Sum>().cast_const(),
        row_stride: columns as isize,
        column_stride: 1,
    };
    let blocks = inner.div_ceil(INNER);
    let boundary = |part: usize| inner.min(part * blocks / parts * INNER);
    try_each(shared, parts, |part| {
        let terms = boundary(part)..boundary(part + 1);
        let part = product.part(terms, sums.moved((part * size) as isize));
        // SAFETY: by the caller's promise; each task writes sums of its own
        unsafe { part.run(op, false) }
    })?;
    let together = (TASK / columns).clamp(1, rows);
    each(shared, rows.div_ceil(together), |task| {
        let first = task * together;
        for row in first..rows.min(first + together) {
            // SAFETY: by the caller's promise; each task writes rows of its own
            unsafe { product.finish_row(sums.at(row, 0).start.cast_mut(), (parts, size), row) };
        }
    });
    Ok(())
}

compiled! {
    /// Adds to elements those of the other parts, each so many elements after the one before.
    ///
    /// # Safety
    /// All parts have so many elements; this machine has the instruction set.
    pub(super) fn add_parts<S: Scalar>(
        sums: *mut S,
        count: usize,
        parts: usize,
        distance: usize,
        to: *mut S,
    ) by add_each
}

/// # Safety
/// As for [`add_parts`].
#[inline(always)]
unsafe fn add_each<S: Scalar>(
    sums: *mut S,
    count: usize,
    parts: usize,
    distance: usize,
    to: *mut S,
) {
    const TOGETHER: usize = 32;
    let whole = count / TOGETHER * TOGETHER;
    // SAFETY: by the caller's promise
    unsafe {
        for first in (0..whole).step_by(TOGETHER) {
            let from = sums.add(first);
            let mut totals = from.cast::<[S; TOGETHER]>().read();
            for part in 1..parts {
                let terms = from.add(part * distance).cast::<[S; TOGETHER]>().read();
                for (total, term) in totals.iter_mut().zip(terms) {
                    *total = *total + term;
                }
            }
            to.add(first).cast::<[S; TOGETHER]>().write(totals);
        }
        for index in whole..count {
            let from = sums.add(index);
            let terms = (1..parts).map(|part| from.add(part * distance).read());
            to.add(index)
                .write(terms.fold(from.read(), |total, term| total + term));
        }
    }
}
