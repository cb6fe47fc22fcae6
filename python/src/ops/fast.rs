//! Compositions with kernels of their own.

use crate::arguments::{ArrayArgument, Axes, list, to_array};
use crate::array::{PyArray, wrap, wrap_all};
use mlx_oxide_core::ops::fast::{self, GatedDelta, Mask, RopeOptions};
use mlx_oxide_ir::Dtype;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

super::functions! {
    /// `ln Σ e^logits - logits[…, target]` over the last axis.
    cross_entropy[logits, targets, *](logits: ArrayArgument, targets: ArrayArgument) -> PyArray =
        wrap(fast::cross_entropy(&logits.0, &targets.0));
    /// The gated delta rule: outputs and the last state.
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
    /// `x/√(mean(x²) + eps)·weight` over the last axis.
    rms_norm[x, weight, eps, *](
        x: ArrayArgument, weight: Option<ArrayArgument>, eps: f64
    ) -> PyArray = wrap(fast::rms_norm(&x.0, weight.as_ref().map(|weight| &weight.0), eps));
    /// `(x - mean)/√(var + eps)·weight + bias` over the last axis.
    layer_norm[x, weight, bias, eps, *](
        x: ArrayArgument, weight: Option<ArrayArgument>, bias: Option<ArrayArgument>, eps: f64
    ) -> PyArray = wrap(fast::layer_norm(
        &x.0,
        weight.as_ref().map(|weight| &weight.0),
        bias.as_ref().map(|bias| &bias.0),
        eps,
    ));
    /// Rotary position embedding.
    rope[a, dims, *, traditional, base, scale, offset, freqs = None](
        a: ArrayArgument, dims: usize, traditional: bool, base: Option<f64>, scale: f64,
        offset: &Bound<'_, PyAny>, freqs: Option<ArrayArgument>
    ) -> PyArray = {
        let offset = to_array(offset, Some(Dtype::Int32))?;
        let options = RopeOptions { dims, traditional, base, scale };
        wrap(fast::rope(&a.0, &offset, freqs.as_ref().map(|freqs| &freqs.0), options))
    };
    /// `softmax(scale·Q·Kᵀ + mask)·V`.
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
