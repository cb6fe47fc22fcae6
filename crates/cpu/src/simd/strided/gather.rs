//! Elements of any layout in row-major order.

use super::{ByteRows, PART, Unit, copy_rows, row};
use crate::simd::{Isa, Kernel, vectorised};
use smallvec::SmallVec;

/// The longest row that is brought together with its neighbours, by whole vectors.
const SHORT: usize = 256;

/// Rows of one element each.
#[derive(Clone, Copy)]
struct Spread {
    /// From one element to the next.
    step: isize,
    length: usize,
    /// How many rows there are at most.
    rows: usize,
    /// Elements of the destination.
    room: usize,
}

/// Writes rows by whole vectors, as many as there is room for, and how many: what goes beyond the end
/// of one is overwritten by the next.
///
/// # Safety
/// All elements are valid in the source, the room in the destination; they do not overlap.
unsafe fn spread_units<T: Unit>(destination: *mut u8, source: *const u8, spread: Spread) -> usize {
    let spreading = Spreading {
        destination: destination.cast::<T>(),
        source: source.cast::<T>(),
        spread,
    };
    vectorised(Isa::best(), spreading)
}

/// Rows as they are written, by elements of a unit.
struct Spreading<T> {
    destination: *mut T,
    source: *const T,
    spread: Spread,
}

impl<T: Unit> Kernel for Spreading<T> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        let Spread {
            step,
            length,
            rows,
            room,
        } = self.spread;
        let lanes = PART / size_of::<T>();
        let vectors = length.div_ceil(lanes);
        let Some(beyond) = room.checked_sub(vectors * lanes) else {
            return 0;
        };
        let rows = rows.min(beyond / length + 1);
        for row in 0..rows {
            let from = self.source.wrapping_offset(row as isize * step);
            // SAFETY: `spread_units` has valid elements
            let value = unsafe { from.read_unaligned() };
            let to = self.destination.wrapping_add(row * length);
            for vector in 0..vectors {
                for lane in 0..lanes {
                    // SAFETY: there is room for the vectors of this row
                    unsafe { to.add(vector * lanes + lane).write(value) };
                }
            }
        }
        rows
    }
}

/// The rows of a layout, and where a walk through them has come to.
struct Walk<'a> {
    /// The loops around rows.
    outer: &'a [usize],
    strides: &'a [isize],
    index: SmallVec<[usize; 4]>,
    place: isize,
}

impl<'a> Walk<'a> {
    /// At row number `row`.
    fn new(outer: &'a [usize], strides: &'a [isize], mut row: usize) -> Self {
        let mut index = SmallVec::from_elem(0, outer.len());
        let mut place = 0;
        for axis in (0..outer.len()).rev() {
            index[axis] = row % outer[axis];
            row /= outer[axis];
            place += index[axis] as isize * strides[axis];
        }
        Walk {
            outer,
            strides,
            index,
            place,
        }
    }

    /// How many rows follow in the innermost loop, and how far apart.
    fn ahead(&self) -> (usize, isize) {
        match self.outer.len() {
            0 => (0, 0),
            loops => (
                self.outer[loops - 1] - self.index[loops - 1] - 1,
                self.strides[loops - 1],
            ),
        }
    }

    /// Passes by so many of those ahead.
    fn skip(&mut self, rows: usize) {
        let (_, stride) = self.ahead();
        if let Some(index) = self.index.last_mut() {
            *index += rows;
            self.place += rows as isize * stride;
        }
    }

    fn advance(&mut self) {
        for axis in (0..self.outer.len()).rev() {
            self.index[axis] += 1;
            self.place += self.strides[axis];
            if self.index[axis] < self.outer[axis] {
                return;
            }
            self.place -= self.strides[axis] * self.outer[axis] as isize;
            self.index[axis] = 0;
        }
    }
}

