//! Convolutions as matrix products whose left operand is the input where it is.
//!
//! A row of the product is a window. Its terms are a few segments that lie side by side in the
//! input: the channels under one tap, or under all taps of a line where channels are few. A table
//! points each row to its segments; what is in the padding points to zeros. So nothing is copied
//! but the lines that the border cuts.

use super::geometry::Axis;
use super::kernel::{DOT_COLUMNS, DOT_ROWS, Dots, Number, Windows};
use super::problem::{Problem, Target, split};
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
    axes: [Axis; 3],
    /// Whether a segment has all taps of a line.
    lines: bool,
    /// Segments of a window.
    pub(super) count: usize,
    /// Terms of a segment.
    pub(super) length: usize,
    /// Places of a line whose segments are inside of the input: for each tap of a line, or once
    /// for whole lines.
    inside: Vec<Range<usize>>,
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
        let inside = match lines {
            true => {
                let (first, last) = (places(&x, 0), places(&x, x.taps - 1));
                std::iter::once(first.start.min(last.end)..last.end).collect()
            }
            false => (0..x.taps).map(|tap| places(&x, tap)).collect(),
        };
        Segments {
            axes,
            lines,
            count: if length == 0 { 0 } else { count },
            length,
            inside,
        }
    }

    pub(super) fn terms(&self) -> usize {
        self.count * self.length
    }

    /// The first tap of a segment.
    fn tap(&self, segment: usize) -> [usize; 3] {
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
    let lanes = problem.loops.lanes;
    let each = if problem.rounded.is_some() { 2 } else { 1 };
    problem.geometry.features <= DOT_COLUMNS.min(lanes / 2)
        && segments.length * each >= 2 * lanes
        && segments.count > 0
}

