//! Tiles one below the other: rows of a result in one panel of columns, whose sums are stored as
//! they are or rounded straight from the registers. For AVX-512, with 32 registers of 64 bytes.

use super::kernel::{Tile, sums};
use super::vector::{Pairs, Vector};
use half::bf16;
use std::arch::x86_64::{__m512, __m512d};

/// Rows of `output ← lhs × rhs` in one panel of columns.
#[derive(Clone, Copy)]
pub(crate) struct Stack<T> {
    /// How many rows, of any number.
    pub(crate) rows: usize,
    /// Terms of each sum.
    pub(crate) inner: usize,
    /// The first row of the left operand.
    pub(crate) lhs: *const T,
    /// Elements from one of its rows to the next, or from one of its terms to the next. The others
    /// lie side by side.
    pub(crate) lhs_step: isize,
    /// The right operand, packed: rows of whole vectors without gaps.
    pub(crate) rhs: *const T,
    /// Where sums of terms before these are, with as many columns, or null.
    pub(crate) before: *const T,
    /// Elements from one row of those to the next.
    pub(crate) before_row: isize,
    /// Where the first row goes.
    pub(crate) output: Target<T>,
    /// Elements to the next one.
    pub(crate) output_row: isize,
    /// Columns that exist.
    pub(crate) columns: usize,
}

/// What becomes of sums.
#[derive(Clone, Copy)]
pub(crate) enum Target<T> {
    /// They stay as they are.
    Sums(*mut T),
    /// They become the nearest `bf16`, which kernels of pairs can.
    Rounded(*mut bf16),
}

/// A compiled kernel. Calling it is sound when the stack's pointers reach all its rows, terms and
/// columns, and the instruction set that it was compiled for is available.
pub(crate) type StackKernel<T> = unsafe fn(&Stack<T>);

/// The kernels of an instruction set for one element type.
pub(crate) struct Stacks<T> {
    /// For each number of vectors that of a left operand whose terms lie side by side, and that of
    /// one whose rows do.
    kernels: [[StackKernel<T>; 2]; 3],
}

impl<T> Stacks<T> {
    /// The kernel of so many vectors, for a left operand whose rows lie side by side, or whose terms
    /// do.
    pub(crate) fn choose(&self, vectors: usize, turned: bool) -> StackKernel<T> {
        self.kernels[vectors - 1][usize::from(turned)]
    }
}

/// All rows of a stack. Sums of a tile fill most of 32 registers, if there are enough rows.
///
/// # Safety
/// As for [`StackKernel`]; inlined into a function with the instruction set of `V`.
#[inline(always)]
unsafe fn stack<V: Vector, const VECTORS: usize, const TURNED: bool>(stack: &Stack<V::Element>)
where
    V::Element: Default,
{
    let mut row = 0;
    // SAFETY: the caller's promise is the same; tiles end at the last row
    unsafe {
        if VECTORS == 1 {
            while stack.rows - row >= 16 {
                tile::<V, 16, VECTORS, TURNED>(stack, row);
                row += 16;
            }
        }
        if VECTORS <= 2 {
            while stack.rows - row >= 12 {
                tile::<V, 12, VECTORS, TURNED>(stack, row);
                row += 12;
            }
        }
        while row < stack.rows {
            // a tile of few rows waits for its sums
            let size = match stack.rows - row {
                left @ 0..=8 => left,
                left @ 9..=15 => left / 2,
                _ => 8,
            };
            match size {
                1 => tile::<V, 1, VECTORS, TURNED>(stack, row),
                2 => tile::<V, 2, VECTORS, TURNED>(stack, row),
                3 => tile::<V, 3, VECTORS, TURNED>(stack, row),
                4 => tile::<V, 4, VECTORS, TURNED>(stack, row),
                5 => tile::<V, 5, VECTORS, TURNED>(stack, row),
                6 => tile::<V, 6, VECTORS, TURNED>(stack, row),
                7 => tile::<V, 7, VECTORS, TURNED>(stack, row),
                _ => tile::<V, 8, VECTORS, TURNED>(stack, row),
            }
            row += size;
        }
    }
}

