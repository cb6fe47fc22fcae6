//! Convolutions of inputs with gaps to few features: products that are spread over the output.
//!
//! Transposed convolutions and gradients of inputs read an input with gaps, and each part of their
//! output meets but some of the taps. Few features would leave most lanes empty. So the lines of the
//! input are multiplied with all taps and features at once, as a matrix, and each row of the
//! product, a place of the input, is added to the places of the output that its taps reach.

use super::geometry::Gap;
use super::kernel::Number;
use super::problem::{Problem, Target};
use crate::gemm::compiled::compiled;
use crate::gemm::kernel::Tile;
use crate::gemm::pack::{self, Piece};
use crate::gemm::{Matrix, Panels};
use crate::kernels::fused::scratch::with_scratch;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use std::ops::Range;

/// Tasks that there should be for the threads.
const TASKS: usize = 16;
/// Multiplications that make a task worth its start.
const LEAST_WORK: usize = 1 << 18;
/// Bytes of products in memory at a time, if one line needs no more.
const BYTES: usize = 512 << 10;
/// Elements that are added together.
const TOGETHER: usize = 4;

/// Whether products are spread: gaps, one group, features that leave half of the lanes empty, and
/// taps of a line whose results lie side by side.
pub(super) fn suits<T: Number>(problem: &Problem<T>) -> bool {
    let geometry = &problem.geometry;
    geometry.groups == 1
        && geometry.whole().is_none()
        && 2 * geometry.features <= problem.loops.lanes
        && geometry.channels > 0
        && geometry.kernel.iter().all(|taps| *taps > 0)
        && geometry.gaps.iter().all(|gap| gap.stride == 1)
        && geometry.gaps[2].dilation == 1
}

/// # Safety
/// The problem's promises hold; channels lie side by side, [`suits`] holds, and nobody else uses
/// the output.
pub(super) unsafe fn run<T: Number>(problem: &Problem<T>) -> Result<()> {
    let geometry = &problem.geometry;
    let [depth, height, width] = geometry.kernel;
    let kernels = T::kernels(problem.isa);
    let columns = height * width * geometry.features;
    let panels = Panels::new(columns, kernels.lanes, kernels.vectors);
    let elements = depth * panels.padded() * geometry.channels;
    let memory = Buffer::allocate(problem.op, elements * size_of::<T>())?;
    let products = Products {
        problem,
        panels,
        weight: Target(memory.host_ptr()?.as_ptr().cast()),
    };
    parallel::for_each(depth * panels.count(), |task| {
        // SAFETY: by the caller's promise; each task has a panel of its own
        unsafe { products.pack(task / panels.count(), task % panels.count()) };
    });
    let blocks = products.blocks();
    parallel::for_each(geometry.batch * geometry.output[0] * blocks, |task| {
        let (block, slice) = (task % blocks, task / blocks);
        let lines = geometry.output[1];
        let lines = products.boundary(block * lines / blocks)
            ..products.boundary((block + 1) * lines / blocks);
        // SAFETY: by the caller's promise; each task has lines of its own
        unsafe { products.convolve(slice, lines) };
    });
    Ok(())
}

/// A convolution by products.
struct Products<'a, T: 'static> {
    problem: &'a Problem<T>,
    /// The taps of a slice, backwards, each with all features: the columns of products.
    panels: Panels,
    /// For each slice of taps and panel term after term.
    weight: Target<T>,
}

