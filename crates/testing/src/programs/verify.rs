//! One function in every way of computing it.

use super::Program;
use crate::compare::agree;
use crate::coordinates::parts;
use crate::tolerance::{Tolerance, epsilon};
use crate::trials::Failure;
use mlx_oxide_core::compile::compile;
use mlx_oxide_core::export::{Exported, Signature};
use mlx_oxide_core::graph::{Graph, Step, Value, simplify};
use mlx_oxide_core::{Array, Role, eval, eval_in_rows};
use mlx_oxide_ir::{ArrayType, Index, Op, Result, Scalar};
use mlx_oxide_reference::Reference;
use mlx_oxide_runtime::{Backend, Call, Operand, Stream};

type Verdict = std::result::Result<(), Failure>;

/// Checks that a function has the same bits
///
/// - evaluated at once, also in rows, and operation by operation;
/// - compiled, twice, and operation by operation of the simplified graph;
/// - written into a file and read from it;
/// - plain, traced and simplified on the reference backend;
///
/// and that each operation gives what it gives on the reference backend from the same operands.
/// Together these say that compiled, plain and reference agree, without the error of one
/// operation growing in those after it.
///
/// # Errors
/// The first difference.
pub fn verify(function: &dyn Fn(&[Array]) -> Result<Vec<Array>>, inputs: &[Array]) -> Verdict {
    let types: Vec<ArrayType> = inputs.iter().map(|it| it.array_type().clone()).collect();
    let traced = Graph::trace(function, &types)?;
    let simple = simplify::simplify_for_values(traced.clone());

    let plain = function(inputs)?;
    let built = Graph::of(&plain)?;
    let expected = step_by_step(&built, &[])?;
    eval(&plain)?;
    same("plain, fused against step by step", &plain, &expected)?;
    let in_rows = function(inputs)?;
    eval_in_rows(&in_rows)?;
    same("plain in rows against step by step", &in_rows, &expected)?;

    let expected = step_by_step(&simple, inputs)?;
    let compiled = compile(function);
    for _ in 0..2 {
        let found = compiled.call(inputs)?;
        eval(&found)?;
        same("compiled, fused against step by step", &found, &expected)?;
    }
    if compiled.trace_count() != 1 {
        return Err(Failure(format!("{} traces", compiled.trace_count())));
    }
    let found = through_file(&traced, inputs)?;
    same("from a file against step by step", &found, &expected)?;
    if keeps_layouts(&built, &simple, inputs)? {
        same("compiled against plain", &expected, &plain)?;
    }
    agree_on_reference(
        "traced against plain",
        (&traced, &built),
        Fixed::Computed,
        inputs,
    )?;
    let graphs = (&simple, &traced);
    agree_on_reference("simplified against traced", graphs, Fixed::AsAll, inputs)
}

/// Whether two graphs compute the same on the reference backend, which runs no control flow.
fn agree_on_reference(
    way: &str,
    graphs: (&Graph, &Graph),
    fixed: Fixed,
    inputs: &[Array],
) -> Verdict {
    let found = on_reference(graphs.0, fixed, inputs)?;
    match (found, on_reference(graphs.1, fixed, inputs)?) {
        (Some(found), Some(expected)) => same(way, &found, &expected),
        _ => Ok(()),
    }
}

/// [`verify`] of a program and of its gradient, and the gradient of the compiled program against
/// that of the plain one.
///
/// # Errors
/// The first difference, with the program.
pub fn verify_program(program: &Program) -> Verdict {
    let context = |what: &'static str| {
        move |Failure(message): Failure| Failure(format!("{what}: {message}\n{program}"))
    };
    let inputs = program.inputs()?;
    let run = |inputs: &[Array]| program.run(inputs);
    verify(&run, &inputs).map_err(context("values"))?;
    let gradient = |inputs: &[Array]| program.gradient(run, inputs);
    verify(&gradient, &inputs).map_err(context("gradient"))?;
    let compiled = compile(run);
    let of_compiled = program.gradient(|inputs| compiled.call(inputs), &inputs)?;
    // cotangents of a value that the compiled program computes once are added in another order,
    // and the rounding of each of up to forty operations may grow in those before it
    let part = 1024.0 * epsilon(program.coarsest());
    agree_in_scale(&of_compiled, &gradient(&inputs)?, part).map_err(context("gradient of compiled"))
}

