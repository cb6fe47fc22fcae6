//! Operations that move elements.

use super::{ArrayType, exactly, has_axis, is_index, same_dtype, same_shape, view};
use crate::error::{Error, Result};
use crate::op::{Index, Padding};
use crate::shape::{Axes, Shape};

pub(super) fn index(index: &Index, inputs: &[&ArrayType]) -> Result<ArrayType> {
    let name = index.name();
    match index {
        Index::Concatenate { axis } => concatenate(*axis, inputs),
        Index::Pad(paddings) => {
            let [operand, fill] = exactly(name, inputs)?;
            pad(paddings, operand, fill)
        }
        Index::SliceUpdate { ranges, .. } => {
            let [operand, update] = exactly(name, inputs)?;
            same_dtype(name, operand, update)?;
            let part = view::slice(name, ranges, &operand.shape)?;
            if part != update.shape {
                return Err(mismatch(
                    name,
                    "the update must have the slice's shape",
                    &part,
                    &update.shape,
                ));
            }
            Ok(operand.clone())
        }
        Index::DynamicSlice { axes, shape } => {
            let [operand, start] = exactly(name, inputs)?;
            starts(name, axes, operand, start)?;
            part_fits(name, operand, shape)?;
            Ok(ArrayType::new(shape.clone(), operand.dtype))
        }
        Index::DynamicSliceUpdate { axes } => {
            let [operand, update, start] = exactly(name, inputs)?;
            same_dtype(name, operand, update)?;
            starts(name, axes, operand, start)?;
            part_fits(name, operand, &update.shape)?;
            Ok(operand.clone())
        }
        Index::Gather { axes, slice_sizes } => gather(axes, slice_sizes, inputs),
        Index::Scatter { axes, .. } => scatter(axes, inputs),
        Index::TakeAlongAxis { axis } => {
            let [operand, positions] = exactly(name, inputs)?;
            along_axis(name, *axis, operand, positions)?;
            Ok(ArrayType::new(positions.shape.clone(), operand.dtype))
        }
        Index::ScatterAlongAxis { axis, .. } => {
            let [operand, positions, update] = exactly(name, inputs)?;
            along_axis(name, *axis, operand, positions)?;
            same_shape(name, positions, update)?;
            same_dtype(name, operand, update)?;
            Ok(operand.clone())
        }
    }
}

fn mismatch(op: &'static str, rule: &'static str, lhs: &Shape, rhs: &Shape) -> Error {
    Error::ShapeMismatch {
        op,
        rule,
        lhs: lhs.clone(),
        rhs: rhs.clone(),
    }
}

fn concatenate(axis: usize, inputs: &[&ArrayType]) -> Result<ArrayType> {
    let Some((first, rest)) = inputs.split_first() else {
        return Err(Error::InputCount {
            op: "concatenate",
            expected: 1,
            found: 0,
        });
    };
    has_axis("concatenate", axis, first)?;
    let mut shape = first.shape.clone();
    for input in rest {
        same_dtype("concatenate", first, input)?;
        let fits = input.shape.ndim() == shape.ndim()
            && (0..shape.ndim()).all(|other| other == axis || shape[other] == input.shape[other]);
        if !fits {
            return Err(mismatch(
                "concatenate",
                "shapes differ off the concatenation axis",
                &first.shape,
                &input.shape,
            ));
        }
        shape[axis] = shape[axis].saturating_add(input.shape[axis]);
    }
    Ok(ArrayType::new(shape.checked("concatenate")?, first.dtype))
}

fn pad(paddings: &[Padding], operand: &ArrayType, fill: &ArrayType) -> Result<ArrayType> {
    same_dtype("pad", operand, fill)?;
    if fill.shape.ndim() != 0 {
        return Err(Error::ShapeUnsuitable {
            op: "pad",
            rule: "the padding value must be a scalar",
            shape: fill.shape.clone(),
        });
    }
    if paddings.len() != operand.shape.ndim() {
        return Err(Error::InputCount {
            op: "pad",
            expected: operand.shape.ndim(),
            found: paddings.len(),
        });
    }
    let shape: Shape = paddings
        .iter()
        .zip(operand.shape.iter())
        .map(|(padding, &size)| {
            size.saturating_sub(1)
                .saturating_mul(padding.interior)
                .saturating_add(size)
                .saturating_add(padding.low)
                .saturating_add(padding.high)
        })
        .collect();
    Ok(ArrayType::new(shape.checked("pad")?, operand.dtype))
}

