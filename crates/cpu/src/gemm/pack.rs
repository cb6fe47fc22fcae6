//! Copies of operands in the order in which kernels read them.

use super::compiled::compiled;
use super::element::{Element, Scalar};
use super::matrix::Matrix;
#[cfg(target_arch = "x86_64")]
use super::narrow;
#[cfg(target_arch = "x86_64")]
use super::vector::join_rows;
use super::vector::prefetch;
use crate::simd::Isa;
use crate::simd::square::EDGE;
use crate::simd::turn::{Block, Target, transpose};

/// Terms that are turned at a time when they lie side by side.
const TURN: usize = 16;

/// Bytes between a request for a line of a row and its use.
const AHEAD: usize = 256;

/// A piece of an operand, seen as one row a term.
#[derive(Clone, Copy)]
pub(crate) struct Piece<T> {
    /// Rows are terms.
    pub(crate) source: Matrix<T>,
    /// How many terms.
    pub(crate) terms: usize,
    /// Elements of each that exist.
    pub(crate) size: usize,
    /// Elements of each in the copy, those that do not exist zero.
    pub(crate) padded: usize,
}

impl<T> Piece<T> {
    /// The same elements, which have 16 bits, as bits.
    pub(crate) fn bits(&self) -> Piece<u16> {
        debug_assert_eq!(size_of::<T>(), 2);
        Piece {
            source: Matrix {
                start: self.source.start.cast(),
                row_stride: self.source.row_stride,
                column_stride: self.source.column_stride,
            },
            terms: self.terms,
            size: self.size,
            padded: self.padded,
        }
    }
}

/// Copies a piece, row after row without gaps.
///
/// # Safety
/// The source reaches all terms and elements; `to` has room for `terms·padded` elements; this
/// machine has the instruction set.
pub(crate) unsafe fn pack<T: Element>(isa: Isa, piece: &Piece<T>, to: *mut T::Sum) {
    let (row, column) = (piece.source.row_stride, piece.source.column_stride);
    #[cfg(target_arch = "x86_64")]
    if T::WIDE && narrow::suits(isa, piece) {
        let source = piece.source.single();
        // SAFETY: the caller's promise is the same; elements of four bytes are `f32`
        return unsafe { narrow::turn(source, (piece.terms, piece.size), to.cast()) };
    }
    let width = piece.size * size_of::<T>();
    if T::WIDE && column == 1 && piece.size == piece.padded && is_line(width) {
        let rows = Lines {
            start: piece.source.start.cast(),
            step: row * size_of::<T>() as isize,
            count: piece.terms,
        };
        // SAFETY: the caller's promise is the same
        return unsafe { copy_lines(isa, &rows, width, to.cast()) };
    }
    // SAFETY: the caller's promise is the same
    unsafe {
        if T::WIDE && row == 1 && column != 1 && piece.size >= EDGE {
            turn_squares(isa, piece, to);
        } else if T::CONVERTED && isa != Isa::Baseline && column == 1 {
            convert_rows(isa, piece, to);
        } else if !T::WIDE && row == 1 && piece.terms >= EDGE && has_squares(isa, piece) {
            turn_converted(isa, piece, to);
        } else {
            copy(isa, piece, to);
        }
    }
}

/// Whether converted lines of a piece are turned in registers.
fn has_squares<T>(isa: Isa, piece: &Piece<T>) -> bool {
    let is_narrow = cfg!(target_arch = "x86_64") && isa != Isa::Baseline;
    piece.size >= EDGE || is_narrow && piece.size > 1 && piece.size == piece.padded
}

/// Bytes at equal distances.
struct Lines {
    start: *const u8,
    /// Bytes from one line to the next.
    step: isize,
    count: usize,
}

/// Whether lines of so many bytes, those of one to three registers, are copied by [`copy_lines`].
pub(super) fn is_line(bytes: usize) -> bool {
    matches!(bytes, 32 | 64 | 128 | 192)
}

compiled! {
    /// Copies lines of so many bytes, as [`is_line`] finds them, without gaps.
    ///
    /// # Safety
    /// All lines can be read and written; this machine has the instruction set.
    fn copy_lines(lines: &Lines, bytes: usize, to: *mut u8) by copy_each_line
}

