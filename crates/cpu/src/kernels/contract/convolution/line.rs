//! Convolutions of one channel with few features: vectors of places.

use super::geometry::Axis;
use super::kernel::{Loops, Number};
use super::problem::{Problem, Target, split};
use crate::gemm::kernel::Tile;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};

/// Most features; more fill vectors of their own.
const FEATURES: usize = 4;
/// Most places of one task.
const SPAN: usize = 4096;
/// Multiplications of one task.
const TASK_WORK: usize = 1 << 18;

/// Whether vectors of places are the way: neighbouring places read neighbouring elements.
pub(super) fn suits<S, T>(problem: &Problem<S, Loops<T>>, axes: &[Axis; 3]) -> bool {
    let geometry = &problem.geometry;
    geometry.groups == 1
        && geometry.channels == 1
        && geometry.features <= FEATURES
        && axes[2].stride == 1
        && axes[2].places >= 2 * problem.loops.lanes
        && problem.input.steps[3] == 1
}

/// # Safety
/// The problem's promises hold; [`suits`] holds, and the axes are all that there is.
pub(super) unsafe fn run<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Result<()> {
    let geometry = &problem.geometry;
    let taps: usize = axes.iter().map(|axis| axis.taps).product();
    let features = geometry.features;
    let memory = Buffer::allocate(problem.op, (taps * features * size_of::<T>()).max(1))?;
    let weight = Target(memory.host_ptr()?.as_ptr().cast::<T>());
    for tap in 0..taps {
        let (x, rest) = (tap % axes[2].taps, tap / axes[2].taps);
        let (y, z) = (rest % axes[1].taps, rest / axes[1].taps);
        for feature in 0..features {
            let from = problem.weight_at(feature, &axes, [z, y, x]);
            // SAFETY: the weight and its copy have the tap
            unsafe { weight.at(feature * taps + tap).write(from.read()) };
        }
    }
    let lines = geometry.batch * axes[0].places * axes[1].places;
    let spans = axes[2].places.div_ceil(SPAN);
    let block = (TASK_WORK / (axes[2].places * taps).max(1)).clamp(1, lines);
    parallel::for_each(lines.div_ceil(block) * spans, |task| {
        let (span, first) = (task % spans, task / spans * block);
        let mut scratch = Scratch::default();
        for line in first..lines.min(first + block) {
            // SAFETY: by the caller's promise; each task has places of its own
            unsafe { convolve(problem, &axes, weight.at(0), line, span, &mut scratch) };
        }
    });
    Ok(())
}

struct Scratch<T> {
    /// A line of the input with its padding.
    line: Vec<T>,
    /// Sums, one row a feature.
    sums: Vec<T>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Scratch {
            line: Vec::new(),
            sums: Vec::new(),
        }
    }
}

/// Some places of one line.
///
/// # Safety
/// As for [`run`]; `weight` is its copy.
unsafe fn convolve<T: Number>(
    problem: &Problem<T>,
    axes: &[Axis; 3],
    weight: *const T,
    line: usize,
    span: usize,
    scratch: &mut Scratch<T>,
) {
    let [z_axis, y_axis, axis] = axes;
    let features = problem.geometry.features;
    let taps = z_axis.taps * y_axis.taps * axis.taps;
    let (first, end) = (span * SPAN, axis.places.min((span + 1) * SPAN));
    let count = end - first;
    let [item, z, y, _] = split(line * axis.places, axes);
    let reach = count + axis.taps.saturating_sub(1) * axis.dilation;
    scratch.sums.clear();
    scratch.sums.resize(count * features, T::default());
    for tap_line in 0..z_axis.taps * y_axis.taps {
        let (tap_z, tap_y) = (tap_line / y_axis.taps, tap_line % y_axis.taps);
        let inside = z_axis.inside(z, tap_z).zip(y_axis.inside(y, tap_y));
        let Some((from_z, from_y)) = inside else {
            continue;
        };
        let start = axis.position(first, 0);
        let place = [item as isize, from_z as isize, from_y as isize, start, 0];
        let from = problem.input.place(place);
        let (low, high) = (
            usize::try_from(-start).unwrap_or(0).min(reach),
            usize::try_from(axis.size as isize - start)
                .unwrap_or(0)
                .min(reach),
        );
        scratch.line.clear();
        scratch.line.resize(reach, T::default());
        if low < high {
            // SAFETY: these positions are inside of the input's line, which has no gaps
            let elements =
                unsafe { std::slice::from_raw_parts(from.wrapping_add(low), high - low) };
            scratch.line[low..high].copy_from_slice(elements);
        }
        let lhs = weight.wrapping_add(tap_line * axis.taps);
        // SAFETY: the padded line reaches all places and taps
        unsafe { add_line(problem, lhs, taps, axis, count, scratch) };
    }
    let place = problem.output_place(axes, [item, z, y, first]);
    let step = axis.place_step * features;
    for feature in 0..features {
        let sums = &scratch.sums[feature * count..(feature + 1) * count];
        let to = problem.output.at(place + feature);
        for (x, sum) in sums.iter().enumerate() {
            // SAFETY: the output has the place
            unsafe { to.add(x * step).write(*sum) };
        }
    }
}

/// Adds what one line of taps gives.
///
/// # Safety
/// The weight has `taps` taps a feature, those of the line first; the scratch has `count` places
/// and what the taps reach.
unsafe fn add_line<T: Number>(
    problem: &Problem<T>,
    weight: *const T,
    taps: usize,
    axis: &Axis,
    count: usize,
    scratch: &mut Scratch<T>,
) {
    let kernels = T::kernels(problem.isa);
    let features = problem.geometry.features;
    let width = kernels.lanes * kernels.vectors;
    for first in (0..count).step_by(width) {
        let columns = width.min(count - first);
        let kernel = (kernels.choose)(features, columns.div_ceil(kernels.lanes), false);
        // SAFETY: by the caller's promise
        unsafe {
            kernel(&Tile {
                inner: axis.taps,
                lhs: weight,
                lhs_row: taps as isize,
                rhs: scratch.line.as_ptr().wrapping_add(first),
                rhs_row: axis.dilation as isize,
                output: scratch.sums.as_mut_ptr().wrapping_add(first),
                output_row: count as isize,
                columns,
                accumulate: true,
            });
        }
    }
}
