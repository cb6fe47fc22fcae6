//! What each operation does under transforms, by family: derivative, batching, decomposition.

pub mod batch;
pub mod decompose;
pub mod derivative;
