//! Sorting and searching.

use super::{unary, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use mlx_oxide_ir::{Error, Op, Result, Sort, normalize_axis, result_type};

/// The array and axis to work on: the flat array where no axis is given.
fn along(op: &'static str, a: &Array, axis: Option<i64>) -> Result<(Array, usize)> {
    match axis {
        Some(axis) => Ok((a.clone(), normalize_axis(op, axis, a.ndim())?)),
        None => Ok((view::reshape_to(a, [a.size()])?, 0)),
    }
}

/// The elements in ascending order along an axis, or of the flat array; NaN comes last.
pub fn sort(a: &Array, axis: Option<i64>) -> Result<Array> {
    shapeless::call(
        || Call::Sort(axis),
        &[a],
        || {
            let (a, axis) = along("sort", a, axis)?;
            Array::apply(Op::Sort(Sort::Sort { axis }), &[&a])
        },
    )
}

/// The `uint32` positions that sort the elements along an axis, or of the flat array.
pub fn argsort(a: &Array, axis: Option<i64>) -> Result<Array> {
    shapeless::call(
        || Call::Argsort(axis),
        &[a],
        || {
            let (a, axis) = along("argsort", a, axis)?;
            Array::apply(Op::Sort(Sort::Argsort { axis }), &[&a])
        },
    )
}

fn position(op: &'static str, kth: i64, size: usize) -> Result<usize> {
    let place = if kth < 0 { kth + size as i64 } else { kth };
    usize::try_from(place)
        .ok()
        .filter(|place| *place < size)
        .ok_or_else(|| Error::InvalidArgument {
            op,
            argument: "kth",
            value: format!("{kth} for an axis of size {size}"),
            expected: "a position inside the axis",
        })
}

/// The element that sorting puts at `kth` along an axis, lesser ones before it, others after.
pub fn partition(a: &Array, kth: i64, axis: Option<i64>) -> Result<Array> {
    shapeless::call(
        || Call::Partition(kth, axis),
        &[a],
        || {
            let (a, axis) = along("partition", a, axis)?;
            let kth = position("partition", kth, a.shape()[axis])?;
            Array::apply(Op::Sort(Sort::Partition { axis, kth }), &[&a])
        },
    )
}

/// The `uint32` positions of such a partition.
pub fn argpartition(a: &Array, kth: i64, axis: Option<i64>) -> Result<Array> {
    shapeless::call(
        || Call::Argpartition(kth, axis),
        &[a],
        || {
            let (a, axis) = along("argpartition", a, axis)?;
            let kth = position("argpartition", kth, a.shape()[axis])?;
            Array::apply(Op::Sort(Sort::Argpartition { axis, kth }), &[&a])
        },
    )
}

/// The `k` greatest elements along an axis, or of the flat array, in no order.
pub fn topk(a: &Array, k: usize, axis: Option<i64>) -> Result<Array> {
    shapeless::call(
        || Call::Topk(k, axis),
        &[a],
        || {
            let (a, axis) = along("topk", a, axis)?;
            let size = a.shape()[axis];
            if k > size {
                return Err(Error::InvalidArgument {
                    op: "topk",
                    argument: "k",
                    value: format!("{k} for an axis of size {size}"),
                    expected: "at most the size",
                });
            }
            if k == size || k == 0 {
                return view::slice_axis(&a, axis, 0, k);
            }
            let parted = partition(&a, (size - k) as i64, Some(axis as i64))?;
            view::slice_axis(&parted, axis, size - k, size)
        },
    )
}

/// For each value the `uint32` place where it keeps a sorted vector sorted: before equal
/// elements, or after them if `right`.
pub fn searchsorted(sequence: &Array, values: &Array, right: bool) -> Result<Array> {
    let dtype = result_type(sequence.dtype(), values.dtype());
    let sequence = unary::astype(sequence, dtype)?;
    let values = unary::astype(values, dtype)?;
    Array::apply(
        Op::Sort(Sort::Searchsorted { right }),
        &[&sequence, &values],
    )
}
