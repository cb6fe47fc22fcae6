//! Compositions with kernels of their own.

use crate::arguments::{ArrayArgument, Axes, list, to_array};
use crate::array::{PyArray, wrap, wrap_all};
use mlx_oxide_core::ops::fast::{self, GatedDelta, Mask, RopeOptions};
use mlx_oxide_ir::Dtype;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

super::functions! {
    /// `ln Σ e^logits - logits[…, target]` over the last axis.
    ///
    /// Args:
    ///     logits: an array `(…, classes)`.
    ///     targets: class numbers of shape `(…)`.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit; targets that are no integers.
    ///
    /// Example:
    ///     >>> mx.fast.cross_entropy(mx.array([[0.0, 0.0]]), mx.array([1]))
    ///     array([0.693147], dtype=float32)
    cross_entropy[logits, targets, *](logits: ArrayArgument, targets: ArrayArgument) -> PyArray =
        wrap(fast::cross_entropy(&logits.0, &targets.0));
    /// The gated delta rule: outputs and the last state.
    ///
    /// For each time `S ← γ·S + β·(v - γ·S·k)·kᵀ`, and the output `S·q`. Source: Yang, Kautz and
    /// Hatamizadeh 2024, "Gated Delta Networks".
    ///
    /// Args:
    ///     q, k: queries and keys `(B, T, H, D)`.
    ///     v: values `(B, T, H', E)`.
    ///     gamma, beta: decays and rates of writing.
    ///     initial_state: the state to begin with, zeros by default.
    ///     mask: which times count, `(B, T)`.
    ///
    /// Returns:
    ///     A list of the outputs and the last state.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit.
    ///
    /// Example:
    ///     >>> outputs, state = mx.fast.gated_delta_update(q, k, v, gamma, beta)
    gated_delta_update[q, k, v, gamma, beta, initial_state = None, mask = None](
        q: ArrayArgument, k: ArrayArgument, v: ArrayArgument, gamma: ArrayArgument,
        beta: ArrayArgument, initial_state: Option<ArrayArgument>, mask: Option<ArrayArgument>
    ) -> Vec<PyArray> = {
        let update = fast::gated_delta_update(&GatedDelta {
            queries: &q.0,
            keys: &k.0,
            values: &v.0,
            gamma: &gamma.0,
            beta: &beta.0,
            state: initial_state.as_ref().map(|state| &state.0),
            mask: mask.as_ref().map(|mask| &mask.0),
        });
        wrap_all(update.map(|(outputs, state)| vec![outputs, state]))
    };
    /// Hidden and cell states of long short-term memory.
    ///
    /// Args:
    ///     gates: the sequence's share of the gates `(…, T, 4·H)`, with the biases.
    ///     weight: the weights that the hidden state meets, `(H, 4·H)`.
    ///     hidden, cell: the states to begin with, `(…, H)`, zeros by default.
    ///
    /// Returns:
    ///     A list of the hidden and the cell states, `(…, T, H)`.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit; dtypes that are not floating.
    _lstm[gates, weight, hidden = None, cell = None](
        gates: ArrayArgument, weight: ArrayArgument, hidden: Option<ArrayArgument>,
        cell: Option<ArrayArgument>
    ) -> Vec<PyArray> = {
        let hidden = hidden.as_ref().map(|hidden| &hidden.0);
        let cell = cell.as_ref().map(|cell| &cell.0);
        let states = fast::lstm(&gates.0, &weight.0, hidden, cell);
        wrap_all(states.map(|(hidden, cell)| vec![hidden, cell]))
    };
    /// Hidden states of gated recurrent units.
    ///
    /// Args:
    ///     gates: the sequence's share of the gates `(…, T, 3·H)`, with the biases.
    ///     weight: the weights that the hidden state meets, `(H, 3·H)`.
    ///     bias: the bias of the hidden state's share of the candidate, `(H)`.
    ///     hidden: the state to begin with, `(…, H)`, zeros by default.
    ///
    /// Returns:
    ///     The hidden states `(…, T, H)`.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit; dtypes that are not floating.
    _gru[gates, weight, bias = None, hidden = None](
        gates: ArrayArgument, weight: ArrayArgument, bias: Option<ArrayArgument>,
        hidden: Option<ArrayArgument>
    ) -> PyArray = {
        let bias = bias.as_ref().map(|bias| &bias.0);
        let hidden = hidden.as_ref().map(|hidden| &hidden.0);
        wrap(fast::gru(&gates.0, &weight.0, bias, hidden))
    };
    /// `x/√(mean(x²) + eps)·weight` over the last axis.
    ///
    /// Args:
    ///     x: a floating array.
    ///     weight: a vector of the last size, or `None`.
    ///     eps: what keeps the root from zero.
    ///
    /// Raises:
    ///     ValueError: a scalar; a weight of another shape.
    ///
    /// Example:
    ///     >>> mx.fast.rms_norm(mx.array([3.0, 3.0]), None, 0.0)
    ///     array([1, 1], dtype=float32)
    rms_norm[x, weight, eps, *](
        x: ArrayArgument, weight: Option<ArrayArgument>, eps: f64
    ) -> PyArray = wrap(fast::rms_norm(&x.0, weight.as_ref().map(|weight| &weight.0), eps));
    /// `(x - mean)/√(var + eps)·weight + bias` over the last axis.
    ///
    /// Args:
    ///     x: a floating array.
    ///     weight, bias: vectors of the last size, or `None`.
    ///     eps: what keeps the root from zero.
    ///
    /// Raises:
    ///     ValueError: a scalar; a weight or bias of another shape.
    ///
    /// Example:
    ///     >>> mx.fast.layer_norm(mx.array([1.0, 3.0]), None, None, 0.0)
    ///     array([-1, 1], dtype=float32)
    layer_norm[x, weight, bias, eps, *](
        x: ArrayArgument, weight: Option<ArrayArgument>, bias: Option<ArrayArgument>, eps: f64
    ) -> PyArray = wrap(fast::layer_norm(
        &x.0,
        weight.as_ref().map(|weight| &weight.0),
        bias.as_ref().map(|bias| &bias.0),
        eps,
    ));
    /// Rotary position embedding.
    ///
    /// Pairs of the first `dims` elements of the last axis turn by angles in proportion to their
    /// position: `scale·(offset + t)·base^(-2i/dims)`. Source: Su et al. 2021, "RoFormer".
    ///
    /// Args:
    ///     a: an array `(B, …, T, D)`.
    ///     dims: how many elements turn; an even number.
    ///     traditional: whether pairs are neighbours, or of both halves.
    ///     base: the base of the angles, or `None` where `freqs` are given.
    ///     scale: what positions are multiplied by.
    ///     offset: the first position, an integer, or a vector of one for each of `B`.
    ///     freqs: a vector of `dims/2` periods instead of `base`.
    ///
    /// Raises:
    ///     ValueError: fewer than three axes; both or neither of `base` and `freqs`; other sizes.
    ///
    /// Example:
    ///     >>> x = mx.ones((1, 2, 4))
    ///     >>> mx.fast.rope(x, 4, traditional=False, base=10000.0, scale=1.0, offset=0).shape
    ///     (1, 2, 4)
    rope[a, dims, *, traditional, base, scale, offset, freqs = None](
        a: ArrayArgument, dims: usize, traditional: bool, base: Option<f64>, scale: f64,
        offset: &Bound<'_, PyAny>, freqs: Option<ArrayArgument>
    ) -> PyArray = {
        let offset = to_array(offset, Some(Dtype::Int32))?;
        let options = RopeOptions { dims, traditional, base, scale };
        wrap(fast::rope(&a.0, &offset, freqs.as_ref().map(|freqs| &freqs.0), options))
    };
    /// `softmax(scale·Q·Kᵀ + mask)·V`.
    ///
    /// Source: Vaswani et al. 2017, "Attention Is All You Need".
    ///
    /// Args:
    ///     q: queries `(B, H, T, D)`.
    ///     k, v: keys and values `(B, H/g, S, D)`: each group of `g` heads shares one.
    ///     scale: what scores are multiplied by, usually `D ** -0.5`.
    ///     mask: `"causal"`, by which query `t` sees keys up to `t + S - T`; a `bool` array, true where
    ///         seen; or an array added to the scores. Arrays broadcast to `(B, H, T, S)`.
    ///     sinks: a vector of a score for each head that takes part in the softmax and has no value.
    ///     force_fused: accepted for MLX's sake.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit; a mask whose dtype does not promote to the queries'.
    ///
    /// Example:
    ///     >>> x = mx.ones((1, 2, 3, 4))
    ///     >>> mx.fast.scaled_dot_product_attention(x, x, x, scale=0.5, mask="causal").shape
    ///     (1, 2, 3, 4)
    scaled_dot_product_attention[q, k, v, *, scale, mask = None, sinks = None, force_fused = false](
        q: ArrayArgument, k: ArrayArgument, v: ArrayArgument, scale: f64,
        mask: Option<&Bound<'_, PyAny>>, sinks: Option<ArrayArgument>, force_fused: bool
    ) -> PyArray = {
        let array;
        let mask = match mask {
            None => Mask::None,
            Some(mask) => match mask.extract::<String>() {
                Ok(name) if name == "causal" => Mask::Causal,
                Ok(name) => {
                    return Err(PyValueError::new_err(format!(
                        "[scaled_dot_product_attention] mask is {name:?}; expected \"causal\" or an array"
                    )));
                }
                Err(_) => {
                    array = to_array(mask, None)?;
                    Mask::Array(&array)
                }
            },
        };
        let sinks = sinks.as_ref().map(|sinks| &sinks.0);
        wrap(fast::scaled_dot_product_attention(&q.0, &k.0, &v.0, scale, mask, sinks))
    };
}

/// `exp(x - max)/Σ exp(x - max)` over axes, or all.
///
/// Args:
///     a: any array; integers become `float32`.
///     axis: one axis or several, which count as one; all by default.
///     precise: whether 16-bit floats sum up in `float32`.
///
/// Raises:
///     IndexError: an axis out of bounds.
///
/// Example:
///     >>> mx.softmax(mx.array([0.0, 0.0]))
///     array([0.5, 0.5], dtype=float32)
#[pyfunction]
#[pyo3(signature = (a, /, axis = None, *, precise = false, stream = None))]
fn softmax(
    a: ArrayArgument,
    axis: Option<Axes>,
    precise: bool,
    stream: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyArray> {
    let _scope = crate::device::enter(stream)?;
    wrap(fast::softmax(&a.0, list(&axis), precise))
}

/// Functions of this family that are in the main module.
pub(super) fn register_core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(softmax, module)?)
}
