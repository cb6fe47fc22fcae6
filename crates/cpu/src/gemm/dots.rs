//! Dot products of a few rows with a few others, and rows added up: inlined into functions that
//! are compiled for an instruction set.

use super::element::Element;
use super::matrix::Matrix;
use super::vector::prefetch_bytes;

/// Rows of the left operand at most.
pub(crate) const ROWS: usize = 4;
/// Columns whose dot products are computed together.
pub(crate) const COLUMNS: usize = 4;

/// Adds to `sums[row][column]` the dot products of rows and columns whose terms lie side by side.
/// The columns so many elements further on, which need not exist, are fetched meanwhile if `AHEAD`
/// says so.
///
/// # Safety
/// There are so many rows, and all have so many terms.
#[inline(always)]
pub(crate) unsafe fn add_dots<T: Element, const AHEAD: bool>(
    (rows, terms): (usize, usize),
    lhs: Matrix<T::Sum>,
    columns: [*const T; COLUMNS],
    ahead: isize,
    sums: &mut [[T::Sum; COLUMNS]; ROWS],
) {
    let mut row = 0;
    while row < rows {
        // two rows share what is read of the columns; sums fill half of sixteen registers
        if row + 2 <= rows {
            let left = [lhs.place(row, 0), lhs.place(row + 1, 0)];
            // SAFETY: by the caller's promise
            let found = unsafe {
                match size_of::<T::Sum>() {
                    8 => dots::<T, 2, COLUMNS, 4, AHEAD>(left, columns, terms, ahead),
                    _ => dots::<T, 2, COLUMNS, 8, AHEAD>(left, columns, terms, ahead),
                }
            };
            add_to(&mut sums[row..], found);
            row += 2;
        } else {
            let left = [lhs.place(row, 0)];
            // SAFETY: by the caller's promise
            let found = unsafe {
                match size_of::<T::Sum>() {
                    8 => dots::<T, 1, COLUMNS, 8, AHEAD>(left, columns, terms, ahead),
                    _ => dots::<T, 1, COLUMNS, 16, AHEAD>(left, columns, terms, ahead),
                }
            };
            add_to(&mut sums[row..], found);
            row += 1;
        }
    }
}

/// The dot product of one row and one column.
///
/// # Safety
/// Both have so many terms, side by side.
#[inline(always)]
pub(crate) unsafe fn dot<T: Element>(lhs: *const T::Sum, column: *const T, terms: usize) -> T::Sum {
    // SAFETY: by the caller's promise
    let [[sum]] = unsafe {
        match size_of::<T::Sum>() {
            8 => dots::<T, 1, 1, 16, false>([lhs], [column], terms, 0),
            _ => dots::<T, 1, 1, 64, false>([lhs], [column], terms, 0),
        }
    };
    sum
}

/// Rows whose dot products with one are computed together.
const TOGETHER: usize = 8;

/// The dot products of `lhs` with as many rows of a matrix as there are sums.
///
/// # Safety
/// The rows are as long as `lhs` and have their terms side by side; inlined into a function with the
/// instructions of `T`.
#[inline(always)]
pub(crate) unsafe fn dots_of_rows<T: Element>(
    lhs: &[T::Sum],
    rows: Matrix<T>,
    sums: &mut [T::Sum],
) {
    let (left, terms) = ([lhs.as_ptr()], lhs.len());
    let whole = sums.len() / TOGETHER * TOGETHER;
    for first in (0..whole).step_by(TOGETHER) {
        let mut columns = [rows.place(first, 0); TOGETHER];
        for (index, column) in columns.iter_mut().enumerate() {
            *column = rows.place(first + index, 0);
        }
        // SAFETY: by the caller's promise
        let [found] = unsafe { dots::<T, 1, TOGETHER, 16, false>(left, columns, terms, 0) };
        sums[first..first + TOGETHER].copy_from_slice(&found);
    }
    for (row, sum) in sums.iter_mut().enumerate().skip(whole) {
        // SAFETY: by the caller's promise
        [[*sum]] = unsafe { dots::<T, 1, 1, 16, false>(left, [rows.place(row, 0)], terms, 0) };
    }
}

#[inline(always)]
fn add_to<S: Copy + std::ops::Add<Output = S>, const R: usize>(
    sums: &mut [[S; COLUMNS]],
    found: [[S; COLUMNS]; R],
) {
    for (sums, found) in sums.iter_mut().zip(found) {
        for (sum, found) in sums.iter_mut().zip(found) {
            *sum = *sum + found;
        }
    }
}

/// # Safety
/// All have `terms` elements; columns `ahead` need not exist.
#[inline(always)]
unsafe fn dots<
    T: Element,
    const R: usize,
    const C: usize,
    const LANES: usize,
    const AHEAD: bool,
