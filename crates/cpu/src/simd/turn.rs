//! Blocks of elements with rows and columns exchanged.
//!
//! A block is read line by line and turned in squares that stay in registers. A large one is cut
//! into strips along the rows of the source, so that memory is read in order; the results of a
//! strip are gathered to whole lines of the cache before they go to memory, since lines a power of
//! two apart fall on few places of the caches and would be written half.

use super::square::{EDGE, Portable, Square};
use super::strided::Unit;
use super::{Isa, Kernel, stream, vectorised};
use std::mem::MaybeUninit;

/// Rows and columns of a block to be transposed: element `(r, c)` lies at `r·row + c·column`.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Number of rows of the result.
    pub rows: usize,
    /// Number of columns of the result.
    pub columns: usize,
    /// Step along a column of the result; small.
    pub row_stride: isize,
    /// Step along a row of the result; large.
    pub column_stride: isize,
}

/// Where a block goes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The first element.
    pub start: *mut u8,
    /// Elements from row to row.
    pub pitch: usize,
}

/// Chooses the unit of so many bytes and the squares of an instruction set:
/// `by_width!(width, isa, Strips { … })` runs `Strips::<u32, Avx2> { … }` for 4.
macro_rules! by_width {
    ($width:expr, $isa:expr, $kernel:ident $fields:tt) => {
        match $width {
            1 => by_width!(@ u8, $isa, $kernel $fields),
            2 => by_width!(@ u16, $isa, $kernel $fields),
            4 => by_width!(@ u32, $isa, $kernel $fields),
            _ => by_width!(@ u64, $isa, $kernel $fields),
        }
    };
    (@ $unit:ty, $isa:expr, $kernel:ident $fields:tt) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 if $isa.is_available() => {
                vectorised($isa, by_width!(@ $unit, super::square::Avx2, $kernel, $fields))
            }
            Isa::Baseline | Isa::Avx2 | Isa::Avx512 => {
                vectorised(Isa::Baseline, by_width!(@ $unit, Portable, $kernel, $fields))
            }
        }
    };
    (@ $unit:ty, $square:ty, $kernel:ident, { $($field:ident),* }) => {
        $kernel::<$unit, $square> { $($field,)* kind: std::marker::PhantomData }
    };
}

/// Writes a block in row-major order, reading it column by column.
///
/// # Safety
/// The target is aligned and valid for all rows of elements of 1, 2, 4 or 8 bytes; every place
/// of the block is valid from `source`; they do not overlap.
pub unsafe fn transpose(target: Target, source: *const u8, width: usize, block: Block, isa: Isa) {
    by_width!(
        width,
        isa,
        Squares {
            target,
            source,
            block
        }
    );
}

/// Elements of a strip across the rows of the source: two lines of the cache of results.
pub const fn strip(width: usize) -> usize {
    128 / width
}

/// As [`transpose`] for a block of at most [`strip`] columns and a `row_stride` of one, past the
/// caches if `streamed`. The caller then calls [`stream::settle`].
///
/// # Safety
/// As [`transpose`].
pub unsafe fn transpose_strip(
    target: Target,
    source: *const u8,
    width: usize,
    block: Block,
    streamed: bool,
    isa: Isa,
) {
    debug_assert!(block.row_stride == 1 && block.columns <= strip(width));
    if block.columns < strip(width) {
        // SAFETY: the caller's promise
        return unsafe { transpose(target, source, width, block, isa) };
    }
    by_width!(
        width,
        isa,
        Strip {
            target,
            source,
            block,
            streamed
        }
    );
}

/// Columns between a request for a line and its use.
const AHEAD: usize = 32;

/// A block turned by squares.
struct Squares<T, S> {
    target: Target,
    source: *const u8,
    block: Block,
    kind: std::marker::PhantomData<(T, S)>,
}

impl<T: Unit, S: Square<T>> Kernel for Squares<T, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (destination, source) = (self.target.start.cast::<T>(), self.source.cast::<T>());
        let (block, pitch) = (self.block, self.target.pitch);
        let (row, column) = (block.row_stride, block.column_stride);
        let place =
            |r: usize, c: usize| source.wrapping_offset(r as isize * row + c as isize * column);
        let single = |r: usize, c: usize| {
            // SAFETY: row and column lie in the block
            let value = unsafe { place(r, c).read_unaligned() };
            // SAFETY: as above
            unsafe { destination.wrapping_add(r * pitch + c).write(value) };
        };
        let rows = if row == 1 {
            block.rows / EDGE * EDGE
        } else {
            0
        };
        let columns = block.columns / EDGE * EDGE;
        for c in (0..columns).step_by(EDGE) {
            for ahead in 0..EDGE {
                let bytes = (rows * size_of::<T>()).min(4 * LINE);
                stream::fetch(place(0, c + AHEAD + ahead), bytes);
            }
            for r in (0..rows).step_by(EDGE) {
                let to = destination.wrapping_add(r * pitch + c);
                // SAFETY: the square lies in the block
                unsafe { S::turn(to, pitch, place(r, c), column) };
            }
            for c in c..c + EDGE {
                for r in rows..block.rows {
                    single(r, c);
                }
            }
        }
        for c in columns..block.columns {
            for r in 0..block.rows {
                single(r, c);
            }
        }
    }
}

