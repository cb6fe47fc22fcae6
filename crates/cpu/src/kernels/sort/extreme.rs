//! The few least or greatest elements of a row.
//!
//! A row is compared, many elements at a time, with the worst of the best so far; what passes is
//! collected, and now and then the best of that raise the bar. The order of the rest is of no
//! concern: it stays in place but for what lies where the best belong.

use super::key::Key;
use super::select::SORTED;
use crate::simd::{Isa, Kernel, vectorised};
use mlx_oxide_runtime::parallel;

/// How many times as long as the part that is wanted a row must be.
const TIMES: usize = 8;
/// Elements of the shortest row of which a selection takes longer.
const LEAST: usize = 512;
/// Elements that are compared at a time.
const BLOCK: usize = 64;
/// Elements of which one is sampled.
const SAMPLED: usize = 32;
/// The most elements of a sample, unless more are wanted.
const SAMPLE: usize = 4096;
/// The most wanted elements that are kept in order as they come.
const ORDERED: usize = 16;
/// Elements of a piece of work that only moves.
const PIECE: usize = 64 * 1024;

/// Which elements of a row are wanted.
#[derive(Clone, Copy)]
pub(super) struct End {
    count: usize,
    greatest: bool,
}

impl End {
    /// The elements on the shorter side of position `kth`, itself included, if they are few.
    pub(super) fn of(kth: usize, length: usize) -> Option<Self> {
        let (least, most) = (kth + 1, length - kth);
        let end = End {
            count: least.min(most),
            greatest: most <= least,
        };
        let few = end.count <= SORTED && end.count * TIMES <= length && length >= LEAST;
        few.then_some(end)
    }

    /// The positions of the wanted elements, in their order; of equal elements the first is less.
    pub(super) fn best<E: Copy + Sync, K: Key>(
        self,
        row: &[E],
        key: impl Fn(E) -> K + Copy + Sync,
        pieces: usize,
    ) -> Vec<usize> {
        let of = |start: usize, end: usize| {
            let search = Search {
                row,
                key,
                end: self,
            };
            search.run(start, end)
        };
        let mut best = if pieces == 1 {
            of(0, row.len())
        } else {
            let found = parking_lot::Mutex::new(Vec::new());
            let share = row.len().div_ceil(pieces);
            parallel::for_each_range(row.len(), share, |start, end| {
                let part = of(start, end);
                found.lock().extend(part);
            });
            // the best are the same in whatever order the pieces came
            found.into_inner()
        };
        if best.len() > self.count {
            best.select_nth_unstable(self.count - 1);
            best.truncate(self.count);
        }
        best.sort_unstable();
        let place = |value: &K::Numbered| self.place(K::number(*value) as usize, row.len());
        if self.greatest {
            best.iter().rev().map(place).collect()
        } else {
            best.iter().map(place).collect()
        }
    }

    /// The place of the element that comes at `turn`: the last ones first if the greatest are
    /// wanted, so that of equal elements none is better than those before.
    fn place(self, turn: usize, length: usize) -> usize {
        if self.greatest {
            length - 1 - turn
        } else {
            turn
        }
    }

    /// Runs `write(to, from)` for the places of the row whose best elements are at such positions,
    /// after `keep(start, end)`, which leaves elements where they are, for all.
    pub(super) fn part(
        self,
        length: usize,
        best: &[usize],
        pieces: usize,
        keep: impl Fn(usize, usize) + Sync,
        write: impl Fn(usize, usize) + Sync,
    ) {
        let share = if pieces == 1 { length } else { PIECE };
        parallel::for_each_range(length, share, keep);
        let first = if self.greatest {
            length - self.count
        } else {
            0
        };
        let zone = first..first + self.count;
        let mut stays = vec![false; self.count];
        for place in best.iter().filter(|place| zone.contains(place)) {
            stays[place - first] = true;
        }
        // what must go from where the best belong takes the places of those that come
        let mut goes = zone.clone().filter(|place| !stays[place - first]);
        for &place in best.iter().filter(|place| !zone.contains(place)) {
            if let Some(from) = goes.next() {
                write(place, from);
            }
        }
        for (to, &from) in zone.zip(best) {
            write(to, from);
        }
    }
}

/// The search for the best of a row.
struct Search<'a, E, F> {
    row: &'a [E],
    key: F,
    end: End,
}

