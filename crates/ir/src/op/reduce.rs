//! Reductions.

use crate::shape::Axes;
use serde::{Deserialize, Serialize};

/// What a reduction computes of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReduceKind {
    /// The sum; of bools and of integers narrower than 32 bits in `int32`, or `uint32`.
    Sum,
    /// The product, with the same dtypes as the sum.
    Prod,
    /// The greatest; NaN if any is.
    Max,
    /// The least; NaN if any is.
    Min,
    /// Whether all are nonzero.
    All,
    /// Whether any is nonzero.
    Any,
    /// `ln Σ eˣ` without overflow.
    LogSumExp,
}

/// A reduction over axes; the reduced axes stay with size 1 (public functions drop them by a
/// reshape).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reduce {
    /// What is computed.
    pub kind: ReduceKind,
    /// The axes, sorted.
    pub axes: Axes,
}

impl Reduce {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self.kind {
            ReduceKind::Sum => "sum",
            ReduceKind::Prod => "prod",
            ReduceKind::Max => "max",
            ReduceKind::Min => "min",
            ReduceKind::All => "all",
            ReduceKind::Any => "any",
            ReduceKind::LogSumExp => "logsumexp",
        }
    }
}

/// Which extreme an index reduction finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Extreme {
    /// The greatest.
    Max,
    /// The least.
    Min,
}

/// The `uint32` index of the first extreme along one axis, which stays with size 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArgReduce {
    /// Which extreme.
    pub extreme: Extreme,
    /// The axis.
    pub axis: usize,
}

impl ArgReduce {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self.extreme {
            Extreme::Max => "argmax",
            Extreme::Min => "argmin",
        }
    }
}