/// A strip turned by squares and lines.
struct Strip<T, S> {
    target: Target,
    source: *const u8,
    block: Block,
    streamed: bool,
    kind: std::marker::PhantomData<(T, S)>,
}

/// Bytes of a source row that are turned at a time.
const LINE: usize = 64;
/// Bytes between a request for a line of the source and its use.
const DISTANCE: usize = 4 * LINE;

/// A strip's results: as many rows of 128 bytes as a line has elements.
#[repr(align(64))]
struct Lines([MaybeUninit<u8>; LINE * 128]);

impl<T: Unit, S: Square<T>> Kernel for Strip<T, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (strip, rows) = (strip(size_of::<T>()), LINE / size_of::<T>());
        let (source, column) = (self.source.cast::<T>(), self.block.column_stride);
        let mut lines = Lines([MaybeUninit::uninit(); LINE * 128]);
        let tile = lines.0.as_mut_ptr().cast::<T>();
        let whole = self.block.rows / rows * rows;
        for first in (0..whole).step_by(rows) {
            for c in (0..strip).step_by(EDGE) {
                let from = source.wrapping_offset(first as isize + c as isize * column);
                for ahead in 0..EDGE {
                    let row = from.wrapping_offset(ahead as isize * column);
                    stream::fetch(row.cast::<u8>().wrapping_add(DISTANCE), 1);
                }
                for r in (0..rows).step_by(EDGE) {
                    let to = tile.wrapping_add(r * strip + c);
                    // SAFETY: the square lies in the block and in the tile
                    unsafe { S::turn(to, strip, from.wrapping_add(r), column) };
                }
            }
            for r in 0..rows {
                let to = self.target.start.cast::<T>();
                let to = to
                    .wrapping_add((first + r) * self.target.pitch)
                    .cast::<u8>();
                let from = tile.wrapping_add(r * strip).cast::<u8>();
                if self.streamed {
                    // SAFETY: a row of the tile, just made, and of the target
                    unsafe { stream::copy(to, from, 128) };
                } else {
                    // SAFETY: as above
                    unsafe { to.copy_from_nonoverlapping(from, 128) };
                }
            }
        }
        let rest = Squares::<T, S> {
            target: Target {
                start: self
                    .target
                    .start
                    .wrapping_add(whole * self.target.pitch * size_of::<T>()),
                pitch: self.target.pitch,
            },
            source: source.wrapping_add(whole).cast(),
            block: Block {
                rows: self.block.rows - whole,
                ..self.block
            },
            kind: std::marker::PhantomData,
        };
        rest.run();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte of every element is checked by making elements of bytes that differ.
    fn check(width: usize, rows: usize, columns: usize, row_stride: usize, isa: Isa) {
        let column_stride = rows * row_stride + 3;
        let source: Vec<u8> = (0..(column_stride * columns + 1) * width)
            .map(|value| (value * 31 % 251) as u8)
            .collect();
        let pitch = columns + 5;
        let block = Block {
            rows,
            columns,
            row_stride: row_stride as isize,
            column_stride: column_stride as isize,
        };
        for streamed in [None, Some(false), Some(true)] {
            let mut found = vec![0u64; pitch * rows + 1];
            let target = Target {
                start: found.as_mut_ptr().cast(),
                pitch,
            };
            match streamed {
                // SAFETY: the block covers the source, the target the rows
                None => unsafe { transpose(target, source.as_ptr(), width, block, isa) },
                Some(streamed) if row_stride == 1 && columns <= strip(width) => {
                    // SAFETY: as above
                    unsafe {
                        transpose_strip(target, source.as_ptr(), width, block, streamed, isa);
                    }
                    stream::settle();
                }
                Some(_) => continue,
            }
            let found: &[u8] = bytemuck::cast_slice(&found);
            for r in 0..rows {
                for c in 0..columns {
                    let (to, from) = (r * pitch + c, c * column_stride + r * row_stride);
                    assert_eq!(
                        found[to * width..][..width],
                        source[from * width..][..width],
                        "{width} {rows}×{columns} {row_stride} {isa:?} {streamed:?}"
                    );
                }
                let gap = &found[(r * pitch + columns) * width..][..5 * width];
                assert!(gap.iter().all(|byte| *byte == 0));
            }
        }
    }

    #[test]
    fn blocks_of_every_shape_and_width_are_transposed() {
        for isa in Isa::ALL {
            for width in [1, 2, 4, 8] {
                for rows in (0..=17).chain([64, 67, 131]) {
                    for columns in (0..=17).chain([32, 64, 128, 130]) {
                        check(width, rows, columns, 1, isa);
                    }
                }
                check(width, 19, 11, 2, isa);
            }
        }
    }
}
