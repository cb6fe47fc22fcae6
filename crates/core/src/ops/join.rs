//! Joining, splitting and repeating.

use super::{unary, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use mlx_oxide_ir::{Error, Index, Op, Padding, Result, Shape, normalize_axis, result_type};
use smallvec::SmallVec;

/// Arrays joined along an axis; dtypes promote.
///
/// # Errors
/// No array; shapes that differ off the axis.
pub fn concatenate(arrays: &[&Array], axis: i64) -> Result<Array> {
    let Some(first) = arrays.first() else {
        return Err(Error::InputCount {
            op: "concatenate",
            expected: 1,
            found: 0,
        });
    };
    let axis = normalize_axis("concatenate", axis, first.ndim())?;
    if arrays.len() == 1 {
        return Ok((*first).clone());
    }
    let dtype = arrays.iter().fold(first.dtype(), |dtype, array| {
        result_type(dtype, array.dtype())
    });
    let arrays: Vec<Array> = arrays
        .iter()
        .map(|array| unary::astype(array, dtype))
        .collect::<Result<_>>()?;
    Array::apply(
        Op::Index(Index::Concatenate { axis }),
        &arrays.iter().collect::<Vec<_>>(),
    )
}

/// Arrays of one shape joined along a new axis.
pub fn stack(arrays: &[&Array], axis: i64) -> Result<Array> {
    shapeless::call(
        || Call::Stack(axis),
        arrays,
        || {
            let Some(first) = arrays.first() else {
                return Err(Error::InputCount {
                    op: "stack",
                    expected: 1,
                    found: 0,
                });
            };
            if let Some(other) = arrays.iter().find(|array| array.shape() != first.shape()) {
                return Err(Error::ShapeMismatch {
                    op: "stack",
                    rule: "shapes differ",
                    lhs: first.shape().clone(),
                    rhs: other.shape().clone(),
                });
            }
            let axis = normalize_axis("stack", axis, first.ndim() + 1)? as i64;
            let expanded: Vec<Array> = arrays
                .iter()
                .map(|array| view::expand_dims(array, &[axis]))
                .collect::<Result<_>>()?;
            concatenate(&expanded.iter().collect::<Vec<_>>(), axis)
        },
    )
}

/// The array cut before each of the positions `indices` of an axis.
pub fn split_at(a: &Array, indices: &[i64], axis: i64) -> Result<Vec<Array>> {
    shapeless::call_all(
        || Call::SplitAt(indices.to_vec(), axis),
        &[a],
        || {
            let axis = normalize_axis("split", axis, a.ndim())?;
            let size = a.shape()[axis];
            let clamp = |index: i64| {
                let index = if index < 0 {
                    index + size as i64
                } else {
                    index
                };
                index.clamp(0, size as i64) as usize
            };
            let bounds = std::iter::once(0)
                .chain(indices.iter().map(|index| clamp(*index)))
                .chain(std::iter::once(size))
                .collect::<Vec<_>>();
            bounds
                .windows(2)
                .map(|pair| view::slice_axis(a, axis, pair[0], pair[1]))
                .collect()
        },
    )
}

/// The array cut in `parts` equal parts along an axis.
pub fn split(a: &Array, parts: usize, axis: i64) -> Result<Vec<Array>> {
    shapeless::call_all(
        || Call::Split(parts, axis),
        &[a],
        || {
            let normal = normalize_axis("split", axis, a.ndim())?;
            let size = a.shape()[normal];
            if parts == 0 || !size.is_multiple_of(parts) {
                return Err(Error::InvalidArgument {
                    op: "split",
                    argument: "parts",
                    value: format!("{parts} for an axis of size {size}"),
                    expected: "a divisor of the size",
                });
            }
            view::check_parts("split", parts)?;
            let step = size / parts;
            let indices: Vec<i64> = (1..parts).map(|part| (part * step) as i64).collect();
            split_at(a, &indices, axis)
        },
    )
}

/// The array within a frame of `value`; `widths[axis]` is (before, after).
pub fn pad(a: &Array, widths: &[(usize, usize)], value: &Array) -> Result<Array> {
    if widths.len() != a.ndim() {
        return Err(Error::InvalidArgument {
            op: "pad",
            argument: "pad_width",
            value: format!("{widths:?} for shape {}", a.shape()),
            expected: "one pair of widths per axis",
        });
    }
    if widths.iter().all(|width| *width == (0, 0)) {
        return Ok(a.clone());
    }
    let paddings = widths
        .iter()
        .map(|&(low, high)| Padding {
            low,
            high,
            interior: 0,
        })
        .collect();
    pad_interior(a, paddings, value)
}

/// The array within a frame of `value` that also fills gaps between neighbours.
pub(crate) fn pad_interior(
    a: &Array,
    paddings: SmallVec<[Padding; 4]>,
    value: &Array,
) -> Result<Array> {
    let value = unary::astype(value, a.dtype())?;
    Array::apply(Op::Index(Index::Pad(paddings)), &[a, &value])
}

/// Each element `repeats` times in a row along an axis, or of the flat array.
pub fn repeat(a: &Array, repeats: usize, axis: Option<i64>) -> Result<Array> {
    shapeless::call(
        || Call::Repeat(repeats, axis),
        &[a],
        || {
            let Some(axis) = axis else {
                return repeat(&view::flatten(a, 0, -1)?, repeats, Some(0));
            };
            let axis = normalize_axis("repeat", axis, a.ndim())?;
            let mut stretched = a.shape().clone();
            stretched.insert(axis + 1, repeats);
            let expanded = view::expand_dims(a, &[axis as i64 + 1])?;
            let shape = a
                .shape()
                .with(axis, a.shape()[axis].saturating_mul(repeats));
            view::reshape_to(
                &view::stretch_to(&expanded, stretched.checked("repeat")?)?,
                shape,
            )
        },
    )
}

/// The array laid side by side `repetitions[axis]` times along each axis, aligned at the last.
pub fn tile(a: &Array, repetitions: &[usize]) -> Result<Array> {
    shapeless::call(
        || Call::Tile(repetitions.to_vec()),
        &[a],
        || {
            let ndim = a.ndim().max(repetitions.len());
            let missing = ndim - a.ndim();
            let (mut single, mut stretched, mut shape) =
                (Shape::scalar(), Shape::scalar(), Shape::scalar());
            for axis in 0..ndim {
                let size = axis.checked_sub(missing).map_or(1, |axis| a.shape()[axis]);
                let times = (axis + repetitions.len())
                    .checked_sub(ndim)
                    .map_or(1, |axis| repetitions[axis]);
                single.push(1);
                single.push(size);
                stretched.push(times);
                stretched.push(size);
                shape.push(size.saturating_mul(times));
            }
            let stretched = stretched.checked("tile")?;
            view::reshape_to(
                &view::stretch_to(&view::reshape_to(a, single)?, stretched)?,
                shape,
            )
        },
    )
}

/// The elements moved by `shift` places along an axis; those pushed out come in at the other end.
pub fn roll(a: &Array, shift: i64, axis: i64) -> Result<Array> {
    shapeless::call(
        || Call::Roll(shift, axis),
        &[a],
        || {
            let normal = normalize_axis("roll", axis, a.ndim())?;
            let size = a.shape()[normal];
            if size == 0 {
                return Ok(a.clone());
            }
            let cut = size - shift.rem_euclid(size as i64) as usize;
            let tail = view::slice_axis(a, normal, cut, size)?;
            let head = view::slice_axis(a, normal, 0, cut)?;
            concatenate(&[&tail, &head], axis)
        },
    )
}