/// # Safety
/// As for [`copy_lines`].
#[inline(always)]
unsafe fn copy_each_line(lines: &Lines, bytes: usize, to: *mut u8) {
    // SAFETY: the caller's promise is the same
    unsafe {
        match bytes {
            32 => copy_lines_of::<32>(lines, to),
            64 => copy_lines_of::<64>(lines, to),
            128 => copy_lines_of::<128>(lines, to),
            _ => copy_lines_of::<192>(lines, to),
        }
    }
}

/// # Safety
/// As for [`copy_lines`].
#[inline(always)]
unsafe fn copy_lines_of<const BYTES: usize>(lines: &Lines, to: *mut u8) {
    let mut from = lines.start;
    for index in 0..lines.count {
        prefetch(from.wrapping_add(AHEAD));
        // SAFETY: by the caller's promise
        unsafe {
            let line = from.cast::<[u8; BYTES]>().read();
            to.add(index * BYTES).cast::<[u8; BYTES]>().write(line);
        }
        from = from.wrapping_offset(lines.step);
    }
}

compiled! {
    /// As [`pack`], in any way.
    ///
    /// # Safety
    /// As for [`pack`].
    fn copy<T: Element>(piece: &Piece<T>, to: *mut T::Sum) by portable
}

/// Copies a piece of 16-bit elements, row after row of pairs of terms without gaps. After an odd
/// number of terms comes zero.
///
/// # Safety
/// The source reaches all terms and elements; `to` has room for `padded` elements for every pair of
/// terms; this machine has the instruction set.
pub(crate) unsafe fn pack_pairs(isa: Isa, piece: &Piece<u16>, to: *mut u32) {
    let Matrix {
        start,
        row_stride,
        column_stride,
    } = piece.source;
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512 && column_stride == 1 {
        // SAFETY: the caller's promise is the same
        return unsafe { join_rows(piece, to) };
    }
    let are_pairs = row_stride == 1 && column_stride % 2 == 0 && start.cast::<f32>().is_aligned();
    let are_long = row_stride == 1 && piece.terms / 2 >= EDGE;
    let are_turned = are_pairs || are_long && has_squares(isa, piece);
    if !are_turned {
        // SAFETY: the caller's promise is the same
        return unsafe { pack_each_pair(isa, piece, to) };
    }
    // pairs that lie side by side are turned as elements of four bytes
    let whole = Piece {
        source: Matrix {
            start: start.cast::<f32>(),
            row_stride: 1,
            column_stride: column_stride / 2,
        },
        terms: piece.terms / 2,
        size: piece.size,
        padded: piece.padded,
    };
    let rest = Piece {
        source: piece.source.at(2 * whole.terms, 0),
        terms: piece.terms % 2,
        ..*piece
    };
    // SAFETY: the caller's promise is the same; bits are copied as they are
    unsafe {
        match are_pairs {
            true => pack(isa, &whole, to.cast::<f32>()),
            false => turn_pairs(isa, piece, to.cast::<f32>()),
        }
        pack_each_pair(isa, &rest, to.add(whole.terms * piece.padded));
    }
}

compiled! {
    /// As [`pack_pairs`], pair by pair.
    ///
    /// # Safety
    /// As for [`pack_pairs`].
    fn pack_each_pair(piece: &Piece<u16>, to: *mut u32) by pairs
}

