//! Steps that keep rows apart, joined so that they run for a block of rows at a time.
//!
//! A row is what lies under one index of the leading axes. A chain of elementwise programs,
//! reductions and scans along later axes, softmaxes, norms and views treats every row by itself.
//! Of such a chain nothing needs to exist whole but what goes in and what comes out: a block of
//! rows, small enough for the second cache, goes through all the steps on one thread. So a
//! softmax, a variance or a norm that is written by hand passes over memory once. Every step is
//! the same kernel on fewer rows, so no result changes.

mod local;
mod pipeline;

pub(super) use pipeline::run;

use super::fuse::is_held;
use super::order::{Entry, NO_ENTRY, Plan, Step};
use crate::array::Node;
use local::{is_row_wise, local_axes, takes_whole};
use mlx_oxide_ir::{Op, Shape};
use mlx_oxide_runtime::{DeviceType, backend};
use smallvec::SmallVec;
use std::sync::Arc;

/// When steps are joined and how much of them runs at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The fewest bytes that must be saved from memory: written, or read once more.
    pub(super) worthwhile: usize,
    /// The bytes that a block may take, all its values together.
    pub(super) block: usize,
    /// The bytes that one row of one value may take.
    pub(super) row: usize,
    /// The fewest bytes that a reduction's operand has if it is made while it is reduced.
    pub(super) operand: usize,
}

impl Limits {
    /// Blocks fit in a usual second cache. What stays in the last one gains nothing, and every step
    /// of a block costs a call.
    pub(super) const USUAL: Limits = Limits {
        worthwhile: 24 << 20,
        block: 1 << 20,
        row: 128 << 10,
        operand: 64 << 10,
    };

    /// Everything that can be joined, row by row: for tests on small arrays.
    pub(super) const EAGER: Limits = Limits {
        worthwhile: 0,
        block: 1,
        row: usize::MAX,
        operand: 0,
    };
}

/// Steps that run together.
pub(super) struct Rows {
    /// In order.
    pub(super) steps: Vec<Step>,
    /// The entries of all steps, in order.
    pub(super) members: Vec<u32>,
    /// How many leading axes all steps keep apart.
    pub(super) depth: usize,
    /// Bytes of a block.
    pub(super) block: usize,
}

const NO_GROUP: u32 = u32::MAX;
/// How many times what a reduction reads is saved at most, by a guess that spares others the search.
const READERS: usize = 4;

struct Group {
    /// The last step, in whose place the group runs.
    root: u32,
    /// From the last to the first.
    steps: SmallVec<[u32; 8]>,
    /// The leading axes that all keep apart.
    kept: Shape,
}

/// Joins what is worth joining.
pub(super) fn join(plan: &mut Plan, limits: Limits) {
    let worth = |step: &Step| is_worth(plan, step, limits);
    if plan.steps.len() < 2 || !plan.steps.iter().any(worth) {
        return;
    }
    let (mut groups, group_of) = group(plan, limits);
    let worthwhile: Vec<bool> = groups
        .iter()
        .enumerate()
        .map(|(number, group)| is_worthwhile(plan, group, number as u32, &group_of, limits))
        .collect();
    let mut steps: Vec<Option<Step>> = std::mem::take(&mut plan.steps)
        .into_iter()
        .map(Some)
        .collect();
    for position in 0..steps.len() as u32 {
        let number = group_of.steps[position as usize];
        if number == NO_GROUP || !worthwhile[number as usize] {
            plan.steps.extend(steps[position as usize].take());
            continue;
        }
        let group = &mut groups[number as usize];
        if group.root == position {
            let joined = group.steps.iter().rev();
            let joined: Vec<Step> = joined
                .filter_map(|&step| steps[step as usize].take())
                .collect();
            let mut members: Vec<u32> = joined.iter().flat_map(Step::members).copied().collect();
            members.sort_unstable();
            plan.steps.push(Step::Rows(Rows {
                steps: joined,
                members,
                depth: group.kept.ndim(),
                block: limits.block,
            }));
        }
    }
}

/// Which group steps are in, and which step entries are in.
struct Grouping {
    steps: Vec<u32>,
    entries: Vec<u32>,
}

impl Grouping {
    fn of_entry(&self, entry: u32) -> u32 {
        self.steps[self.entries[entry as usize] as usize]
    }
}

