//! Convolutions as matrix products whose left operand is the input where it is.
//!
//! A row of the product is a window. Its terms are a few segments that lie side by side in the
//! input: the channels under one tap, or under all taps of a line where channels are few. A table
//! points each row to its segments; what is in the padding points to zeros. Rows that meet the same
//! taps need but one pointer each. So nothing is copied but the lines that the border cuts.

use super::geometry::Axis;
use super::kernel::{DOT_COLUMNS, DOT_ROWS, Dots, Number, Windows};
use super::order::Order;
use super::problem::{Problem, Target};
use super::table::Table;
use crate::gemm::pack::{self, Piece};
use crate::gemm::vector::round_rows;
use crate::gemm::{Matrix, Panels};
use half::bf16;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use std::array::from_fn;
use std::ops::Range;

/// Channels below which the taps of a line are one segment.
pub(super) const FEW_CHANNELS: usize = 32;
/// Terms that a loop sums before it adds to the result, so that a panel of the weight stays in the
/// second cache.
const TERMS: usize = 512;
/// Most rows of a tile.
const MOST_ROWS: usize = 8;
/// Most rows of one task.
const TASK_ROWS: usize = 128;
/// Tasks that a large convolution should have at least.
const TASKS: usize = 24;

/// How windows fall into segments.
pub(super) struct Segments {
    pub(super) axes: [Axis; 3],
    /// Whether a segment has all taps of a line.
    pub(super) lines: bool,
    /// Segments of a window.
    pub(super) count: usize,
    /// Terms of a segment.
    pub(super) length: usize,
    /// For the last two axes the places at which a segment is inside of the input: for each tap, or
    /// once for whole lines.
    pub(super) inside: [Vec<Range<usize>>; 2],
}

impl Segments {
    pub(super) fn new<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Self {
        let channels = problem.geometry.channels;
        let [z, y, x] = axes;
        let adjacent = x.dilation == 1 && problem.input.steps[3] == channels as isize;
        let lines =
            adjacent && problem.geometry.groups == 1 && channels < FEW_CHANNELS && x.taps > 1;
        let (count, length) = match lines {
            true => (z.taps * y.taps, x.taps * channels),
            false => (z.taps * y.taps * x.taps, channels),
        };
        let across = match lines {
            true => {
                let (first, last) = (places(&x, 0), places(&x, x.taps - 1));
                std::iter::once(first.start.min(last.end)..last.end).collect()
            }
            false => (0..x.taps).map(|tap| places(&x, tap)).collect(),
        };
        let down = (0..y.taps).map(|tap| places(&y, tap)).collect();
        Segments {
            axes,
            lines,
            count: if length == 0 { 0 } else { count },
            length,
            inside: [down, across],
        }
    }

    pub(super) fn terms(&self) -> usize {
        self.count * self.length
    }

    /// In how many pieces of how many terms the weight has a segment.
    fn pieces<T>(&self, problem: &Problem<T>) -> (usize, usize) {
        let (x, channels) = (&self.axes[2], problem.geometry.channels);
        let [_, _, _, tap, channel] = problem.weight.steps;
        match self.lines {
            true if tap * x.tap_step as isize != channels as isize * channel => (x.taps, channels),
            _ => (1, self.length),
        }
    }

    /// The first tap of a segment.
    pub(super) fn tap(&self, segment: usize) -> [usize; 3] {
        let [_, y, x] = self.axes;
        let (tap, rest) = match self.lines {
            true => (0, segment),
            false => (segment % x.taps, segment / x.taps),
        };
        [rest / y.taps, rest % y.taps, tap]
    }
}

/// The places at which a tap is inside of the input.
fn places(axis: &Axis, tap: usize) -> Range<usize> {
    let first = axis.position(0, tap);
    let before = usize::try_from(-first).unwrap_or(0).div_ceil(axis.stride);
    let end = usize::try_from(axis.size as isize - first).unwrap_or(0);
    let end = end.div_ceil(axis.stride).min(axis.places);
    before.min(end)..end
}

/// Whether dot products are faster than columns in vectors, most of whose lanes would be empty.
pub(super) fn has_few_features<T: Number>(problem: &Problem<T>, segments: &Segments) -> bool {
    let each = if problem.rounded.is_some() { 2 } else { 1 };
    let length = segments.length * each;
    segments.count > 0 && are_few(problem.geometry.features, length, problem.loops.lanes)
}

