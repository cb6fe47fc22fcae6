//! Where the windows of a convolution are in the input.

use super::geometry::Axis;
use super::kernel::Number;
use super::order::{Order, Run};
use super::problem::{Problem, Target};
use super::windows::Segments;
use std::array::from_fn;
use std::ops::Range;

/// Where the windows of some rows are, from the same channel on.
pub(super) struct Table<T> {
    /// Rows of a tile.
    tile: usize,
    tiles: Vec<Tile>,
    /// For each tile a pointer for each row, or one for each row of each segment.
    pointers: Vec<*const T>,
    /// The first terms of segments that tiles have inside of the input, in order.
    met: Vec<usize>,
    /// For each of these elements from a row's pointer to the segment.
    offsets: Vec<isize>,
    /// For each row of all tiles the place of its result in the output, if it exists.
    places: Vec<Option<usize>>,
    /// What pointers into the padding read.
    zeros: Vec<T>,
    /// Copies of segments that reach into the padding.
    borders: Vec<Vec<T>>,
    /// Where rows that do not exist go.
    pub(super) spare: Vec<T>,
}

/// How the rows of a tile reach their segments.
struct Tile {
    /// Its first pointer.
    first: usize,
    /// Pointers from one segment to the next, or 0 if a row's pointer serves all of them.
    step: usize,
    /// Its segments.
    met: Range<usize>,
}

/// Segments of a tile.
pub(super) struct Met<'a, T> {
    /// Their first terms.
    pub(super) terms: &'a [usize],
    /// For each of them elements from a row's pointer.
    pub(super) offsets: &'a [isize],
    /// The rows' pointers.
    pub(super) pointers: *const *const T,
    /// Pointers from one segment's to the next one's.
    pub(super) step: usize,
}

impl<T: Number> Table<T> {
    /// With the segments that some row of a tile has inside of the input.
    ///
    /// # Safety
    /// The problem's promises hold.
    pub(super) unsafe fn new(
        problem: &Problem<T>,
        segments: &Segments,
        channel: usize,
        (order, rows): (&Order, Range<usize>),
        tile: usize,
    ) -> Self {
        let mut table = Table::empty(problem, segments, rows.len(), tile);
        let mut first = rows.start;
        while first < rows.end {
            let (block, end) = order.block(first);
            // the last tile may have rows that do not exist
            let tiles = match end < rows.end {
                true => (end - first) / tile,
                false => (rows.end - first).div_ceil(tile),
            };
            let now = first..rows.end.min(first + tiles.max(1) * tile);
            first = now.end;
            if tiles > 0 && order.are_alike(block) {
                table.add_together(problem, segments, channel, (order, now));
                continue;
            }
            for now in pieces(now, tile) {
                // SAFETY: by the caller's promise
                let meets = unsafe { table.add_apart(problem, segments, channel, (order, now)) };
                table.pack(segments, &meets);
            }
        }
        table
    }

    fn empty(problem: &Problem<T>, segments: &Segments, rows: usize, tile: usize) -> Self {
        let geometry = &problem.geometry;
        // those of all groups are as far as windows go
        let others = (geometry.groups - 1) * geometry.channels;
        let tiles = rows.div_ceil(tile);
        Table {
            tile,
            tiles: Vec::with_capacity(tiles),
            pointers: Vec::with_capacity(tiles * tile),
            met: Vec::with_capacity(segments.count),
            offsets: Vec::with_capacity(segments.count),
            places: Vec::with_capacity(tiles * tile),
            zeros: vec![T::default(); segments.length + others],
            borders: Vec::new(),
            // loops may compute two groups
            spare: vec![T::default(); 2 * geometry.features],
        }
    }

