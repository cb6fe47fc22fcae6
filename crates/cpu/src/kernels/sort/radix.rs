//! Stable sorting by the bytes of keys, the least significant first.

use mlx_oxide_runtime::parallel;
use std::mem::MaybeUninit;

/// Shorter rows are sorted by comparing.
const SHORT: usize = 192;
/// Longer rows are cut, the pieces sorted on several threads and merged.
pub(super) const LONG: usize = 1 << 17;

/// Memory for sorting, used again from row to row.
pub(super) struct Radix<T> {
    scratch: Vec<MaybeUninit<T>>,
}

impl<T> Default for Radix<T> {
    fn default() -> Self {
        Radix {
            scratch: Vec::new(),
        }
    }
}

impl<T: Copy + Ord + Send + Sync> Radix<T> {
    /// Sorts by the bytes `from..to` of the keys; what else elements hold must order those that
    /// are equal as they stand.
    pub(super) fn sort(
        &mut self,
        row: &mut [T],
        from: u32,
        to: u32,
        key: impl Fn(T) -> u64 + Sync,
    ) {
        if row.len() < SHORT {
            row.sort_unstable();
            return;
        }
        self.scratch.clear();
        self.scratch.resize_with(row.len(), MaybeUninit::uninit);
        // SAFETY: elements are plain values that are written before they are read
        let scratch = unsafe {
            std::slice::from_raw_parts_mut(self.scratch.as_mut_ptr().cast::<T>(), row.len())
        };
        let threads = parallel::threads();
        if row.len() < LONG || threads == 1 {
            passes(row, scratch, from, to, &key);
        } else {
            let pieces = threads.next_power_of_two().min(row.len() / (LONG / 4));
            let pieces = 1 << pieces.ilog2();
            in_pieces(row, scratch, pieces, |row, scratch| {
                passes(row, scratch, from, to, &key)
            });
        }
    }
}

/// One pass for each byte that differs anywhere.
fn passes<T: Copy>(row: &mut [T], scratch: &mut [T], from: u32, to: u32, key: &impl Fn(T) -> u64) {
    let mut counts = [[0u32; 256]; 8];
    for &element in row.iter() {
        let key = key(element);
        for byte in from..to {
            counts[byte as usize][(key >> (8 * byte)) as usize & 255] += 1;
        }
    }
    let length = row.len() as u32;
    let (mut source, mut target) = (&mut *row, &mut *scratch);
    let mut swapped = false;
    for byte in from..to {
        let counts = &mut counts[byte as usize];
        if counts.contains(&length) {
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for &element in source.iter() {
            let place = &mut counts[(key(element) >> (8 * byte)) as usize & 255];
            target[*place as usize] = element;
            *place += 1;
        }
        std::mem::swap(&mut source, &mut target);
        swapped = !swapped;
    }
    if swapped {
        target.copy_from_slice(source);
    }
}

/// Two rows that threads share.
struct Shared<T>(*mut T, *mut T);

// SAFETY: threads write pieces apart from each other
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn first(&self) -> *mut T {
        self.0
    }

    fn second(&self) -> *mut T {
        self.1
    }
}

/// Sorts pieces, a power of two of them, on several threads, then merges neighbours until one is
/// left.
fn in_pieces<T: Copy + Ord + Send + Sync>(
    row: &mut [T],
    scratch: &mut [T],
    pieces: usize,
    sort: impl Fn(&mut [T], &mut [T]) + Sync,
) {
    let length = row.len();
    let bound =
        |piece: usize, pieces: usize| length / pieces * piece + (length % pieces).min(piece);
    let shared = Shared(row.as_mut_ptr(), scratch.as_mut_ptr());
    parallel::for_each(pieces, |piece| {
        let (start, end) = (bound(piece, pieces), bound(piece + 1, pieces));
        // SAFETY: pieces are apart
        let (row, scratch) = unsafe {
            (
                std::slice::from_raw_parts_mut(shared.first().add(start), end - start),
                std::slice::from_raw_parts_mut(shared.second().add(start), end - start),
            )
        };
        sort(row, scratch);
    });
    let (mut source, mut target) = (&mut *row, &mut *scratch);
    let mut width = 1;
    let mut swapped = false;
    while width < pieces {
        let shared = Shared(target.as_mut_ptr(), target.as_mut_ptr());
        let merges = pieces / (2 * width);
        let cuts = pieces / merges;
        parallel::for_each(pieces, |part| {
            let (merge, cut) = (part / cuts, part % cuts);
            let at = |half: usize| bound((2 * merge + half) * width, pieces);
            let (left, right) = (&source[at(0)..at(1)], &source[at(1)..at(2)]);
            let total = left.len() + right.len();
            let (start, end) = (total * cut / cuts, total * (cut + 1) / cuts);
            let (i, j) = (split(left, right, start), split(left, right, end));
            // SAFETY: parts of the merged row are apart
            let merged = unsafe {
                std::slice::from_raw_parts_mut(shared.first().add(at(0) + start), end - start)
            };
            merge_into(&left[i..j], &right[start - i..end - j], merged);
        });
        std::mem::swap(&mut source, &mut target);
        swapped = !swapped;
        width *= 2;
    }
    if swapped {
        target.copy_from_slice(source);
    }
}

/// How many of the first `count` merged elements come from the left.
fn split<T: Ord>(left: &[T], right: &[T], count: usize) -> usize {
    let (mut low, mut high) = (count.saturating_sub(right.len()), count.min(left.len()));
    while low < high {
        let middle = low.midpoint(high);
        // equal elements come from the left first
        if left[middle] <= right[count - middle - 1] {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn merge_into<T: Copy + Ord>(left: &[T], right: &[T], merged: &mut [T]) {
    let (mut i, mut j) = (0, 0);
    for place in merged {
        let from_left = j >= right.len() || (i < left.len() && left[i] <= right[j]);
        *place = if from_left { left[i] } else { right[j] };
        i += usize::from(from_left);
        j += usize::from(!from_left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<u32> {
        let mut state = 1u32;
        let step = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> (state % 13)
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn rows_of_every_length_are_sorted() {
        for count in [
            0,
            1,
            2,
            SHORT - 1,
            SHORT,
            1000,
            4099,
            LONG + 1,
            3 * LONG + 7,
        ] {
            let mut row = noise(count);
            let mut expected = row.clone();
            expected.sort_unstable();
            Radix::default().sort(&mut row, 0, 4, u64::from);
            assert!(row == expected, "{count} elements");
        }
    }

    #[test]
    fn pieces_are_merged_whatever_their_number() {
        for pieces in [1, 2, 4, 8] {
            let mut row = noise(10_007);
            let (mut expected, mut scratch) = (row.clone(), row.clone());
            expected.sort_unstable();
            in_pieces(&mut row, &mut scratch, pieces, |row, _| row.sort_unstable());
            assert!(row == expected, "{pieces} pieces");
        }
    }
}
