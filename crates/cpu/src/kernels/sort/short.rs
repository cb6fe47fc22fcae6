//! Short rows, many side by side: the same exchanges put all of them in order, whatever they hold.
//!
//! A tile of rows is turned, so that the elements at one position of all its rows are neighbours,
//! which vectors compare and exchange; the exchanges are those of Batcher's merging network
//! (*Sorting networks and their applications*, 1968; Knuth's Algorithm 5.2.2M).

use super::key::{Element, Key};
use super::rows::{self, Rows};
use crate::kernels::fused::scratch::with_scratch;
use crate::kernels::shared::Shared;
use crate::simd::turn::{self, Block, Target};
use crate::simd::{Isa, Kernel, vectorised};
use mlx_oxide_runtime::parallel;

/// Rows of a tile.
const SIDE: usize = 16;
/// The longest row, a tile of which fills most of a second cache: exchanges grow faster in number
/// than the passes of a radix sort take time.
const LONGEST: usize = 4096;
/// The longest row of keys of more than 32 bits, for which exchanges take several times as long, while
/// a radix sort skips the digits that they have in common.
const LONGEST_WIDE: usize = 512;
/// Elements for each bit of the keys in the longest row whose positions are sorted: a radix sort of
/// short keys takes few passes.
const NUMBERED: usize = 16;
/// Elements of a piece of work.
const PIECE: usize = 16 * 1024;

/// Whether rows are so short, and so many, that tiles pay in which keys are so wide.
pub(super) fn pays(rows: Rows, width: usize) -> bool {
    let longest = if width <= 4 { LONGEST } else { LONGEST_WIDE };
    rows.length <= longest && rows.count >= SIDE
}

/// As [`pays`], for the positions that sort rows.
pub(super) fn pays_for_positions<K: Key>(rows: Rows) -> bool {
    K::BITS <= 32 && rows.length <= NUMBERED * K::BITS as usize && rows.count >= SIDE
}

/// Keys at the same position of the rows of a tile.
type Keys<K> = [K; SIDE];

/// Kernel: the rows of a tile in order.
struct Network<'a, K>(&'a mut [Keys<K>]);

impl<K: Copy + Ord> Kernel for Network<'_, K> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) {
        let length = self.0.len();
        let top = length.next_power_of_two() / 2;
        let mut part = top;
        while part > 0 {
            let (mut merged, mut first, mut distance) = (top, 0, part);
            loop {
                for start in (first..length - distance).step_by(2 * part) {
                    let count = part.min(length - distance - start);
                    let (low, high) = self.0[start..].split_at_mut(distance);
                    exchange(&mut low[..count], &mut high[..count]);
                }
                if merged == part {
                    break;
                }
                (first, distance) = (part, merged - part);
                merged /= 2;
            }
            part /= 2;
        }
    }
}

/// Brings the lesser of each two keys to the first place.
#[inline(always)]
fn exchange<K: Copy + Ord>(low: &mut [Keys<K>], high: &mut [Keys<K>]) {
    for (low, high) in low.iter_mut().zip(high) {
        for (low, high) in low.iter_mut().zip(high) {
            let (one, other) = (*low, *high);
            (*low, *high) = (one.min(other), one.max(other));
        }
    }
}

/// Kernel: elements, by their bits, to keys; whether every key tells its element.
struct Encode<'a, E: Element>(&'a mut [Keys<E::Key>]);

impl<E: Element> Kernel for Encode<'_, E> {
    type Output = bool;
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) -> bool {
        let mut told = true;
        for bits in self.0.as_flattened_mut() {
            let key = E::of_bits(*bits).key();
            told &= E::from_key(key).bits() == *bits;
            *bits = key;
        }
        told
    }
}

/// Kernel: keys to the bits of elements.
struct Decode<'a, E: Element>(&'a mut [Keys<E::Key>]);

impl<E: Element> Kernel for Decode<'_, E> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) {
        for key in self.0.as_flattened_mut() {
            *key = E::from_key(*key).bits();
        }
    }
}

/// Kernel: elements, by their bits, to keys with their positions in the row behind them.
struct Number<'a, E: Element>(&'a [Keys<E::Key>], &'a mut [Keys<Numbered<E>>]);

