//! Contractions: matrix products and convolutions.

use crate::real::Real;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Parameters of a convolution for each spatial axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Convolution {
    /// Step of the window.
    pub stride: SmallVec<[usize; 3]>,
    /// Zeros before the input; negative crops.
    pub padding_low: SmallVec<[isize; 3]>,
    /// Zeros after the input; negative crops.
    pub padding_high: SmallVec<[isize; 3]>,
    /// Distance of the kernel's taps.
    pub kernel_dilation: SmallVec<[usize; 3]>,
    /// Distance of the input's elements (zeros between).
    pub input_dilation: SmallVec<[usize; 3]>,
    /// Independent groups of channels.
    pub groups: usize,
    /// Whether the kernel is flipped (convolution in the mathematician's sense).
    pub flip: bool,
}

/// An operation that sums products over shared axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Contract {
    /// `(…, m, k) × (…, k, n) → (…, m, n)`; the leading axes are equal.
    Matmul,
    /// `alpha·(input 1 × input 2) + beta·input 0`, all shapes as for [`Contract::Matmul`] and
    /// input 0 of the result's shape.
    Addmm {
        /// Factor of the product.
        alpha: Real,
        /// Factor of the addend.
        beta: Real,
    },
    /// Products of the matrices of input 0 and input 1 that inputs 2 and 3 (`uint32`, of one
    /// shape) pick from the leading axes, counted in row-major order.
    GatherMatmul {
        /// Whether the right indices ascend.
        sorted: bool,
    },
    /// Input `(N, spatial…, C_in)` with weight `(C_out, kernel…, C_in/groups)` gives
    /// `(N, spatial'…, C_out)`.
    Convolution(Box<Convolution>),
}

impl Contract {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Contract::Matmul => "matmul",
            Contract::Addmm { .. } => "addmm",
            Contract::GatherMatmul { .. } => "gather_mm",
            Contract::Convolution(_) => "conv_general",
        }
    }
}
