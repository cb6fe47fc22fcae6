//! Convolutions with 3×3 taps by Winograd's minimal filtering, F(4×4, 3×3): a tile of 4×4 places
//! takes 36 products a channel and feature instead of 144 (Lavin and Gray, "Fast algorithms for
//! convolutional neural networks", 2016).
//!
//! Taps that lie apart meet places that lie apart: each so many-th place is convolved with its likes
//! as if they were neighbours.
//!
//! In three dimensions the first axis is summed plainly: the tiles of neighbouring slices of the
//! input follow one another, so that those under the taps of a place are one row of terms.
//!
//! Tiles of the input and the weight are transformed, multiplied as 36 matrix products, and
//! transformed back: `Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A`. The transforms add and subtract neighbours, so
//! errors are a few times those of plain sums (measured: see the tests), and a value that is not
//! finite reaches places that it should not; where a result is not finite, the convolution is
//! computed plainly instead.

use super::geometry::Axis;
use super::kernel::Number;
use super::problem::{Problem, Target};
use crate::gemm::Panels;
use crate::gemm::compiled::compiled;
use crate::gemm::kernel::Tile;
use crate::kernels::fused::scratch::with_scratch;
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, parallel};
use std::array::from_fn;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Places of a tile along an axis.
const SIDE: usize = 4;
/// Elements of the input that a tile reads along an axis.
const REACH: usize = 6;
/// Products of a tile.
const PRODUCTS: usize = REACH * REACH;
/// Channels or features that are transformed together.
const LANES: usize = 16;
/// Channels and features from which the transforms cost little against the products.
const MANY: usize = 32;
/// Tiles from which transforming the weight costs little.
const TILES: usize = 64;
/// Most places of the first axis whose tiles are transformed together.
const DEPTH: usize = 32;

/// Whether tiles pay: `float32`, 3×3 taps, one group, many channels, features and tiles.
pub(super) fn suits<T: Number>(problem: &Problem<T>, axes: &[Axis; 3]) -> bool {
    let geometry = &problem.geometry;
    let [z, y, x] = axes;
    let plain = |axis: &Axis| axis.taps == 3 && axis.stride == 1;
    let tiles = Grid::new(geometry.batch, axes).tiles();
    let places = z.places * y.places * x.places;
    size_of::<T>() == 4
        && problem.rounded.is_none()
        && geometry.groups == 1
        && (z.taps == 1 || z.taps > 1 && (z.stride, z.dilation) == (1, 1))
        && plain(y)
        && plain(x)
        && z.taps * geometry.channels >= MANY
        && geometry.channels.is_multiple_of(LANES)
        && geometry.features >= MANY
        && tiles >= TILES
        // tiles that reach beyond the output are wasted
        && 2 * geometry.batch * places >= tiles * SIDE * SIDE
}

/// The tiles of the output, in columns along the first axis.
#[derive(Clone, Copy)]
struct Grid {
    batch: usize,
    /// Columns one above the other.
    columns: usize,
    /// Tiles of a column.
    depth: usize,
    /// Slices of the input that they read.
    slices: usize,
    down: Side,
    across: Side,
}

/// The tiles along an axis.
#[derive(Clone, Copy)]
struct Side {
    /// Tiles of places that belong together.
    tiles: usize,
    /// From one of these places to the next, as from one tap to the next.
    apart: usize,
}

impl Side {
    fn new(axis: &Axis) -> Self {
        Side {
            tiles: axis.places.div_ceil(axis.dilation).div_ceil(SIDE),
            apart: axis.dilation,
        }
    }

    fn count(self) -> usize {
        self.tiles * self.apart
    }

    /// The first place of a tile.
    fn first(self, tile: usize) -> usize {
        let (index, which) = (tile % self.tiles, tile / self.tiles);
        index * SIDE * self.apart + which
    }

    /// How many places of a tile exist if the axis has so many.
    fn places(self, first: usize, all: usize) -> usize {
        all.saturating_sub(first).div_ceil(self.apart).min(SIDE)
    }
}