/// Puts steps into groups, from the last to the first: a step joins the group of its first
/// consumer if every other consumer is in it too or comes after it.
fn group(plan: &Plan, limits: Limits) -> (Vec<Group>, Grouping) {
    let mut grouping = Grouping {
        steps: vec![NO_GROUP; plan.steps.len()],
        entries: vec![0; plan.entries.len()],
    };
    for (position, step) in plan.steps.iter().enumerate() {
        for member in step.members() {
            grouping.entries[*member as usize] = position as u32;
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for position in (0..plan.steps.len() as u32).rev() {
        let step = &plan.steps[position as usize];
        let Some(axes) = kept_axes(plan, step) else {
            continue;
        };
        let joined = joinable(plan, &groups, &grouping, step, &axes, limits);
        let number = match joined {
            Some((number, depth)) => {
                let group = &mut groups[number as usize];
                group.kept = group.kept[..depth].into();
                number
            }
            None => {
                groups.push(Group {
                    root: position,
                    steps: SmallVec::new(),
                    kept: axes,
                });
                groups.len() as u32 - 1
            }
        };
        groups[number as usize].steps.push(position);
        grouping.steps[position as usize] = number;
    }
    (groups, grouping)
}

/// The leading axes that a step keeps apart, if there are any and a kernel runs it.
fn kept_axes(plan: &Plan, step: &Step) -> Option<Shape> {
    let root = plan.entries[*step.members().last()? as usize].as_ref()?;
    let [output] = root.node.types.as_slice() else {
        return None;
    };
    let depth = match step {
        Step::Fused(_) => output.shape.ndim(),
        Step::Single(_) => local_axes(&root.expression.op, &root.expression.inputs, output),
        Step::Reduced(_) => reduced_axes(root)?,
        Step::Rows(_) => return None,
    };
    let fits = depth > 0 && output.size() > 0 && root.node.stream.device.kind == DeviceType::Cpu;
    let runs = || match (step, &root.expression.op) {
        (Step::Single(_), op) if !matches!(op, Op::View(_)) => {
            let inputs = &root.expression.inputs;
            let types: SmallVec<[_; 4]> = inputs.iter().map(|input| input.array_type()).collect();
            backend::find(DeviceType::Cpu, op, &types).is_some()
        }
        _ => true,
    };
    (fits && runs()).then(|| output.shape[..depth].into())
}

/// The axes before those that a reduction folds, if these are the last: then rows are made and
/// folded one after the other.
fn reduced_axes(reduction: &Entry) -> Option<usize> {
    let Op::Reduce(reduce) = &reduction.expression.op else {
        return None;
    };
    let depth = reduction.expression.inputs[0].shape().ndim() - reduce.axes.len();
    (reduce.axes.first() == Some(&depth)).then_some(depth)
}

/// The group that a step can join, and how many axes it then keeps apart.
fn joinable(
    plan: &Plan,
    groups: &[Group],
    grouping: &Grouping,
    step: &Step,
    axes: &Shape,
    limits: Limits,
) -> Option<(u32, usize)> {
    let entries = || {
        let members = step.members().iter();
        members.filter_map(|member| plan.entries[*member as usize].as_ref())
    };
    let own = grouping.entries[*step.members().first()? as usize];
    let consumers = || {
        let all = entries().flat_map(|entry| entry.consumers.iter().copied());
        all.filter(|consumer| grouping.entries[*consumer as usize] != own)
    };
    let number = consumers()
        .map(|consumer| grouping.of_entry(consumer))
        .filter(|number| *number != NO_GROUP)
        .min_by_key(|number| groups[*number as usize].root)?;
    let group = &groups[number as usize];
    let apart = |consumer: u32| {
        grouping.of_entry(consumer) == number || grouping.entries[consumer as usize] > group.root
    };
    let same = |pair: &(&usize, &usize)| pair.0 == pair.1;
    let depth = group.kept.iter().zip(axes.iter()).take_while(same).count();
    let rows: usize = axes[..depth].iter().product();
    let row = |entry: &Entry| entry.node.types[0].bytes() / rows;
    let first = entries().next()?;
    let root_step = plan.steps[group.root as usize].members().last()?;
    let root = plan.entries[*root_step as usize].as_ref()?;
    let fits = depth > 0
        && rows > 1
        && consumers().all(apart)
        && first.node.stream == root.node.stream
        && row(first) <= limits.row
        && row(root) <= limits.row
        && !is_taken_whole(plan, grouping, number, step);
    fits.then_some((number, depth))
}

/// Whether a step of the group takes a result of this step whole with every row.
fn is_taken_whole(plan: &Plan, grouping: &Grouping, number: u32, step: &Step) -> bool {
    let members = || step.members().iter();
    members()
        .filter_map(|member| plan.entries[*member as usize].as_ref())
        .any(|producer| {
            let inside = |consumer: &&u32| grouping.of_entry(**consumer) == number;
            producer
                .consumers
                .iter()
                .filter(inside)
                .filter_map(|consumer| plan.entries[*consumer as usize].as_ref())
                .any(|consumer| {
                    let inputs = consumer.expression.inputs.iter().enumerate();
                    inputs
                        .filter(|(_, input)| Arc::ptr_eq(&input.node, &producer.node))
                        .any(|(place, _)| takes_whole(&consumer.expression.op, place))
                })
        })
}

/// Whether a step alone would justify to look for groups: it treats much memory row by row.
fn is_worth(plan: &Plan, step: &Step, limits: Limits) -> bool {
    let reads_much = |entry: &Entry| {
        let operand = entry.expression.inputs.first();
        operand.is_some_and(|operand| operand.nbytes() >= limits.worthwhile / READERS)
    };
    row_wise(plan, step).is_some_and(reads_much)
}

/// The entry of a step that brings elements of a row together.
fn row_wise<'a>(plan: &'a Plan, step: &Step) -> Option<&'a Entry> {
    let member = match step {
        Step::Single(member) => member,
        Step::Reduced(reduced) => reduced.members.last()?,
        Step::Fused(_) | Step::Rows(_) => return None,
    };
    let entry = plan.entries[*member as usize].as_ref()?;
    is_row_wise(&entry.expression.op).then_some(entry)
}

