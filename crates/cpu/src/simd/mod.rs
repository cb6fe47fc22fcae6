//! Loops over lanes, compiled for several instruction sets and chosen at run time.
//!
//! A kernel is a small type that says what happens to one element ([`Map1`], [`Map2`], [`Map3`]),
//! written without branches so that the compiler turns the loop around it into vector code. The
//! same source is compiled once for each [`Isa`]; since every step rounds as IEEE 754 says and
//! fused multiply-adds are written out, all of them give the same bits.

pub mod dispatch;
pub mod element;
pub mod float;
pub mod fold;
pub mod half;
pub mod hardware_half;
pub mod isa;
pub mod map;
pub mod math;
pub mod square;
pub mod stream;
pub mod strided;
pub mod turn;

pub use dispatch::{Kernel, vectorised};
pub use isa::Isa;
pub use map::{
    Map1, Map2, Map3, TileFn, map_left, map_right, map1, map1_portable, map2, map2_portable, map3,
    map3_first, map3_front, map3_outer,
};