    /// Adds the segments that a place has inside of the input.
    fn meet(
        &mut self,
        problem: &Problem<T>,
        segments: &Segments,
        place: [usize; 4],
    ) -> Range<usize> {
        let first = self.met.len();
        for segment in 0..segments.count {
            let tap = segments.tap(segment);
            let axes = segments.axes.iter().enumerate();
            let is_inside =
                |(axis, sizes): (usize, &Axis)| sizes.inside(place[axis + 1], tap[axis]).is_some();
            if axes.clone().all(is_inside) {
                let step = |(axis, sizes): (usize, &Axis)| {
                    (tap[axis] * sizes.dilation) as isize * problem.input.steps[axis + 1]
                };
                self.met.push(segment * segments.length);
                self.offsets.push(axes.map(step).sum());
            }
        }
        first..self.met.len()
    }

    /// Adds tiles of rows of a block that meet the same taps: a pointer for each serves all
    /// segments.
    fn add_together(
        &mut self,
        problem: &Problem<T>,
        segments: &Segments,
        channel: usize,
        (order, rows): (&Order, Range<usize>),
    ) {
        let (start, count) = (self.pointers.len(), rows.len());
        let mut met = None;
        for run in order.runs(rows) {
            met.get_or_insert_with(|| self.meet(problem, segments, run.first));
            self.add_places(problem, &segments.axes, &run);
            let step = segments.axes[run.axis].stride as isize * problem.input.steps[run.axis + 1];
            let from = window(problem, &segments.axes, run.first, [0; 3], channel);
            let rows = (0..run.length as isize).map(|row| from.wrapping_offset(row * step));
            self.pointers.extend(rows);
        }
        self.fill_up();
        // rows that do not exist read what the last one does
        let last = self.pointers.last().copied();
        let end = start + count.next_multiple_of(self.tile);
        self.pointers
            .resize(end, last.unwrap_or(self.zeros.as_ptr()));
        let met = met.unwrap_or(0..0);
        let tiles = (start..end).step_by(self.tile).map(|first| Tile {
            first,
            step: 0,
            met: met.clone(),
        });
        self.tiles.extend(tiles);
    }

    /// Adds places that do not exist to the last tile.
    fn fill_up(&mut self) {
        let rows = self.places.len().next_multiple_of(self.tile);
        self.places.resize(rows, None);
    }

    /// Adds a tile of rows with pointers of their own to each segment; whether any row has it
    /// inside of the input.
    ///
    /// # Safety
    /// As for [`Table::new`].
    unsafe fn add_apart(
        &mut self,
        problem: &Problem<T>,
        segments: &Segments,
        channel: usize,
        (order, rows): (&Order, Range<usize>),
    ) -> Vec<bool> {
        let mut meets = vec![false; segments.count];
        let first = self.pointers.len();
        self.tiles.push(Tile {
            first,
            step: self.tile,
            met: 0..0,
        });
        let end = first + segments.count * self.tile;
        self.pointers.resize(end, self.zeros.as_ptr());
        for run in order.runs(rows) {
            self.add_places(problem, &segments.axes, &run);
            // SAFETY: by the caller's promise
            unsafe { self.add(problem, segments, (first, &mut meets), channel, &run) };
        }
        self.fill_up();
        meets
    }

    /// Adds where the results of neighbouring places go.
    fn add_places(&mut self, problem: &Problem<T>, axes: &[Axis; 3], run: &Run) {
        let moved = |at: usize| {
            let mut place = run.first;
            place[run.axis + 1] = at;
            problem.output_place(axes, place)
        };
        let (first, step) = (moved(0), moved(1) - moved(0));
        let places = run.places().map(|at| Some(first + at * step));
        self.places.extend(places);
    }

