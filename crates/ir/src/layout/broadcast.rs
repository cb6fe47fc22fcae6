//! Broadcasting.

use super::{Layout, Strides};
use crate::error::{Error, Result};
use crate::shape::Shape;

/// The shape that both shapes broadcast to, by NumPy's rule: aligned at the last axis, sizes are
/// equal or one of them is 1.
pub fn broadcast_shapes(op: &'static str, lhs: &Shape, rhs: &Shape) -> Result<Shape> {
    if lhs == rhs {
        return Ok(lhs.clone());
    }
    let (long, short) = if lhs.ndim() >= rhs.ndim() {
        (lhs, rhs)
    } else {
        (rhs, lhs)
    };
    let mut shape = long.clone();
    let shift = long.ndim() - short.ndim();
    for (axis, &size) in short.iter().enumerate() {
        let other = shape[axis + shift];
        if other == 1 {
            shape[axis + shift] = size;
        } else if size != 1 && size != other {
            return Err(Error::BroadcastMismatch {
                op,
                lhs: lhs.clone(),
                rhs: rhs.clone(),
            });
        }
    }
    Ok(shape)
}

/// Strides that show `layout` as `shape`: zero along every stretched axis.
///
/// The caller has checked that the shapes broadcast.
pub fn broadcast_strides(layout: &Layout, shape: &Shape) -> Strides {
    let shift = shape.ndim() - layout.shape.ndim();
    (0..shape.ndim())
        .map(|axis| match axis.checked_sub(shift) {
            Some(inner) if layout.shape[inner] == shape[axis] => layout.strides[inner],
            _ => 0,
        })
        .collect()
}

impl Layout {
    /// A view stretched to `shape`; the caller has checked that the shapes broadcast.
    pub fn broadcast(&self, shape: &Shape) -> Self {
        Layout {
            strides: broadcast_strides(self, shape),
            shape: shape.clone(),
            offset: self.offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_align_at_the_last_axis() {
        let shape = broadcast_shapes("add", &[4, 1].into(), &[3].into()).unwrap();
        assert_eq!(shape, Shape::from([4, 3]));
        assert_eq!(
            broadcast_shapes("add", &[0].into(), &[1].into()).unwrap(),
            Shape::from([0])
        );
        let error = broadcast_shapes("add", &[2, 3].into(), &[4].into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "[add] shapes (2, 3) and (4,) cannot be broadcast together"
        );
    }

    #[test]
    fn stretched_axes_have_stride_zero() {
        let layout = Layout::contiguous([3, 1]).broadcast(&[2, 3, 4].into());
        assert_eq!(layout.strides.as_slice(), [0, 1, 0]);
    }
}
