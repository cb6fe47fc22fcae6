//! Lines of places, in segments whose places have the same taps.

use super::super::channels::{Channels, Row};
use super::super::geometry::Axis;
use super::super::kernel::{Alone, Loop, Term};
use super::super::problem::Problem;
use crate::simd::stream;
use std::ops::Range;

/// Taps of a line from which neighbouring places share those that all of them have, and each adds
/// its own; fewer are not worth a second pass.
const LONG_LINE: usize = 16;
/// Most places that do.
pub(super) const PLACES: usize = 8;

/// Neighbouring places.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment {
    places: Range<usize>,
    /// Taps that all of them have.
    taps: Range<usize>,
    /// Whether none has others.
    pub(super) uniform: bool,
}

/// Some places of an axis in segments.
pub(super) fn segments(axis: &Axis, places: Range<usize>) -> Vec<Segment> {
    let inner = axis.inner();
    let mut found = Vec::new();
    let mut first = places.start;
    while first < places.end {
        let taps = axis.valid(first);
        let mut end = match inner.contains(&first) {
            true => inner.end.min(places.end),
            false => first + 1,
        };
        while end < places.end && axis.valid(end) == taps {
            end += 1;
        }
        let mut segment = Segment {
            places: first..end,
            taps,
            uniform: true,
        };
        segment.extend(axis, places.end);
        first = segment.places.end;
        found.push(segment);
    }
    found
}

impl Segment {
    /// Takes in places after it that have most of its taps, if there are many.
    fn extend(&mut self, axis: &Axis, end: usize) {
        if self.taps.len() < LONG_LINE {
            return;
        }
        while self.places.end < end && self.places.len() < PLACES {
            let next = axis.valid(self.places.end);
            let both = self.taps.start.max(next.start)..self.taps.end.min(next.end);
            if both.len() < LONG_LINE {
                return;
            }
            self.uniform &= both == self.taps && next == self.taps;
            self.taps = both;
            self.places.end += 1;
        }
    }
}

/// How sums reach the output.
#[derive(Clone, Copy)]
pub(super) enum Way<T> {
    /// Through the caches.
    Cached,
    /// Past them; sums are never added to, and places are whole lines of the caches.
    Past,
    /// Those of so many places are made here, then pass by the caches.
    Tile(*mut T, usize),
}

/// Where sums of neighbouring places go.
#[derive(Clone, Copy)]
pub(super) struct Results<T> {
    /// Elements from one place's to the next one's.
    pub(super) step: usize,
    pub(super) way: Way<T>,
}

/// One line of places.
pub(super) struct Line<'a, T: 'static> {
    pub(super) problem: &'a Problem<T, Alone<T>>,
    pub(super) axis: &'a Axis,
    pub(super) input_step: isize,
    pub(super) weight_step: isize,
    pub(super) table: &'a [Row<T>],
    pub(super) kernel: Loop<Channels<T>>,
    /// Places that the weight is repeated for: input and output have no gaps if there are several.
    pub(super) together: usize,
    pub(super) output: *mut T,
    pub(super) results: Results<T>,
    pub(super) accumulate: bool,
}

impl<T: Term> Line<'_, T> {
    /// # Safety
    /// The table's rows are inside of the input wherever the axis is, and nobody else writes the
    /// output's places.
    pub(super) unsafe fn run(&self, segments: &[Segment]) {
        let step = self.results.step;
        for segment in segments {
            let output = self.output.wrapping_add(segment.places.start * step);
            // SAFETY: by the caller's promise
            unsafe {
                match self.results.way {
                    Way::Tile(tile, most) => self.by_tiles(segment, (tile, most), output),
                    Way::Cached | Way::Past => self.segment(segment, output),
                }
            }
        }
    }

    /// # Safety
    /// As for [`Line::run`]; the tile has room for the sums of `most` places.
    unsafe fn by_tiles(&self, segment: &Segment, (tile, most): (*mut T, usize), output: *mut T) {
        let (first, end) = (segment.places.start, segment.places.end);
        for place in (first..end).step_by(most) {
            let part = Segment {
                places: place..end.min(place + most),
                taps: segment.taps.clone(),
                uniform: segment.uniform,
            };
            let to = output.wrapping_add((place - first) * self.results.step);
            let bytes = part.places.len() * self.results.step * size_of::<T>();
            // SAFETY: by the caller's promise
            unsafe {
                self.segment(&part, tile);
                stream::copy(to.cast(), tile.cast(), bytes);
            }
        }
    }

    /// # Safety
    /// As for [`Line::run`].
    unsafe fn segment(&self, segment: &Segment, sums: *mut T) {
        let (places, taps) = (segment.places.clone(), segment.taps.clone());
        // SAFETY: by the caller's promise
        unsafe { self.places(places.clone(), taps.clone(), self.accumulate, sums) };
        if segment.uniform {
            return;
        }
        for place in places.clone() {
            let valid = self.axis.valid(place);
            let sums = sums.wrapping_add((place - places.start) * self.results.step);
            for rest in [valid.start..taps.start, taps.end..valid.end] {
                if !rest.is_empty() {
                    // SAFETY: by the caller's promise
                    unsafe { self.places(place..place + 1, rest, true, sums) };
                }
            }
        }
    }

    /// Sums of neighbouring places over taps that all of them have.
    ///
    /// # Safety
    /// As for [`Line::run`].
    unsafe fn places(
        &self,
        places: Range<usize>,
        taps: Range<usize>,
        accumulate: bool,
        sums: *mut T,
    ) {
        let columns = self.problem.geometry.row();
        let whole = match self.together {
            1 => 0,
            together => places.len() / together,
        };
        let mut operand = Channels {
            rows: self.table.len(),
            table: self.table.as_ptr(),
            group: self.problem.geometry.channels,
            input: self.axis.position(places.start, taps.start) * self.input_step,
            weight: taps.start as isize * self.weight_step,
            taps: taps.len(),
            input_step: self.axis.dilation as isize * self.input_step,
            weight_step: self.weight_step,
            places: whole,
            place_step: (columns * self.together) as isize,
            output: sums,
            output_step: columns * self.together,
            columns: columns * self.together,
            accumulate,
            streamed: matches!(self.results.way, Way::Past),
        };
        let kernel = self.kernel;
        let done = whole * self.together;
        // SAFETY: these taps are inside of the input at these places
        unsafe {
            if whole > 0 {
                kernel(&operand);
            }
            operand.places = places.len() - done;
            operand.columns = columns;
            operand.input = self.axis.position(places.start + done, taps.start) * self.input_step;
            operand.place_step = self.axis.stride as isize * self.input_step;
            operand.output = sums.wrapping_add(done * self.results.step);
            operand.output_step = self.results.step;
            if operand.places > 0 {
                kernel(&operand);
            }
        }
    }
}
