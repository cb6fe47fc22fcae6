//! Operands as tiles; what does not exist is zero.

use super::super::matrix::Matrix;
use super::unit::{SIDE, TERMS};
use half::bf16;

/// A tile of 16 rows of 32 terms.
///
/// # Safety
/// The matrix has the counted rows and terms, `to` room for a tile.
#[inline(always)]
pub(super) unsafe fn rows(from: Matrix<bf16>, (rows, terms): (usize, usize), to: *mut u16) {
    // SAFETY: by the caller's promise
    let tile = unsafe { &mut *to.cast::<[[u16; TERMS]; SIDE]>() };
    if from.column_stride == 1 && terms == TERMS {
        for (row, to) in tile.iter_mut().enumerate().take(rows) {
            // SAFETY: by the caller's promise; the terms lie side by side
            *to = unsafe { from.place(row, 0).cast::<[u16; TERMS]>().read_unaligned() };
        }
    } else {
        for (row, to) in tile.iter_mut().enumerate().take(rows) {
            for (term, to) in to.iter_mut().enumerate().take(terms) {
                // SAFETY: by the caller's promise
                *to = unsafe { from.place(row, term).read() }.to_bits();
            }
            to[terms..].fill(0);
        }
    }
    tile[rows..].fill([0; TERMS]);
}

/// A tile of 16 rows of 16 columns, each element a pair of terms.
///
/// # Safety
/// The matrix has the counted terms and columns, `to` room for a tile.
#[inline(always)]
pub(super) unsafe fn pairs(from: Matrix<bf16>, (terms, columns): (usize, usize), to: *mut u16) {
    // SAFETY: by the caller's promise
    let tile = unsafe { &mut *to.cast::<[[[u16; 2]; SIDE]; TERMS / 2]>() };
    let whole = terms == TERMS && columns == SIDE;
    if whole && from.column_stride == 1 {
        for (pair, to) in tile.iter_mut().enumerate() {
            // SAFETY: by the caller's promise; the columns lie side by side
            let (even, odd) = unsafe {
                let even = from.place(2 * pair, 0).cast::<[u16; SIDE]>();
                let odd = from.place(2 * pair + 1, 0).cast::<[u16; SIDE]>();
                (even.read_unaligned(), odd.read_unaligned())
            };
            for ((to, even), odd) in to.iter_mut().zip(even).zip(odd) {
                *to = [even, odd];
            }
        }
    } else if whole && from.row_stride == 1 {
        for column in 0..SIDE {
            // SAFETY: by the caller's promise; the terms lie side by side
            let terms = unsafe {
                let terms = from.place(0, column).cast::<[[u16; 2]; TERMS / 2]>();
                terms.read_unaligned()
            };
            for (to, pair) in tile.iter_mut().zip(terms) {
                to[column] = pair;
            }
        }
    } else {
        tile.fill([[0; 2]; SIDE]);
        for term in 0..terms {
            for (column, to) in tile[term / 2].iter_mut().enumerate().take(columns) {
                // SAFETY: by the caller's promise
                to[term % 2] = unsafe { from.place(term, column).read() }.to_bits();
            }
        }
    }
}
