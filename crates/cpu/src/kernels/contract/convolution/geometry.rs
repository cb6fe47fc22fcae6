//! What a convolution reads along each axis.

use mlx_oxide_ir::Convolution;
use mlx_oxide_runtime::Call;
use std::ops::Range;

/// Some output places of one spatial axis, all of which meet the same taps, and those taps. The
/// input has no gaps here: what input dilation leaves of a kernel differs from place to place,
/// periodically, so each place of a period gets an axis of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    /// Elements of the input.
    pub(super) size: usize,
    /// Taps that meet elements.
    pub(super) taps: usize,
    /// The first of them, counted in the order of the input.
    pub(super) first_tap: usize,
    /// From one of them to the next.
    pub(super) tap_step: usize,
    /// Input elements from one place to the next.
    pub(super) stride: usize,
    /// Input elements from one tap to the next.
    pub(super) dilation: usize,
    /// Elements of padding before the input.
    pub(super) low: isize,
    /// Output places.
    pub(super) places: usize,
    /// The first of them.
    pub(super) first_place: usize,
    /// From one of them to the next.
    pub(super) place_step: usize,
}

impl Axis {
    /// Where in the input a tap is at a place; outside of it in the padding.
    #[inline]
    pub(super) fn position(&self, place: usize, tap: usize) -> isize {
        (place * self.stride + tap * self.dilation) as isize - self.low
    }

    /// The same, if it is inside.
    #[inline]
    pub(super) fn inside(&self, place: usize, tap: usize) -> Option<usize> {
        let position = usize::try_from(self.position(place, tap)).ok()?;
        (position < self.size).then_some(position)
    }

    /// The taps that are inside of the input at a place.
    #[inline]
    pub(super) fn valid(&self, place: usize) -> Range<usize> {
        let first = self.position(place, 0);
        let before = usize::try_from(-first).unwrap_or(0);
        let end = usize::try_from(self.size as isize - first).unwrap_or(0);
        let end = end.div_ceil(self.dilation).min(self.taps);
        before.div_ceil(self.dilation).min(end)..end
    }

    /// The places that have all taps inside of the input.
    pub(super) fn inner(&self) -> Range<usize> {
        let last = self.taps.max(1) - 1;
        let first = usize::try_from(self.low).map_or(0, |low| low.div_ceil(self.stride));
        let room = self.size as isize + self.low - (last * self.dilation) as isize;
        let end = usize::try_from(room).map_or(0, |room| room.div_ceil(self.stride));
        let end = end.min(self.places);
        first.min(end)..end
    }

    /// The axis that a convolution with one tap and one place has where there is none.
    const NONE: Axis = Axis {
        size: 1,
        taps: 1,
        first_tap: 0,
        tap_step: 1,
        stride: 1,
        dilation: 1,
        low: 0,
        places: 1,
        first_place: 0,
        place_step: 1,
    };

    /// The parts of an axis that have no gaps; together they have every output place once.
    fn parts(
        convolution: &Convolution,
        axis: usize,
        sizes: (usize, usize, usize),
    ) -> impl Iterator<Item = Axis> + use<> {
        let (input, kernel, output) = sizes;
        let gap = convolution.input_dilation[axis];
        let (stride, dilation) = (convolution.stride[axis], convolution.kernel_dilation[axis]);
        let low = convolution.padding_low[axis];
        let (place_step, tap_step) = (
            gap / greatest_divisor(gap, stride),
            gap / greatest_divisor(gap, dilation),
        );
        (0..place_step.min(output)).map(move |first_place| {
            let at = |tap: usize| (first_place * stride + tap * dilation) as isize - low;
            let meets = |tap: &usize| at(*tap).rem_euclid(gap as isize) == 0;
            let first_tap = (0..kernel.min(tap_step)).find(meets);
            let taps = first_tap.map_or(0, |first| (kernel - first).div_ceil(tap_step));
            let first_tap = first_tap.unwrap_or(0);
            Axis {
                size: input,
                taps,
                first_tap,
                tap_step,
                stride: place_step * stride / gap,
                dilation: (tap_step * dilation / gap).max(1),
                low: -(at(first_tap).div_euclid(gap as isize)),
                places: (output - first_place).div_ceil(place_step),
                first_place,
                place_step,
            }
        })
    }
}

fn greatest_divisor(mut a: usize, mut b: usize) -> usize {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// The sizes of a convolution with three spatial axes, those that are missing of size 1.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// Input channels of one group.
    pub(super) channels: usize,
    /// Output channels of one group.
    pub(super) features: usize,
    pub(super) kernel: [usize; 3],
    pub(super) output: [usize; 3],
    /// For each spatial axis how its elements and taps lie.
    pub(super) gaps: [Gap; 3],
    /// For each spatial axis its parts without gaps.
    axes: [Vec<Axis>; 3],
}

/// How elements and taps of an axis lie in the input with its gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Elements.
    pub(super) size: usize,
    /// From one element to the next.
    pub(super) step: usize,
    /// From one place to the next.
    pub(super) stride: usize,
    /// From one tap to the next.
    pub(super) dilation: usize,
    /// Padding before the first element.
    pub(super) low: isize,
}

