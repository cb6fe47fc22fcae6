//! Which operations keep which axes apart.

use crate::array::Array;
use mlx_oxide_ir::{ArrayType, Fast, Op, Shape, View, layout::SliceRange};

/// How many leading axes an operation keeps apart: every element of the result depends only on
/// elements under the same indices of these axes, which all inputs but those that it
/// [takes whole](takes_whole) have with the same sizes.
pub(super) fn local_axes(op: &Op, inputs: &[Array], output: &ArrayType) -> usize {
    let ndim = output.shape.ndim();
    match op {
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) | Op::Fused(_) => ndim,
        Op::Reduce(reduce) => reduce.axes.first().copied().unwrap_or(ndim),
        Op::ArgReduce(reduce) => reduce.axis,
        Op::Scan(scan) => scan.axis,
        Op::Fast(Fast::Softmax { .. } | Fast::RmsNorm { .. } | Fast::LayerNorm { .. }) => {
            ndim.saturating_sub(1)
        }
        Op::View(view) => match inputs.first() {
            Some(input) => local_axes_of_view(view, input.shape(), &output.shape),
            None => 0,
        },
        Op::Source(_)
        | Op::Index(_)
        | Op::Sort(_)
        | Op::Contract(_)
        | Op::Fft(_)
        | Op::Linalg(_)
        | Op::Random(_)
        | Op::Fast(
            Fast::Rope { .. }
            | Fast::Attention { .. }
            | Fast::NormGradient { .. }
            | Fast::Recurrent { .. },
        )
        | Op::Quantized(_)
        | Op::FusedReduce(_)
        | Op::Custom(_) => 0,
    }
}

fn local_axes_of_view(view: &View, input: &Shape, output: &Shape) -> usize {
    let same_sizes = || {
        let pairs = input.iter().zip(output.iter());
        pairs.take_while(|(from, to)| from == to).count()
    };
    match view {
        View::Reshape(_) => same_sizes(),
        View::Broadcast(_) if input.ndim() == output.ndim() => same_sizes(),
        View::Broadcast(_) => 0,
        View::Permute(axes) => {
            let fixed = axes.iter().enumerate();
            fixed.take_while(|(axis, from)| axis == *from).count()
        }
        View::Slice(ranges) => {
            let whole = |(range, size): &(&SliceRange, &usize)| range.is_full(**size);
            ranges.iter().zip(input.iter()).take_while(whole).count()
        }
        View::StopGradient | View::Contiguous => output.ndim(),
        View::Bitcast(_) | View::AsStrided(_) => 0,
    }
}

/// Whether every row needs all of the input at a place.
pub(super) fn takes_whole(op: &Op, place: usize) -> bool {
    matches!(op, Op::Fast(_)) && place > 0
}

/// Whether an operation brings elements of a row together.
pub(super) fn is_row_wise(op: &Op) -> bool {
    matches!(
        op,
        Op::Reduce(_) | Op::ArgReduce(_) | Op::Scan(_) | Op::Fast(_)
    )
}

/// Whether the order in which elements of a row are brought together follows from their layout.
pub(super) fn folds_in_order_of_memory(op: &Op) -> bool {
    matches!(op, Op::Reduce(_) | Op::ArgReduce(_) | Op::Scan(_))
}

/// The operation on a part of the rows: a view names shapes, which have other leading sizes then.
pub(super) fn on_part(op: &Op, cut: impl Fn(&Shape) -> Shape) -> Op {
    match op {
        Op::View(View::Reshape(shape)) => Op::View(View::Reshape(cut(shape))),
        Op::View(View::Broadcast(shape)) => Op::View(View::Broadcast(cut(shape))),
        Op::View(View::Slice(ranges)) => {
            let sizes: Shape = ranges.iter().map(|range| range.count).collect();
            let sizes = cut(&sizes);
            let parts = ranges.iter().zip(sizes.iter());
            let part = |(range, &size): (&SliceRange, &usize)| SliceRange {
                count: size,
                ..*range
            };
            Op::View(View::Slice(parts.map(part).collect()))
        }
        other => other.clone(),
    }
}