/// Convolves one part without gaps.
///
/// # Safety
/// The problem's promises hold; channels lie side by side.
pub(super) unsafe fn run<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Result<()> {
    let segments = Segments::new(problem, axes);
    let geometry = &problem.geometry;
    let rows = geometry.batch * axes.iter().map(|axis| axis.places).product::<usize>();
    // SAFETY: by the caller's promise
    unsafe {
        if has_few_features(problem, &segments) {
            let weight = Weight::columns(problem, segments)?;
            let tasks = rows.div_ceil(TASK_ROWS);
            parallel::for_each(tasks * geometry.groups, |task| {
                let (first, group) = (task % tasks * TASK_ROWS, task / tasks);
                dots(problem, &weight, group, first..rows.min(first + TASK_ROWS));
            });
        } else {
            let weight = Weight::panels(problem, segments)?;
            let block = block(rows, geometry.groups, problem.loops.rows);
            let blocks = rows.div_ceil(block);
            let panels = geometry.groups * weight.panels.count();
            let parts = TASKS.div_ceil(blocks).min(panels);
            parallel::for_each(blocks * parts, |task| {
                let (part, first) = (task % parts, task / parts * block);
                let panels = part * panels / parts..(part + 1) * panels / parts;
                windows(problem, &weight, first..rows.min(first + block), panels);
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
    memory: Buffer,
    pub(super) start: Target<T>,
    pub(super) segments: Segments,
    pub(super) panels: Panels,
    /// Elements of one group.
    group: usize,
}

impl<T: Number> Weight<T> {
    fn allocate(
        problem: &Problem<T>,
        segments: Segments,
        panels: Panels,
        width: usize,
    ) -> Result<Self> {
        let group = width * segments.terms();
        let bytes = group * problem.geometry.groups * size_of::<T>();
        let memory = Buffer::allocate(problem.op, bytes.max(1))?;
        let start = Target(memory.host_ptr()?.as_ptr().cast());
        Ok(Weight {
            memory,
            start,
            segments,
            panels,
            group,
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
            let taps = if segments.lines {
                segments.axes[2].taps
            } else {
                1
            };
            for tap in 0..taps {
                let piece = Piece {
                    source: Matrix {
                        start: problem.weight_at(feature, &segments.axes, [z, y, first + tap]),
                        row_stride: problem.weight.steps[4],
                        column_stride: problem.weight.steps[0],
                    },
                    terms: geometry.channels,
                    size: panel.size,
                    padded: width,
                };
                let to = to.wrapping_add(tap * geometry.channels * width);
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

/// Where the windows of some rows are, from the same channel on.
struct Table<T> {
    /// For each tile and segment a pointer for each row of the tile.
    pointers: Vec<*const T>,
    /// For each row of all tiles the place of its result in the output, if it exists.
    places: Vec<Option<usize>>,
    /// What pointers into the padding read.
    _zeros: Vec<T>,
    /// Copies of segments that reach into the padding.
    _borders: Vec<T>,
    /// Where rows that do not exist go.
    spare: Vec<T>,
}

impl<T: Number> Table<T> {
    /// # Safety
    /// The problem's promises hold.
    unsafe fn new(
        problem: &Problem<T>,
        segments: &Segments,
        channel: usize,
        rows: Range<usize>,
        tile: usize,
    ) -> Self {
        let geometry = &problem.geometry;
        let axes = &segments.axes;
        // those of all groups are as far as windows go
        let others = (geometry.groups - 1) * geometry.channels;
        let zeros = vec![T::default(); segments.length + others];
        let tiles = rows.len().div_ceil(tile);
        let mut pointers = vec![zeros.as_ptr(); tiles * segments.count * tile];
        let mut places = vec![None; tiles * tile];
        let taps: Vec<_> = (0..segments.count)
            .map(|segment| segments.tap(segment))
            .collect();
        // a line of taps may be partly inside
        let valid = |x: usize| match segments.lines && !segments.inside[0].contains(&x) {
            true => axes[2].valid(x),
            false => 0..0,
        };
        let cuts = rows
            .clone()
            .filter(|row| !valid(row % axes[2].places).is_empty())
            .count();
        let mut borders = vec![T::default(); cuts * segments.count * segments.length];
        let mut border = borders.chunks_exact_mut(segments.length.max(1));
        let first = rows.start;
        let mut row = rows.start;
        while row < rows.end {
            let [item, z, y, x] = split(row, axes);
            let line = x..axes[2].places.min(x + rows.end - row);
            let index = |at: usize| row - first + at - x;
            let place = problem.output_place(axes, [item, z, y, 0]);
            let step = axes[2].place_step * geometry.row();
            for at in line.clone() {
                places[index(at)] = Some(place + at * step);
            }
            for (segment, tap) in taps.iter().enumerate() {
                let inside = axes[0].inside(z, tap[0]).zip(axes[1].inside(y, tap[1]));
                let Some((from_z, from_y)) = inside else {
                    continue;
                };
                let start = axes[2].position(0, tap[2]);
                let from = [
                    item as isize,
                    from_z as isize,
                    from_y as isize,
                    start,
                    channel as isize,
                ];
                let from = problem.input.place(from);
                let step = axes[2].stride as isize * problem.input.steps[3];
                let to = |at: usize| {
                    let (tile_index, lane) = (index(at) / tile, index(at) % tile);
                    ((tile_index * segments.count + segment) * tile, lane)
                };
                let inside = &segments.inside[tap[2]];
                let end = line.end.min(inside.end).max(line.start);
                let inside = line.start.max(inside.start).min(end)..end;
                let (mut start, mut lane) = to(inside.start);
                for at in inside.clone() {
                    pointers[start + lane] = from.wrapping_offset(at as isize * step);
                    lane += 1;
                    if lane == tile {
                        (start, lane) = (start + segments.count * tile, 0);
                    }
                }
                if !segments.lines {
                    continue;
                }
                for at in (line.start..inside.start).chain(inside.end..line.end) {
                    let valid = valid(at);
                    if !valid.is_empty()
                        && let Some(copy) = border.next()
                    {
                        let channels = geometry.channels;
                        let part = &mut copy[valid.start * channels..valid.end * channels];
                        let from = from.wrapping_offset(at as isize * step);
                        let from = from.wrapping_add(valid.start * channels);
                        // SAFETY: by the caller's promise; these taps are inside of the input
                        part.copy_from_slice(unsafe {
                            std::slice::from_raw_parts(from, part.len())
                        });
                        let (start, lane) = to(at);
                        pointers[start + lane] = copy.as_ptr();
                    }
                }
            }
            row += line.len();
        }
        Table {
            pointers,
            places,
            _zeros: zeros,
            _borders: borders,
            spare: vec![T::default(); geometry.features],
        }
    }

    /// Where in the output the results of a tile's rows from some column on go.
    fn outputs<const ROWS: usize, U: Copy>(
        &self,
        output: Target<U>,
        first: usize,
        column: usize,
        spare: *mut U,
    ) -> [*mut U; ROWS] {
        let place = |row: usize| self.places.get(first + row).copied().flatten();
        from_fn(|row| place(row).map_or(spare, |place| output.at(place + column)))
    }
}

/// Some rows and panels of features, which are counted through all groups.
///
/// # Safety
/// The problem's promises hold; nobody else has these elements of the output.
unsafe fn windows<T: Number>(
    problem: &Problem<T>,
    weight: &Weight<T>,
    rows: Range<usize>,
    panels: Range<usize>,
) {
    let segments = &weight.segments;
    let tile = problem.loops.rows;
    let tiles = rows.len().div_ceil(tile);
    // SAFETY: by the caller's promise
    let mut table = unsafe { Table::new(problem, segments, 0, rows, tile) };
    let spare = table.spare.as_mut_ptr();
    let chunks = chunks(segments);
    let mut sums = Sums::new(problem, tiles, &chunks, &panels);
    for (chunk, (number, panel)) in chunks
        .iter()
        .flat_map(|chunk| std::iter::repeat(chunk).zip(panels.clone().enumerate()))
    {
        let (group, panel) = (panel / weight.panels.count(), panel % weight.panels.count());
        let panel = weight.panels.get(panel);
        let width = weight.panels.width(&panel);
        let feature = group * problem.geometry.features + panel.first;
        let start = group * weight.group + panel.first * segments.terms();
        let term = chunk.first_segment * segments.length + chunk.terms.start;
        let rhs = weight.start.at(start + term * width);
        for index in 0..tiles {
            let first = index * tile;
            let outputs: [*mut T; MOST_ROWS] = match problem.rounded {
                None => table.outputs(problem.output, first, feature, spare),
                Some(_) => sums.rows(number, first),
            };
            let pointers = (index * segments.count + chunk.first_segment) * tile;
            // SAFETY: windows and their copies have the terms, the packed weight and the
            // output the panel's columns
            unsafe {
                problem.loops.windows[panel.vectors - 1](&Windows {
                    segments: chunk.segments,
                    length: chunk.terms.len(),
                    first: group * problem.geometry.channels + chunk.terms.start,
                    table: table.pointers.as_ptr().wrapping_add(pointers),
                    rhs,
                    rhs_skip: (segments.length - chunk.terms.len()) * width,
                    output: outputs.as_ptr(),
                    columns: panel.size,
                    accumulate: chunk.first_segment + chunk.terms.start > 0,
                });
            }
            if let Some(output) = problem.rounded
                && chunk.is_last
            {
                let to: [*mut bf16; MOST_ROWS] =
                    table.outputs(output, first, feature, std::ptr::null_mut());
                let from = outputs[0].cast::<f32>().cast_const();
                // SAFETY: the output has the panel's columns of all rows that are not null
                unsafe { round_rows(from, sums.width, panel.size, &to[..tile]) };
            }
        }
    }
    debug_assert!(!weight.memory.is_empty());
}

/// Sums that are rounded once they have all terms: those of a tile, or if terms are summed in
/// several chunks those of all tiles.
struct Sums<T> {
    memory: Vec<T>,
    /// Elements of a row.
    width: usize,
    /// Rows of a panel that are kept apart.
    rows: usize,
}

impl<T: Number> Sums<T> {
    /// Of so many tiles and panels; without room where results are sums.
    fn new(problem: &Problem<T>, tiles: usize, chunks: &[Chunk], panels: &Range<usize>) -> Self {
        let loops = problem.loops;
        let width = loops.lanes * loops.vectors;
        let (tiles, panels, rows) = match chunks.len() {
            1 => (1, 1, 0),
            _ => (tiles, panels.len(), tiles * loops.rows),
        };
        let size = match problem.rounded {
            None => 0,
            Some(_) => panels * tiles * loops.rows * width,
        };
        Sums {
            memory: vec![T::default(); size],
            width,
            rows,
        }
    }

    /// Rows of a panel from one on.
    fn rows(&mut self, panel: usize, first: usize) -> [*mut T; MOST_ROWS] {
        let first = match self.rows {
            0 => 0,
            rows => panel * rows + first,
        };
        let start = self.memory.as_mut_ptr();
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
    group: usize,
    rows: Range<usize>,
) {
    let segments = &weight.segments;
    let tiles = rows.len().div_ceil(DOT_ROWS);
    let channel = group * problem.geometry.channels;
    let feature = group * problem.geometry.features;
    // SAFETY: by the caller's promise
    let mut table = unsafe { Table::new(problem, segments, channel, rows, DOT_ROWS) };
    let spare = table.spare.as_mut_ptr();
    let mut sums = [[T::default(); DOT_COLUMNS]; DOT_ROWS];
    for index in 0..tiles {
        let (first, pointers) = (index * DOT_ROWS, index * segments.count * DOT_ROWS);
        let outputs: [*mut T; DOT_ROWS] = match problem.rounded {
            None => table.outputs(problem.output, first, feature, spare),
            Some(_) => sums.each_mut().map(|row| row.as_mut_ptr()),
        };
        // SAFETY: windows and their copies have the terms, the weight all features
        unsafe {
            problem.loops.dots[problem.geometry.features - 1](&Dots {
                segments: segments.count,
                length: segments.length,
                table: table.pointers.as_ptr().wrapping_add(pointers),
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
