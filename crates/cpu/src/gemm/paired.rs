//! Dot products of `bf16` by pairs, on processors that multiply those.

use super::matrix::Matrix;
use super::vector::{Pairs, Vector};
use half::bf16;

/// The most rows whose dot products are computed together.
pub(super) const ROWS: usize = 8;
/// The most columns.
const COLUMNS: usize = 8;

/// Columns that so many rows meet at a time: their sums fill most of 32 registers.
pub(super) fn columns(rows: usize) -> usize {
    match rows {
        1 | 2 => COLUMNS,
        3 | 4 => 6,
        5 | 6 => 4,
        _ => 3,
    }
}

/// The dot products of up to [`ROWS`] rows and [`columns`] of them columns from the first of both
/// on, row by row, or column by column if they are turned. Terms lie side by side.
///
/// # Safety
/// There are so many rows and columns, and all have so many terms; this machine multiplies pairs of
/// `bf16`.
pub(super) unsafe fn dots(
    rows: usize,
    terms: usize,
    lhs: Matrix<bf16>,
    rhs: Matrix<bf16>,
    columns: usize,
    turned: bool,
) -> [[f32; COLUMNS]; ROWS] {
    // SAFETY: the caller's promise is the same
    unsafe {
        match rows {
            1 => compiled::<1, 8>(terms, lhs, rhs, columns, turned),
            2 => compiled::<2, 8>(terms, lhs, rhs, columns, turned),
            3 => compiled::<3, 6>(terms, lhs, rhs, columns, turned),
            4 => compiled::<4, 6>(terms, lhs, rhs, columns, turned),
            5 => compiled::<5, 4>(terms, lhs, rhs, columns, turned),
            6 => compiled::<6, 4>(terms, lhs, rhs, columns, turned),
            7 => compiled::<7, 3>(terms, lhs, rhs, columns, turned),
            _ => compiled::<8, 3>(terms, lhs, rhs, columns, turned),
        }
    }
}

/// # Safety
/// As for [`dots`].
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")]
unsafe fn compiled<const R: usize, const C: usize>(
    terms: usize,
    lhs: Matrix<bf16>,
    rhs: Matrix<bf16>,
    columns: usize,
    turned: bool,
) -> [[f32; COLUMNS]; ROWS] {
    const TERMS: usize = 2 * Pairs::LANES;
    let rows: [*const bf16; R] = std::array::from_fn(|row| lhs.place(row, 0));
    // columns past the last are that one again
    let columns: [*const bf16; C] =
        std::array::from_fn(|column| rhs.place(0, column.min(columns - 1)));
    let mut found = [[0.0; COLUMNS]; ROWS];
    // SAFETY: by the caller's promise
    unsafe {
        let mut sums = [[Pairs::splat(0.0); C]; R];
        let whole = terms / TERMS * TERMS;
        for first in (0..whole).step_by(TERMS) {
            let right = columns.map(|column| Pairs::load(column.add(first).cast()));
            for (row, sums) in rows.iter().zip(&mut sums) {
                let left = Pairs::load(row.add(first).cast());
                for (sum, right) in sums.iter_mut().zip(&right) {
                    *sum = left.multiply_add(*right, *sum);
                }
            }
        }
        if whole < terms {
            let right = columns.map(|column| Pairs::first(column.add(whole), terms - whole));
            for (row, sums) in rows.iter().zip(&mut sums) {
                let left = Pairs::first(row.add(whole), terms - whole);
                for (sum, right) in sums.iter_mut().zip(&right) {
                    *sum = left.multiply_add(*right, *sum);
                }
            }
        }
        if turned {
            for (column, found) in found.iter_mut().enumerate().take(C) {
                let mut all = [Pairs::splat(0.0); ROWS];
                for (sum, sums) in all.iter_mut().zip(&sums) {
                    *sum = sums[column];
                }
                *found = Pairs::totals(all);
            }
        } else {
            for (sums, found) in sums.iter().zip(&mut found) {
                let mut all = [Pairs::splat(0.0); COLUMNS];
                all[..C].copy_from_slice(sums);
                *found = Pairs::totals(all);
            }
        }
    }
    found
}
