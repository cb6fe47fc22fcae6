//! How a row of updates meets what is already there.

use crate::simd::half::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use crate::simd::{Isa, Kernel, vectorised};
use half::{bf16, f16};
use mlx_oxide_ir::{Combine, Dtype};
use num_complex::{Complex32, Complex64};
use std::marker::PhantomData;
use std::ops::Range;

/// Updates of which those in a range are chosen at a time.
const BLOCK: usize = 512;
/// Elements of a row that is worth a choice of instructions.
const LONG: usize = 256;
/// Elements that meet their updates together.
const WIDE_BLOCK: usize = 32;
/// The same at the end of a row.
const NARROW_BLOCK: usize = 8;
/// Bits of a word.
const BITS: usize = u64::BITS as usize;

/// Lets `count` updates, `source_stride` elements apart, meet the elements at `destination`,
/// `destination_stride` apart, one after the other.
///
/// # Safety
/// Both rows are valid and do not overlap.
pub(super) type RowFn = unsafe fn(*mut u8, isize, *const u8, isize, usize);

/// Lets updates, one behind the other, meet the elements at their offsets from `destination`, in
/// that order, as far as the offset lies in the range, if there is one.
///
/// # Safety
/// There is an update for every offset; elements at offsets in the range are valid and no updates.
pub(super) type PlacesFn = unsafe fn(*mut u8, *const u8, &[isize], Option<Range<isize>>);

/// The row function of a dtype.
pub(super) fn row(combine: Combine, dtype: Dtype) -> RowFn {
    functions(combine, dtype).0
}

/// The functions of a dtype.
pub(super) fn functions(combine: Combine, dtype: Dtype) -> (RowFn, PlacesFn) {
    match dtype {
        _ if combine == Combine::Replace => replacing(dtype.size()),
        Dtype::Bool => of::<Truth>(combine),
        Dtype::Uint8 => of::<u8>(combine),
        Dtype::Uint16 => of::<u16>(combine),
        Dtype::Uint32 => of::<u32>(combine),
        Dtype::Uint64 => of::<u64>(combine),
        Dtype::Int8 => of::<i8>(combine),
        Dtype::Int16 => of::<i16>(combine),
        Dtype::Int32 => of::<i32>(combine),
        Dtype::Int64 => of::<i64>(combine),
        Dtype::Float16 => of::<f16>(combine),
        Dtype::Bfloat16 => of::<bf16>(combine),
        Dtype::Float32 => of::<f32>(combine),
        Dtype::Float64 => of::<f64>(combine),
        Dtype::Complex64 => of::<Complex32>(combine),
    }
}

/// The row function that overwrites elements of a width.
pub(super) fn replace(width: usize) -> RowFn {
    replacing(width).0
}

fn replacing(width: usize) -> (RowFn, PlacesFn) {
    match width {
        1 => both::<u8, Replacing>(),
        2 => both::<u16, Replacing>(),
        4 => both::<u32, Replacing>(),
        _ => both::<u64, Replacing>(),
    }
}

fn of<T: Number>(combine: Combine) -> (RowFn, PlacesFn) {
    match combine {
        Combine::Replace => both::<T, Replacing>(),
        Combine::Add => both::<T, Adding>(),
        Combine::Multiply => both::<T, Multiplying>(),
        Combine::Maximum => both::<T, Raising>(),
        Combine::Minimum => both::<T, Lowering>(),
    }
}

fn both<T: Copy, M: Meeting<T>>() -> (RowFn, PlacesFn) {
    (each::<T, M>, at_places::<T, M>)
}

/// # Safety
/// As [`PlacesFn`].
unsafe fn at_places<T: Copy, M: Meeting<T>>(
    destination: *mut u8,
    source: *const u8,
    offsets: &[isize],
    range: Option<Range<isize>>,
) {
    let (destination, source) = (destination.cast::<T>(), source.cast::<T>());
    let meet = |number: usize, offset: isize| {
        // SAFETY: the caller's promise
        unsafe {
            let place = destination.offset(offset);
            let update = source.add(number).read_unaligned();
            place.write_unaligned(M::meet(place.read_unaligned(), update));
        }
    };
    let Some(range) = range else {
        for (number, &offset) in offsets.iter().enumerate() {
            meet(number, offset);
        }
        return;
    };
    for (block, offsets) in offsets.chunks(BLOCK).enumerate() {
        let within = Within {
            offsets,
            range: range.clone(),
        };
        for (word, mut bits) in vectorised(Isa::best(), within).into_iter().enumerate() {
            while bits != 0 {
                let number = word * BITS + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                meet(block * BLOCK + number, offsets[number]);
            }
        }
    }
}

