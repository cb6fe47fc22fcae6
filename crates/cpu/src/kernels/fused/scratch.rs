//! Memory for tiles, one piece a thread, kept from call to call.

use crate::kernels::shared::Aligned;
use std::cell::Cell;

/// A line of the cache.
type Line = Aligned<[u8; 64]>;

thread_local! {
    static SCRATCH: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// The most bytes that a thread keeps.
const KEPT: usize = 8 << 20;

/// Runs `work` with the start of at least `bytes` bytes, aligned to a line, of arbitrary content.
pub(in crate::kernels) fn with_scratch<R>(bytes: usize, work: impl FnOnce(*mut u8) -> R) -> R {
    if bytes == 0 {
        return work(std::ptr::dangling_mut::<Line>().cast());
    }
    // taken for the time of use, so that a nested call finds none and makes its own
    let mut lines = SCRATCH.take();
    let count = bytes.div_ceil(64);
    if lines.capacity() < count {
        // no elements, only room for them: nobody reads what nobody wrote
        lines = Vec::with_capacity(count);
    }
    let result = work(lines.as_mut_ptr().cast());
    if lines.capacity() * 64 <= KEPT {
        SCRATCH.set(lines);
    }
    result
}
