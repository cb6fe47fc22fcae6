//! The loops of convolutions that keep their sums in registers.

use super::channels::{self, Channels, channels};
use crate::gemm::vector::Vector;
use crate::gemm::{Element, Scalar};
use crate::simd::Isa;
use half::bf16;
use std::ops::Add;

/// Products of windows where they lie in the input: each row has a pointer of its own to every
/// segment, a run of terms side by side, or one from which all segments are as far as from others.
#[derive(Clone, Copy)]
pub(super) struct Windows<T> {
    /// How many segments are summed.
    pub(super) segments: usize,
    /// For each of them the number of its first term.
    pub(super) terms: *const usize,
    /// Terms to sum of each segment.
    pub(super) length: usize,
    /// Terms of each segment to leave out before, and the channels of groups before this one.
    pub(super) first: usize,
    /// For each of them elements from the rows' pointers to it.
    pub(super) offsets: *const isize,
    /// For the first segment a pointer for each row.
    pub(super) table: *const *const T,
    /// Pointers from one segment's to the next one's; 0 if they are the same.
    pub(super) step: usize,
    /// Packed columns, term after term, from the first segment's first term to sum on.
    pub(super) rhs: *const T,
    /// Channels of a group and elements of its packed columns, if each vector has a group of its
    /// own.
    pub(super) group: (usize, usize),
    /// Where each row of the result goes; columns lie side by side.
    pub(super) output: *const *mut T,
    /// Where each row goes rounded instead, if elements are pairs of `bf16` and this is not null.
    pub(super) rounded: *const *mut bf16,
    /// Columns that exist.
    pub(super) columns: usize,
    /// Whether to add to the output.
    pub(super) accumulate: bool,
}

/// Products of windows at equal distances: neighbouring places of a line. Elements that are pairs
/// may begin with any of their halves.
#[derive(Clone, Copy)]
pub(super) struct Steps<T> {
    /// Segments of a window.
    pub(super) segments: usize,
    /// Terms of a segment.
    pub(super) length: usize,
    /// Whether half a pair follows them.
    pub(super) has_half: bool,
    /// For each segment a pointer.
    pub(super) table: *const *const T,
    /// Bytes to the first row's segment from there.
    pub(super) first: usize,
    /// Bytes from one row's segment to the next row's.
    pub(super) row_step: usize,
    /// Packed columns, term after term.
    pub(super) rhs: *const T,
    /// The first row of the result; columns lie side by side.
    pub(super) output: *mut T,
    /// The same for results that are rounded, if elements are pairs of `bf16`.
    pub(super) rounded: *mut bf16,
    /// Elements to its next row.
    pub(super) output_row: usize,
    /// Columns that exist.
    pub(super) columns: usize,
}

/// Terms side by side in the right operand of [`Outer`].
#[derive(Clone, Copy)]
pub(super) struct Run<T> {
    /// The first term's rows, which lie side by side.
    pub(super) lhs: *const T,
    /// The first term, counted in the right operand.
    pub(super) first: usize,
    /// How many.
    pub(super) count: usize,
}

/// Sums of outer products: rows and columns lie side by side in each term.
#[derive(Clone, Copy)]
pub(super) struct Outer<T> {
    pub(super) runs: usize,
    pub(super) table: *const Run<T>,
    /// Elements to the first row from the one in the table.
    pub(super) lhs_offset: usize,
    /// Elements from one term of a run to the next.
    pub(super) lhs_step: isize,
    /// Packed columns, term after term.
    pub(super) rhs: *const T,
    /// The tile's first element; columns lie side by side.
    pub(super) output: *mut T,
    /// Elements to its next row.
    pub(super) output_row: usize,
    /// Columns that exist.
    pub(super) columns: usize,
    /// Whether to add to the output.
    pub(super) accumulate: bool,
}

/// Dot products of windows with few columns.
#[derive(Clone, Copy)]
pub(super) struct Dots<T> {
    /// How many segments are summed.
    pub(super) segments: usize,
    /// For each of them the number of its first term.
    pub(super) terms: *const usize,
    /// Terms of a segment.
    pub(super) length: usize,
    /// For each of them elements from the rows' pointers to it.
    pub(super) offsets: *const isize,
    /// For the first segment [`DOT_ROWS`] pointers.
    pub(super) table: *const *const T,
    /// Pointers from one segment's to the next one's; 0 if they are the same.
    pub(super) step: usize,
    /// The first column, whose terms lie side by side.
    pub(super) rhs: *const T,
    /// Elements to the next column.
    pub(super) rhs_column: usize,
    /// [`DOT_ROWS`] rows.
    pub(super) output: *const *mut T,
}

