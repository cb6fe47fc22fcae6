//! Convolutions of each channel alone: vectors of channels, several places at a time.
//!
//! Groups with few features are such too: each channel of a group is one more tap. If there are as
//! many channels, vectors of the input take it once for each feature in registers, where the
//! instruction set can; else they read it from a copy that has it so. Where there are fewer channels
//! than vectors hold, neighbouring places are one with more channels, and the weight is repeated for
//! them.

mod copies;
mod lines;

use super::channels::{Channels, Row};
use super::geometry::{Axis, Geometry};
use super::kernel::{self, Alone, Loop, Term};
use super::outer;
use super::problem::{Problem, Target, Tensor, split};
use crate::kernels::fused::{self, scratch::with_scratch};
use crate::simd::{Isa, stream};
use copies::{repeated, side_by_side};
use half::bf16;
use lines::{Line, PLACES, Results, Segment, Way, segments};
use mlx_oxide_ir::{Convolution, Result};
use mlx_oxide_runtime::{Buffer, Call, Results as Outputs, Stored, parallel};
use smallvec::smallvec;
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
pub(super) fn suits<T>(geometry: &Geometry, loops: &Alone<T>) -> bool {
    let few = geometry.features == 1 || geometry.features <= loops.features;
    geometry.groups > 1 && geometry.channels > 0 && few
}

/// The convolution of `bf16` elements as they are, if it is such a one and this machine has the loop.
pub(super) fn brain(
    isa: Isa,
    convolution: &Convolution,
    call: &Call<'_>,
) -> Result<Option<Outputs>> {
    let output_type = &call.outputs[0];
    let Some(loops) = kernel::brain(isa).filter(|_| output_type.size() > 0) else {
        return Ok(None);
    };
    let mut problem = Problem::<bf16, _>::new(isa, loops, convolution, call)?;
    let hold = |axes| elements_hold_sums(&problem, &axes);
    if !suits(&problem.geometry, loops)
        || outer::suit_all(&problem)
        || !problem.geometry.parts().all(hold)
    {
        return Ok(None);
    }
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    problem.output = Target(buffer.host_ptr()?.as_ptr().cast());
    let input = match problem.input.steps[4] {
        1 => call.inputs[0].clone(),
        _ => fused::copied(call, &call.inputs[0])?,
    };
    problem.input = Tensor::new(&input)?;
    for axes in problem.geometry.parts() {
        // SAFETY: layouts were checked to fit their buffers, the output is new, and channels lie
        // side by side
        unsafe { run(&problem, axes) }?;
    }
    Ok(Some(smallvec![Stored::contiguous(buffer, output_type)]))
}

/// Whether elements hold the sums that a part takes: each is computed in one go.
fn elements_hold_sums<T: Term>(problem: &Problem<T, Alone<T>>, axes: &[Axis; 3]) -> bool {
    let together = images_together(problem, axes);
    let rest = problem.geometry.batch % together;
    [together, rest].into_iter().all(|batch| {
        let sizes = Sizes::new(problem, axes, batch);
        batch == 0 || sizes.sums_at_once() && sizes.parts(Cut::new(&sizes).tasks()) == 1
    })
}

/// How many images are convolved together: copies of a few at a time stay in the cache.
fn images_together<T: Term>(problem: &Problem<T, Alone<T>>, axes: &[Axis; 3]) -> usize {
    let geometry = &problem.geometry;
    if loop_in_place(problem).is_some() {
        return geometry.batch.max(1);
    }
    let places: usize = axes.iter().map(|axis| axis.size).product();
    let copy = places * geometry.channels * geometry.row() * size_of::<T>();
    (COPY_BYTES / copy.max(1)).clamp(1, geometry.batch.max(1))
}

/// Convolves one part without gaps.
///
/// # Safety
/// The problem's promises hold; channels lie side by side in the input, [`suits`] holds, and
/// elements are sums or hold them.
pub(super) unsafe fn run<T: Term>(problem: &Problem<T, Alone<T>>, axes: [Axis; 3]) -> Result<()> {
    let batch = problem.geometry.batch;
    let together = images_together(problem, &axes);
    for first in (0..batch).step_by(together) {
        let items = first..batch.min(first + together);
        // SAFETY: by the caller's promise
        unsafe { images(&problem.images(items), axes) }?;
    }
    Ok(())
}

/// # Safety
/// As for [`run`].
unsafe fn images<T: Term>(problem: &Problem<T, Alone<T>>, axes: [Axis; 3]) -> Result<()> {
    let in_place = loop_in_place(problem);
    let (_copy, input) = match in_place {
        Some(_) => (None, problem.input),
        None => {
            // SAFETY: by the caller's promise
            let (memory, input) = unsafe { repeated(problem, &axes) }?;
            (Some(memory), input)
        }
    };
    let together = together(problem, &input, &axes[2]);
    // SAFETY: by the caller's promise
    let (_memory, weight) = unsafe { side_by_side(problem, together) }?;
    let images = Images {
        problem,
        axes,
        sizes: Sizes::new(problem, &axes, problem.geometry.batch),
        input,
        weight,
        together,
        kernel: in_place.unwrap_or(problem.loops.channels),
        is_shared: in_place.is_some(),
    };
    let cut = Cut::new(&images.sizes);
    // SAFETY: by the caller's promise
    unsafe {
        match images.sizes.parts(cut.tasks()) {
            1 => images.whole(&cut),
            parts => images.partial(parts)?,
        }
    }
    Ok(())
}

