//! Steps given to backends, results published.

use super::fuse::{Fusion, write_program};
use super::order::{Plan, Step, place_among};
use super::{reduce, rows};
use crate::array::{Array, Expression, Node, Role, State};
use crate::rules::decompose;
use mlx_oxide_ir::{ArrayType, Dtype, Error, Layout, Op, OutputTypes, Result, Source, View};
use mlx_oxide_runtime::{
    Backend, Call, DeviceType, Operand, Progress, Results, Stored, Stream, backend,
};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

type Operands = SmallVec<[Operand; 4]>;

/// Runs all steps. Those whose inputs another evaluation computes are put off until the others
/// are done: so of several evaluations that wait for each other one can always go on.
pub(super) fn run(mut plan: Plan) -> Result<()> {
    let mut steps = std::mem::take(&mut plan.steps);
    while !steps.is_empty() {
        let before = steps.len();
        let mut waiting = Vec::new();
        for (position, step) in steps.iter().enumerate() {
            if blocker(&plan, step).is_some() {
                waiting.push(position);
                continue;
            }
            if let Err(error) = run_step(&mut plan, step) {
                give_up(&mut plan);
                return Err(error);
            }
        }
        steps = keep(steps, &waiting);
        if steps.len() == before
            && let Err(error) = wait_for_others(&plan, &steps)
        {
            give_up(&mut plan);
            return Err(error);
        }
    }
    super::keep(plan.entries);
    Ok(())
}

fn keep(steps: Vec<Step>, positions: &[usize]) -> Vec<Step> {
    if positions.is_empty() {
        return Vec::new();
    }
    let mut positions = positions.iter().copied().peekable();
    steps
        .into_iter()
        .enumerate()
        .filter_map(|(position, step)| {
            (positions.peek() == Some(&position)).then(|| {
                positions.next();
                step
            })
        })
        .collect()
}

/// An input of the step that is not computed and is not made by the step itself.
fn blocker(plan: &Plan, step: &Step) -> Option<Array> {
    let members = step.members();
    let entries = members
        .iter()
        .filter_map(|member| plan.entries[*member as usize].as_ref());
    entries
        .flat_map(|entry| entry.expression.inputs.iter().zip(&entry.producers))
        .find(|(input, producer)| {
            place_among(members, **producer).is_none() && !input.is_evaluated()
        })
        .map(|(input, _)| input.clone())
}

/// Waits until some input that another evaluation computes is there.
fn wait_for_others(plan: &Plan, steps: &[Step]) -> Result<()> {
    for step in steps {
        let Some(input) = blocker(plan, step) else {
            return Ok(());
        };
        let foreign = match &*input.node.state.lock() {
            State::Running { progress, .. } if Arc::ptr_eq(progress, &plan.progress) => continue,
            State::Running { progress, .. } => Some(progress.clone()),
            State::Lazy(_) => None, // failed elsewhere
            State::Ready { .. } => return Ok(()),
        };
        if !plan.detached {
            return super::wait(&input);
        }
        let Some(progress) = foreign else {
            // computing it here could wait for what is queued behind; who reads the result will
            return Err(Error::Internal {
                op: "eval",
                detail: "an input was given up".to_owned(),
            });
        };
        progress.wait_until(|| !super::is_running_in(&input, &progress));
        return Ok(());
    }
    Err(Error::Internal {
        op: "eval",
        detail: "no step can go on".to_owned(),
    })
}

/// Gives the claimed nodes back, so that a later evaluation finds them as they were.
fn give_up(plan: &mut Plan) {
    for entry in plan.entries.iter_mut().filter_map(Option::take) {
        *entry.node.state.lock() = State::Lazy(entry.expression);
    }
    plan.progress.advance();
}

pub(super) fn run_step(plan: &mut Plan, step: &Step) -> Result<()> {
    match step {
        Step::Single(member) => {
            let Some(entry) = plan.entries[*member as usize].take() else {
                return Ok(());
            };
            match compute(&entry.node, &entry.expression) {
                Ok(results) => {
                    publish(&entry.node, results, &plan.progress);
                    Ok(())
                }
                Err(error) => {
                    plan.entries[*member as usize] = Some(entry);
                    Err(error)
                }
            }
        }
        Step::Fused(members) => run_fused(plan, members),
        Step::Rows(rows) => rows::run(plan, rows),
        Step::Reduced(reduced) => reduce::run(plan, reduced),
    }
}

/// Publishes the outputs of a node and wakes who waits for it.
pub(super) fn publish(node: &Node, outputs: Results, progress: &Progress) {
    let mut state = node.state.lock();
    let kept = match &mut *state {
        State::Running { expression, .. } => expression.take(),
        State::Lazy(_) | State::Ready { .. } => None,
    };
    *state = State::Ready {
        outputs,
        expression: kept,
    };
    drop(state);
    progress.advance();
}

