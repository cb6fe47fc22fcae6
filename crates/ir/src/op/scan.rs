//! Cumulative operations.

use serde::{Deserialize, Serialize};

/// What a scan accumulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScanKind {
    /// Sums.
    Sum,
    /// Products.
    Prod,
    /// Greatest so far.
    Max,
    /// Least so far.
    Min,
    /// `ln Σ eˣ`.
    LogAddExp,
}

/// A cumulative operation along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scan {
    /// What is accumulated.
    pub kind: ScanKind,
    /// The axis.
    pub axis: usize,
    /// From the last element to the first.
    pub reverse: bool,
    /// Whether element `i` takes part in result `i`; the first exclusive result is the identity.
    pub inclusive: bool,
}

impl Scan {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self.kind {
            ScanKind::Sum => "cumsum",
            ScanKind::Prod => "cumprod",
            ScanKind::Max => "cummax",
            ScanKind::Min => "cummin",
            ScanKind::LogAddExp => "logcumsumexp",
        }
    }
}
