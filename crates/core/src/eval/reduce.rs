//! Reductions that take the elementwise program before them in.
//!
//! A reduction over all or over leading axes keeps no rows apart. But its kernel reads the operand
//! range by range in an order that its sizes alone decide; so the program that makes the operand
//! runs for each range just before it is folded, and the operand need not exist whole. It does
//! where others need it, and is then still read while it is in the cache. Results are the same to
//! the bit. The joined step runs in the place of the program: a reduction has no other input.

use super::fuse::{Content, reduced_program};
use super::order::{Entry, Plan, Step};
use super::run::{fused_operands, publish, restore, run_guarded, run_step};
use crate::array::Array;
use mlx_oxide_ir::{ArrayType, Op, OutputTypes, Result, Shape};
use mlx_oxide_runtime::{Backend, Call, DeviceType, backend};
use smallvec::SmallVec;
use std::sync::Arc;

/// A program and the reduction of one of its values.
pub(super) struct Reduced {
    /// The program's entries and, last, the reduction.
    pub(super) members: Vec<u32>,
}

impl Reduced {
    /// The reduction and the entries of the program.
    pub(super) fn parts(&self) -> Option<(&u32, &[u32])> {
        self.members.split_last()
    }

    /// What runs if a kernel folds what the program makes, and where: on the preferred backend, as
    /// another would fold in another order.
    pub(super) fn content(&self, plan: &Plan) -> Option<(Content, &'static dyn Backend)> {
        let (&reduction, members) = self.parts()?;
        let (op, fusion) = reduced_program(&plan.entries, members, reduction)?;
        let op = Op::FusedReduce(Arc::new(op));
        let inputs = fusion.inputs;
        let types: SmallVec<[&ArrayType; 4]> = inputs.iter().map(Array::array_type).collect();
        let kind = entry(plan, reduction)?.node.stream.device.kind;
        let preferred = backend::installed(kind).first().copied();
        let backend = preferred.filter(|backend| backend.supports(&op, &types))?;
        drop(types);
        let outputs = fusion.outputs.into_iter().chain([reduction]).collect();
        let content = Content {
            op,
            inputs,
            outputs,
        };
        Some((content, backend))
    }
}

/// Joins reductions to the programs before them where the operand has at least so many bytes.
pub(super) fn absorb(plan: &mut Plan, worthwhile: usize) {
    if !plan.steps.iter().any(|step| is_reduction(plan, step)) {
        return;
    }
    let mut absorbed = vec![false; plan.entries.len()];
    let mut steps = std::mem::take(&mut plan.steps);
    let mut alone = vec![false; plan.entries.len()];
    for step in &steps {
        if let Step::Single(member) = step {
            alone[*member as usize] = is_reduction(plan, step);
        }
    }
    for step in &mut steps {
        if let Some(reduction) = reduction_of(plan, step, &alone, worthwhile) {
            (absorbed[reduction as usize], alone[reduction as usize]) = (true, false);
            let members = step.members().iter().copied().chain([reduction]);
            *step = Step::Reduced(Reduced {
                members: members.collect(),
            });
        }
    }
    steps.retain(|step| !matches!(step, Step::Single(member) if absorbed[*member as usize]));
    plan.steps = steps;
}

fn is_reduction(plan: &Plan, step: &Step) -> bool {
    let Step::Single(member) = step else {
        return false;
    };
    entry(plan, *member).is_some_and(|entry| matches!(entry.expression.op, Op::Reduce(_)))
}

/// Elements that a kernel folds without a gap; fewer are not worth a run of the program each.
const SHORTEST_RUN: usize = 256;
/// The same where a kernel folds one line of columns at a time, whose terms do not follow each other.
const SHORTEST_LINE: usize = 1024;

