//! Host memory: a cache of size classes with a bound, over the system's allocator.
//!
//! Fresh pages cost more than the arithmetic of a large elementwise operation, so freed blocks
//! are kept for the next one of their class. Large blocks lie on large pages where the system
//! grants them.

mod system;

use mlx_oxide_ir::{Error, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Blocks up to this size go straight to the system's allocator, which caches them itself.
const SMALL: usize = 4 << 10;

/// A block of host memory; dropped, it returns to the cache.
pub(crate) struct Block {
    pointer: *mut u8,
    /// Bytes really held: a size class, or the wish itself when small.
    capacity: usize,
}

// SAFETY: a block is plain memory that moves between threads with its owner
unsafe impl Send for Block {}
// SAFETY: sharing a block shares only its address
unsafe impl Sync for Block {}

impl Block {
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.pointer
    }

    pub(crate) fn as_mut_ptr(&self) -> *mut u8 {
        self.pointer
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        ACTIVE.fetch_sub(self.capacity, Ordering::Relaxed);
        if self.capacity <= SMALL {
            // SAFETY: the pointer came from `system::obtain` with this capacity, and is dropped once
            unsafe { system::release(self.pointer, self.capacity) };
        } else {
            CACHE.lock().keep(Freed(self.pointer), self.capacity);
        }
    }
}

static ACTIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CACHE: Mutex<Cache> = Mutex::new(Cache {
    blocks: BTreeMap::new(),
    bytes: 0,
    clock: 0,
});
static MEMORY_LIMIT: OnceLock<AtomicUsize> = OnceLock::new();
static CACHE_LIMIT: OnceLock<AtomicUsize> = OnceLock::new();

fn memory_limit_cell() -> &'static AtomicUsize {
    MEMORY_LIMIT.get_or_init(|| AtomicUsize::new(system::total_memory() / 20 * 19))
}

fn cache_limit_cell() -> &'static AtomicUsize {
    CACHE_LIMIT.get_or_init(|| AtomicUsize::new(system::total_memory() / 4))
}

struct Freed(*mut u8);
// SAFETY: freed memory belongs to the cache alone
unsafe impl Send for Freed {}

struct Cache {
    /// By capacity, each with the time of its return, oldest first.
    blocks: BTreeMap<usize, Vec<(u64, Freed)>>,
    bytes: usize,
    clock: u64,
}

impl Cache {
    fn take(&mut self, capacity: usize) -> Option<*mut u8> {
        // the newest block is the one whose lines may still be in the processor's caches
        let blocks = self.blocks.get_mut(&capacity)?;
        let (_, freed) = blocks.pop()?;
        if blocks.is_empty() {
            self.blocks.remove(&capacity);
        }
        self.bytes -= capacity;
        Some(freed.0)
    }

    fn keep(&mut self, freed: Freed, capacity: usize) {
        self.clock += 1;
        self.blocks
            .entry(capacity)
            .or_default()
            .push((self.clock, freed));
        self.bytes += capacity;
        self.shrink_to(cache_limit_cell().load(Ordering::Relaxed));
    }

    /// Gives the oldest blocks back to the system until at most `limit` bytes are kept.
    fn shrink_to(&mut self, limit: usize) {
        while self.bytes > limit {
            let oldest = self
                .blocks
                .iter()
                .filter_map(|(capacity, blocks)| blocks.first().map(|block| (block.0, *capacity)))
                .min();
            let Some((_, capacity)) = oldest else { return };
            if let Some(blocks) = self.blocks.get_mut(&capacity) {
                let (_, freed) = blocks.remove(0);
                if blocks.is_empty() {
                    self.blocks.remove(&capacity);
                }
                self.bytes -= capacity;
                // SAFETY: the block came from `system::obtain` with this capacity and left the cache
                unsafe { system::release(freed.0, capacity) };
            }
        }
    }
}

/// The size class of a wish: eighths of powers of two, so that at most an eighth is wasted.
fn size_class(bytes: usize) -> usize {
    if bytes <= SMALL {
        return bytes.max(1);
    }
    let step = (1usize << (usize::BITS - 1 - bytes.leading_zeros())) / 8;
    bytes.div_ceil(step) * step
}

