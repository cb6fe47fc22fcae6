//! The tile of a result that lives in registers.

use super::panels::{Panel, Panels};
use super::vector::{Vector, prefetch};
use smallvec::SmallVec;
use std::ops::Range;

/// Terms between two tests for the last one.
const TERMS: usize = 4;

/// One tile: `output ← lhs × rhs`, or added to the output.
#[derive(Clone, Copy)]
pub(crate) struct Tile<T> {
    /// Terms of each sum.
    pub(crate) inner: usize,
    /// The rows of the left operand.
    pub(crate) lhs: *const T,
    /// Elements from one row to the next, if terms lie side by side. If rows do, elements from one
    /// term to the next, or 0 if there are no gaps, as in packed panels.
    pub(crate) lhs_row: isize,
    /// The first row of the right operand, whose columns lie side by side.
    pub(crate) rhs: *const T,
    /// Elements to its next row.
    pub(crate) rhs_row: isize,
    /// The tile's first element; columns lie side by side.
    pub(crate) output: *mut T,
    /// Elements to its next row.
    pub(crate) output_row: isize,
    /// Columns that exist.
    pub(crate) columns: usize,
    /// Whether to add to the output.
    pub(crate) accumulate: bool,
}

/// A compiled kernel. Calling it is sound when the tile's pointers reach all its rows, terms and
/// columns, and the instruction set that it was compiled for is available.
pub(crate) type TileKernel<T> = unsafe fn(&Tile<T>);

/// The kernels of an instruction set for one element type.
pub(crate) struct Kernels<T> {
    /// Elements of a vector.
    pub(crate) lanes: usize,
    /// Greatest number of rows of a tile.
    pub(crate) rows: usize,
    /// Greatest number of vectors of a tile's row.
    pub(crate) vectors: usize,
    /// The kernel of so many rows and vectors, for a left operand whose rows lie side by side, as
    /// in packed panels, or whose terms do.
    pub(crate) choose: fn(rows: usize, vectors: usize, packed: bool) -> TileKernel<T>,
}

/// Rows of a left operand that are in registers together.
pub(crate) struct Strip<T> {
    /// The first row.
    pub(crate) first: usize,
    /// How many there are.
    pub(crate) size: usize,
    /// The kernels for each number of vectors.
    pub(crate) kernels: [TileKernel<T>; 3],
}

impl<T> Kernels<T> {
    /// Some rows in strips, with kernels as [`Kernels::choose`] gives them.
    pub(crate) fn strips(&self, rows: usize, packed: bool) -> SmallVec<[Strip<T>; 16]> {
        let panels = Panels::new(rows, 1, self.rows);
        self.strips_of(&panels, 0..panels.count(), packed).collect()
    }

    /// The strips of some panels of rows, each no more than [`Kernels::rows`]. Most are as large as
    /// the one before, and have its kernels.
    pub(crate) fn strips_of<'a>(
        &'a self,
        panels: &'a Panels,
        rows: Range<usize>,
        packed: bool,
    ) -> impl Iterator<Item = Strip<T>> + 'a {
        let mut known: Option<(usize, [TileKernel<T>; 3])> = None;
        rows.map(move |row| {
            let panel = panels.get(row);
            let strip = match known {
                Some((size, kernels)) if size == panel.size => Strip {
                    first: panel.first,
                    size,
                    kernels,
                },
                _other => self.strip(panel, packed),
            };
            known = Some((strip.size, strip.kernels));
            strip
        })
    }

    /// A strip of a panel's rows, no more than [`Kernels::rows`].
    pub(crate) fn strip(&self, panel: Panel, packed: bool) -> Strip<T> {
        let kernel = |index: usize| {
            let vectors = (index + 1).min(self.vectors);
            (self.choose)(panel.size, vectors, packed)
        };
        Strip {
            first: panel.first,
            size: panel.size,
            kernels: std::array::from_fn(kernel),
        }
    }
}

/// Adds one term to every sum. All columns exist if the tile is `WHOLE`.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn step<
    V: Vector,
    const ROWS: usize,
    const VECTORS: usize,
    const PACKED: bool,
    const WHOLE: bool,