/// Which of at most [`BLOCK`] offsets lie in a range, as bits: nobody could foresee branches.
struct Within<'a> {
    offsets: &'a [isize],
    range: Range<isize>,
}

impl Kernel for Within<'_> {
    type Output = [u64; BLOCK / BITS];

    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let start = self.range.start;
        let span = self.range.end.wrapping_sub(start) as usize;
        let mut words = [0; BLOCK / BITS];
        for (word, offsets) in words.iter_mut().zip(self.offsets.chunks(BITS)) {
            let mut within = [0u8; BITS];
            for (within, offset) in within.iter_mut().zip(offsets) {
                *within = u8::from((offset.wrapping_sub(start) as usize) < span);
            }
            for (number, bytes) in within.as_chunks::<8>().0.iter().enumerate() {
                // moves the lowest bit of byte `j` to bit `j` of the highest byte
                let bits = u64::from_le_bytes(*bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56;
                *word |= bits << (8 * number);
            }
        }
        words
    }
}

/// # Safety
/// As [`RowFn`].
unsafe fn each<T: Copy, M: Meeting<T>>(
    destination: *mut u8,
    destination_stride: isize,
    source: *const u8,
    source_stride: isize,
    count: usize,
) {
    let (destination, source) = (destination.cast::<T>(), source.cast::<T>());
    if (destination_stride, source_stride) == (1, 1) {
        let side_by_side = SideBySide::<T, M> {
            destination,
            source,
            count,
            meeting: PhantomData,
        };
        return match count < LONG {
            true => side_by_side.run(),
            false => vectorised(Isa::best(), side_by_side),
        };
    }
    for index in 0..count as isize {
        // SAFETY: the caller's promise
        unsafe {
            let place = destination.offset(index * destination_stride);
            let update = source.offset(index * source_stride).read_unaligned();
            place.write_unaligned(M::meet(place.read_unaligned(), update));
        }
    }
}

/// Rows without gaps, which are valid and do not overlap.
struct SideBySide<T, M> {
    destination: *mut T,
    source: *const T,
    count: usize,
    meeting: PhantomData<M>,
}

impl<T: Copy, M: Meeting<T>> Kernel for SideBySide<T, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let wide = self.blocks::<WIDE_BLOCK>(0);
        let narrow = self.blocks::<NARROW_BLOCK>(wide);
        self.blocks::<1>(narrow);
    }
}

impl<T: Copy, M: Meeting<T>> SideBySide<T, M> {
    /// Lets whole blocks of `N` elements from `first` on meet; returns where they end.
    #[inline(always)]
    fn blocks<const N: usize>(&self, first: usize) -> usize {
        let mut start = first;
        while start + N <= self.count {
            // SAFETY: the rows are valid
            unsafe {
                let place = self.destination.add(start).cast::<[T; N]>();
                let updates = self.source.add(start).cast::<[T; N]>().read_unaligned();
                let mut elements = place.read_unaligned();
                for (element, update) in elements.iter_mut().zip(updates) {
                    *element = M::meet(*element, update);
                }
                place.write_unaligned(elements);
            }
            start += N;
        }
        start
    }
}

trait Meeting<T> {
    fn meet(old: T, update: T) -> T;
}

struct Replacing;
struct Adding;
struct Multiplying;
struct Raising;
struct Lowering;

impl<T> Meeting<T> for Replacing {
    #[inline(always)]
    fn meet(_old: T, update: T) -> T {
        update
    }
}

impl<T: Number> Meeting<T> for Adding {
    #[inline(always)]
    fn meet(old: T, update: T) -> T {
        old.plus(update)
    }
}

impl<T: Number> Meeting<T> for Multiplying {
    #[inline(always)]
    fn meet(old: T, update: T) -> T {
        old.times(update)
    }
}

