//! Random bits.

use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// A counter-based generator: the same key gives the same bits, on every device.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Random {
    /// Uniform bits by Threefry-2×32 of 20 rounds (Salmon et al. 2011). Input: keys
    /// `(…, 2)` of `uint32`; the result has the keys' leading axes followed by `shape`, and
    /// elements of `width` bytes.
    Bits {
        /// Shape drawn for each key.
        shape: Shape,
        /// Bytes of an element: 1, 2 or 4.
        width: u8,
    },
}

impl Random {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Random::Bits { .. } => "bits",
        }
    }
}
