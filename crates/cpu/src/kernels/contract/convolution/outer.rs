//! Convolutions whose batch lies side by side: sums of outer products.
//!
//! Gradients of weights are such: the batch holds the channels of the input, each place of the
//! output is a tap of the weight, and the kernel is as large as the other operand's image. Each
//! term has its rows (the batch, or where that is small the places of a line and the batch) and
//! its columns (the features) side by side, so the input is read where it is.

use super::geometry::Axis;
use super::kernel::{Number, Outer, Run};
use super::problem::{Problem, Target, Tensor, split};
use crate::gemm::pack::{self, Piece};
use crate::gemm::vector::round_rows;
use crate::gemm::{Matrix, Panels};
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use std::ops::Range;

/// Rows below which the places of a line are rows too.
const FEW_ROWS: usize = 8;
/// Terms of one pass, whose packed columns stay in the second cache.
const TERMS: usize = 512;
/// Tasks that a large convolution should have.
const TASKS: usize = 16;
/// Bytes of partial sums at most, if one part needs no more.
const PARTIAL_BYTES: usize = 6 << 20;
/// Least rows of a task, so that packing columns pays.
const TASK_ROWS: usize = 64;
/// Elements that one task adds up or copies.
const GRAIN: usize = 16 << 10;

/// Whether sums of outer products are the way: the batch lies side by side, and windows do not.
pub(super) fn suits<T, L>(problem: &Problem<T, L>, axes: &[Axis; 3]) -> bool {
    let geometry = &problem.geometry;
    let places: usize = geometry.output.iter().product();
    let taps: usize = geometry.kernel.iter().product();
    let steps = problem.input.steps;
    let channels_apart = geometry.channels > 1 && steps[4] != 1;
    let batch_together = geometry.batch > 1 && steps[0] == 1;
    let alone = geometry.batch == 1 && geometry.channels == 1 && steps[3] == 1;
    let alone = alone && axes[2].stride == 1;
    if axes.iter().any(|axis| axis.taps == 0) {
        return false;
    }
    (batch_together && (channels_apart || geometry.channels == 1) || alone) && taps > places
}

/// Whether they are the way for all of the output.
pub(super) fn suit_all<T, L>(problem: &Problem<T, L>) -> bool {
    let mut parts = problem.geometry.parts();
    parts.all(|axes| suits(problem, &axes))
}

/// A sum of outer products and how it is cut.
struct Sums<'a, T: 'static> {
    problem: &'a Problem<T>,
    input: Tensor<T>,
    axes: [Axis; 3],
    /// Places of a line that are rows.
    across: usize,
    /// Rows of one place, or of one line.
    rows: Panels,
    columns: Panels,
    /// Terms side by side in one line of the kernel that one pass takes.
    span: usize,
    /// Such spans.
    spans: usize,
    /// Spans of one pass.
    pass: usize,
}

/// # Safety
/// The problem's promises hold; [`suits`] holds.
pub(super) unsafe fn run<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Result<()> {
    let batch = problem.geometry.batch;
    let step = axes[2].stride as isize * problem.input.steps[3];
    let together = batch < FEW_ROWS && axes[2].places > 1 && step == batch as isize;
    let (mut axes, mut input, mut memory) = (axes, problem.input, None);
    if together
        && axes[2]
            .valid(0)
            .len()
            .min(axes[2].valid(axes[2].places - 1).len())
            < axes[2].taps
    {
        // SAFETY: by the caller's promise
        let (buffer, tensor, axis) = unsafe { padded(problem, &axes) }?;
        (memory, input, axes[2]) = (Some(buffer), tensor, axis);
    }
    let across = if together { axes[2].places } else { 1 };
    let loops = problem.loops;
    let cuts = axes[2].taps.div_ceil(TERMS);
    let span = axes[2].taps.div_ceil(cuts);
    let sums = Sums {
        problem,
        input,
        axes,
        across,
        rows: Panels::new(across * batch, 1, loops.rows),
        columns: Panels::new(problem.geometry.features, loops.lanes, loops.vectors),
        span,
        spans: problem.geometry.channels * axes[0].taps * axes[1].taps * cuts,
        pass: (TERMS / span).max(1),
    };
    // SAFETY: by the caller's promise
    let result = unsafe { sums.run() };
    drop(memory);
    result
}