impl<T: Number> Products<'_, T> {
    /// Packs a panel of a slice of taps.
    ///
    /// # Safety
    /// As for [`run`]; nobody else has the panel.
    unsafe fn pack(&self, z: usize, panel: usize) {
        let geometry = &self.problem.geometry;
        let (panel, channels) = (self.panels.get(panel), geometry.channels);
        let width = self.panels.width(&panel);
        let start = z * self.panels.padded() * channels + panel.first * channels;
        let to = self.weight.at(start);
        let channel = self.problem.weight.steps[4];
        if let Some(step) = self.column_step() {
            let piece = Piece {
                source: Matrix {
                    start: self.column(z, panel.first),
                    row_stride: channel,
                    column_stride: step,
                },
                terms: channels,
                size: panel.size,
                padded: width,
            };
            // SAFETY: by the caller's promise; columns are at equal distances
            return unsafe { pack::pack(self.problem.isa, &piece, to) };
        }
        for column in 0..width {
            let from = (column < panel.size).then(|| self.column(z, panel.first + column));
            for term in 0..channels {
                // SAFETY: by the caller's promise; the weight has the column
                unsafe {
                    let value = from.map_or_else(T::default, |from| {
                        from.wrapping_offset(term as isize * channel).read()
                    });
                    to.add(term * width + column).write(value);
                }
            }
        }
    }

    /// Where the weight has a column of a slice of taps: its first channel.
    fn column(&self, z: usize, column: usize) -> *const T {
        let [_, height, width] = self.problem.geometry.kernel;
        let (feature, tap) = (
            column % self.problem.geometry.features,
            column / self.problem.geometry.features,
        );
        let (y, x) = (height - 1 - tap / width, width - 1 - tap % width);
        let place = [feature, z, y, x, 0].map(|index| index as isize);
        self.problem.weight.place(place)
    }

    /// From one column to the next in the weight, if all are as far apart.
    fn column_step(&self) -> Option<isize> {
        let [_, height, width] = self.problem.geometry.kernel;
        let [feature, _, y, x, _] = self.problem.weight.steps;
        let (mut step, mut count) = (None, 1);
        let features = self.problem.geometry.features;
        for (size, next) in [(features, feature), (width, -x), (height, -y)] {
            match step {
                _ if size == 1 => continue,
                None => step = Some(next),
                Some(step) if next == step * count => (),
                Some(_) => return None,
            }
            count *= size as isize;
        }
        Some(step.unwrap_or(1))
    }

    /// Into how many blocks the lines of a slice of the output are cut: neighbours compute the
    /// products again of the lines of the input that they share.
    fn blocks(&self) -> usize {
        let geometry = &self.problem.geometry;
        let gap = &geometry.gaps[1];
        let line = geometry.gaps[2].size * self.panels.padded() * geometry.channels;
        let slices = (geometry.batch * geometry.output[0]).max(1);
        let most = (gap.size * line / LEAST_WORK).min(gap.size.div_ceil(2));
        TASKS.div_ceil(slices).min(most).max(1)
    }

    /// Where a block ends that should end before a line: where the first tap of a line of the input
    /// reaches, so that windows without overlap are in one block.
    fn boundary(&self, line: usize) -> usize {
        let (gap, lines) = (
            &self.problem.geometry.gaps[1],
            self.problem.geometry.output[1],
        );
        if line == 0 || line == lines {
            return line;
        }
        let reach = (self.problem.geometry.kernel[1] - 1) * gap.dilation;
        let first = (line as isize - gap.low + reach as isize).div_euclid(gap.step as isize);
        let first = first * gap.step as isize + gap.low - reach as isize;
        first.clamp(0, lines as isize) as usize
    }

    /// Some lines of a slice of the output.
    ///
    /// # Safety
    /// As for [`run`]; nobody else has these lines.
    unsafe fn convolve(&self, slice: usize, lines: Range<usize>) {
        let geometry = &self.problem.geometry;
        let [depth, height, width] = geometry.output;
        let (item, z) = (slice / depth, slice % depth);
        let row = width * geometry.features;
        let output = self.problem.output.at(slice * height * row);
        // SAFETY: the output has the lines
        unsafe {
            output
                .add(lines.start * row)
                .write_bytes(0, lines.len() * row)
        };
        let reach = reached(&geometry.gaps[1], geometry.kernel[1], &lines);
        let products = geometry.gaps[2].size * self.panels.padded();
        let most = (BYTES / (products * size_of::<T>()).max(1)).max(1);
        let together = most.min(reach.len());
        with_scratch(together * products * size_of::<T>(), |scratch| {
            for (tap, from_z) in meeting(&geometry.gaps[0], geometry.kernel[0], z) {
                for first in reach.clone().step_by(most) {
                    let now = first..reach.end.min(first + most);
                    // SAFETY: by the caller's promise; the scratch has room for the products
                    unsafe {
                        let products = scratch.cast();
                        self.multiply([item, from_z, tap], now.clone(), products);
                        self.spread(now, products, &lines, output);
                    }
                }
            }
        });
    }

    /// Products of lines of the input with a slice of taps.
    ///
    /// # Safety
    /// As for [`run`]; there is room for the products.
    unsafe fn multiply(&self, [item, z, tap]: [usize; 3], lines: Range<usize>, to: *mut T) {
        let (problem, width) = (self.problem, self.problem.geometry.gaps[2].size);
        let (channels, padded) = (problem.geometry.channels, self.panels.padded());
        let kernels = T::kernels(problem.isa);
        let rows = Panels::new(width, 1, kernels.rows);
        for panel in 0..self.panels.count() {
            let panel = self.panels.get(panel);
            let weight = tap * padded * channels + panel.first * channels;
            for index in 0..lines.len() * rows.count() {
                let (line, rows) = (index / rows.count(), rows.get(index % rows.count()));
                let place = [item, z, lines.start + line, rows.first, 0];
                let place = place.map(|index| index as isize);
                let kernel = (kernels.choose)(rows.size, panel.vectors, false);
                // SAFETY: by the caller's promise; the packed weight has the panel
                unsafe {
                    kernel(&Tile {
                        inner: channels,
                        lhs: problem.input.place(place),
                        lhs_row: problem.input.steps[3],
                        rhs: self.weight.at(weight),
                        rhs_row: self.panels.width(&panel) as isize,
                        output: to.add((line * width + rows.first) * padded + panel.first),
                        output_row: padded as isize,
                        columns: panel.size,
                        accumulate: false,
                    });
                }
            }
        }
    }

    /// Adds the products of some lines of the input to those lines of the output that a block has.
    ///
    /// # Safety
    /// As for [`run`]; the products have been written, and `output` is a slice.
    unsafe fn spread(
        &self,
        lines: Range<usize>,
        products: *const T,
        block: &Range<usize>,
        output: *mut T,
    ) {
        let geometry = &self.problem.geometry;
        let [_, gap, x_gap] = &geometry.gaps;
        let [_, height, width] = geometry.kernel;
        let row = geometry.output[2] * geometry.features;
        let padded = self.panels.padded();
        for (index, line) in lines.enumerate() {
            for tap in (0..height).rev() {
                let to = (line * gap.step) as isize + gap.low - (tap * gap.dilation) as isize;
                let to = usize::try_from(to).ok().filter(|to| block.contains(to));
                let Some(to) = to else {
                    continue;
                };
                let from = index * x_gap.size * padded;
                let first = (height - 1 - tap) * width * geometry.features;
                let line = Line {
                    products: products.wrapping_add(from + first),
                    places: x_gap.size,
                    product: padded,
                    taps: width,
                    features: geometry.features,
                    first: x_gap.low - (width as isize - 1),
                    step: x_gap.step,
                    output: output.wrapping_add(to * row),
                    length: geometry.output[2],
                };
                // SAFETY: by the caller's promise
                unsafe { add(self.problem.isa, &line) };
            }
        }
    }
}

