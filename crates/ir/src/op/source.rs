//! Operations that make arrays out of nothing or out of parameters.

use crate::dtype::Dtype;
use crate::infer::ArrayType;
use crate::real::Real;
use crate::scalar::Scalar;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// An operation without inputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// Every element is `value`.
    Full {
        /// Shape of the result.
        shape: Shape,
        /// The element.
        value: Scalar,
    },
    /// Element `i` is `start + i·step`, computed in double precision for floats.
    Arange {
        /// First element.
        start: Real,
        /// Distance of neighbours.
        step: Real,
        /// Number of elements.
        count: usize,
        /// Dtype of the result.
        dtype: Dtype,
    },
    /// An input of a traced function, which has no value.
    Placeholder(Box<ArrayType>),
}

impl Source {
    /// Its name in messages and pictures.
    pub const fn name(&self) -> &'static str {
        match self {
            Source::Full { .. } => "full",
            Source::Arange { .. } => "arange",
            Source::Placeholder(_) => "placeholder",
        }
    }
}
