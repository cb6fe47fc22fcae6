//! Memory from the operating system.

use std::alloc::{Layout, alloc, dealloc};

/// From this size on, blocks are mapped by themselves, aligned to a large page.
#[cfg(unix)]
const LARGE: usize = 2 << 20;

fn layout(capacity: usize) -> Option<Layout> {
    let alignment = if capacity <= 1024 { 16 } else { 64 };
    Layout::from_size_align(capacity, alignment).ok()
}

/// Memory of `capacity` bytes, or nothing when the system has none.
pub(super) fn obtain(capacity: usize) -> Option<*mut u8> {
    #[cfg(unix)]
    if capacity >= LARGE {
        return map(capacity);
    }
    // SAFETY: the size is not zero: a size class is at least one byte
    let pointer = unsafe { alloc(layout(capacity)?) };
    (!pointer.is_null()).then_some(pointer)
}

/// Gives memory back.
///
/// # Safety
/// `pointer` came from [`obtain`] with the same `capacity` and is not used again.
pub(super) unsafe fn release(pointer: *mut u8, capacity: usize) {
    #[cfg(unix)]
    if capacity >= LARGE {
        // SAFETY: the range was mapped by `map` with this length
        unsafe { libc::munmap(pointer.cast(), mapped_length(capacity)) };
        return;
    }
    if let Some(layout) = layout(capacity) {
        // SAFETY: by the caller's promise the same layout allocated it
        unsafe { dealloc(pointer, layout) };
    }
}

#[cfg(unix)]
fn mapped_length(capacity: usize) -> usize {
    capacity.div_ceil(LARGE) * LARGE
}

/// Maps fresh pages aligned to a large page, and asks for large pages.
#[cfg(unix)]
fn map(capacity: usize) -> Option<*mut u8> {
    let length = mapped_length(capacity);
    // SAFETY: an anonymous private mapping at an address of the system's choice touches nothing
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length + LARGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return None;
    }
    let head = base.align_offset(LARGE);
    let start = base.wrapping_byte_add(head);
    if head > 0 {
        // SAFETY: the first `head` bytes of the fresh mapping are not used
        unsafe { libc::munmap(base, head) };
    }
    let tail = LARGE - head;
    if tail > 0 {
        // SAFETY: the last `tail` bytes of the fresh mapping are not used
        unsafe { libc::munmap(start.wrapping_byte_add(length), tail) };
    }
    #[cfg(target_os = "linux")]
    {
        // SAFETY: advice about the mapping just made; refusal is harmless
        unsafe { libc::madvise(start, length, libc::MADV_HUGEPAGE) };
    }
    Some(start.cast())
}

/// Bytes of memory that this machine has; a guess of 8 GiB where the system does not say.
pub(super) fn total_memory() -> usize {
    #[cfg(unix)]
    {
        // SAFETY: `sysconf` only reads its argument
        let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
        // SAFETY: as above
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        if pages > 0 && page > 0 {
            return pages as usize * page as usize;
        }
    }
    8 << 30
}
