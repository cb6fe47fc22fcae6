//! Slices scattered. Updates of one place meet it in row-major order, on however many threads.

use super::combine::{PlacesFn, RowFn, functions};
use super::moves::{Grid, Place};
use super::positions::{Corners, FirstError};
use super::{PIECE, writable};
use crate::kernels::fused;
use crate::simd::stream;
use mlx_oxide_ir::layout::contiguous_strides;
use mlx_oxide_ir::{Axes, Combine, Result};
use mlx_oxide_runtime::{Call, Results, Stored, parallel};
use smallvec::smallvec;
use std::ops::Range;

/// Where updates come from and go.
struct Scatter {
    grid: Grid,
    row: RowFn,
    /// For slices of one element.
    elements: PlacesFn,
    source: Place,
    destination: Place,
    /// Elements of a slice.
    size: usize,
    /// Bytes of an element.
    width: usize,
}

/// Slices between the one that is met and the one that is fetched.
const AHEAD: usize = 4;
/// The most bytes of a slice that are fetched.
const FETCHED: usize = 512;

pub(super) fn scatter(axes: &Axes, combine: Combine, call: &Call<'_>) -> Result<Results> {
    let output = &call.outputs[0];
    let arrays = &call.inputs[2..];
    let strides = contiguous_strides(&output.shape);
    let update = fused::contiguous(call, &call.inputs[1])?;
    let leading = arrays.first().map_or(0, |array| array.layout.shape.len());
    let slice = &update.layout.shape[leading..];
    let count = arrays.first().map_or(1, |array| array.layout.size());

    // all indices are checked before anything is written
    let corners = Corners::new("scatter", axes, arrays, &output.shape, &strides, slice)?;
    let errors = FirstError::default();
    let offsets = corners.read_all("scatter", count, &errors)?;
    errors.into_result()?;
    let offsets = offsets.get()?;

    let buffer = writable(call, &call.inputs[0])?;
    let width = output.dtype.size();
    let (row, elements) = functions(combine, output.dtype);
    let scatter = Scatter {
        grid: Grid::new(slice, &strides, &contiguous_strides(slice)),
        row,
        elements,
        source: Place::of(&update)?,
        destination: Place::new(&buffer, 0, width)?,
        size: slice.iter().product(),
        width,
    };
    // slices that are one element along every indexed axis are the same or apart
    let apart = axes.iter().all(|&axis| slice[axis] == 1);
    let bytes = count * scatter.size * width;
    let parts = if apart && bytes > PIECE {
        parallel::threads()
    } else {
        1
    };
    let span = output.size().div_ceil(parts).max(1) as isize;
    parallel::for_each(parts, |part| {
        let first = part as isize * span;
        scatter.slices(offsets, (parts > 1).then_some(first..first + span));
    });
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

impl Scatter {
    /// Lets the slices at offsets, in a range if there is one, meet their updates.
    fn slices(&self, offsets: &[isize], range: Option<Range<isize>>) {
        if self.size == 1 {
            let (to, from) = (self.destination.element(0), self.source.element(0));
            // SAFETY: offsets are checked, and each has an update
            return unsafe { (self.elements)(to, from, offsets, range) };
        }
        let (count, to, from) = self.grid.row();
        let bytes = match self.grid.is_row() && (to, from) == (1, 1) {
            true => (count * self.width).min(FETCHED),
            false => 0,
        };
        let met = |offset: isize| range.as_ref().is_none_or(|range| range.contains(&offset));
        for (number, &offset) in offsets.iter().enumerate() {
            let next = number + AHEAD;
            if let Some(&place) = offsets.get(next).filter(|place| met(**place)) {
                stream::fetch(self.destination.element(place), bytes);
                stream::fetch(self.source.element((next * self.size) as isize), bytes);
            }
            if met(offset) {
                self.slice(number, offset);
            }
        }
    }

    fn slice(&self, number: usize, offset: isize) {
        let (count, to, from) = self.grid.row();
        let start = (number * self.size) as isize;
        if self.grid.is_row() {
            let target = self.destination.element(offset);
            let source = self.source.element(start);
            // SAFETY: the row is the slice, whose corner is checked
            return unsafe { (self.row)(target, to, source, from, count) };
        }
        self.grid.walk(0, self.grid.count(), |place, update| {
            let target = self.destination.element(offset + place);
            let source = self.source.element(start + update);
            // SAFETY: the row lies in the slice, whose corner is checked
            unsafe { (self.row)(target, to, source, from, count) };
        });
    }
}
