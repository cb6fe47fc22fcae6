//! Several operations on floating lanes in one loop, so that what lies between them stays in the
//! processor's registers. Every operation rounds as it does alone: the results are the same.

use super::real::Real;
use crate::simd::{Isa, Map3, TileFn, map3, map3_first, map3_front, map3_outer};
use mlx_oxide_ir::{Binary, Dtype, Unary};
use std::marker::PhantomData;

/// Kernel: `(a FIRST b) SECOND c`, or `c SECOND (a FIRST b)` if swapped.
struct Chain<T, const FIRST: u8, const SECOND: u8, const SWAPPED: bool>(PhantomData<T>);

impl<T: Real, const FIRST: u8, const SECOND: u8, const SWAPPED: bool> Map3
    for Chain<T, FIRST, SECOND, SWAPPED>
{
    type First = T;
    type Rest = T;
    type Out = T;
    #[inline(always)]
    fn apply(a: T, b: T, c: T) -> T {
        let inner = T::binary(const { Binary::ALL[FIRST as usize] }, a, b);
        let (lhs, rhs) = if SWAPPED { (c, inner) } else { (inner, c) };
        T::binary(const { Binary::ALL[SECOND as usize] }, lhs, rhs)
    }
}

/// Kernel: the greater of `a` and `b`, then the less of that and `c`; the other way round unless
/// `MAXIMUM_FIRST`.
struct Clamp<T, const MAXIMUM_FIRST: bool>(PhantomData<T>);

impl<T: Ord + Copy, const MAXIMUM_FIRST: bool> Map3 for Clamp<T, MAXIMUM_FIRST> {
    type First = T;
    type Rest = T;
    type Out = T;
    #[inline(always)]
    fn apply(a: T, b: T, c: T) -> T {
        if MAXIMUM_FIRST {
            a.max(b).min(c)
        } else {
            a.min(b).max(c)
        }
    }
}

/// Kernel: the second operand where the first is NaN, else the third.
struct WhereNan<T>(PhantomData<T>);

impl<T: PartialEq + Copy> Map3 for WhereNan<T> {
    type First = T;
    type Rest = T;
    type Out = T;
    #[inline(always)]
    #[allow(clippy::eq_op)] // false of NaN alone
    fn apply(a: T, b: T, c: T) -> T {
        if a == a { c } else { b }
    }
}

/// What an [`Applied`] loop does after its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels::fused) enum After {
    /// Nothing.
    Nothing,
    /// Adds the third operand.
    Add,
    /// Multiplies by the third operand.
    Multiply,
}

const ADD: u8 = After::Add as u8;
const MULTIPLY: u8 = After::Multiply as u8;

/// Kernel: `f(a)` or `f(a·b)` if scaled, then what `AFTER` says about `c`.
struct Applied<const OP: u8, const SCALED: bool, const AFTER: u8>;

impl<const OP: u8, const SCALED: bool, const AFTER: u8> Map3 for Applied<OP, SCALED, AFTER> {
    type First = f32;
    type Rest = f32;
    type Out = f32;
    #[inline(always)]
    fn apply(a: f32, b: f32, c: f32) -> f32 {
        let argument = if SCALED { a * b } else { a };
        let value = f32::unary(const { Unary::ALL[OP as usize] }, argument);
        match AFTER {
            ADD => value + c,
            MULTIPLY => value * c,
            _nothing => value,
        }
    }
}

/// The loop of `(a first b) second c`, or `c second (a first b)` if swapped; none if there is no
/// such loop.
pub(in crate::kernels::fused) fn chain(
    first: Binary,
    second: Binary,
    swapped: bool,
    dtype: Dtype,
    isa: Isa,
) -> Option<TileFn> {
    match dtype {
        Dtype::Float32 => chain_of::<f32>(first, second, swapped, isa),
        Dtype::Float64 => chain_of::<f64>(first, second, swapped, isa),
        Dtype::Uint8 if !swapped => clamp_of::<u8>(first, second, isa),
        Dtype::Int32 if !swapped => clamp_of::<i32>(first, second, isa),
        Dtype::Int64 if !swapped => clamp_of::<i64>(first, second, isa),
        _without_loops => None,
    }
}

fn clamp_of<T: Ord + Copy>(first: Binary, second: Binary, isa: Isa) -> Option<TileFn> {
    match (first, second) {
        (Binary::Maximum, Binary::Minimum) => Some(map3::<Clamp<T, true>>(isa)),
        (Binary::Minimum, Binary::Maximum) => Some(map3::<Clamp<T, false>>(isa)),
        _without_loop => None,
    }
}

/// The loop of a selection whose condition is that a value is NaN: reads that value, what is chosen
/// then, and what is chosen else; none if there is no such loop.
pub(in crate::kernels::fused) fn where_nan(dtype: Dtype, isa: Isa) -> Option<TileFn> {
    match dtype {
        Dtype::Float32 => Some(map3::<WhereNan<f32>>(isa)),
        Dtype::Float64 => Some(map3::<WhereNan<f64>>(isa)),
        _without_loop => None,
    }
}

