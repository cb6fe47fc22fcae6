//! Pieces with fewer lines than a register holds elements, such as the panels of a left operand,
//! turned in registers: each term is stored as a whole one, and the next overwrites what is too
//! much.

use super::matrix::Matrix;
use super::pack::Piece;
use crate::simd::Isa;
use crate::simd::square::avx2::turned;
use std::arch::x86_64::*;

/// Elements of a register, and terms that are turned at a time.
const LANES: usize = 8;

/// Whether [`turn`] suits a piece, if sums are elements as they are.
pub(super) fn suits<T>(isa: Isa, piece: &Piece<T>) -> bool {
    isa != Isa::Baseline
        && size_of::<T>() == 4
        && piece.source.row_stride == 1
        && piece.source.column_stride != 1
        && (2..LANES).contains(&piece.size)
        && piece.size == piece.padded
        && piece.terms >= LANES
}

/// Writes `terms` rows of `size` elements without gaps.
///
/// # Safety
/// As for [`super::pack::pack`], of a piece that [`suits`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn turn(source: Matrix<f32>, (terms, size): (usize, usize), to: *mut f32) {
    // the last register of a block reaches so many terms beyond it
    let beyond = (LANES - size).div_ceil(size);
    let mut first = 0;
    while first + LANES + beyond <= terms {
        // SAFETY: by the caller's promise; what is stored beyond the block is overwritten
        unsafe { turn_block(source.at(first, 0), size, to.add(first * size)) };
        first += LANES;
    }
    while first < terms {
        let mut last = [0.0; LANES * LANES];
        let start = first.min(terms - LANES);
        // SAFETY: by the caller's promise; there is room for eight registers
        unsafe { turn_block(source.at(start, 0), size, last.as_mut_ptr()) };
        let wanted = &last[(first - start) * size..LANES * size];
        // SAFETY: by the caller's promise, up to the end of the terms
        unsafe {
            to.add(first * size)
                .copy_from_nonoverlapping(wanted.as_ptr(), wanted.len())
        };
        first = start + LANES;
    }
}

/// Turns [`LANES`] terms; what a register has too much is stored beyond the last.
///
/// # Safety
/// The source has the terms, of `size` elements; `to` has room.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn turn_block(source: Matrix<f32>, size: usize, to: *mut f32) {
    // lines past the last are that one again
    let line = |index: usize| {
        // SAFETY: by the caller's promise
        unsafe { _mm256_loadu_ps(source.place(0, index.min(size - 1))) }
    };
    let lines = [
        line(0),
        line(1),
        line(2),
        line(3),
        line(4),
        line(5),
        line(6),
        line(7),
    ];
    // in order, since each overwrites what the one before has too much
    for (term, row) in turned(lines).into_iter().enumerate() {
        // SAFETY: by the caller's promise
        unsafe { _mm256_storeu_ps(to.add(term * size), row) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_follow_one_another_and_nothing_is_written_past_the_last() {
        if !Isa::Avx2.is_available() {
            return; // the machine has other kernels
        }
        for (terms, size) in
            (LANES..5 * LANES).flat_map(|terms| (2..LANES).map(move |s| (terms, s)))
        {
            let line = terms + 3;
            let lines: Vec<f32> = (0..line * size).map(|index| index as f32).collect();
            let piece = Piece {
                source: Matrix {
                    start: lines.as_ptr(),
                    row_stride: 1,
                    column_stride: line as isize,
                },
                terms,
                size,
                padded: size,
            };
            assert!(suits(Isa::Avx2, &piece));
            let mut found = vec![-1.0; terms * size + LANES];
            // SAFETY: the lines have the terms, and there is room for them
            unsafe { turn(piece.source, (terms, size), found.as_mut_ptr()) };
            let (copy, rest) = found.split_at(terms * size);
            for (index, value) in copy.iter().enumerate() {
                let (term, element) = (index / size, index % size);
                assert_eq!(*value, (element * line + term) as f32, "{terms} × {size}");
            }
            assert!(rest.iter().all(|value| *value == -1.0), "{terms} × {size}");
        }
    }
}
