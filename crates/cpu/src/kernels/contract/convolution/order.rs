//! The order in which tiles take the places of a convolution.

use super::geometry::Axis;
use std::iter;
use std::ops::Range;

/// Ranges of an axis that are kept apart at most: those of longer kernels hold too few places.
const MOST_RANGES: usize = 9;

/// Output places, those together that meet the same taps: a tile then leaves out what meets nothing
/// but padding.
pub(super) struct Order {
    blocks: Vec<Block>,
    /// Whether places of a line stay together.
    lines: bool,
}

/// Places of all images.
struct Block {
    /// The first place of the block in the order.
    first: usize,
    /// Images, and the places of each axis.
    sizes: [Range<usize>; 4],
    /// Whether all of them meet the same taps.
    are_alike: bool,
}

/// Places that follow one another along an axis.
pub(super) struct Run {
    /// The first one in the order, counted from the first that was asked for.
    pub(super) index: usize,
    /// The image, and the first place.
    pub(super) first: [usize; 4],
    /// The axis: the last, or where its range is short the one before.
    pub(super) axis: usize,
    pub(super) length: usize,
}

impl Run {
    /// The places along the axis.
    pub(super) fn places(&self) -> Range<usize> {
        let first = self.first[self.axis + 1];
        first..first + self.length
    }
}

impl Order {
    /// Of the places of some images. Those of a line are all together, along it, if `lines`.
    pub(super) fn new(batch: usize, axes: &[Axis; 3], lines: bool) -> Self {
        let [z, y, x] = axes;
        let across = match lines {
            true => iter::once((0..x.places, false)).collect(),
            false => ranges(x),
        };
        let mut blocks = Vec::new();
        let mut first = 0;
        for (z, z_alike) in ranges(z) {
            for (y, y_alike) in ranges(y) {
                for (x, x_alike) in &across {
                    let sizes = [0..batch, z.clone(), y.clone(), x.clone()];
                    let size: usize = sizes.iter().map(Range::len).product();
                    blocks.push(Block {
                        first,
                        sizes,
                        are_alike: z_alike && y_alike && *x_alike,
                    });
                    first += size;
                }
            }
        }
        Order { blocks, lines }
    }

    /// The block that a place in order is in, and where that ends.
    pub(super) fn block(&self, row: usize) -> (usize, usize) {
        let after = |block: &Block| block.end() <= row;
        let index = self.blocks.partition_point(after);
        (index, self.blocks[index].end())
    }

    /// Whether the places of a block meet the same taps.
    pub(super) fn are_alike(&self, block: usize) -> bool {
        self.blocks[block].are_alike
    }

    /// Some places in order.
    pub(super) fn runs(&self, rows: Range<usize>) -> impl Iterator<Item = Run> + '_ {
        let after = |block: &Block| block.first <= rows.start;
        let mut block = self.blocks.partition_point(after).max(1) - 1;
        let mut row = rows.start;
        iter::from_fn(move || {
            if row >= rows.end {
                return None;
            }
            while self.blocks[block].end() <= row {
                block += 1;
            }
            let mut run = self.blocks[block].run(row, self.lines);
            run.length = run.length.min(rows.end - row);
            run.index = row - rows.start;
            row += run.length;
            Some(run)
        })
    }
}

impl Block {
    fn end(&self) -> usize {
        self.first + self.sizes.iter().map(Range::len).product::<usize>()
    }

    /// The rest of a run from a place in the order on.
    fn run(&self, row: usize, lines: bool) -> Run {
        let sizes = self.sizes.each_ref().map(Range::len);
        let axis = if sizes[2] > sizes[3] && !lines { 1 } else { 2 };
        let other = 3 - axis;
        let (along, rest) = (
            (row - self.first) % sizes[axis + 1],
            (row - self.first) / sizes[axis + 1],
        );
        let (across, rest) = (rest % sizes[other + 1], rest / sizes[other + 1]);
        let mut first = self.sizes.each_ref().map(|range| range.start);
        first[0] += rest / sizes[1];
        first[1] += rest % sizes[1];
        first[axis + 1] += along;
        first[other + 1] += across;
        Run {
            index: 0,
            first,
            axis,
            length: sizes[axis + 1] - along,
        }
    }
}

