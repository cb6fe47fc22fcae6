//! Conversions between lanes.
//!
//! Integers wrap. Floats lose their fraction in an integer, saturate at 64 bits, then wrap; NaN
//! becomes 0. Bool is whether a value, or a part of it, differs from zero; NaN does. Complex
//! numbers lose their imaginary part in any other dtype.

use crate::simd::half::bf16_to_f32;
use crate::simd::{Isa, Map1, TileFn, map1};
use mlx_oxide_ir::Dtype;
use num_complex::Complex32;
use std::marker::PhantomData;

/// What a lane converts to.
trait Source: Copy {
    fn to_bool(self) -> bool;
    /// Modulo 2⁶⁴.
    fn to_integer(self) -> u64;
    /// As [`Source::to_integer`], but floats from 2⁶³ on fit.
    fn to_unsigned(self) -> u64 {
        self.to_integer()
    }
    fn to_f32(self) -> f32;
    fn to_f64(self) -> f64;
    fn to_complex(self) -> Complex32 {
        Complex32::new(self.to_f32(), 0.0)
    }
}

/// Implements [`Source`] for integers: `as` wraps and rounds to nearest.
macro_rules! integer_source {
    ($($type:ident)*) => {$(
        impl Source for $type {
            #[inline(always)]
            fn to_bool(self) -> bool { self != 0 }
            #[inline(always)]
            fn to_integer(self) -> u64 { self as u64 }
            #[inline(always)]
            fn to_f32(self) -> f32 { self as f32 }
            #[inline(always)]
            fn to_f64(self) -> f64 { self as f64 }
        }
    )*};
}
integer_source!(u8 u16 u32 u64 i8 i16 i32 i64);

/// Implements [`Source`] for floats: `as` truncates and saturates.
macro_rules! real_source {
    ($($type:ident)*) => {$(
        impl Source for $type {
            #[inline(always)]
            fn to_bool(self) -> bool { self != 0.0 }
            #[inline(always)]
            fn to_integer(self) -> u64 { self as i64 as u64 }
            #[inline(always)]
            fn to_unsigned(self) -> u64 {
                if self >= 0.0 { self as u64 } else { self as i64 as u64 }
            }
            #[inline(always)]
            fn to_f32(self) -> f32 { self as f32 }
            #[inline(always)]
            fn to_f64(self) -> f64 { self as f64 }
        }
    )*};
}
real_source!(f32 f64);

impl Source for Complex32 {
    #[inline(always)]
    fn to_bool(self) -> bool {
        (self.re != 0.0) | (self.im != 0.0)
    }
    #[inline(always)]
    fn to_integer(self) -> u64 {
        self.re.to_integer()
    }
    #[inline(always)]
    fn to_unsigned(self) -> u64 {
        self.re.to_unsigned()
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self.re
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self.re)
    }
    #[inline(always)]
    fn to_complex(self) -> Complex32 {
        self
    }
}

/// What a lane is converted from.
trait Target: Copy {
    fn convert<S: Source>(source: S) -> Self;
}

/// A bool lane.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Truth(u8);

impl Target for Truth {
    #[inline(always)]
    fn convert<S: Source>(source: S) -> Self {
        Truth(u8::from(source.to_bool()))
    }
}

/// Implements [`Target`]: `target!(u8 => to_integer)` expands to `convert(s) = s.to_integer() as u8`.
macro_rules! target {
    ($($type:ident => $method:ident;)*) => {$(
        impl Target for $type {
            #[inline(always)]
            fn convert<S: Source>(source: S) -> Self { source.$method() as $type }
        }
    )*};
}
target! {
    u8 => to_integer; u16 => to_integer; u32 => to_integer; u64 => to_unsigned;
    f32 => to_f32; f64 => to_f64;
}

impl Target for Complex32 {
    #[inline(always)]
    fn convert<S: Source>(source: S) -> Self {
        source.to_complex()
    }
}

/// Kernel: conversion.
struct Convert<S, T>(PhantomData<(S, T)>);

impl<S: Source, T: Target> Map1 for Convert<S, T> {
    type In = S;
    type Out = T;
    #[inline(always)]
    fn apply(operand: S) -> T {
        T::convert(operand)
    }
}

/// 2³¹.
const LIMIT: f32 = 2_147_483_648.0;
/// The greatest number below it.
const BELOW: f32 = 2_147_483_520.0;

/// Kernel: conversion to an integer of at most 32 bits, by way of one of 32, which vectors have.
struct Truncated<T>(PhantomData<T>);

impl<T: Target> Map1 for Truncated<T> {
    type In = f32;
    type Out = T;
    const RARE: bool = true;
    #[inline(always)]
    fn apply(operand: f32) -> T {
        // `as` would saturate, which is rare and takes longer than all else
        let operand = if operand > -LIMIT { operand } else { -LIMIT };
        let operand = if operand < BELOW { operand } else { BELOW };
        // SAFETY: it lies between both, which are integers of 32 bits, and is a number
        T::convert(unsafe { operand.to_int_unchecked::<i32>() })
    }
    #[inline(always)]
    fn is_rare(operand: f32) -> bool {
        let fits = operand.abs() < LIMIT;
        !fits // NaN does not
    }
    fn slow(operand: f32) -> T {
        T::convert(operand)
    }
}

