//! Cumulative operations: a workgroup walks along each row, a block at a time.

use super::operand::Place;
use super::{Kernel, KernelSource, WORKGROUP};
use crate::codegen::{Accumulator, KernelText, Ownership, Steps, index_parameters, places};
use crate::dispatch::{Capabilities, Context};
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{ArrayType, Dtype, Result, Scan};
use mlx_oxide_runtime::{Call, Results};
use smallvec::{SmallVec, smallvec};

/// A scan along one axis of rows that lie along `rank` loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScanKernel {
    accumulator: Accumulator,
    input: Dtype,
    output: Dtype,
    rank: usize,
    reverse: bool,
    inclusive: bool,
}

impl KernelSource for ScanKernel {
    fn write(&self) -> KernelText {
        let mut text = KernelText::new(WORKGROUP);
        text.input(self.input);
        text.output(self.output, Ownership::Elements);
        self.accumulator.declare(&mut text, self.input, self.output);
        text.shared("block", "Accumulated", WORKGROUP);
        text.parameters(&["rows", "length", "input_step", "output_step"]);
        index_parameters(&mut text, "row", self.rank);
        let operands = ["read", "written"].map(|name| (name.to_owned(), Steps::Strided));
        let row = places(&mut text, "row", self.rank, "group", &operands);
        let position = if self.reverse {
            "parameters.length - 1u - number"
        } else {
            "number"
        };
        let result = if self.inclusive {
            "block[local]"
        } else {
            "before"
        };
        text.leave_if("group >= parameters.rows");
        text.line(row);
        text.line(format!(
            "var carry = accumulator_identity();\n\
             for (var base = 0u; base < parameters.length; base += {WORKGROUP}u) {{\n\
             let number = base + local;\n\
             let inside = number < parameters.length;\n\
             let position = {position};\n\
             var value = accumulator_identity();\n\
             if (inside) {{ value = accumulator_of(load_input0(read_place + position * parameters.input_step), 0u); }}\n\
             block[local] = value;\n\
             workgroupBarrier();\n\
             for (var reach = 1u; reach < {WORKGROUP}u; reach = reach * 2u) {{\n\
             var sum = block[local];\n\
             if (local >= reach) {{ sum = accumulator_merge(block[local - reach], sum); }}\n\
             workgroupBarrier();\n\
             block[local] = sum;\n\
             workgroupBarrier();\n\
             }}\n\
             var before = accumulator_identity();\n\
             if (local > 0u) {{ before = block[local - 1u]; }}\n\
             if (inside) {{ store_output0(written_place + position * parameters.output_step, accumulator_result(accumulator_merge(carry, {result}))); }}\n\
             carry = accumulator_merge(carry, block[{last}]);\n\
             workgroupBarrier();\n\
             }}",
            last = WORKGROUP - 1,
        ));
        text
    }
}

pub(super) fn supports(
    op: &Scan,
    inputs: &[&ArrayType],
    outputs: &[ArrayType],
    capabilities: &Capabilities,
) -> bool {
    let (input, output) = (inputs[0].dtype, outputs[0].dtype);
    capabilities.computes(input)
        && capabilities.computes(output)
        && Accumulator::Scan(op.kind).supports(input, output)
}

pub(super) fn run(op: &Scan, call: &Call<'_>) -> Result<Results> {
    let context = Context::get()?;
    let input = Place::of(context, &call.inputs[0])?;
    let output = Place::fresh(context, &call.outputs[0])?;
    let shape = &call.outputs[0].shape;
    if shape.size() == 0 {
        return Ok(smallvec![output.stored()]);
    }
    let others: SmallVec<[usize; 4]> = (0..shape.ndim()).filter(|axis| *axis != op.axis).collect();
    let (read, written) = (
        input.layout.permute(&others),
        output.layout.permute(&others),
    );
    let rows = collapse(&read.shape, &[&read.strides, &written.strides]);
    let kernel = Kernel::Scan(ScanKernel {
        accumulator: Accumulator::Scan(op.kind),
        input: input.dtype,
        output: output.dtype,
        rank: rows.shape.len(),
        reverse: op.reverse,
        inclusive: op.inclusive,
    });
    let window = input.window();
    let count = read.size() as u32;
    let mut parameters: SmallVec<[u32; 32]> = smallvec![
        count,
        shape[op.axis] as u32,
        input.stride(op.axis),
        output.stride(op.axis),
    ];
    parameters.extend(rows.shape.iter().map(|size| *size as u32));
    parameters.push(window.offset);
    parameters.extend(rows.strides[0].iter().map(|stride| *stride as u32));
    parameters.push(0);
    parameters.extend(rows.strides[1].iter().map(|stride| *stride as u32));
    let bindings = [window.binding(&input.memory)?, output.memory.binding()?];
    context.dispatch(&kernel, &parameters, &bindings, count)?;
    Ok(smallvec![output.stored()])
}
