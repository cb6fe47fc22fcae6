//! Where the elements of a reduction come from: memory, or a program that makes them as they are
//! folded; by way of a conversion where they are folded in another type.

use crate::kernels::fused::prologue::Prologue;
use crate::simd::{TileFn, strided};
use std::mem::MaybeUninit;

/// Elements that are brought together before they are converted.
const STEP: usize = 2048;

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
    /// What makes an `f32` that is folded of a 16-bit float.
    pub(super) widen: Option<TileFn>,
}

// SAFETY: it only reads
unsafe impl Sync for Source<'_> {}

impl Source<'_> {
    /// Whether elements are folded as they lie in memory.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        self.prologue.is_none() && self.widen.is_none()
    }

    fn at(&self, place: isize) -> *const u8 {
        self.pointer.wrapping_offset(place * self.width as isize)
    }

    /// Neighbouring elements as they are without a conversion, made in `room` if they are not in
    /// memory.
    ///
    /// # Safety
    /// They lie in the operand; there is aligned room for them.
    unsafe fn unconverted(&self, place: isize, count: usize, room: *mut u8) -> *const u8 {
        match self.prologue {
            None => self.at(place),
            // SAFETY: the caller's promise; places of a value without gaps are its positions
            Some(prologue) => unsafe { prologue.make(place as usize, count, room) },
        }
    }

    /// Neighbouring elements to be folded: where the result points, which may be in `room`.
    ///
    /// # Safety
    /// They lie in the operand, aligned; `room` has room for them, and the result is not used after
    /// it has been written again.
    pub(super) unsafe fn neighbours(&self, place: isize, count: usize, room: *mut u8) -> *const u8 {
        let Some(widen) = self.widen else {
            // SAFETY: the caller's promise
            return unsafe { self.unconverted(place, count, room) };
        };
        let mut halves = [const { MaybeUninit::<u16>::uninit() }; STEP];
        for start in (0..count).step_by(STEP) {
            let (count, place) = (STEP.min(count - start), place + start as isize);
            // SAFETY: the caller's promise; there is room for a step
            unsafe {
                let from = self.unconverted(place, count, halves.as_mut_ptr().cast());
                convert(widen, room, start, from, count);
            }
        }
        room
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
        let Some(widen) = self.widen else {
            // SAFETY: the caller's promise
            return unsafe { strided::gather(room, from, width, shape, strides, start, count) };
        };
        let mut halves = [const { MaybeUninit::<u16>::uninit() }; STEP];
        let halves = halves.as_mut_ptr().cast::<u8>();
        for done in (0..count).step_by(STEP) {
            let (start, count) = (start + done, STEP.min(count - done));
            // SAFETY: the caller's promise; there is room for a step
            unsafe {
                strided::gather(halves, from, width, shape, strides, start, count);
                convert(widen, room, done, halves, count);
            }
        }
    }
}

/// Converts 16-bit floats to `f32` from element `start` of `room` on.
///
/// # Safety
/// Both are valid and aligned for so many elements and apart.
unsafe fn convert(widen: TileFn, room: *mut u8, start: usize, from: *const u8, count: usize) {
    let to = room.cast::<f32>().wrapping_add(start).cast();
    // SAFETY: the caller's promise
    unsafe { widen(to, from, from, from, count) };
}
