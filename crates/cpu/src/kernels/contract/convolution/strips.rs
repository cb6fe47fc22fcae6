//! Convolutions with few channels: strips of padded lines.
//!
//! The lines that some places read are copied with their padding where they have any, and then all
//! windows of a line lie at equal distances: no table of windows is needed, whose making would cost
//! more than such short sums.
//!
//! Where the processor multiplies pairs of `bf16`, an odd number of channels is no hindrance: pairs
//! are neighbours of a line, whichever channels these are, and only a line's last element may have
//! none.

use super::geometry::{Axis, Geometry};
use super::kernel::{self, Loops, Number, Steps, Term};
use super::problem::{Problem, Target, Tensor};
use super::windows::{FEW_CHANNELS, Segments, Weight, are_few, has_few_features};
use super::{line, outer};
use crate::gemm::pack::{self, Piece};
use crate::gemm::{Matrix, Panels};
use crate::kernels::fused;
use crate::simd::Isa;
use half::bf16;
use mlx_oxide_ir::{Convolution, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;

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
/// Multiplications that make a part of a line worth a task of its own.
const PART_WORK: usize = 1 << 18;

/// Whether strips are the way: few channels whose neighbours lie side by side, one group, and
/// enough features for vectors.
pub(super) fn suits<T: Number>(problem: &Problem<T>, axes: &[Axis; 3]) -> bool {
    let segments = Segments::new(problem, *axes);
    are_strips(problem, axes, segments.terms(), size_of::<T>())
        && !has_few_features(problem, &segments)
}

/// Whether the input is read in strips, with a window of so many terms of so many bytes.
fn are_strips<S, T>(
    problem: &Problem<S, Loops<T>>,
    axes: &[Axis; 3],
    terms: usize,
    bytes: usize,
) -> bool {
    let geometry = &problem.geometry;
    let together = problem.input.steps[3] == geometry.channels as isize;
    geometry.groups == 1
        && geometry.channels < FEW_CHANNELS
        && terms * geometry.features * bytes <= WEIGHT_BYTES
        && together
        && (axes[2].dilation == 1 || axes[2].taps == 1)
        && (1..=TERMS).contains(&terms)
        && axes[2].places >= problem.loops.rows
}

/// A convolution in strips, each some places of some lines.
struct Strips<'a, S: 'static, T: 'static> {
    problem: &'a Problem<S, Loops<T>>,
    axes: [Axis; 3],
    weight: PackedLines<T>,
    /// Most places of a line in a strip.
    across: usize,
    /// Most lines of a strip.
    down: usize,
}

/// The weight: for each panel of features the terms of each line.
struct PackedLines<T> {
    /// Keeps the memory alive.
    _memory: Buffer,
    start: Target<T>,
    panels: Panels,
    /// Terms of a line.
    length: usize,
    /// Whether a line ends with one more term, which is half an element.
    has_half: bool,
}

impl<T> PackedLines<T> {
    /// Terms of so many lines.
    fn terms(&self, lines: usize) -> usize {
        lines * (self.length + usize::from(self.has_half))
    }
}

/// Convolves one part without gaps.
///
/// # Safety
/// The problem's promises hold; channels lie side by side, and [`suits`] holds.
pub(super) unsafe fn run<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Result<()> {
    // SAFETY: by the caller's promise
    let weight = unsafe { Weight::panels(problem, Segments::new(problem, axes)) }?;
    let weight = PackedLines {
        start: weight.start,
        panels: weight.panels,
        length: weight.segments.length,
        has_half: false,
        _memory: weight.memory,
    };
    // SAFETY: by the caller's promise
    unsafe { Strips::new(problem, axes, weight).run() };
    Ok(())
}

/// The convolution of an odd number of `bf16` channels, if pairs of neighbours are the way.
pub(super) fn brain(
    isa: Isa,
    convolution: &Convolution,
    call: &Call<'_>,
) -> Result<Option<Results>> {
    let Some(loops) = kernel::pairs(isa) else {
        return Ok(None);
    };
    let output_type = &call.outputs[0];
    let mut problem = Problem::<bf16, _>::new(isa, loops, convolution, call)?;
    let Some(axes) = problem.geometry.whole() else {
        return Ok(None);
    };
    if output_type.size() == 0 || convolution.flip || !has_odd_lines(&problem, &axes) {
        return Ok(None);
    }
    let weight = fused::contiguous(call, &call.inputs[1])?;
    problem.weight = Tensor::new(&weight)?;
    // SAFETY: the layout was checked to fit its buffer, and the weight is row-major
    let weight = unsafe { paired(&problem, &axes) }?;
    let buffer = Buffer::allocate(call.op.name(), output_type.bytes())?;
    problem.rounded = Some(Target(buffer.host_ptr()?.as_ptr().cast()));
    // SAFETY: layouts were checked to fit their buffers, the output is new, and the strips fit
    unsafe { Strips::new(&problem, axes, weight).run() };
    Ok(Some(smallvec![Stored::contiguous(buffer, output_type)]))
}

/// Whether lines of an odd number of channels are read as pairs of neighbours.
fn has_odd_lines(problem: &Problem<bf16, Loops<f32>>, axes: &[Axis; 3]) -> bool {
    let Geometry {
        channels, features, ..
    } = problem.geometry;
    let line = axes[2].taps * channels;
    let terms = axes[0].taps * axes[1].taps * line.div_ceil(2);
    channels % 2 == 1
        && problem.input.steps[4] == 1
        && are_strips(problem, axes, terms, size_of::<f32>())
        && !are_few(features, line, problem.loops.lanes)
        && !outer::suits(problem, axes)
        && !line::suits(problem, axes)
}

