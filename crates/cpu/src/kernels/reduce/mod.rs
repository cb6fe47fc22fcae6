//! Reductions over any axes of any layout.
//!
//! Axes are sorted by stride ([`loops`]), so that memory is read in order. If the reduced axes hold
//! the neighbours, rows are folded in registers ([`along`]); else they are folded into a vector of
//! accumulators ([`across`], [`windows`]). How work is cut depends on sizes alone, and so do results.
//!
//! The operand may be the value of an elementwise program that is made as it is folded, in the
//! order in which it would be read: the results are those of the value made whole.

mod across;
mod along;
mod direct;
pub(crate) mod kinds;
mod log_sum_exp;
mod loops;
mod source;
#[cfg(test)]
mod tests;
mod windows;

use crate::kernels::fused::prologue::Prepared;
use crate::simd::Isa;
use crate::simd::element::{Element, Packed};
use crate::simd::half::NativeFloat16;
use crate::with_element;
use kinds::{All, Any, Extremes, Max, Min, Prod, Reduction, Sum};
use loops::Loops;
use mlx_oxide_ir::{ArrayType, Dtype, Error, Layout, Reduce, ReduceKind, ReducedProgram, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored};
use smallvec::smallvec;
use source::Source;
use std::mem::MaybeUninit;

pub(crate) fn supports(op: &Reduce, inputs: &[&ArrayType]) -> bool {
    match op.kind {
        ReduceKind::Sum
        | ReduceKind::Prod
        | ReduceKind::Max
        | ReduceKind::Min
        | ReduceKind::All
        | ReduceKind::Any => true,
        ReduceKind::LogSumExp => inputs[0].dtype.is_floating(),
    }
}

pub(crate) fn run(op: &Reduce, call: &Call<'_>) -> Result<Results> {
    run_with(op, call, Isa::best())
}

/// Runs the call on an instruction set.
fn run_with(op: &Reduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let operand = &call.inputs[0];
    if op.kind == ReduceKind::LogSumExp {
        return log_sum_exp::run(op, call, isa);
    }
    let pointer = operand.buffer.host_ptr()?.as_ptr().cast_const();
    let terms = Terms {
        loops: &Loops::new(&operand.layout, &op.axes),
        source: Source {
            pointer,
            width: operand.dtype.size(),
            aligned: (pointer as usize).is_multiple_of(operand.dtype.size()),
            prologue: None,
        },
    };
    let result = by_kind(op, terms, operand.dtype, &call.outputs[0], isa)?;
    Ok(smallvec![Stored::contiguous(result, &call.outputs[0])])
}

/// Whether the value of a program can be folded as it is made: where rows would be read in place.
pub(crate) fn supports_program(op: &ReducedProgram, inputs: &[&ArrayType]) -> bool {
    if inputs[0].size() == 0 || op.reduce.kind == ReduceKind::LogSumExp {
        return false;
    }
    let layout = Layout::contiguous(inputs[0].shape.clone());
    let loops = Loops::new(&layout, &op.reduce.axes);
    match loops.is_across() {
        true => across::Cut::new(&loops, true).in_place,
        false => along::is_in_place(&loops),
    }
}

pub(crate) fn run_program(op: &ReducedProgram, call: &Call<'_>) -> Result<Results> {
    run_program_with(op, call, Isa::best())
}

/// Runs the call on an instruction set.
fn run_program_with(op: &ReducedProgram, call: &Call<'_>, isa: Isa) -> Result<Results> {
    if let Some(result) = direct::run(op, call, isa)? {
        return Ok(smallvec![Stored::contiguous(result, &call.outputs[0])]);
    }
    let prepared = Prepared::new(op, call, isa)?;
    let (dtype, output) = (
        op.program.dtype(op.value),
        &call.outputs[call.outputs.len() - 1],
    );
    let layout = Layout::contiguous(call.inputs[0].layout.shape.clone());
    let loops = &Loops::new(&layout, &op.reduce.axes);
    let source = Source {
        pointer: std::ptr::null(),
        width: dtype.size(),
        aligned: true,
        prologue: None,
    };
    let result = if let Some(prologue) = prepared.prologue(op, call)? {
        let source = Source {
            prologue: Some(&prologue),
            ..source
        };
        by_kind(&op.reduce, Terms { loops, source }, dtype, output, isa)?
    } else {
        let value = prepared.whole(op, call)?;
        let source = Source {
            pointer: value.buffer.host_ptr()?.as_ptr(),
            ..source
        };
        by_kind(&op.reduce, Terms { loops, source }, dtype, output, isa)?
    };
    let buffers = prepared.into_buffers().into_iter().chain([result]);
    let stored = buffers.zip(call.outputs);
    Ok(stored
        .map(|(buffer, array_type)| Stored::contiguous(buffer, array_type))
        .collect())
}

