//! Elementwise operations and fused programs of them: one invocation computes all outputs of one
//! element, or of the elements of one word.

use super::operand::{Place, Window};
use super::{Kernel, KernelSource, WORKGROUP, declined, packing};
use crate::codegen::{KernelText, Steps, index_parameters, instruction, places};
use crate::dispatch::{Binding, Capabilities, Context};
use mlx_oxide_ir::layout::collapse;
use mlx_oxide_ir::{
    ArrayType, Dtype, Instruction, Layout, Op, Result, ScalarOp, ScalarProgram, Shape,
};
use mlx_oxide_runtime::{Call, Operand, Results};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// A scalar program over operands that step in certain ways.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Elementwise {
    program: Arc<ScalarProgram>,
    /// Loops that the element's number is taken apart into, if an operand needs it.
    rank: usize,
    steps: SmallVec<[Steps; 4]>,
}

impl KernelSource for Elementwise {
    fn write(&self) -> KernelText {
        let program = &self.program;
        let mut text = KernelText::new(WORKGROUP);
        for dtype in &program.inputs {
            text.input(*dtype);
        }
        let outputs: Vec<Dtype> = program
            .outputs
            .iter()
            .map(|output| program.dtype(*output))
            .collect();
        packing::write_outputs(&mut text, &outputs, |text| self.element(text));
        text
    }
}

impl Elementwise {
    /// Statements that compute the program for element `number`.
    fn element(&self, text: &mut KernelText) -> String {
        let program = &self.program;
        index_parameters(text, "loop", self.rank);
        let operands: Vec<(String, Steps)> = self
            .steps
            .iter()
            .enumerate()
            .map(|(input, steps)| (format!("operand{input}"), *steps))
            .collect();
        let mut code = places(text, "loop", self.rank, "number", &operands);
        for input in 0..program.inputs.len() {
            code += &format!("let v{input} = load_input{input}(operand{input}_place);\n");
        }
        for (position, step) in program.instructions.iter().enumerate() {
            let result = program.result_of(position);
            // `supports` has asked for each expression
            let expression = expression(program, step).unwrap_or_default();
            code += &format!("let v{result} = {expression};\n");
        }
        for (number, output) in program.outputs.iter().enumerate() {
            code += &format!("let result{number} = v{output};\n");
        }
        code
    }
}

fn expression(program: &ScalarProgram, step: &Instruction) -> Option<String> {
    let names: SmallVec<[String; 3]> = step.operands.iter().map(|v| format!("v{v}")).collect();
    let names: SmallVec<[&str; 3]> = names.iter().map(String::as_str).collect();
    let operand_dtype = program.dtype(step.operands[0]);
    instruction(step.op, &names, operand_dtype, step.dtype)
}

pub(super) fn supports(op: &Op, inputs: &[&ArrayType], capabilities: &Capabilities) -> bool {
    let dtypes: SmallVec<[Dtype; 4]> = inputs.iter().map(|input| input.dtype).collect();
    let Some(program) = program(op, &dtypes) else {
        return false;
    };
    let bindings = program.inputs.len() + program.outputs.len();
    bindings <= capabilities.storage_bindings
        && program.inputs.iter().all(|d| capabilities.computes(*d))
        && program
            .instructions
            .iter()
            .all(|step| capabilities.computes(step.dtype) && expression(&program, step).is_some())
}

/// The operation as a program.
fn program(op: &Op, inputs: &[Dtype]) -> Option<Arc<ScalarProgram>> {
    let (scalar, dtype) = match op {
        Op::Fused(program) => return Some(program.clone()),
        Op::Unary(op) => (ScalarOp::Unary(*op), op.result_dtype(inputs[0])),
        Op::Binary(op) => (ScalarOp::Binary(*op), op.result_dtype(inputs[0])),
        Op::Select => (ScalarOp::Select, inputs[1]),
        Op::Cast(dtype) => (ScalarOp::Cast, *dtype),
        Op::Source(_)
        | Op::View(_)
        | Op::Index(_)
        | Op::Reduce(_)
        | Op::ArgReduce(_)
        | Op::Scan(_)
        | Op::Sort(_)
        | Op::Contract(_)
        | Op::Fft(_)
        | Op::Linalg(_)
        | Op::Quantized(_)
        | Op::Random(_)
        | Op::Fast(_)
        | Op::FusedReduce(_)
        | Op::Custom(_) => return None,
    };
    Some(Arc::new(single(scalar, inputs, dtype)))
}

fn single(op: ScalarOp, inputs: &[Dtype], dtype: Dtype) -> ScalarProgram {
    ScalarProgram {
        inputs: inputs.to_vec(),
        instructions: vec![Instruction {
            op,
            operands: (0..inputs.len() as u32).collect(),
            dtype,
        }],
        outputs: vec![inputs.len() as u32],
    }
}

pub(super) fn run(call: &Call<'_>) -> Result<Results> {
    let context = Context::get()?;
    let dtypes: SmallVec<[Dtype; 4]> = call.inputs.iter().map(|input| input.dtype).collect();
    let program = program(call.op, &dtypes).ok_or_else(|| declined(call))?;
    let inputs: SmallVec<[Place; 4]> = call
        .inputs
        .iter()
        .map(|operand| Place::of(context, operand))
        .collect::<Result<_>>()?;
    let outputs: SmallVec<[Place; 1]> = call
        .outputs
        .iter()
        .map(|array| Place::fresh(context, array))
        .collect::<Result<_>>()?;
    execute(context, &program, &call.outputs[0].shape, &inputs, &outputs)?;
    Ok(outputs.into_iter().map(Place::stored).collect())
}