/// A key with a position behind it.
type Numbered<E> = <<E as Element>::Key as Key>::Numbered;

impl<E: Element> Kernel for Number<'_, E> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) {
        for (position, (bits, keys)) in self.0.iter().zip(self.1).enumerate() {
            for (bits, key) in bits.iter().zip(keys) {
                *key = E::of_bits(*bits).key().numbered(position as u32);
            }
        }
    }
}

/// Kernel: the positions behind keys.
struct Positions<'a, K: Key>(&'a [Keys<K::Numbered>], &'a mut [Keys<u32>]);

impl<K: Key> Kernel for Positions<'_, K> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) {
        for (keys, positions) in self.0.iter().zip(self.1) {
            for (key, position) in keys.iter().zip(positions) {
                *position = K::number(*key);
            }
        }
    }
}

/// Runs `each(first, count, scratch)` for the tiles of all rows, with memory of so many bytes.
fn tiles(rows: Rows, bytes: usize, each: impl Fn(usize, usize, *mut u8) + Sync) {
    let grain = (PIECE / rows.length.max(1))
        .next_multiple_of(SIDE)
        .max(SIDE);
    parallel::for_each_range(rows.count, grain, |start, end| {
        with_scratch(bytes, |scratch| {
            // SAFETY: there are so many bytes; the last tile may leave some unwritten
            unsafe { scratch.write_bytes(0, bytes) };
            for first in (start..end).step_by(SIDE) {
                each(first, SIDE.min(end - first), scratch);
            }
        });
    });
}

/// A tile of so many keys a row at a place.
///
/// # Safety
/// The place is aligned and valid for the tile, all of it is initialised, and nobody else uses it
/// meanwhile.
unsafe fn tile<'a, K>(place: *mut u8, length: usize) -> &'a mut [Keys<K>] {
    // SAFETY: the caller's promise
    unsafe { std::slice::from_raw_parts_mut(place.cast(), length) }
}

/// Reads `count` rows from `source` on into the columns of a tile.
///
/// # Safety
/// The rows are as long as the tile and lie in the operand.
unsafe fn turn_in<K>(keys: &mut [Keys<K>], source: *const K, count: usize) {
    let target = Target {
        start: keys.as_mut_ptr().cast(),
        pitch: SIDE,
    };
    let block = Block {
        rows: keys.len(),
        columns: count,
        row_stride: 1,
        column_stride: keys.len() as isize,
    };
    // SAFETY: the caller's promise
    unsafe { turn::transpose(target, source.cast(), size_of::<K>(), block, Isa::best()) };
}

/// Writes the columns of a tile to `count` rows from `target` on.
///
/// # Safety
/// The rows are as long as the tile and lie in the result.
unsafe fn turn_out<K>(keys: &[Keys<K>], target: *mut K, count: usize) {
    let target = Target {
        start: target.cast(),
        pitch: keys.len(),
    };
    let block = Block {
        rows: count,
        columns: keys.len(),
        row_stride: 1,
        column_stride: SIDE as isize,
    };
    let source = keys.as_ptr().cast();
    // SAFETY: the caller's promise
    unsafe { turn::transpose(target, source, size_of::<K>(), block, Isa::best()) };
}

/// Writes the elements of each row in order.
pub(super) fn values<E: Element>(rows: Rows, source: *mut u8, target: *mut u8) {
    let (source, target) = (Shared(source), Shared(target));
    let (length, isa) = (rows.length, Isa::best());
    let bytes = length * size_of::<Keys<E::Key>>();
    tiles(rows, bytes, |first, count, scratch| {
        let from = source.element::<E::Key>(first * length);
        let to = target.element::<E::Key>(first * length);
        // SAFETY: the scratch memory has room for a tile
        let keys = unsafe { tile::<E::Key>(scratch, length) };
        // SAFETY: the rows lie in the operand
        unsafe { turn_in(keys, from, count) };
        if vectorised(isa, Encode::<E>(keys)) {
            vectorised(isa, Network(keys));
            vectorised(isa, Decode::<E>(keys));
            // SAFETY: the rows lie in the result
            unsafe { turn_out(keys, to, count) };
            return;
        }
        for row in 0..count {
            let from = from.wrapping_add(row * length).cast();
            // SAFETY: the row lies in the operand, which nobody writes
            let elements = unsafe { std::slice::from_raw_parts(from, length) };
            let to = to.wrapping_add(row * length);
            // SAFETY: the row lies in the result; the scratch memory has room for its keys
            unsafe { rows::sort::<E>(elements, to, scratch.cast(), 1) };
        }
    });
}

