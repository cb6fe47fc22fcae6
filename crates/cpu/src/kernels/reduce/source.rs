//! Where the elements of a reduction come from: memory, or a program that makes them as they are
//! folded.

use crate::kernels::fused::prologue::Prologue;
use crate::simd::strided;

/// What is folded. Places count elements.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// Element zero, unless a prologue makes the elements.
    pub(super) pointer: *const u8,
    /// Bytes of an element.
    pub(super) width: usize,
    /// Whether elements lie at multiples of their width.
    pub(super) aligned: bool,
    pub(super) prologue: Option<&'a Prologue<'a>>,
}

// SAFETY: it only reads
unsafe impl Sync for Source<'_> {}

impl Source<'_> {
    /// Whether elements are folded as they lie in memory.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        self.prologue.is_none()
    }

    fn at(&self, place: isize) -> *const u8 {
        self.pointer.wrapping_offset(place * self.width as isize)
    }

    /// Neighbouring elements to be folded: where the result points, which is `room` if they are not
    /// in memory.
    ///
    /// # Safety
    /// They lie in the operand, aligned; `room` has room for them, and the result is not used after
    /// it has been written again.
    pub(super) unsafe fn neighbours(&self, place: isize, count: usize, room: *mut u8) -> *const u8 {
        match self.prologue {
            None => self.at(place),
            // SAFETY: the caller's promise; places of a value without gaps are its positions
            Some(prologue) => unsafe { prologue.make(place as usize, count, room) },
        }
    }

    /// Brings elements of a layout together in `room`, from row-major position `start` on.
    ///
    /// # Safety
    /// As [`strided::gather`], from the element at `first`; nothing is made by a prologue.
    pub(super) unsafe fn gather(
        &self,
        first: isize,
        (shape, strides): (&[usize], &[isize]),
        start: usize,
        count: usize,
        room: *mut u8,
    ) {
        let (from, width) = (self.at(first), self.width);
        // SAFETY: the caller's promise
        unsafe { strided::gather(room, from, width, shape, strides, start, count) };
    }
}