/// # Safety
/// As for [`pack_pairs`].
#[inline(always)]
unsafe fn pairs(piece: &Piece<u16>, to: *mut u32) {
    let whole = match piece.source.row_stride {
        1 => piece.terms / TURN * TURN,
        _ => 0,
    };
    for first in (0..whole).step_by(TURN) {
        for index in 0..piece.size {
            let from = piece.source.place(first, index).cast::<[u32; TURN / 2]>();
            // SAFETY: by the promise of `pack_pairs`; `TURN` terms lie side by side
            let pairs = unsafe { from.read_unaligned() };
            for (pair, value) in pairs.into_iter().enumerate() {
                let value = u32::from_le(value);
                // SAFETY: by the promise of `pack_pairs`
                unsafe {
                    to.add((first / 2 + pair) * piece.padded + index)
                        .write(value)
                };
            }
        }
    }
    for term in (whole..piece.terms).step_by(2) {
        let row = to.wrapping_add(term / 2 * piece.padded);
        let (step, is_single) = (piece.source.column_stride, term + 1 == piece.terms);
        let low = piece.source.place(term, 0);
        let high = match is_single {
            true => low,
            false => piece.source.place(term + 1, 0),
        };
        let keep = if is_single { 0 } else { u32::MAX };
        if step == 1 {
            for index in 0..piece.size {
                // SAFETY: by the promise of `pack_pairs`
                unsafe {
                    let (low, high) = (low.add(index).read(), high.add(index).read());
                    row.add(index).write(pair(low, high, keep));
                }
            }
        } else {
            for index in 0..piece.size {
                let place = index as isize * step;
                // SAFETY: by the promise of `pack_pairs`
                unsafe {
                    let (low, high) = (low.offset(place).read(), high.offset(place).read());
                    row.add(index).write(pair(low, high, keep));
                }
            }
        }
    }
    for term in 0..piece.terms.div_ceil(2) {
        for index in piece.size..piece.padded {
            // SAFETY: by the promise of `pack_pairs`
            unsafe { to.add(term * piece.padded + index).write(0) };
        }
    }
}

/// Two elements as one, the second in the bits that `keep` has.
#[inline(always)]
fn pair(low: u16, high: u16, keep: u32) -> u32 {
    u32::from(low) | (u32::from(high) << 16) & keep
}

/// # Safety
/// As for [`pack`].
#[inline(always)]
unsafe fn portable<T: Element>(piece: &Piece<T>, to: *mut T::Sum) {
    // SAFETY: the caller's promise is the same
    unsafe {
        if piece.source.column_stride == 1 {
            copy_rows(piece, to);
        } else if piece.source.row_stride == 1 {
            turn(piece, to);
        } else {
            copy_elements(piece, to, 0);
        }
    }
}

/// # Safety
/// As for [`pack`]; the elements of a term lie side by side.
#[inline(always)]
unsafe fn copy_rows<T: Element>(piece: &Piece<T>, to: *mut T::Sum) {
    for term in 0..piece.terms {
        let from = piece.source.place(term, 0);
        let to = to.wrapping_add(term * piece.padded);
        prefetch(from.cast::<u8>().wrapping_add(AHEAD));
        // SAFETY: by the promise of `pack`
        unsafe {
            copy_row(from, to, piece.size);
            fill_up(piece, to);
        }
    }
}

/// Copies a few elements. A plain loop would be compiled to a call of `memcpy`, which takes longer
/// than the copy.
///
/// # Safety
/// There are so many elements on both sides.
#[inline(always)]
unsafe fn copy_row<T: Element>(from: *const T, to: *mut T::Sum, count: usize) {
    let whole = count / 8 * 8;
    for index in (0..whole).step_by(8) {
        // SAFETY: by the caller's promise
        unsafe { copy_part::<T, 8>(from.add(index), to.add(index)) };
    }
    let mut index = whole;
    // SAFETY: by the caller's promise; the parts add up to the count
    unsafe {
        if count & 4 != 0 {
            copy_part::<T, 4>(from.add(index), to.add(index));
            index += 4;
        }
        if count & 2 != 0 {
            copy_part::<T, 2>(from.add(index), to.add(index));
            index += 2;
        }
        if count & 1 != 0 {
            copy_part::<T, 1>(from.add(index), to.add(index));
        }
    }
}

/// # Safety
/// There are so many elements on both sides.
#[inline(always)]
unsafe fn copy_part<T: Element, const COUNT: usize>(from: *const T, to: *mut T::Sum) {
    // SAFETY: by the caller's promise
    unsafe {
        let part = from.cast::<[T; COUNT]>().read_unaligned();
        to.cast::<[T::Sum; COUNT]>()
            .write_unaligned(part.map(T::widen));
    }
}

