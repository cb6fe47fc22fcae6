//! Rows in order: their elements, or the positions of these.

use super::key::{Element, Key};
use super::radix::{self, Pair};
use super::short;
use crate::kernels::shared::Shared;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};

/// Shorter rows stay on one thread.
const LONG: usize = 64 * 1024;

/// Rows of one length, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub op: &'static str,
    pub count: usize,
    pub length: usize,
}

impl Rows {
    /// Runs `each(row, scratch, chunks)`, the scratch memory of `bytes` being its own. Several
    /// rows run at the same time; where there are fewer than threads, one long row takes all.
    pub(super) fn each(
        self,
        bytes: usize,
        each: impl Fn(usize, *mut u8, usize) + Sync,
    ) -> Result<()> {
        let threads = parallel::threads();
        let alone = self.count < threads && self.length >= LONG;
        let pieces = if alone || self.count * self.length < LONG / 8 {
            1
        } else {
            self.count.min(threads * 4)
        };
        let bytes = bytes.next_multiple_of(64);
        let scratch = Buffer::allocate(self.op, bytes * pieces)?;
        let scratch = Shared(scratch.host_ptr()?.as_ptr());
        let share = self.count.div_ceil(pieces);
        let run = |piece: usize| {
            let end = self.count.min((piece + 1) * share);
            for row in piece * share..end {
                each(
                    row,
                    scratch.element::<u8>(piece * bytes),
                    if alone { threads } else { 1 },
                );
            }
        };
        if alone {
            run(0);
        } else {
            parallel::for_each(pieces, run);
        }
        Ok(())
    }
}

/// Writes the elements of each row in order.
pub(super) fn values<E: Element>(rows: Rows, source: *mut u8, target: *mut u8) -> Result<()> {
    if short::pays(rows, size_of::<E>()) {
        short::values::<E>(rows, source, target);
        return Ok(());
    }
    let (source, target) = (Shared(source), Shared(target));
    let length = rows.length;
    rows.each(length * size_of::<E::Key>(), |row, scratch, chunks| {
        let from = source.element::<E>(row * length);
        // SAFETY: the row lies in the operand, which nobody writes
        let elements = unsafe { std::slice::from_raw_parts(from, length) };
        let keys = target.element::<E::Key>(row * length);
        // SAFETY: the row lies in the output; the scratch memory has room for its keys
        unsafe { sort::<E>(elements, keys, scratch.cast(), chunks) };
    })
}

/// Writes elements in order to a place that has room for as many keys.
///
/// # Safety
/// There is such room at `keys` and in the scratch memory, apart from each other and the elements.
pub(super) unsafe fn sort<E: Element>(
    elements: &[E],
    keys: *mut E::Key,
    scratch: *mut E::Key,
    chunks: usize,
) {
    let length = elements.len();
    let to = Shared(keys.cast());
    let share = length.div_ceil(chunks);
    parallel::for_each_range(length, share, |start, end| {
        for (place, element) in (start..end).zip(&elements[start..end]) {
            // SAFETY: the caller's promise
            unsafe { to.element::<E::Key>(place).write(element.key()) };
        }
    });
    // SAFETY: keys are written; the scratch memory has room for them
    let sorted = unsafe { radix::sort(keys, scratch, length, chunks) };
    // SAFETY: as above
    let shared = shared::<E>(unsafe { std::slice::from_raw_parts(sorted, length) });
    let sorted = Shared(sorted.cast());
    parallel::for_each_range(length, share, |start, end| {
        for place in start..end {
            // SAFETY: keys and elements are equally wide
            unsafe {
                let key = sorted.element::<E::Key>(place).read();
                to.element::<E>(place).write(E::from_key(key));
            }
        }
    });
    for (key, mut place) in shared {
        for &element in elements.iter().filter(|element| element.key() == key) {
            // SAFETY: as many elements have the key as lie from its first place on
            unsafe { to.element::<E>(place).write(element) };
            place += 1;
        }
    }
}

