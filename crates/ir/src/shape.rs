//! Shapes and axes.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Axes of an array, each already in `0..ndim`.
pub type Axes = SmallVec<[usize; 4]>;

/// The sizes of an array along its axes, outermost first. A scalar has none.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape(SmallVec<[usize; 4]>);

impl Shape {
    /// The shape of a scalar.
    pub fn scalar() -> Self {
        Shape::default()
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.0.len()
    }

    /// Number of elements; validated not to overflow by [`Shape::checked`].
    pub fn size(&self) -> usize {
        self.0.iter().product()
    }

    /// Appends an axis.
    pub fn push(&mut self, size: usize) {
        self.0.push(size);
    }

    /// Inserts an axis before position `axis`.
    pub fn insert(&mut self, axis: usize, size: usize) {
        self.0.insert(axis, size);
    }

    /// Removes an axis and returns its size.
    pub fn remove(&mut self, axis: usize) -> usize {
        self.0.remove(axis)
    }

    /// The same shape with `axis` of another size.
    pub fn with(&self, axis: usize, size: usize) -> Self {
        let mut shape = self.clone();
        shape[axis] = size;
        shape
    }

    /// The shape if its number of bytes, at up to 16 bytes an element, fits in an `isize`.
    pub fn checked(self, op: &'static str) -> Result<Self> {
        let mut size: usize = 16;
        for &extent in self.iter().filter(|extent| **extent != 0) {
            size = match size.checked_mul(extent) {
                Some(size) if size <= isize::MAX as usize => size,
                _ => return Err(Error::TooLarge { op, shape: self }),
            };
        }
        Ok(self)
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl DerefMut for Shape {
    fn deref_mut(&mut self) -> &mut [usize] {
        &mut self.0
    }
}

impl From<&[usize]> for Shape {
    fn from(sizes: &[usize]) -> Self {
        Shape(SmallVec::from_slice(sizes))
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        shape.clone()
    }
}

impl From<Vec<usize>> for Shape {
    fn from(sizes: Vec<usize>) -> Self {
        Shape(SmallVec::from_vec(sizes))
    }
}

impl From<usize> for Shape {
    fn from(size: usize) -> Self {
        Shape::from([size])
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sizes: [usize; N]) -> Self {
        Shape(SmallVec::from_slice(&sizes))
    }
}

impl<const N: usize> From<&[usize; N]> for Shape {
    fn from(sizes: &[usize; N]) -> Self {
        Shape(SmallVec::from_slice(sizes))
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(sizes: I) -> Self {
        Shape(sizes.into_iter().collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [size] => write!(formatter, "({size},)"),
            sizes => {
                formatter.write_str("(")?;
                for (axis, size) in sizes.iter().enumerate() {
                    if axis > 0 {
                        formatter.write_str(", ")?;
                    }
                    write!(formatter, "{size}")?;
                }
                formatter.write_str(")")
            }
        }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Turns an axis that may be negative into one in `0..ndim`.
pub fn normalize_axis(op: &'static str, axis: i64, ndim: usize) -> Result<usize> {
    let extent = ndim as i64;
    if axis < -extent || axis >= extent {
        return Err(Error::AxisOutOfBounds { op, axis, ndim });
    }
    Ok(if axis < 0 { axis + extent } else { axis } as usize)
}

/// Turns axes that may be negative into sorted ones in `0..ndim`; a repeated axis is an error.
pub fn normalize_axes(op: &'static str, axes: &[i64], ndim: usize) -> Result<Axes> {
    let mut normal = Axes::with_capacity(axes.len());
    for &axis in axes {
        normal.push(normalize_axis(op, axis, ndim)?);
    }
    normal.sort_unstable();
    if let Some(pair) = normal.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::RepeatedAxis { op, axis: pair[0] });
    }
    Ok(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_axes_count_from_the_end() {
        assert_eq!(normalize_axis("sum", -1, 3).unwrap(), 2);
        assert!(normalize_axis("sum", -4, 3).is_err());
        assert!(normalize_axis("sum", 3, 3).is_err());
    }

    #[test]
    fn repeated_axes_are_rejected_even_when_written_differently() {
        assert!(normalize_axes("sum", &[1, -1], 2).is_err());
        assert_eq!(
            normalize_axes("sum", &[-1, 0], 2).unwrap().as_slice(),
            [0, 1]
        );
    }

    #[test]
    fn shapes_whose_bytes_overflow_are_rejected() {
        assert!(Shape::from([usize::MAX / 2, 3]).checked("zeros").is_err());
        assert!(Shape::from([0, usize::MAX]).checked("zeros").is_err());
        assert!(Shape::from([1 << 20, 1 << 20]).checked("zeros").is_ok());
    }
}