    /// Points neighbouring places to their segments, from a tile's first pointer on.
    ///
    /// # Safety
    /// As for [`Table::new`].
    unsafe fn add(
        &mut self,
        problem: &Problem<T>,
        segments: &Segments,
        (tile, meets): (usize, &mut [bool]),
        channel: usize,
        run: &Run,
    ) {
        let (axes, places) = (&segments.axes, run.places());
        let (axis, other) = (run.axis, 3 - run.axis);
        let step = axes[axis].stride as isize * problem.input.steps[axis + 1];
        for (segment, meets) in meets.iter_mut().enumerate() {
            let tap = segments.tap(segment);
            let is_inside = |axis: usize| axes[axis].inside(run.first[axis + 1], tap[axis]);
            if is_inside(0).zip(is_inside(other)).is_none() {
                continue;
            }
            let from = window(problem, axes, run.first, tap, channel);
            let inside = &segments.inside[axis - 1][tap[axis]];
            let end = places.end.min(inside.end).max(places.start);
            let inside = places.start.max(inside.start).min(end)..end;
            let at = |place: usize| from.wrapping_offset((place - places.start) as isize * step);
            let row = tile + segment * self.tile + run.index;
            let row = |place: usize| row + place - places.start;
            *meets |= !inside.is_empty();
            for place in inside.clone() {
                self.pointers[row(place)] = at(place);
            }
            if !segments.lines {
                continue;
            }
            for place in (places.start..inside.start).chain(inside.end..places.end) {
                let channels = problem.geometry.channels;
                let taps = axes[2].valid(place);
                let part = taps.start * channels..taps.end * channels;
                *meets |= !part.is_empty();
                // SAFETY: by the caller's promise; these taps are inside of the input
                unsafe { self.cut(segments, row(place), at(place), part) };
            }
        }
    }

    /// Points a row to a copy of a segment, of which a part is inside of the input.
    ///
    /// # Safety
    /// The part can be read, from where the segment would begin on.
    unsafe fn cut(&mut self, segments: &Segments, row: usize, from: *const T, part: Range<usize>) {
        if part.is_empty() {
            return;
        }
        let mut copy = vec![T::default(); segments.length];
        let from = from.wrapping_add(part.start);
        // SAFETY: by the caller's promise
        let elements = unsafe { std::slice::from_raw_parts(from, part.len()) };
        copy[part].copy_from_slice(elements);
        self.pointers[row] = copy.as_ptr();
        self.borders.push(copy);
    }

    /// Leaves the last tile only pointers to segments that any of its rows has inside of the input.
    fn pack(&mut self, segments: &Segments, meets: &[bool]) {
        let (first, start) = (
            self.tiles.last().map_or(0, |tile| tile.first),
            self.met.len(),
        );
        for segment in (0..segments.count).filter(|segment| meets[*segment]) {
            let from = first + segment * self.tile;
            let to = first + (self.met.len() - start) * self.tile;
            self.pointers.copy_within(from..from + self.tile, to);
            self.met.push(segment * segments.length);
        }
        self.offsets.resize(self.met.len(), 0);
        self.pointers
            .truncate(first + (self.met.len() - start) * self.tile);
        if let Some(tile) = self.tiles.last_mut() {
            tile.met = start..self.met.len();
        }
    }

    /// What a tile has of some segments.
    pub(super) fn segments(
        &self,
        segments: &Segments,
        tile: usize,
        among: Range<usize>,
    ) -> Met<'_, T> {
        let Tile { first, step, met } = &self.tiles[tile];
        let (all, offsets) = (&self.met[met.clone()], &self.offsets[met.clone()]);
        let bound = |segment: usize| {
            let term = segment * segments.length;
            all.partition_point(|met| *met < term)
        };
        let found = match among.len() == segments.count {
            true => 0..all.len(),
            false => bound(among.start)..bound(among.end),
        };
        Met {
            pointers: self
                .pointers
                .as_ptr()
                .wrapping_add(first + found.start * step),
            terms: &all[found.clone()],
            offsets: &offsets[found],
            step: *step,
        }
    }

    /// Where in the output the results of a tile's rows from some column on go.
    pub(super) fn outputs<const ROWS: usize, U: Copy>(
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

/// Rows in tiles.
fn pieces(rows: Range<usize>, tile: usize) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(tile)
        .map(move |first| first..end.min(first + tile))
}

/// Where the input is that a tap meets at a place, in the padding or not.
fn window<T: Number>(
    problem: &Problem<T>,
    axes: &[Axis; 3],
    place: [usize; 4],
    tap: [usize; 3],
    channel: usize,
) -> *const T {
    let [item, z, y, x] = place;
    problem.input.place([
        item as isize,
        axes[0].position(z, tap[0]),
        axes[1].position(y, tap[1]),
        axes[2].position(x, tap[2]),
        channel as isize,
    ])
}
