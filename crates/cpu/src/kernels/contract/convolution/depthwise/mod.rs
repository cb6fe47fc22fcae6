//! Convolutions of each channel alone: vectors of channels, several places at a time.
//!
//! Groups with few features are such too: each channel of a group is one more tap, in a copy of the
//! input that has it once for each feature. Where there are fewer channels than vectors hold,
//! neighbouring places are one with more channels, and the weight is repeated for them.

mod copies;
mod lines;

use super::geometry::Axis;
use super::kernel::Number;
use super::problem::{Problem, Target, Tensor, split};
use crate::kernels::fused::scratch::with_scratch;
use crate::simd::stream;
use copies::{repeated, side_by_side};
use lines::{Line, PLACES, Results, Segment, Way, segments};
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use std::ops::Range;

/// Elements of the weight that one pass reads, so that they stay in the second cache.
const PASS: usize = 64 << 10;
/// Multiplications of one task at most, if that is enough for one line: neighbouring lines share
/// most of what they read.
const TASK_WORK: usize = 1 << 20;
/// Multiplications that make a task worth its start.
const LEAST_WORK: usize = 1 << 17;
/// Multiplications of a part of the taps.
const PART_WORK: usize = 1 << 18;
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
    // SAFETY: by the caller's promise
    let (_copy, input) = unsafe { repeated(problem, &axes) }?;
    let together = together(problem, &input, &axes[2]);
    // SAFETY: by the caller's promise
    let (_memory, weight) = unsafe { side_by_side(problem, together) }?;
    let images = Images {
        problem,
        axes,
        input,
        weight,
        together,
    };
    let cut = Cut::new(&images);
    let parts = images.parts(cut.blocks * cut.pieces);
    // SAFETY: by the caller's promise
    unsafe {
        match parts {
            1 => images.whole(&cut),
            _ => images.partial(parts)?,
        }
    }
    Ok(())
}

/// How many neighbouring places are one with more channels, so that these fill vectors.
fn together<T: Number>(problem: &Problem<T>, input: &Tensor<T>, axis: &Axis) -> usize {
    let (width, groups) = (2 * problem.loops.lanes, problem.geometry.row());
    let gapless = axis.stride == 1 && axis.place_step == 1 && input.steps[3] == groups as isize;
    if !gapless || groups >= 2 * width || groups.is_multiple_of(width) {
        return 1;
    }
    let shared = groups.trailing_zeros().min(width.trailing_zeros());
    let together = width >> shared;
    if 2 * together > axis.places {
        1
    } else {
        together
    }
}

/// Images that are convolved together, and their operands as vectors read them.
struct Images<'a, T: 'static> {
    problem: &'a Problem<T>,
    axes: [Axis; 3],
    input: Tensor<T>,
    weight: Tensor<T>,
    /// Places that the weight is repeated for.
    together: usize,
}

/// How lines of places are cut into tasks: blocks of lines, or pieces of one.
struct Cut {
    block: usize,
    blocks: usize,
    pieces: usize,
}

impl Cut {
    fn new<T: Number>(images: &Images<'_, T>) -> Self {
        let (lines, places) = (images.lines(), images.axes[2].places);
        let line = images.line_work();
        let block = (TASK_WORK / line).min(lines / TASKS);
        let block = block.max(LEAST_WORK / line).clamp(1, lines);
        let blocks = lines.div_ceil(block);
        let wanted = match blocks {
            TASKS.. => line / TASK_WORK,
            _ => (line / LEAST_WORK).min(TASKS.div_ceil(blocks)),
        };
        Cut {
            block,
            blocks,
            pieces: wanted.clamp(1, places.div_ceil(4 * PLACES)),
        }
    }
}

