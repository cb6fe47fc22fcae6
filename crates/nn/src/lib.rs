//! Neural networks: [`Module`] with a derive, layers, and in [`functional`] the mathematics of
//! every layer and loss, once.
#![forbid(unsafe_code)]

// so that the derive's paths work inside this crate too
extern crate self as mlx_oxide_nn;

pub mod functional;
mod gradient;
pub mod init;
pub mod layers;
mod module;

pub use gradient::value_and_grad;
pub use layers::*;
pub use mlx_oxide_nn_derive::Module;
pub use module::{Module, ModuleExt, Path, Visitor, VisitorMut};
