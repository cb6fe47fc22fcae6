//! Sums of squares and of 16-bit floats made wide, folded where these lie: nothing is made before.

use super::kinds::{SquareSum, WideSum};
use super::{Loops, Source, Terms, reduce};
use crate::simd::Isa;
use crate::simd::element::Packed;
use crate::simd::half::{Bfloat16, NativeFloat16};
use mlx_oxide_ir::{Binary, Dtype, ReduceKind, ReducedProgram, Result, ScalarOp, Unary};
use mlx_oxide_runtime::{Buffer, Call};

/// Terms of a long row.
const LONG: usize = 512;

/// What becomes of an element before it is a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Square,
    Widen,
}

/// The only step of a program of one input of which only the sum is needed.
fn only_step(op: &ReducedProgram) -> Option<Step> {
    let program = &op.program;
    let [step] = &program.instructions[..] else {
        return None;
    };
    let of_input = step.operands.iter().all(|operand| *operand == 0);
    if !of_input || !program.outputs.is_empty() || op.reduce.kind != ReduceKind::Sum {
        return None;
    }
    let is_same = step.dtype == program.inputs[0];
    match step.op {
        ScalarOp::Unary(Unary::Square) | ScalarOp::Binary(Binary::Multiply) if is_same => {
            Some(Step::Square)
        }
        ScalarOp::Cast if step.dtype == Dtype::Float32 => Some(Step::Widen),
        ScalarOp::Unary(_) | ScalarOp::Binary(_) | ScalarOp::Select | ScalarOp::Cast => None,
    }
}

/// Whether rows are so long that rounding squares among sums takes no longer than apart.
fn is_long(loops: &Loops) -> bool {
    loops.terms() >= LONG
}

/// The sums of elements in row-major order, if there is a fold for what becomes of them: the bits
/// are those of terms that are made before.
pub(super) fn run(op: &ReducedProgram, call: &Call<'_>, isa: Isa) -> Result<Option<Buffer>> {
    let operand = &call.inputs[0];
    let pointer = operand.buffer.host_ptr()?.as_ptr().cast_const();
    let width = operand.dtype.size();
    let aligned = (pointer as usize).is_multiple_of(width);
    let step = only_step(op).filter(|_| aligned && operand.layout.is_contiguous());
    let Some(step) = step else {
        return Ok(None);
    };
    let terms = Terms {
        loops: &Loops::new(&operand.layout, &op.reduce.axes),
        source: Source {
            pointer,
            width,
            aligned,
            prologue: None,
        },
    };
    let (name, output) = (op.reduce.name(), &call.outputs[0]);
    let sums = match (step, operand.dtype) {
        (Step::Square, Dtype::Float32) => reduce::<SquareSum<f32>>(name, terms, output, isa),
        (Step::Square, Dtype::Bfloat16) if terms.loops.is_across() || is_long(terms.loops) => {
            reduce::<SquareSum<Packed<Bfloat16>>>(name, terms, output, isa)
        }
        (Step::Widen, Dtype::Bfloat16) => {
            reduce::<WideSum<Packed<Bfloat16>>>(name, terms, output, isa)
        }
        (Step::Widen, Dtype::Float16) if isa > Isa::Baseline => {
            reduce::<WideSum<Packed<NativeFloat16>>>(name, terms, output, isa)
        }
        (Step::Square | Step::Widen, _) => return Ok(None),
    };
    sums.map(Some)
}
