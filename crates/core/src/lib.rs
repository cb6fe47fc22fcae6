//! Lazy arrays, operations, their rules, and function transforms.
//!
//! [`Array`] is a handle to a node of a graph; [`ops`] build nodes; [`eval`] computes them;
//! [`transforms`] trace functions into graphs and rewrite those. No kernel is seen from here.
#![forbid(unsafe_code)]

pub mod array;
pub mod compile;
mod eval;
pub mod export;
pub mod graph;
pub mod ops;
pub mod rules;
pub mod transforms;

pub use array::{Array, CustomRules, Element, Expression, Role, Site};
pub use eval::{Traffic, async_eval, eval, eval_counted, eval_few, eval_in_rows, eval_unfused};
pub use mlx_oxide_ir::{ArrayType, Dtype, Error, ErrorClass, Result, Scalar, Shape};
pub use mlx_oxide_runtime::{Device, DeviceType, Stream};
pub use rules::batch::Batched;
