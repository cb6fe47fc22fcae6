//! Operations that move elements between places: joining, padding, gathering, scattering.

use crate::shape::{Axes, Shape};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::layout::SliceRange;

/// How a scattered update meets what is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Combine {
    /// The update replaces it; of several updates of one place the last in row-major order wins.
    Replace,
    /// The sum of both.
    Add,
    /// The product of both.
    Multiply,
    /// The greater of both.
    Maximum,
    /// The lesser of both.
    Minimum,
}

/// Low and high padding of one axis and the gap between neighbours, in elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Padding {
    /// Elements before the first.
    pub low: usize,
    /// Elements after the last.
    pub high: usize,
    /// Elements between neighbours.
    pub interior: usize,
}

/// An operation that moves elements.
///
/// Indices are of any integer dtype; negative ones count from the end; the public functions say
/// what happens to those out of bounds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Index {
    /// Inputs joined along an axis.
    Concatenate {
        /// The axis.
        axis: usize,
    },
    /// Input 0 within a frame of input 1, a scalar.
    Pad(SmallVec<[Padding; 4]>),
    /// Input 0 with the part that the ranges name combined with input 1.
    SliceUpdate {
        /// The part.
        ranges: SmallVec<[SliceRange; 4]>,
        /// How update and old value meet.
        combine: Combine,
    },
    /// The part of input 0 that begins at input 1 (a vector with one start per axis of `axes`),
    /// moved inside the bounds where it would reach over them.
    DynamicSlice {
        /// Axes that the starts belong to.
        axes: Axes,
        /// Shape of the part.
        shape: Shape,
    },
    /// Input 0 with the part of input 1's shape that begins at input 2 replaced by input 1.
    DynamicSliceUpdate {
        /// Axes that the starts belong to.
        axes: Axes,
    },
    /// Slices of input 0. Inputs 1.. are index arrays of one shape, one for each axis of `axes`.
    /// The result has the indices' shape followed by `slice_sizes`.
    Gather {
        /// Indexed axes.
        axes: Axes,
        /// Size of the slice along every axis of the input.
        slice_sizes: Shape,
    },
    /// Input 0 with slices combined with input 1. Inputs 2.. are index arrays of one shape, one
    /// for each axis of `axes`; the updates have the indices' shape followed by a slice shape of
    /// as many axes as input 0.
    Scatter {
        /// Indexed axes.
        axes: Axes,
        /// How update and old value meet.
        combine: Combine,
    },
    /// Element `i` along `axis` is input 0's at input 1's element `i`.
    TakeAlongAxis {
        /// The axis.
        axis: usize,
    },
    /// Input 0 with, along `axis`, the places that input 1 names combined with input 2.
    ScatterAlongAxis {
        /// The axis.
        axis: usize,
        /// How update and old value meet.
        combine: Combine,
    },
}

impl Index {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Index::Concatenate { .. } => "concatenate",
            Index::Pad(_) => "pad",
            Index::SliceUpdate { .. } => "slice_update",
            Index::DynamicSlice { .. } => "slice",
            Index::DynamicSliceUpdate { .. } => "slice_update",
            Index::Gather { .. } => "gather",
            Index::Scatter { .. } => "scatter",
            Index::TakeAlongAxis { .. } => "take_along_axis",
            Index::ScatterAlongAxis { .. } => "put_along_axis",
        }
    }
}