/// The weight's lines as pairs of neighbours.
///
/// # Safety
/// The problem's promises hold; the weight is row-major.
unsafe fn paired(
    problem: &Problem<bf16, Loops<f32>>,
    axes: &[Axis; 3],
) -> Result<PackedLines<f32>> {
    let (loops, geometry) = (problem.loops, &problem.geometry);
    let panels = Panels::new(geometry.features, loops.lanes, loops.vectors);
    let (line, lines) = (
        axes[2].taps * geometry.channels,
        axes[0].taps * axes[1].taps,
    );
    let pairs = line.div_ceil(2);
    let bytes = lines * pairs * panels.padded() * size_of::<f32>();
    let memory = Buffer::allocate(problem.op, bytes)?;
    let start = Target(memory.host_ptr()?.as_ptr().cast::<f32>());
    parallel::for_each(panels.count() * lines, |task| {
        let (panel, index) = (panels.get(task / lines), task % lines);
        let taps = [index / axes[1].taps, index % axes[1].taps, 0];
        let width = panels.width(&panel);
        let piece = Piece {
            source: Matrix {
                start: problem.weight_at(panel.first, axes, taps),
                row_stride: 1,
                column_stride: problem.weight.steps[0],
            },
            terms: line,
            size: panel.size,
            padded: width,
        };
        let to = start.at((panel.first * lines + index * width) * pairs);
        // SAFETY: by the caller's promise; each task fills a line of its own
        unsafe { pack::pack_pairs(problem.isa, &piece.bits(), to.cast()) };
    });
    Ok(PackedLines {
        _memory: memory,
        start,
        panels,
        length: line / 2,
        has_half: line % 2 == 1,
    })
}

impl<'a, S: Term, T: Number> Strips<'a, S, T> {
    /// Decides by sizes how places are cut.
    fn new(problem: &'a Problem<S, Loops<T>>, axes: [Axis; 3], weight: PackedLines<T>) -> Self {
        let terms = weight.terms(axes[0].taps * axes[1].taps);
        let place = (terms * problem.geometry.features).max(1);
        let images = problem.geometry.batch * axes[0].places;
        let places = axes[2].places.max(1);
        // few lines are cut, too, each into tiles at least
        let wanted = TASKS.div_ceil((images * axes[1].places).max(1));
        let least = places.div_ceil(SPAN);
        let most = (places * place / PART_WORK).min(places.div_ceil(problem.loops.rows));
        let spans = wanted.min(most).max(least);
        let across = places.div_ceil(spans);
        let work = across * place;
        let lines = images * spans * axes[1].places;
        let down = (LEAST_WORK / work).max((TASK_WORK / work).min(lines / TASKS));
        Strips {
            problem,
            axes,
            weight,
            across,
            down: down.clamp(1, axes[1].places.max(1)),
        }
    }

    /// # Safety
    /// As for [`run`].
    unsafe fn run(&self) {
        let axes = &self.axes;
        let spans = axes[2].places.div_ceil(self.across);
        let blocks = axes[1].places.div_ceil(self.down);
        let images = self.problem.geometry.batch * axes[0].places;
        parallel::for_each(images * blocks * spans, |task| {
            let (span, rest) = (task % spans, task / spans);
            let (block, image) = (rest % blocks, rest / blocks);
            let place = [
                image / axes[0].places,
                image % axes[0].places,
                block * self.down,
                span * self.across,
            ];
            // SAFETY: by the caller's promise; each task has places of its own
            unsafe { self.convolve(place) };
        });
    }

    /// The strip that begins at a place.
    ///
    /// # Safety
    /// As for [`run`]; nobody else has these places of the output.
    unsafe fn convolve(&self, [item, z, first_y, first_x]: [usize; 4]) {
        let (problem, [z_axis, y_axis, x_axis]) = (self.problem, &self.axes);
        let places = self.across.min(x_axis.places - first_x);
        let lines = self.down.min(y_axis.places - first_y);
        let row_step = x_axis.stride * problem.geometry.channels * size_of::<S>();
        let rounded = problem
            .rounded
            .map_or(std::ptr::null_mut(), |output| output.at(0));
        // SAFETY: by the caller's promise
        let input = unsafe { Lines::new(self, [item, z, first_y, first_x], lines, places) };
        let tiles = Panels::new(places, 1, problem.loops.rows);
        let count = z_axis.taps * y_axis.taps;
        let mut table = Vec::with_capacity(count);
        for line in 0..lines {
            table.clear();
            for tap in 0..count {
                let (tap_z, tap_y) = (tap / y_axis.taps, tap % y_axis.taps);
                let row = line * y_axis.stride + tap_y * y_axis.dilation;
                table.push(input.starts[tap_z * input.height + row].cast());
            }
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
                            segments: count,
                            length: self.weight.length,
                            has_half: self.weight.has_half,
                            table: table.as_ptr(),
                            first: tile.first * row_step,
                            row_step,
                            rhs: self.weight.start.at(panel.first * self.weight.terms(count)),
                            output: problem.output.at(output + panel.first).cast(),
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
struct Lines<S> {
    /// For each tap of depth, lines.
    height: usize,
    /// Where each of them is: in the input, in a copy or in zeros.
    starts: Vec<*const S>,
    _copies: Vec<S>,
}

impl<S: Term> Lines<S> {
    /// # Safety
    /// As for [`run`].
    unsafe fn new<T: Number>(
        strips: &Strips<'_, S, T>,
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
        let mut copies = vec![S::default(); (1 + copied) * line];
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