/// Whether a group has a row-wise step and saves enough of memory.
fn is_worthwhile(
    plan: &Plan,
    group: &Group,
    number: u32,
    grouping: &Grouping,
    limits: Limits,
) -> bool {
    let entry = |member: &u32| plan.entries[*member as usize].as_ref();
    let is_view = |step: &Step| {
        let Step::Single(member) = step else {
            return false;
        };
        entry(member).is_some_and(|entry| matches!(entry.expression.op, Op::View(_)))
    };
    let steps = group.steps.iter().map(|step| &plan.steps[*step as usize]);
    let moving: SmallVec<[&Step; 8]> = steps.filter(|step| !is_view(step)).collect();
    if moving.len() < 2 || moving.iter().all(|step| row_wise(plan, step).is_none()) {
        return false;
    }
    bytes_kept(plan, number, grouping, &moving) + bytes_read_again(plan, number, grouping, &moving)
        >= limits.worthwhile
}

/// Bytes of what only this group needs, if another step needs it at all: it stays out of memory.
fn bytes_kept(plan: &Plan, number: u32, grouping: &Grouping, steps: &[&Step]) -> usize {
    let stays = |entry: &&Entry, own: u32| {
        let inside = |consumer: &u32| grouping.of_entry(*consumer) == number;
        let elsewhere = |consumer: &u32| grouping.entries[*consumer as usize] != own;
        entry.consumers.iter().all(inside)
            && entry.consumers.iter().any(elsewhere)
            && !is_held(entry)
    };
    let kept = steps.iter().flat_map(|step| {
        let members = step.members().iter();
        let own = members.clone().next();
        let own = own.map_or(0, |first| grouping.entries[*first as usize]);
        let entries = members.filter_map(|member| plan.entries[*member as usize].as_ref());
        entries.filter(move |entry| stays(entry, own))
    });
    kept.map(|entry| entry.node.types[0].bytes()).sum()
}

/// Bytes that steps of this group read from outside after an earlier one has.
fn bytes_read_again(plan: &Plan, number: u32, grouping: &Grouping, steps: &[&Step]) -> usize {
    let mut known: SmallVec<[*const Node; 16]> = SmallVec::new();
    let mut again = 0;
    for step in steps {
        let entries = step.members().iter();
        let entries = entries.filter_map(|member| plan.entries[*member as usize].as_ref());
        let inputs = entries.flat_map(|entry| entry.expression.inputs.iter().zip(&entry.producers));
        let outside = |producer: u32| producer == NO_ENTRY || grouping.of_entry(producer) != number;
        let mut read: SmallVec<[*const Node; 8]> = SmallVec::new();
        for (input, _) in inputs.filter(|(_, producer)| outside(**producer)) {
            let node = Arc::as_ptr(&input.node);
            if read.contains(&node) {
                continue;
            }
            read.push(node);
            again += match known.contains(&node) {
                true => input.nbytes(),
                false => 0,
            };
        }
        known.extend(read);
    }
    again
}
