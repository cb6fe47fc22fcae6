//! Slicing.

use super::Layout;
use serde::{Deserialize, Serialize};

/// The part `start, start + step, …` of `count` elements along one axis; `step` is not zero and
/// may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SliceRange {
    /// First element.
    pub start: usize,
    /// Distance of neighbours.
    pub step: isize,
    /// Number of elements.
    pub count: usize,
}

impl SliceRange {
    /// All of an axis.
    pub fn full(size: usize) -> Self {
        SliceRange {
            start: 0,
            step: 1,
            count: size,
        }
    }

    /// By Python's rule for `start:stop:step` on an axis of `size`; `step` is not zero.
    pub fn from_python(start: Option<i64>, stop: Option<i64>, step: i64, size: usize) -> Self {
        let extent = size as i64;
        let (low, high) = if step > 0 {
            (0, extent)
        } else {
            (-1, extent - 1)
        };
        let clamp = |bound: i64| {
            let bound = if bound < 0 {
                bound.saturating_add(extent)
            } else {
                bound
            };
            bound.clamp(low, high)
        };
        let first = start.map_or(if step > 0 { low } else { high }, clamp);
        let last = stop.map_or(if step > 0 { high } else { low }, clamp);
        let distance = if step > 0 { last - first } else { first - last };
        let stride = step.unsigned_abs() as i64;
        let count = if distance <= 0 {
            0
        } else {
            1 + (distance - 1) / stride.max(1)
        };
        SliceRange {
            start: first.max(0) as usize,
            step: step as isize,
            count: count as usize,
        }
    }

    /// Whether the range is the whole axis in order.
    pub fn is_full(&self, size: usize) -> bool {
        self.start == 0 && self.step == 1 && self.count == size
    }

    /// The last element's position; `None` when empty.
    pub fn last(&self) -> Option<isize> {
        let steps = isize::try_from(self.count)
            .ok()?
            .checked_sub(1)
            .filter(|steps| *steps >= 0)?;
        (self.start as isize).checked_add(steps.checked_mul(self.step)?)
    }
}

impl Layout {
    /// The part of each axis that `ranges` names; the caller has checked the bounds.
    pub fn slice(&self, ranges: &[SliceRange]) -> Self {
        let mut layout = self.clone();
        let mut offset = self.offset as isize;
        let empty = ranges.iter().any(|range| range.count == 0);
        for (axis, range) in ranges.iter().enumerate() {
            if !empty {
                offset += range.start as isize * self.strides[axis];
            }
            layout.shape[axis] = range.count;
            layout.strides[axis] = self.strides[axis].saturating_mul(range.step);
        }
        layout.offset = offset as usize;
        layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_ranges_clamp() {
        let range = |start, stop, step| SliceRange::from_python(start, stop, step, 5);
        assert_eq!(
            range(None, None, -1),
            SliceRange {
                start: 4,
                step: -1,
                count: 5
            }
        );
        assert_eq!(
            range(Some(-2), None, 1),
            SliceRange {
                start: 3,
                step: 1,
                count: 2
            }
        );
        assert_eq!(range(Some(10), None, 1).count, 0);
        assert_eq!(
            range(Some(3), Some(-100), -2),
            SliceRange {
                start: 3,
                step: -2,
                count: 2
            }
        );
        assert_eq!(range(Some(i64::MIN), Some(i64::MAX), i64::MAX).count, 1);
        assert_eq!(SliceRange::from_python(None, None, -1, 0).count, 0);
    }
}
