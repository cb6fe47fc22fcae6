//! Operations in terms of simpler ones, for backends that decline them and for derivatives.

mod fast;

pub(crate) use fast::softmax;

use crate::array::Array;
use crate::ops;
use mlx_oxide_ir::{Axes, Contract, Op, ReduceKind, Result, Source};

/// The operation applied to inputs, in simpler operations; nothing if there are none.
pub fn decompose(op: &Op, inputs: &[Array]) -> Option<Result<Vec<Array>>> {
    let array = match op {
        Op::Fast(fast) => return Some(fast::decompose(fast, inputs)),
        Op::Contract(Contract::Addmm { alpha, beta }) => addmm(inputs, alpha.get(), beta.get()),
        Op::Source(Source::Full { shape, value }) => Array::from_scalar(*value)
            .and_then(|value| ops::broadcast_to(&value, shape.clone()))
            .and_then(|array| ops::contiguous(&array)),
        Op::Reduce(reduce) if reduce.kind == ReduceKind::LogSumExp => {
            logsumexp(&inputs[0], &reduce.axes)
        }
        Op::Source(_)
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Select
        | Op::Cast(_)
        | Op::View(_)
        | Op::Index(_)
        | Op::Reduce(_)
        | Op::ArgReduce(_)
        | Op::Scan(_)
        | Op::Sort(_)
        | Op::Contract(_)
        | Op::Fft(_)
        | Op::Linalg(_)
        | Op::Random(_)
        | Op::Quantized(_)
        | Op::Fused(_)
        | Op::FusedReduce(_)
        | Op::Custom(_) => return None,
    };
    Some(array.map(|array| vec![array]))
}

fn addmm(inputs: &[Array], alpha: f64, beta: f64) -> Result<Array> {
    let product = ops::matmul(&inputs[1], &inputs[2])?;
    let scaled = if alpha == 1.0 {
        product
    } else {
        (&product * alpha)?
    };
    if beta == 0.0 {
        return Ok(scaled);
    }
    let addend = if beta == 1.0 {
        inputs[0].clone()
    } else {
        (&inputs[0] * beta)?
    };
    ops::add(&scaled, &addend)
}

/// `max + ln Σ e^(x - max)` over axes, which stay with size 1.
pub(crate) fn logsumexp(a: &Array, axes: &Axes) -> Result<Array> {
    let keep = |a: &Array, kind| ops::reduce::reduce_keeping(a, kind, axes.clone());
    if axes.iter().any(|&axis| a.shape()[axis] == 0) {
        return ops::log(&keep(a, ReduceKind::Sum)?); // nothing has no maximum
    }
    let greatest = ops::stop_gradient(&keep(a, ReduceKind::Max)?)?;
    // an infinite maximum would give inf - inf
    let shift = ops::select(
        &ops::isfinite(&greatest)?,
        &greatest,
        &ops::unary::scalar_like(&greatest, 0.0)?,
    )?;
    let shift = fast::widened(&shift)?;
    let powers = ops::exp(&ops::subtract(&fast::widened(a)?, &shift)?)?;
    let sum = keep(&powers, ReduceKind::Sum)?;
    ops::astype(&ops::add(&ops::log(&sum)?, &shift)?, a.dtype())
}
