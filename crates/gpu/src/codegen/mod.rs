//! Kernel text in WGSL: registers, access to packed elements, scalar instructions, and a library
//! of functions of which each kernel takes along those that it calls.

mod access;
mod accumulator;
mod address;
mod complex;
mod integer;
mod library;
mod real;
mod register;
mod scalar;
mod text;

pub(crate) use access::{decode, encode};
pub(crate) use accumulator::Accumulator;
pub(crate) use address::{Steps, index_parameters, places};
pub(crate) use register::{Register, raw};
pub(crate) use scalar::{binary, cast, instruction, round};
pub(crate) use text::{KernelText, Ownership};