/// Rows of [`Dots`].
pub(super) const DOT_ROWS: usize = 4;
/// Most columns of [`Dots`].
pub(super) const DOT_COLUMNS: usize = 4;
/// Most rows of [`Outer`].
const OUTER_ROWS: usize = 8;
/// Most vectors of a row.
const VECTORS: usize = 3;

/// A compiled loop. Calling it is sound when all that its operand describes is inside of live
/// memory, and the machine has the instruction set that it was compiled for.
pub(super) type Loop<O> = unsafe fn(&O);

/// The loops of an instruction set for one element type.
pub(super) struct Loops<T: 'static> {
    /// Elements of a vector.
    pub(super) lanes: usize,
    /// Rows of [`Windows`] and most rows of [`Outer`].
    pub(super) rows: usize,
    /// Most vectors of a row of both.
    pub(super) vectors: usize,
    /// For each number of vectors.
    pub(super) windows: [Loop<Windows<T>>; VECTORS],
    /// For two vectors, each the features of a group.
    pub(super) two_groups: Loop<Windows<T>>,
    /// For each number of rows and vectors.
    pub(super) outer: [[Loop<Outer<T>>; VECTORS]; OUTER_ROWS],
    /// For each number of rows and vectors.
    pub(super) steps: [[Loop<Steps<T>>; VECTORS]; OUTER_ROWS],
    /// For each number of columns.
    pub(super) dots: [Loop<Dots<T>>; DOT_COLUMNS],
    pub(super) alone: Alone<T>,
}

/// The loop of convolutions whose channels are each convolved alone.
pub(super) struct Alone<T: 'static> {
    /// Channels whose sums are in registers together.
    pub(super) width: usize,
    /// Most features of a group.
    pub(super) features: usize,
    /// Of any number of places.
    pub(super) channels: Loop<Channels<T>>,
    /// The same for groups of several channels and as many features, if there is one.
    pub(super) groups: Option<Loop<Channels<T>>>,
}

/// An element type with such a loop.
pub(super) trait Term: Copy + Default + Send + Sync + Add<Output = Self> + 'static {}

impl Term for f32 {}
impl Term for f64 {}
impl Term for bf16 {}

/// An element type with loops.
pub(super) trait Number: Scalar + Term {
    /// The loops of an instruction set, which this machine has.
    fn loops(isa: Isa) -> &'static Loops<Self>;
}

/// Writes a row of sums.
///
/// # Safety
/// The output has the columns that the mask and the vectors before the last one reach.
#[inline(always)]
pub(super) unsafe fn store<V: Vector, const VECTORS: usize>(
    sums: &[V; VECTORS],
    output: *mut V::Element,
    mask: V::Mask,
    accumulate: bool,
) {
    for (index, sum) in sums.iter().enumerate() {
        let to = output.wrapping_add(index * V::LANES);
        // SAFETY: by the caller's promise
        unsafe {
            if index + 1 == VECTORS {
                let sum = match accumulate {
                    true => sum.add(V::load_part(to, mask)),
                    false => *sum,
                };
                sum.store_part(to, mask);
            } else {
                let sum = match accumulate {
                    true => sum.add(V::load(to)),
                    false => *sum,
                };
                sum.store(to);
            }
        }
    }
}

/// Writes a row of sums rounded to `bf16`, with what is there of them already if `accumulate`.
///
/// # Safety
/// As for [`store`]; only then there are sums to read.
#[inline(always)]
unsafe fn round<V: Vector, const VECTORS: usize>(
    sums: &[V; VECTORS],
    before: *const V::Element,
    output: *mut bf16,
    mask: V::Mask,
    accumulate: bool,
) {
    for (index, sum) in sums.iter().enumerate() {
        // SAFETY: by the caller's promise
        unsafe {
            let mask = match index + 1 == VECTORS {
                true => mask,
                false => V::mask(V::LANES),
            };
            let sum = match accumulate {
                true => sum.add(V::load_part(before.wrapping_add(index * V::LANES), mask)),
                false => *sum,
            };
            sum.store_rounded(output.wrapping_add(index * V::LANES), mask);
        }
    }
}