/// Keys that occur, and the first place of each.
fn shared<E: Element>(sorted: &[E::Key]) -> Vec<(E::Key, usize)> {
    let place = |&key: &E::Key| {
        let place = sorted.partition_point(|other| *other < key);
        (sorted.get(place) == Some(&key)).then_some((key, place))
    };
    E::SHARED.iter().filter_map(place).collect()
}

/// Runs `write(row, to, from)` for every place of a row: the element at `from` belongs at `to`.
fn ordered<E: Copy + Send + Sync, K: Key>(
    rows: Rows,
    source: *mut u8,
    key: impl Fn(E) -> K + Sync,
    write: impl Fn(usize, usize, usize) + Sync,
) -> Result<()> {
    let source = Shared(source);
    let length = rows.length;
    rows.each(2 * length * size_of::<Pair<K>>(), |row, memory, chunks| {
        let memory = Shared(memory);
        let (from, base) = (memory.element::<Pair<K>>(0), row * length);
        let share = length.div_ceil(chunks);
        parallel::for_each_range(length, share, |start, end| {
            for place in start..end {
                // SAFETY: the row lies in the operand
                let element = unsafe { source.element::<E>(base + place).read() };
                let pair = Pair {
                    key: key(element),
                    index: place as u32,
                };
                // SAFETY: the memory has room for the pairs of a row, twice
                unsafe { memory.element::<Pair<K>>(place).write(pair) };
            }
        });
        // SAFETY: pairs are written; the second half of the memory is free
        let sorted = unsafe { radix::sort(from, memory.element(length), length, chunks) };
        let sorted = Shared(sorted.cast());
        parallel::for_each_range(length, share, |start, end| {
            for place in start..end {
                // SAFETY: as above
                let pair = unsafe { sorted.element::<Pair<K>>(place).read() };
                write(row, place, pair.index as usize);
            }
        });
    })
}

/// Writes the positions that sort each row.
pub(super) fn positions<E: Element>(rows: Rows, source: *mut u8, target: *mut u8) -> Result<()> {
    if short::pays_for_positions::<E::Key>(rows) {
        short::positions::<E>(rows, source, target);
        return Ok(());
    }
    positions_by(rows, source, target, E::key)
}

/// Writes the positions that sort each row by keys.
pub(super) fn positions_by<E: Copy + Send + Sync, K: Key>(
    rows: Rows,
    source: *mut u8,
    target: *mut u8,
    key: impl Fn(E) -> K + Sync,
) -> Result<()> {
    ordered(rows, source, key, position_writer(rows, target))
}

/// Writes the elements of each row in the order of keys that do not tell the elements.
pub(super) fn gathered<E: Copy + Send + Sync, K: Key>(
    rows: Rows,
    source: *mut u8,
    target: *mut u8,
    key: impl Fn(E) -> K + Sync,
) -> Result<()> {
    ordered(rows, source, key, element_writer::<E>(rows, source, target))
}

/// Writes to a place the position in its row that the element there comes from.
pub(super) fn position_writer(rows: Rows, target: *mut u8) -> impl Fn(usize, usize, usize) + Sync {
    let target = Shared(target);
    move |row, to, from| {
        // SAFETY: the output has a position for each element
        unsafe {
            target
                .element::<u32>(row * rows.length + to)
                .write(from as u32)
        };
    }
}

/// Writes to a place the element that belongs there.
pub(super) fn element_writer<E: Copy>(
    rows: Rows,
    source: *mut u8,
    target: *mut u8,
) -> impl Fn(usize, usize, usize) + Sync {
    let (source, target) = (Shared(source), Shared(target));
    move |row, to, from| {
        let base = row * rows.length;
        // SAFETY: the place lies in a row of the operand
        let element = unsafe { source.element::<E>(base + from).read() };
        // SAFETY: the place lies in a row of the output
        unsafe { target.element::<E>(base + to).write(element) };
    }
}
