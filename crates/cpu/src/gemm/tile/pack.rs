//! Operands as tiles; what does not exist is zero.

use super::super::matrix::Matrix;
use super::super::pack::{Piece, pack_pairs};
use super::unit::{SIDE, TERMS, TILE};
use crate::simd::Isa;
use crate::simd::turn::{Block, Target, transpose};
use half::bf16;

/// Tiles of 16 rows of 32 terms, one after the other along the terms.
///
/// # Safety
/// The matrix has the counted rows and terms, `to` room for the tiles; this machine has the
/// instruction set.
pub(super) unsafe fn rows(
    isa: Isa,
    from: Matrix<bf16>,
    (rows, terms): (usize, usize),
    to: *mut u16,
) {
    for (tile, first) in (0..terms).step_by(TERMS).enumerate() {
        let size = (rows, TERMS.min(terms - first));
        let to = to.wrapping_add(tile * TILE);
        // SAFETY: by the caller's promise
        unsafe {
            if size != (SIDE, TERMS) {
                to.write_bytes(0, TILE);
            }
            rows_of_tile(isa, from.at(0, first), size, to);
        }
    }
}

/// Writes what exists of a tile.
///
/// # Safety
/// As for [`rows`].
unsafe fn rows_of_tile(isa: Isa, from: Matrix<bf16>, (rows, terms): (usize, usize), to: *mut u16) {
    if from.column_stride == 1 && terms == TERMS {
        for row in 0..rows {
            let line = from.place(row, 0).cast::<[u16; TERMS]>();
            let to = to.wrapping_add(row * TERMS).cast::<[u16; TERMS]>();
            // SAFETY: by the caller's promise; the terms lie side by side
            unsafe { to.write_unaligned(line.read_unaligned()) };
        }
        return;
    }
    let target = Target {
        start: to.cast(),
        pitch: TERMS,
    };
    let block = Block {
        rows,
        columns: terms,
        row_stride: from.row_stride,
        column_stride: from.column_stride,
    };
    // SAFETY: by the caller's promise
    unsafe { transpose(target, from.start.cast(), size_of::<bf16>(), block, isa) };
}

/// Tiles of 16 rows of 16 columns, each element a pair of terms, one after the other along the
/// terms.
///
/// # Safety
/// As for [`rows`], of the counted terms and columns.
pub(super) unsafe fn pairs(
    isa: Isa,
    from: Matrix<bf16>,
    (terms, columns): (usize, usize),
    to: *mut u16,
) {
    // pairs of terms whose columns or terms lie side by side
    let whole = terms / 2 * 2;
    // SAFETY: by the caller's promise
    let written = unsafe {
        if from.column_stride == 1 && columns == SIDE {
            join_pairs(from, whole, to);
            whole
        } else if from.row_stride == 1 && from.column_stride % 2 == 0 {
            turn_pairs(isa, from, (whole, columns), to);
            whole
        } else {
            0
        }
    };
    let piece = Piece {
        source: from.at(written, 0),
        terms: terms - written,
        size: columns,
        padded: SIDE,
    };
    let (written, packed) = (written * SIDE, terms.next_multiple_of(2) * SIDE);
    let rest = terms.next_multiple_of(TERMS) * SIDE - packed;
    // SAFETY: by the caller's promise
    unsafe {
        pack_pairs(isa, &piece.bits(), to.add(written).cast());
        to.add(packed).write_bytes(0, rest);
    }
}

/// Writes an even number of terms, whose columns lie side by side and are those of a tile.
///
/// # Safety
/// As for [`pairs`].
unsafe fn join_pairs(from: Matrix<bf16>, terms: usize, to: *mut u16) {
    for term in (0..terms).step_by(2) {
        let [first, second] = [term, term + 1].map(|term| {
            let columns = from.place(term, 0).cast::<[u16; SIDE]>();
            // SAFETY: by the caller's promise
            unsafe { columns.read_unaligned() }
        });
        let mut row = [[0; 2]; SIDE];
        for ((pair, first), second) in row.iter_mut().zip(first).zip(second) {
            *pair = [first, second];
        }
        // SAFETY: by the caller's promise
        unsafe { to.add(term * SIDE).cast::<[[u16; 2]; SIDE]>().write(row) };
    }
}

/// Writes an even number of terms, which lie side by side; columns are whole pairs apart.
///
/// # Safety
/// As for [`pairs`].
unsafe fn turn_pairs(isa: Isa, from: Matrix<bf16>, (terms, columns): (usize, usize), to: *mut u16) {
    let block = Block {
        rows: terms / 2,
        columns,
        row_stride: 1,
        column_stride: from.column_stride / 2,
    };
    let target = Target {
        start: to.cast(),
        pitch: SIDE,
    };
    // SAFETY: by the caller's promise
    unsafe {
        if columns < SIDE {
            to.write_bytes(0, terms * SIDE);
        }
        transpose(target, from.start.cast(), size_of::<u32>(), block, isa);
    }
}
