//! The GGUF format of llama.cpp: metadata and tensors, many of them quantized.
//!
//! As in MLX, tensors of types Q4_0, Q4_1 and Q8_0 stay quantized: `x.weight` becomes three
//! arrays, `x.weight`, `x.scales` and `x.biases`, that [`quantized_matmul`] takes in mode affine
//! with groups of 32. Tensors of the other quantized types become `float16`.
//!
//! Source: the format's description, <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
//!
//! [`quantized_matmul`]: mlx_oxide_core::ops::quantized::quantized_matmul

mod affine;
mod blocks;
mod kind;
mod read;
mod write;

pub use read::{read, read_from};
pub use write::{save, write, write_to};

use crate::error::Error;
use mlx_oxide_core::Array;
use std::collections::BTreeMap;

const OP: &str = "gguf";
const MAGIC: &[u8; 4] = b"GGUF";
/// Tensors begin at multiples of this, unless the metadata say otherwise.
const ALIGNMENT: u64 = 32;
/// The key of the metadata that say otherwise.
const ALIGNMENT_KEY: &str = "general.alignment";

/// One value of the metadata.
#[derive(Clone, Debug)]
pub enum Value {
    /// Numbers or truth values: a scalar or a vector.
    Array(Array),
    /// A text.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
}

/// What is in a file.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Arrays by name.
    pub arrays: BTreeMap<String, Array>,
    /// Metadata by key.
    pub metadata: BTreeMap<String, Value>,
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::Malformed {
        op: OP,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