/// What is folded.
#[derive(Clone, Copy)]
struct Terms<'a> {
    loops: &'a Loops,
    source: Source<'a>,
}

fn by_kind(
    op: &Reduce,
    terms: Terms<'_>,
    dtype: Dtype,
    output: &ArrayType,
    isa: Isa,
) -> Result<Buffer> {
    let name = op.name();
    match op.kind {
        ReduceKind::All => {
            return with_element!(dtype, T => reduce::<All<Bits<T>>>(name, terms, output, isa));
        }
        ReduceKind::Any => {
            return with_element!(dtype, T => reduce::<Any<Bits<T>>>(name, terms, output, isa));
        }
        ReduceKind::Sum
        | ReduceKind::Prod
        | ReduceKind::Max
        | ReduceKind::Min
        | ReduceKind::LogSumExp => {}
    }
    if dtype == Dtype::Float16 && isa > Isa::Baseline {
        return by_order::<Packed<NativeFloat16>>(op, terms, output, isa);
    }
    with_element!(dtype, T => by_order::<T>(op, terms, output, isa))
}

/// Whether extremes of 16-bit floats are found sooner by their values than by their ranks: where
/// the elements that are neighbours fill neither a half nor a whole register of ranks.
fn are_ragged(loops: &Loops) -> bool {
    match loops.is_across() {
        true => windows::are_narrow(loops),
        false => matches!(loops.terms(), 9..=15 | 17..=23),
    }
}

/// The reduction by a kind that needs more than bits.
fn by_order<T: Extremes>(
    op: &Reduce,
    terms: Terms<'_>,
    output: &ArrayType,
    isa: Isa,
) -> Result<Buffer> {
    let name = op.name();
    match op.kind {
        ReduceKind::Sum => reduce::<Sum<Modular<T>>>(name, terms, output, isa),
        ReduceKind::Prod => reduce::<Prod<Modular<T>>>(name, terms, output, isa),
        ReduceKind::Max if are_ragged(terms.loops) => reduce::<Max<T>>(name, terms, output, isa),
        ReduceKind::Min if are_ragged(terms.loops) => reduce::<Min<T>>(name, terms, output, isa),
        ReduceKind::Max => reduce::<T::Greatest>(name, terms, output, isa),
        ReduceKind::Min => reduce::<T::Least>(name, terms, output, isa),
        ReduceKind::All | ReduceKind::Any | ReduceKind::LogSumExp => Err(Error::Internal {
            op: name,
            detail: "the terms of a sum of powers are needed twice".to_owned(),
        }),
    }
}

/// The type whose kernel for sums and products serves the element.
type Modular<T> = <T as Element>::Modular;
/// The type whose kernel for truth serves the element.
type Bits<T> = <T as Element>::Bits;

/// A reduction under way.
struct Reducer<'a, F: Reduction> {
    name: &'static str,
    loops: &'a Loops,
    source: Source<'a>,
    result: *mut F::Out,
}

// SAFETY: tasks write results of their own, and nobody writes what they read
unsafe impl<F: Reduction> Sync for Reducer<'_, F> {}

impl<F: Reduction> Reducer<'_, F> {
    /// Neighbouring elements from a place on.
    ///
    /// # Safety
    /// They lie in the operand, aligned; with a prologue, `room` has room for them, and the result
    /// is not used after `room` has been written again.
    #[inline(always)]
    unsafe fn neighbours<'e>(
        &self,
        place: isize,
        count: usize,
        room: *mut MaybeUninit<F::In>,
    ) -> &'e [F::In] {
        // SAFETY: the caller's promise
        let first = unsafe { self.source.neighbours(place, count, room.cast()) }.cast();
        // SAFETY: the caller's promise, or just made
        unsafe { std::slice::from_raw_parts(first, count) }
    }
}

fn reduce<F: Reduction>(
    name: &'static str,
    terms: Terms<'_>,
    output: &ArrayType,
    isa: Isa,
) -> Result<Buffer> {
    let buffer = Buffer::allocate(name, output.bytes())?;
    debug_assert_eq!(output.dtype.size(), size_of::<F::Out>());
    if output.size() > 0 {
        let reducer = Reducer::<F> {
            name,
            loops: terms.loops,
            source: terms.source,
            result: buffer.host_ptr()?.as_ptr().cast(),
        };
        if terms.loops.is_across() {
            reducer.across(isa)?;
        } else {
            reducer.along(isa)?;
        }
    }
    Ok(buffer)
}
