//! The loops of a reduction: over the axes that are kept, and over those that are reduced.

use mlx_oxide_ir::layout::{Layout, Strides};
use smallvec::SmallVec;

/// A loop over the elements and, where it is kept, over the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) size: usize,
    /// Step in the operand, not negative.
    pub(super) stride: isize,
    /// Step in the result.
    pub(super) step: isize,
}

/// Loops outermost first; the innermost has the least stride, so that memory is read in order.
/// There is at least one of both sorts.
#[derive(Clone, Debug)]
pub(super) struct Loops {
    pub(super) kept: SmallVec<[Axis; 4]>,
    pub(super) reduced: SmallVec<[usize; 4]>,
    pub(super) reduced_strides: Strides,
    /// How many neighbours of the innermost kept loop make one result; its step is that of results.
    pub(super) run: usize,
    /// Place of the first element in the operand.
    pub(super) start: isize,
    /// Place of the first result.
    pub(super) result_start: isize,
}

impl Loops {
    /// The loops over an operand of which `axes` are reduced to row-major results.
    pub(super) fn new(layout: &Layout, axes: &[usize]) -> Self {
        let sizes = layout.shape.iter().enumerate();
        let kept = sizes.clone().filter(|(axis, _)| !axes.contains(axis));
        let mut results: usize = kept.map(|(_, size)| size).product();
        let (mut start, mut result_start) = (layout.offset as isize, 0);
        let (mut kept, mut reduced) = (SmallVec::new(), SmallVec::new());
        for (axis, &size) in sizes {
            if size == 1 {
                continue;
            }
            let is_reduced = axes.contains(&axis);
            if !is_reduced {
                results = results.checked_div(size).unwrap_or(0);
            }
            let mut loop_ = Axis {
                size,
                stride: layout.strides[axis],
                step: if is_reduced { 0 } else { results as isize },
            };
            if loop_.stride < 0 {
                // backwards, which the order of results undoes
                start += loop_.stride * (size as isize - 1);
                result_start += loop_.step * (size as isize - 1);
                (loop_.stride, loop_.step) = (-loop_.stride, -loop_.step);
            }
            if is_reduced {
                reduced.push(loop_);
            } else {
                kept.push(loop_);
            }
        }
        let (mut kept, mut reduced) = (in_order(kept), in_order(reduced));
        let run = join_run(&mut kept, &mut reduced);
        Loops {
            kept,
            reduced: reduced.iter().map(|axis| axis.size).collect(),
            reduced_strides: reduced.iter().map(|axis| axis.stride).collect(),
            run,
            start,
            result_start,
        }
    }

    /// How many elements make one result.
    pub(super) fn terms(&self) -> usize {
        self.reduced.iter().product()
    }

    /// How many results there are.
    pub(super) fn results(&self) -> usize {
        self.kept.iter().map(|axis| axis.size).product::<usize>() / self.run
    }

    /// Whether neighbours in memory belong to neighbouring results.
    pub(super) fn is_across(&self) -> bool {
        let kept = self.kept[self.kept.len() - 1].stride;
        let reduced = self.reduced_strides[self.reduced.len() - 1];
        kept != 0 && (reduced == 0 || kept < reduced)
    }
}

/// The longest run of terms that are columns first.
const LONGEST_RUN: usize = 512;

/// If each result is made of many runs, and neighbouring results of neighbouring runs, has the
/// terms of a run kept apart, as columns that are joined in the end: memory is read in order, and
/// a run is joined once. How many columns are to be joined.
fn join_run(kept: &mut SmallVec<[Axis; 4]>, reduced: &mut SmallVec<[Axis; 4]>) -> usize {
    let ([.., columns], [.., around, run]) = (&mut kept[..], &reduced[..]) else {
        return 1;
    };
    let size = run.size;
    let follow = run.stride == 1 && columns.stride == size as isize && columns.size > 1;
    if !follow || size > LONGEST_RUN || around.stride < columns.stride * columns.size as isize {
        return 1;
    }
    (columns.size, columns.stride) = (columns.size * size, 1);
    reduced.pop();
    size
}