/// A block of at least `bytes`, not initialised.
pub(crate) fn allocate(op: &'static str, bytes: usize) -> Result<Block> {
    if bytes > isize::MAX as usize / 2 {
        return Err(Error::OutOfMemory {
            op,
            bytes,
            reason: "more than can be addressed",
        });
    }
    let capacity = size_class(bytes);
    let cached = if capacity <= SMALL {
        None
    } else {
        CACHE.lock().take(capacity)
    };
    let pointer = match cached {
        Some(pointer) => pointer,
        None => obtain(op, capacity)?,
    };
    let active = ACTIVE.fetch_add(capacity, Ordering::Relaxed) + capacity;
    if active > PEAK.load(Ordering::Relaxed) {
        PEAK.fetch_max(active, Ordering::Relaxed);
    }
    Ok(Block { pointer, capacity })
}

fn obtain(op: &'static str, capacity: usize) -> Result<*mut u8> {
    if capacity > SMALL {
        let limit = memory_limit_cell().load(Ordering::Relaxed);
        let active = ACTIVE.load(Ordering::Relaxed);
        let wanted = active.saturating_add(capacity);
        let mut cache = CACHE.lock();
        if wanted.saturating_add(cache.bytes) > limit {
            cache.shrink_to(limit.saturating_sub(wanted));
        }
        drop(cache);
        if capacity > system::total_memory() {
            return Err(Error::OutOfMemory {
                op,
                bytes: capacity,
                reason: "more than this machine's memory",
            });
        }
    }
    system::obtain(capacity)
        .or_else(|| {
            CACHE.lock().shrink_to(0);
            system::obtain(capacity)
        })
        .ok_or(Error::OutOfMemory {
            op,
            bytes: capacity,
            reason: "the system has no more memory",
        })
}

/// Bytes held by live arrays.
pub fn active_memory() -> usize {
    ACTIVE.load(Ordering::Relaxed)
}

/// The most bytes that were active at once since the start or [`reset_peak_memory`].
pub fn peak_memory() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// Sets the peak to zero.
pub fn reset_peak_memory() {
    PEAK.store(0, Ordering::Relaxed);
}

/// Bytes kept for reuse.
pub fn cache_memory() -> usize {
    CACHE.lock().bytes
}

/// Gives all kept memory back to the system.
pub fn clear_cache() {
    CACHE.lock().shrink_to(0);
}

/// Sets how many bytes may be active and cached together before the cache is given up, and
/// returns the old limit.
pub fn set_memory_limit(limit: usize) -> usize {
    memory_limit_cell().swap(limit, Ordering::Relaxed)
}

/// Sets how many bytes are kept for reuse at most, and returns the old limit.
pub fn set_cache_limit(limit: usize) -> usize {
    let old = cache_limit_cell().swap(limit, Ordering::Relaxed);
    CACHE.lock().shrink_to(limit);
    old
}

/// The limit that [`set_memory_limit`] sets.
pub fn memory_limit() -> usize {
    memory_limit_cell().load(Ordering::Relaxed)
}

/// Bytes of memory that this machine has.
pub fn total_memory() -> usize {
    system::total_memory()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_waste_at_most_an_eighth() {
        for bytes in [1, 4096, 4097, 5000, 1 << 20, (1 << 20) + 1, 123_456_789] {
            let class = size_class(bytes);
            assert!(
                class >= bytes && class - bytes <= bytes / 8,
                "{bytes} -> {class}"
            );
            assert_eq!(size_class(class), class);
        }
    }

    #[test]
    fn freed_blocks_come_back_and_limits_hold() {
        let bytes = 3 << 20;
        let block = allocate("test", bytes).unwrap();
        let address = block.as_ptr() as usize;
        drop(block);
        let again = allocate("test", bytes).unwrap();
        assert_eq!(again.as_ptr() as usize, address);
        let old = set_cache_limit(0);
        drop(again);
        assert_eq!(cache_memory(), 0);
        set_cache_limit(old);
    }

    #[test]
    fn absurd_sizes_are_errors() {
        assert!(allocate("test", usize::MAX).is_err());
        assert!(allocate("test", 1 << 50).is_err());
    }
}