/// Whether the elements of a result, or those of neighbouring results with the terms that follow
/// each other, make long runs in row-major order.
fn has_long_runs(shape: &Shape, axes: &[usize]) -> bool {
    let mut run = 1;
    let mut places = (0..shape.ndim())
        .rev()
        .filter(|axis| shape[*axis] > 1)
        .peekable();
    // runs of neighbouring results are columns that are joined in the end
    while let Some(axis) = places.next_if(|axis| axes.contains(axis)) {
        run *= shape[axis];
    }
    let across = run == 1;
    if !across && !places.clone().any(|axis| axes.contains(&axis)) {
        return true; // rows follow one another
    }
    while let Some(axis) = places.next_if(|axis| !axes.contains(axis)) {
        run *= shape[axis];
    }
    let columns = run;
    while let Some(axis) = places.next_if(|axis| axes.contains(axis)) {
        run *= shape[axis];
    }
    match across && places.any(|axis| axes.contains(&axis)) {
        true => columns >= SHORTEST_LINE,
        false => run >= SHORTEST_RUN,
    }
}

fn entry(plan: &Plan, member: u32) -> Option<&Entry> {
    plan.entries[member as usize].as_ref()
}

/// The reduction, still alone, that takes a result of an elementwise step.
fn reduction_of(plan: &Plan, step: &Step, alone: &[bool], worthwhile: usize) -> Option<u32> {
    let members = match step {
        Step::Single(member) if entry(plan, *member)?.expression.op.is_elementwise() => {
            std::slice::from_ref(member)
        }
        Step::Fused(members) => members,
        Step::Single(_) | Step::Rows(_) | Step::Reduced(_) => return None,
    };
    let on_cpu = |entry: &Entry| entry.node.stream.device.kind == DeviceType::Cpu;
    let producers = members.iter().filter_map(|member| entry(plan, *member));
    producers
        .filter(|producer| on_cpu(producer) && producer.node.types[0].bytes() >= worthwhile)
        .find_map(|producer| {
            let mut consumers = producer.consumers.iter().copied();
            consumers.find(|consumer| {
                let suits = |reduction: &Entry| {
                    let Op::Reduce(reduce) = &reduction.expression.op else {
                        return false;
                    };
                    reduction.node.stream == producer.node.stream
                        && has_long_runs(&producer.node.types[0].shape, &reduce.axes)
                };
                alone[*consumer as usize] && entry(plan, *consumer).is_some_and(suits)
            })
        })
}

/// Runs a program with a reduction, or one after the other where no kernel runs both.
pub(super) fn run(plan: &mut Plan, reduced: &Reduced) -> Result<()> {
    let Some((&reduction, members)) = reduced.parts() else {
        return Ok(());
    };
    let (Some((content, backend)), Some(root)) = (reduced.content(plan), entry(plan, reduction))
    else {
        return apart(plan, members, reduction);
    };
    let Content {
        op,
        inputs,
        outputs,
    } = content;
    let stream = root.node.stream;
    let types = outputs.iter().filter_map(|member| entry(plan, *member));
    let types: OutputTypes = types.map(|entry| entry.node.types[0].clone()).collect();
    let mut operands = fused_operands(plan, members, &inputs)?;
    let call = Call {
        op: &op,
        inputs: operands.as_slice(),
        outputs: &types,
        stream,
    };
    let results = run_guarded(backend, call);
    if results.is_err() {
        restore(&inputs, &mut operands);
    }
    for (member, stored) in outputs.iter().zip(results?) {
        if let Some(entry) = entry(plan, *member) {
            publish(&entry.node, SmallVec::from_elem(stored, 1), &plan.progress);
        }
    }
    for member in &reduced.members {
        plan.entries[*member as usize] = None;
    }
    Ok(())
}

fn apart(plan: &mut Plan, members: &[u32], reduction: u32) -> Result<()> {
    let program = match members {
        [member] => Step::Single(*member),
        members => Step::Fused(members.to_vec()),
    };
    run_step(plan, &program)?;
    run_step(plan, &Step::Single(reduction))
}