/// The same for segments of so many elements and vectors of so many.
pub(super) fn are_few(features: usize, length: usize, lanes: usize) -> bool {
    features <= DOT_COLUMNS.min(lanes / 2) && length >= 2 * lanes
}

/// Convolves one part without gaps.
///
/// # Safety
/// The problem's promises hold; channels lie side by side.
pub(super) unsafe fn run<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Result<()> {
    let segments = Segments::new(problem, axes);
    let geometry = &problem.geometry;
    let rows = geometry.batch * axes.iter().map(|axis| axis.places).product::<usize>();
    let order = Order::new(geometry.batch, &axes, segments.lines);
    // SAFETY: by the caller's promise
    unsafe {
        if has_few_features(problem, &segments) {
            let weight = Weight::columns(problem, segments)?;
            let tasks = rows.div_ceil(TASK_ROWS);
            parallel::for_each(tasks * geometry.groups, |task| {
                let (first, group) = (task % tasks * TASK_ROWS, task / tasks);
                let rows = first..rows.min(first + TASK_ROWS);
                dots(problem, &weight, &order, group, rows);
            });
        } else {
            let weight = Weight::panels(problem, segments)?;
            let block = block(rows, geometry.groups, problem.loops.rows);
            let blocks = rows.div_ceil(block);
            let panels = geometry.groups / weight.together * weight.panels.count();
            let parts = TASKS.div_ceil(blocks).min(panels);
            parallel::for_each(blocks * parts, |task| {
                let (part, first) = (task % parts, task / parts * block);
                let panels = part * panels / parts..(part + 1) * panels / parts;
                let rows = first..rows.min(first + block);
                windows(problem, &weight, &order, rows, panels);
            });
        }
    }
    Ok(())
}

/// Rows of one task, decided by sizes alone.
fn block(rows: usize, groups: usize, tile: usize) -> usize {
    let wanted = (rows * groups).div_ceil(TASKS).next_multiple_of(tile);
    wanted.clamp(tile, TASK_ROWS.next_multiple_of(tile))
}

/// The weight in the order in which loops read it.
pub(super) struct Weight<T> {
    pub(super) memory: Buffer,
    pub(super) start: Target<T>,
    pub(super) segments: Segments,
    pub(super) panels: Panels,
    /// Elements of one group.
    group: usize,
    /// Groups that loops compute together.
    together: usize,
}

impl<T: Number> Weight<T> {
    fn allocate(
        problem: &Problem<T>,
        segments: Segments,
        panels: Panels,
        width: usize,
    ) -> Result<Self> {
        let group = width * segments.terms();
        let (features, groups) = (problem.geometry.features, problem.geometry.groups);
        let is_vector = features == problem.loops.lanes;
        let together = if is_vector && groups.is_multiple_of(2) {
            2
        } else {
            1
        };
        let bytes = group * problem.geometry.groups * size_of::<T>();
        let memory = Buffer::allocate(problem.op, bytes.max(1))?;
        let start = Target(memory.host_ptr()?.as_ptr().cast());
        Ok(Weight {
            memory,
            start,
            segments,
            panels,
            group,
            together,
        })
    }

    /// For each group and panel of features all terms, segment after segment.
    ///
    /// # Safety
    /// The problem's promises hold.
    pub(super) unsafe fn panels(problem: &Problem<T>, segments: Segments) -> Result<Self> {
        let (loops, geometry) = (problem.loops, &problem.geometry);
        let panels = Panels::new(geometry.features, loops.lanes, loops.vectors);
        let weight = Weight::allocate(problem, segments, panels, panels.padded())?;
        let segments = &weight.segments;
        let count = panels.count();
        parallel::for_each(geometry.groups * count * segments.count, |task| {
            let (segment, rest) = (task % segments.count, task / segments.count);
            let (panel, group) = (panels.get(rest % count), rest / count);
            let width = panels.width(&panel);
            let start = group * weight.group + panel.first * segments.terms();
            let to = weight.start.at(start + segment * segments.length * width);
            let feature = group * geometry.features + panel.first;
            let [z, y, first] = segments.tap(segment);
            let (taps, terms) = segments.pieces(problem);
            for tap in 0..taps {
                let piece = Piece {
                    source: Matrix {
                        start: problem.weight_at(feature, &segments.axes, [z, y, first + tap]),
                        row_stride: problem.weight.steps[4],
                        column_stride: problem.weight.steps[0],
                    },
                    terms,
                    size: panel.size,
                    padded: width,
                };
                let to = to.wrapping_add(tap * terms * width);
                // SAFETY: the weight has the taps; each task fills a segment of its own
                unsafe { pack::pack(problem.isa, &piece, to) };
            }
        });
        Ok(weight)
    }

