//! Memory that the tasks of a kernel share, and memory of one task.

/// Memory that tasks write to in places of their own.
pub(crate) struct Shared<T>(pub(crate) *mut T);

// SAFETY: whoever writes through it does so in places of their own
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Its start.
    pub(crate) fn pointer(&self) -> *mut T {
        self.0
    }
}

impl Shared<u8> {
    /// The place of an element of type `E`.
    pub(crate) fn element<E>(&self, number: usize) -> *mut E {
        self.0.cast::<E>().wrapping_add(number)
    }
}

/// Memory that starts at a line of the cache.
#[repr(align(64))]
pub(crate) struct Aligned<T>(pub(crate) T);