fn through_file(graph: &Graph, inputs: &[Array]) -> Result<Vec<Array>> {
    let signature = Signature {
        positional: inputs.len(),
        keywords: Vec::new(),
    };
    let mut exported = Exported::default();
    exported.add(signature.clone(), graph.clone())?;
    Exported::from_bytes(&exported.to_bytes()?)?.call(&signature, inputs)
}

/// Whether simplification only joined equal steps and dropped unused ones. Where it took out a step
/// that changes nothing, an operand may lie in another way in memory, and kernels sum in another
/// order.
fn keeps_layouts(plain: &Graph, simple: &Graph, inputs: &[Array]) -> Result<bool> {
    Ok(distinct_steps(plain, inputs)? == distinct_steps(simple, inputs)?)
}

/// Which constants are inputs: a transform sees an input as another array of the same memory.
fn input_constants(graph: &Graph, inputs: &[Array]) -> Result<Vec<bool>> {
    let memory = |array: &Array| -> Result<*const u8> {
        Ok(array.to_stored()?.buffer.host_bytes()?.as_ptr())
    };
    let places: Vec<*const u8> = inputs.iter().map(memory).collect::<Result<_>>()?;
    let constants = graph.constants.iter();
    constants
        .map(|constant| Ok(places.contains(&memory(constant)?)))
        .collect()
}

/// How many steps compute different things from the inputs.
fn distinct_steps(graph: &Graph, inputs: &[Array]) -> Result<usize> {
    let is_input = input_constants(graph, inputs)?;
    let mut depends: Vec<bool> = Vec::with_capacity(graph.steps.len());
    let mut constants: Vec<(ArrayType, Vec<u64>)> = Vec::new();
    let mut constant_numbers = Vec::with_capacity(graph.constants.len());
    for constant in &graph.constants {
        let bits = constant
            .to_scalars()?
            .into_iter()
            .map(Scalar::bits)
            .collect();
        constant_numbers.push(first_place(
            &mut constants,
            (constant.array_type().clone(), bits),
        ));
    }
    let mut seen: Vec<(&Op, Vec<Value>, bool)> = Vec::new();
    let mut step_numbers: Vec<u32> = Vec::with_capacity(graph.steps.len());
    for step in &graph.steps {
        depends.push(step.inputs.iter().any(|value| match *value {
            Value::Input(_) => true,
            Value::Constant(constant) => is_input[constant as usize],
            Value::Result { step, .. } => depends[step as usize],
        }));
        let inputs = step.inputs.iter().map(|value| match *value {
            Value::Input(_) => *value,
            Value::Constant(constant) => Value::Constant(constant_numbers[constant as usize]),
            Value::Result { step, output } => Value::Result {
                step: step_numbers[step as usize],
                output,
            },
        });
        let item = (&step.op, inputs.collect(), depends[depends.len() - 1]);
        step_numbers.push(first_place(&mut seen, item));
    }
    Ok(seen.iter().filter(|(_, _, depends)| *depends).count())
}

/// The place of an item among those before it, where it is put if it is new.
fn first_place<T: PartialEq>(all: &mut Vec<T>, item: T) -> u32 {
    let known = all.iter().position(|other| *other == item);
    let place = known.unwrap_or(all.len());
    if known.is_none() {
        all.push(item);
    }
    place as u32
}

fn one_step(step: &Step, operands: &[Array]) -> Result<Vec<Array>> {
    let mut step = step.clone();
    step.inputs = (0..operands.len() as u32).map(Value::Input).collect();
    let outputs = 0..step.types.len() as u32;
    let outputs = outputs.map(|output| Value::Result { step: 0, output });
    let graph = Graph {
        inputs: operands.iter().map(|it| it.array_type().clone()).collect(),
        constants: Vec::new(),
        outputs: outputs.collect(),
        steps: vec![step],
    };
    let results = graph.replay(operands)?;
    eval(&results)?;
    Ok(results)
}