    /// For each feature all terms, segment after segment.
    ///
    /// # Safety
    /// The problem's promises hold.
    unsafe fn columns(problem: &Problem<T>, segments: Segments) -> Result<Self> {
        let geometry = &problem.geometry;
        let panels = Panels::new(1, 1, 1);
        let weight = Weight::allocate(problem, segments, panels, geometry.features)?;
        let segments = &weight.segments;
        parallel::for_each(geometry.row(), |feature| {
            let to = weight.start.at(feature * segments.terms());
            let taps = if segments.lines {
                segments.axes[2].taps
            } else {
                1
            };
            for part in 0..segments.count * taps {
                let [z, y, first] = segments.tap(part / taps);
                let tap = [z, y, first + part % taps];
                let piece = Piece {
                    source: Matrix {
                        start: problem.weight_at(feature, &segments.axes, tap),
                        row_stride: 0,
                        column_stride: problem.weight.steps[4],
                    },
                    terms: 1,
                    size: geometry.channels,
                    padded: geometry.channels,
                };
                let to = to.wrapping_add(part * geometry.channels);
                // SAFETY: the weight has the taps; each task fills a feature of its own
                unsafe { pack::pack(problem.isa, &piece, to) };
            }
        });
        Ok(weight)
    }
}

/// Some rows and panels of features, which are counted through all groups, or pairs of them.
///
/// # Safety
/// The problem's promises hold; nobody else has these elements of the output.
unsafe fn windows<T: Number>(
    problem: &Problem<T>,
    weight: &Weight<T>,
    order: &Order,
    rows: Range<usize>,
    panels: Range<usize>,
) {
    let segments = &weight.segments;
    let tile = problem.loops.rows;
    let tiles = rows.len().div_ceil(tile);
    // SAFETY: by the caller's promise
    let mut table = unsafe { Table::new(problem, segments, 0, (order, rows), tile) };
    let spare = table.spare.as_mut_ptr();
    let chunks = chunks(segments);
    let mut sums = Sums::new(problem, tiles * tile, &chunks, &panels);
    for (chunk, (number, panel)) in chunks
        .iter()
        .flat_map(|chunk| std::iter::repeat(chunk).zip(panels.clone().enumerate()))
    {
        let count = weight.panels.count();
        let (group, panel) = (panel / count * weight.together, panel % count);
        let panel = weight.panels.get(panel);
        let (width, columns) = (weight.panels.width(&panel), panel.size * weight.together);
        let kernel = match weight.together {
            1 => problem.loops.windows[panel.vectors - 1],
            _ => problem.loops.two_groups,
        };
        let feature = group * problem.geometry.features + panel.first;
        let start = group * weight.group + panel.first * segments.terms();
        let rhs = weight.start.at(start + chunk.terms.start * width);
        for index in 0..tiles {
            let first = index * tile;
            let outputs: [*mut T; MOST_ROWS] = match problem.rounded {
                None => table.outputs(problem.output, first, feature, spare),
                Some(_) => sums.rows(number, first),
            };
            let rounded: Option<[*mut bf16; MOST_ROWS]> = problem
                .rounded
                .filter(|_| chunk.is_last)
                .map(|output| table.outputs(output, first, feature, spare.cast()));
            let among = chunk.first_segment..chunk.first_segment + chunk.segments;
            let met = table.segments(segments, index, among);
            // SAFETY: windows and their copies have the terms, the packed weight and the
            // output or the sums the panel's columns
            unsafe {
                kernel(&Windows {
                    segments: met.terms.len(),
                    terms: met.terms.as_ptr(),
                    offsets: met.offsets.as_ptr(),
                    length: chunk.terms.len(),
                    first: group * problem.geometry.channels + chunk.terms.start,
                    table: met.pointers,
                    step: met.step,
                    rhs,
                    group: (problem.geometry.channels, weight.group),
                    output: outputs.as_ptr(),
                    rounded: rounded
                        .as_ref()
                        .map_or(std::ptr::null(), |rows| rows.as_ptr()),
                    columns,
                    accumulate: chunk.first_segment + chunk.terms.start > 0,
                });
            }
        }
    }
    debug_assert!(!weight.memory.is_empty());
}