/// The outputs of a node whose inputs are computed.
pub(super) fn compute(node: &Node, expression: &Expression) -> Result<Results> {
    let Expression { op, inputs, rules } = expression;
    if let Op::View(view) = op
        && let Some(stored) = show(view, &computed(&inputs[0])?, inputs[0].dtype())
    {
        debug_assert_eq!(stored.layout.shape, node.types[0].shape);
        return Ok(smallvec![stored]);
    }
    if let Op::Source(Source::Placeholder(_)) = op {
        return Err(match node.live_trace() {
            Some(_) => Error::ReadWhileTracing { op: "eval" },
            None => Error::LeakedTracer { op: "eval" },
        });
    }
    if let Op::Custom(custom) = op {
        return match rules {
            Some(rules) if rules.role() == Role::Computation => {
                let outputs = rules.evaluate(inputs)?;
                outputs.iter().map(Array::to_stored).collect()
            }
            _ => identity(inputs, custom.outputs.len()),
        };
    }
    let mut operands = Operands::with_capacity(inputs.len());
    for input in inputs {
        operands.push(operand(input)?);
    }
    dispatch(op, inputs, &mut operands, &node.types, node.stream)
}

/// An evaluated input. Its memory may be taken over if the expression alone holds it.
fn operand(input: &Array) -> Result<Operand> {
    let exclusive = Arc::strong_count(&input.node) == 1;
    let mut state = input.node.state.lock();
    let State::Ready {
        outputs,
        expression,
    } = &mut *state
    else {
        return Err(Error::Internal {
            op: "eval",
            detail: "an input is not computed".to_owned(),
        });
    };
    let output = input.output as usize;
    let donatable = exclusive && outputs.len() == 1 && expression.is_none();
    let stored = match donatable {
        // take the node's own handle, so that the backend sees how many others there are
        true => outputs.pop(),
        false => outputs.get(output).cloned(),
    };
    let stored = stored.ok_or(Error::ReadWhileTracing { op: "eval" })?;
    Ok(Operand {
        buffer: stored.buffer,
        layout: stored.layout,
        dtype: input.dtype(),
        donatable,
    })
}

/// Puts back what [`operand`] took, after a failure.
pub(super) fn restore(inputs: &[Array], operands: &mut Operands) {
    for (input, operand) in inputs
        .iter()
        .zip(operands.drain(..))
        .filter(|pair| pair.1.donatable)
    {
        if let State::Ready { outputs, .. } = &mut *input.node.state.lock() {
            *outputs = smallvec![Stored {
                buffer: operand.buffer,
                layout: operand.layout
            }];
        }
    }
}

/// Runs an operation on the first backend that takes it: the stream's own, then after
/// decomposition, then the CPU's, to whose memory every buffer comes when asked.
fn dispatch(
    op: &Op,
    inputs: &[Array],
    operands: &mut Operands,
    types: &OutputTypes,
    stream: Stream,
) -> Result<Results> {
    let input_types: SmallVec<[&ArrayType; 4]> = inputs.iter().map(Array::array_type).collect();
    let kind = stream.device.kind;
    let mut found = backend::find(kind, op, &input_types);
    if found.is_none() {
        restore_clones(inputs, operands);
        if let Some(outputs) = decompose::decompose(op, inputs) {
            return outputs?.iter().map(Array::to_stored).collect();
        }
        if kind != DeviceType::Cpu {
            found = backend::find(DeviceType::Cpu, op, &input_types);
        }
    }
    let Some(backend) = found else {
        let dtype = inputs.first().map_or(types[0].dtype, Array::dtype);
        return Err(Error::NoBackend {
            op: op.name(),
            device: stream.device.to_string(),
            dtype,
        });
    };
    let call = Call {
        op,
        inputs: operands.as_slice(),
        outputs: types,
        stream,
    };
    let results = run_guarded(backend, call);
    if results.is_err() {
        restore(inputs, operands);
    }
    results
}

/// Runs a kernel; a panic in it becomes an error, or who waits for the result would wait forever.
pub(super) fn run_guarded(backend: &dyn Backend, call: Call<'_>) -> Result<Results> {
    let op = call.op.name();
    // what a kernel leaves half-done is its outputs, which are dropped
    let run = std::panic::AssertUnwindSafe(|| backend.run(call));
    std::panic::catch_unwind(run).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        Err(Error::Internal {
            op,
            detail: message.unwrap_or("a kernel panicked").to_owned(),
        })
    })
}

/// Gives the inputs their memory back but keeps using it, so that a decomposition finds them
/// computed.
fn restore_clones(inputs: &[Array], operands: &mut Operands) {
    for (input, operand) in inputs
        .iter()
        .zip(operands.iter_mut())
        .filter(|pair| pair.1.donatable)
    {
        operand.donatable = false;
        if let State::Ready { outputs, .. } = &mut *input.node.state.lock() {
            *outputs = smallvec![Stored {
                buffer: operand.buffer.clone(),
                layout: operand.layout.clone(),
            }];
        }
    }
}