>(
    sums: &mut [[V; VECTORS]; ROWS],
    lhs: *const V::Element,
    lhs_row: isize,
    rhs: *const V::Element,
    mask: V::Mask,
) {
    // SAFETY: by the caller's promise
    unsafe {
        let mut right = sums[0];
        for (index, right) in right.iter_mut().enumerate() {
            let place = rhs.wrapping_add(index * V::LANES);
            *right = if WHOLE || index + 1 < VECTORS {
                V::load(place)
            } else {
                V::load_part(place, mask)
            };
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let place = if PACKED {
                lhs.wrapping_add(row)
            } else {
                lhs.wrapping_offset(row as isize * lhs_row)
            };
            let left = V::splat(place.read());
            for (sum, right) in sums.iter_mut().zip(&right) {
                *sum = left.multiply_add(*right, *sum);
            }
        }
    }
}

/// The sums over a tile's terms, in order.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
pub(super) unsafe fn sums<
    V: Vector,
    const ROWS: usize,
    const VECTORS: usize,
    const PACKED: bool,
    const WHOLE: bool,
>(
    tile: &Tile<V::Element>,
    mask: V::Mask,
) -> [[V; VECTORS]; ROWS]
where
    V::Element: Default,
{
    // SAFETY: by the caller's promise
    unsafe {
        let mut sums = [[V::splat(V::Element::default()); VECTORS]; ROWS];
        let mut rhs = tile.rhs;
        let mut lhs = tile.lhs;
        let lhs_step = match (PACKED, tile.lhs_row) {
            (false, _) => 1,
            (true, 0) => ROWS as isize,
            (true, step) => step,
        };
        // tiles at the edge are few: their loop is short; factors of many rows that lie apart would
        // not stay in registers
        let terms = match WHOLE && (PACKED || ROWS <= 12) {
            true => TERMS,
            false => 1,
        };
        for _ in 0..tile.inner / terms {
            for _ in 0..terms {
                step::<V, ROWS, VECTORS, PACKED, WHOLE>(&mut sums, lhs, tile.lhs_row, rhs, mask);
                lhs = lhs.wrapping_offset(lhs_step);
                rhs = rhs.wrapping_offset(tile.rhs_row);
            }
        }
        for _ in 0..tile.inner % terms {
            step::<V, ROWS, VECTORS, PACKED, WHOLE>(&mut sums, lhs, tile.lhs_row, rhs, mask);
            lhs = lhs.wrapping_offset(lhs_step);
            rhs = rhs.wrapping_offset(tile.rhs_row);
        }
        sums
    }
}

/// The tile's sums in registers, term by term.
///
/// # Safety
/// As for [`TileKernel`]; inlined into a function with the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn tile<V: Vector, const ROWS: usize, const VECTORS: usize, const PACKED: bool>(
    tile: &Tile<V::Element>,
) where
    V::Element: Default,
{
    // SAFETY: the caller's promise is the same
    unsafe {
        if tile.accumulate {
            for row in 0..ROWS {
                let to = tile.output.wrapping_offset(row as isize * tile.output_row);
                prefetch(to);
                prefetch(to.wrapping_add(tile.columns - 1));
            }
        }
        let mask = V::mask(tile.columns - (VECTORS - 1) * V::LANES);
        // masks take time and a register
        match tile.columns == VECTORS * V::LANES {
            true => write::<V, ROWS, VECTORS, PACKED, true>(tile, mask),
            false => write::<V, ROWS, VECTORS, PACKED, false>(tile, mask),
        }
    }
}

/// Writes the tile's sums. All columns exist if it is `WHOLE`, else the mask's.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn write<
    V: Vector,
    const ROWS: usize,
    const VECTORS: usize,
    const PACKED: bool,
    const WHOLE: bool,
>(
    tile: &Tile<V::Element>,
    mask: V::Mask,
) where
    V::Element: Default,
{
    // SAFETY: `Tile` reaches all rows, terms and columns; only the last vector may be partial,
    // which the mask respects
    unsafe {
        let sums = sums::<V, ROWS, VECTORS, PACKED, WHOLE>(tile, mask);
        for (row, sums) in sums.iter().enumerate() {
            let to = tile.output.wrapping_offset(row as isize * tile.output_row);
            for (index, sum) in sums.iter().enumerate() {
                let to = to.wrapping_add(index * V::LANES);
                let whole = WHOLE || index + 1 < VECTORS;
                let sum = match (tile.accumulate, whole) {
                    (false, _) => *sum,
                    (true, true) => sum.add(V::load(to)),
                    (true, false) => sum.add(V::load_part(to, mask)),
                };
                match whole {
                    true => sum.store(to),
                    false => sum.store_part(to, mask),
                }
            }
        }
    }
}

