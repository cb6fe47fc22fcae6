//! Elementwise nodes joined into programs.
//!
//! Entries are walked from the last to the first. A node joins the group of a consumer of its own
//! shape if every other consumer comes after that group: then the group can run at the place of
//! its last member, with everything it needs computed before and nobody waiting for it earlier.
//! An intermediate that somebody else holds or needs is one more output of the same program.

use super::order::{Entry, Plan, Step, place_among};
use crate::array::Array;
use mlx_oxide_ir::{Instruction, Op, ReducedProgram, ScalarOp, ScalarProgram, ValueIndex};
use mlx_oxide_runtime::DeviceType;
use smallvec::SmallVec;
use std::sync::Arc;

/// The most instructions of a program: beyond it, registers no longer fit in the first cache.
const MOST_INSTRUCTIONS: usize = 128;
/// The most inputs and outputs of a program on the CPU.
const MOST_OPERANDS: usize = 32;
/// The most on a GPU: portable adapters bind eight storage buffers.
const MOST_OPERANDS_GPU: usize = 7;

const NO_GROUP: u32 = u32::MAX;

#[derive(Default)]
struct Group {
    /// The last member, in whose place the group runs.
    root: u32,
    members: SmallVec<[u32; 4]>,
    /// The arrays that its members take and no member makes, so far.
    inputs: SmallVec<[usize; 8]>,
    /// How many members others take, too; the last one included.
    outputs: usize,
}

impl Group {
    /// How many inputs and outputs it has with one more member.
    fn operands_with(&self, entry: &Entry) -> usize {
        let own = Arc::as_ptr(&entry.node) as usize;
        let inputs = &entry.expression.inputs;
        let is_new = |(number, input): &(usize, &Array)| {
            let id = input.id();
            !self.inputs.contains(&id) && !inputs[..*number].iter().any(|other| other.id() == id)
        };
        let gone = usize::from(self.inputs.contains(&own));
        // the member may be an output
        self.inputs.len() - gone
            + inputs.iter().enumerate().filter(is_new).count()
            + self.outputs
            + 1
    }

    /// Takes in a member, which is an output or not.
    fn join(&mut self, position: u32, entry: &Entry, is_output: bool) {
        self.members.push(position);
        self.outputs += usize::from(is_output);
        let own = Arc::as_ptr(&entry.node) as usize;
        self.inputs.retain(|input| *input != own);
        for id in entry.expression.inputs.iter().map(Array::id) {
            if !self.inputs.contains(&id) {
                self.inputs.push(id);
            }
        }
    }
}

/// Groups elementwise entries and lists the steps.
pub(super) fn fuse(plan: &mut Plan) {
    let mut group_of = vec![NO_GROUP; plan.entries.len()];
    let mut groups: Vec<Group> = Vec::new();
    for position in (0..plan.entries.len() as u32).rev() {
        let Some(entry) = &plan.entries[position as usize] else {
            continue;
        };
        if !is_fusible(entry) {
            continue;
        }
        let joined = joinable(plan, &groups, &group_of, position, entry);
        let is_output = joined.is_none() || needs_output(entry, &group_of, joined);
        let group = joined.unwrap_or_else(|| {
            groups.push(Group {
                root: position,
                ..Group::default()
            });
            groups.len() as u32 - 1
        });
        group_of[position as usize] = group;
        groups[group as usize].join(position, entry, is_output);
    }
    plan.steps = (0..plan.entries.len() as u32)
        .filter_map(|position| match group_of[position as usize] {
            NO_GROUP => Some(Step::Single(position)),
            group => {
                let group = &mut groups[group as usize];
                (group.root == position).then(|| match group.members.len() {
                    1 => Step::Single(position),
                    _ => {
                        group.members.reverse();
                        Step::Fused(group.members.to_vec())
                    }
                })
            }
        })
        .collect();
}

fn is_fusible(entry: &Entry) -> bool {
    scalar_op(&entry.expression.op).is_some() && entry.node.types[0].size() > 0
}

/// The group that the entry can join: that of its first consumer, if all others come later.
fn joinable(
    plan: &Plan,
    groups: &[Group],
    group_of: &[u32],
    position: u32,
    entry: &Entry,
) -> Option<u32> {
    let first = entry
        .consumers
        .iter()
        .map(|consumer| group_of[*consumer as usize])
        .filter(|group| *group != NO_GROUP)
        .min_by_key(|group| groups[*group as usize].root)?;
    let group = &groups[first as usize];
    let apart = |consumer: &u32| group_of[*consumer as usize] == first || *consumer > group.root;
    let root = plan.entries[group.root as usize].as_ref()?;
    let most_operands = match entry.node.stream.device.kind {
        DeviceType::Cpu => MOST_OPERANDS,
        DeviceType::Gpu => MOST_OPERANDS_GPU,
    };
    let fits = entry.consumers.iter().all(apart)
        && entry.node.types[0].shape == root.node.types[0].shape
        && entry.node.stream.device == root.node.stream.device
        && group.members.len() < MOST_INSTRUCTIONS
        && group.operands_with(entry) <= most_operands
        && position < group.root;
    fits.then_some(first)
}