>(
    lhs: [*const T::Sum; R],
    columns: [*const T; C],
    terms: usize,
    ahead: isize,
) -> [[T::Sum; C]; R] {
    let mut lanes = [[[T::Sum::default(); LANES]; C]; R];
    let whole = terms / LANES * LANES;
    for first in (0..whole).step_by(LANES) {
        // SAFETY: by the caller's promise
        let left = lhs.map(|lhs| unsafe { lhs.add(first).cast::<[T::Sum; LANES]>().read() });
        for (column, start) in columns.into_iter().enumerate() {
            if AHEAD {
                prefetch_bytes(start.wrapping_add(first).wrapping_offset(ahead), 1);
            }
            // SAFETY: by the caller's promise
            let right = unsafe { T::widen_lanes::<LANES>(start.add(first)) };
            for (lanes, left) in lanes.iter_mut().zip(&left) {
                for ((lane, left), right) in lanes[column].iter_mut().zip(left).zip(right) {
                    *lane = *lane + *left * right;
                }
            }
        }
    }
    // loops, since closures here are not inlined, and then lack the instruction set
    let mut sums = [[T::Sum::default(); C]; R];
    for (row, lanes) in lanes.iter_mut().enumerate() {
        for (column, lanes) in lanes.iter_mut().enumerate() {
            for term in whole..terms {
                // SAFETY: by the caller's promise
                let (left, right) = unsafe { (lhs[row].add(term), columns[column].add(term)) };
                // SAFETY: as above
                let product = unsafe { left.read() * right.read().widen() };
                lanes[0] = lanes[0] + product;
            }
            sums[row][column] = total(*lanes);
        }
    }
    sums
}

/// The sum of some lanes, a power of two up to 64: those of the halves, again and again. Each step
/// has a loop of its own, which the compiler unrolls and keeps in registers.
#[inline(always)]
fn total<S: Copy + std::ops::Add<Output = S>, const LANES: usize>(mut lanes: [S; LANES]) -> S {
    const { assert!(LANES.is_power_of_two() && LANES <= 64) };
    add_upper::<S, LANES, 32>(&mut lanes);
    add_upper::<S, LANES, 16>(&mut lanes);
    add_upper::<S, LANES, 8>(&mut lanes);
    add_upper::<S, LANES, 4>(&mut lanes);
    add_upper::<S, LANES, 2>(&mut lanes);
    add_upper::<S, LANES, 1>(&mut lanes);
    lanes[0]
}

/// Adds the lanes of an upper half, if there is one that wide, to the lower.
#[inline(always)]
fn add_upper<S: Copy + std::ops::Add<Output = S>, const LANES: usize, const HALF: usize>(
    lanes: &mut [S; LANES],
) {
    if HALF < LANES {
        for lane in 0..HALF {
            lanes[lane] = lanes[lane] + lanes[lane + HALF];
        }
    }
}

/// Sums that rows are added to at a time.
const ADDED: usize = 16;

/// Adds rows times their factors.
///
/// # Safety
/// The rows are as long as the sums; inlined into a function with the instructions of `T`.
#[inline(always)]
pub(crate) unsafe fn add_multiples<T: Element, const N: usize>(
    sums: &mut [T::Sum],
    factors: [T::Sum; N],
    rows: [*const T; N],
) {
    let whole = sums.len() / ADDED * ADDED;
    for first in (0..whole).step_by(ADDED) {
        let sums = &mut sums[first..first + ADDED];
        let mut totals: [T::Sum; ADDED] = std::array::from_fn(|index| sums[index]);
        for (row, factor) in rows.into_iter().zip(factors) {
            // SAFETY: by the caller's promise
            let terms = unsafe { T::widen_lanes::<ADDED>(row.add(first)) };
            for (total, term) in totals.iter_mut().zip(terms) {
                *total = *total + factor * term;
            }
        }
        sums.copy_from_slice(&totals);
    }
    for (index, sum) in sums.iter_mut().enumerate().skip(whole) {
        for (row, factor) in rows.into_iter().zip(factors) {
            // SAFETY: by the caller's promise
            *sum = *sum + factor * unsafe { row.add(index).read() }.widen();
        }
    }
}

/// Adds all rows of a matrix times their factors; sums of some columns stay in registers.
///
/// # Safety
/// There are as many rows as factors, as long as the sums and with their terms side by side; inlined
/// into a function with the instructions of `T`.
#[inline(always)]
pub(crate) unsafe fn add_all_multiples<T: Element>(
    sums: &mut [T::Sum],
    factors: &[T::Sum],
    rows: Matrix<T>,
) {
    const VECTORS: usize = 4;
    let whole = sums.len() / (VECTORS * ADDED) * (VECTORS * ADDED);
    for first in (0..whole).step_by(VECTORS * ADDED) {
        let sums = &mut sums[first..first + VECTORS * ADDED];
        let mut totals = [[T::Sum::default(); ADDED]; VECTORS];
        for (row, factor) in factors.iter().enumerate() {
            for (vector, totals) in totals.iter_mut().enumerate() {
                let place = rows.place(row, 0).wrapping_add(first + vector * ADDED);
                // SAFETY: by the caller's promise
                let terms = unsafe { T::widen_lanes::<ADDED>(place) };
                for (total, term) in totals.iter_mut().zip(terms) {
                    *total = *total + *factor * term;
                }
            }
        }
        for (sums, totals) in sums.chunks_exact_mut(ADDED).zip(&totals) {
            for (sum, total) in sums.iter_mut().zip(totals) {
                *sum = *sum + *total;
            }
        }
    }
    if whole < sums.len() {
        for (row, factor) in factors.iter().enumerate() {
            let from = rows.place(row, 0).wrapping_add(whole);
            // SAFETY: by the caller's promise
            unsafe { add_multiples::<T, 1>(&mut sums[whole..], [*factor], [from]) };
        }
    }
}