/// So many rows from one on.
///
/// # Safety
/// As for [`stack`]; the rows exist.
#[inline(always)]
unsafe fn tile<V: Vector, const ROWS: usize, const VECTORS: usize, const TURNED: bool>(
    stack: &Stack<V::Element>,
    row: usize,
) where
    V::Element: Default,
{
    let lhs_row = if TURNED { 1 } else { stack.lhs_step };
    let tile = Tile {
        inner: stack.inner,
        lhs: stack.lhs.wrapping_offset(row as isize * lhs_row),
        lhs_row: stack.lhs_step,
        rhs: stack.rhs,
        rhs_row: (VECTORS * V::LANES) as isize,
        output: std::ptr::null_mut(),
        output_row: 0,
        columns: VECTORS * V::LANES,
        accumulate: false,
    };
    // SAFETY: by the caller's promise; what is packed has whole vectors, and the mask has the
    // columns of the last one that exist
    unsafe {
        let mask = V::mask(stack.columns - (VECTORS - 1) * V::LANES);
        let is_whole = stack.columns == VECTORS * V::LANES;
        let mut sums = sums::<V, ROWS, VECTORS, TURNED, true>(&tile, mask);
        if !stack.before.is_null() {
            for (index, sums) in sums.iter_mut().enumerate() {
                let step = (row + index) as isize * stack.before_row;
                let before = stack.before.wrapping_offset(step);
                for (vector, sum) in sums.iter_mut().enumerate() {
                    let before = before.wrapping_add(vector * V::LANES);
                    *sum = match vector + 1 < VECTORS {
                        true => sum.add(V::load(before)),
                        false => sum.add(V::load_part(before, mask)),
                    };
                }
            }
        }
        for (index, sums) in sums.iter().enumerate() {
            let step = (row + index) as isize * stack.output_row;
            for (vector, sum) in sums.iter().enumerate() {
                let (first, is_whole) = (vector * V::LANES, is_whole || vector + 1 < VECTORS);
                match (stack.output, is_whole) {
                    (Target::Sums(to), true) => sum.store(to.wrapping_offset(step).add(first)),
                    (Target::Sums(to), false) => {
                        sum.store_part(to.wrapping_offset(step).add(first), mask);
                    }
                    (Target::Rounded(to), true) => {
                        sum.store_rounded_whole(to.wrapping_offset(step).add(first));
                    }
                    (Target::Rounded(to), false) => {
                        sum.store_rounded(to.wrapping_offset(step).add(first), mask);
                    }
                }
            }
        }
    }
}

/// `stacks!(single, SINGLE, f32, __m512, "avx512f,…")` makes `static SINGLE: Stacks<f32>`.
macro_rules! stacks {
    ($module:ident, $name:ident, $element:ty, $vector:ty, $features:literal) => {
        mod $module {
            use super::*;
            #[target_feature(enable = $features)]
            pub(super) unsafe fn compiled<const VECTORS: usize, const TURNED: bool>(
                part: &Stack<$element>,
            ) {
                // SAFETY: the caller's promise is the same
                unsafe { stack::<$vector, VECTORS, TURNED>(part) }
            }
        }
        pub(crate) static $name: Stacks<$element> = Stacks {
            kernels: [
                [$module::compiled::<1, false>, $module::compiled::<1, true>],
                [$module::compiled::<2, false>, $module::compiled::<2, true>],
                [$module::compiled::<3, false>, $module::compiled::<3, true>],
            ],
        };
    };
}

stacks!(
    single,
    SINGLE,
    f32,
    __m512,
    "avx512f,avx512dq,avx512bw,avx512vl"
);
stacks!(
    double,
    DOUBLE,
    f64,
    __m512d,
    "avx512f,avx512dq,avx512bw,avx512vl"
);
stacks!(
    pairs,
    PAIRS,
    f32,
    Pairs,
    "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16"
);
