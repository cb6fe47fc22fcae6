//! Matrix products of our own: operands are packed into panels that fit the caches, and small
//! kernels keep a tile of the result in registers.
//!
//! Each element of a result is summed over blocks of at most [`INNER`] terms, in order, by fused
//! multiply-adds; long inner axes are summed in parts of several blocks first. Sizes alone decide
//! how; so results do not depend on the number of threads.

pub(crate) mod compiled;
mod deep;
pub(crate) mod dots;
pub(crate) mod element;
mod finish;
pub(crate) mod kernel;
mod long;
pub(crate) mod matrix;
#[cfg(target_arch = "x86_64")]
mod narrow;
mod owned;
pub(crate) mod pack;
#[cfg(target_arch = "x86_64")]
mod paired;
mod panels;
pub(crate) mod product;
#[cfg(target_arch = "x86_64")]
mod shallow;
mod sliced;
mod small;
#[cfg(target_arch = "x86_64")]
mod stack;
#[cfg(test)]
mod tests;
mod thin;
#[cfg(target_arch = "x86_64")]
mod tile;
pub(crate) mod vector;

pub(crate) use element::{Element, Scalar};
pub(crate) use finish::Finish;
pub(crate) use matrix::Matrix;
pub(crate) use panels::Panels;
pub(crate) use product::{multiply, multiply_alone};
pub(crate) use small::Small;

/// The most terms that a kernel sums before it adds to the result.
pub(crate) const INNER: usize = 256;
