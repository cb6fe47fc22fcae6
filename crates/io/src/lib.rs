//! Files of arrays: safetensors, GGUF, npy and npz.
//!
//! Readers take bytes and trust none of them: a malformed file is an [`Error`] that says what is
//! wrong, never an over-read or an allocation that the file's own size does not justify.
#![forbid(unsafe_code)]

mod elements;
mod error;
pub mod gguf;
pub mod npy;
pub mod npz;
pub mod safetensors;
mod source;

pub use error::{Error, Result};
