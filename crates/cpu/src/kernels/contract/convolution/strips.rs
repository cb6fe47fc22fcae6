//! Convolutions with few channels: strips of padded lines.
//!
//! The lines that some places read are copied with their padding where they have any, and then all
//! windows of a line lie at equal distances: no table of windows is needed, whose making would cost
//! more than such short sums.

use super::geometry::Axis;
use super::kernel::{Number, Steps};
use super::problem::Problem;
use super::windows::{FEW_CHANNELS, Segments, Weight, has_few_features};
use crate::gemm::Panels;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::parallel;

/// Most terms of a window, which are summed in one go.
const TERMS: usize = 1024;
/// Bytes of the packed weight at most: every few places of a line meet all of it.
const WEIGHT_BYTES: usize = 128 << 10;
/// Most places of a line that one task takes.
const SPAN: usize = 512;
/// Multiplications that make a task worth its start.
const LEAST_WORK: usize = 1 << 19;
/// Multiplications of a task at most where there are [`TASKS`] of them: lines that several tasks
/// read are copied by each, so a task had better have several.
const TASK_WORK: usize = 1 << 21;
/// Tasks that there should be for the threads.
const TASKS: usize = 32;

/// Whether strips are the way: few channels whose neighbours lie side by side, one group, and
/// enough features for vectors.
pub(super) fn suits<T: Number>(problem: &Problem<T>, axes: &[Axis; 3]) -> bool {
    let geometry = &problem.geometry;
    let segments = Segments::new(problem, *axes);
    let together = problem.input.steps[3] == geometry.channels as isize;
    geometry.groups == 1
        && geometry.channels < FEW_CHANNELS
        && segments.terms() * geometry.features * size_of::<T>() <= WEIGHT_BYTES
        && together
        && (axes[2].dilation == 1 || axes[2].taps == 1)
        && (1..=TERMS).contains(&segments.terms())
        && axes[2].places >= problem.loops.rows
        && !has_few_features(problem, &segments)
}

/// A convolution in strips, each some places of some lines.
struct Strips<'a, T: 'static> {
    problem: &'a Problem<T>,
    axes: [Axis; 3],
    weight: Weight<T>,
    /// Most places of a line in a strip.
    across: usize,
    /// Most lines of a strip.
    down: usize,
}

/// Convolves one part without gaps.
///
/// # Safety
/// The problem's promises hold; channels lie side by side, and [`suits`] holds.
pub(super) unsafe fn run<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Result<()> {
    // SAFETY: by the caller's promise
    let weight = unsafe { Weight::panels(problem, Segments::new(problem, axes)) }?;
    let spans = axes[2].places.div_ceil(SPAN);
    let across = axes[2].places.div_ceil(spans);
    let work = across * weight.segments.terms() * problem.geometry.features;
    let images = problem.geometry.batch * axes[0].places;
    let lines = images * spans * axes[1].places;
    let down = (LEAST_WORK / work).max((TASK_WORK / work).min(lines / TASKS));
    let strips = Strips {
        problem,
        axes,
        weight,
        across,
        down: down.clamp(1, axes[1].places.max(1)),
    };
    let blocks = axes[1].places.div_ceil(strips.down);
    parallel::for_each(images * blocks * spans, |task| {
        let (span, rest) = (task % spans, task / spans);
        let (block, image) = (rest % blocks, rest / blocks);
        let place = [
            image / axes[0].places,
            image % axes[0].places,
            block * strips.down,
            span * strips.across,
        ];
        // SAFETY: by the caller's promise; each task has places of its own
        unsafe { strips.convolve(place) };
    });
    Ok(())
}