/// A copy of the input with the padding of its lines.
///
/// # Safety
/// The problem's promises hold; the batch of one place lies next to that of the place before.
unsafe fn padded<T: Number>(
    problem: &Problem<T>,
    axes: &[Axis; 3],
) -> Result<(Buffer, Tensor<T>, Axis)> {
    let (geometry, axis) = (&problem.geometry, axes[2]);
    let batch = geometry.batch;
    let width = (axis.places - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1;
    let (depth, height) = (axes[0].size, axes[1].size);
    let lines = geometry.groups * geometry.channels * depth * height;
    let line = width * batch;
    let memory = Buffer::allocate(problem.op, (lines * line * size_of::<T>()).max(1))?;
    let to = Target(memory.host_ptr()?.as_ptr().cast::<T>());
    let first = usize::try_from(axis.low).unwrap_or(0).min(width);
    let skipped = usize::try_from(-axis.low).unwrap_or(0);
    let count = axis.size.saturating_sub(skipped).min(width - first);
    parallel::for_each_range(lines, (GRAIN / line.max(1)).max(1), |start, end| {
        for index in start..end {
            let (y, rest) = (index % height, index / height);
            let (z, channel) = (rest % depth, rest / depth);
            let place = [0, z, y, skipped, channel].map(|index| index as isize);
            let to = to.at(index * line);
            // SAFETY: the copy has `width` places a line, the input `count` from the first one on
            unsafe {
                to.write_bytes(0, line);
                for x in 0..count {
                    let from = problem.input.place(place);
                    let from = from.wrapping_offset(x as isize * problem.input.steps[3]);
                    let to = to.add((first + x) * batch);
                    std::ptr::copy_nonoverlapping(from, to, batch);
                }
            }
        }
    });
    let [height_step, line, batch] = [height * line, line, batch].map(|step| step as isize);
    let tensor = Tensor {
        start: to.0.cast_const(),
        steps: [1, height_step, line, batch, depth as isize * height_step],
    };
    let axis = Axis {
        size: width,
        low: 0,
        ..axis
    };
    Ok((memory, tensor, axis))
}

impl<T: Number> Sums<'_, T> {
    /// Places whose rows are apart.
    fn places(&self) -> usize {
        self.axes[0].places * self.axes[1].places * self.axes[2].places / self.across
    }

    /// Rows of one group.
    fn height(&self) -> usize {
        let [z, y, x] = &self.axes;
        z.places * y.places * x.places * self.problem.geometry.batch
    }

    /// # Safety
    /// As for [`run`].
    unsafe fn run(&self) -> Result<()> {
        let geometry = &self.problem.geometry;
        let (groups, features) = (geometry.groups, geometry.features);
        let height = self.height();
        let size = groups * height * features;
        let parts = (PARTIAL_BYTES / (size * size_of::<T>()).max(1))
            .min(TASKS.div_ceil(groups))
            .min(self.spans.div_ceil(self.pass))
            .max(1);
        let units = self.places() * self.rows.count();
        let shares = TASKS
            .div_ceil(parts * groups)
            .min(height.div_ceil(TASK_ROWS))
            .min(units);
        let memory = Buffer::allocate(self.problem.op, parts * size * size_of::<T>())?;
        let partial = Target(memory.host_ptr()?.as_ptr().cast::<T>());
        parallel::for_each(parts * groups * shares, |task| {
            let (share, rest) = (task % shares, task / shares);
            let (group, part) = (rest % groups, rest / groups);
            let units = share * units / shares..(share + 1) * units / shares;
            let spans = part * self.spans / parts..(part + 1) * self.spans / parts;
            let to = partial.at((part * groups + group) * height * features);
            // SAFETY: by the caller's promise; each task has sums of its own
            unsafe { self.share(group, spans, units, to) };
        });
        parallel::for_each_range(groups * height, (GRAIN / features).max(1), |first, end| {
            let mut sums = vec![T::default(); features];
            for row in first..end {
                let (group, rest) = (row / height, row % height);
                let (place, item) = (rest / geometry.batch, rest % geometry.batch);
                let [_, z, y, x] = split(place, &self.axes);
                let to = self.problem.output_place(&self.axes, [item, z, y, x]);
                let to = to + group * features;
                let from = partial.at(row * features);
                // SAFETY: all parts and the output have the row
                unsafe {
                    match self.problem.rounded {
                        None => {
                            let to = self.problem.output.at(to);
                            add_parts(from, size, parts, features, to);
                        }
                        Some(output) => {
                            add_parts(from, size, parts, features, sums.as_mut_ptr());
                            let from = sums.as_ptr().cast();
                            round_rows(from, features, features, &[output.at(to)]);
                        }
                    }
                }
            }
        });
        Ok(())
    }

    /// Sums of some units, each a panel of rows of a place, over some spans of terms.
    ///
    /// # Safety
    /// As for [`run`]; nobody else has these sums.
    unsafe fn share(&self, group: usize, spans: Range<usize>, units: Range<usize>, to: *mut T) {
        let geometry = &self.problem.geometry;
        let features = geometry.features;
        let mut packed = vec![T::default(); self.columns.padded() * self.pass * self.span];
        let mut table = Vec::new();
        let first_span = spans.start;
        let spans_end = spans.end;
        for first in spans.step_by(self.pass) {
            let now = first..spans_end.min(first + self.pass);
            // SAFETY: by the caller's promise
            let terms = unsafe { self.pack(group, now.clone(), &mut packed) };
            let mut known = usize::MAX;
            for unit in units.clone() {
                let (place, panel) = (unit / self.rows.count(), unit % self.rows.count());
                if place != known {
                    known = place;
                    self.runs(group, place, now.clone(), &mut table);
                }
                let rows = self.rows.get(panel);
                let row = place * self.across * geometry.batch + rows.first;
                for panel in 0..self.columns.count() {
                    let columns = self.columns.get(panel);
                    // SAFETY: runs are inside of the input and the packed columns
                    unsafe {
                        self.problem.loops.outer[rows.size - 1][columns.vectors - 1](&Outer {
                            runs: table.len(),
                            table: table.as_ptr(),
                            lhs_offset: rows.first,
                            lhs_step: self.axes[2].dilation as isize * self.input.steps[3],
                            rhs: packed.as_ptr().wrapping_add(columns.first * terms),
                            output: to.wrapping_add(row * features + columns.first),
                            output_row: features,
                            columns: columns.size,
                            accumulate: first > first_span,
                        });
                    }
                }
            }
        }
    }

    /// The line of the kernel and the taps of a span.
    fn span(&self, span: usize) -> (usize, [usize; 2], Range<usize>) {
        let cuts = self.axes[2].taps.div_ceil(self.span);
        let (cut, line) = (span % cuts, span / cuts);
        let (y, rest) = (line % self.axes[1].taps, line / self.axes[1].taps);
        let (z, channel) = (rest % self.axes[0].taps, rest / self.axes[0].taps);
        let taps = cut * self.span..self.axes[2].taps.min((cut + 1) * self.span);
        (channel, [z, y], taps)
    }

    /// Packs the columns of some spans, panel after panel; gives the number of terms.
    ///
    /// # Safety
    /// As for [`run`].
    unsafe fn pack(&self, group: usize, spans: Range<usize>, packed: &mut [T]) -> usize {
        let problem = self.problem;
        let terms: usize = spans.clone().map(|span| self.span(span).2.len()).sum();
        for panel in 0..self.columns.count() {
            let columns = self.columns.get(panel);
            let width = self.columns.width(&columns);
            let feature = group * problem.geometry.features + columns.first;
            let mut place = columns.first * terms;
            for span in spans.clone() {
                let (channel, [z, y], taps) = self.span(span);
                let start = problem.weight_at(feature, &self.axes, [z, y, taps.start]);
                let channel = channel as isize * problem.weight.steps[4];
                let count = taps.len() * width;
                let piece = Piece {
                    source: Matrix {
                        start: start.wrapping_offset(channel),
                        row_stride: problem.weight.steps[3] * self.axes[2].tap_step as isize,
                        column_stride: problem.weight.steps[0],
                    },
                    terms: taps.len(),
                    size: columns.size,
                    padded: width,
                };
                let to = &mut packed[place..place + count];
                // SAFETY: by the caller's promise; `to` has room for the terms
                unsafe { pack::pack(problem.isa, &piece, to.as_mut_ptr()) };
                place += count;
            }
        }
        terms
    }

    /// Where the rows of the terms of some spans are at a place.
    fn runs(&self, group: usize, place: usize, spans: Range<usize>, table: &mut Vec<Run<T>>) {
        let across = self.axes[2].places / self.across;
        let (x, rest) = (place % across, place / across);
        let (y, z) = (rest % self.axes[1].places, rest / self.axes[1].places);
        // lines whose places are rows are padded: all taps are valid
        let valid = self.axes[2].valid(x);
        table.clear();
        let mut first = 0;
        for span in spans {
            let (channel, [tap_z, tap_y], taps) = self.span(span);
            let inside = self.axes[0]
                .inside(z, tap_z)
                .zip(self.axes[1].inside(y, tap_y));
            let (start, end) = (taps.start.max(valid.start), taps.end.min(valid.end));
            if let Some((from_z, from_y)) = inside
                && start < end
            {
                let channel = group * self.problem.geometry.channels + channel;
                let from_x = self.axes[2].position(x, start);
                let place = [
                    0,
                    from_z as isize,
                    from_y as isize,
                    from_x,
                    channel as isize,
                ];
                table.push(Run {
                    lhs: self.input.place(place),
                    first: first + start - taps.start,
                    count: end - start,
                });
            }
            first += taps.len();
        }
    }
}

/// Writes the sum of parts that are `size` apart, in order.
///
/// # Safety
/// All parts and the output have `count` elements.
unsafe fn add_parts<T: Number>(
    from: *const T,
    size: usize,
    parts: usize,
    count: usize,
    to: *mut T,
) {
    for index in 0..count {
        // SAFETY: by the caller's promise
        unsafe {
            let mut sum = from.add(index).read();
            for part in 1..parts {
                sum = sum + from.add(part * size + index).read();
            }
            to.add(index).write(sum);
        }
    }
}
