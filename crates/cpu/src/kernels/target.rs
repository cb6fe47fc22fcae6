//! Memory that several threads write.

/// The start of an output. Every thread writes its own elements.
#[derive(Clone, Copy)]
pub(crate) struct Target(*mut u8);

// SAFETY: whoever makes a target has its threads write apart from each other
unsafe impl Sync for Target {}
// SAFETY: as above
unsafe impl Send for Target {}

impl Target {
    pub(crate) fn new(start: *mut u8) -> Self {
        Target(start)
    }

    /// The place of an element of type `T`.
    pub(crate) fn element<T>(&self, number: usize) -> *mut T {
        self.0.cast::<T>().wrapping_add(number)
    }
}
