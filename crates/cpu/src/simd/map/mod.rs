//! Loops that apply a function to every element of a tile.

use super::Isa;
use std::mem::MaybeUninit;

/// Compiles a tile loop for every instruction set and defines the function that chooses.
///
/// `compiled!(map1, Map1, |first, second, third| tile1(first))` expands to a generic function for each
/// instruction set, whose body is `tile1::<K>(destination, first, count)`, and to
/// `pub fn map1<K: Map1>(isa: Isa) -> TileFn`.
macro_rules! compiled {
    ($(#[$doc:meta])* $name:ident, $map:ident, |$first:ident, $second:ident, $third:ident| $tile:ident($($operand:ident),*)) => {
        mod $name {
            #![allow(unused_variables)]
            use super::*;

            /// # Safety
            /// As [`TileFn`].
            pub(super) unsafe fn baseline<K: $map>(
                destination: *mut u8, $first: *const u8, $second: *const u8, $third: *const u8, count: usize,
            ) {
                // SAFETY: the caller's promise
                unsafe { $tile::<K, { !cfg!(target_arch = "x86_64") }>(destination, $($operand,)* count) }
            }

            /// # Safety
            /// As [`TileFn`].
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            pub(super) unsafe fn avx2<K: $map>(
                destination: *mut u8, $first: *const u8, $second: *const u8, $third: *const u8, count: usize,
            ) {
                // SAFETY: the caller's promise
                unsafe { $tile::<K, true>(destination, $($operand,)* count) }
            }

            /// # Safety
            /// As [`TileFn`].
            #[cfg(avx512)]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            pub(super) unsafe fn avx512<K: $map>(
                destination: *mut u8, $first: *const u8, $second: *const u8, $third: *const u8, count: usize,
            ) {
                // SAFETY: the caller's promise
                unsafe { $tile::<K, true>(destination, $($operand,)* count) }
            }
        }

        $(#[$doc])*
        pub fn $name<K: $map>(isa: Isa) -> TileFn {
            match isa {
                #[cfg(avx512)]
                Isa::Avx512 => $name::avx512::<K>,
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => $name::avx2::<K>,
                _without_code => $name::baseline::<K>,
            }
        }
    };
}

mod single;

pub use single::{map_left, map_right, map3_first, map3_front, map3_outer};

/// Elements that are copied aside at a time when the destination is an operand.
const ASIDE: usize = 256;

/// A compiled loop: destination, up to three operands (the unused ones are not read), number of
/// elements.
///
/// Calling it is sound when every pointer in use is aligned for its element type and valid for
/// that many elements, the instruction set that it was compiled for is available, and the
/// destination either overlaps no operand or is exactly one or more of them.
pub type TileFn = unsafe fn(*mut u8, *const u8, *const u8, *const u8, usize);

/// A function of one element.
pub trait Map1 {
    /// Operand.
    type In: Copy;
    /// Result; as wide as the operand wherever the destination may be the operand.
    type Out: Copy;
    /// Whether some operands need [`Map1::slow`].
    const RARE: bool = false;

    /// The result, without branches.
    fn apply(operand: Self::In) -> Self::Out;

    /// Whether [`Map1::apply`] is not good enough for the operand.
    #[inline(always)]
    fn is_rare(_operand: Self::In) -> bool {
        false
    }

    /// The result for rare operands.
    fn slow(operand: Self::In) -> Self::Out {
        Self::apply(operand)
    }
}

/// A function of two elements.
pub trait Map2 {
    /// Both operands.
    type In: Copy;
    /// Result.
    type Out: Copy;
    /// Whether some operands need [`Map2::slow`].
    const RARE: bool = false;

    /// The result, without branches.
    fn apply(lhs: Self::In, rhs: Self::In) -> Self::Out;

    /// Whether [`Map2::apply`] is not good enough for the operands.
    #[inline(always)]
    fn is_rare(_lhs: Self::In, _rhs: Self::In) -> bool {
        false
    }

    /// The result for rare operands.
    fn slow(lhs: Self::In, rhs: Self::In) -> Self::Out {
        Self::apply(lhs, rhs)
    }
}

/// A function of three elements.
pub trait Map3 {
    /// First operand.
    type First: Copy;
    /// The other operands.
    type Rest: Copy;
    /// Result.
    type Out: Copy;

    /// The result, without branches.
    fn apply(first: Self::First, second: Self::Rest, third: Self::Rest) -> Self::Out;
}

#[inline(always)]
fn loop1<K: Map1>(destination: &mut [MaybeUninit<K::Out>], source: &[K::In]) {
    for (result, operand) in destination.iter_mut().zip(source) {
        result.write(K::apply(*operand));
    }
    if K::RARE
        && source
            .iter()
            .fold(false, |rare, operand| rare | K::is_rare(*operand))
    {
        for (result, operand) in destination.iter_mut().zip(source) {
            if K::is_rare(*operand) {
                result.write(K::slow(*operand));
            }
        }
    }
}

#[inline(always)]
fn loop2<K: Map2>(destination: &mut [MaybeUninit<K::Out>], lhs: &[K::In], rhs: &[K::In]) {
    for ((result, lhs), rhs) in destination.iter_mut().zip(lhs).zip(rhs) {
        result.write(K::apply(*lhs, *rhs));
    }
    if K::RARE
        && lhs
            .iter()
            .zip(rhs)
            .fold(false, |rare, (lhs, rhs)| rare | K::is_rare(*lhs, *rhs))
    {
        for ((result, lhs), rhs) in destination.iter_mut().zip(lhs).zip(rhs) {
            if K::is_rare(*lhs, *rhs) {
                result.write(K::slow(*lhs, *rhs));
            }
        }
    }
}

#[inline(always)]
fn loop3<K: Map3>(
    destination: &mut [MaybeUninit<K::Out>],
    first: &[K::First],
    second: &[K::Rest],
    third: &[K::Rest],
) {
    for (((result, first), second), third) in
        destination.iter_mut().zip(first).zip(second).zip(third)
    {
        result.write(K::apply(*first, *second, *third));
    }
}

/// The loop of a destination that is the operand: one pointer for both, so that the compiler need
/// not fear that one element's result is another's operand.
///
/// # Safety
/// There are so many elements at `places`, aligned for operand and result, which are as wide.
#[inline(always)]
unsafe fn in_place1<P: Copy, T>(places: *mut MaybeUninit<T>, count: usize, apply: impl Fn(P) -> T) {
    for index in 0..count {
        // SAFETY: the caller's promise
        unsafe {
            let place = places.add(index);
            let operand = place.cast::<P>().read();
            place.cast::<T>().write(apply(operand));
        }
    }
}

/// As [`in_place1`] for a destination that is one of two operands.
///
/// # Safety
/// As [`in_place1`], and for the others, which lie apart.
#[inline(always)]
unsafe fn in_place2<P: Copy, A: Copy, T>(
    places: *mut MaybeUninit<T>,
    others: &[A],
    apply: impl Fn(P, A) -> T,
) {
    for (index, &other) in others.iter().enumerate() {
        // SAFETY: the caller's promise
        unsafe {
            let place = places.add(index);
            let operand = place.cast::<P>().read();
            place.cast::<T>().write(apply(operand, other));
        }
    }
}

/// As [`in_place1`] for a destination that is the first, second or third operand.
///
/// # Safety
/// As [`in_place1`], and for the others, which lie apart.
#[inline(always)]
unsafe fn in_place3<P: Copy, A: Copy, B: Copy, T>(
    places: *mut MaybeUninit<T>,
    (others, more): (&[A], &[B]),
    apply: impl Fn(P, A, B) -> T,
) {
    for ((index, &other), &another) in others.iter().enumerate().zip(more) {
        // SAFETY: the caller's promise
        unsafe {
            let place = places.add(index);
            let operand = place.cast::<P>().read();
            place.cast::<T>().write(apply(operand, other, another));
        }
    }
}

/// Bytes of operands that are looked through for rare ones while they are in the first cache.
const CLOSE: usize = 4 << 10;

/// Elements that a loop takes at a time.
#[inline(always)]
fn step<T>(aliased: bool, rare: bool, count: usize) -> usize {
    match (aliased, rare) {
        (true, _) => ASIDE,
        (false, true) => CLOSE / size_of::<T>(),
        (false, false) => count.max(1),
    }
}

/// An operand of which pieces are copied aside where the destination overwrites it.
struct Aside<T: Copy> {
    copy: [MaybeUninit<T>; ASIDE],
}

impl<T: Copy> Aside<T> {
    #[inline(always)]
    fn new() -> Self {
        Aside {
            copy: [MaybeUninit::uninit(); ASIDE],
        }
    }

    /// `count` elements from `source` on, copied if `aliased`.
    ///
    /// # Safety
    /// `source` is valid for `count` elements, at most `ASIDE` if `aliased`.
    #[inline(always)]
    unsafe fn piece(&mut self, source: *const T, count: usize, aliased: bool) -> &[T] {
        if !aliased {
            // SAFETY: the caller's promise
            return unsafe { std::slice::from_raw_parts(source, count) };
        }
        debug_assert!(count <= ASIDE);
        // SAFETY: the caller's promise; the copy is a place of its own
        unsafe {
            self.copy
                .as_mut_ptr()
                .cast::<T>()
                .copy_from_nonoverlapping(source, count)
        };
        // SAFETY: just written
        unsafe { std::slice::from_raw_parts(self.copy.as_ptr().cast(), count) }
    }
}

/// # Safety
/// As [`TileFn`]. Operands that are the destination are read there if `IN_PLACE`, else copied aside,
/// as are several such operands.
#[inline(always)]
unsafe fn tile1<K: Map1, const IN_PLACE: bool>(
    destination: *mut u8,
    source: *const u8,
    count: usize,
) {
    let (destination, source) = (
        destination.cast::<MaybeUninit<K::Out>>(),
        source.cast::<K::In>(),
    );
    let aliased = destination.cast_const().cast::<u8>() == source.cast();
    if aliased && IN_PLACE && !K::RARE {
        // SAFETY: the caller's promise
        return unsafe { in_place1(destination, count, K::apply) };
    }
    let step = step::<K::In>(aliased, K::RARE, count);
    let mut aside = Aside::new();
    let mut start = 0;
    while start < count {
        let piece = step.min(count - start);
        // SAFETY: `start + piece <= count`; the operand is apart or copied aside
        unsafe {
            let source = aside.piece(source.add(start), piece, aliased);
            let destination = std::slice::from_raw_parts_mut(destination.add(start), piece);
            loop1::<K>(destination, source);
        }
        start += piece;
    }
}

/// # Safety
/// As [`TileFn`].
#[inline(always)]
unsafe fn tile2<K: Map2, const IN_PLACE: bool>(
    destination: *mut u8,
    lhs: *const u8,
    rhs: *const u8,
    count: usize,
) {
    let destination = destination.cast::<MaybeUninit<K::Out>>();
    let (lhs, rhs) = (lhs.cast::<K::In>(), rhs.cast::<K::In>());
    let left = destination.cast_const().cast::<u8>() == lhs.cast();
    let right = destination.cast_const().cast::<u8>() == rhs.cast();
    if left != right && IN_PLACE && !K::RARE {
        // SAFETY: the caller's promise
        return unsafe {
            match right {
                true => {
                    let others = std::slice::from_raw_parts(lhs, count);
                    in_place2(destination, others, |rhs, lhs| K::apply(lhs, rhs))
                }
                false => {
                    let others = std::slice::from_raw_parts(rhs, count);
                    in_place2(destination, others, K::apply)
                }
            }
        };
    }
    let step = step::<K::In>(left | right, K::RARE, count);
    let (mut left_aside, mut right_aside) = (Aside::new(), Aside::new());
    let mut start = 0;
    while start < count {
        let piece = step.min(count - start);
        // SAFETY: `start + piece <= count`; operands are apart or copied aside
        unsafe {
            let lhs = left_aside.piece(lhs.add(start), piece, left);
            let rhs = right_aside.piece(rhs.add(start), piece, right);
            let destination = std::slice::from_raw_parts_mut(destination.add(start), piece);
            loop2::<K>(destination, lhs, rhs);
        }
        start += piece;
    }
}

/// # Safety
/// As [`TileFn`].
#[inline(always)]
unsafe fn tile3<K: Map3, const IN_PLACE: bool>(
    destination: *mut u8,
    first: *const u8,
    second: *const u8,
    third: *const u8,
    count: usize,
) {
    let destination = destination.cast::<MaybeUninit<K::Out>>();
    let first = first.cast::<K::First>();
    let (second, third) = (second.cast::<K::Rest>(), third.cast::<K::Rest>());
    let aliased = [first as usize, second as usize, third as usize]
        .map(|operand| operand == destination as usize);
    let any = aliased[0] | aliased[1] | aliased[2];
    if IN_PLACE && aliased.iter().filter(|aliased| **aliased).count() == 1 {
        use std::slice::from_raw_parts as slice;
        // SAFETY: the caller's promise
        return unsafe {
            let to = destination;
            match aliased {
                [true, _, _] => {
                    let others = (slice(second, count), slice(third, count));
                    in_place3(to, others, |first, second, third| {
                        K::apply(first, second, third)
                    })
                }
                [_, true, _] => {
                    let others = (slice(first, count), slice(third, count));
                    in_place3(to, others, |second, first, third| {
                        K::apply(first, second, third)
                    })
                }
                _ => {
                    let others = (slice(first, count), slice(second, count));
                    in_place3(to, others, |third, first, second| {
                        K::apply(first, second, third)
                    })
                }
            }
        };
    }
    let step = if any { ASIDE } else { count.max(1) };
    let mut first_aside = Aside::new();
    let (mut second_aside, mut third_aside) = (Aside::new(), Aside::new());
    let mut start = 0;
    while start < count {
        let piece = step.min(count - start);
        // SAFETY: `start + piece <= count`; operands are apart or copied aside
        unsafe {
            let first = first_aside.piece(first.add(start), piece, aliased[0]);
            let second = second_aside.piece(second.add(start), piece, aliased[1]);
            let third = third_aside.piece(third.add(start), piece, aliased[2]);
            let destination = std::slice::from_raw_parts_mut(destination.add(start), piece);
            loop3::<K>(destination, first, second, third);
        }
        start += piece;
    }
}

compiled!(
    /// The loop of a function of one element.
    map1, Map1, |first, second, third| tile1(first)
);
compiled!(
    /// The loop of a function of two elements.
    map2, Map2, |first, second, third| tile2(first, second)
);
compiled!(
    /// The loop of a function of three elements.
    map3, Map3, |first, second, third| tile3(first, second, third)
);

/// The loop of a function that has nothing to gain from vectors, compiled once.
pub fn map1_portable<K: Map1>() -> TileFn {
    map1::baseline::<K>
}

/// As [`map1_portable`], of two elements.
pub fn map2_portable<K: Map2>() -> TileFn {
    map2::baseline::<K>
}
