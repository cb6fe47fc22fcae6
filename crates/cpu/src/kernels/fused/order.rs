//! Operations on operands that all lie in another order than that of rows: results lie in it, too,
//! so that memory is read and written from one end to the other.

use mlx_oxide_ir::{ArrayType, Result};
use mlx_oxide_runtime::{Call, Operand, Results};
use smallvec::SmallVec;

/// Elements below which results had better lie in the order of rows, which more loops like.
const LEAST: usize = 1024;

/// Axes, outermost first.
type Order = SmallVec<[usize; 4]>;

/// Runs an elementwise operation by `run` with its axes in the order in which all operands lie, if
/// that is not the order of rows.
pub(super) fn run_in_order(
    call: &Call<'_>,
    run: impl FnOnce(&Call<'_>) -> Result<Results>,
) -> Result<Results> {
    let Some(order) = common(call) else {
        return run(call);
    };
    let inputs: SmallVec<[Operand; 4]> = call
        .inputs
        .iter()
        .map(|input| Operand {
            layout: input.layout.permute(&order),
            ..input.clone()
        })
        .collect();
    let outputs: SmallVec<[ArrayType; 4]> = call
        .outputs
        .iter()
        .map(|output| ArrayType {
            shape: order.iter().map(|&axis| output.shape[axis]).collect(),
            dtype: output.dtype,
        })
        .collect();
    let mut results = run(&Call {
        op: call.op,
        inputs: &inputs,
        outputs: &outputs,
        stream: call.stream,
    })?;
    let mut back: Order = SmallVec::from_elem(0, order.len());
    for (place, &axis) in order.iter().enumerate() {
        back[axis] = place;
    }
    for result in &mut results {
        result.layout = result.layout.permute(&back);
    }
    Ok(results)
}

/// The order in which all operands lie without gaps, but for those that are repeated along an axis.
fn common(call: &Call<'_>) -> Option<Order> {
    let shape = &call.outputs.first()?.shape;
    if shape.ndim() < 2 || shape.size() < LEAST {
        return None;
    }
    let is_repeated = |input: &&Operand| {
        let mut axes = input.layout.strides.iter().zip(shape.iter());
        axes.any(|(stride, size)| *stride == 0 && *size > 1)
    };
    let mut whole = call.inputs.iter().filter(|input| !is_repeated(input));
    let first = &whole.next()?.layout;
    if first.is_contiguous() {
        return None;
    }
    let mut order: Order = (0..shape.ndim()).collect();
    order.sort_by_key(|&axis| std::cmp::Reverse(first.strides[axis]));
    let lies_so = |input: &Operand| input.layout.permute(&order).is_contiguous();
    (first.permute(&order).is_contiguous() && whole.all(lies_so)).then_some(order)
}
