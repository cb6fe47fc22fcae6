//! Function transforms: each traces a function into a graph, then reads or rewrites the graph.

mod custom;
mod jvp;
mod tape;
mod trace;
mod vjp;
mod vmap;

pub use custom::{BatchRule, CustomFunction, Function, JvpRule, VjpRule, checkpoint, depends};
pub use jvp::jvp;
pub(crate) use trace::Trace;
pub use vjp::{grad, value_and_grad, vjp};
pub use vmap::{vmap, vmap_with};