fn starts(op: &'static str, axes: &Axes, operand: &ArrayType, start: &ArrayType) -> Result<()> {
    is_index(op, start)?;
    for &axis in axes {
        has_axis(op, axis, operand)?;
    }
    if start.shape.ndim() != 1 || start.size() != axes.len() {
        return Err(Error::ShapeUnsuitable {
            op,
            rule: "the start must be a vector with one element per axis",
            shape: start.shape.clone(),
        });
    }
    Ok(())
}

fn part_fits(op: &'static str, operand: &ArrayType, part: &Shape) -> Result<()> {
    let fits = part.ndim() == operand.shape.ndim()
        && part
            .iter()
            .zip(operand.shape.iter())
            .all(|(part, whole)| part <= whole);
    if fits {
        return Ok(());
    }
    Err(mismatch(
        op,
        "the part does not fit in the array",
        part,
        &operand.shape,
    ))
}

/// Checks the index arrays and returns their common shape.
fn indices<'a>(
    op: &'static str,
    axes: &Axes,
    operand: &ArrayType,
    indices: &[&'a ArrayType],
) -> Result<&'a Shape> {
    if indices.len() != axes.len() || indices.is_empty() {
        return Err(Error::InputCount {
            op,
            expected: axes.len().max(1),
            found: indices.len(),
        });
    }
    for (&axis, positions) in axes.iter().zip(indices) {
        has_axis(op, axis, operand)?;
        is_index(op, positions)?;
        same_shape(op, indices[0], positions)?;
    }
    Ok(&indices[0].shape)
}

fn gather(axes: &Axes, slice_sizes: &Shape, inputs: &[&ArrayType]) -> Result<ArrayType> {
    let Some((operand, positions)) = inputs.split_first() else {
        return Err(Error::InputCount {
            op: "gather",
            expected: 2,
            found: 0,
        });
    };
    let leading = indices("gather", axes, operand, positions)?;
    part_fits("gather", operand, slice_sizes)?;
    let shape: Shape = leading.iter().chain(slice_sizes.iter()).copied().collect();
    Ok(ArrayType::new(shape.checked("gather")?, operand.dtype))
}

fn scatter(axes: &Axes, inputs: &[&ArrayType]) -> Result<ArrayType> {
    let [operand, update, positions @ ..] = inputs else {
        return Err(Error::InputCount {
            op: "scatter",
            expected: 3,
            found: inputs.len(),
        });
    };
    same_dtype("scatter", operand, update)?;
    let leading = indices("scatter", axes, operand, positions)?;
    let fits = update.shape.ndim() == leading.ndim() + operand.shape.ndim()
        && update.shape[..leading.ndim()] == leading[..];
    if !fits {
        return Err(mismatch(
            "scatter",
            "updates must have the indices' shape followed by a slice shape",
            &update.shape,
            leading,
        ));
    }
    part_fits(
        "scatter",
        operand,
        &Shape::from(&update.shape[leading.ndim()..]),
    )?;
    Ok((*operand).clone())
}

fn along_axis(
    op: &'static str,
    axis: usize,
    operand: &ArrayType,
    positions: &ArrayType,
) -> Result<()> {
    has_axis(op, axis, operand)?;
    is_index(op, positions)?;
    let fits = operand.shape.ndim() == positions.shape.ndim()
        && (0..operand.shape.ndim())
            .all(|other| other == axis || operand.shape[other] == positions.shape[other]);
    if fits {
        return Ok(());
    }
    Err(mismatch(
        op,
        "shapes differ off the indexed axis",
        &operand.shape,
        &positions.shape,
    ))
}