/// # Safety
/// As for [`Loop`]; inlined into a function with the instruction set of `V`.
#[inline(always)]
unsafe fn windows<V: Vector, const ROWS: usize, const VECTORS: usize, const GROUPS: bool>(
    operand: &Windows<V::Element>,
) where
    V::Element: Default,
{
    // SAFETY: by the promise of `Loop`
    unsafe {
        let mut sums = [[V::splat(V::Element::default()); VECTORS]; ROWS];
        let mut table = operand.table;
        let (lhs_apart, rhs_apart) = match GROUPS {
            true => operand.group,
            false => (0, V::LANES),
        };
        let width = if GROUPS { V::LANES } else { VECTORS * V::LANES };
        for segment in 0..operand.segments {
            let first = operand.terms.wrapping_add(segment).read();
            let mut rhs = operand.rhs.wrapping_add(first * width);
            let offset = operand.offsets.wrapping_add(segment).read() + operand.first as isize;
            let mut lhs = [operand.rhs; ROWS];
            for (row, lhs) in lhs.iter_mut().enumerate() {
                *lhs = table.wrapping_add(row).read().wrapping_offset(offset);
            }
            for term in 0..operand.length {
                let mut right = sums[0];
                for (index, right) in right.iter_mut().enumerate() {
                    *right = V::load(rhs.wrapping_add(index * rhs_apart));
                }
                rhs = rhs.wrapping_add(width);
                for (lhs, sums) in lhs.iter().zip(&mut sums) {
                    let left = lhs.wrapping_add(term);
                    let mut factor = V::splat(left.read());
                    for (index, (sum, right)) in sums.iter_mut().zip(&right).enumerate() {
                        if GROUPS && index > 0 {
                            factor = V::splat(left.wrapping_add(index * lhs_apart).read());
                        }
                        *sum = factor.multiply_add(*right, *sum);
                    }
                }
            }
            table = table.wrapping_add(operand.step);
        }
        let mask = V::mask(operand.columns - (VECTORS - 1) * V::LANES);
        for (row, sums) in sums.iter().enumerate() {
            let to = operand.output.wrapping_add(row).read();
            if V::ROUNDS && !operand.rounded.is_null() {
                let rounded = operand.rounded.wrapping_add(row).read();
                round(sums, to, rounded, mask, operand.accumulate);
            } else {
                store(sums, to, mask, operand.accumulate);
            }
        }
    }
}

/// # Safety
/// As for [`Loop`]; inlined into a function with the instruction set of `V`.
#[inline(always)]
unsafe fn steps<V: Vector, const ROWS: usize, const VECTORS: usize>(operand: &Steps<V::Element>)
where
    V::Element: Default,
{
    // SAFETY: by the promise of `Loop`
    unsafe {
        let mut sums = [[V::splat(V::Element::default()); VECTORS]; ROWS];
        let mut rhs = operand.rhs;
        for segment in 0..operand.segments {
            let first = operand.table.wrapping_add(segment).read();
            let mut lhs = [first.wrapping_byte_add(operand.first); ROWS];
            for (row, lhs) in lhs.iter_mut().enumerate() {
                *lhs = lhs.wrapping_byte_add(row * operand.row_step);
            }
            for term in 0..operand.length {
                let mut right = sums[0];
                for (index, right) in right.iter_mut().enumerate() {
                    *right = V::load(rhs.wrapping_add(index * V::LANES));
                }
                rhs = rhs.wrapping_add(VECTORS * V::LANES);
                for (lhs, sums) in lhs.iter().zip(&mut sums) {
                    let left = V::splat(lhs.wrapping_add(term).read_unaligned());
                    for (sum, right) in sums.iter_mut().zip(&right) {
                        *sum = left.multiply_add(*right, *sum);
                    }
                }
            }
            if V::ROUNDS && operand.has_half {
                for (lhs, sums) in lhs.iter().zip(&mut sums) {
                    let left = splat_half::<V>(lhs.wrapping_add(operand.length).cast());
                    for (index, sum) in sums.iter_mut().enumerate() {
                        let right = V::load(rhs.wrapping_add(index * V::LANES));
                        *sum = left.multiply_add(right, *sum);
                    }
                }
                rhs = rhs.wrapping_add(VECTORS * V::LANES);
            }
        }
        let mask = V::mask(operand.columns - (VECTORS - 1) * V::LANES);
        for (row, sums) in sums.iter().enumerate() {
            let row = row * operand.output_row;
            let to = operand.output.wrapping_add(row);
            match V::ROUNDS {
                true => round(sums, to, operand.rounded.wrapping_add(row), mask, false),
                false => store(sums, to, mask, false),
            }
        }
    }
}

