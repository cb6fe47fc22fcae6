//! Elements that go from one layout to another of the same shape.

use super::PIECE;
use super::combine::RowFn;
use crate::simd::strided::{self, ByteRows};
use crate::simd::{Isa, stream};
use mlx_oxide_ir::Result;
use mlx_oxide_ir::layout::{Collapsed, collapse};
use mlx_oxide_runtime::{Buffer, Operand, parallel};
use smallvec::SmallVec;

/// Bytes of a row from which on it is worth passing by the caches.
const LONG: usize = 1024;

/// The element that strides begin at.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Place {
    start: *mut u8,
    width: usize,
}

// SAFETY: threads write apart from each other, and nobody writes what they read
unsafe impl Sync for Place {}

impl Place {
    /// An element of a buffer.
    pub(in crate::kernels) fn new(buffer: &Buffer, element: usize, width: usize) -> Result<Self> {
        let start = buffer.host_ptr()?.as_ptr().wrapping_add(element * width);
        Ok(Place { start, width })
    }

    /// The first element of an operand.
    pub(in crate::kernels) fn of(operand: &Operand) -> Result<Self> {
        Place::new(&operand.buffer, operand.layout.offset, operand.dtype.size())
    }

    /// As [`Place::element`], to begin at.
    pub(super) fn moved(self, offset: isize) -> Self {
        Place {
            start: self.element(offset),
            ..self
        }
    }

    /// The element `offset` elements further.
    pub(super) fn element(&self, offset: isize) -> *mut u8 {
        self.start.wrapping_offset(offset * self.width as isize)
    }
}

/// A shape with the strides of a destination and of a source.
pub(in crate::kernels) struct Grid(Collapsed);

impl Grid {
    pub(in crate::kernels) fn new(
        shape: &[usize],
        destination: &[isize],
        source: &[isize],
    ) -> Self {
        Grid(collapse(shape, &[destination, source]))
    }

    /// Elements of a row, and the steps of destination and source along it.
    pub(in crate::kernels) fn row(&self) -> (usize, isize, isize) {
        let last = self.0.shape.len() - 1;
        let [destination, source] = [&self.0.strides[0], &self.0.strides[1]];
        (self.0.shape[last], destination[last], source[last])
    }

    /// Whether there is nothing but one row.
    pub(in crate::kernels) fn is_row(&self) -> bool {
        self.0.shape.len() == 1
    }

