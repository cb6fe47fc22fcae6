//! Convolutions of each channel alone: vectors of channels, several places at a time.
//!
//! Groups with few features are such too: each channel of a group is one more tap, in a copy of the
//! input that has it once for each feature.

use super::geometry::Axis;
use super::kernel::{Channels, Number, PLACES};
use super::problem::{Problem, Target, Tensor, split};
use crate::kernels::fused::scratch::with_scratch;
use crate::simd::stream;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use std::ops::Range;

/// Taps of a line from which neighbouring places share those that all of them have, and each adds
/// its own; fewer are not worth a second pass.
const LONG_LINE: usize = 16;
/// Elements of the weight that one pass reads, so that they stay in the second cache.
const PASS: usize = 64 << 10;
/// Multiplications of one task.
const TASK_WORK: usize = 1 << 18;
/// Tasks that a large convolution should have at least.
const TASKS: usize = 16;
/// Bytes of a copy of the input at most, if one image needs no more.
const COPY_BYTES: usize = 4 << 20;
/// Bytes of a tile of results that pass by the caches at most.
const TILE_BYTES: usize = 16 << 10;
/// Bytes of a line of the caches.
const LINE: usize = 64;
/// Bytes of partial sums at most.
const PARTIAL_BYTES: usize = 4 << 20;

/// Whether groups have so few features that vectors should hold those of several groups.
pub(super) fn suits<T: Number>(problem: &Problem<T>) -> bool {
    let geometry = &problem.geometry;
    let few = geometry.features == 1 || 2 * geometry.features <= problem.loops.lanes;
    geometry.groups > 1 && geometry.channels > 0 && few
}

/// Convolves one part without gaps.
///
/// # Safety
/// The problem's promises hold; channels lie side by side in the input, and [`suits`] holds.
pub(super) unsafe fn run<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Result<()> {
    let geometry = &problem.geometry;
    if (geometry.channels, geometry.features) == (1, 1) {
        // SAFETY: by the caller's promise
        return unsafe { images(problem, axes) };
    }
    // copies of a few images at a time stay in the cache
    let places: usize = axes.iter().map(|axis| axis.size).product();
    let copy = places * geometry.channels * geometry.row() * size_of::<T>();
    let together = (COPY_BYTES / copy.max(1)).max(1);
    for first in (0..geometry.batch).step_by(together) {
        let items = first..geometry.batch.min(first + together);
        // SAFETY: by the caller's promise
        unsafe { images(&problem.images(items), axes) }?;
    }
    Ok(())
}

