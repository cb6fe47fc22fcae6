//! Reductions over any axes: a workgroup or one invocation for each output, and long reductions
//! in chunks whose results are reduced once more.

use super::operand::Place;
use super::{Kernel, KernelSource, WORKGROUP};
use crate::codegen::{Accumulator, KernelText, Ownership, Steps, index_parameters, places};
use crate::dispatch::{Capabilities, Context};
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Reduce, ReduceKind, Result, Shape};
use mlx_oxide_runtime::{Call, Results};
use smallvec::{SmallVec, smallvec};

/// Elements that one invocation reduces one after the other.
const SERIAL: usize = 256;

/// Reductions up to this length are not worth a workgroup.
const SHORT: usize = 32;

/// Outputs that keep a device busy.
const MANY: usize = 1024;

/// A reduction of `reduced` loops for each element of `kept` loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReduceKernel {
    accumulator: Accumulator,
    input: Dtype,
    output: Dtype,
    kept: usize,
    reduced: usize,
    /// Whether a workgroup works on each output.
    together: bool,
}

impl KernelSource for ReduceKernel {
    fn write(&self) -> KernelText {
        let mut text = KernelText::new(WORKGROUP);
        text.input(self.input);
        text.output(self.output, Ownership::Elements);
        self.accumulator.declare(&mut text, self.input, self.output);
        text.parameters(&["count", "length", "chunks", "chunk_length"]);
        index_parameters(&mut text, "kept", self.kept);
        let kept = places(
            &mut text,
            "kept",
            self.kept,
            "output",
            &[("kept".to_owned(), Steps::Strided)],
        );
        index_parameters(&mut text, "reduced", self.reduced);
        let reduced = places(
            &mut text,
            "reduced",
            self.reduced,
            "number",
            &[("reduced".to_owned(), Steps::Strided)],
        );
        let (unit, begin, step) = if self.together {
            text.shared("partial", "Accumulated", WORKGROUP);
            ("group", "begin + local", WORKGROUP)
        } else {
            ("thread", "begin", 1)
        };
        text.line(format!("let unit = {unit};"));
        text.leave_if("unit >= parameters.count * parameters.chunks");
        text.line(format!(
            "let output = unit / parameters.chunks;\n\
             let begin = (unit % parameters.chunks) * parameters.chunk_length;\n\
             let end = min(begin + parameters.chunk_length, parameters.length);\n\
             {kept}\
             var total = accumulator_identity();\n\
             for (var number = {begin}; number < end; number += {step}u) {{\n\
             {reduced}\
             let value = load_input0(kept_place + reduced_place);\n\
             total = accumulator_merge(total, accumulator_of(value, number));\n\
             }}"
        ));
        if self.together {
            text.line(TREE);
            text.line("if (local == 0u) { store_output0(unit, accumulator_result(partial[0])); }");
        } else {
            text.line("store_output0(unit, accumulator_result(total));");
        }
        text
    }
}

/// Merges the invocations' totals in workgroup memory; the result is `partial[0]`.
const TREE: &str = "partial[local] = total;
workgroupBarrier();
for (var half = 128u; half > 0u; half = half / 2u) {
if (local < half) { partial[local] = accumulator_merge(partial[local], partial[local + half]); }
workgroupBarrier();
}";

pub(super) fn supports(
    op: &Reduce,
    inputs: &[&ArrayType],
    outputs: &[ArrayType],
    capabilities: &Capabilities,
) -> bool {
    let (input, output) = (inputs[0].dtype, outputs[0].dtype);
    capabilities.computes(input)
        && capabilities.computes(output)
        && Accumulator::Reduce(op.kind).supports(input, output)
}

pub(super) fn run(op: &Reduce, call: &Call<'_>) -> Result<Results> {
    let context = Context::get()?;
    let input = Place::of(context, &call.inputs[0])?;
    let axes = &op.axes;
    let (kept, reduced) = split(&input.layout, |axis| axes.contains(&axis));
    let array = &call.outputs[0];
    let output = reduce(context, op.kind, input, kept, reduced, array.dtype)?;
    let mut stored = output.stored();
    stored.layout = Layout::contiguous(array.shape.clone());
    Ok(smallvec![stored])
}