impl Grid {
    fn new(batch: usize, axes: &[Axis; 3]) -> Self {
        let (places, taps) = (axes[0].places.max(1), axes[0].taps.max(1));
        let columns = match taps {
            1 => places,
            _ => places.div_ceil(DEPTH),
        };
        let depth = places.div_ceil(columns);
        Grid {
            batch,
            columns,
            depth,
            slices: depth + taps - 1,
            down: Side::new(&axes[1]),
            across: Side::new(&axes[2]),
        }
    }

    /// How many columns there are.
    fn count(&self) -> usize {
        self.batch * self.columns * self.down.count() * self.across.count()
    }

    fn tiles(&self) -> usize {
        self.count() * self.depth
    }

    /// Image and first place of a column.
    fn get(&self, column: usize) -> [usize; 4] {
        let (down, across) = (self.down.count(), self.across.count());
        let (x, rest) = (column % across, column / across);
        let (y, rest) = (rest % down, rest / down);
        let (z, item) = (rest % self.columns, rest / self.columns);
        [
            item,
            z * self.depth,
            self.down.first(y),
            self.across.first(x),
        ]
    }
}

/// A convolution in tiles.
struct Tiles<'a, T: 'static> {
    problem: &'a Problem<T>,
    axes: [Axis; 3],
    grid: Grid,
    panels: Panels,
    /// The transformed weight: for each product and panel of features term after term.
    weight: Target<T>,
    /// Channels under all taps of the first axis.
    terms: usize,
}

/// Whether all results are finite; if not, the output is to be computed in another way.
///
/// # Safety
/// The problem's promises hold; channels lie side by side, and [`suits`] holds.
pub(super) unsafe fn run<T: Number>(problem: &Problem<T>, axes: [Axis; 3]) -> Result<bool> {
    let geometry = &problem.geometry;
    let kernels = T::kernels(problem.isa);
    let panels = Panels::new(geometry.features, kernels.lanes, kernels.vectors);
    let (taps, channels) = (axes[0].taps, geometry.channels);
    let terms = taps * channels;
    let elements = PRODUCTS * terms * panels.padded();
    let memory = Buffer::allocate(problem.op, elements * size_of::<T>())?;
    let grid = Grid::new(geometry.batch, &axes);
    let tiles = Tiles {
        problem,
        axes,
        grid,
        panels,
        weight: Target(memory.host_ptr()?.as_ptr().cast()),
        terms,
    };
    parallel::for_each(panels.count() * taps * channels.div_ceil(LANES), |task| {
        let (panel, rest) = (task % panels.count(), task / panels.count());
        let (tap, first) = (rest % taps, rest / taps * LANES);
        let channels = first..channels.min(first + LANES);
        // SAFETY: by the caller's promise; each task has terms of its own
        unsafe { transform_weight(problem.isa, &tiles, panel, tap, channels) };
    });
    let finite = AtomicBool::new(true);
    let block = if terms <= 128 { 32 } else { 64 };
    let block = (block / grid.depth).max(1);
    parallel::for_each(grid.count().div_ceil(block), |task| {
        let first = task * block;
        let range = first..grid.count().min(first + block);
        // SAFETY: by the caller's promise; each task has tiles of its own
        if !unsafe { tiles.convolve(range) } {
            finite.store(false, Ordering::Relaxed);
        }
    });
    Ok(finite.into_inner())
}