/// # Safety
/// As for [`run`].
unsafe fn images<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Result<()> {
    let groups = problem.geometry.row();
    let lines = problem.geometry.batch * axes[0].places * axes[1].places;
    let taps = problem.geometry.channels * axes[0].taps * axes[1].taps;
    // SAFETY: by the caller's promise
    let (_memory, weight) = unsafe { side_by_side(problem) }?;
    // SAFETY: by the caller's promise
    let (_copy, input) = unsafe { repeated(problem, &axes) }?;
    let line_work = axes[2].places * groups * (taps * axes[2].taps).max(1);
    let block = (TASK_WORK / line_work.max(1)).clamp(1, lines);
    let blocks = lines.div_ceil(block);
    let size = lines * axes[2].places * groups;
    let parts = parts(line_work * lines, blocks, taps, size * size_of::<T>());
    if parts == 1 {
        let step = axes[2].place_step * groups;
        let tile = PLACES * groups * size_of::<T>();
        let read = size * axes[1].stride * axes[2].stride * size_of::<T>();
        let streamed = axes[2].place_step == 1
            && taps * axes[2].taps * groups <= PASS
            && tile <= TILE_BYTES
            && stream::pays(size * size_of::<T>(), read);
        parallel::for_each(blocks, |task| {
            let lines = task * block..lines.min((task + 1) * block);
            let to = |place: [usize; 4]| problem.output.at(problem.output_place(&axes, place));
            with_scratch(if streamed { tile } else { 0 }, |scratch| {
                let tile = streamed.then_some(scratch.cast());
                let results = Results { step, tile };
                // SAFETY: by the caller's promise
                unsafe {
                    convolve(
                        problem,
                        (&input, &weight),
                        &axes,
                        lines,
                        0..taps,
                        results,
                        to,
                    )
                };
            });
            if streamed {
                stream::settle();
            }
        });
        return Ok(());
    }
    let memory = Buffer::allocate(problem.op, parts * size * size_of::<T>())?;
    let partial = Target(memory.host_ptr()?.as_ptr().cast::<T>());
    parallel::for_each(parts, |part| {
        let taps = part * taps / parts..(part + 1) * taps / parts;
        let to = |[item, z, y, x]: [usize; 4]| {
            let line = (item * axes[0].places + z) * axes[1].places + y;
            partial.at(part * size + (line * axes[2].places + x) * groups)
        };
        // SAFETY: by the caller's promise; each part has sums of its own
        unsafe {
            convolve(
                problem,
                (&input, &weight),
                &axes,
                0..lines,
                taps,
                Results {
                    step: groups,
                    tile: None,
                },
                to,
            )
        };
    });
    parallel::for_each_range(size / groups, (PASS / groups).max(1), |first, end| {
        for place in first..end {
            let to = problem
                .output
                .at(problem.output_place(&axes, split(place, &axes)));
            for channel in 0..groups {
                let from = partial.at(place * groups + channel);
                let mut sum = T::default();
                for part in 0..parts {
                    // SAFETY: all parts have the place
                    sum = sum + unsafe { from.wrapping_add(part * size).read() };
                }
                // SAFETY: the output has the place, and no other task writes it
                unsafe { to.add(channel).write(sum) };
            }
        }
    });
    Ok(())
}

/// Into how many parts the taps are cut, so that few places have enough tasks.
fn parts(work: usize, blocks: usize, taps: usize, bytes: usize) -> usize {
    if blocks >= TASKS || work < TASKS * TASK_WORK {
        return 1;
    }
    TASKS.min(taps).min(PARTIAL_BYTES / bytes.max(1)).max(1)
}

/// The weight with features side by side: as it is, or a copy.
///
/// # Safety
/// The problem's promises hold.
unsafe fn side_by_side<T: Number>(problem: &Problem<T>) -> Result<(Option<Buffer>, Tensor<T>)> {
    if problem.weight.steps[0] == 1 {
        return Ok((None, problem.weight));
    }
    let geometry = &problem.geometry;
    let (width, [depth, height, length]) = (geometry.row(), geometry.kernel);
    let count = geometry.channels * depth * height * length;
    let memory = Buffer::allocate(problem.op, count * width * size_of::<T>())?;
    let to = Target(memory.host_ptr()?.as_ptr().cast::<T>());
    parallel::for_each_range(count, (PASS / width).max(1), |first, end| {
        for tap in first..end {
            let (x, rest) = (tap % length, tap / length);
            let (y, rest) = (rest % height, rest / height);
            let place = [0, rest % depth, y, x, rest / depth].map(|index| index as isize);
            let from = problem.weight.place(place);
            for feature in 0..width {
                let from = from.wrapping_offset(feature as isize * problem.weight.steps[0]);
                // SAFETY: by the caller's promise; the copy has every tap
                unsafe { to.at(tap * width + feature).write(from.read()) };
            }
        }
    });
    let steps = [1, height * length, length, 1, depth * height * length];
    let mut steps = steps.map(|step| (step * width) as isize);
    steps[0] = 1;
    let tensor = Tensor {
        start: to.0.cast_const(),
        steps,
    };
    Ok((Some(memory), tensor))
}

