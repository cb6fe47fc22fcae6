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
    /// The steps of a recurrent layer. Inputs: the sequence's share of all gates `(B, T, G·H)`
    /// with their biases, the weights that the hidden state meets `(H, G·H)`, for [`Cell::Gru`]
    /// the bias of its candidate `(H)`, then if `states` the hidden state to begin with `(B, H)`
    /// and for [`Cell::Lstm`] the cell state. Outputs: the hidden states `(B, T, H)` and for
    /// [`Cell::Lstm`] the cell states.
    Recurrent {
        /// What a step computes.
        cell: Cell,
        /// Whether states to begin with are given; they are zero otherwise.
        states: bool,
    },
}

/// What one step of a recurrent layer computes of its gates: `a`, the sequence's share, and
/// `u = h·W`, that of the hidden state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cell {
    /// Long short-term memory: of `i, f, g, o` in `a + u`, `c ← σ(f)·c + σ(i)·tanh(g)` and
    /// `h ← σ(o)·tanh(c)`.
    Lstm,
    /// A gated recurrent unit: of `r, z, n` in `a` and `u`, `r ← σ(a_r + u_r)`,
    /// `z ← σ(a_z + u_z)`, `n ← tanh(a_n + r·(u_n + bias))` and `h ← (1 - z)·n + z·h`.
    Gru,
}

impl Cell {
    /// How many gates a step has.
    pub const fn gates(self) -> usize {
        match self {
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// How many inputs come before the states: the sequence's share, the weights and, of a GRU, the
    /// bias.
    pub const fn parameters(self) -> usize {
        match self {
            Cell::Lstm => 2,
            Cell::Gru => 3,
        }
    }

    /// How many states a step hands on.
    pub const fn states(self) -> usize {
        match self {
            Cell::Lstm => 2,
            Cell::Gru => 1,
        }
    }
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
            Fast::Recurrent { cell, .. } => match cell {
                Cell::Lstm => "lstm",
                Cell::Gru => "gru",
            },
        }
    }
}
