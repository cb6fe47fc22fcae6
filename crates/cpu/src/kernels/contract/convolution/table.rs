//! Where the windows of a convolution are in the input.

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
    /// For each tile and segment a pointer for each row of the tile.
    pointers: Vec<*const T>,
    /// For each tile and segment whether any row has it inside of the input.
    meets: Vec<bool>,
    /// For each tile the first terms of such segments in order, and where those of a tile begin and
    /// end.
    met: Vec<usize>,
    bounds: Vec<usize>,
    /// For each row of all tiles the place of its result in the output, if it exists.
    places: Vec<Option<usize>>,
    /// What pointers into the padding read.
    _zeros: Vec<T>,
    /// Copies of segments that reach into the padding.
    borders: Vec<Vec<T>>,
    /// Where rows that do not exist go.
    pub(super) spare: Vec<T>,
}

impl<T: Number> Table<T> {
    /// # Safety
    /// The problem's promises hold.
    pub(super) unsafe fn new(
        problem: &Problem<T>,
        segments: &Segments,
        channel: usize,
        (order, rows): (&Order, Range<usize>),
        tile: usize,
    ) -> Self {
        let geometry = &problem.geometry;
        // those of all groups are as far as windows go
        let others = (geometry.groups - 1) * geometry.channels;
        let zeros = vec![T::default(); segments.length + others];
        let tiles = rows.len().div_ceil(tile);
        let mut table = Table {
            tile,
            pointers: vec![zeros.as_ptr(); tiles * segments.count * tile],
            meets: vec![false; tiles * segments.count],
            met: Vec::with_capacity(tiles * segments.count),
            bounds: vec![0],
            places: vec![None; tiles * tile],
            _zeros: zeros,
            borders: Vec::new(),
            // loops may compute two groups
            spare: vec![T::default(); 2 * geometry.features],
        };
        let taps: Vec<_> = (0..segments.count)
            .map(|segment| segments.tap(segment))
            .collect();
        for run in order.runs(rows) {
            // SAFETY: by the caller's promise
            unsafe { table.add(problem, segments, &taps, channel, &run) };
        }
        table
    }

    /// Points neighbouring places to their segments.
    ///
    /// # Safety
    /// As for [`Table::new`].
    unsafe fn add(
        &mut self,
        problem: &Problem<T>,
        segments: &Segments,
        taps: &[[usize; 3]],
        channel: usize,
        run: &Run,
    ) {
        let (axes, places) = (&segments.axes, run.places());
        let (axis, other) = (run.axis, 3 - run.axis);
        let moved = |at: usize| {
            let mut place = run.first;
            place[axis + 1] = at;
            problem.output_place(axes, place)
        };
        let (first, step) = (moved(0), moved(1) - moved(0));
        let start = (run.index / self.tile, run.index % self.tile);
        for at in places.clone() {
            self.places[run.index + at - places.start] = Some(first + at * step);
        }
        let step = axes[axis].stride as isize * problem.input.steps[axis + 1];
        for (segment, tap) in taps.iter().enumerate() {
            let is_inside = |axis: usize| axes[axis].inside(run.first[axis + 1], tap[axis]);
            if is_inside(0).zip(is_inside(other)).is_none() {
                continue;
            }
            let from = problem.input.place([
                run.first[0] as isize,
                axes[0].position(run.first[1], tap[0]),
                axes[1].position(run.first[2], tap[1]),
                axes[2].position(run.first[3], tap[2]),
                channel as isize,
            ]);
            let inside = &segments.inside[axis - 1][tap[axis]];
            let end = places.end.min(inside.end).max(places.start);
            let inside = places.start.max(inside.start).min(end)..end;
            let at = |place: usize| from.wrapping_offset((place - places.start) as isize * step);
            let begin = self.after(start, inside.start - places.start);
            let first = at(inside.start);
            self.point(segments, segment, begin, (first, step), inside.len());
            if !segments.lines {
                continue;
            }
            for place in (places.start..inside.start).chain(inside.end..places.end) {
                let begin = self.after(start, place - places.start);
                let channels = problem.geometry.channels;
                let taps = axes[2].valid(place);
                let part = taps.start * channels..taps.end * channels;
                // SAFETY: by the caller's promise; these taps are inside of the input
                unsafe { self.cut(segments, segment, begin, at(place), part) };
            }
        }
    }

    /// Points a row to a copy of a segment, of which a part is inside of the input.
    ///
    /// # Safety
    /// The part can be read, from where the segment would begin on.
    unsafe fn cut(
        &mut self,
        segments: &Segments,
        segment: usize,
        row: (usize, usize),
        from: *const T,
        part: Range<usize>,
    ) {
        if part.is_empty() {
            return;
        }
        let mut copy = vec![T::default(); segments.length];
        let from = from.wrapping_add(part.start);
        // SAFETY: by the caller's promise
        let elements = unsafe { std::slice::from_raw_parts(from, part.len()) };
        copy[part].copy_from_slice(elements);
        self.point(segments, segment, row, (copy.as_ptr(), 0), 1);
        self.borders.push(copy);
    }

    /// The tile and the row of it that are so many rows after another one.
    #[inline(always)]
    fn after(&self, (tile, lane): (usize, usize), rows: usize) -> (usize, usize) {
        match lane + rows {
            lane if lane < self.tile => (tile, lane),
            lane => (tile + lane / self.tile, lane % self.tile),
        }
    }

    /// Points some rows to a segment, from a tile's row on a step apart.
    fn point(
        &mut self,
        segments: &Segments,
        segment: usize,
        (mut tile, mut lane): (usize, usize),
        (mut from, step): (*const T, isize),
        count: usize,
    ) {
        let mut left = count;
        while left > 0 {
            let now = left.min(self.tile - lane);
            let place = tile * segments.count + segment;
            self.meets[place] = true;
            let first = place * self.tile + lane;
            for pointer in &mut self.pointers[first..first + now] {
                *pointer = from;
                from = from.wrapping_offset(step);
            }
            (tile, lane, left) = (tile + 1, 0, left - now);
        }
    }

    /// Leaves only pointers to segments that any row of the tile has inside of the input.
    pub(super) fn pack(&mut self, segments: &Segments) {
        let size = segments.count * self.tile;
        for tile in 0..self.places.len() / self.tile {
            let first = self.met.len();
            for segment in 0..segments.count {
                if self.meets[tile * segments.count + segment] {
                    let from = tile * size + segment * self.tile;
                    let to = tile * size + (self.met.len() - first) * self.tile;
                    if to != from {
                        self.pointers.copy_within(from..from + self.tile, to);
                    }
                    self.met.push(segment * segments.length);
                }
            }
            self.bounds.push(self.met.len());
        }
    }

    /// A tile's pointers to all segments, before they are packed.
    pub(super) fn all(&self, segments: &Segments, tile: usize) -> *const *const T {
        let first = tile * segments.count * self.tile;
        self.pointers.as_ptr().wrapping_add(first)
    }

    /// A tile's pointers to some segments after that, and the numbers of their first terms.
    pub(super) fn segments(
        &self,
        segments: &Segments,
        tile: usize,
        among: Range<usize>,
    ) -> (*const *const T, &[usize]) {
        let met = &self.met[self.bounds[tile]..self.bounds[tile + 1]];
        let bound = |segment: usize| {
            let term = segment * segments.length;
            met.partition_point(|met| *met < term)
        };
        let found = bound(among.start)..bound(among.end);
        let first = (tile * segments.count + found.start) * self.tile;
        (self.pointers.as_ptr().wrapping_add(first), &met[found])
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