/// The layout's axes that stay and those that are reduced, each as few loops as strides allow.
pub(super) fn split(layout: &Layout, is_reduced: impl Fn(usize) -> bool) -> (Layout, Layout) {
    let pick = |wanted: bool, offset: usize| {
        let axes: SmallVec<[usize; 4]> = (0..layout.shape.ndim())
            .filter(|axis| is_reduced(*axis) == wanted)
            .collect();
        let part = layout.permute(&axes);
        let collapsed = collapse(&part.shape, &[&part.strides]);
        Layout {
            shape: collapsed.shape.iter().copied().collect(),
            strides: collapsed.strides[0].clone(),
            offset,
        }
    };
    (pick(false, layout.offset), pick(true, 0))
}

fn reduce(
    context: &'static Context,
    kind: ReduceKind,
    input: Place,
    kept: Layout,
    reduced: Layout,
    output: Dtype,
) -> Result<Place> {
    let (count, length) = (kept.size(), reduced.size());
    let inner = reduced.strides.last().is_some_and(|stride| *stride == 1);
    let together = length > SHORT && (inner || count < MANY);
    let busy = count >= MANY / if together { 16 } else { 1 };
    let serial = SERIAL * if together { 32 } else { 1 };
    let chunks = if busy && length <= 64 * serial {
        1
    } else {
        length.div_ceil(serial).max(1)
    };
    if chunks == 1 {
        let accumulator = Accumulator::Reduce(kind);
        return launch(
            context,
            accumulator,
            &input,
            &kept,
            &reduced,
            output,
            together,
            1,
        );
    }
    // narrow floats are only rounded at the end
    let partial = match output {
        Dtype::Float16 | Dtype::Bfloat16 => Dtype::Float32,
        other => other,
    };
    let accumulator = Accumulator::Reduce(kind);
    let partials = launch(
        context,
        accumulator,
        &input,
        &kept,
        &reduced,
        partial,
        together,
        chunks,
    )?;
    let layout = Layout::contiguous([count, chunks]);
    let (kept, reduced) = split(&layout, |axis| axis == 1);
    reduce(
        context,
        kind,
        Place { layout, ..partials },
        kept,
        reduced,
        output,
    )
}

/// Runs the kernel; the result is a vector with `chunks` elements for each element kept.
pub(super) fn launch(
    context: &'static Context,
    accumulator: Accumulator,
    input: &Place,
    kept: &Layout,
    reduced: &Layout,
    output: Dtype,
    together: bool,
    chunks: usize,
) -> Result<Place> {
    let (count, length) = (kept.size(), reduced.size());
    let array = ArrayType::new(Shape::from([count * chunks]), output);
    let result = Place::fresh(context, &array)?;
    let window = input.window();
    let kernel = Kernel::Reduce(ReduceKernel {
        accumulator,
        input: input.dtype,
        output,
        kept: kept.shape.ndim(),
        reduced: reduced.shape.ndim(),
        together,
    });
    let mut parameters: SmallVec<[u32; 32]> = smallvec![
        count as u32,
        length as u32,
        chunks as u32,
        length.div_ceil(chunks) as u32,
    ];
    push_loops(&mut parameters, kept, window.offset);
    push_loops(&mut parameters, reduced, 0);
    let bindings = [window.binding(&input.memory)?, result.memory.binding()?];
    let units = (count * chunks) as u32;
    let groups = if together {
        units
    } else {
        units.div_ceil(WORKGROUP)
    };
    context.dispatch(&kernel, &parameters, &bindings, groups)?;
    Ok(result)
}

/// Sizes, offset and strides, as `index_parameters` and `places` of one operand expect them.
pub(super) fn push_loops(parameters: &mut SmallVec<[u32; 32]>, loops: &Layout, offset: u32) {
    parameters.extend(loops.shape.iter().map(|size| *size as u32));
    parameters.push(offset);
    parameters.extend(loops.strides.iter().map(|stride| *stride as u32));
}
