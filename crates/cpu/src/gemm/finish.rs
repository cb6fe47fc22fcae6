//! What happens to sums before they are elements of a result.

use super::compiled::compiled;
use super::element::Element;
use super::matrix::Matrix;
use crate::simd::Isa;

/// What happens to the sums: `alpha·sums + beta·addend`.
#[derive(Clone, Copy)]
pub(crate) struct Finish<T: Element> {
    /// Factor of the sums.
    pub(crate) alpha: T::Sum,
    /// Factor of the addend.
    pub(crate) beta: T::Sum,
    /// Absent where its factor is zero.
    pub(crate) addend: Option<Matrix<T>>,
}

impl<T: Element> Finish<T> {
    /// For the sums that begin at a row and column.
    pub(super) fn at(&self, row: usize, column: usize) -> Self {
        Finish {
            addend: self.addend.map(|addend| addend.at(row, column)),
            ..*self
        }
    }

    /// The finished sum of a place. A factor of zero drops its term, whatever the term holds.
    ///
    /// # Safety
    /// The addend has the place.
    #[inline(always)]
    pub(super) unsafe fn apply(&self, sum: T::Sum, row: usize, column: usize) -> T::Sum {
        let product = match self.alpha == T::Sum::default() {
            true => T::Sum::default(),
            false => sum * self.alpha,
        };
        match self.addend {
            None => product,
            Some(addend) => {
                // SAFETY: by the caller's promise
                let addend = unsafe { addend.place(row, column).read() };
                product + addend.widen() * self.beta
            }
        }
    }
}

/// Writes finished sums of one row.
///
/// # Safety
/// Sums, addend and output have `count` elements; this machine has the instruction set.
pub(super) unsafe fn write_row<T: Element>(
    isa: Isa,
    sums: *const T::Sum,
    count: usize,
    finish: Option<Finish<T>>,
    to: *mut T,
) {
    // SAFETY: the caller's promise is the same
    unsafe { write_compiled(isa, isa, sums, count, finish, to) };
}

compiled! {
    /// # Safety
    /// As for [`write_row`], of the instruction set `own`.
    fn write_compiled<T: Element>(
        own: Isa,
        sums: *const T::Sum,
        count: usize,
        finish: Option<Finish<T>>,
        to: *mut T,
    ) by write_elements
}

/// # Safety
/// As for [`write_row`].
#[inline(always)]
unsafe fn write_elements<T: Element>(
    own: Isa,
    sums: *const T::Sum,
    count: usize,
    finish: Option<Finish<T>>,
    to: *mut T,
) {
    // SAFETY: by the caller's promise
    unsafe {
        match finish {
            None => T::narrow_row(own, sums, to, count),
            // as one place, which needs no test of whether the two overlap
            Some(finish) if T::WIDE && sums.cast::<T>() == to.cast_const() => {
                for column in 0..count {
                    let sum = to.add(column).read().widen();
                    let sum = finish.apply(sum, 0, column);
                    to.add(column).write(T::narrow(sum));
                }
            }
            Some(finish) => {
                for column in 0..count {
                    let sum = finish.apply(sums.add(column).read(), 0, column);
                    to.add(column).write(T::narrow(sum));
                }
            }
        }
    }
}