impl<T: Number> Tiles<'_, T> {
    /// Some columns of tiles; whether all results are finite.
    ///
    /// # Safety
    /// As for [`run`].
    unsafe fn convolve(&self, columns: Range<usize>) -> bool {
        let kernels = T::kernels(self.problem.isa);
        let inputs = PRODUCTS * columns.len() * self.grid.slices * self.problem.geometry.channels;
        let width = (kernels.lanes * kernels.vectors).next_multiple_of(LANES);
        let sums = PRODUCTS * columns.len() * self.grid.depth * width;
        with_scratch((inputs + sums) * size_of::<T>(), |scratch| {
            let inputs_to = scratch.cast::<T>();
            let sums_to = inputs_to.wrapping_add(inputs);
            // SAFETY: the scratch has room for both; otherwise by the caller's promise
            unsafe {
                if kernels.lanes < LANES {
                    // columns beyond the last panel are read, too
                    sums_to.write_bytes(0, sums);
                }
                self.spread(columns.clone(), inputs_to);
                self.results(columns, inputs_to, sums_to, width)
            }
        })
    }

    /// Transforms what some columns of tiles read.
    ///
    /// # Safety
    /// As for [`run`]; there is room for all slices of the columns for each product.
    unsafe fn spread(&self, columns: Range<usize>, to: *mut T) {
        let (channels, slices) = (self.problem.geometry.channels, self.grid.slices);
        let rows = columns.len() * slices;
        let zeros = vec![T::default(); channels];
        for row in 0..rows {
            let (column, slice) = (columns.start + row / slices, row % slices);
            let pointers = self.elements(column, slice, zeros.as_ptr());
            let to = to.wrapping_add(row * channels);
            let isa = self.problem.isa;
            // SAFETY: all pointers reach the channels, and the tile has its part of each product
            unsafe { transform_input(isa, &pointers, channels, to, rows * channels) };
        }
    }

    /// Results of some columns of tiles from their transformed inputs; whether all are finite.
    ///
    /// # Safety
    /// As for [`run`]; there is room for `width` sums of each tile for each product.
    unsafe fn results(
        &self,
        columns: Range<usize>,
        inputs: *const T,
        sums: *mut T,
        width: usize,
    ) -> bool {
        let depth = self.grid.depth;
        let count = columns.len() * depth;
        let row = self.problem.geometry.row();
        let mut finite = true;
        for panel in 0..self.panels.count() {
            // SAFETY: by the caller's promise
            unsafe { self.multiply(panel, columns.len(), inputs, sums, width) };
            let panel = self.panels.get(panel);
            for index in 0..count {
                let [item, z, y, x] = self.grid.get(columns.start + index / depth);
                let z = z + index % depth;
                if z >= self.axes[0].places {
                    continue; // the last column is as deep as the others
                }
                let place = self.problem.output_place(&self.axes, [item, z, y, x]);
                let [_, y_axis, x_axis] = &self.axes;
                let (down, across) = (self.grid.down, self.grid.across);
                let line = self.problem.geometry.output[2] * row;
                let result = Results {
                    sums: sums.wrapping_add(index * width),
                    step: count * width,
                    features: panel.size,
                    to: self.problem.output.at(place + panel.first),
                    places: [
                        down.places(y, y_axis.places),
                        across.places(x, x_axis.places),
                    ],
                    steps: [
                        down.apart * y_axis.place_step * line,
                        across.apart * x_axis.place_step * row,
                    ],
                    finite: &mut finite,
                };
                // SAFETY: the output has these places
                unsafe { transform_sums(self.problem.isa, result) };
            }
        }
        finite
    }

    /// Where the elements of the input are that a slice of a column reads.
    fn elements(&self, column: usize, slice: usize, zeros: *const T) -> [*const T; PRODUCTS] {
        let [item, z, y, x] = self.grid.get(column);
        let [z_axis, y_axis, x_axis] = &self.axes;
        // taps are as far apart as places where there are several
        let z = z_axis.position(z + slice, 0);
        let inside = |axis: &Axis, place: usize| {
            from_fn::<_, REACH, _>(|tap| axis.inside(place, tap).is_some())
        };
        let (down, across) = (inside(y_axis, y), inside(x_axis, x));
        let has_slice = (0..z_axis.size as isize).contains(&z);
        let first = [
            item as isize,
            z,
            y_axis.position(y, 0),
            x_axis.position(x, 0),
            0,
        ];
        let first = self.problem.input.place(first);
        let steps = self.problem.input.steps;
        let step_y = y_axis.dilation as isize * steps[2];
        let step_x = x_axis.dilation as isize * steps[3];
        from_fn(|element| {
            let (y, x) = (element / REACH, element % REACH);
            match has_slice && down[y] && across[x] {
                true => first.wrapping_offset(y as isize * step_y + x as isize * step_x),
                false => zeros,
            }
        })
    }

    /// The products of one panel of features.
    ///
    /// # Safety
    /// The inputs have the slices of so many columns for each product, the sums their tiles with
    /// `width` elements.
    unsafe fn multiply(
        &self,
        panel: usize,
        columns: usize,
        inputs: *const T,
        sums: *mut T,
        width: usize,
    ) {
        let kernels = T::kernels(self.problem.isa);
        let channels = self.problem.geometry.channels;
        let panel = self.panels.get(panel);
        let padded = self.panels.width(&panel);
        // columns of one slice a tile follow one another without gaps
        let (depth, slices) = (self.grid.depth, self.grid.slices);
        let (columns, depth, slices) = match depth == slices {
            true => (1, columns * depth, columns * slices),
            false => (columns, depth, slices),
        };
        let rows = Panels::new(depth, 1, kernels.rows);
        for product in 0..PRODUCTS {
            let weight = (product * self.panels.padded() + panel.first) * self.terms;
            for index in 0..columns * rows.count() {
                let (column, rows) = (index / rows.count(), rows.get(index % rows.count()));
                let slice = (product * columns + column) * slices + rows.first;
                let row = (product * columns + column) * depth + rows.first;
                let kernel = (kernels.choose)(rows.size, panel.vectors, false);
                // SAFETY: by the caller's promise; the terms of a row are the channels of slices
                // that follow one another
                unsafe {
                    kernel(&Tile {
                        inner: self.terms,
                        lhs: inputs.wrapping_add(slice * channels),
                        lhs_row: channels as isize,
                        rhs: self.weight.at(weight),
                        rhs_row: padded as isize,
                        output: sums.wrapping_add(row * width),
                        output_row: width as isize,
                        columns: padded,
                        accumulate: false,
                    });
                }
            }
        }
    }
}

