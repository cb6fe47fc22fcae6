//! What every operation does to one element, and the tables that choose its compiled loop.
//!
//! A *lane* is how a value lies in a register: the element itself, a byte for bool, and an `f32`
//! that is already rounded for the 16-bit floats.

mod boolean;
mod cast;
mod complex;
mod half;
mod integer;
mod joined;
mod product;
mod real;

pub(super) use cast::{cast, cast_elements, copy};
pub(in crate::kernels) use half::{Halves, narrow, widen};
pub(super) use half::{half_binary, half_clamp, half_rounded, half_unary, round};
pub(super) use joined::{After, applied, chain, where_nan};

use crate::simd::{Isa, Map3, TileFn, map3};
use mlx_oxide_ir::{Binary, Dtype, Unary};
use std::marker::PhantomData;

/// Bytes of a lane.
pub(super) const fn width(dtype: Dtype) -> usize {
    if is_half(dtype) { 4 } else { dtype.size() }
}

/// Whether lanes differ from elements.
pub(in crate::kernels) const fn is_half(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::Float16 | Dtype::Bfloat16)
}

/// The loop of a unary operation on lanes of `dtype`; of none outside the domain.
pub(super) fn unary(op: Unary, dtype: Dtype, isa: Isa) -> Option<TileFn> {
    match dtype {
        Dtype::Bool => boolean::unary(op, isa),
        Dtype::Uint8 => integer::unary::<u8>(op, isa),
        Dtype::Uint16 => integer::unary::<u16>(op, isa),
        Dtype::Uint32 => integer::unary::<u32>(op, isa),
        Dtype::Uint64 => integer::unary::<u64>(op, isa),
        Dtype::Int8 => integer::unary::<i8>(op, isa),
        Dtype::Int16 => integer::unary::<i16>(op, isa),
        Dtype::Int32 => integer::unary::<i32>(op, isa),
        Dtype::Int64 => integer::unary::<i64>(op, isa),
        Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float32 => real::unary::<f32>(op, isa),
        Dtype::Float64 => real::unary::<f64>(op, isa),
        Dtype::Complex64 => complex::unary(op, isa),
    }
}

/// The loop of a binary operation on lanes of `dtype`; of none outside the domain.
pub(super) fn binary(op: Binary, dtype: Dtype, isa: Isa) -> Option<TileFn> {
    match dtype {
        Dtype::Bool => boolean::binary(op, isa),
        Dtype::Uint8 => integer::binary::<u8>(op, isa),
        Dtype::Uint16 => integer::binary::<u16>(op, isa),
        Dtype::Uint32 => integer::binary::<u32>(op, isa),
        Dtype::Uint64 => integer::binary::<u64>(op, isa),
        Dtype::Int8 => integer::binary::<i8>(op, isa),
        Dtype::Int16 => integer::binary::<i16>(op, isa),
        Dtype::Int32 => integer::binary::<i32>(op, isa),
        Dtype::Int64 => integer::binary::<i64>(op, isa),
        Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float32 => real::binary::<f32>(op, isa),
        Dtype::Float64 => real::binary::<f64>(op, isa),
        Dtype::Complex64 => complex::binary(op, isa),
    }
}

/// What a loop computes, for those that there are other ways to compute than by that loop. Together
/// with it goes the dtype of the lanes, of which results of 16-bit floats are not yet rounded unless
/// it says so.
#[derive(Clone, Copy)]
pub(super) enum Formula {
    /// An operation of one operand.
    Unary(Unary),
    /// An operation of two operands.
    Binary(Binary),
    /// What [`chain`] computes, with its arguments.
    Chain(Binary, Binary, bool),
    /// What [`applied`] computes, with its arguments.
    Applied(Unary, bool, After),
    /// What [`where_nan`] computes.
    WhereNan,
    /// What [`select`] computes.
    Select,
    /// What [`widen`] computes.
    Widen,
    /// What [`narrow`] computes.
    Narrow,
    /// What [`round`] computes.
    Round,
    /// What [`half_rounded`] computes.
    Rounded(Binary),
    /// What [`half_binary`] computes: of elements, not of lanes.
    Elements(Binary),
    /// What [`cast`] computes, to this dtype.
    Cast(Dtype),
}

