//! Copies of transposed layouts: from where elements lie straight to where they belong.

use crate::kernels::shared::Shared;
use crate::simd::turn::{Block, Target, strip, transpose_strip};
use crate::simd::{Isa, stream};
use mlx_oxide_ir::Result;
use mlx_oxide_ir::layout::{Collapsed, collapse, contiguous_strides};
use mlx_oxide_runtime::{Buffer, Operand, parallel};

/// Rows of a strip that one task turns.
const ROWS: usize = 2048;
/// Bytes of a piece of work.
const PIECE: usize = 128 << 10;

/// Elements of a block below which calls cost more than moves.
const LEAST: usize = 64;

/// The loops of a transposed copy: those that are turned, and the others.
struct Turned {
    /// Of the result, then of the source.
    loops: Collapsed,
    /// The loop along which the source has neighbours.
    axis: usize,
    width: usize,
    source: *const u8,
    result: Shared<u8>,
    streamed: bool,
    isa: Isa,
}

// SAFETY: tasks write results of their own, and nobody writes what they read
unsafe impl Sync for Turned {}

/// Copies the operand in row-major order if neighbours in memory go along another loop than the
/// last; whether they do.
pub(super) fn copy(operand: &Operand, buffer: &Buffer, isa: Isa) -> Result<bool> {
    let layout = &operand.layout;
    let order = contiguous_strides(&layout.shape);
    let loops = collapse(&layout.shape, &[&order, &layout.strides]);
    let last = loops.shape.len() - 1;
    let Some(axis) = (0..last).find(|&axis| loops.strides[1][axis] == 1) else {
        return Ok(false);
    };
    let distance = loops.strides[1][last].unsigned_abs();
    if distance <= 1 || loops.shape[axis] * loops.shape[last] < LEAST || layout.size() == 0 {
        return Ok(false);
    }
    let width = operand.dtype.size();
    let bytes = layout.size() * width;
    let pitch = loops.strides[0][axis].unsigned_abs() * width;
    let result = buffer.host_ptr()?.as_ptr();
    let source = operand.buffer.host_ptr()?.as_ptr().cast_const();
    let turned = Turned {
        loops,
        axis,
        width,
        source: source.wrapping_add(layout.offset * width),
        // lines are written whole only where every row starts at one
        streamed: pitch.is_multiple_of(64)
            && (result as usize).is_multiple_of(64)
            && stream::pays(bytes, bytes),
        result: Shared(result),
        isa,
    };
    turned.run();
    Ok(true)
}

impl Turned {
    fn run(&self) {
        let shape = &self.loops.shape;
        let (rows, columns) = (shape[self.axis], shape[shape.len() - 1]);
        let strips = columns.div_ceil(strip(self.width));
        let parts = rows.div_ceil(ROWS);
        let others: usize = shape.iter().product::<usize>() / (rows * columns).max(1);
        let bytes = rows.min(ROWS) * columns.min(strip(self.width)) * self.width;
        let grain = (PIECE / bytes.max(1)).max(1);
        parallel::for_each_range(others * parts * strips, grain, |start, end| {
            for number in start..end {
                let (other, rest) = (number / (parts * strips), number % (parts * strips));
                self.strip(other, rest / strips, rest % strips);
            }
            if self.streamed {
                stream::settle();
            }
        });
    }

    /// One part of one strip, at one position of the other loops.
    fn strip(&self, mut other: usize, part: usize, strip_number: usize) {
        let loops = &self.loops;
        let last = loops.shape.len() - 1;
        let (mut to, mut from) = (0, 0);
        for axis in (0..last).rev().filter(|axis| *axis != self.axis) {
            let index = (other % loops.shape[axis]) as isize;
            other /= loops.shape[axis];
            to += index * loops.strides[0][axis];
            from += index * loops.strides[1][axis];
        }
        let (row, column) = (part * ROWS, strip_number * strip(self.width));
        let pitch = loops.strides[0][self.axis];
        let column_stride = loops.strides[1][last];
        to += row as isize * pitch + column as isize;
        from += row as isize + column as isize * column_stride;
        let width = self.width as isize;
        let target = Target {
            start: self.result.pointer().wrapping_offset(to * width),
            pitch: pitch as usize,
        };
        let block = Block {
            rows: ROWS.min(loops.shape[self.axis] - row),
            columns: strip(self.width).min(loops.shape[last] - column),
            row_stride: 1,
            column_stride,
        };
        let source = self.source.wrapping_offset(from * width);
        // SAFETY: the strip lies in the operand and its place in the result, which is this task's
        unsafe { transpose_strip(target, source, self.width, block, self.streamed, self.isa) };
    }
}