/// Evaluates every operation by itself, and compares it with the reference backend.
fn step_by_step(graph: &Graph, inputs: &[Array]) -> std::result::Result<Vec<Array>, Failure> {
    let mut results: Vec<Vec<Array>> = Vec::with_capacity(graph.steps.len());
    let look_up = |value: &Value, results: &[Vec<Array>]| match *value {
        Value::Input(input) => inputs[input as usize].clone(),
        Value::Constant(constant) => graph.constants[constant as usize].clone(),
        Value::Result { step, output } => results[step as usize][output as usize].clone(),
    };
    for (place, step) in graph.steps.iter().enumerate() {
        let operands: Vec<Array> = step.inputs.iter().map(|it| look_up(it, &results)).collect();
        let found = one_step(step, &operands)?;
        if !matches!(step.op, Op::Custom(_)) {
            let stored: Vec<Operand> = operands.iter().map(operand).collect::<Result<_>>()?;
            let expected = Reference.run(call(step, &stored))?;
            for ((found, expected), array_type) in found.iter().zip(expected).zip(&step.types) {
                let expected = Array::from_stored(expected, array_type.clone());
                near(&step.op, &operands, found, &expected)
                    .map_err(|Failure(message)| Failure(format!("step {place}: {message}")))?;
            }
        }
        results.push(found);
    }
    Ok(graph
        .outputs
        .iter()
        .map(|it| look_up(it, &results))
        .collect())
}

fn operand(array: &Array) -> Result<Operand> {
    let stored = array.to_stored()?;
    Ok(Operand {
        buffer: stored.buffer.clone(),
        layout: stored.layout.clone(),
        dtype: array.dtype(),
        donatable: false,
    })
}

fn call<'a>(step: &'a Step, operands: &'a [Operand]) -> Call<'a> {
    Call {
        op: &step.op,
        inputs: operands,
        outputs: &step.types,
        stream: Stream::current(),
    }
}

/// Where what does not depend on the inputs is computed.
#[derive(Clone, Copy, PartialEq)]
enum Fixed {
    /// As it is when a function is traced, where it becomes a constant.
    Computed,
    /// On the reference backend like all else.
    AsAll,
}

/// The graph on the reference backend; none if it has control flow.
fn on_reference(graph: &Graph, fixed: Fixed, inputs: &[Array]) -> Result<Option<Vec<Array>>> {
    let is_input = input_constants(graph, inputs)?;
    let mut results: Vec<(bool, Vec<Array>)> = Vec::with_capacity(graph.steps.len());
    let look_up = |value: &Value, results: &[(bool, Vec<Array>)]| match *value {
        Value::Input(input) => (true, inputs[input as usize].clone()),
        Value::Constant(constant) => {
            let constant = constant as usize;
            (is_input[constant], graph.constants[constant].clone())
        }
        Value::Result { step, output } => {
            let (depends, outputs) = &results[step as usize];
            (*depends, outputs[output as usize].clone())
        }
    };
    for step in &graph.steps {
        let values = step.inputs.iter().map(|it| look_up(it, &results));
        let (depends, operands): (Vec<bool>, Vec<Array>) = values.unzip();
        let depends = depends.contains(&true);
        let rules = step.rules.as_ref();
        let outputs = match &step.op {
            Op::Custom(_) if rules.is_some_and(|rules| rules.role() == Role::Computation) => {
                return Ok(None);
            }
            // an identity in its last inputs
            Op::Custom(_) => operands[operands.len() - step.types.len()..].to_vec(),
            _ if !depends && fixed == Fixed::Computed => one_step(step, &operands)?,
            _ => {
                let operands: Vec<Operand> = operands.iter().map(operand).collect::<Result<_>>()?;
                let stored = Reference.run(call(step, &operands))?.into_iter();
                let pairs = stored.zip(&step.types);
                pairs
                    .map(|(stored, array_type)| Array::from_stored(stored, array_type.clone()))
                    .collect()
            }
        };
        results.push((depends, outputs));
    }
    let outputs = graph.outputs.iter();
    Ok(Some(outputs.map(|it| look_up(it, &results).1).collect()))
}

fn is_nan(element: Scalar) -> bool {
    let value = element.to_complex();
    value.re.is_nan() || (parts(element.dtype()) == 2 && value.im.is_nan())
}