/// # Safety
/// As for [`pack`]; the terms of an element lie side by side, and sums are elements as they are.
unsafe fn turn_squares<T: Element>(isa: Isa, piece: &Piece<T>, to: *mut T::Sum) {
    let target = Target {
        start: to.cast(),
        pitch: piece.padded,
    };
    let block = Block {
        rows: piece.terms,
        columns: piece.size,
        row_stride: 1,
        column_stride: piece.source.column_stride,
    };
    let source = piece.source.place(0, 0).cast();
    // SAFETY: by the promise of `pack`; what is written is apart from the operands
    unsafe { transpose(target, source, size_of::<T>(), block, isa) };
    if piece.size < piece.padded {
        for term in 0..piece.terms {
            // SAFETY: by the promise of `pack`
            unsafe { fill_up(piece, to.wrapping_add(term * piece.padded)) };
        }
    }
}

/// # Safety
/// As for [`pack`]; the elements of a term lie side by side.
unsafe fn convert_rows<T: Element>(isa: Isa, piece: &Piece<T>, to: *mut T::Sum) {
    for term in 0..piece.terms {
        let to = to.wrapping_add(term * piece.padded);
        // SAFETY: by the promise of `pack`
        unsafe {
            T::widen_row(isa, piece.source.place(term, 0), to, piece.size);
            fill_up(piece, to);
        }
    }
}

/// Lines that are read before they are turned.
const LINES: usize = 16;
/// Terms of them.
const TERMS: usize = 64;

/// # Safety
/// As for [`pack`]; the terms of an element lie side by side.
unsafe fn turn_converted<T: Element>(isa: Isa, piece: &Piece<T>, to: *mut T::Sum) {
    let convert = |lines: &mut [[T::Sum; TERMS]; LINES], place: (usize, usize), block: Block| {
        let from = piece.source.at(place.0, place.1);
        // SAFETY: by the promise of `turn_by_lines`
        unsafe { convert_lines(isa, isa, from, (block.columns, block.rows), lines) };
    };
    // SAFETY: the caller's promise is the same
    unsafe { turn_by_lines(isa, (piece.terms, piece.size, piece.padded), to, convert) };
}

/// Packs whole pairs that lie side by side, at places that need not be aligned.
///
/// # Safety
/// As for [`pack_pairs`].
unsafe fn turn_pairs(isa: Isa, piece: &Piece<u16>, to: *mut f32) {
    let copy = |lines: &mut [[f32; TERMS]; LINES], (pair, first): (usize, usize), block: Block| {
        for (index, line) in lines.iter_mut().enumerate().take(block.columns) {
            let from = piece.source.place(2 * pair, first + index);
            // SAFETY: by the promise of `turn_by_lines`; bits are copied as they are
            unsafe {
                let line = line.as_mut_ptr().cast::<u16>();
                line.copy_from_nonoverlapping(from, 2 * block.rows);
            }
        }
    };
    // SAFETY: the caller's promise is the same
    unsafe { turn_by_lines(isa, (piece.terms / 2, piece.size, piece.padded), to, copy) };
}

/// Packs so many terms of a piece's size and padded size in blocks, each from lines that are read
/// first, from a term and an element on.
///
/// # Safety
/// There is room for the terms; this machine has the instruction set. Only places of the piece are
/// asked for.
#[inline(always)]
unsafe fn turn_by_lines<S: Scalar>(
    isa: Isa,
    (terms, size, padded): (usize, usize, usize),
    to: *mut S,
    read: impl Fn(&mut [[S; TERMS]; LINES], (usize, usize), Block),
) {
    let mut lines = [[S::default(); TERMS]; LINES];
    for first in (0..size).step_by(LINES) {
        for term in (0..terms).step_by(TERMS) {
            let block = Block {
                rows: TERMS.min(terms - term),
                columns: LINES.min(size - first),
                row_stride: 1,
                column_stride: TERMS as isize,
            };
            let target = Target {
                start: to.wrapping_add(term * padded + first).cast(),
                pitch: padded,
            };
            read(&mut lines, (term, first), block);
            // SAFETY: by the caller's promise; a block is no larger than the lines
            unsafe { turn_lines(isa, &lines, block, padded, target) };
        }
    }
    for term in 0..terms {
        for index in size..padded {
            // SAFETY: by the caller's promise
            unsafe { to.add(term * padded + index).write(S::default()) };
        }
    }
}

