//! Compositions that have kernels of their own.

use crate::real::Real;
use serde::{Deserialize, Serialize};

/// A composition that a backend may run in one pass; every one has a decomposition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fast {
    /// `exp(x - max)/Σ exp(x - max)` over the last axis; `precise` accumulates in `float32`.
    Softmax {
        /// Whether 16-bit floats are computed in `float32` throughout.
        precise: bool,
    },
    /// `x/√(mean(x²) + eps)·weight` over the last axis. Inputs: x, weight of the last axis' size.
    RmsNorm {
        /// Added to the mean square.
        eps: Real,
    },
    /// `(x - mean)/√(var + eps)·weight + bias` over the last axis. Inputs: x, weight, bias, each
    /// of the last axis' size.
    LayerNorm {
        /// Added to the variance.
        eps: Real,
    },
    /// Rotary position embedding of the first `dims` of the last axis of `(B, …, T, D)`. Inputs:
    /// x, offset (a scalar or one per batch element, `int32`), frequencies (`dims/2`, `float32`).
    Rope {
        /// Rotated dimensions, even.
        dims: usize,
        /// Whether pairs are neighbours rather than halves.
        traditional: bool,
        /// Factor of the positions.
        scale: Real,
        /// Whether the rotation is inverted (the transpose).
        inverse: bool,
    },
    /// `softmax(scale·Q·Kᵀ + mask)·V` for `(B, H, T, D)`, grouped heads. Inputs: queries, keys,
    /// values, then a mask broadcast to `(B, H, T, S)` if `masked`, then sinks `(H,)` if `sinks`.
    Attention {
        /// Factor of the scores.
        scale: Real,
        /// Whether position `t` sees only keys up to `t + S - T`.
        causal: bool,
        /// Whether a mask is given: bool (true is seen) or added to the scores.
        masked: bool,
        /// Whether each head has one more score without a value.
        sinks: bool,
    },
    /// The gradients of [`Fast::RmsNorm`] or, centred, of [`Fast::LayerNorm`]: with `x̂` the
    /// normalised rows, `s` their factor `1/√(… + eps)` and `d = cotangent·weight`, outputs
    /// `s·(d - mean(d) - x̂·mean(d·x̂))` (`mean(d)` if centred only), `Σ cotangent·x̂` over all
    /// rows and, if centred, `Σ cotangent`. Inputs: x, weight of the last axis' size, cotangent
    /// of x's shape.
    NormGradient {
        /// Added to the mean square or variance.
        eps: Real,
        /// Whether rows are normalised by their mean, too.
        centred: bool,
    },
}

impl Fast {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Fast::Softmax { .. } => "softmax",
            Fast::RmsNorm { .. } => "rms_norm",
            Fast::LayerNorm { .. } => "layer_norm",
            Fast::Rope { .. } => "rope",
            Fast::Attention { .. } => "scaled_dot_product_attention",
            Fast::NormGradient { centred: false, .. } => "rms_norm_gradient",
            Fast::NormGradient { centred: true, .. } => "layer_norm_gradient",
        }
    }
}
