//! Which nodes to compute, each after those it depends on.

use super::reduce::Reduced;
use super::rows::Rows;
use crate::array::{Array, Expression, Node, State};
use mlx_oxide_runtime::{Progress, Stream};
use smallvec::SmallVec;
use std::sync::Arc;

/// One claimed node.
pub(super) struct Entry {
    pub(super) node: Arc<Node>,
    pub(super) expression: Expression,
    /// Entries that take an output of this one, once for each input.
    pub(super) consumers: SmallVec<[u32; 2]>,
}

/// A unit of execution.
pub(super) enum Step {
    /// One node by itself.
    Single(u32),
    /// Elementwise nodes of one shape, in order.
    Fused(Vec<u32>),
    /// Steps that run together for a block of rows at a time.
    Rows(Rows),
    /// An elementwise program and the reduction of one of its values.
    Reduced(Reduced),
}

impl Step {
    /// Its entries, in order.
    pub(super) fn members(&self) -> &[u32] {
        match self {
            Step::Single(member) => std::slice::from_ref(member),
            Step::Fused(members) => members,
            Step::Rows(rows) => &rows.members,
            Step::Reduced(reduced) => &reduced.members,
        }
    }
}

/// Claimed nodes and the steps that compute them.
pub(super) struct Plan {
    /// Emptied as steps finish.
    pub(super) entries: Vec<Option<Entry>>,
    pub(super) steps: Vec<Step>,
    pub(super) progress: Arc<Progress>,
    /// Whether it runs on a stream's thread, where nobody waits for its error.
    pub(super) detached: bool,
}

impl Plan {
    pub(super) fn stream(&self) -> Stream {
        self.entries
            .iter()
            .flatten()
            .last()
            .map_or_else(Stream::current, |entry| entry.node.stream)
    }
}

struct Frame {
    node: Arc<Node>,
    expression: Expression,
    next_input: usize,
}

/// The place in the plan of a node that is still on the stack.
const UNPLACED: u32 = u32::MAX;

/// Claims all nodes that the arrays depend on and that nobody computes yet.
pub(super) fn order(arrays: &[Array]) -> Plan {
    let progress = Arc::new(Progress::default());
    let mut plan = Plan {
        entries: Vec::new(),
        steps: Vec::new(),
        progress,
        detached: false,
    };
    let mut stack: Vec<Frame> = Vec::new();
    for array in arrays {
        if let Some(frame) = claim(&array.node, &plan.progress) {
            stack.push(frame);
        }
        while let Some(frame) = stack.last_mut() {
            match frame.expression.inputs.get(frame.next_input) {
                Some(input) => {
                    let node = input.node.clone();
                    frame.next_input += 1;
                    if let Some(frame) = claim(&node, &plan.progress) {
                        stack.push(frame);
                    }
                }
                None => {
                    if let Some(frame) = stack.pop() {
                        place(&mut plan, frame);
                    }
                }
            }
        }
    }
    plan
}

/// Takes the expression of a lazy node; nothing of one that is computed or being computed.
fn claim(node: &Arc<Node>, progress: &Arc<Progress>) -> Option<Frame> {
    let mut state = node.state.lock();
    if !matches!(*state, State::Lazy(_)) {
        return None;
    }
    let running = State::Running {
        expression: None,
        progress: progress.clone(),
        entry: UNPLACED,
    };
    let State::Lazy(expression) = std::mem::replace(&mut *state, running) else {
        return None;
    };
    if node.live_trace().is_some()
        && let State::Running {
            expression: kept, ..
        } = &mut *state
    {
        *kept = Some(Box::new(expression.clone()));
    }
    drop(state);
    Some(Frame {
        node: node.clone(),
        expression,
        next_input: 0,
    })
}

/// Adds a node whose inputs are placed, and tells its inputs of it.
fn place(plan: &mut Plan, frame: Frame) {
    let position = plan.entries.len() as u32;
    for input in &frame.expression.inputs {
        if let State::Running {
            progress, entry, ..
        } = &*input.node.state.lock()
            && Arc::ptr_eq(progress, &plan.progress)
            && let Some(Some(producer)) = plan.entries.get_mut(*entry as usize)
        {
            producer.consumers.push(position);
        }
    }
    if let State::Running { entry, .. } = &mut *frame.node.state.lock() {
        *entry = position;
    }
    plan.entries.push(Some(Entry {
        node: frame.node,
        expression: frame.expression,
        consumers: SmallVec::new(),
    }));
}