/// The view of an input's memory, where no element has to move.
pub(super) fn show(view: &View, input: &Stored, dtype: Dtype) -> Option<Stored> {
    view_layout(view, &input.layout, dtype).map(|layout| Stored {
        buffer: input.buffer.clone(),
        layout,
    })
}

/// The layout of a view of elements of a dtype, where no element has to move.
pub(super) fn view_layout(view: &View, input: &Layout, dtype: Dtype) -> Option<Layout> {
    match view {
        View::Reshape(shape) => input.reshape(shape),
        View::Permute(axes) => Some(input.permute(axes)),
        View::Broadcast(shape) => Some(input.broadcast(shape)),
        View::Slice(ranges) => Some(input.slice(ranges)),
        View::StopGradient => Some(input.clone()),
        View::Contiguous => input.is_contiguous().then(|| input.clone()),
        View::Bitcast(to) => (to.size() == dtype.size()).then(|| input.clone()),
        View::AsStrided(target) => input.is_contiguous().then(|| Layout {
            shape: target.shape.clone(),
            strides: target.strides.clone(),
            offset: input.offset + target.offset,
        }),
    }
}

fn computed(input: &Array) -> Result<Stored> {
    input.stored().ok_or_else(|| Error::Internal {
        op: "eval",
        detail: "an input is not computed".to_owned(),
    })
}

/// The outputs of a caller's own operation: its last inputs.
fn identity(inputs: &[Array], outputs: usize) -> Result<Results> {
    inputs[inputs.len().saturating_sub(outputs)..]
        .iter()
        .map(computed)
        .collect()
}

fn run_fused(plan: &mut Plan, members: &[u32]) -> Result<()> {
    let Fusion {
        program,
        inputs,
        outputs,
    } = write_program(&plan.entries, members);
    let Some(root) = members
        .last()
        .and_then(|member| plan.entries[*member as usize].as_ref())
    else {
        return Ok(());
    };
    let stream = root.node.stream;
    let types: OutputTypes = outputs
        .iter()
        .filter_map(|member| plan.entries[*member as usize].as_ref())
        .map(|entry| entry.node.types[0].clone())
        .collect();
    let op = Op::Fused(Arc::new(program));
    let input_types: SmallVec<[&ArrayType; 4]> = inputs.iter().map(Array::array_type).collect();
    let Some(backend) = backend::find(stream.device.kind, &op, &input_types) else {
        return members
            .iter()
            .try_for_each(|member| run_step(plan, &Step::Single(*member)));
    };
    drop(input_types);
    let mut operands = fused_operands(plan, members, &inputs)?;
    let call = Call {
        op: &op,
        inputs: operands.as_slice(),
        outputs: &types,
        stream,
    };
    match run_guarded(backend, call) {
        Ok(results) => {
            publish_fused(plan, members, &outputs, results);
            Ok(())
        }
        Err(error) => {
            restore(&inputs, &mut operands);
            Err(error)
        }
    }
}

/// Operands of a program. The members' own handles of the inputs are dropped only when the step
/// has succeeded, so memory is taken over by counting them.
pub(super) fn fused_operands(plan: &Plan, members: &[u32], inputs: &[Array]) -> Result<Operands> {
    let uses = |input: &Array| {
        members
            .iter()
            .filter_map(|member| plan.entries[*member as usize].as_ref())
            .flat_map(|entry| &entry.expression.inputs)
            .filter(|other| Arc::ptr_eq(&other.node, &input.node))
            .count()
    };
    let mut operands = Operands::with_capacity(inputs.len());
    for input in inputs {
        let stored = input
            .stored()
            .ok_or(Error::ReadWhileTracing { op: "eval" })?;
        let count = Arc::strong_count(&input.node);
        // one handle is in `inputs`, the others are the members' own
        let donatable = count <= MOST_COUNTED_USES && count == uses(input) + 1;
        if donatable {
            forget(input);
        }
        operands.push(Operand {
            buffer: stored.buffer,
            layout: stored.layout,
            dtype: input.dtype(),
            donatable,
        });
    }
    Ok(operands)
}

/// An input with more holders than this is not worth the counting.
const MOST_COUNTED_USES: usize = 4;

/// Takes an input's memory out of its node, when nobody will read the node again.
fn forget(input: &Array) {
    if let State::Ready {
        outputs,
        expression: None,
    } = &mut *input.node.state.lock()
        && outputs.len() == 1
    {
        outputs.clear();
    }
}

fn publish_fused(plan: &mut Plan, members: &[u32], outputs: &[u32], results: Results) {
    let mut results = results.into_iter();
    for member in members {
        let Some(entry) = plan.entries[*member as usize].take() else {
            continue;
        };
        if outputs.contains(member) {
            publish(
                &entry.node,
                results.next().into_iter().collect(),
                &plan.progress,
            );
        }
    }
}