/// The elements of an axis that some places meet, and others between them.
fn reached(gap: &Gap, taps: usize, places: &Range<usize>) -> Range<usize> {
    let (step, reach) = (gap.step as isize, ((taps - 1) * gap.dilation) as isize);
    let first = (places.start as isize - gap.low + step - 1).div_euclid(step);
    let end = (places.end as isize - gap.low + reach - 1).div_euclid(step) + 1;
    let end = end.clamp(0, gap.size as isize) as usize;
    (first.clamp(0, gap.size as isize) as usize).min(end)..end
}

/// The taps that meet elements at a place, and these elements.
fn meeting(gap: &Gap, taps: usize, place: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
    (0..taps).filter_map(move |tap| {
        let at = (place + tap * gap.dilation) as isize - gap.low;
        let element = usize::try_from(at).ok()?;
        let is_element = element.is_multiple_of(gap.step) && element / gap.step < gap.size;
        is_element.then_some((tap, element / gap.step))
    })
}

/// What the places of a line of the input add to a line of the output.
struct Line<T> {
    /// The first place's products with the last tap, which reaches the first place of the output;
    /// those with others follow.
    products: *const T,
    /// Places of the input.
    places: usize,
    /// Elements from one place's products to the next one's.
    product: usize,
    taps: usize,
    features: usize,
    /// The place of the output that the first one reaches.
    first: isize,
    /// Places of the output from what one place reaches to what the next one does.
    step: usize,
    output: *mut T,
    /// Places of the output.
    length: usize,
}

compiled! {
    /// Adds a line's products.
    ///
    /// # Safety
    /// All products and places of the line exist; this machine has the instruction set.
    fn add<T: Number>(line: &Line<T>) by add_line
}

/// # Safety
/// As for [`add`].
#[inline(always)]
unsafe fn add_line<T: Number>(line: &Line<T>) {
    for place in 0..line.places {
        let to = line.first + (place * line.step) as isize;
        let skipped = usize::try_from(-to).unwrap_or(0);
        let end = usize::try_from(line.length as isize - to).unwrap_or(0);
        let end = end.min(line.taps);
        if skipped >= end {
            continue;
        }
        let from = place * line.product + skipped * line.features;
        let from = line.products.wrapping_add(from);
        let to = (to + skipped as isize) as usize * line.features;
        let to = line.output.wrapping_add(to);
        // SAFETY: by the caller's promise; these taps reach places of the line
        unsafe { add_run(from, to, (end - skipped) * line.features) };
    }
}

/// Adds elements side by side.
///
/// # Safety
/// There are so many on both sides.
#[inline(always)]
unsafe fn add_run<T: Number>(from: *const T, to: *mut T, count: usize) {
    // SAFETY: by the caller's promise; products lie apart from the output
    let (from, to) = unsafe {
        (
            std::slice::from_raw_parts(from, count),
            std::slice::from_raw_parts_mut(to, count),
        )
    };
    let (pieces, rest) = from.as_chunks::<TOGETHER>();
    let (sums, last) = to.as_chunks_mut::<TOGETHER>();
    for (sums, piece) in sums.iter_mut().zip(pieces) {
        for (sum, value) in sums.iter_mut().zip(piece) {
            *sum = *sum + *value;
        }
    }
    for (sum, value) in last.iter_mut().zip(rest) {
        *sum = *sum + *value;
    }
}