/// The same bits; every NaN is as good as another.
fn same(way: &str, found: &[Array], expected: &[Array]) -> Verdict {
    if found.len() != expected.len() {
        return Err(Failure(format!("{way}: {} outputs", found.len())));
    }
    for (output, (found, expected)) in found.iter().zip(expected).enumerate() {
        let types = (found.array_type(), expected.array_type());
        if types.0 != types.1 {
            return Err(Failure(format!("{way}: {:?} for {:?}", types.0, types.1)));
        }
        let pairs = found.to_scalars()?.into_iter().zip(expected.to_scalars()?);
        let mut differing = pairs.enumerate().filter(|(_, (found, expected))| {
            found.bits() != expected.bits() && !(is_nan(*found) && is_nan(*expected))
        });
        if let Some((place, (found, expected))) = differing.next() {
            return Err(Failure(format!(
                "{way}: element {place} of output {output} is {found:?} instead of {expected:?}"
            )));
        }
    }
    Ok(())
}

fn near(op: &Op, operands: &[Array], found: &Array, expected: &Array) -> Verdict {
    let tolerance = tolerance(op, operands, expected)?;
    let pairs = found.to_scalars()?.into_iter().zip(expected.to_scalars()?);
    let mut differing = pairs
        .enumerate()
        .filter(|(_, (found, expected))| !agree(*found, *expected, tolerance));
    match differing.next() {
        None => Ok(()),
        Some((place, (found, expected))) => Err(Failure(format!(
            "[{}] element {place} is {found:?}, on the reference backend {expected:?}, \
             {tolerance:?}, {op:?} of {:?}",
            op.name(),
            operands.iter().map(Array::array_type).collect::<Vec<_>>(),
        ))),
    }
}

/// How near one operation's result must be to the reference backend's from the same operands.
fn tolerance(op: &Op, operands: &[Array], result: &Array) -> Result<Tolerance> {
    let dtype = result.dtype();
    if !dtype.is_inexact() {
        return Ok(Tolerance::EXACT);
    }
    let terms = operands.iter().map(Array::size).max().unwrap_or(0) + 4;
    let mut magnitude = 1.0f64;
    for operand in operands {
        let elements = operand.to_scalars()?;
        let sizes = elements.iter().map(|element| {
            let value = element.to_complex();
            f64::from(value.re).hypot(f64::from(value.im))
        });
        magnitude *= sizes.filter(|size| size.is_finite()).fold(1.0, f64::max);
    }
    Ok(match op {
        Op::View(_) | Op::Sort(_) | Op::Select | Op::Cast(_) | Op::Source(_) | Op::Random(_) => {
            Tolerance::EXACT
        }
        // functions are rounded to a few steps; near their zeros the error is that of their
        // argument's last bit
        Op::Unary(_) | Op::Binary(_) => {
            Tolerance::function(dtype, 16).or_absolute(4.0 * epsilon(dtype))
        }
        Op::Index(Index::Gather { .. } | Index::Concatenate { .. } | Index::Pad(_)) => {
            Tolerance::EXACT
        }
        Op::Fast(_) => Tolerance::stages(dtype, 32.0, magnitude),
        Op::Contract(_)
        | Op::Reduce(_)
        | Op::ArgReduce(_)
        | Op::Scan(_)
        | Op::Index(_)
        | Op::Fft(_)
        | Op::Linalg(_)
        | Op::Quantized(_)
        | Op::Fused(_)
        | Op::FusedReduce(_)
        | Op::Custom(_) => {
            let complex = if dtype.is_complex() { 4.0 } else { 1.0 };
            Tolerance::sum(dtype, terms, complex * magnitude)
        }
    })
}

/// Whether arrays agree up to a part of their largest element.
fn agree_in_scale(found: &[Array], expected: &[Array], part: f64) -> Verdict {
    for (output, (found, expected)) in found.iter().zip(expected).enumerate() {
        let found = crate::coordinates::coordinates(found)?;
        let expected = crate::coordinates::coordinates(expected)?;
        let sizes = expected.iter().map(|number| number.abs());
        let scale = sizes.filter(|size| size.is_finite()).fold(1.0, f64::max);
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let same = found == expected || found.is_nan() && expected.is_nan();
            let near = (found - expected).abs() <= part * scale;
            if !(same || near) {
                return Err(Failure(format!(
                    "coordinate {place} of gradient {output} is {found} instead of {expected}"
                )));
            }
        }
    }
    Ok(())
}