impl<T: Number> Strips<'_, T> {
    /// The strip that begins at a place.
    ///
    /// # Safety
    /// As for [`run`]; nobody else has these places of the output.
    unsafe fn convolve(&self, [item, z, first_y, first_x]: [usize; 4]) {
        let (problem, [z_axis, y_axis, x_axis]) = (self.problem, &self.axes);
        let places = self.across.min(x_axis.places - first_x);
        let lines = self.down.min(y_axis.places - first_y);
        let channels = problem.geometry.channels;
        let rounded = problem
            .rounded
            .map_or(std::ptr::null_mut(), |output| output.at(0));
        // SAFETY: by the caller's promise
        let input = unsafe { Lines::new(self, [item, z, first_y, first_x], lines, places) };
        let tiles = Panels::new(places, 1, problem.loops.rows);
        let segments = &self.weight.segments;
        let mut table = Vec::with_capacity(segments.count);
        for line in 0..lines {
            table.clear();
            for tap in 0..z_axis.taps * y_axis.taps {
                let (tap_z, tap_y) = (tap / y_axis.taps, tap % y_axis.taps);
                let row = line * y_axis.stride + tap_y * y_axis.dilation;
                table.push(input.starts[tap_z * input.height + row]);
            }
            debug_assert_eq!(table.len(), segments.count);
            let place = [item, z, first_y + line, first_x];
            let output = problem.output_place(&self.axes, place);
            let output_row = x_axis.place_step * problem.geometry.row();
            for tile in 0..tiles.count() {
                let tile = tiles.get(tile);
                let output = output + tile.first * output_row;
                for panel in 0..self.weight.panels.count() {
                    let panel = self.weight.panels.get(panel);
                    // SAFETY: the lines have all windows of the tile, the packed weight the
                    // panel's columns, and the output these places
                    unsafe {
                        problem.loops.steps[tile.size - 1][panel.vectors - 1](&Steps {
                            segments: segments.count,
                            length: segments.length,
                            table: table.as_ptr(),
                            first: tile.first * x_axis.stride * channels,
                            row_step: x_axis.stride * channels,
                            rhs: self.weight.start.at(panel.first * segments.terms()),
                            output: problem.output.at(output + panel.first),
                            rounded: rounded.wrapping_add(output + panel.first),
                            output_row,
                            columns: panel.size,
                        });
                    }
                }
            }
        }
    }
}

/// The lines of the input that a strip reads, from the first element of its first window on.
struct Lines<T> {
    /// For each tap of depth, lines.
    height: usize,
    /// Where each of them is: in the input, in a copy or in zeros.
    starts: Vec<*const T>,
    _copies: Vec<T>,
}

impl<T: Number> Lines<T> {
    /// # Safety
    /// As for [`run`].
    unsafe fn new(
        strips: &Strips<'_, T>,
        [item, z, first_y, first_x]: [usize; 4],
        lines: usize,
        places: usize,
    ) -> Self {
        let (problem, [z_axis, y_axis, x_axis]) = (strips.problem, &strips.axes);
        let height = (lines - 1) * y_axis.stride + (y_axis.taps - 1) * y_axis.dilation + 1;
        let channels = problem.geometry.channels;
        let width = (places - 1) * x_axis.stride + x_axis.taps;
        let start = x_axis.position(first_x, 0);
        let before = usize::try_from(-start).unwrap_or(0).min(width);
        let end = usize::try_from(x_axis.size as isize - start).unwrap_or(0);
        let inside = before..end.clamp(before, width);
        let whole = inside.len() == width;
        let line = width * channels;
        // the first line of the copies stays zero
        let copied = if whole { 0 } else { z_axis.taps * height };
        let mut copies = vec![T::default(); (1 + copied) * line];
        let (zeros, mut rest) = copies.split_at_mut(line);
        let mut starts = vec![zeros.as_ptr(); z_axis.taps * height];
        for (index, to) in starts.iter_mut().enumerate() {
            let (tap, row) = (index / height, index % height);
            let y = y_axis.position(first_y, 0) + row as isize;
            let from_y = usize::try_from(y).ok().filter(|y| *y < y_axis.size);
            let (Some(z), Some(y)) = (z_axis.inside(z, tap), from_y) else {
                continue;
            };
            let from = [item as isize, z as isize, y as isize, start, 0];
            let from = problem.input.place(from);
            if whole {
                *to = from;
                continue;
            }
            let (copy, others) = std::mem::take(&mut rest).split_at_mut(line);
            rest = others;
            let elements = inside.start * channels..inside.end * channels;
            let from = from.wrapping_add(elements.start);
            // SAFETY: by the caller's promise; these places are inside of the input
            let source = unsafe { std::slice::from_raw_parts(from, elements.len()) };
            copy[elements].copy_from_slice(source);
            *to = copy.as_ptr();
        }
        Lines {
            height,
            starts,
            _copies: copies,
        }
    }
}