/// For each channel of a group the input with that channel for each feature: as it is if there is
/// one of both, or a copy.
///
/// # Safety
/// The problem's promises hold.
unsafe fn repeated<T: Number>(
    problem: &Problem<T>,
    axes: &[Axis; 3],
) -> Result<(Option<Buffer>, Tensor<T>)> {
    let geometry = &problem.geometry;
    let (channels, features) = (geometry.channels, geometry.features);
    if (channels, features) == (1, 1) {
        return Ok((None, problem.input));
    }
    let (width, [depth, height, length]) = (geometry.row(), axes.map(|axis| axis.size));
    let places = geometry.batch * depth * height * length;
    let bytes = places * channels * width * size_of::<T>();
    let memory = Buffer::allocate(problem.op, bytes.max(1))?;
    let to = Target(memory.host_ptr()?.as_ptr().cast::<T>());
    parallel::for_each_range(places, (PASS / (channels * width)).max(1), |first, end| {
        for place in first..end {
            let (x, rest) = (place % length, place / length);
            let (y, rest) = (rest % height, rest / height);
            let from = [rest / depth, rest % depth, y, x, 0].map(|index| index as isize);
            let from = problem.input.place(from);
            for channel in 0..channels {
                let to = to.at((channel * places + place) * width);
                let from = from.wrapping_add(channel);
                // SAFETY: by the caller's promise; the copy has every place and channel
                unsafe {
                    match features {
                        2 => repeat::<T, 2>(from, channels, geometry.groups, to),
                        4 => repeat::<T, 4>(from, channels, geometry.groups, to),
                        8 => repeat::<T, 8>(from, channels, geometry.groups, to),
                        _ => {
                            for feature in 0..width {
                                let from = from.add(feature / features * channels);
                                to.add(feature).write(from.read());
                            }
                        }
                    }
                }
            }
        }
    });
    let steps = [depth * height * length, height * length, length, 1, places];
    let tensor = Tensor {
        start: to.0.cast_const(),
        steps: steps.map(|step| (step * width) as isize),
    };
    Ok((Some(memory), tensor))
}

/// Writes every `step`th of some elements `TIMES` times.
///
/// # Safety
/// So many elements are there, and room for all copies.
unsafe fn repeat<T: Copy, const TIMES: usize>(
    from: *const T,
    step: usize,
    count: usize,
    to: *mut T,
) {
    let to = to.cast::<[T; TIMES]>();
    for index in 0..count {
        // SAFETY: by the caller's promise
        unsafe {
            to.add(index)
                .write_unaligned([from.add(index * step).read(); TIMES])
        };
    }
}

/// Where sums of neighbouring places go.
#[derive(Clone, Copy)]
struct Results<T> {
    /// Elements from one place's to the next one's.
    step: usize,
    /// Where those of up to [`PLACES`] are made that then pass by the caches; all taps of a line
    /// are summed in one pass then.
    tile: Option<*mut T>,
}

/// Sums of some lines over some rows of taps.
///
/// # Safety
/// As for [`run`]; `to` gives places that nobody else has.
unsafe fn convolve<T: Number>(
    problem: &Problem<T>,
    (input, weight): (&Tensor<T>, &Tensor<T>),
    axes: &[Axis; 3],
    lines: Range<usize>,
    taps: Range<usize>,
    results: Results<T>,
    to: impl Fn([usize; 4]) -> *mut T,
) {
    let [_, y_axis, x_axis] = axes;
    let row = (x_axis.taps * problem.geometry.row()).max(1);
    let pass = (PASS / row).max(1);
    let mut table = Vec::new();
    for first in (taps.start..taps.end.max(taps.start + 1)).step_by(pass) {
        let taps_now = first..taps.end.min(first + pass);
        for line in lines.clone() {
            let [item, z, y, _] = split(line * x_axis.places, axes);
            table.clear();
            for tap in taps_now.clone() {
                let (tap_y, rest) = (tap % y_axis.taps, tap / y_axis.taps);
                let (tap_z, channel) = (rest % axes[0].taps, (rest / axes[0].taps) as isize);
                let inside = axes[0].inside(z, tap_z).zip(axes[1].inside(y, tap_y));
                let Some((from_z, from_y)) = inside else {
                    continue;
                };
                let from = [item as isize, from_z as isize, from_y as isize, 0, channel];
                let at = |axis: &Axis, tap: usize| (axis.first_tap + tap * axis.tap_step) as isize;
                let by = [
                    0,
                    at(&axes[0], tap_z),
                    at(y_axis, tap_y),
                    at(x_axis, 0),
                    channel,
                ];
                table.push((input.place(from), weight.place(by)));
            }
            let line = Line {
                problem,
                axis: x_axis,
                input_step: input.steps[3],
                weight_step: weight.steps[3] * x_axis.tap_step as isize,
                table: &table,
                output: to([item, z, y, 0]),
                results,
                accumulate: first > taps.start,
            };
            // SAFETY: by the caller's promise
            unsafe { line.run() };
        }
    }
}