/// Writes the positions that sort each row.
pub(super) fn positions<E: Element>(rows: Rows, source: *mut u8, target: *mut u8) {
    let (source, target) = (Shared(source), Shared(target));
    let (length, isa) = (rows.length, Isa::best());
    let numbered = length * size_of::<Keys<Numbered<E>>>();
    // where elements lie first, positions lie in the end
    let others = length * size_of::<Keys<E::Key>>().max(size_of::<Keys<u32>>());
    tiles(rows, numbered + others, |first, count, scratch| {
        let others = scratch.wrapping_add(numbered);
        // SAFETY: the scratch memory has room for a tile of the widest, then for another
        let numbers = unsafe { tile::<Numbered<E>>(scratch, length) };
        // SAFETY: as above
        let elements = unsafe { tile::<E::Key>(others, length) };
        // SAFETY: the rows lie in the operand
        unsafe { turn_in(elements, source.element(first * length), count) };
        vectorised(isa, Number::<E>(elements, numbers));
        vectorised(isa, Network(numbers));
        // SAFETY: as above; the elements are of no more use
        let positions = unsafe { tile::<u32>(others, length) };
        vectorised(isa, Positions::<E::Key>(numbers, positions));
        // SAFETY: the rows lie in the result
        unsafe { turn_out(positions, target.element(first * length), count) };
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few different elements, some of them zeros of both signs and no numbers.
    fn mixed(count: usize) -> Vec<f32> {
        const ODD: [f32; 6] = [0.0, -0.0, f32::NAN, -f32::NAN, f32::INFINITY, -1e-45];
        let word = |number: usize| (number as u32 + 7).wrapping_mul(0x9E37_79B9) >> 16;
        let element = |number| match word(number) {
            word if word % 50 < 6 && number % 3 == 0 => ODD[word as usize % 50],
            word => word as f32 / 100.0 - 300.0,
        };
        (0..count).map(element).collect()
    }

    fn rows(count: usize, length: usize) -> Rows {
        Rows {
            op: "sort",
            count,
            length,
        }
    }

    /// Checks elements and positions against a stable sort of every row.
    fn check<E: Element>(mut elements: Vec<E>, count: usize, length: usize) {
        let size = count * length;
        let (mut found, mut places) = (elements.clone(), vec![u32::MAX; size]);
        let source = elements.as_mut_ptr().cast();
        values::<E>(rows(count, length), source, found.as_mut_ptr().cast());
        positions::<E>(rows(count, length), source, places.as_mut_ptr().cast());
        for row in 0..count {
            let part = row * length..(row + 1) * length;
            let row = &elements[part.clone()];
            let mut order: Vec<u32> = (0..length as u32).collect();
            order.sort_by_key(|place| row[*place as usize].key());
            assert_eq!(places[part.clone()], order, "{count} {length}");
            let expected = order.iter().map(|place| row[*place as usize].bits());
            let found = found[part].iter().map(|element| element.bits());
            assert!(found.eq(expected), "{count} {length}");
        }
    }

    #[test]
    fn rows_of_every_length_come_in_stable_order() {
        for length in (1..=40).chain([63, 64, 65, 150, 300]) {
            for count in [1, 15, 16, 17, 35] {
                let elements = mixed(count * length);
                let bits = |element: &f32| (element.to_bits() >> 12) as u16;
                check(elements.iter().map(bits).collect(), count, length);
                let bytes = |element: &f32| element.to_bits().to_be_bytes()[1] as i8;
                check(elements.iter().map(bytes).collect(), count, length);
                let halves = elements.iter().map(|it| half::f16::from_f32(*it));
                check(halves.collect(), count, length);
                let wide = elements.iter().map(|it| f64::from(*it));
                check(wide.collect(), count, length);
                check(elements, count, length);
            }
        }
    }
}
