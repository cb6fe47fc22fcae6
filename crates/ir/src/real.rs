//! Floating parameters of operations, compared and hashed by their bits.

use serde::{Deserialize, Serialize};

/// An `f64` that is equal to another exactly when their bits are, so that [`crate::Op`] can
/// derive `Eq` and `Hash`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Real(u64);

impl Real {
    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for Real {
    fn from(value: f64) -> Self {
        Real(value.to_bits())
    }
}

impl From<f32> for Real {
    fn from(value: f32) -> Self {
        Real(f64::from(value).to_bits())
    }
}

impl std::fmt::Debug for Real {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.get(), formatter)
    }
}
