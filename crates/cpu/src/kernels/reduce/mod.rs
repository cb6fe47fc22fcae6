//! Reductions over any axes of any layout.
//!
//! Axes are sorted by stride ([`loops`]), so that memory is read in order. If the reduced axes hold
//! the neighbours, rows are folded in registers ([`along`]); else they are folded into a vector of
//! accumulators ([`across`]). How work is cut depends on sizes alone, and so do results.

mod across;
mod along;
pub(crate) mod kinds;
mod log_sum_exp;
mod loops;
#[cfg(test)]
mod tests;

use crate::simd::Isa;
use crate::simd::element::Element;
use crate::with_element;
use kinds::{All, Any, Max, Min, Prod, Reduction, Sum};
use loops::Loops;
use mlx_oxide_ir::{ArrayType, Dtype, Reduce, ReduceKind, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored};
use smallvec::smallvec;

pub(crate) fn supports(op: &Reduce, inputs: &[&ArrayType]) -> bool {
    match op.kind {
        ReduceKind::Sum
        | ReduceKind::Prod
        | ReduceKind::Max
        | ReduceKind::Min
        | ReduceKind::All
        | ReduceKind::Any => true,
        ReduceKind::LogSumExp => inputs[0].dtype.is_floating(),
    }
}

pub(crate) fn run(op: &Reduce, call: &Call<'_>) -> Result<Results> {
    run_with(op, call, Isa::best())
}

/// Runs the call on an instruction set.
fn run_with(op: &Reduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let dtype = call.inputs[0].dtype;
    match op.kind {
        ReduceKind::Sum => with_element!(dtype, T => reduce::<Sum<Modular<T>>>(op, call, isa)),
        ReduceKind::Prod => with_element!(dtype, T => reduce::<Prod<Modular<T>>>(op, call, isa)),
        ReduceKind::Max => with_element!(dtype, T => reduce::<Max<T>>(op, call, isa)),
        ReduceKind::Min => with_element!(dtype, T => reduce::<Min<T>>(op, call, isa)),
        ReduceKind::All => with_element!(dtype, T => reduce::<All<Bits<T>>>(op, call, isa)),
        ReduceKind::Any => with_element!(dtype, T => reduce::<Any<Bits<T>>>(op, call, isa)),
        ReduceKind::LogSumExp => log_sum_exp::run(op, call, isa),
    }
}

/// The type whose kernel for sums and products serves the element.
type Modular<T> = <T as Element>::Modular;
/// The type whose kernel for truth serves the element.
type Bits<T> = <T as Element>::Bits;

/// A reduction under way.
struct Reducer<'a, F: Reduction> {
    name: &'static str,
    loops: &'a Loops,
    operand: *const F::In,
    result: *mut F::Out,
    /// Whether elements lie at multiples of their width.
    aligned: bool,
}

// SAFETY: tasks write results of their own, and nobody writes what they read
unsafe impl<F: Reduction> Sync for Reducer<'_, F> {}

fn reduce<F: Reduction>(op: &Reduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let (operand, output) = (&call.inputs[0], &call.outputs[0]);
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    debug_assert_eq!(output.dtype.size(), size_of::<F::Out>());
    if output.size() > 0 {
        let loops = Loops::new(&operand.layout, &op.axes);
        let pointer = operand.buffer.host_ptr()?.as_ptr();
        let reducer = Reducer::<F> {
            name: op.name(),
            loops: &loops,
            operand: pointer.cast_const().cast(),
            result: buffer.host_ptr()?.as_ptr().cast(),
            aligned: (pointer as usize).is_multiple_of(align_of::<F::In>()),
        };
        if loops.is_across() {
            reducer.across(isa)?;
        } else {
            reducer.along(isa)?;
        }
    }
    Ok(smallvec![Stored::contiguous(buffer, output)])
}
