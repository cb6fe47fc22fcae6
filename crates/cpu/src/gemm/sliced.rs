//! Products of some rows with a right operand that the second cache does not hold: a slice of its
//! columns is packed a block of terms at a time and meets all rows at once, so that what is packed never
//! leaves the second cache.

use super::dots::ROWS;
use super::element::Element;
use super::product::{Product, try_each};
use mlx_oxide_ir::Result;

/// Bytes of a right operand that the second cache does not hold.
const SLICED: usize = 1 << 20;
/// The most rows. More take so long that packing once for all of them pays.
const MOST_ROWS: usize = 64;
/// Columns of a slice at most: with a block of terms, half of the second cache.
const MOST_COLUMNS: usize = 256;
/// Columns of a slice at least, of which each row is read from end to end.
const LEAST_COLUMNS: usize = 64;
/// Slices that there should be for the threads.
const SLICES: usize = 8;

/// Whether a product of such sizes is better computed by slices.
pub(super) fn suits<T: Element>((rows, inner, columns): (usize, usize, usize)) -> bool {
    (ROWS + 1..=MOST_ROWS).contains(&rows)
        && columns >= 2 * LEAST_COLUMNS
        && inner * columns * size_of::<T>() >= SLICED
}

/// Computes the product by slices.
///
/// # Safety
/// As for [`super::multiply`].
pub(super) unsafe fn run<T: Element>(
    product: &Product<T>,
    op: &'static str,
    shared: bool,
) -> Result<()> {
    let (_, _, columns) = product.sizes();
    let slice = (columns / SLICES).clamp(LEAST_COLUMNS, MOST_COLUMNS);
    let slice = slice.next_multiple_of(LEAST_COLUMNS);
    try_each(shared, columns.div_ceil(slice), |task| {
        let first = task * slice;
        let slice = product.slice(first..columns.min(first + slice));
        // SAFETY: by the caller's promise; each task writes columns of its own
        unsafe { slice.run(op, false) }
    })
}