/// Writes a block of lines.
///
/// # Safety
/// As for [`transpose`], of a block that is no larger than the lines.
unsafe fn turn_lines<S: Scalar>(
    isa: Isa,
    lines: &[[S; TERMS]; LINES],
    block: Block,
    padded: usize,
    target: Target,
) {
    #[cfg(target_arch = "x86_64")]
    {
        let piece = Piece {
            source: Matrix {
                start: lines.as_ptr().cast::<S>(),
                row_stride: block.row_stride,
                column_stride: block.column_stride,
            },
            terms: block.rows,
            size: block.columns,
            padded,
        };
        if narrow::suits(isa, &piece) {
            let (source, sizes) = (piece.source.single(), (piece.terms, piece.size));
            // SAFETY: the caller's promise is the same; elements of four bytes are `f32`
            return unsafe { narrow::turn(source, sizes, target.start.cast()) };
        }
    }
    let _ = padded; // only narrow blocks ask whether anything follows a term
    // SAFETY: the caller's promise is the same
    unsafe { transpose(target, lines.as_ptr().cast(), size_of::<S>(), block, isa) };
}

compiled! {
    /// # Safety
    /// The source has so many lines, its columns, of so many terms, which lie side by side; this
    /// machine has the instruction set, `own`.
    fn convert_lines<T: Element>(
        own: Isa,
        from: Matrix<T>,
        size: (usize, usize),
        lines: &mut [[T::Sum; TERMS]; LINES],
    ) by convert_each_line
}

/// # Safety
/// As for [`convert_lines`].
#[inline(always)]
unsafe fn convert_each_line<T: Element>(
    own: Isa,
    from: Matrix<T>,
    (count, terms): (usize, usize),
    lines: &mut [[T::Sum; TERMS]; LINES],
) {
    for (index, line) in lines.iter_mut().enumerate().take(count) {
        // SAFETY: by the promise of `convert_lines`
        unsafe { T::widen_row(own, from.place(0, index), line.as_mut_ptr(), terms) };
    }
}

/// Writes the elements of a term that do not exist.
///
/// # Safety
/// There is room for a term at `row`.
#[inline(always)]
unsafe fn fill_up<T: Element>(piece: &Piece<T>, row: *mut T::Sum) {
    for index in piece.size..piece.padded {
        // SAFETY: by the caller's promise
        unsafe { row.add(index).write(T::Sum::default()) };
    }
}

/// # Safety
/// As for [`pack`]; the terms of an element lie side by side.
#[inline(always)]
unsafe fn turn<T: Element>(piece: &Piece<T>, to: *mut T::Sum) {
    let whole = piece.terms / TURN * TURN;
    for first in (0..whole).step_by(TURN) {
        let to = to.wrapping_add(first * piece.padded);
        for index in 0..piece.size {
            let from = piece.source.place(first, index).cast::<[T; TURN]>();
            // SAFETY: by the promise of `pack`; `TURN` terms lie side by side
            let terms = unsafe { from.read_unaligned() };
            for (term, value) in terms.into_iter().enumerate() {
                // SAFETY: by the promise of `pack`
                unsafe { to.add(term * piece.padded + index).write(value.widen()) };
            }
        }
        for term in 0..TURN {
            // SAFETY: by the promise of `pack`
            unsafe { fill_up(piece, to.wrapping_add(term * piece.padded)) };
        }
    }
    // SAFETY: the caller's promise is the same
    unsafe { copy_elements(piece, to, whole) };
}

/// Copies the terms from the given one on.
///
/// # Safety
/// As for [`pack`].
#[inline(always)]
unsafe fn copy_elements<T: Element>(piece: &Piece<T>, to: *mut T::Sum, first: usize) {
    for term in first..piece.terms {
        for index in 0..piece.padded {
            let value = if index < piece.size {
                // SAFETY: by the promise of `pack`
                unsafe { piece.source.place(term, index).read() }.widen()
            } else {
                T::Sum::of(0.0)
            };
            // SAFETY: by the promise of `pack`
            unsafe { to.add(term * piece.padded + index).write(value) };
        }
    }
}