impl<E: Copy, K: Key, F: Fn(E) -> K + Copy> Search<'_, E, F> {
    /// The best, and some others, of the elements that come at turns `start..end`, which are more
    /// than are wanted.
    fn run(&self, start: usize, end: usize) -> Vec<K::Numbered> {
        let mut best = Best::new(self.end.count, self.sampled_bar(start, end));
        let mut turn = start;
        for _ in 0..self.end.count {
            best.push(self.key(turn), turn, |turn| self.key(turn));
            turn += 1;
        }
        while turn < end {
            let (block, passes) = vectorised(
                Isa::best(),
                Compare {
                    row: self.row,
                    key: self.key,
                    end: self.end,
                    turns: (turn, end),
                    bar: best.bar,
                },
            );
            turn = block;
            if passes == 0 {
                // too few are left for a block
                for turn in turn..end {
                    best.push(self.key(turn), turn, |turn| self.key(turn));
                }
                break;
            }
            // by their turns
            let mut passes = if self.end.greatest {
                passes.reverse_bits()
            } else {
                passes
            };
            while passes != 0 {
                let turn = turn + passes.trailing_zeros() as usize;
                passes &= passes - 1;
                best.push(self.key(turn), turn, |turn| self.key(turn));
            }
            turn += BLOCK;
        }
        best.found
    }

    /// A key that the best are less than: as many elements of a sample are. Without it, all elements
    /// of a row in the wrong order would pass.
    fn sampled_bar(&self, start: usize, end: usize) -> K {
        let share = (end - start) / SAMPLED;
        if share < 2 * self.end.count {
            return K::GREATEST;
        }
        let step = (end - start) / share.min(SAMPLE.max(2 * self.end.count));
        let turns = (start..end).step_by(step);
        let mut sample: Vec<K> = turns.map(|turn| self.key(turn)).collect();
        let (_, bar, _) = sample.select_nth_unstable(self.end.count - 1);
        bar.next()
    }

    #[inline(always)]
    fn key(&self, turn: usize) -> K {
        let element = self.row[self.end.place(turn, self.row.len())];
        (self.key)(element).toward(self.end.greatest)
    }
}

/// The best so far.
struct Best<K: Key> {
    count: usize,
    /// In order if few are wanted, else with others that were good enough when they came.
    found: Vec<K::Numbered>,
    /// What is not less is none of the best, once there are enough.
    bar: K,
}

impl<K: Key> Best<K> {
    fn new(count: usize, bar: K) -> Self {
        let most = if count <= ORDERED {
            count
        } else {
            (2 * count).max(count + 4 * BLOCK)
        };
        Best {
            count,
            found: Vec::with_capacity(most),
            bar,
        }
    }

    /// Takes in the element of a turn, which comes after all others; `key` is that of a turn.
    #[inline(always)]
    fn push(&mut self, value: K, turn: usize, key: impl Fn(usize) -> K) {
        if self.found.len() >= self.count && value >= self.bar {
            return;
        }
        let numbered = value.numbered(turn as u32);
        if self.count <= ORDERED {
            self.insert(numbered, key);
            return;
        }
        self.found.push(numbered);
        let full = self.found.len() == self.found.capacity();
        if full || self.found.len() == self.count {
            self.raise(key);
        }
    }

    fn insert(&mut self, numbered: K::Numbered, key: impl Fn(usize) -> K) {
        if self.found.len() == self.count {
            self.found.pop();
        }
        let place = self.found.iter().rposition(|other| *other < numbered);
        self.found
            .insert(place.map_or(0, |place| place + 1), numbered);
        if self.found.len() == self.count {
            let worst = key(K::number(self.found[self.count - 1]) as usize);
            self.bar = self.bar.min(worst);
        }
    }

    /// Leaves the best alone.
    #[cold]
    fn raise(&mut self, key: impl Fn(usize) -> K) {
        let (_, worst, _) = self.found.select_nth_unstable(self.count - 1);
        self.bar = self.bar.min(key(K::number(*worst) as usize));
        self.found.truncate(self.count);
    }
}

/// A row to be compared with a bar.
struct Compare<'a, E, F, K> {
    row: &'a [E],
    key: F,
    end: End,
    turns: (usize, usize),
    bar: K,
}

impl<E: Copy, K: Key, F: Fn(E) -> K> Kernel for Compare<'_, E, F, K> {
    type Output = (usize, u64);

    /// The first turn of the first block of which an element passes, and which do, by their places
    /// in memory; none of the last turns, which are less than a block.
    #[inline(always)]
    fn run(self) -> (usize, u64) {
        let (mut turn, end) = self.turns;
        let (greatest, length) = (self.end.greatest, self.row.len());
        while turn + BLOCK <= end {
            let first = match greatest {
                true => length - turn - BLOCK,
                false => turn,
            };
            let block = &self.row[first..first + BLOCK];
            let mut any = false;
            for element in block {
                any |= (self.key)(*element).toward(greatest) < self.bar;
            }
            if any {
                let mut passes = 0;
                for (place, element) in block.iter().enumerate() {
                    let pass = (self.key)(*element).toward(greatest) < self.bar;
                    passes |= u64::from(pass) << place;
                }
                return (turn, passes);
            }
            turn += BLOCK;
        }
        (turn, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wanted positions, found by ordering all.
    fn expected(row: &[u32], end: End) -> Vec<usize> {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by_key(|place| (row[*place], *place));
        match end.greatest {
            true => order.split_off(row.len() - end.count),
            false => order[..end.count].to_vec(),
        }
    }

    #[test]
    fn the_best_are_found_whatever_order_the_row_has() {
        let length = 40_000;
        let numbers = |number: fn(u32) -> u32| (0..length).map(number).collect::<Vec<u32>>();
        let rows = [
            numbers(|place| place),
            numbers(|place| u32::MAX - place),
            numbers(|place| place.wrapping_mul(2_654_435_761)),
            numbers(|place| place * place % 7),
            numbers(|_| u32::MAX),
            numbers(|_| 0),
        ];
        for row in &rows {
            for (count, greatest) in [1, 5, 16, 17, 300, 2000]
                .map(|n| [(n, false), (n, true)])
                .concat()
            {
                let end = End { count, greatest };
                for pieces in [1, 3] {
                    let found = end.best(row, |key| key, pieces);
                    assert_eq!(found, expected(row, end), "{count} of {pieces} pieces");
                }
            }
        }
    }
}
