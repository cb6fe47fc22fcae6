//! Function transforms: each traces a function into a graph, then reads or rewrites the graph.

mod checkpoint;
mod cond;
mod custom;
mod jvp;
mod scan;
mod stated;
mod tape;
mod trace;
mod vjp;
mod vmap;
mod while_loop;

pub use checkpoint::{checkpoint, depends};
pub(crate) use cond::cond_of;
pub use cond::{Branch, ControlFlow, cond};
pub use custom::{BatchRule, CustomFunction, Function, JvpRule, VjpRule};
pub use jvp::jvp;
pub(crate) use scan::scan_of;
pub use scan::{ScanLayout, scan};
pub(crate) use stated::{StatedRules, Traced};
pub(crate) use trace::Trace;
pub use vjp::{grad, value_and_grad, vjp};
pub use vmap::{vmap, vmap_with};
pub use while_loop::while_loop;
pub(crate) use while_loop::while_of;