/// One `bf16` in every lane as a pair with zero.
///
/// # Safety
/// As for [`Vector`]; elements are pairs.
#[inline(always)]
unsafe fn splat_half<V: Vector>(from: *const bf16) -> V {
    // SAFETY: by the caller's promise
    unsafe {
        // no element is longer
        let pair = u64::from(from.read().to_bits());
        V::splat((&raw const pair).cast::<V::Element>().read())
    }
}

/// # Safety
/// As for [`Loop`]; inlined into a function with the instruction set of `V`.
#[inline(always)]
unsafe fn outer<V: Vector, const ROWS: usize, const VECTORS: usize>(operand: &Outer<V::Element>)
where
    V::Element: Default,
{
    // SAFETY: by the promise of `Loop`
    unsafe {
        let mut sums = [[V::splat(V::Element::default()); VECTORS]; ROWS];
        for run in 0..operand.runs {
            let run = &*operand.table.wrapping_add(run);
            let mut lhs = run.lhs.wrapping_add(operand.lhs_offset);
            let mut rhs = operand.rhs.wrapping_add(run.first * VECTORS * V::LANES);
            for _ in 0..run.count {
                let mut right = sums[0];
                for (index, right) in right.iter_mut().enumerate() {
                    *right = V::load(rhs.wrapping_add(index * V::LANES));
                }
                rhs = rhs.wrapping_add(VECTORS * V::LANES);
                for (row, sums) in sums.iter_mut().enumerate() {
                    let left = V::splat(lhs.wrapping_add(row).read());
                    for (sum, right) in sums.iter_mut().zip(&right) {
                        *sum = left.multiply_add(*right, *sum);
                    }
                }
                lhs = lhs.wrapping_offset(operand.lhs_step);
            }
        }
        let mask = V::mask(operand.columns - (VECTORS - 1) * V::LANES);
        for (row, sums) in sums.iter().enumerate() {
            let to = operand.output.wrapping_add(row * operand.output_row);
            store(sums, to, mask, operand.accumulate);
        }
    }
}

/// # Safety
/// As for [`Loop`]; inlined into a function with the instruction set of `V`.
#[inline(always)]
unsafe fn dots<V: Vector, const COLUMNS: usize>(operand: &Dots<V::Element>)
where
    V::Element: Scalar,
{
    // SAFETY: by the promise of `Loop`
    unsafe {
        let mut sums = [[V::splat(V::Element::default()); COLUMNS]; DOT_ROWS];
        let (whole, rest) = (operand.length / V::LANES, operand.length % V::LANES);
        let mask = V::mask(rest);
        for segment in 0..operand.segments {
            let offset = operand.offsets.wrapping_add(segment).read();
            let table = operand.table.wrapping_add(segment * operand.step);
            let mut lhs = [operand.rhs; DOT_ROWS];
            for (row, lhs) in lhs.iter_mut().enumerate() {
                *lhs = table.wrapping_add(row).read().wrapping_offset(offset);
            }
            let first = operand.terms.wrapping_add(segment).read();
            let rhs = operand.rhs.wrapping_add(first);
            for step in 0..whole {
                let mut right = sums[0];
                for (column, right) in right.iter_mut().enumerate() {
                    let column = rhs.wrapping_add(column * operand.rhs_column);
                    *right = V::load(column.wrapping_add(step * V::LANES));
                }
                for (lhs, sums) in lhs.iter().zip(&mut sums) {
                    let left = V::load(lhs.wrapping_add(step * V::LANES));
                    for (sum, right) in sums.iter_mut().zip(&right) {
                        *sum = left.multiply_add(*right, *sum);
                    }
                }
            }
            if rest > 0 {
                let mut right = sums[0];
                for (column, right) in right.iter_mut().enumerate() {
                    let column = rhs.wrapping_add(column * operand.rhs_column);
                    *right = V::load_part(column.wrapping_add(whole * V::LANES), mask);
                }
                for (lhs, sums) in lhs.iter().zip(&mut sums) {
                    let left = V::load_part(lhs.wrapping_add(whole * V::LANES), mask);
                    for (sum, right) in sums.iter_mut().zip(&right) {
                        *sum = left.multiply_add(*right, *sum);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let to = operand.output.wrapping_add(row).read();
            for (column, sum) in sums.iter().enumerate() {
                to.wrapping_add(column).write(total(*sum));
            }
        }
    }
}

/// The sum of a vector's lanes, halves first.
///
/// # Safety
/// As for [`Vector`].
#[inline(always)]
unsafe fn total<V: Vector>(vector: V) -> V::Element
where
    V::Element: Scalar,
{
    let mut lanes = [V::Element::default(); 16];
    // SAFETY: no vector has more lanes
    unsafe { vector.store(lanes.as_mut_ptr()) };
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] = lanes[lane] + lanes[lane + half];
        }
    }
    lanes[0]
}

