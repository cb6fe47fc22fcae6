//! Dot products of two long vectors: cut into pieces, whose sums are added up in order.

use super::compiled::compiled;
use super::dots::dot;
use super::element::Element;
use super::finish::Finish;
use super::matrix::Matrix;
use super::product::each;
use crate::simd::Isa;

/// Terms of a piece. It is summed as it lies in memory, or a part at a time from the stack.
const PIECE: usize = 1 << 14;
/// Terms that are converted together.
const PART: usize = 1 << 10;
/// Terms from which other threads are asked.
const SHARED: usize = 1 << 16;

/// The product of one row and one column.
pub(super) struct Long<T: Element> {
    pub(super) isa: Isa,
    pub(super) inner: usize,
    /// Terms side by side.
    pub(super) lhs: *const T,
    /// Terms side by side.
    pub(super) rhs: *const T,
    pub(super) output: Matrix<T>,
    pub(super) finish: Option<Finish<T>>,
}

// SAFETY: operands that the caller keeps alive and does not write meanwhile
unsafe impl<T: Element> Sync for Long<T> {}

/// Where a thread leaves the sum of a piece.
struct Sums<S>(*mut S);

// SAFETY: every piece has a place of its own
unsafe impl<S: Send> Sync for Sums<S> {}

impl<S> Sums<S> {
    fn place(&self, piece: usize) -> *mut S {
        self.0.wrapping_add(piece)
    }
}

impl<T: Element> Long<T> {
    /// If the product is of one row and one column that are worth cutting.
    pub(super) fn new(
        isa: Isa,
        (rows, inner, columns): (usize, usize, usize),
        lhs: Matrix<T>,
        rhs: Matrix<T>,
        output: Matrix<T>,
        finish: Option<Finish<T>>,
    ) -> Option<Self> {
        let flat = lhs.column_stride == 1 && rhs.row_stride == 1;
        (rows == 1 && columns == 1 && flat && inner >= 2 * PIECE).then_some(Long {
            isa,
            inner,
            lhs: lhs.start,
            rhs: rhs.start,
            output,
            finish,
        })
    }

    /// # Safety
    /// As for [`super::multiply`].
    pub(super) unsafe fn run(&self, shared: bool) {
        let pieces = self.inner.div_ceil(PIECE);
        let mut sums = vec![T::Sum::default(); pieces];
        let places = Sums(sums.as_mut_ptr());
        each(shared && self.inner >= SHARED, pieces, |piece| {
            let first = piece * PIECE;
            let terms = PIECE.min(self.inner - first);
            let (lhs, rhs) = (self.lhs.wrapping_add(first), self.rhs.wrapping_add(first));
            // SAFETY: by the caller's promise; each task writes a sum of its own
            unsafe { places.place(piece).write(sum_of(self.isa, lhs, rhs, terms)) };
        });
        let mut total = T::Sum::default();
        for sum in sums {
            total = total + sum;
        }
        // SAFETY: by the caller's promise
        unsafe {
            if let Some(finish) = &self.finish {
                total = finish.apply(total, 0, 0);
            }
            self.output.start.cast_mut().write(T::narrow(total));
        }
    }
}

compiled! {
    /// The dot product of a piece.
    ///
    /// # Safety
    /// Both operands have the terms; this machine has the instruction set, `own`.
    fn sum_of_piece<T: Element>(
        own: Isa,
        lhs: *const T,
        rhs: *const T,
        terms: usize,
        sum: &mut T::Sum,
    ) by sum_piece
}

/// # Safety
/// As for [`sum_of_piece`].
unsafe fn sum_of<T: Element>(isa: Isa, lhs: *const T, rhs: *const T, terms: usize) -> T::Sum {
    let mut sum = T::Sum::default();
    // SAFETY: by the caller's promise
    unsafe { sum_of_piece(isa, isa, lhs, rhs, terms, &mut sum) };
    sum
}

/// # Safety
/// As for [`sum_of_piece`].
#[inline(always)]
unsafe fn sum_piece<T: Element>(
    own: Isa,
    lhs: *const T,
    rhs: *const T,
    terms: usize,
    sum: &mut T::Sum,
) {
    if T::WIDE {
        // SAFETY: by the caller's promise; a wide element is a sum
        *sum = unsafe { dot(lhs.cast(), rhs, terms) };
        return;
    }
    let mut converted = [T::Sum::default(); PART];
    for first in (0..terms).step_by(PART) {
        let count = PART.min(terms - first);
        // SAFETY: by the caller's promise
        unsafe {
            T::widen_row(own, lhs.add(first), converted.as_mut_ptr(), count);
            let rhs = rhs.add(first);
            let part = match T::CONVERTED && own != Isa::Baseline {
                true => dot::<T::Converted>(converted.as_ptr(), rhs.cast(), count),
                false => dot::<T>(converted.as_ptr(), rhs, count),
            };
            *sum = *sum + part;
        }
    }
}