/// Kernels of every size up to the given ones, compiled with the given features:
/// `kernels!(avx512_single, f32, __m512, "avx512f,…", 8, [1 2 …], [1 2 3])` makes
/// `static AVX512_SINGLE: Kernels<f32>` and a module of its functions.
macro_rules! kernels {
    ($module:ident, $name:ident, $element:ty, $vector:ty, $($feature:literal)?, $rows:tt, $vectors:tt) => {
        mod $module {
            use super::*;
            $(#[target_feature(enable = $feature)])?
            unsafe fn compiled<const ROWS: usize, const VECTORS: usize, const PACKED: bool>(
                part: &Tile<$element>,
            ) {
                // SAFETY: the caller's promise is the same
                unsafe { tile::<$vector, ROWS, VECTORS, PACKED>(part) }
            }
            const fn row<const ROWS: usize>() -> [[TileKernel<$element>; $vectors]; 2] {
                kernels!(@row $vectors)
            }
            static TABLE: [[[TileKernel<$element>; $vectors]; 2]; $rows] = kernels!(@table $rows);
            pub(super) fn choose(rows: usize, vectors: usize, packed: bool) -> TileKernel<$element> {
                TABLE[rows - 1][usize::from(packed)][vectors - 1]
            }
        }
        pub(crate) static $name: Kernels<$element> = Kernels {
            lanes: <$vector as Vector>::LANES,
            rows: $rows,
            vectors: $vectors,
            choose: $module::choose,
        };
    };
    (@row 2) => {
        [
            [compiled::<ROWS, 1, false>, compiled::<ROWS, 2, false>],
            [compiled::<ROWS, 1, true>, compiled::<ROWS, 2, true>],
        ]
    };
    (@row 3) => {
        [
            [compiled::<ROWS, 1, false>, compiled::<ROWS, 2, false>, compiled::<ROWS, 3, false>],
            [compiled::<ROWS, 1, true>, compiled::<ROWS, 2, true>, compiled::<ROWS, 3, true>],
        ]
    };
    (@table 4) => { [row::<1>(), row::<2>(), row::<3>(), row::<4>()] };
    (@table 6) => { [row::<1>(), row::<2>(), row::<3>(), row::<4>(), row::<5>(), row::<6>()] };
    (@table 8) => {
        [
            row::<1>(), row::<2>(), row::<3>(), row::<4>(),
            row::<5>(), row::<6>(), row::<7>(), row::<8>(),
        ]
    };
}

#[cfg(test)]
pub(super) use kernels;

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    //! Kernels for the vectors of x86-64.
    use super::super::vector::Pairs;
    use super::*;
    use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

    kernels!(
        avx512_single,
        AVX512_SINGLE,
        f32,
        __m512,
        "avx512f,avx512dq,avx512bw,avx512vl",
        8,
        3
    );
    kernels!(
        avx512_double,
        AVX512_DOUBLE,
        f64,
        __m512d,
        "avx512f,avx512dq,avx512bw,avx512vl",
        8,
        3
    );
    kernels!(
        avx512_pairs,
        AVX512_PAIRS,
        f32,
        Pairs,
        "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16",
        8,
        3
    );
    kernels!(avx2_single, AVX2_SINGLE, f32, __m256, "avx2,fma", 6, 2);
    kernels!(avx2_double, AVX2_DOUBLE, f64, __m256d, "avx2,fma", 6, 2);
}

#[cfg(target_arch = "aarch64")]
pub(crate) mod baseline {
    //! Kernels for NEON, which has 32 registers.
    use super::super::vector::{F32x4, F64x2};
    use super::*;

    kernels!(single, SINGLE, f32, F32x4, , 8, 3);
    kernels!(double, DOUBLE, f64, F64x2, , 8, 3);
}

#[cfg(not(target_arch = "aarch64"))]
pub(crate) mod baseline {
    //! Kernels for 16 registers of 16 bytes.
    use super::super::vector::Portable;
    use super::*;

    kernels!(single, SINGLE, f32, Portable<f32, 4>, , 4, 2);
    kernels!(double, DOUBLE, f64, Portable<f64, 2>, , 4, 2);
}
