//! Softmax and normalisations over the last axis: a workgroup for each row.

use super::operand::Place;
use super::{Kernel, KernelSource, WORKGROUP, declined};
use crate::codegen::{KernelText, Ownership, Register, Steps, index_parameters, places};
use crate::dispatch::{Binding, Context};
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{ArrayType, Dtype, Fast, Result};
use mlx_oxide_runtime::{Call, Results};
use smallvec::{SmallVec, smallvec};

/// Softmax of rows along `rank` loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SoftmaxKernel {
    dtype: Dtype,
    rank: usize,
}

/// A normalisation of rows along `rank` loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NormKernel {
    dtype: Dtype,
    rank: usize,
    /// Whether the mean is taken off and a bias added.
    centred: bool,
}

/// Leaves the merged value of all invocations' `total` in `all`.
fn merge_all(operation: &str) -> String {
    format!(
        "shared_totals[local] = total;\n\
         workgroupBarrier();\n\
         for (var half = {}u; half > 0u; half = half / 2u) {{\n\
         if (local < half) {{\n\
         let a = shared_totals[local];\n\
         let b = shared_totals[local + half];\n\
         shared_totals[local] = {operation};\n\
         }}\n\
         workgroupBarrier();\n\
         }}\n",
        WORKGROUP / 2
    )
}

/// Parameters, bindings and the start of the row; operands: the row itself.
fn begin(text: &mut KernelText, rank: usize) {
    text.shared("shared_totals", "f32", WORKGROUP);
    text.parameters(&["rows", "length", "step"]);
    index_parameters(text, "row", rank);
    let operand = [("row".to_owned(), Steps::Strided)];
    let places = places(text, "row", rank, "group", &operand);
    text.leave_if("group >= parameters.rows");
    text.line(places);
}

/// A loop of all invocations over the row's elements, `value` being the element.
fn each(body: &str) -> String {
    format!(
        "for (var number = local; number < parameters.length; number += {WORKGROUP}u) {{\n\
         let value = load_input0(row_place + number * parameters.step);\n\
         {body}\n\
         }}\n"
    )
}

impl KernelSource for SoftmaxKernel {
    fn write(&self) -> KernelText {
        let mut text = KernelText::new(WORKGROUP);
        text.input(self.dtype);
        text.output(self.dtype, Ownership::Elements);
        begin(&mut text, self.rank);
        text.line("var total = negated(infinity());");
        text.line(each("total = maximum_real(total, value);"));
        text.line(merge_all("maximum_real(a, b)"));
        text.line("let greatest = shared_totals[0];\nworkgroupBarrier();\ntotal = 0.0;");
        text.line(each("total = total + exp_real(value - greatest);"));
        text.line(merge_all("a + b"));
        text.line("let factor = 1.0 / shared_totals[0];");
        text.line(each(
            "store_output0(group * parameters.length + number, exp_real(value - greatest) * factor);",
        ));
        text
    }
}

impl KernelSource for NormKernel {
    fn write(&self) -> KernelText {
        let mut text = KernelText::new(WORKGROUP);
        let inputs = if self.centred { 3 } else { 2 };
        for _ in 0..inputs {
            text.input(self.dtype);
        }
        text.output(self.dtype, Ownership::Elements);
        begin(&mut text, self.rank);
        text.parameters(&["epsilon", "weight_offset", "weight_step"]);
        text.line("let size = f32(parameters.length);\nvar total = 0.0;");
        if self.centred {
            text.parameters(&["bias_offset", "bias_step"]);
            text.line(each("total = total + value;"));
            text.line(merge_all("a + b"));
            text.line("let estimate = shared_totals[0] / size;\nworkgroupBarrier();\ntotal = 0.0;");
            // the distances from the rounded mean do not quite sum to nothing
            text.line(each("total = total + (value - estimate);"));
            text.line(merge_all("a + b"));
            text.line(
                "let mean = estimate + shared_totals[0] / size;\nworkgroupBarrier();\ntotal = 0.0;",
            );
        } else {
            text.line("let mean = 0.0;");
        }
        text.line(each(
            "let distance = value - mean;\ntotal = fma(distance, distance, total);",
        ));
        text.line(merge_all("a + b"));
        text.line(
            "let factor = 1.0 / sqrt(shared_totals[0] / size + bitcast<f32>(parameters.epsilon));",
        );
        let bias = if self.centred {
            " + load_input2(parameters.bias_offset + number * parameters.bias_step)"
        } else {
            ""
        };
        text.line(each(&format!(
            "let weight = load_input1(parameters.weight_offset + number * parameters.weight_step);\n\
             store_output0(group * parameters.length + number, (value - mean) * factor * weight{bias});"
        )));
        text
    }
}

pub(super) fn supports(op: &Fast, inputs: &[&ArrayType]) -> bool {
    let floats = inputs.iter().all(|input| {
        Register::of(input.dtype) == Register::Float && input.dtype == inputs[0].dtype
    });
    match op {
        Fast::Softmax { .. } | Fast::RmsNorm { .. } | Fast::LayerNorm { .. } => {
            floats && inputs[0].shape.ndim() > 0
        }
        Fast::Rope { .. }
        | Fast::Attention { .. }
        | Fast::NormGradient { .. }
        | Fast::Recurrent { .. } => false,
    }
}

pub(super) fn run(op: &Fast, call: &Call<'_>) -> Result<Results> {
    let context = Context::get()?;
    let operands: SmallVec<[Place; 3]> = call
        .inputs
        .iter()
        .map(|operand| Place::of(context, operand))
        .collect::<Result<_>>()?;
    let output = Place::fresh(context, &call.outputs[0])?;
    if output.layout.size() == 0 {
        return Ok(smallvec![output.stored()]);
    }
    let row = &operands[0];
    let last = row.layout.shape.ndim() - 1;
    let loops = collapse(&row.layout.shape[..last], &[&row.layout.strides[..last]]);
    let rows: usize = row.layout.shape[..last].iter().product();
    let mut parameters: SmallVec<[u32; 32]> =
        smallvec![rows as u32, row.layout.shape[last] as u32, row.stride(last),];
    parameters.extend(loops.shape.iter().map(|size| *size as u32));
    parameters.push(row.window().offset);
    parameters.extend(loops.strides[0].iter().map(|stride| *stride as u32));
    let (rank, dtype) = (loops.shape.len(), row.dtype);
    let (kernel, epsilon) = match op {
        Fast::Softmax { .. } => (Kernel::Softmax(SoftmaxKernel { dtype, rank }), None),
        Fast::RmsNorm { eps } | Fast::LayerNorm { eps } => {
            let centred = matches!(op, Fast::LayerNorm { .. });
            let kernel = NormKernel {
                dtype,
                rank,
                centred,
            };
            (Kernel::Norm(kernel), Some(eps.get()))
        }
        Fast::Rope { .. }
        | Fast::Attention { .. }
        | Fast::NormGradient { .. }
        | Fast::Recurrent { .. } => return Err(declined(call)),
    };
    parameters.extend(epsilon.map(|epsilon| (epsilon as f32).to_bits()));
    let mut bindings: SmallVec<[Binding<'_>; 4]> = SmallVec::new();
    for (number, operand) in operands.iter().enumerate() {
        let window = operand.window();
        bindings.push(window.binding(&operand.memory)?);
        if number > 0 {
            parameters.extend([window.offset, operand.stride(0)]);
        }
    }
    bindings.push(output.memory.binding()?);
    context.dispatch(&kernel, &parameters, &bindings, rows as u32)?;
    drop(bindings);
    Ok(smallvec![output.stored()])
}