/// Sorted by falling stride, those that stand still outermost; merged where they step evenly.
fn in_order(mut axes: SmallVec<[Axis; 4]>) -> SmallVec<[Axis; 4]> {
    if axes.len() == 1 {
        return axes; // as most reductions have it, tiny ones too
    }
    axes.sort_by_key(|axis| match axis.stride {
        0 => isize::MIN,
        stride => -stride,
    });
    let mut merged: SmallVec<[Axis; 4]> = SmallVec::new();
    for axis in axes {
        let size = axis.size as isize;
        match merged.last_mut() {
            Some(last) if last.stride == axis.stride * size && last.step == axis.step * size => {
                last.size *= axis.size;
                (last.stride, last.step) = (axis.stride, axis.step);
            }
            _ => merged.push(axis),
        }
    }
    if merged.is_empty() {
        merged.push(Axis {
            size: 1,
            stride: 0,
            step: 0,
        });
    }
    merged
}

/// A position in kept loops, counted up.
pub(super) struct Walk<'a> {
    axes: &'a [Axis],
    index: SmallVec<[usize; 4]>,
    pub(super) place: isize,
    pub(super) result: isize,
}

impl<'a> Walk<'a> {
    /// At position `number` of the loops, from these places on.
    pub(super) fn new(axes: &'a [Axis], mut number: usize, start: isize, result: isize) -> Self {
        let mut walk = Walk {
            axes,
            index: SmallVec::from_elem(0, axes.len()),
            place: start,
            result,
        };
        for (index, axis) in walk.index.iter_mut().zip(axes).rev() {
            *index = number % axis.size;
            number /= axis.size;
            walk.place += *index as isize * axis.stride;
            walk.result += *index as isize * axis.step;
        }
        walk
    }

    /// To the next position; past the last one, to the first.
    #[inline]
    pub(super) fn advance(&mut self) {
        for (index, axis) in self.index.iter_mut().zip(self.axes).rev() {
            *index += 1;
            self.place += axis.stride;
            self.result += axis.step;
            if *index < axis.size {
                return;
            }
            self.place -= axis.stride * axis.size as isize;
            self.result -= axis.step * axis.size as isize;
            *index = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_of_whole_arrays_merge() {
        let loops = Loops::new(&Layout::contiguous([2, 3, 4]), &[0, 1, 2]);
        assert_eq!(loops.reduced.as_slice(), [24]);
        assert_eq!((loops.results(), loops.is_across()), (1, false));
        let turned = Layout::contiguous([2, 3, 4]).permute(&[2, 0, 1]);
        assert_eq!(Loops::new(&turned, &[0, 1, 2]).reduced.as_slice(), [24]);
    }

    #[test]
    fn the_least_stride_decides_the_direction() {
        let layout = Layout::contiguous([2, 3, 4]);
        assert!(Loops::new(&layout, &[0]).is_across());
        assert!(Loops::new(&layout, &[0, 1]).is_across());
        assert!(!Loops::new(&layout, &[1, 2]).is_across());
        assert!(Loops::new(&layout, &[]).is_across());
    }

    #[test]
    fn runs_of_neighbouring_results_are_columns() {
        let layout = Layout::contiguous([2, 3, 4]);
        let loops = Loops::new(&layout, &[0, 2]);
        let columns = Axis {
            size: 12,
            stride: 1,
            step: 1,
        };
        assert_eq!((loops.kept.as_slice(), loops.run), (&[columns][..], 4));
        assert_eq!(loops.reduced.as_slice(), [2]);
        assert_eq!((loops.results(), loops.is_across()), (3, true));
        let turned = Loops::new(&layout.permute(&[1, 0, 2]), &[0, 2]);
        assert_eq!((turned.reduced.as_slice(), turned.run), (&[12][..], 1));
    }

    #[test]
    fn a_walk_over_a_reversed_axis_meets_results_from_the_last_on() {
        let layout = Layout {
            shape: [3, 2].into(),
            strides: [-2, 1].into_iter().collect(),
            offset: 4,
        };
        let loops = Loops::new(&layout, &[1]);
        let mut walk = Walk::new(&loops.kept, 0, loops.start, loops.result_start);
        assert_eq!((walk.place, walk.result), (0, 2));
        walk.advance();
        assert_eq!((walk.place, walk.result), (2, 1));
    }
}
