//! A value of a program made a range at a time, for a kernel that takes it in as it comes.

use super::destinations;
use super::execute::{Run, execute};
use super::lower::{Lowered, Program, lower};
use super::nest;
use crate::kernels::declined;
use crate::simd::Isa;
use mlx_oxide_ir::{ArrayType, Layout, ReducedProgram, Result};
use mlx_oxide_runtime::{Buffer, Call, Operand};
use smallvec::SmallVec;

/// A program ready to run for a reduction.
pub(in crate::kernels) struct Prepared {
    lowered: Lowered,
    /// The memory of the outputs that exist whole.
    buffers: SmallVec<[Buffer; 1]>,
    /// The place among the outputs of the value that is reduced.
    value: usize,
}

/// Makes ranges of a value.
pub(in crate::kernels) struct Prologue<'a> {
    run: Run<'a>,
    value: usize,
    /// Whether the value exists whole too.
    is_whole: bool,
}

impl Prepared {
    pub(in crate::kernels) fn new(
        reduced: &ReducedProgram,
        call: &Call<'_>,
        isa: Isa,
    ) -> Result<Self> {
        let program = &reduced.program;
        let mut outputs: SmallVec<[u32; 4]> = program.outputs.iter().copied().collect();
        let whole = outputs.iter().position(|output| *output == reduced.value);
        let value = whole.unwrap_or(outputs.len());
        if whole.is_none() {
            outputs.push(reduced.value);
        }
        let program = Program {
            inputs: &program.inputs,
            instructions: &program.instructions,
            outputs: &outputs,
        };
        let uniform = nest::uniform(call.inputs);
        let lowered = lower(program, &uniform, isa).ok_or_else(|| declined(call))?;
        let whole = &call.outputs[..call.outputs.len() - 1];
        Ok(Prepared {
            buffers: destinations(call, &lowered, whole)?,
            lowered,
            value,
        })
    }

    /// The maker of the value, unless an input lies across: that is read better in blocks.
    pub(in crate::kernels) fn prologue(
        &self,
        reduced: &ReducedProgram,
        call: &Call<'_>,
    ) -> Result<Option<Prologue<'_>>> {
        let shape = &call.inputs[0].layout.shape;
        let mut run = Run::new(shape, call.inputs, &self.lowered)?;
        if run.lies_across() {
            return Ok(None);
        }
        for (buffer, output) in self.buffers.iter().zip(call.outputs) {
            run.write_to(buffer.host_ptr()?.as_ptr(), output.dtype.size());
        }
        let is_whole = self.value < self.buffers.len();
        if !is_whole {
            let width = reduced.program.dtype(reduced.value).size();
            run.write_to(std::ptr::null_mut(), width);
        }
        let (elements, by_rows) = (shape.iter().product(), run.is_by_rows());
        run.choose_works(elements, by_rows);
        run.lay_out(elements);
        Ok(Some(Prologue {
            run,
            value: self.value,
            is_whole,
        }))
    }

    /// The value, made whole after all.
    pub(in crate::kernels) fn whole(
        &self,
        reduced: &ReducedProgram,
        call: &Call<'_>,
    ) -> Result<Operand> {
        let dtype = reduced.program.dtype(reduced.value);
        let value = ArrayType::new(call.inputs[0].layout.shape.clone(), dtype);
        let mut outputs = call.outputs[..self.buffers.len()].to_vec();
        let mut buffers = self.buffers.clone();
        if self.value == buffers.len() {
            buffers.push(Buffer::allocate(call.op.name(), value.bytes())?);
            outputs.push(value.clone());
        }
        let making = Call {
            outputs: &outputs,
            ..*call
        };
        execute(&making, &self.lowered, &buffers)?;
        Ok(Operand {
            buffer: buffers.swap_remove(self.value),
            layout: Layout::contiguous(value.shape),
            dtype,
            donatable: false,
        })
    }

    /// The memory of the outputs that exist whole.
    pub(in crate::kernels) fn into_buffers(self) -> SmallVec<[Buffer; 1]> {
        self.buffers
    }
}

impl Prologue<'_> {
    /// Makes the elements of the value from row-major position `start` on; they are where the
    /// result points, which is `room` unless the value exists whole. Every position is to be made
    /// once, as outputs may take the place of inputs.
    ///
    /// # Safety
    /// The positions lie in the shape, and `room` is aligned and has room for `count` elements.
    pub(in crate::kernels) unsafe fn make(
        &self,
        start: usize,
        count: usize,
        room: *mut u8,
    ) -> *const u8 {
        let place = match self.is_whole {
            true => self.run.output(self.value, start),
            false => room,
        };
        self.run.range(start, start + count, self.value, place);
        place
    }
}