/// Kernel: [`Truncated`] of elements of `bfloat16`.
struct TruncatedHalf<T>(PhantomData<T>);

impl<T: Target> Map1 for TruncatedHalf<T> {
    type In = u16;
    type Out = T;
    const RARE: bool = true;
    #[inline(always)]
    fn apply(operand: u16) -> T {
        Truncated::<T>::apply(bf16_to_f32(operand))
    }
    #[inline(always)]
    fn is_rare(operand: u16) -> bool {
        Truncated::<T>::is_rare(bf16_to_f32(operand))
    }
    fn slow(operand: u16) -> T {
        Truncated::<T>::slow(bf16_to_f32(operand))
    }
}

/// Kernel: the bits as they are.
struct Copied<T>(PhantomData<T>);

impl<T: Copy> Map1 for Copied<T> {
    type In = T;
    type Out = T;
    #[inline(always)]
    fn apply(operand: T) -> T {
        operand
    }
}

/// The loop that copies lanes of `width` bytes.
pub(in crate::kernels::fused) fn copy(width: usize, isa: Isa) -> TileFn {
    match width {
        1 => map1::<Copied<u8>>(isa),
        2 => map1::<Copied<u16>>(isa),
        4 => map1::<Copied<u32>>(isa),
        _ => map1::<Copied<u64>>(isa),
    }
}

/// The loop that converts lanes; the result of a 16-bit float is still to be rounded.
pub(in crate::kernels::fused) fn cast(from: Dtype, to: Dtype, isa: Isa) -> TileFn {
    let bytes = from.size();
    if from == to || (from.is_integer() && to.is_integer() && bytes == to.size()) {
        return copy(super::width(from), isa);
    }
    match from {
        Dtype::Bool | Dtype::Uint8 => to_dtype::<u8>(to, isa),
        Dtype::Uint16 => to_dtype::<u16>(to, isa),
        Dtype::Uint32 => to_dtype::<u32>(to, isa),
        Dtype::Uint64 => to_dtype::<u64>(to, isa),
        Dtype::Int8 => to_dtype::<i8>(to, isa),
        Dtype::Int16 => to_dtype::<i16>(to, isa),
        Dtype::Int32 => to_dtype::<i32>(to, isa),
        Dtype::Int64 => to_dtype::<i64>(to, isa),
        Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float32 => match to {
            Dtype::Uint8 | Dtype::Int8 => map1::<Truncated<u8>>(isa),
            Dtype::Uint16 | Dtype::Int16 => map1::<Truncated<u16>>(isa),
            Dtype::Uint32 | Dtype::Int32 => map1::<Truncated<u32>>(isa),
            _ => to_dtype::<f32>(to, isa),
        },
        Dtype::Float64 => to_dtype::<f64>(to, isa),
        Dtype::Complex64 => to_dtype::<Complex32>(to, isa),
    }
}

/// The loop that converts elements of a 16-bit float, not lanes; none if there is no such loop.
pub(in crate::kernels::fused) fn cast_elements(from: Dtype, to: Dtype, isa: Isa) -> Option<TileFn> {
    match (from, to) {
        (Dtype::Bfloat16, Dtype::Uint8 | Dtype::Int8) => Some(map1::<TruncatedHalf<u8>>(isa)),
        (Dtype::Bfloat16, Dtype::Uint16 | Dtype::Int16) => Some(map1::<TruncatedHalf<u16>>(isa)),
        (Dtype::Bfloat16, Dtype::Uint32 | Dtype::Int32) => Some(map1::<TruncatedHalf<u32>>(isa)),
        _by_way_of_lanes => None,
    }
}

fn to_dtype<S: Source>(to: Dtype, isa: Isa) -> TileFn {
    match to {
        Dtype::Bool => map1::<Convert<S, Truth>>(isa),
        Dtype::Uint8 | Dtype::Int8 => map1::<Convert<S, u8>>(isa),
        Dtype::Uint16 | Dtype::Int16 => map1::<Convert<S, u16>>(isa),
        Dtype::Uint32 | Dtype::Int32 => map1::<Convert<S, u32>>(isa),
        Dtype::Uint64 => map1::<Convert<S, u64>>(isa),
        Dtype::Int64 => map1::<Convert<S, Wrapped>>(isa),
        Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float32 => map1::<Convert<S, f32>>(isa),
        Dtype::Float64 => map1::<Convert<S, f64>>(isa),
        Dtype::Complex64 => map1::<Convert<S, Complex32>>(isa),
    }
}

/// An `int64` lane, unlike `u64` in what great floats become.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Wrapped(u64);

impl Target for Wrapped {
    #[inline(always)]
    fn convert<S: Source>(source: S) -> Self {
        Wrapped(source.to_integer())
    }
}
