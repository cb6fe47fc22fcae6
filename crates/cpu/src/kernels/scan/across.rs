//! Scans along an axis that others follow: a tile of columns is accumulated at once.

use super::kinds::Running;
use crate::kernels::shared::{Aligned, Shared};
use crate::simd::{Isa, Kernel, strided, vectorised};
use mlx_oxide_ir::layout::{Collapsed, collapse};
use mlx_oxide_ir::{Result, Scan};
use mlx_oxide_runtime::{Operand, parallel};
use std::mem::MaybeUninit;
use std::ops::Range;

/// The most columns of a tile.
const TILE: usize = 512;
/// Elements for which a thread is worth its while.
const GRAIN: usize = 32 << 10;

/// A scan under way.
struct Columns<F: Running> {
    operand: *const F::In,
    before: Collapsed,
    after: Collapsed,
    length: usize,
    stride: isize,
    /// Columns, and results from step to step.
    breadth: usize,
    results: Shared<MaybeUninit<F::Out>>,
    /// Whether columns lie in order.
    direct: bool,
    reverse: bool,
    inclusive: bool,
}

// SAFETY: tasks write results of their own, and nobody writes what they read
unsafe impl<F: Running> Sync for Columns<F> {}

pub(super) fn run<F: Running>(
    op: &Scan,
    operand: &Operand,
    results: *mut F::Out,
    isa: Isa,
) -> Result<()> {
    let layout = &operand.layout;
    let loops = |axes: Range<usize>| {
        let strides = &layout.strides[axes.clone()];
        collapse(&layout.shape[axes], &[strides])
    };
    let after = loops(op.axis + 1..layout.shape.ndim());
    let pointer = operand.buffer.host_ptr()?.as_ptr().cast_const();
    let in_order = after.shape.len() == 1 && after.strides[0][0] == 1;
    let columns = Columns::<F> {
        operand: pointer.cast::<F::In>().wrapping_add(layout.offset),
        before: loops(0..op.axis),
        length: layout.shape[op.axis],
        stride: layout.strides[op.axis],
        breadth: after.shape.iter().product(),
        after,
        results: Shared(results.cast()),
        direct: in_order && (pointer as usize).is_multiple_of(align_of::<F::In>()),
        reverse: op.reverse,
        inclusive: op.inclusive,
    };
    let tiles = columns.breadth.div_ceil(TILE);
    let befores: usize = columns.before.shape.iter().product();
    let grain = GRAIN / (columns.length * columns.breadth.min(TILE));
    parallel::for_each_range(befores * tiles, grain, |start, end| {
        for number in start..end {
            let (before, tile) = (number / tiles, number % tiles);
            let tile = tile * TILE..columns.breadth.min((tile + 1) * TILE);
            let columns = &columns;
            vectorised(
                isa,
                Tile {
                    columns,
                    before,
                    tile,
                },
            );
        }
    });
    Ok(())
}

struct Tile<'a, F: Running> {
    columns: &'a Columns<F>,
    before: usize,
    tile: Range<usize>,
}

impl<F: Running> Tile<'_, F> {
    /// Where the first element before the scanned axis lies.
    fn start(&self) -> isize {
        let (mut number, mut place) = (self.before, 0);
        let loops = &self.columns.before;
        for (&size, &stride) in loops.shape.iter().zip(&loops.strides[0]).rev() {
            place += (number % size) as isize * stride;
            number /= size;
        }
        place
    }
}

impl<F: Running> Kernel for Tile<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let fold = F::default();
        let columns = self.columns;
        let (first, count) = (self.tile.start, self.tile.len());
        let mut totals = [fold.identity(); TILE];
        let totals = &mut totals[..count];
        let mut gathered = Aligned([const { MaybeUninit::<F::In>::uninit() }; TILE]);
        let start = self.start();
        for step in 0..columns.length {
            let step = if columns.reverse {
                columns.length - 1 - step
            } else {
                step
            };
            let from = columns
                .operand
                .wrapping_offset(start + step as isize * columns.stride);
            let row = if columns.direct {
                from.wrapping_add(first)
            } else {
                let (shape, strides) = (&columns.after.shape, &columns.after.strides[0]);
                let (to, width) = (gathered.0.as_mut_ptr().cast(), size_of::<F::In>());
                // SAFETY: there is room for a tile; its columns lie in the operand
                unsafe { strided::gather(to, from.cast(), width, shape, strides, first, count) };
                gathered.0.as_ptr().cast()
            };
            // SAFETY: so many neighbours in the operand, aligned, or just gathered
            let row = unsafe { std::slice::from_raw_parts(row, count) };
            let place = (self.before * columns.length + step) * columns.breadth + first;
            let to = columns.results.pointer().wrapping_add(place);
            // SAFETY: these results are this task's own
            let output = unsafe { std::slice::from_raw_parts_mut(to, count) };
            for ((result, total), element) in output.iter_mut().zip(totals.iter_mut()).zip(row) {
                let next = fold.combine(*total, fold.lift(*element));
                result.write(F::store(if columns.inclusive { next } else { *total }));
                *total = next;
            }
        }
    }
}