/// The loop that reads the input where it is, if there is one: for single channels, or as many in
/// each group as it has features.
fn loop_in_place<T: Term>(problem: &Problem<T, Alone<T>>) -> Option<Loop<Channels<T>>> {
    let (channels, features) = (problem.geometry.channels, problem.geometry.features);
    match (channels, features) {
        (1, 1) => Some(problem.loops.channels),
        _ if channels == features && features.is_power_of_two() => problem.loops.groups,
        _ => None,
    }
}

/// How many neighbouring places are one with more channels, so that these fill vectors.
fn together<T: Term>(problem: &Problem<T, Alone<T>>, input: &Tensor<T>, axis: &Axis) -> usize {
    let (width, groups) = (problem.loops.width, problem.geometry.row());
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
    problem: &'a Problem<T, Alone<T>>,
    axes: [Axis; 3],
    sizes: Sizes,
    input: Tensor<T>,
    weight: Tensor<T>,
    /// Places that the weight is repeated for.
    together: usize,
    kernel: Loop<Channels<T>>,
    /// Whether the input is read where it is, once for each channel of a group.
    is_shared: bool,
}

/// How lines of places are cut into tasks: blocks of lines, or pieces of one.
struct Cut {
    block: usize,
    blocks: usize,
    pieces: usize,
}

impl Cut {
    fn new(sizes: &Sizes) -> Self {
        let (lines, places) = (sizes.lines(), sizes.axes[2].places);
        let line = sizes.line_work();
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

    fn tasks(&self) -> usize {
        self.blocks * self.pieces
    }
}

/// How much some images take.
struct Sizes {
    axes: [Axis; 3],
    batch: usize,
    /// Input channels of one group.
    channels: usize,
    /// Channels of the output.
    groups: usize,
    /// Bytes of an element.
    element: usize,
}

impl Sizes {
    fn new<T: Term>(problem: &Problem<T, Alone<T>>, axes: &[Axis; 3], batch: usize) -> Self {
        Sizes {
            axes: *axes,
            batch,
            channels: problem.geometry.channels,
            groups: problem.geometry.row(),
            element: size_of::<T>(),
        }
    }

    fn lines(&self) -> usize {
        self.batch * self.axes[0].places * self.axes[1].places
    }

    /// Rows of taps.
    fn taps(&self) -> usize {
        self.channels * self.axes[0].taps * self.axes[1].taps
    }

    /// Multiplications of a line of places.
    fn line_work(&self) -> usize {
        let taps = self.taps() * self.axes[2].taps;
        (self.axes[2].places * self.groups * taps).max(1)
    }

    /// Elements of all results.
    fn results(&self) -> usize {
        self.lines() * self.axes[2].places * self.groups
    }

    /// Into how many parts the taps are cut, so that few places have enough tasks.
    fn parts(&self, tasks: usize) -> usize {
        let work = self.line_work() * self.lines();
        if tasks >= TASKS || work < TASKS * PART_WORK {
            return 1;
        }
        let bytes = (self.results() * self.element).max(1);
        TASKS.min(self.taps()).min(PARTIAL_BYTES / bytes).max(1)
    }

    /// Whether one pass sums all taps.
    fn in_one_pass(&self) -> bool {
        self.taps() * self.axes[2].taps * self.groups <= PASS
    }

    /// Whether each sum is computed in one go.
    fn sums_at_once(&self) -> bool {
        let segments = segments(&self.axes[2], 0..self.axes[2].places);
        self.in_one_pass() && segments.iter().all(|segment| segment.uniform)
    }
}

impl<T: Term> Images<'_, T> {
    /// How sums reach the output if all taps are summed in one pass, and how many places' at a time.
    fn way(&self, segments: &[Segment]) -> Option<usize> {
        let (place, axes) = (self.sizes.groups * size_of::<T>(), &self.axes);
        let bytes = self.sizes.results() * size_of::<T>();
        let read = bytes * axes[1].stride * axes[2].stride;
        if !self.sizes.in_one_pass() || axes[2].place_step != 1 || !stream::pays(bytes, read) {
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
        let step = axes[2].place_step * self.sizes.groups;
        let way = self.way(&segments(&axes[2], 0..places));
        let tile = way.unwrap_or(0) * self.sizes.groups * size_of::<T>();
        parallel::for_each(cut.blocks * cut.pieces, |task| {
            let (block, piece) = (task / cut.pieces, task % cut.pieces);
            let lines = block * cut.block..self.sizes.lines().min((block + 1) * cut.block);
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
                unsafe { self.convolve(&segments, lines, 0..self.sizes.taps(), results, to) };
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
        let (axes, groups, taps) = (&self.axes, self.sizes.groups, self.sizes.taps());
        let size = self.sizes.results();
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
            unsafe { self.convolve(&segments, 0..self.sizes.lines(), taps, results, to) };
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
        let row = (x_axis.taps * self.sizes.groups).max(1);
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
                    kernel: self.kernel,
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
    fn row(&self, [item, z, y]: [usize; 3], [tap_z, tap_y, channel]: [usize; 3]) -> Row<T> {
        let from =
            [item, z, y, 0, if self.is_shared { 0 } else { channel }].map(|index| index as isize);
        let at = |axis: usize, tap: usize| {
            let axis = &self.axes[axis];
            axis.first_tap + tap * axis.tap_step
        };
        let by = [0, at(0, tap_z), at(1, tap_y), at(2, 0), channel].map(|index| index as isize);
        Row {
            input: self.input.place(from),
            weight: self.weight.place(by),
            channel,
        }
    }
}
