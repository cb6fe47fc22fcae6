//! Where the elements of an array lie in its buffer.

mod broadcast;
mod collapse;
mod reshape;
mod slice;

pub use broadcast::{broadcast_shapes, broadcast_strides};
pub use collapse::{Collapsed, collapse};
pub use slice::SliceRange;

use crate::shape::Shape;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Steps between neighbours along each axis, in elements; negative or zero is allowed.
pub type Strides = SmallVec<[isize; 4]>;

/// Shape, strides and offset, all in elements. Element `i` lies at `offset + Σ i[a]·strides[a]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    /// Sizes along the axes.
    pub shape: Shape,
    /// Steps along the axes.
    pub strides: Strides,
    /// Place of element zero in the buffer.
    pub offset: usize,
}

impl Layout {
    /// Row-major without gaps, from the start of the buffer.
    pub fn contiguous(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let strides = contiguous_strides(&shape);
        Layout {
            shape,
            strides,
            offset: 0,
        }
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape.size()
    }

    /// Whether the elements lie in row-major order without gaps (from any offset).
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if size == 0 {
                return true;
            }
            if size != 1 {
                if stride != expected {
                    return false;
                }
                expected *= size as isize;
            }
        }
        true
    }

    /// Whether all elements are one and the same place.
    pub fn is_uniform(&self) -> bool {
        self.shape
            .iter()
            .zip(&self.strides)
            .all(|(&size, &stride)| size == 1 || stride == 0)
    }

    /// The first and one past the last place that an element takes; `None` when there is none.
    pub fn span(&self) -> Option<(isize, isize)> {
        let (mut low, mut high) = (self.offset as isize, self.offset as isize);
        for (&size, &stride) in self.shape.iter().zip(&self.strides) {
            let reach = (size as isize).checked_sub(1).filter(|reach| *reach >= 0)?;
            let step = reach.saturating_mul(stride);
            if step < 0 {
                low = low.saturating_add(step);
            } else {
                high = high.saturating_add(step);
            }
        }
        Some((low, high.saturating_add(1)))
    }

    /// Whether every element lies in a buffer of `elements` elements.
    pub fn fits(&self, elements: usize) -> bool {
        self.span()
            .is_none_or(|(low, end)| low >= 0 && end <= elements as isize)
    }

    /// Axes in the order of `axes`: a view with the axes permuted.
    pub fn permute(&self, axes: &[usize]) -> Self {
        Layout {
            shape: axes.iter().map(|&axis| self.shape[axis]).collect(),
            strides: axes.iter().map(|&axis| self.strides[axis]).collect(),
            offset: self.offset,
        }
    }

    /// The place of the element at `index`.
    pub fn place(&self, index: &[usize]) -> usize {
        let steps: isize = index
            .iter()
            .zip(&self.strides)
            .map(|(&position, &stride)| position as isize * stride)
            .sum();
        (self.offset as isize + steps) as usize
    }

    /// The places of all elements in row-major order.
    pub fn places(&self) -> Places<'_> {
        Places {
            layout: self,
            index: SmallVec::from_elem(0, self.shape.ndim()),
            left: self.size(),
            place: self.offset as isize,
        }
    }
}

/// Row-major steps of an array without gaps.
pub fn contiguous_strides(shape: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(1, shape.len());
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1].max(1) as isize;
    }
    strides
}

/// Iterator over the places of a layout's elements; see [`Layout::places`].
pub struct Places<'a> {
    layout: &'a Layout,
    index: SmallVec<[usize; 4]>,
    left: usize,
    place: isize,
}

impl Iterator for Places<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let place = self.place as usize;
        for axis in (0..self.index.len()).rev() {
            self.index[axis] += 1;
            self.place += self.layout.strides[axis];
            if self.index[axis] < self.layout.shape[axis] {
                break;
            }
            self.place -= self.layout.strides[axis] * self.layout.shape[axis] as isize;
            self.index[axis] = 0;
        }
        Some(place)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Places<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_strides() {
        let layout = Layout::contiguous([2, 3]).permute(&[1, 0]);
        assert_eq!(layout.places().collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(Layout::contiguous([]).places().collect::<Vec<_>>(), [0]);
        assert_eq!(Layout::contiguous([2, 0]).places().count(), 0);
    }

    #[test]
    fn span_covers_negative_strides() {
        let layout = Layout {
            shape: [3].into(),
            strides: [-2].into_iter().collect(),
            offset: 4,
        };
        assert_eq!(layout.span(), Some((0, 5)));
        assert!(layout.fits(5) && !layout.fits(4));
    }
}