/// One line of places.
struct Line<'a, T: 'static> {
    problem: &'a Problem<T>,
    axis: &'a Axis,
    input_step: isize,
    weight_step: isize,
    table: &'a [(*const T, *const T)],
    output: *mut T,
    results: Results<T>,
    accumulate: bool,
}

impl<T: Number> Line<'_, T> {
    /// # Safety
    /// As for [`convolve`].
    unsafe fn run(&self) {
        let mut place = 0;
        while place < self.axis.places {
            let valid = self.axis.valid(place);
            let mut end = place + 1;
            let mut shared = valid.clone();
            while end < self.axis.places && end - place < PLACES {
                let next = self.axis.valid(end);
                if next != valid {
                    let both = shared.start.max(next.start)..shared.end.min(next.end);
                    if valid.len() < LONG_LINE || both.len() < LONG_LINE {
                        break;
                    }
                    shared = both;
                }
                end += 1;
            }
            let step = self.results.step;
            let output = self.output.wrapping_add(place * step);
            let sums = self.results.tile.unwrap_or(output);
            // SAFETY: by the caller's promise
            unsafe {
                self.places(place..end, shared.clone(), self.accumulate, sums);
                for next in place..end {
                    let valid = self.axis.valid(next);
                    let sums = sums.wrapping_add((next - place) * step);
                    for rest in [valid.start..shared.start, shared.end..valid.end] {
                        if !rest.is_empty() {
                            self.places(next..next + 1, rest, true, sums);
                        }
                    }
                }
                if let Some(tile) = self.results.tile {
                    let bytes = (end - place) * step * size_of::<T>();
                    stream::copy(output.cast(), tile.cast(), bytes);
                }
            }
            place = end;
        }
    }

    /// Sums of neighbouring places over taps that all of them have.
    ///
    /// # Safety
    /// As for [`convolve`].
    unsafe fn places(
        &self,
        places: Range<usize>,
        taps: Range<usize>,
        accumulate: bool,
        sums: *mut T,
    ) {
        let lanes = self.problem.loops.lanes;
        let step = self.input_step;
        let groups = self.problem.geometry.row();
        let input = self.axis.position(places.start, taps.start) * step;
        let weight = taps.start as isize * self.weight_step;
        let moved = self.table.iter().map(|(from, by)| {
            let from = from.wrapping_offset(input);
            (from, by.wrapping_offset(weight))
        });
        let table: smallvec::SmallVec<[_; 16]> = moved.collect();
        let last = places.end.max(1) - 1;
        let behind = self.axis.position(last, taps.end.max(1) - 1) * step;
        let next = self
            .table
            .last()
            .map(|(from, _)| from.wrapping_offset(behind + step));
        let places_ahead = places.len() * self.axis.stride;
        for channel in (0..groups).step_by(lanes) {
            let output = sums.wrapping_add(channel);
            if let Some(next) = next
                && (channel * size_of::<T>()).is_multiple_of(LINE)
            {
                // what the next places read of the last row, which lies in no order that the
                // processor would foresee
                for place in 0..places_ahead {
                    let from = next.wrapping_offset(place as isize * step);
                    stream::fetch(from.wrapping_add(channel), LINE);
                }
            }
            // SAFETY: these taps are inside of the input at these places, and the channels exist
            unsafe {
                self.problem.loops.channels[places.len() - 1](&Channels {
                    rows: table.len(),
                    table: table.as_ptr(),
                    offset: channel,
                    taps: taps.len(),
                    input_step: self.axis.dilation as isize * step,
                    weight_step: self.weight_step,
                    place_step: self.axis.stride as isize * step,
                    output,
                    output_step: self.results.step,
                    columns: lanes.min(groups - channel),
                    accumulate,
                });
            }
        }
    }
}