impl Formula {
    /// Whether the first two operands may change places.
    pub(super) fn is_symmetric(self) -> bool {
        match self {
            Formula::Binary(op) | Formula::Chain(op, ..) => {
                matches!(op, Binary::Add | Binary::Multiply)
            }
            Formula::Unary(_) | Formula::Applied(..) | Formula::WhereNan | Formula::Select => false,
            Formula::Widen | Formula::Narrow | Formula::Round => false,
            // there are no loops beside single elements
            Formula::Rounded(_) | Formula::Elements(_) | Formula::Cast(_) => false,
        }
    }

    /// The loop for operands that are `single` elements or tiles; none where they have to be spread
    /// over tiles.
    pub(super) fn beside(self, single: [bool; 3], dtype: Dtype, isa: Isa) -> Option<TileFn> {
        match (self, dtype) {
            (Formula::Binary(op), Dtype::Float32) => {
                let right = match single {
                    [false, true, _] => true,
                    [true, false, _] => false,
                    _both_or_none => return None,
                };
                real::binary_beside::<f32>(op, right, isa)
            }
            (Formula::Chain(first, second, swapped), _) => {
                joined::chain_beside((first, second, swapped), single, dtype, isa)
            }
            (Formula::Unary(_) | Formula::Binary(_) | Formula::Applied(..), _)
            | (Formula::WhereNan | Formula::Select | Formula::Cast(_), _)
            | (Formula::Widen | Formula::Narrow | Formula::Round, _)
            | (Formula::Rounded(_) | Formula::Elements(_), _) => None,
        }
    }
}

/// Kernel: the second operand where the byte is not zero, else the third.
struct Select<T>(PhantomData<T>);

impl<T: Copy> Map3 for Select<T> {
    type First = u8;
    type Rest = T;
    type Out = T;
    #[inline(always)]
    fn apply(condition: u8, on_true: T, on_false: T) -> T {
        if condition != 0 { on_true } else { on_false }
    }
}

/// The loop of a selection between lanes of `dtype`.
pub(super) fn select(dtype: Dtype, isa: Isa) -> TileFn {
    match width(dtype) {
        1 => map3::<Select<u8>>(isa),
        2 => map3::<Select<u16>>(isa),
        4 => map3::<Select<u32>>(isa),
        _ => map3::<Select<u64>>(isa),
    }
}

/// Whether the operation maps values of a 16-bit float onto such values, so that nothing is left
/// to round.
pub(super) fn keeps_rounding(op: Unary) -> bool {
    matches!(
        op,
        Unary::Abs
            | Unary::Negative
            | Unary::Sign
            | Unary::Ceil
            | Unary::Floor
            | Unary::RoundEven
            | Unary::Conjugate
            | Unary::Real
            | Unary::Imag
    )
}

/// As [`keeps_rounding`], of two operands.
pub(super) fn binary_keeps_rounding(op: Binary) -> bool {
    matches!(op, Binary::Maximum | Binary::Minimum)
}

/// From this weight on, computing takes as long as memory does.
pub(super) const HEAVY: usize = 8;

/// Roughly how many nanoseconds sixteen elements take, for cutting work into pieces.
pub(super) fn weight(op: Unary, dtype: Dtype) -> usize {
    let cheap = keeps_rounding(op)
        || matches!(op, Unary::Square | Unary::Sqrt | Unary::Rsqrt)
        || !dtype.is_inexact();
    match (cheap, dtype) {
        (true, _) => 1,
        (false, Dtype::Complex64) => 600,
        (false, Dtype::Float64) => 60,
        (false, _) => 10,
    }
}

/// As [`weight`], of two operands.
pub(super) fn binary_weight(op: Binary, dtype: Dtype) -> usize {
    match op {
        Binary::Power | Binary::LogAddExp if dtype.is_complex() => 1000,
        Binary::Power | Binary::LogAddExp | Binary::Arctan2 => 20,
        Binary::Remainder | Binary::FloorDivide if !dtype.is_floating() => 20,
        _ => 1,
    }
}