/// Brings `count` elements of a layout together, from row-major position `start` on.
///
/// # Safety
/// `destination` is aligned and valid for `count` elements of 1, 2, 4 or 8 bytes; `source`, the
/// place of element zero, is valid for the whole layout; they do not overlap.
pub unsafe fn gather(
    mut destination: *mut u8,
    source: *const u8,
    width: usize,
    shape: &[usize],
    strides: &[isize],
    start: usize,
    count: usize,
) {
    let Some((&length, outer)) = shape.split_last() else {
        // SAFETY: a scalar has one element
        unsafe { row(destination, source, 1, width, count.min(1)) };
        return;
    };
    if count == 0 {
        return; // an empty layout has no rows to start from
    }
    let (outer_strides, stride) = (&strides[..outer.len()], strides[outer.len()]);
    let mut walk = Walk::new(outer, outer_strides, start / length);
    let (mut left, mut column) = (count, start % length);
    loop {
        let from = source.wrapping_offset(walk.place * width as isize);
        // the last row of the innermost loop is met below, which goes on to the next loop
        let rows = match (length <= SHORT && column == 0, stride, walk.ahead()) {
            (true, 0, (rows, step)) if rows > 0 => {
                let spread = Spread {
                    step,
                    length,
                    rows,
                    room: left,
                };
                by_width!(width, spread_units(destination, from, spread))
            }
            (true, 1, (rows, step)) if rows > 0 => {
                let copied = ByteRows {
                    destination,
                    pitch: (length * width) as isize,
                    source: from,
                    stride: step * width as isize,
                    bytes: length * width,
                    count: rows.min(left / length),
                    groups: (1, 0, 0),
                    streamed: false,
                };
                // SAFETY: the rows lie in the layout, and there is room for them
                unsafe { copy_rows(copied, Isa::best()) };
                copied.count
            }
            _ => 0,
        };
        walk.skip(rows);
        left -= rows * length;
        destination = destination.wrapping_add(rows * length * width);
        if left == 0 {
            return;
        }
        let piece = left.min(length - column);
        let from = source.wrapping_offset((walk.place + column as isize * stride) * width as isize);
        // SAFETY: the place lies in the layout, as does the rest of its row
        unsafe { row(destination, from, stride, width, piece) };
        destination = destination.wrapping_add(piece * width);
        (left, column) = (left - piece, 0);
        if left == 0 {
            return;
        }
        walk.advance();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlx_oxide_ir::Layout;

    /// So many elements of a layout that covers the source, from a row-major position on.
    fn gather_into(
        found: &mut [u32],
        source: &[u32],
        layout: &Layout,
        (start, count): (usize, usize),
    ) {
        assert!(count <= found.len() && start + count <= layout.size());
        let (to, from) = (found.as_mut_ptr().cast(), source.as_ptr().cast());
        let (shape, strides) = (&layout.shape, &layout.strides);
        // SAFETY: there is room, and the layout covers the source
        unsafe { gather(to, from, 4, shape, strides, start, count) };
    }

    #[test]
    fn rows_of_one_element_are_spread_from_any_start() {
        let source: Vec<u32> = (0..12).collect();
        for (rows, length) in [(3, 1), (4, 2), (3, 5), (4, 9), (2, 33), (3, 300)] {
            let layout = Layout {
                shape: [2, rows, length].into(),
                strides: [5, 1, 0].into_iter().collect(),
                offset: 0,
            };
            let expected: Vec<u32> = layout.places().map(|place| source[place]).collect();
            for start in (0..expected.len()).step_by(1 + length / 40) {
                for count in (0..=expected.len() - start).step_by(1 + length / 40) {
                    let mut found = vec![99u32; count + 1];
                    gather_into(&mut found, &source, &layout, (start, count));
                    assert_eq!(found[..count], expected[start..start + count]);
                    assert_eq!(found[count], 99);
                }
            }
        }
    }

    #[test]
    fn rows_of_neighbours_are_brought_together_from_any_start() {
        let source: Vec<u32> = (0..2000).collect();
        for (rows, length) in [(1, 9), (3, 1), (4, 2), (3, 8), (4, 9), (2, 33), (3, 300)] {
            let layout = Layout {
                shape: [2, rows, length].into(),
                strides: [0, 305, 1].into_iter().collect(),
                offset: 0,
            };
            let expected: Vec<u32> = layout.places().map(|place| source[place]).collect();
            for start in (0..expected.len()).step_by(1 + length / 40) {
                for count in (0..=expected.len() - start).step_by(1 + length / 40) {
                    let mut found = vec![9999u32; count + 1];
                    gather_into(&mut found, &source, &layout, (start, count));
                    assert_eq!(found[..count], expected[start..start + count]);
                    assert_eq!(found[count], 9999);
                }
            }
        }
    }

    #[test]
    fn gathered_elements_come_in_row_major_order_from_any_start() {
        let source: Vec<u32> = (0..60).collect();
        let layout = Layout::contiguous([3, 4, 5]).permute(&[2, 0, 1]);
        let expected: Vec<u32> = layout.places().map(|place| source[place]).collect();
        for start in 0..60 {
            for count in 0..=60 - start {
                let mut found = vec![0u32; count];
                gather_into(&mut found, &source, &layout, (start, count));
                assert_eq!(found, expected[start..start + count]);
            }
        }
    }
}
