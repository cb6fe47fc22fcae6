//! Copies of operands in the order in which kernels read them.

use super::compiled::compiled;
use super::element::{Element, Scalar};
use super::matrix::Matrix;

/// Terms that are turned at a time when they lie side by side.
const TURN: usize = 16;

/// A piece of an operand, seen as one row a term.
#[derive(Clone, Copy)]
pub(crate) struct Piece<T> {
    /// Rows are terms.
    pub(crate) source: Matrix<T>,
    /// How many terms.
    pub(crate) terms: usize,
    /// Elements of each that exist.
    pub(crate) size: usize,
    /// Elements of each in the copy, those that do not exist zero.
    pub(crate) padded: usize,
}

compiled! {
    /// Copies a piece, row after row without gaps.
    ///
    /// # Safety
    /// The source reaches all terms and elements; `to` has room for `terms·padded` elements; this
    /// machine has the instruction set.
    pub(crate) fn pack<T: Element>(piece: &Piece<T>, to: *mut T::Sum) by portable
}

/// # Safety
/// As for [`pack`].
#[inline(always)]
unsafe fn portable<T: Element>(piece: &Piece<T>, to: *mut T::Sum) {
    // SAFETY: the caller's promise is the same
    unsafe {
        if piece.source.column_stride == 1 {
            copy_rows(piece, to);
        } else if piece.source.row_stride == 1 {
            turn(piece, to);
        } else {
            copy_elements(piece, to, 0);
        }
    }
}

/// # Safety
/// As for [`pack`]; the elements of a term lie side by side.
#[inline(always)]
unsafe fn copy_rows<T: Element>(piece: &Piece<T>, to: *mut T::Sum) {
    for term in 0..piece.terms {
        let from = piece.source.place(term, 0);
        let to = to.wrapping_add(term * piece.padded);
        for index in 0..piece.size {
            // SAFETY: by the promise of `pack`
            unsafe { to.add(index).write(from.add(index).read().widen()) };
        }
        for index in piece.size..piece.padded {
            // SAFETY: by the promise of `pack`
            unsafe { to.add(index).write(T::Sum::default()) };
        }
    }
}

/// # Safety
/// As for [`pack`]; the terms of an element lie side by side.
#[inline(always)]
unsafe fn turn<T: Element>(piece: &Piece<T>, to: *mut T::Sum) {
    let whole = piece.terms / TURN * TURN;
    for first in (0..whole).step_by(TURN) {
        let to = to.wrapping_add(first * piece.padded);
        for index in 0..piece.size {
            let from = piece.source.place(first, index).cast::<[T; TURN]>();
            // SAFETY: by the promise of `pack`; `TURN` terms lie side by side
            let terms = unsafe { from.read_unaligned() };
            for (term, value) in terms.into_iter().enumerate() {
                // SAFETY: by the promise of `pack`
                unsafe { to.add(term * piece.padded + index).write(value.widen()) };
            }
        }
        for term in 0..TURN {
            for index in piece.size..piece.padded {
                // SAFETY: by the promise of `pack`
                unsafe { to.add(term * piece.padded + index).write(T::Sum::default()) };
            }
        }
    }
    // SAFETY: the caller's promise is the same
    unsafe { copy_elements(piece, to, whole) };
}

/// Copies the terms from the given one on.
///
/// # Safety
/// As for [`pack`].
#[inline(always)]
unsafe fn copy_elements<T: Element>(piece: &Piece<T>, to: *mut T::Sum, first: usize) {
    for term in first..piece.terms {
        for index in 0..piece.padded {
            let value = if index < piece.size {
                // SAFETY: by the promise of `pack`
                unsafe { piece.source.place(term, index).read() }.widen()
            } else {
                T::Sum::of(0.0)
            };
            // SAFETY: by the promise of `pack`
            unsafe { to.add(term * piece.padded + index).write(value) };
        }
    }
}