impl Gap {
    /// The one element of an axis that is missing.
    const NONE: Gap = Gap {
        size: 1,
        step: 1,
        stride: 1,
        dilation: 1,
        low: 0,
    };
}

/// Values of the spatial axes, with those that are missing before them.
pub(super) fn three<T: Copy>(values: &[T], missing: T) -> [T; 3] {
    let mut all = [missing; 3];
    all[3 - values.len()..].copy_from_slice(values);
    all
}

impl Geometry {
    pub(super) fn new(convolution: &Convolution, call: &Call<'_>) -> Self {
        let input = &call.inputs[0].layout.shape;
        let weight = &call.inputs[1].layout.shape;
        let output = &call.outputs[0].shape;
        let spatial = input.ndim() - 2;
        let mut axes = [vec![Axis::NONE], vec![Axis::NONE], vec![Axis::NONE]];
        let mut gaps = [Gap::NONE; 3];
        for axis in 0..spatial {
            let sizes = (input[axis + 1], weight[axis + 1], output[axis + 1]);
            axes[3 - spatial + axis] = Axis::parts(convolution, axis, sizes).collect();
            gaps[3 - spatial + axis] = Gap {
                size: sizes.0,
                step: convolution.input_dilation[axis],
                stride: convolution.stride[axis],
                dilation: convolution.kernel_dilation[axis],
                low: convolution.padding_low[axis],
            };
        }
        Geometry {
            batch: input[0],
            groups: convolution.groups,
            channels: weight[spatial + 1],
            features: weight[0] / convolution.groups,
            kernel: three(&weight[1..=spatial], 1),
            output: three(&output[1..=spatial], 1),
            gaps,
            axes,
        }
    }

    /// The parts of the output that have no gaps in the input.
    pub(super) fn parts(&self) -> impl Iterator<Item = [Axis; 3]> + '_ {
        let [depth, height, width] = &self.axes;
        depth.iter().flat_map(move |z| {
            height
                .iter()
                .flat_map(move |y| width.iter().map(move |x| [*z, *y, *x]))
        })
    }

    /// The only part, if the input has no gaps.
    pub(super) fn whole(&self) -> Option<[Axis; 3]> {
        match &self.axes {
            [z, y, x] if z.len() * y.len() * x.len() == 1 => Some([z[0], y[0], x[0]]),
            _ => None,
        }
    }

    /// Elements of one place of the output.
    pub(super) fn row(&self) -> usize {
        self.groups * self.features
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Convolution};
    use smallvec::smallvec;

    #[test]
    fn parts_have_every_place_and_every_tap_that_meets_an_element() {
        for (stride, dilation, gap, low) in cases() {
            let (input, kernel) = (5usize, 4usize);
            let convolution = Convolution {
                stride: smallvec![stride],
                padding_low: smallvec![low],
                padding_high: smallvec![3],
                kernel_dilation: smallvec![dilation],
                input_dilation: smallvec![gap],
                groups: 1,
                flip: false,
            };
            let padded = ((input - 1) * gap + 1) as isize + low + 3;
            let reach = ((kernel - 1) * dilation + 1) as isize;
            if padded < reach {
                continue;
            }
            let output = (padded - reach) as usize / stride + 1;
            let mut found = vec![Vec::new(); output];
            let mut seen = vec![0; output];
            for part in Axis::parts(&convolution, 0, (input, kernel, output)) {
                for place in 0..part.places {
                    let to = part.first_place + place * part.place_step;
                    seen[to] += 1;
                    for tap in part.valid(place) {
                        let from = part.inside(place, tap);
                        found[to].push((part.first_tap + tap * part.tap_step, from));
                    }
                    let inside = |tap: &usize| part.inside(place, *tap).is_some();
                    let valid: Vec<_> = (0..part.taps).filter(inside).collect();
                    assert_eq!(valid, part.valid(place).collect::<Vec<_>>());
                    let has_all = part.valid(place).len() == part.taps;
                    let is_inner = part.taps > 0 && part.inner().contains(&place);
                    assert_eq!(is_inner, part.taps > 0 && has_all, "{part:?} {place}");
                }
            }
            assert!(seen.iter().all(|count| *count == 1));
            for (place, found) in found.iter().enumerate() {
                let expected: Vec<_> = (0..kernel)
                    .filter_map(|tap| {
                        let at = (place * stride + tap * dilation) as isize - low;
                        let element = at / gap as isize;
                        (at >= 0 && at % gap as isize == 0 && element < input as isize)
                            .then_some((tap, Some(element as usize)))
                    })
                    .collect();
                assert_eq!(
                    *found, expected,
                    "{stride} {dilation} {gap} {low} at {place}"
                );
            }
        }
    }

    fn cases() -> impl Iterator<Item = (usize, usize, usize, isize)> {
        let each = |low: isize| {
            (1..4usize).flat_map(move |stride| {
                (1..4usize).flat_map(move |dilation| {
                    (1..5usize).map(move |gap| (stride, dilation, gap, low))
                })
            })
        };
        (-2..4).flat_map(each)
    }
}