/// The places of an axis in ranges, and whether those of a range meet the same taps: if these were
/// too many, at least those that meet all taps are kept apart.
fn ranges(axis: &Axis) -> Vec<(Range<usize>, bool)> {
    let mut found: Vec<(Range<usize>, bool)> = Vec::new();
    for place in 0..axis.places {
        match found.last_mut() {
            Some((range, _)) if axis.valid(range.start) == axis.valid(place) => {
                range.end = place + 1;
            }
            _ => found.push((place..place + 1, true)),
        }
    }
    if found.len() <= MOST_RANGES {
        return found;
    }
    let inner = axis.inner();
    [
        (0..inner.start, false),
        (inner.clone(), true),
        (inner.end..axis.places, false),
    ]
    .into_iter()
    .filter(|(range, _)| !range.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::geometry::Axis;
    use super::Order;

    fn axis(size: usize, taps: usize, low: isize, places: usize) -> Axis {
        Axis {
            size,
            taps,
            first_tap: 0,
            tap_step: 1,
            stride: 1,
            dilation: 1,
            low,
            places,
            first_place: 0,
            place_step: 1,
        }
    }

    #[test]
    fn every_place_comes_once_however_the_order_is_cut() {
        let axes = [axis(3, 1, 0, 3), axis(4, 3, 1, 4), axis(7, 5, 2, 7)];
        for lines in [false, true] {
            let order = Order::new(2, &axes, lines);
            let count = 2 * 3 * 4 * 7;
            for piece in [1, 5, 16, count] {
                let mut seen = vec![0; count];
                for first in (0..count).step_by(piece) {
                    let mut index = 0;
                    for run in order.runs(first..count.min(first + piece)) {
                        assert_eq!(run.index, index);
                        index += run.length;
                        for at in run.places() {
                            let mut place = run.first;
                            place[run.axis + 1] = at;
                            let [item, z, y, x] = place;
                            seen[((item * 3 + z) * 4 + y) * 7 + x] += 1;
                        }
                    }
                    assert_eq!(index, piece.min(count - first));
                }
                assert!(seen.iter().all(|times| *times == 1), "{piece} {seen:?}");
            }
        }
    }

    #[test]
    fn places_that_meet_the_same_taps_are_together() {
        let axes = [axis(1, 1, 0, 1), axis(6, 3, 1, 6), axis(9, 5, 2, 9)];
        let order = Order::new(1, &axes, false);
        let mut seen = Vec::new();
        for run in order.runs(0..54) {
            let [_, _, y, x] = run.first;
            let axis = &axes[run.axis];
            let first = axis.valid(run.places().start);
            assert!(run.places().all(|place| axis.valid(place) == first));
            let taps = (axes[1].valid(y), axes[2].valid(x));
            if seen.last() != Some(&taps) {
                assert!(!seen.contains(&taps));
                seen.push(taps);
            }
        }
        assert_eq!(seen.len(), 15);
    }

    #[test]
    fn places_that_meet_all_taps_of_longer_kernels_are_together() {
        let axes = [axis(1, 1, 0, 1), axis(1, 1, 0, 1), axis(40, 31, 15, 40)];
        let order = Order::new(1, &axes, false);
        assert_eq!(order.runs(0..40).count(), 3);
        for (row, expected) in [(0, (0, 15)), (15, (1, 25)), (24, (1, 25)), (25, (2, 40))] {
            assert_eq!(order.block(row), expected);
            assert_eq!(order.are_alike(expected.0), expected.0 == 1);
        }
    }
}
