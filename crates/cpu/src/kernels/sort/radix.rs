//! A stable radix sort from the least digit on. A long row is cut into chunks that count and move
//! their items at the same time; each knows where its items of each digit go, so the order does
//! not depend on how many chunks there are.

use super::key::Key;
use crate::kernels::shared::Shared;
use mlx_oxide_runtime::parallel;

/// What is sorted: a key, or a key with something that it carries.
pub(super) trait Item: Copy + Ord + Send + Sync {
    type Key: Key;

    fn key(self) -> Self::Key;
}

impl<K: Key> Item for K {
    type Key = K;

    #[inline(always)]
    fn key(self) -> K {
        self
    }
}

/// A key and where it was. Pairs that lie in the order of their indices sort stably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair<K> {
    pub key: K,
    pub index: u32,
}

impl<K: Key> Item for Pair<K> {
    type Key = K;

    #[inline(always)]
    fn key(self) -> K {
        self.key
    }
}

/// Rows from this length on have wide digits: fewer passes over memory, more to count.
const WIDE: usize = 1 << 15;

/// Sorts `count` items by their keys, in `chunks` pieces at the same time; the place where they are
/// afterwards, one of the two.
///
/// # Safety
/// `items` and `scratch` are apart and have room for `count` items; the items are initialised.
pub(super) unsafe fn sort<T: Item>(
    items: *mut T,
    scratch: *mut T,
    count: usize,
    chunks: usize,
) -> *mut T {
    if count < 8 * T::Key::BITS as usize {
        // SAFETY: the caller's promise
        unsafe { std::slice::from_raw_parts_mut(items, count) }.sort_unstable();
        return items;
    }
    let bits = if T::Key::BITS >= 32 && count >= WIDE {
        11
    } else {
        8
    };
    let mut counts = vec![0usize; chunks << bits];
    let (mut source, mut target) = (items, scratch);
    for shift in (0..T::Key::BITS).step_by(bits) {
        // SAFETY: the caller's promise; every pass that moves writes all items
        let moved = unsafe { pass(source, target, count, &mut counts, (shift, bits)) };
        if moved {
            std::mem::swap(&mut source, &mut target);
        }
    }
    source
}

/// Moves items to the target in the order of one digit; nothing moves if all have the same.
///
/// # Safety
/// As of [`sort`]; there are `2^bits` counts for each chunk.
unsafe fn pass<T: Item>(
    source: *mut T,
    target: *mut T,
    count: usize,
    counts: &mut [usize],
    (shift, bits): (u32, usize),
) -> bool {
    let bins = 1 << bits;
    let chunks = counts.len() / bins;
    let length = count.div_ceil(chunks);
    let (from, to) = (Shared(source.cast()), Shared(target.cast()));
    let table = Shared(counts.as_mut_ptr().cast());
    let chunk = |number: usize| {
        let start = (number * length).min(count);
        let size = length.min(count - start);
        // SAFETY: the chunk lies in the items, which nobody writes in this pass
        let items = unsafe { std::slice::from_raw_parts(from.element::<T>(start), size) };
        // SAFETY: each chunk has its own counts, in use by one closure at a time
        let counts =
            unsafe { std::slice::from_raw_parts_mut(table.element::<usize>(number * bins), bins) };
        (items, counts)
    };
    parallel::for_each(chunks, |number| {
        let (items, counts) = chunk(number);
        counts.fill(0);
        for item in items {
            counts[item.key().digit(shift, bins - 1)] += 1;
        }
    });
    if starts(counts, bins, count) {
        return false;
    }
    parallel::for_each(chunks, |number| {
        let (items, places) = chunk(number);
        for &item in items {
            let place = &mut places[item.key().digit(shift, bins - 1)];
            // SAFETY: places of all chunks together are a permutation of `0..count`
            unsafe { to.element::<T>(*place).write(item) };
            *place += 1;
        }
    });
    true
}

/// Turns counts into first places, digit by digit and chunk by chunk; whether one digit has all.
fn starts(counts: &mut [usize], bins: usize, count: usize) -> bool {
    let mut place = 0;
    for bin in 0..bins {
        let before = place;
        for chunk in counts.chunks_exact_mut(bins) {
            place += std::mem::replace(&mut chunk[bin], place);
        }
        if place - before == count {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(count: usize, range: u64) -> impl Iterator<Item = u64> {
        (0..count as u64).map(move |number| {
            let word = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (word ^ word >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) % range
        })
    }

    fn check<T: Item + std::fmt::Debug>(mut items: Vec<T>, chunks: usize) {
        let mut expected = items.clone();
        expected.sort_by_key(|item| item.key());
        let mut scratch = items.clone();
        let count = items.len();
        // SAFETY: both vectors hold that many items
        let place = unsafe { sort(items.as_mut_ptr(), scratch.as_mut_ptr(), count, chunks) };
        let found = match place == scratch.as_mut_ptr() {
            true => scratch,
            false => items,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn items_come_out_in_stable_order_whatever_the_chunks() {
        for count in [0, 1, 2, 63, 64, 127, 255, 256, 257, 513, 5000, WIDE + 3] {
            for chunks in [1, 2, 3, 7] {
                check(mixed(count, 256).map(|word| word as u8).collect(), chunks);
                check(
                    mixed(count, 1 << 16).map(|word| word as u16).collect(),
                    chunks,
                );
                check(
                    mixed(count, 1 << 32).map(|word| word as u32).collect(),
                    chunks,
                );
                check(mixed(count, u64::MAX).collect::<Vec<_>>(), chunks);
                let pairs = mixed(count, 50).zip(0..);
                check(
                    pairs.map(|(key, index)| Pair { key, index }).collect(),
                    chunks,
                );
            }
        }
    }
}