impl<T: Number> Meeting<T> for Raising {
    #[inline(always)]
    fn meet(old: T, update: T) -> T {
        old.greater(update)
    }
}

impl<T: Number> Meeting<T> for Lowering {
    #[inline(always)]
    fn meet(old: T, update: T) -> T {
        old.lesser(update)
    }
}

/// An element that combines; NaN wins over every number.
trait Number: Copy {
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn greater(self, other: Self) -> Self;
    fn lesser(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline(always)]
            fn greater(self, other: Self) -> Self { self.max(other) }
            #[inline(always)]
            fn lesser(self, other: Self) -> Self { self.min(other) }
        }
    )*};
}
integers!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! floats {
    ($($kind:ty, $widen:expr, $narrow:expr);*) => {$(
        impl Number for $kind {
            #[inline(always)]
            fn plus(self, other: Self) -> Self { $narrow($widen(self) + $widen(other)) }
            #[inline(always)]
            fn times(self, other: Self) -> Self { $narrow($widen(self) * $widen(other)) }
            #[inline(always)]
            fn greater(self, other: Self) -> Self {
                // two choices of values: one of two conditions is a branch
                let greater = if self > other { self } else { other };
                if self.is_nan() { self } else { greater }
            }
            #[inline(always)]
            fn lesser(self, other: Self) -> Self {
                let lesser = if self < other { self } else { other };
                if self.is_nan() { self } else { lesser }
            }
        }
    )*};
}
floats!(
    f32, f32::from, f32::from;
    f64, f64::from, f64::from;
    f16, |x: f16| f16_to_f32(x.to_bits()), |x| f16::from_bits(f32_to_f16(x));
    bf16, |x: bf16| bf16_to_f32(x.to_bits()), |x| bf16::from_bits(f32_to_bf16(x))
);

/// A `bool` as it lies in memory.
#[derive(Clone, Copy)]
struct Truth(u8);

impl Number for Truth {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Truth(self.0 | other.0)
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Truth(self.0 & other.0)
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        Truth(self.0 | other.0)
    }

    #[inline(always)]
    fn lesser(self, other: Self) -> Self {
        Truth(self.0 & other.0)
    }
}

fn is_greater(a: Complex32, b: Complex32) -> bool {
    a.re > b.re || (a.re == b.re && a.im > b.im)
}

impl Number for Complex32 {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        let wide = |z: Complex32| Complex64::new(z.re.into(), z.im.into());
        let product = wide(self) * wide(other);
        Complex32::new(product.re as f32, product.im as f32)
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        if self.is_nan() || is_greater(self, other) {
            self
        } else {
            other
        }
    }

    #[inline(always)]
    fn lesser(self, other: Self) -> Self {
        if self.is_nan() || is_greater(other, self) {
            self
        } else {
            other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_of_a_range_meet_their_elements_in_order() {
        let count = 3 * BLOCK + 7;
        let updates: Vec<f32> = (0..count)
            .map(|number| number as f32 * 0.3 - 50.0)
            .collect();
        // many updates of one element, in no order
        let offsets: Vec<isize> = (0..count).map(|n| (n * n * 31 % 97) as isize).collect();
        for combine in [Combine::Replace, Combine::Add, Combine::Maximum] {
            let mut expected = vec![1.5f32; 97];
            for (update, offset) in updates.iter().zip(&offsets) {
                let place = &mut expected[*offset as usize];
                *place = match combine {
                    Combine::Replace => *update,
                    Combine::Add => *place + update,
                    _ => place.max(*update),
                };
            }
            let (_, at_places) = functions(combine, Dtype::Float32);
            for parts in [1, 2, 5] {
                let mut found = vec![1.5f32; 97];
                let span = 97 / parts + 1;
                for part in 0..parts {
                    let range = part * span..(part + 1) * span;
                    let (to, from) = (found.as_mut_ptr().cast(), updates.as_ptr().cast());
                    // SAFETY: there are 97 elements, and as many updates as offsets
                    unsafe { at_places(to, from, &offsets, Some(range)) };
                }
                assert_eq!(found, expected, "{combine:?} in {parts} parts");
            }
        }
    }
}
