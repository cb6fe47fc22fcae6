//! Reshaping without moving elements.

use super::{Layout, Strides, contiguous_strides};
use crate::shape::Shape;
use smallvec::SmallVec;

impl Layout {
    /// The same elements in row-major order as `shape`, if strides can say so; else the elements
    /// have to be copied. The caller has checked that the sizes agree.
    pub fn reshape(&self, shape: &Shape) -> Option<Self> {
        if self.size() == 0 || self.is_contiguous() {
            return Some(Layout {
                shape: shape.clone(),
                strides: contiguous_strides(shape),
                offset: self.offset,
            });
        }
        self.reshape_strides(shape).map(|strides| Layout {
            shape: shape.clone(),
            strides,
            offset: self.offset,
        })
    }

    /// Walks both shapes from the innermost axis: each run of old axes that lies evenly in memory
    /// is cut into new axes.
    fn reshape_strides(&self, shape: &Shape) -> Option<Strides> {
        let runs = self.even_runs();
        let mut runs = runs.iter().rev();
        let mut strides: Strides = SmallVec::from_elem(0, shape.ndim());
        let (mut left, mut stride) = (1, 1);
        for axis in (0..shape.ndim()).rev() {
            let size = shape[axis];
            if size == 1 {
                strides[axis] = stride;
                continue;
            }
            if left == 1 {
                (left, stride) = *runs.next()?;
            }
            if left % size != 0 {
                return None;
            }
            strides[axis] = stride;
            stride *= size as isize;
            left /= size;
        }
        (left == 1).then_some(strides)
    }

    /// Runs of neighbouring axes that one stride walks through, outermost first, as (elements,
    /// innermost stride). Axes of size 1 are left out.
    fn even_runs(&self) -> SmallVec<[(usize, isize); 4]> {
        let mut runs: SmallVec<[(usize, isize); 4]> = SmallVec::new();
        let mut previous_stride = 0;
        for (&size, &stride) in self.shape.iter().zip(&self.strides) {
            if size == 1 {
                continue;
            }
            match runs.last_mut() {
                Some(run) if previous_stride == stride * size as isize => {
                    *run = (run.0 * size, stride);
                }
                _ => runs.push((size, stride)),
            }
            previous_stride = stride;
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_an_axis_of_a_transposed_view_needs_no_copy() {
        let layout = Layout::contiguous([6, 4]).permute(&[1, 0]);
        let reshaped = layout.reshape(&[4, 2, 3].into()).unwrap();
        assert_eq!(reshaped.strides.as_slice(), [1, 12, 4]);
        assert!(layout.reshape(&[24].into()).is_none());
    }

    #[test]
    fn reshaped_views_keep_the_row_major_order() {
        let layout = Layout::contiguous([4, 6]).slice(&[
            super::super::SliceRange {
                start: 0,
                step: 2,
                count: 2,
            },
            super::super::SliceRange::full(6),
        ]);
        let before: Vec<_> = layout.places().collect();
        let reshaped = layout.reshape(&[1, 2, 3, 2].into()).unwrap();
        assert_eq!(reshaped.places().collect::<Vec<_>>(), before);
        assert!(layout.reshape(&[3, 4].into()).is_none());
    }

    #[test]
    fn stretched_axes_reshape_as_runs() {
        let layout = Layout::contiguous([]).broadcast(&[2, 3].into());
        assert_eq!(layout.reshape(&[6].into()).unwrap().strides.as_slice(), [0]);
    }
}