/// `a - b`.
#[inline(always)]
fn less<T: Number>(a: T, b: T) -> T {
    a + b * T::of(-1.0)
}

/// The first pair of points; the second is its inverse.
const POINT: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// The second pair of points.
const INVERSE: f64 = std::f64::consts::SQRT_2;

/// `Bᵀ d`.
#[inline(always)]
fn spread_input<T: Number>(d: [T; 6]) -> [T; 6] {
    let (half, two, middle) = (T::of(0.5), T::of(2.0), T::of(2.5));
    let even = [less(d[4], two * d[2]), less(d[4], half * d[2])];
    let odd = [
        T::of(POINT) * less(d[3], two * d[1]),
        T::of(INVERSE) * less(d[3], half * d[1]),
    ];
    [
        less(d[0] + d[4], middle * d[2]),
        even[0] + odd[0],
        less(even[0], odd[0]),
        even[1] + odd[1],
        less(even[1], odd[1]),
        less(d[1] + d[5], middle * d[3]),
    ]
}

/// `G g`.
#[inline(always)]
fn spread_weight<T: Number>(g: [T; 3]) -> [T; 6] {
    let third = T::of(1.0 / 3.0);
    let even = [
        T::of(-2.0 / 3.0) * g[0] + T::of(-1.0 / 3.0) * g[2],
        T::of(1.0 / 6.0) * g[0] + third * g[2],
    ];
    let odd = [
        T::of(-2.0 / 3.0 * POINT) * g[1],
        T::of(INVERSE / 6.0) * g[1],
    ];
    [
        g[0],
        even[0] + odd[0],
        less(even[0], odd[0]),
        even[1] + odd[1],
        less(even[1], odd[1]),
        g[2],
    ]
}

