//! Compositions with kernels of their own.

mod cross_entropy;
mod gated_delta;
mod recurrent;

pub use cross_entropy::cross_entropy;
pub use gated_delta::{GatedDelta, gated_delta_update};
pub use recurrent::{gru, lstm};

use super::{binary, create, reduce, unary, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use crate::rules::decompose;
use mlx_oxide_ir::{Dtype, Error, Fast, Op, Result, Shape, normalize_axes, result_type};

fn apply(fast: Fast, inputs: &[&Array]) -> Result<Array> {
    Array::apply(Op::Fast(fast), inputs)
}

/// `exp(x - max)/Σ exp(x - max)` over axes, or all where none are given.
pub fn softmax(a: &Array, axes: Option<&[i64]>, precise: bool) -> Result<Array> {
    shapeless::call(
        || Call::Softmax(axes.map(<[i64]>::to_vec), precise),
        &[a],
        || {
            let real = unary::astype(a, a.dtype().at_least_float())?;
            let axes = match axes {
                Some(axes) => normalize_axes("softmax", axes, a.ndim())?,
                None => (0..a.ndim()).collect(),
            };
            if axes.is_empty() {
                return create::ones_like(&real);
            }
            let last = a.ndim() - 1;
            if axes.as_slice() == [last] {
                return apply(Fast::Softmax { precise }, &[&real]);
            }
            if reduce::is_across(&real, &axes) {
                // whole lines of neighbours are treated alike: nothing need be brought together
                let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
                return decompose::softmax(&real, &axes, true);
            }
            // bring the axes last, join them, and undo both
            let kept: Vec<usize> = (0..a.ndim()).filter(|axis| !axes.contains(axis)).collect();
            let order: mlx_oxide_ir::Axes = kept.iter().chain(&axes).copied().collect();
            let moved = view::permute(&real, order.clone())?;
            let mut joined: Shape = kept.iter().map(|&axis| a.shape()[axis]).collect();
            joined.push(axes.iter().map(|&axis| a.shape()[axis]).product());
            let rows = view::reshape_to(&moved, joined)?;
            let result = view::reshape_to(
                &apply(Fast::Softmax { precise }, &[&rows])?,
                moved.shape().clone(),
            )?;
            let mut inverse = order.clone();
            for (place, &axis) in order.iter().enumerate() {
                inverse[axis] = place;
            }
            view::permute(&result, inverse)
        },
    )
}

/// `x/√(mean(x²) + eps)·weight` over the last axis; without a weight it is one.
///
/// Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization".
pub fn rms_norm(x: &Array, weight: Option<&Array>, eps: f64) -> Result<Array> {
    let inputs: Vec<&Array> = std::iter::once(x).chain(weight).collect();
    shapeless::call(
        || Call::RmsNorm {
            weight: weight.is_some(),
            eps: eps.into(),
        },
        &inputs,
        || {
            let (x, weight, _) = parameters("rms_norm", x, weight, None)?;
            apply(Fast::RmsNorm { eps: eps.into() }, &[&x, &weight])
        },
    )
}

/// `(x - mean)/√(var + eps)·weight + bias` over the last axis; without a weight it is one,
/// without a bias zero.
///
/// Source: Ba, Kiros and Hinton 2016, "Layer Normalization".
pub fn layer_norm(
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    eps: f64,
) -> Result<Array> {
    let inputs: Vec<&Array> = std::iter::once(x).chain(weight).chain(bias).collect();
    shapeless::call(
        || Call::LayerNorm {
            weight: weight.is_some(),
            bias: bias.is_some(),
            eps: eps.into(),
        },
        &inputs,
        || {
            let (x, weight, bias) = parameters("layer_norm", x, weight, bias)?;
            apply(Fast::LayerNorm { eps: eps.into() }, &[&x, &weight, &bias])
        },
    )
}

fn parameters(
    op: &'static str,
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
) -> Result<(Array, Array, Array)> {
    let Some(&features) = x.shape().last() else {
        return Err(Error::ShapeUnsuitable {
            op,
            rule: "the input must have at least one axis",
            shape: x.shape().clone(),
        });
    };
    let mut dtype = x.dtype();
    for parameter in [weight, bias].into_iter().flatten() {
        dtype = result_type(dtype, parameter.dtype());
    }
    let vector = |parameter: Option<&Array>, value: f64| match parameter {
        Some(parameter) => unary::astype(parameter, dtype),
        None => create::full_scalar([features], mlx_oxide_ir::Scalar::new(value, dtype)),
    };
    Ok((
        unary::astype(x, dtype)?,
        vector(weight, 1.0)?,
        vector(bias, 0.0)?,
    ))
}

/// Parameters of [`rope`] besides the arrays.
#[derive(Clone, Copy, Debug)]
pub struct RopeOptions {
    /// Rotated dimensions of the last axis, even.
    pub dims: usize,
    /// Whether pairs are neighbours rather than halves.
    pub traditional: bool,
    /// Base of the frequencies `base^(-2i/dims)`, if they are not given.
    pub base: Option<f64>,
    /// Factor of the positions.
    pub scale: f64,
}

/// Rotary position embedding of `(…, T, D)`: pairs of the first `dims` features are turned by
/// `(offset + t)·scale·frequency`.
///
/// `freqs` are the reciprocals of the frequencies; exactly one of `freqs` and `base` is given.
/// Source: Su et al. 2021, "RoFormer".
pub fn rope(
    x: &Array,
    offset: &Array,
    freqs: Option<&Array>,
    options: RopeOptions,
) -> Result<Array> {
    let invalid = |argument, value: &str, expected| {
        Err(Error::InvalidArgument {
            op: "rope",
            argument,
            value: value.to_owned(),
            expected,
        })
    };
    let frequencies = match (freqs, options.base) {
        (Some(freqs), None) => unary::reciprocal(&unary::astype(freqs, Dtype::Float32)?)?,
        (None, Some(base)) => {
            let pairs = options.dims / 2;
            let exponents = create::arange(0.0, pairs as f64, 1.0, Dtype::Float32)?;
            let factor = -base.ln() / (pairs.max(1)) as f64;
            unary::exp(&binary::multiply(
                &exponents,
                &unary::scalar_like(&exponents, factor)?,
            )?)?
        }
        (Some(_), Some(_)) => return invalid("freqs", "given along with base", "only one of both"),
        (None, None) => return invalid("base", "None without freqs", "one of base and freqs"),
    };
    if x.ndim() < 3 {
        return Err(Error::ShapeUnsuitable {
            op: "rope",
            rule: "the input must have at least three axes",
            shape: x.shape().clone(),
        });
    }
    let offset = unary::astype(offset, Dtype::Int32)?;
    let offset = if offset.size() == 1 {
        view::reshape_to(&offset, Shape::scalar())?
    } else {
        offset
    };
    let fast = Fast::Rope {
        dims: options.dims,
        traditional: options.traditional,
        scale: options.scale.into(),
        inverse: false,
    };
    apply(fast, &[x, &offset, &frequencies])
}

/// What attention hides.
pub enum Mask<'a> {
    /// Nothing.
    None,
    /// Position `t` of `T` sees keys up to `t + S - T`.
    Causal,
    /// Bool, true where seen, or added to the scores; broadcasts to `(B, H, T, S)`.
    Array(&'a Array),
}

/// `softmax(scale·Q·Kᵀ + mask)·V` of `(B, H, T, D)` queries with `(B, H/g, S, D)` keys and values;
/// each group of `g` query heads shares one key head. `sinks` adds one score per head that has no
/// value.
///
/// Source: Vaswani et al. 2017, "Attention Is All You Need".
///
/// # Errors
/// Shapes that do not fit; a mask whose dtype does not promote to the others'.
pub fn scaled_dot_product_attention(
    queries: &Array,
    keys: &Array,
    values: &Array,
    scale: f64,
    mask: Mask<'_>,
    sinks: Option<&Array>,
) -> Result<Array> {
    let dtype = result_type(queries.dtype(), result_type(keys.dtype(), values.dtype()));
    let queries = unary::astype(queries, dtype)?;
    let keys = unary::astype(keys, dtype)?;
    let values = unary::astype(values, dtype)?;
    let mut inputs = vec![queries, keys, values];
    let causal = matches!(mask, Mask::Causal);
    let masked = matches!(mask, Mask::Array(_));
    if let Mask::Array(mask) = mask {
        if result_type(mask.dtype(), dtype) != dtype {
            return Err(Error::DtypeUnsupported {
                op: "scaled_dot_product_attention",
                dtype: mask.dtype(),
                expected: "a mask of bool, or one that promotes to the dtype of queries, keys and values",
            });
        }
        inputs.push(if mask.dtype() == Dtype::Bool {
            mask.clone()
        } else {
            unary::astype(mask, dtype)?
        });
    }
    if let Some(sinks) = sinks {
        inputs.push(unary::astype(sinks, dtype)?);
    }
    let fast = Fast::Attention {
        scale: scale.into(),
        causal,
        masked,
        sinks: sinks.is_some(),
    };
    apply(fast, &inputs.iter().collect::<Vec<_>>())
}
