//! Sorting and searching.

use serde::{Deserialize, Serialize};

/// An operation that orders elements along one axis. NaN counts as greater than everything;
/// equal elements keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sort {
    /// The elements in ascending order.
    Sort {
        /// The axis.
        axis: usize,
    },
    /// The `uint32` positions that sort the elements.
    Argsort {
        /// The axis.
        axis: usize,
    },
    /// The element that sorting puts at `kth`, the lesser ones before it, the others after.
    Partition {
        /// The axis.
        axis: usize,
        /// The position.
        kth: usize,
    },
    /// The `uint32` positions of such a partition.
    Argpartition {
        /// The axis.
        axis: usize,
        /// The position.
        kth: usize,
    },
    /// For each element of input 1 the `uint32` place to insert it in the sorted vector input 0:
    /// before equal elements, or after them if `right`.
    Searchsorted {
        /// After equal elements.
        right: bool,
    },
}

impl Sort {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Sort::Sort { .. } => "sort",
            Sort::Argsort { .. } => "argsort",
            Sort::Partition { .. } => "partition",
            Sort::Argpartition { .. } => "argpartition",
            Sort::Searchsorted { .. } => "searchsorted",
        }
    }
}
