//! Loops of which some operands are one element beside tiles. It is read where it lies.

use super::{Isa, Map2, Map3, TileFn, in_place1, in_place2};
use std::mem::MaybeUninit;

/// Writes `apply` of every element of a row, which may be where the results go.
///
/// # Safety
/// The row and the destination have `count` aligned elements, as wide as each other if they are the
/// same, and do not overlap otherwise.
#[inline(always)]
unsafe fn each<A: Copy, R>(
    destination: *mut MaybeUninit<R>,
    row: *const A,
    count: usize,
    apply: impl Fn(A) -> R,
) {
    if destination.cast_const().cast::<A>() == row {
        // SAFETY: the caller's promise
        return unsafe { in_place1(destination, count, apply) };
    }
    // SAFETY: the caller's promise
    let (results, row) = unsafe {
        (
            std::slice::from_raw_parts_mut(destination, count),
            std::slice::from_raw_parts(row, count),
        )
    };
    for (result, operand) in results.iter_mut().zip(row) {
        result.write(apply(*operand));
    }
}

/// As [`each`], of two rows.
///
/// # Safety
/// As [`each`], for each of the rows.
#[inline(always)]
unsafe fn each_of_two<A: Copy, B: Copy, R>(
    destination: *mut MaybeUninit<R>,
    (left, right): (*const A, *const B),
    count: usize,
    apply: impl Fn(A, B) -> R,
) {
    let place = destination.cast_const().cast::<u8>();
    let (is_left, is_right) = (place == left.cast(), place == right.cast());
    // SAFETY: the caller's promise; a row that is the destination is read as such alone
    unsafe {
        if is_left && is_right {
            for index in 0..count {
                let operands = (left.add(index).read(), right.add(index).read());
                let result = apply(operands.0, operands.1);
                destination.add(index).write(MaybeUninit::new(result));
            }
        } else if is_left {
            let others = std::slice::from_raw_parts(right, count);
            in_place2(destination, others, apply);
        } else if is_right {
            let others = std::slice::from_raw_parts(left, count);
            in_place2(destination, others, |right, left| apply(left, right));
        } else {
            let results = std::slice::from_raw_parts_mut(destination, count);
            let left = std::slice::from_raw_parts(left, count);
            let right = std::slice::from_raw_parts(right, count);
            for ((result, left), right) in results.iter_mut().zip(left).zip(right) {
                result.write(apply(*left, *right));
            }
        }
    }
}

/// # Safety
/// As [`TileFn`], except that the left operand is one element. The function has no rare operands.
#[inline(always)]
unsafe fn tile_left<K: Map2, const IN_PLACE: bool>(
    destination: *mut u8,
    lhs: *const u8,
    rhs: *const u8,
    count: usize,
) {
    // SAFETY: the caller's promise
    unsafe {
        let lhs = lhs.cast::<K::In>().read_unaligned();
        each(destination.cast(), rhs.cast(), count, |rhs| {
            K::apply(lhs, rhs)
        });
    }
}

/// # Safety
/// As [`tile_left`], of the right operand.
#[inline(always)]
unsafe fn tile_right<K: Map2, const IN_PLACE: bool>(
    destination: *mut u8,
    lhs: *const u8,
    rhs: *const u8,
    count: usize,
) {
    // SAFETY: the caller's promise
    unsafe {
        let rhs = rhs.cast::<K::In>().read_unaligned();
        each(destination.cast(), lhs.cast(), count, |lhs| {
            K::apply(lhs, rhs)
        });
    }
}

/// # Safety
/// As [`TileFn`], except that the second and the third operand are one element each.
#[inline(always)]
unsafe fn tile_first<K: Map3, const IN_PLACE: bool>(
    destination: *mut u8,
    first: *const u8,
    second: *const u8,
    third: *const u8,
    count: usize,
) {
    // SAFETY: the caller's promise
    unsafe {
        let [second, third] = [second, third].map(|it| it.cast::<K::Rest>().read_unaligned());
        each(destination.cast(), first.cast(), count, |first| {
            K::apply(first, second, third)
        });
    }
}

/// # Safety
/// As [`TileFn`], except that the second operand is one element.
#[inline(always)]
unsafe fn tile_outer<K: Map3, const IN_PLACE: bool>(
    destination: *mut u8,
    first: *const u8,
    second: *const u8,
    third: *const u8,
    count: usize,
) {
    // SAFETY: the caller's promise
    unsafe {
        let second = second.cast::<K::Rest>().read_unaligned();
        let rows = (first.cast(), third.cast());
        each_of_two(destination.cast(), rows, count, |first, third| {
            K::apply(first, second, third)
        });
    }
}

/// # Safety
/// As [`TileFn`], except that the third operand is one element.
#[inline(always)]
unsafe fn tile_front<K: Map3, const IN_PLACE: bool>(
    destination: *mut u8,
    first: *const u8,
    second: *const u8,
    third: *const u8,
    count: usize,
) {
    // SAFETY: the caller's promise
    unsafe {
        let third = third.cast::<K::Rest>().read_unaligned();
        let rows = (first.cast(), second.cast());
        each_of_two(destination.cast(), rows, count, |first, second| {
            K::apply(first, second, third)
        });
    }
}

compiled!(
    /// The loop of a function of one element and those of a tile.
    map_left, Map2, |first, second, third| tile_left(first, second)
);
compiled!(
    /// The loop of a function of the elements of a tile and one element.
    map_right, Map2, |first, second, third| tile_right(first, second)
);
compiled!(
    /// The loop of a function of the elements of a tile and two elements.
    map3_first, Map3, |first, second, third| tile_first(first, second, third)
);
compiled!(
    /// The loop of a function of the elements of two tiles and one element between them.
    map3_outer, Map3, |first, second, third| tile_outer(first, second, third)
);
compiled!(
    /// The loop of a function of the elements of two tiles and one element after them.
    map3_front, Map3, |first, second, third| tile_front(first, second, third)
);