/// `Aᵀ m`.
#[inline(always)]
fn gather_sums<T: Number>(m: [T; 6]) -> [T; 4] {
    let even = [m[1] + m[2], m[3] + m[4]];
    let odd = [
        T::of(POINT) * less(m[1], m[2]),
        T::of(INVERSE) * less(m[3], m[4]),
    ];
    [
        m[0] + even[0] + even[1],
        odd[0] + odd[1],
        T::of(0.5) * even[0] + T::of(2.0) * even[1],
        T::of(0.5) * odd[0] + T::of(2.0) * odd[1] + m[5],
    ]
}

compiled! {
    /// Writes `Bᵀ d B` of one tile, a row of channels for each product.
    ///
    /// # Safety
    /// The elements have `channels` channels, a multiple of [`LANES`], and so has `to` at each
    /// multiple of `step` up to the last product; this machine has the instruction set.
    fn transform_input<T: Number>(
        elements: &[*const T; PRODUCTS],
        channels: usize,
        to: *mut T,
        step: usize,
    ) by input_loop
}

/// # Safety
/// As for [`transform_input`].
#[inline(always)]
unsafe fn input_loop<T: Number>(
    elements: &[*const T; PRODUCTS],
    channels: usize,
    to: *mut T,
    step: usize,
) {
    for channel in (0..channels).step_by(LANES) {
        let mut columns = [[[T::default(); LANES]; REACH]; REACH];
        for x in 0..REACH {
            let d: [[T; LANES]; REACH] = from_fn(|y| {
                let from = elements[y * REACH + x].wrapping_add(channel);
                // SAFETY: by the caller's promise
                unsafe { from.cast::<[T; LANES]>().read_unaligned() }
            });
            for lane in 0..LANES {
                let spread = spread_input(from_fn(|y| d[y][lane]));
                for y in 0..REACH {
                    columns[y][x][lane] = spread[y];
                }
            }
        }
        for (y, row) in columns.iter().enumerate() {
            let mut spread = [[T::default(); LANES]; REACH];
            for lane in 0..LANES {
                let lanes = spread_input(from_fn(|x| row[x][lane]));
                for x in 0..REACH {
                    spread[x][lane] = lanes[x];
                }
            }
            for (x, values) in spread.iter().enumerate() {
                let to = to.wrapping_add((y * REACH + x) * step + channel);
                // SAFETY: by the caller's promise
                unsafe { to.cast::<[T; LANES]>().write_unaligned(*values) };
            }
        }
    }
}

compiled! {
    /// Writes `G g Gᵀ` of a panel's features and some channels under a tap of the first axis.
    ///
    /// # Safety
    /// As for [`run`]; this machine has the instruction set.
    fn transform_weight<T: Number>(
        tiles: &Tiles<'_, T>,
        panel: usize,
        tap: usize,
        channels: Range<usize>,
    ) by weight_loop
}