/// Looks through the first and the second operation of a chain:
/// `chains!(first, second, swapped, isa, Add …)` expands to
/// `if first == Binary::Add && second == Binary::Add && !swapped { return Some(map3::<Chain<…>>(isa)); }`
/// for each pair and order, then for what clamps, and at last `None`.
macro_rules! chains {
    ($first:ident, $second:ident, $swapped:ident, $isa:ident, $($op:ident)*) => {{
        $(if $first == Binary::$op {
            chains!(@ $op, $second, $swapped, $isa, Add false, Subtract false, Subtract true,
                Multiply false, Divide false, Divide true);
        })*
        if $first == Binary::Maximum {
            chains!(@ Maximum, $second, $swapped, $isa, Minimum false);
        }
        if $first == Binary::Minimum {
            chains!(@ Minimum, $second, $swapped, $isa, Maximum false);
        }
        None
    }};
    (@ $first:ident, $second:ident, $swapped:ident, $isa:ident, $($op:ident $order:literal),*) => {
        $(if $second == Binary::$op && $swapped == $order {
            return Some(map3::<
                Chain<T, { Binary::$first as u8 }, { Binary::$op as u8 }, $order>,
            >($isa));
        })*
    };
}

fn chain_of<T: Real>(first: Binary, second: Binary, swapped: bool, isa: Isa) -> Option<TileFn> {
    // the order does not matter
    let swapped = swapped && !matches!(second, Binary::Add | Binary::Multiply);
    chains!(first, second, swapped, isa, Add Subtract Multiply Divide)
}

/// As [`chain`], where some operands are one element each beside tiles, as `single` says; none where
/// they have to be spread over tiles.
pub(super) fn chain_beside(
    (first, second, swapped): (Binary, Binary, bool),
    single: [bool; 3],
    dtype: Dtype,
    isa: Isa,
) -> Option<TileFn> {
    if dtype != Dtype::Float32 {
        return None;
    }
    // the order does not matter
    let swapped = swapped && !matches!(second, Binary::Add | Binary::Multiply);
    macro_rules! beside {
        ($map:ident, $($first:ident $second:ident $swapped:literal),*) => {
            match (first, second, swapped) {
                $((Binary::$first, Binary::$second, $swapped) => Some($map::<
                    Chain<f32, { Binary::$first as u8 }, { Binary::$second as u8 }, $swapped>,
                >(isa)),)*
                _without_loop => None,
            }
        };
    }
    match single {
        [false, true, true] => beside!(
            map3_first, Add Add false, Add Multiply false, Add Divide false, Subtract Multiply false,
            Subtract Add false, Subtract Divide false, Multiply Add false, Multiply Subtract false,
            Multiply Subtract true, Multiply Multiply false, Divide Add false, Divide Subtract true,
            Maximum Minimum false, Minimum Maximum false
        ),
        [false, true, false] => beside!(
            map3_outer, Multiply Add false, Multiply Subtract false, Multiply Subtract true,
            Subtract Multiply false, Multiply Multiply false, Add Multiply false, Add Divide true
        ),
        [false, false, true] => beside!(
            map3_front, Multiply Add false, Multiply Subtract true, Multiply Multiply false,
            Subtract Multiply false, Add Multiply false
        ),
        _other => None,
    }
}

/// Looks through the functions: `functions!(op, scaled, after, isa, Exp …)` expands to
/// `if op == Unary::Exp { return match (scaled, after) { … => Some(map3::<Applied<…>>(isa)) }; }`
/// for each, and at last `None`.
macro_rules! functions {
    ($name:ident, $scaled:ident, $after:ident, $isa:ident, $($op:ident)*) => {{
        $(if $name == Unary::$op {
            const OP: u8 = Unary::$op as u8;
            return match ($scaled, $after) {
                (false, After::Nothing) => None,
                (true, After::Nothing) => Some(map3::<Applied<OP, true, 0>>($isa)),
                (false, After::Add) => Some(map3::<Applied<OP, false, ADD>>($isa)),
                (true, After::Add) => Some(map3::<Applied<OP, true, ADD>>($isa)),
                (false, After::Multiply) => Some(map3::<Applied<OP, false, MULTIPLY>>($isa)),
                (true, After::Multiply) => Some(map3::<Applied<OP, true, MULTIPLY>>($isa)),
            };
        })*
        None
    }};
}

/// The loop of `op(a)` or `op(a·b)`, and what comes `after`; none if there is no such loop.
pub(in crate::kernels::fused) fn applied(
    op: Unary,
    scaled: bool,
    after: After,
    dtype: Dtype,
    isa: Isa,
) -> Option<TileFn> {
    if dtype != Dtype::Float32 {
        return None;
    }
    functions!(
        op, scaled, after, isa,
        Exp Tanh Erf Sigmoid Abs Negative Square Sqrt Rsqrt
    )
}