/// Sums of all tiles that are rounded once they have all terms, if these are summed in several
/// chunks.
struct Sums<T> {
    memory: Vec<T>,
    /// Elements of a row.
    width: usize,
    /// Rows of a panel.
    rows: usize,
}

impl<T: Number> Sums<T> {
    /// Of so many rows and panels; without room where none are kept.
    fn new(problem: &Problem<T>, rows: usize, chunks: &[Chunk], panels: &Range<usize>) -> Self {
        let width = problem.loops.lanes * problem.loops.vectors;
        let size = match problem.rounded {
            Some(_) if chunks.len() > 1 => panels.len() * rows * width,
            _ => 0,
        };
        Sums {
            memory: vec![T::default(); size],
            width,
            rows,
        }
    }

    /// Rows of a panel from one on.
    fn rows(&mut self, panel: usize, first: usize) -> [*mut T; MOST_ROWS] {
        let start = self.memory.as_mut_ptr();
        let first = panel * self.rows + first;
        from_fn(|row| start.wrapping_add((first + row) * self.width))
    }
}

/// Terms that are summed before they are added to the result.
struct Chunk {
    first_segment: usize,
    segments: usize,
    /// Of each segment.
    terms: Range<usize>,
    /// Whether the result has all terms then.
    is_last: bool,
}

/// Every term once, at most about [`TERMS`] at a time; one chunk if there are none.
fn chunks(segments: &Segments) -> Vec<Chunk> {
    if segments.length > 2 * TERMS {
        let pieces = segments.length.div_ceil(TERMS);
        let piece = |index: usize| Chunk {
            first_segment: index / pieces,
            segments: 1,
            terms: (index % pieces) * segments.length / pieces
                ..(index % pieces + 1) * segments.length / pieces,
            is_last: index + 1 == segments.count * pieces,
        };
        return (0..segments.count * pieces).map(piece).collect();
    }
    let most = (TERMS / segments.length.max(1)).max(1);
    let count = segments.count.div_ceil(most).max(1);
    let boundary = |index: usize| index * segments.count / count;
    let chunk = |index: usize| Chunk {
        first_segment: boundary(index),
        segments: boundary(index + 1) - boundary(index),
        terms: 0..segments.length,
        is_last: index + 1 == count,
    };
    (0..count).map(chunk).collect()
}

/// Some rows of one group with few features.
///
/// # Safety
/// As for [`windows`].
unsafe fn dots<T: Number>(
    problem: &Problem<T>,
    weight: &Weight<T>,
    order: &Order,
    group: usize,
    rows: Range<usize>,
) {
    let segments = &weight.segments;
    let tiles = rows.len().div_ceil(DOT_ROWS);
    let channel = group * problem.geometry.channels;
    let feature = group * problem.geometry.features;
    // SAFETY: by the caller's promise
    let mut table = unsafe { Table::new(problem, segments, channel, (order, rows), DOT_ROWS) };
    let spare = table.spare.as_mut_ptr();
    let mut sums = [[T::default(); DOT_COLUMNS]; DOT_ROWS];
    for index in 0..tiles {
        let first = index * DOT_ROWS;
        let outputs: [*mut T; DOT_ROWS] = match problem.rounded {
            None => table.outputs(problem.output, first, feature, spare),
            Some(_) => sums.each_mut().map(|row| row.as_mut_ptr()),
        };
        let met = table.segments(segments, index, 0..segments.count);
        // SAFETY: windows and their copies have the terms, the weight all features
        unsafe {
            problem.loops.dots[problem.geometry.features - 1](&Dots {
                segments: met.terms.len(),
                terms: met.terms.as_ptr(),
                offsets: met.offsets.as_ptr(),
                length: segments.length,
                table: met.pointers,
                step: met.step,
                rhs: weight.start.at(group * weight.group),
                rhs_column: segments.terms(),
                output: outputs.as_ptr(),
            });
        }
        if let Some(output) = problem.rounded {
            let to: [*mut bf16; DOT_ROWS] =
                table.outputs(output, first, feature, std::ptr::null_mut());
            let from = sums.as_ptr().cast::<f32>();
            // SAFETY: the output has all features of the rows that are not null
            unsafe { round_rows(from, DOT_COLUMNS, problem.geometry.features, &to) };
        }
    }
}