/// # Safety
/// As for [`transform_weight`].
#[inline(always)]
unsafe fn weight_loop<T: Number>(
    tiles: &Tiles<'_, T>,
    panel: usize,
    tap: usize,
    channels: Range<usize>,
) {
    let panel = tiles.panels.get(panel);
    let width = tiles.panels.width(&panel);
    let problem = tiles.problem;
    let steps = problem.weight.steps;
    for channel in channels {
        for first in (0..width).step_by(LANES) {
            let exist = LANES.min(panel.size.saturating_sub(first));
            let mut columns = [[[T::default(); LANES]; 3]; REACH];
            #[expect(clippy::needless_range_loop, reason = "columns of a transposed tile")]
            for x in 0..3 {
                let g: [[T; LANES]; 3] = from_fn(|y| {
                    let from = problem.weight_at(panel.first + first, &tiles.axes, [tap, y, x]);
                    let from = from.wrapping_offset(channel as isize * steps[4]);
                    let mut lanes = [T::default(); LANES];
                    for (lane, value) in lanes.iter_mut().enumerate().take(exist) {
                        // SAFETY: by the caller's promise
                        *value = unsafe { from.wrapping_offset(lane as isize * steps[0]).read() };
                    }
                    lanes
                });
                for lane in 0..LANES {
                    let spread = spread_weight(from_fn(|y| g[y][lane]));
                    for y in 0..REACH {
                        columns[y][x][lane] = spread[y];
                    }
                }
            }
            for (y, row) in columns.iter().enumerate() {
                let mut spread = [[T::default(); LANES]; REACH];
                for lane in 0..LANES {
                    let lanes = spread_weight(from_fn(|x| row[x][lane]));
                    for x in 0..REACH {
                        spread[x][lane] = lanes[x];
                    }
                }
                for (x, values) in spread.iter().enumerate() {
                    let product = y * REACH + x;
                    let start = product * tiles.panels.padded() + panel.first;
                    let term = tap * problem.geometry.channels + channel;
                    let start = start * tiles.terms + term * width + first;
                    let count = LANES.min(width - first);
                    let to = tiles.weight.at(start);
                    // SAFETY: the transformed weight has the panel's width for each channel
                    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), to, count) };
                }
            }
        }
    }
}

/// The sums of one tile and where they go.
struct Results<'a, T> {
    sums: *const T,
    /// Elements to the next product's.
    step: usize,
    features: usize,
    to: *mut T,
    /// Places of the tile that exist.
    places: [usize; 2],
    /// Elements from one place to the next.
    steps: [usize; 2],
    finite: &'a mut bool,
}

compiled! {
    /// Writes `Aᵀ m A` of one tile.
    ///
    /// # Safety
    /// The sums are in whole blocks of [`LANES`], and the places are in the output; this machine
    /// has the instruction set.
    fn transform_sums<T: Number>(result: Results<'_, T>) by sums_loop
}

/// # Safety
/// As for [`transform_sums`].
#[inline(always)]
unsafe fn sums_loop<T: Number>(result: Results<'_, T>) {
    let mut check = [T::default(); LANES];
    for first in (0..result.features).step_by(LANES) {
        let mut columns = [[[T::default(); LANES]; REACH]; SIDE];
        #[expect(clippy::needless_range_loop, reason = "columns of a transposed tile")]
        for x in 0..REACH {
            let m: [[T; LANES]; REACH] = from_fn(|y| {
                let from = (y * REACH + x) * result.step + first;
                let from = result.sums.wrapping_add(from).cast::<[T; LANES]>();
                // SAFETY: by the caller's promise
                unsafe { from.read_unaligned() }
            });
            for lane in 0..LANES {
                let sums = gather_sums(from_fn(|y| m[y][lane]));
                for y in 0..SIDE {
                    columns[y][x][lane] = sums[y];
                }
            }
        }
        let count = LANES.min(result.features - first);
        for (y, row) in columns.iter().enumerate().take(result.places[0]) {
            let mut values = [[T::default(); LANES]; SIDE];
            for lane in 0..LANES {
                let sums = gather_sums(from_fn(|x| row[x][lane]));
                for x in 0..SIDE {
                    values[x][lane] = sums[x];
                    // stays zero as long as all are finite
                    check[lane] = check[lane] + sums[x] * T::default();
                }
            }
            for (x, values) in values.iter().enumerate().take(result.places[1]) {
                let place = y * result.steps[0] + x * result.steps[1] + first;
                let to = result.to.wrapping_add(place);
                // SAFETY: by the caller's promise
                unsafe {
                    match count == LANES {
                        true => to.cast::<[T; LANES]>().write_unaligned(*values),
                        false => std::ptr::copy_nonoverlapping(values.as_ptr(), to, count),
                    }
                }
            }
        }
    }
    if check.iter().any(|check| *check != T::default()) {
        *result.finite = false;
    }
}
