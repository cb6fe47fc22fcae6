//! Layers: parameters with a `forward`.

mod convolution;
mod dropout;
mod embedding;
mod linear;
mod normalization;

pub use convolution::Conv2d;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use linear::Linear;
pub use normalization::{BatchNorm, LayerNorm, RmsNorm};
