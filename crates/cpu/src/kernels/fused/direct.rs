//! One operation on inputs that lie in order or are one element: no program, no tiles.

use super::lane::{self, Formula};
use crate::simd::{Isa, TileFn, stream, strided};
use mlx_oxide_ir::{Result, ScalarOp};
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored, parallel};
use smallvec::smallvec;
use std::mem::MaybeUninit;

/// The most elements for which a single element is spread on the stack.
const SPREAD: usize = 1024;
/// The longest piece of work in elements, for an operation of weight one.
const PIECE: usize = 64 * 1024;
/// Elements of such a piece for which another thread is worth its while.
const SHORT_PIECE: usize = 32 * 1024;
/// Large calls are cut into about so many pieces: enough for many threads to share evenly.
const PIECES: usize = 64;

/// Runs the operation if it is that simple.
pub(super) fn run(call: &Call<'_>, op: ScalarOp, isa: Isa) -> Result<Option<Results>> {
    let output = &call.outputs[0];
    let count = output.size();
    let dtype = call.inputs[0].dtype;
    let beside = beside(call, op, isa);
    let simple = |operand: &Operand| {
        let single = count <= SPREAD || beside.is_some();
        !lane::is_half(operand.dtype)
            && (operand.layout.is_contiguous() || (single && operand.layout.is_uniform()))
    };
    if lane::is_half(output.dtype) || !call.inputs.iter().all(simple) {
        return Ok(None);
    }
    let (run, weight) = match op {
        ScalarOp::Unary(op) => (lane::unary(op, dtype, isa), lane::weight(op, dtype)),
        ScalarOp::Binary(op) => (lane::binary(op, dtype, isa), lane::binary_weight(op, dtype)),
        ScalarOp::Select => (Some(lane::select(output.dtype, isa)), 1),
        ScalarOp::Cast => (Some(lane::cast(dtype, output.dtype, isa)), 1),
    };
    let Some(run) = beside.map(|(_, run)| run).or(run) else {
        return Ok(None);
    };
    let mut operands = [std::ptr::null::<u8>(); 3];
    let mut widths = [0; 3];
    let mut spread = [const { MaybeUninit::<[u64; SPREAD]>::uninit() }; 3];
    for (number, input) in call.inputs.iter().enumerate() {
        let width = input.dtype.size();
        let base = input.buffer.host_ptr()?.as_ptr();
        // SAFETY: the layout lies in the buffer
        let first = unsafe { base.add(input.layout.offset * width) };
        (operands[number], widths[number]) = (first, width);
        if beside.is_some_and(|(single, _)| single == number) {
            widths[number] = 0; // it stays where it is
        } else if !input.layout.is_contiguous() && count > 0 {
            let tile = spread[number].as_mut_ptr().cast::<u8>();
            // SAFETY: the tile holds `SPREAD` elements of up to eight bytes
            unsafe { strided::fill(tile, first, width, count) };
            operands[number] = tile;
        } else if !(first as usize).is_multiple_of(width) {
            return Ok(None);
        }
    }
    let buffer = destination(call, output.bytes())?;
    let pointer = buffer.host_ptr()?.as_ptr();
    let fresh = !operands.contains(&pointer.cast_const());
    let read = super::bytes_read(call.inputs)?;
    let pieces = Pieces {
        run,
        streamed: fresh
            && match weight < lane::HEAVY {
                true => stream::pays_in_order(output.bytes(), read),
                false => stream::pays_while_computing(output.bytes()),
            },
        pointer,
        operands,
        width: output.dtype.size(),
        widths,
    };
    // long pieces, so that the processor's prefetching keeps up
    let grain = (SHORT_PIECE / weight).max(2048);
    let grain = grain.max((count / PIECES).min(PIECE));
    parallel::for_each_range(count, grain, |start, end| pieces.run(start, end));
    Ok(Some(smallvec![Stored::contiguous(buffer, output)]))
}

/// The one operand of two that is a single element beside many, and the loop that reads it in place,
/// if there is one.
fn beside(call: &Call<'_>, op: ScalarOp, isa: Isa) -> Option<(usize, TileFn)> {
    let (ScalarOp::Binary(op), [lhs, rhs]) = (op, call.inputs) else {
        return None;
    };
    let is_single = |it: &Operand| !it.layout.is_contiguous() && it.layout.is_uniform();
    let single = match (is_single(lhs), is_single(rhs)) {
        (true, false) => 0,
        (false, true) => 1,
        (true, true) | (false, false) => return None,
    };
    let formula = Formula::Binary(op);
    let run = formula.beside([single == 0, single == 1, false], lhs.dtype, isa)?;
    Some((single, run))
}

/// An input's memory if it may be taken over, else fresh.
fn destination(call: &Call<'_>, bytes: usize) -> Result<Buffer> {
    let width = call.outputs[0].dtype.size();
    let donor = call
        .inputs
        .iter()
        .filter(|input| input.donatable && input.dtype.size() == width);
    match donor.filter_map(|input| input.donate(bytes)).next() {
        Some(buffer) => Ok(buffer),
        None => Buffer::allocate(call.op.name(), bytes),
    }
}

/// The loop and where it works.
struct Pieces {
    run: TileFn,
    /// Whether results pass by the caches.
    streamed: bool,
    pointer: *mut u8,
    operands: [*const u8; 3],
    width: usize,
    widths: [usize; 3],
}

// SAFETY: pieces write apart from each other, and nobody writes what they read
unsafe impl Sync for Pieces {}

impl Pieces {
    fn run(&self, start: usize, end: usize) {
        let destination = self.pointer.wrapping_add(start * self.width);
        if !self.streamed {
            return self.tile(destination, start, end - start);
        }
        // SAFETY: the destination has room for the piece; `tile` fills what it is told
        unsafe {
            stream::tiles(
                destination,
                self.width,
                end - start,
                |tile, first, count| {
                    self.tile(tile, start + first, count);
                    self.fetch(start + first + count, count);
                },
            );
        }
    }

    /// Asks for the operands of `count` results from number `start` on.
    fn fetch(&self, start: usize, count: usize) {
        for (operand, width) in self.operands.into_iter().zip(self.widths) {
            stream::fetch(operand.wrapping_add(start * width), count * width);
        }
    }

    /// The results from number `start` on, at `destination`.
    fn tile(&self, destination: *mut u8, start: usize, count: usize) {
        let operand =
            |number: usize| self.operands[number].wrapping_add(start * self.widths[number]);
        // SAFETY: operands have the output's size; the destination is fresh or one of them
        unsafe { (self.run)(destination, operand(0), operand(1), operand(2), count) };
    }
}