/// Loops compiled with the given features:
/// `loops!(avx512_single, f32, __m512, "avx512f,…", 8, 3, Some(avx512_groups))` makes a module with
/// `LOOPS`, whose windows have so many rows and at most so many vectors, and with a loop over the
/// channels of groups.
macro_rules! loops {
    ($module:ident, $element:ty, $vector:ty, $($feature:literal)?, $rows:literal, $vectors:literal,
     $groups:expr) => {
        mod $module {
            use super::*;
            $(#[target_feature(enable = $feature)])?
            unsafe fn windows<const ROWS: usize, const VECTORS: usize, const GROUPS: bool>(
                operand: &Windows<$element>,
            ) {
                // SAFETY: the caller's promise is the same
                unsafe { super::windows::<$vector, ROWS, VECTORS, GROUPS>(operand) }
            }
            loops!(@compiled $element, $vector, $($feature)?, outer, Outer, ROWS VECTORS);
            loops!(@compiled $element, $vector, $($feature)?, steps, Steps, ROWS VECTORS);
            loops!(@compiled $element, $vector, $($feature)?, dots, Dots, COLUMNS);
            $(#[target_feature(enable = $feature)])?
            unsafe fn channels(operand: &Channels<$element>) {
                // SAFETY: the caller's promise is the same
                unsafe { super::channels::<$vector, channels::Own, 2>(operand) }
            }
            const fn row<const ROWS: usize>() -> [Loop<Outer<$element>>; VECTORS] {
                [outer::<ROWS, 1>, outer::<ROWS, 2>, outer::<ROWS, 3>]
            }
            const fn step<const ROWS: usize>() -> [Loop<Steps<$element>>; VECTORS] {
                [steps::<ROWS, 1>, steps::<ROWS, 2>, steps::<ROWS, 3>]
            }
            pub(super) static LOOPS: Loops<$element> = Loops {
                lanes: <$vector as Vector>::LANES,
                rows: $rows,
                vectors: $vectors,
                windows: [
                    windows::<$rows, 1, false>,
                    windows::<$rows, 2, false>,
                    windows::<$rows, 3, false>,
                ],
                two_groups: windows::<$rows, 2, true>,
                outer: [
                    row::<1>(), row::<2>(), row::<3>(), row::<4>(),
                    row::<5>(), row::<6>(), row::<7>(), row::<8>(),
                ],
                steps: [
                    step::<1>(), step::<2>(), step::<3>(), step::<4>(),
                    step::<5>(), step::<6>(), step::<7>(), step::<8>(),
                ],
                dots: [dots::<1>, dots::<2>, dots::<3>, dots::<4>],
                alone: Alone {
                    width: 2 * <$vector as Vector>::LANES,
                    features: <$vector as Vector>::LANES / 2,
                    channels,
                    groups: $groups,
                },
            };
        }
    };
    (@compiled $element:ty, $vector:ty, $($feature:literal)?, $name:ident, $operand:ident, $($size:ident)*) => {
        $(#[target_feature(enable = $feature)])?
        unsafe fn $name<$(const $size: usize),*>(operand: &$operand<$element>) {
            // SAFETY: the caller's promise is the same
            unsafe { super::$name::<$vector, $($size),*>(operand) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! Loops for the vectors of x86-64.
    use super::*;
    use crate::gemm::vector::{Brain, Pairs};
    use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

    loops!(
        avx512_single,
        f32,
        __m512,
        "avx512f,avx512dq,avx512bw,avx512vl",
        8,
        3,
        Some(avx512_groups)
    );
    loops!(
        avx512_double,
        f64,
        __m512d,
        "avx512f,avx512dq,avx512bw,avx512vl",
        8,
        3,
        None
    );
    loops!(
        avx512_pairs,
        f32,
        Pairs,
        "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16",
        8,
        3,
        None
    );
    loops!(
        avx2_single,
        f32,
        __m256,
        "avx2,fma",
        6,
        2,
        Some(avx2_groups)
    );
    loops!(avx2_double, f64, __m256d, "avx2,fma", 6, 2, None);

    pub(super) static SINGLE: [&Loops<f32>; 2] = [&avx2_single::LOOPS, &avx512_single::LOOPS];
    pub(super) static DOUBLE: [&Loops<f64>; 2] = [&avx2_double::LOOPS, &avx512_double::LOOPS];
    pub(super) static PAIRS: &Loops<f32> = &avx512_pairs::LOOPS;

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
    unsafe fn avx512_groups(operand: &Channels<f32>) {
        // SAFETY: the caller's promise is the same
        unsafe { channels::<__m512, channels::Shared<_>, 2>(operand) }
    }

    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2_groups(operand: &Channels<f32>) {
        // SAFETY: the caller's promise is the same
        unsafe { channels::<__m256, channels::Shared<_>, 2>(operand) }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")]
    unsafe fn brain_channels(operand: &Channels<bf16>) {
        // SAFETY: the caller's promise is the same
        unsafe { channels::<Brain, channels::Own, 1>(operand) }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")]
    unsafe fn brain_groups(operand: &Channels<bf16>) {
        // SAFETY: the caller's promise is the same
        unsafe { channels::<Brain, channels::Shared<_>, 1>(operand) }
    }

    pub(super) static BRAIN: Alone<bf16> = Alone {
        width: Brain::LANES,
        features: Brain::LANES / 2,
        channels: brain_channels,
        groups: Some(brain_groups),
    };
}

/// The loops of elements that are pairs of `bf16`, if this machine has them.
pub(super) fn pairs(isa: Isa) -> Option<&'static Loops<f32>> {
    if !bf16::has_pairs(isa) {
        return None;
    }
    #[cfg(target_arch = "x86_64")]
    return Some(x86::PAIRS);
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// The loop over channels that are `bf16`, if this machine widens and rounds them in registers.
pub(super) fn brain(isa: Isa) -> Option<&'static Alone<bf16>> {
    if !bf16::has_pairs(isa) {
        return None;
    }
    #[cfg(target_arch = "x86_64")]
    return Some(&x86::BRAIN);
    #[cfg(not(target_arch = "x86_64"))]
    None
}

#[cfg(target_arch = "aarch64")]
mod baseline {
    //! Loops for NEON, which has 32 registers.
    use super::*;
    use crate::gemm::vector::{F32x4, F64x2};

    loops!(single, f32, F32x4, , 8, 3, None);
    loops!(double, f64, F64x2, , 8, 3, None);

    pub(super) static SINGLE: &Loops<f32> = &single::LOOPS;
    pub(super) static DOUBLE: &Loops<f64> = &double::LOOPS;
}

#[cfg(not(target_arch = "aarch64"))]
mod baseline {
    //! Loops for 16 registers of 16 bytes.
    use super::*;
    use crate::gemm::vector::Portable;

    loops!(single, f32, Portable<f32, 4>, , 4, 2, None);
    loops!(double, f64, Portable<f64, 2>, , 4, 2, None);

    pub(super) static SINGLE: &Loops<f32> = &single::LOOPS;
    pub(super) static DOUBLE: &Loops<f64> = &double::LOOPS;
}

macro_rules! number {
    ($type:ty, $name:ident) => {
        impl Number for $type {
            fn loops(isa: Isa) -> &'static Loops<Self> {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => x86::$name[1],
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => x86::$name[0],
                    _ => baseline::$name,
                }
            }
        }
    };
}

number!(f32, SINGLE);
number!(f64, DOUBLE);