impl<T: Number> Images<'_, T> {
    /// Channels of the output.
    fn groups(&self) -> usize {
        self.problem.geometry.row()
    }

    fn lines(&self) -> usize {
        self.problem.geometry.batch * self.axes[0].places * self.axes[1].places
    }

    /// Rows of taps.
    fn taps(&self) -> usize {
        self.problem.geometry.channels * self.axes[0].taps * self.axes[1].taps
    }

    /// Multiplications of a line of places.
    fn line_work(&self) -> usize {
        let taps = self.taps() * self.axes[2].taps;
        (self.axes[2].places * self.groups() * taps).max(1)
    }

    /// Elements of all results.
    fn size(&self) -> usize {
        self.lines() * self.axes[2].places * self.groups()
    }

    /// Into how many parts the taps are cut, so that few places have enough tasks.
    fn parts(&self, tasks: usize) -> usize {
        let work = self.line_work() * self.lines();
        if tasks >= TASKS || work < TASKS * PART_WORK {
            return 1;
        }
        let bytes = (self.size() * size_of::<T>()).max(1);
        TASKS.min(self.taps()).min(PARTIAL_BYTES / bytes).max(1)
    }

    /// How sums reach the output if all taps are summed in one pass, and how many places' at a time.
    fn way(&self, segments: &[Segment]) -> Option<usize> {
        let (place, axes) = (self.groups() * size_of::<T>(), &self.axes);
        let bytes = self.size() * size_of::<T>();
        let read = bytes * axes[1].stride * axes[2].stride;
        let once = self.taps() * axes[2].taps * self.groups() <= PASS;
        if !once || axes[2].place_step != 1 || !stream::pays(bytes, read) {
            return None;
        }
        let uniform = segments.iter().all(|segment| segment.uniform);
        let aligned =
            place.is_multiple_of(LINE) && self.problem.output.0.addr().is_multiple_of(LINE);
        match TILE_BYTES / place {
            _ if uniform && aligned => Some(0),
            places if places >= PLACES => Some(places),
            _ => None,
        }
    }

    /// Sums over all taps.
    ///
    /// # Safety
    /// As for [`run`].
    unsafe fn whole(&self, cut: &Cut) {
        let (places, axes) = (self.axes[2].places, &self.axes);
        let step = axes[2].place_step * self.groups();
        let way = self.way(&segments(&axes[2], 0..places));
        let tile = way.unwrap_or(0) * self.groups() * size_of::<T>();
        parallel::for_each(cut.blocks * cut.pieces, |task| {
            let (block, piece) = (task / cut.pieces, task % cut.pieces);
            let lines = block * cut.block..self.lines().min((block + 1) * cut.block);
            let piece = piece * places / cut.pieces..(piece + 1) * places / cut.pieces;
            let to = |place: [usize; 4]| {
                let place = self.problem.output_place(axes, place);
                self.problem.output.at(place)
            };
            with_scratch(tile, |scratch| {
                let way = match way {
                    None => Way::Cached,
                    Some(0) => Way::Past,
                    Some(places) => Way::Tile(scratch.cast(), places),
                };
                let results = Results { step, way };
                let segments = segments(&axes[2], piece);
                // SAFETY: by the caller's promise
                unsafe { self.convolve(&segments, lines, 0..self.taps(), results, to) };
            });
            if way.is_some() {
                stream::settle();
            }
        });
    }

    /// Sums over parts of the taps, which are added then.
    ///
    /// # Safety
    /// As for [`run`].
    unsafe fn partial(&self, parts: usize) -> Result<()> {
        let (axes, groups, taps) = (&self.axes, self.groups(), self.taps());
        let size = self.size();
        let memory = Buffer::allocate(self.problem.op, parts * size * size_of::<T>())?;
        let partial = Target(memory.host_ptr()?.as_ptr().cast::<T>());
        let segments = segments(&axes[2], 0..axes[2].places);
        parallel::for_each(parts, |part| {
            let taps = part * taps / parts..(part + 1) * taps / parts;
            let to = |[item, z, y, x]: [usize; 4]| {
                let line = (item * axes[0].places + z) * axes[1].places + y;
                partial.at(part * size + (line * axes[2].places + x) * groups)
            };
            let results = Results {
                step: groups,
                way: Way::Cached,
            };
            // SAFETY: by the caller's promise; each part has sums of its own
            unsafe { self.convolve(&segments, 0..self.lines(), taps, results, to) };
        });
        parallel::for_each_range(size / groups, (PASS / groups).max(1), |first, end| {
            for place in first..end {
                let to = self.problem.output_place(axes, split(place, axes));
                let to = self.problem.output.at(to);
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

    /// Sums of some segments of some lines over some rows of taps.
    ///
    /// # Safety
    /// As for [`run`]; `to` gives places that nobody else has.
    unsafe fn convolve(
        &self,
        segments: &[Segment],
        lines: Range<usize>,
        taps: Range<usize>,
        results: Results<T>,
        to: impl Fn([usize; 4]) -> *mut T,
    ) {
        let [z_axis, y_axis, x_axis] = &self.axes;
        let row = (x_axis.taps * self.groups()).max(1);
        let pass = (PASS / row).max(1);
        let mut table = Vec::new();
        for first in (taps.start..taps.end.max(taps.start + 1)).step_by(pass) {
            let taps_now = first..taps.end.min(first + pass);
            for line in lines.clone() {
                let [item, z, y, _] = split(line * x_axis.places, &self.axes);
                table.clear();
                for tap in taps_now.clone() {
                    let (tap_y, rest) = (tap % y_axis.taps, tap / y_axis.taps);
                    let (tap_z, channel) = (rest % z_axis.taps, rest / z_axis.taps);
                    let inside = z_axis.inside(z, tap_z).zip(y_axis.inside(y, tap_y));
                    if let Some((from_z, from_y)) = inside {
                        table.push(self.row([item, from_z, from_y], [tap_z, tap_y, channel]));
                    }
                }
                let line = Line {
                    problem: self.problem,
                    axis: x_axis,
                    input_step: self.input.steps[3],
                    weight_step: self.weight.steps[3] * x_axis.tap_step as isize,
                    table: &table,
                    together: self.together,
                    output: to([item, z, y, 0]),
                    results,
                    accumulate: first > taps.start,
                };
                // SAFETY: by the caller's promise
                unsafe { line.run(segments) };
            }
        }
    }

    /// Where the input and the weight of a row of taps are.
    fn row(
        &self,
        [item, z, y]: [usize; 3],
        [tap_z, tap_y, channel]: [usize; 3],
    ) -> (*const T, *const T) {
        let from = [item, z, y, 0, channel].map(|index| index as isize);
        let at = |axis: usize, tap: usize| {
            let axis = &self.axes[axis];
            axis.first_tap + tap * axis.tap_step
        };
        let by = [0, at(0, tap_z), at(1, tap_y), at(2, 0), channel].map(|index| index as isize);
        (self.input.place(from), self.weight.place(by))
    }
}
