//! Views.

use super::ArrayType;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::layout::{Layout, SliceRange, broadcast_shapes};
use crate::op::View;
use crate::shape::{Axes, Shape};

pub(super) fn view(view: &View, operand: &ArrayType) -> Result<ArrayType> {
    let name = view.name();
    let shape = match view {
        View::Reshape(shape) => reshape(shape, operand)?,
        View::Permute(axes) => permute(axes, operand)?,
        View::Broadcast(shape) => {
            let stretched = broadcast_shapes(name, &operand.shape, shape)?;
            if stretched != *shape {
                return Err(Error::BroadcastMismatch {
                    op: name,
                    lhs: operand.shape.clone(),
                    rhs: shape.clone(),
                });
            }
            stretched.checked(name)?
        }
        View::Slice(ranges) => slice(name, ranges, &operand.shape)?,
        View::Bitcast(dtype) => return bitcast(*dtype, operand),
        View::AsStrided(target) => {
            let layout = Layout {
                shape: target.shape.clone().checked(name)?,
                strides: target.strides.clone(),
                offset: target.offset,
            };
            if layout.strides.len() != layout.shape.ndim() || !layout.fits(operand.size()) {
                return Err(Error::InvalidArgument {
                    op: name,
                    argument: "strides",
                    value: format!(
                        "{:?} with shape {} and offset {}",
                        target.strides, target.shape, target.offset
                    ),
                    expected: "one stride per axis and every element inside the input",
                });
            }
            layout.shape
        }
        View::StopGradient | View::Contiguous => operand.shape.clone(),
    };
    Ok(ArrayType {
        shape,
        dtype: operand.dtype,
    })
}

fn reshape(shape: &Shape, operand: &ArrayType) -> Result<Shape> {
    let shape = shape.clone().checked("reshape")?;
    if shape.size() != operand.size() {
        return Err(Error::ReshapeSize {
            op: "reshape",
            size: operand.size(),
            shape: shape.to_string(),
        });
    }
    Ok(shape)
}

fn permute(axes: &Axes, operand: &ArrayType) -> Result<Shape> {
    let mut seen = Axes::from_elem(0, operand.shape.ndim());
    for &axis in axes {
        if axis >= seen.len() || seen[axis] != 0 {
            return Err(not_a_permutation(axes));
        }
        seen[axis] = 1;
    }
    if axes.len() != seen.len() {
        return Err(not_a_permutation(axes));
    }
    Ok(axes.iter().map(|&axis| operand.shape[axis]).collect())
}

fn not_a_permutation(axes: &Axes) -> Error {
    Error::InvalidArgument {
        op: "transpose",
        argument: "axes",
        value: format!("{axes:?}"),
        expected: "every axis of the input once",
    }
}

/// The shape of a slice; fails unless every element lies inside.
pub(super) fn slice(op: &'static str, ranges: &[SliceRange], shape: &Shape) -> Result<Shape> {
    if ranges.len() != shape.ndim() {
        return Err(Error::InputCount {
            op,
            expected: shape.ndim(),
            found: ranges.len(),
        });
    }
    for (axis, (range, &size)) in ranges.iter().zip(shape.iter()).enumerate() {
        if range.count == 0 {
            continue;
        }
        let inside = |place: isize| place >= 0 && (place as usize) < size;
        match range.last() {
            Some(last) if range.start < size && inside(last) && range.step != 0 => {}
            last => {
                let index = last.map_or(range.start as i64, |last| last as i64);
                return Err(Error::IndexOutOfBounds {
                    op,
                    index,
                    axis,
                    size,
                });
            }
        }
    }
    Ok(ranges.iter().map(|range| range.count).collect())
}

fn bitcast(dtype: Dtype, operand: &ArrayType) -> Result<ArrayType> {
    let (old, new) = (operand.dtype.size(), dtype.size());
    let mut shape = operand.shape.clone();
    if old != new {
        let unsuitable = |rule| Error::ShapeUnsuitable {
            op: "view",
            rule,
            shape: operand.shape.clone(),
        };
        let axis = shape
            .ndim()
            .checked_sub(1)
            .ok_or_else(|| unsuitable("a scalar can only be viewed as a dtype of its own width"))?;
        let bytes = shape[axis] * old;
        if !bytes.is_multiple_of(new) {
            return Err(unsuitable(
                "the bytes of the last axis must be a multiple of the new width",
            ));
        }
        shape[axis] = bytes / new;
    }
    Ok(ArrayType { shape, dtype })
}
