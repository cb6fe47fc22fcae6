//! The mathematics of layers and losses, as functions of arrays.

pub mod activations;
pub mod losses;
pub mod pooling;

pub use activations::*;