    /// Runs `row` for the places where rows begin, those numbered `start..end`.
    pub(super) fn walk(&self, start: usize, end: usize, mut row: impl FnMut(isize, isize)) {
        if start >= end {
            return; // without rows there may be axes of no elements
        }
        let outer = &self.0.shape[..self.0.shape.len() - 1];
        let (to, from) = (&self.0.strides[0], &self.0.strides[1]);
        let mut index: SmallVec<[usize; 4]> = SmallVec::from_elem(0, outer.len());
        if start >= end {
            return; // sizes may be zero
        }
        let (mut destination, mut source) = (0, 0);
        let mut rest = start;
        for axis in (0..outer.len()).rev() {
            index[axis] = rest % outer[axis];
            rest /= outer[axis];
            destination += index[axis] as isize * to[axis];
            source += index[axis] as isize * from[axis];
        }
        for _ in start..end {
            row(destination, source);
            for axis in (0..outer.len()).rev() {
                index[axis] += 1;
                destination += to[axis];
                source += from[axis];
                if index[axis] < outer[axis] {
                    break;
                }
                destination -= to[axis] * outer[axis] as isize;
                source -= from[axis] * outer[axis] as isize;
                index[axis] = 0;
            }
        }
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> usize {
        self.0.shape[..self.0.shape.len() - 1].iter().product()
    }

    /// Lets every row of the source meet its place, on several threads: no two elements of the
    /// destination may be the same.
    pub(super) fn rows(&self, destination: Place, source: Place, row: RowFn) {
        let (count, to, from) = self.row();
        let bytes = count.max(1) * source.width;
        if count == 0 {
            return;
        }
        // one long row is cut, many short ones are gathered
        let cuts = if self.is_row() {
            bytes.div_ceil(PIECE)
        } else {
            1
        };
        let piece = count.div_ceil(cuts);
        let grain = (PIECE / bytes).max(1);
        parallel::for_each_range(self.count() * cuts, grain, |start, end| {
            let (start, cut, end) = if cuts > 1 {
                (0, start * piece, end * piece)
            } else {
                (start, 0, end)
            };
            if cuts > 1 {
                let count = end.min(count).saturating_sub(cut);
                let (place, update) = (
                    destination.element(cut as isize * to),
                    source.element(cut as isize * from),
                );
                // SAFETY: the piece lies in the row
                unsafe { row(place, to, update, from, count) };
            } else {
                self.walk(start, end, |place, update| {
                    // SAFETY: the row lies in both layouts
                    unsafe {
                        row(
                            destination.element(place),
                            to,
                            source.element(update),
                            from,
                            count,
                        );
                    }
                });
            }
        });
    }

    /// Copies rows that lie in order, in runs of those that are equally far apart.
    fn copy_rows(&self, destination: Place, source: Place, width: usize) {
        let (shape, depth) = (&self.0.shape, self.0.shape.len());
        let bytes = shape[depth - 1] * width;
        if bytes == 0 {
            return;
        }
        let (isa, total) = (Isa::best(), self.count() * bytes);
        let streamed = stream::pays(total, total);
        if self.is_row() {
            parallel::for_each_range(bytes, PIECE, |start, end| {
                let piece = ByteRows {
                    destination: destination.element(0).wrapping_add(start),
                    pitch: 0,
                    source: source.element(0).wrapping_add(start),
                    stride: 0,
                    bytes: end - start,
                    count: 1,
                    groups: (1, 0, 0),
                    streamed,
                };
                // SAFETY: the piece lies in the row
                unsafe { strided::copy_rows(piece, isa) };
            });
            return;
        }
        // two loops run within a kernel: the last but one, and the one before it
        let level = depth.saturating_sub(3);
        let (groups, run) = match depth {
            2 => (1, shape[0]),
            _ => (shape[depth - 3], shape[depth - 2]),
        };
        let steps = |axis: usize| [0, 1].map(|side| self.0.strides[side][axis] * width as isize);
        let [pitch, stride] = steps(depth - 2);
        let [group_pitch, group_stride] = if depth > 2 { steps(level) } else { [0, 0] };
        let outer = Grid(Collapsed {
            shape: self.0.shape[..level + 1].into(),
            strides: self
                .0
                .strides
                .iter()
                .map(|it| it[..level + 1].into())
                .collect(),
        });
        let grain = (PIECE / bytes).max(1);
        let rows = |number: usize, column: usize, (groups, count): (usize, usize)| {
            outer.walk(number, number + 1, |to, from| {
                let at = |outer: isize, inner: isize| {
                    (column / run) as isize * outer + (column % run) as isize * inner
                };
                let rows = ByteRows {
                    destination: destination
                        .element(to)
                        .wrapping_offset(at(group_pitch, pitch)),
                    pitch,
                    source: source
                        .element(from)
                        .wrapping_offset(at(group_stride, stride)),
                    stride,
                    bytes,
                    count,
                    groups: (groups, group_pitch, group_stride),
                    streamed,
                };
                // SAFETY: the rows lie in both layouts
                unsafe { strided::copy_rows(rows, isa) };
            });
        };
        let within = groups * run;
        parallel::for_each_range(self.count(), grain, |start, end| {
            let mut first = start;
            while first < end {
                let column = first % within;
                let left = (within - column).min(end - first);
                let part = match column % run {
                    0 if left >= run => (left / run, run),
                    inner => (1, left.min(run - inner)),
                };
                rows(first / within, column, part);
                first += part.0 * part.1;
            }
        });
    }

    /// Whether the source is read in order, if with gaps or backwards.
    pub(in crate::kernels) fn is_read_in_order(&self) -> bool {
        let (_, to, from) = self.row();
        let source = &self.0.strides[1];
        let outer = source[..source.len() - 1].iter();
        let mut farther = outer.map(|stride| *stride == 0 || stride.abs() > from.abs());
        to == 1 && from != 0 && farther.all(|farther| farther)
    }

    /// Copies elements as they are.
    pub(in crate::kernels) fn copy(&self, destination: Place, source: Place, width: usize) {
        let (count, to, from) = self.row();
        if (to, from) == (1, 1) {
            return self.copy_rows(destination, source, width);
        }
        let (row, total) = (count * width, self.count() * count * width);
        let streamed = row >= LONG && stream::pays(total, total);
        match (to, width) {
            (1, 1) if streamed => self.rows(destination, source, packed_past::<1>),
            (1, 2) if streamed => self.rows(destination, source, packed_past::<2>),
            (1, 4) if streamed => self.rows(destination, source, packed_past::<4>),
            (1, 8) if streamed => self.rows(destination, source, packed_past::<8>),
            (1, 1) => self.rows(destination, source, packed::<1>),
            (1, 2) => self.rows(destination, source, packed::<2>),
            (1, 4) => self.rows(destination, source, packed::<4>),
            (1, _) => self.rows(destination, source, packed::<8>),
            (_, width) => self.rows(destination, source, super::combine::replace(width)),
        }
    }
}

/// A row into neighbouring elements.
///
/// # Safety
/// As [`RowFn`].
unsafe fn packed<const WIDTH: usize>(
    destination: *mut u8,
    _step: isize,
    source: *const u8,
    stride: isize,
    count: usize,
) {
    // SAFETY: the caller's promise
    unsafe { strided::row(destination, source, stride, WIDTH, count) };
}

/// As [`packed`], past the caches.
///
/// # Safety
/// As [`RowFn`].
unsafe fn packed_past<const WIDTH: usize>(
    destination: *mut u8,
    _step: isize,
    source: *const u8,
    stride: isize,
    count: usize,
) {
    // SAFETY: the caller's promise; each tile is filled
    unsafe {
        stream::tiles(destination, WIDTH, count, |tile, first, number| {
            let from = source.wrapping_offset(first as isize * stride * WIDTH as isize);
            strided::row(tile, from, stride, WIDTH, number);
        });
    }
}