/// The elements of an operand in row-major order in fresh memory, bits untouched.
pub(super) fn copy(context: &'static Context, operand: &Operand) -> Result<Place> {
    let place = Place::of(context, operand)?;
    copy_place(context, place)
}

/// The elements of a place in row-major order in fresh memory, bits untouched.
pub(super) fn copy_place(context: &'static Context, place: Place) -> Result<Place> {
    let dtype = place.dtype;
    let moved = crate::codegen::raw(dtype);
    let array = ArrayType::new(place.layout.shape.clone(), moved);
    let output = Place::fresh(context, &array)?;
    let identity = Arc::new(single(ScalarOp::Cast, &[moved], moved));
    execute(
        context,
        &identity,
        &array.shape,
        &[place.with_dtype(moved)],
        std::slice::from_ref(&output),
    )?;
    Ok(output.with_dtype(dtype))
}

/// Runs a program over the elements of `shape`; outputs are row-major.
fn execute(
    context: &Context,
    program: &Arc<ScalarProgram>,
    shape: &Shape,
    inputs: &[Place],
    outputs: &[Place],
) -> Result<()> {
    if shape.size() == 0 {
        return Ok(());
    }
    let strides: SmallVec<[&[isize]; 4]> = inputs
        .iter()
        .map(|input| input.layout.strides.as_slice())
        .collect();
    let collapsed = collapse(shape, &strides);
    let loops: Shape = collapsed.shape.iter().copied().collect();
    let reshaped: SmallVec<[Place; 4]> = inputs
        .iter()
        .zip(&collapsed.strides)
        .map(|(input, strides)| Place {
            memory: input.memory.clone(),
            layout: Layout {
                shape: loops.clone(),
                strides: strides.clone(),
                offset: input.layout.offset,
            },
            dtype: input.dtype,
        })
        .collect();
    execute_part(context, program, &loops, &reshaped, outputs, 0)
}

/// Runs a part of the loops whose first element is number `start` of the outputs, in halves if
/// an operand spans more than a kernel sees.
fn execute_part(
    context: &Context,
    program: &Arc<ScalarProgram>,
    loops: &Shape,
    inputs: &[Place],
    outputs: &[Place],
    start: usize,
) -> Result<()> {
    let count = loops.size();
    let windows: SmallVec<[Window; 4]> = inputs.iter().map(Place::window).collect();
    let limit = context.capabilities.binding_bytes as usize;
    let too_long = windows.iter().any(|window| window.bytes() > limit)
        || outputs
            .iter()
            .any(|output| count * output.dtype.size() + 256 > limit);
    // parts begin at whole words of the narrowest dtype
    let half = loops[0] / 2 / 4 * 4;
    if too_long && half > 0 {
        let inner = count / loops[0];
        for (first, length) in [(0, half), (half, loops[0] - half)] {
            let parts: SmallVec<[Place; 4]> =
                inputs.iter().map(|p| part(p, first, length)).collect();
            let shape = loops.with(0, length);
            let begin = start + first * inner;
            execute_part(context, program, &shape, &parts, outputs, begin)?;
        }
        return Ok(());
    }
    launch(context, program, loops, inputs, &windows, outputs, start)
}

/// A range of the first loop.
fn part(place: &Place, first: usize, length: usize) -> Place {
    let mut layout = place.layout.clone();
    layout.offset = (layout.offset as isize + first as isize * layout.strides[0]) as usize;
    layout.shape[0] = length;
    Place {
        memory: place.memory.clone(),
        layout,
        dtype: place.dtype,
    }
}

fn launch(
    context: &Context,
    program: &Arc<ScalarProgram>,
    loops: &Shape,
    inputs: &[Place],
    windows: &[Window],
    outputs: &[Place],
    start: usize,
) -> Result<()> {
    let steps: SmallVec<[Steps; 4]> = inputs
        .iter()
        .map(|input| Steps::of(loops, &input.layout.strides))
        .collect();
    let strided = steps.contains(&Steps::Strided);
    let rank = if strided { loops.ndim() } else { 0 };
    let count = loops.size();
    let mut parameters: SmallVec<[u32; 32]> = smallvec![count as u32];
    let mut bindings: SmallVec<[Binding<'_>; 8]> = SmallVec::new();
    for (input, window) in inputs.iter().zip(windows) {
        bindings.push(window.binding(&input.memory)?);
    }
    for output in outputs {
        let part = output_window(output, start, count);
        bindings.push(part.binding(&output.memory)?);
        parameters.push(part.offset);
    }
    parameters.extend(loops.iter().take(rank).map(|size| *size as u32));
    for ((input, window), steps) in inputs.iter().zip(windows).zip(&steps) {
        parameters.push(window.offset);
        if *steps == Steps::Strided {
            parameters.extend((0..rank).map(|axis| input.stride(axis)));
        }
    }
    let dtypes: SmallVec<[Dtype; 4]> = outputs.iter().map(|output| output.dtype).collect();
    let invocations = count.div_ceil(packing::lanes(&dtypes) as usize) as u32;
    let kernel = Kernel::Elementwise(Elementwise {
        program: program.clone(),
        rank,
        steps,
    });
    let groups = invocations.div_ceil(WORKGROUP);
    context.dispatch(&kernel, &parameters, &bindings, groups)
}

/// The window of `count` row-major elements from `start` on.
fn output_window(output: &Place, start: usize, count: usize) -> Window {
    let mut part = output.clone();
    part.layout = Layout {
        offset: start,
        ..Layout::contiguous([count])
    };
    part.window()
}
