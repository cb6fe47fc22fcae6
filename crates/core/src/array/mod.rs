//! The lazy handle.

mod construct;
mod element;
pub mod format;
mod graph;
mod node;
mod read;

pub use element::Element;
pub use node::{CustomRules, Expression, Role, Site};
pub(crate) use node::{Node, State};

use crate::eval;
use mlx_oxide_ir::{ArrayType, Dtype, Result, Shape};
use mlx_oxide_runtime::Stream;
use std::sync::Arc;

/// An n-dimensional array whose elements are computed when they are needed.
///
/// A cheap handle: cloning shares the array. It may be used from any thread with any stream, and
/// has no device: its memory goes where an operation needs it.
#[derive(Clone)]
pub struct Array {
    pub(crate) node: Arc<Node>,
    pub(crate) output: u32,
}

impl Array {
    /// Shape and dtype.
    pub fn array_type(&self) -> &ArrayType {
        &self.node.types[self.output as usize]
    }

    /// Sizes along the axes.
    pub fn shape(&self) -> &Shape {
        &self.array_type().shape
    }

    /// Element type.
    pub fn dtype(&self) -> Dtype {
        self.array_type().dtype
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.shape().ndim()
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape().size()
    }

    /// Bytes of one element.
    pub fn itemsize(&self) -> usize {
        self.dtype().size()
    }

    /// Bytes of all elements.
    pub fn nbytes(&self) -> usize {
        self.array_type().bytes()
    }

    /// The stream that the array is, or will be, computed on.
    pub fn stream(&self) -> Stream {
        self.node.stream
    }

    /// Computes the elements now, and waits for them.
    pub fn eval(&self) -> Result<()> {
        eval::eval(std::slice::from_ref(self))
    }

    /// Whether the elements have been computed.
    pub fn is_evaluated(&self) -> bool {
        matches!(*self.node.state.lock(), State::Ready { .. })
    }

    /// Whether both are one and the same output of one node.
    pub fn is_same(&self, other: &Array) -> bool {
        Arc::ptr_eq(&self.node, &other.node) && self.output == other.output
    }

    /// A number that is this array's own as long as it lives.
    pub fn id(&self) -> usize {
        (Arc::as_ptr(&self.node) as usize).wrapping_add(self.output as usize)
    }

    /// Whether a transform that is under way follows this array.
    pub fn is_traced(&self) -> bool {
        self.node.live_trace().is_some()
    }
}
