//! Operations that show the same elements under another shape or order; no element is computed.

use crate::dtype::Dtype;
use crate::layout::{SliceRange, Strides};
use crate::shape::{Axes, Shape};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// A view of one input. All but some [`View::Reshape`]s and [`View::Bitcast`]s share the
/// input's buffer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum View {
    /// The elements in row-major order under another shape.
    Reshape(Shape),
    /// Axis `a` of the result is axis `axes[a]` of the input.
    Permute(Axes),
    /// Stretched by NumPy's rule.
    Broadcast(Shape),
    /// A part of each axis; a negative step reverses.
    Slice(SmallVec<[SliceRange; 4]>),
    /// The bytes read as another dtype; the last axis grows or shrinks with the width.
    Bitcast(Dtype),
    /// Any shape, strides and offset over the row-major elements of the input.
    AsStrided(Box<AsStrided>),
    /// The input itself, through which no gradient flows.
    StopGradient,
    /// The input itself, its elements in row-major order without gaps.
    Contiguous,
}

/// Parameters of [`View::AsStrided`], in elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AsStrided {
    /// Shape of the result.
    pub shape: Shape,
    /// Steps along the axes.
    pub strides: Strides,
    /// Place of the first element.
    pub offset: usize,
}

impl View {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self {
            View::Reshape(_) => "reshape",
            View::Permute(_) => "transpose",
            View::Broadcast(_) => "broadcast_to",
            View::Slice(_) => "slice",
            View::Bitcast(_) => "view",
            View::AsStrided(_) => "as_strided",
            View::StopGradient => "stop_gradient",
            View::Contiguous => "contiguous",
        }
    }
}