/// Whether somebody outside the group takes the entry's result.
fn needs_output(entry: &Entry, group_of: &[u32], group: Option<u32>) -> bool {
    is_held(entry)
        || entry
            .consumers
            .iter()
            .any(|consumer| Some(group_of[*consumer as usize]) != group)
}

/// Whether somebody outside the plan holds the node: one handle is the plan's, one each
/// consumer's.
pub(super) fn is_held(entry: &Entry) -> bool {
    Arc::strong_count(&entry.node) > entry.consumers.len() + 1
}

/// What one call of a backend computes.
pub(super) struct Content {
    pub(super) op: Op,
    pub(super) inputs: SmallVec<[Array; 4]>,
    /// The entries that its outputs belong to.
    pub(super) outputs: SmallVec<[u32; 2]>,
}

/// The program of a group, its inputs, and for each output the member that it belongs to.
pub(super) struct Fusion {
    pub(super) program: ScalarProgram,
    pub(super) inputs: SmallVec<[Array; 4]>,
    pub(super) outputs: SmallVec<[u32; 2]>,
}

/// Writes the program of a group.
pub(super) fn write_program(entries: &[Option<Entry>], members: &[u32]) -> Fusion {
    let inside = |consumer: &u32| place_among(members, *consumer).is_some();
    let mut inputs: SmallVec<[Array; 4]> = SmallVec::new();
    for entry in members
        .iter()
        .filter_map(|member| entries[*member as usize].as_ref())
    {
        for (input, producer) in entry.expression.inputs.iter().zip(&entry.producers) {
            if place_among(members, *producer).is_none()
                && !inputs.iter().any(|known| known.is_same(input))
            {
                inputs.push(input.clone());
            }
        }
    }
    let mut program = ScalarProgram {
        inputs: inputs.iter().map(Array::dtype).collect(),
        instructions: Vec::with_capacity(members.len()),
        outputs: Vec::new(),
    };
    let mut outputs = SmallVec::new();
    for (instruction, member) in members.iter().enumerate() {
        let Some(entry) = &entries[*member as usize] else {
            continue;
        };
        let operands = entry.expression.inputs.iter().zip(&entry.producers);
        let operands = operands.map(|(input, producer)| {
            let value = match place_among(members, *producer) {
                Some(instruction) => Some(inputs.len() + instruction),
                None => inputs.iter().position(|known| known.is_same(input)),
            };
            value.expect("an operand is an input or a member's result") as ValueIndex
        });
        let Some(op) = scalar_op(&entry.expression.op) else {
            continue;
        };
        program.instructions.push(Instruction {
            op,
            operands: operands.collect(),
            dtype: entry.node.types[0].dtype,
        });
        if is_held(entry) || entry.consumers.iter().any(|consumer| !inside(consumer)) {
            program.outputs.push(program.result_of(instruction));
            outputs.push(*member);
        }
    }
    Fusion {
        program,
        inputs,
        outputs,
    }
}

/// The program of a group with a reduction of one of its values, whose only consumer the reduction
/// may be; the outputs are those of the program that are needed whole.
pub(super) fn reduced_program(
    entries: &[Option<Entry>],
    members: &[u32],
    reduction: u32,
) -> Option<(ReducedProgram, Fusion)> {
    let entry = entries[reduction as usize].as_ref()?;
    let Op::Reduce(reduce) = &entry.expression.op else {
        return None;
    };
    let operand = &entry.expression.inputs.first()?.node;
    let is_operand = |member: &u32| {
        let producer = entries[*member as usize].as_ref();
        producer.is_some_and(|producer| Arc::ptr_eq(&producer.node, operand))
    };
    let instruction = members.iter().position(is_operand)?;
    let mut fusion = write_program(entries, members);
    let producer = entries[members[instruction] as usize].as_ref()?;
    let mut others = producer.consumers.iter();
    let value = fusion.program.result_of(instruction);
    if !is_held(producer)
        && others.all(|consumer| *consumer == reduction || members.binary_search(consumer).is_ok())
    {
        // nobody else takes it
        let place = fusion
            .program
            .outputs
            .iter()
            .position(|output| *output == value)?;
        fusion.program.outputs.remove(place);
        fusion.outputs.remove(place);
    }
    let reduced = ReducedProgram {
        program: std::mem::take(&mut fusion.program),
        value,
        reduce: reduce.clone(),
    };
    Some((reduced, fusion))
}

/// The operation as an instruction, if it is elementwise.
pub(super) fn scalar_op(op: &Op) -> Option<ScalarOp> {
    match op {
        Op::Unary(unary) => Some(ScalarOp::Unary(*unary)),
        Op::Binary(binary) => Some(ScalarOp::Binary(*binary)),
        Op::Select => Some(ScalarOp::Select),
        Op::Cast(_) => Some(ScalarOp::Cast),
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
        | Op::Random(_)
        | Op::Fast(_)
        | Op::Quantized(_)
        | Op::Fused(_)
        | Op::FusedReduce(_)
        | Op::Custom(_) => None,
    }
}
