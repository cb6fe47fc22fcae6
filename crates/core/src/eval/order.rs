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
    /// For each input the entry that computes it, or [`NO_ENTRY`].
    pub(super) producers: SmallVec<[u32; 4]>,
    /// Entries that take an output of this one, once for each input.
    pub(super) consumers: SmallVec<[u32; 4]>,
}

/// Entries in order; emptied as steps finish.
pub(super) type Entries = Vec<Option<Entry>>;

/// Where an input is computed that is there already, or that another evaluation computes.
pub(super) const NO_ENTRY: u32 = u32::MAX;

/// The place of an entry among a step's members, which are in order.
pub(super) fn place_among(members: &[u32], entry: u32) -> Option<usize> {
    let (first, last) = (*members.first()?, *members.last()?);
    if entry < first || entry > last {
        return None;
    }
    // the members of a chain follow each other
    let guess = (entry - first) as usize;
    match members.get(guess) == Some(&entry) {
        true => Some(guess),
        false => members.binary_search(&entry).ok(),
    }
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
    pub(super) entries: Entries,
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

/// A claimed node whose inputs are being looked at.
struct Frame {
    claim: u32,
    next_input: usize,
}

/// What an input of a claimed node is.
enum Found {
    /// Lazy until now: its expression, taken.
    Claimed(Expression),
    /// Claimed by this evaluation before, under that number.
    Known(u32),
    /// Computed, or being computed elsewhere.
    Elsewhere,
}

/// Claims all nodes that the arrays depend on and that nobody computes yet. `claimed` is empty
/// memory.
pub(super) fn order(arrays: &[Array], mut claimed: Entries) -> Plan {
    let progress = Arc::new(Progress::default());
    let mut finished: Vec<u32> = Vec::new();
    let mut stack: Vec<Frame> = Vec::new();
    for array in arrays {
        if let Found::Claimed(expression) = find(&array.node, &progress, claimed.len() as u32) {
            let node = array.node.clone();
            stack.push(push(&mut claimed, node, expression));
        }
        while let Some(frame) = stack.last_mut() {
            let next_claim = claimed.len() as u32;
            let Some(Some(entry)) = claimed.get_mut(frame.claim as usize) else {
                break;
            };
            let Some(input) = entry.expression.inputs.get(frame.next_input) else {
                finished.push(frame.claim);
                stack.pop();
                continue;
            };
            frame.next_input += 1;
            match find(&input.node, &progress, next_claim) {
                Found::Known(claim) => entry.producers.push(claim),
                Found::Elsewhere => entry.producers.push(NO_ENTRY),
                Found::Claimed(expression) => {
                    let node = input.node.clone();
                    entry.producers.push(next_claim);
                    stack.push(push(&mut claimed, node, expression));
                }
            }
        }
    }
    arrange(&mut claimed, &finished);
    Plan {
        entries: claimed,
        steps: Vec::new(),
        progress,
        detached: false,
    }
}

fn push(claimed: &mut Entries, node: Arc<Node>, expression: Expression) -> Frame {
    claimed.push(Some(Entry {
        node,
        expression,
        producers: SmallVec::new(),
        consumers: SmallVec::new(),
    }));
    Frame {
        claim: claimed.len() as u32 - 1,
        next_input: 0,
    }
}

/// What a node is; the expression of a lazy one is taken, under the number of a claim.
fn find(node: &Arc<Node>, progress: &Arc<Progress>, number: u32) -> Found {
    let mut state = node.state.lock();
    match &*state {
        State::Running {
            progress: other,
            claim,
            ..
        } if Arc::ptr_eq(other, progress) => Found::Known(*claim),
        State::Lazy(_) | State::Running { .. } | State::Ready { .. } => {
            claim(node, &mut state, progress, number).map_or(Found::Elsewhere, Found::Claimed)
        }
    }
}

/// Takes the expression of a lazy node, which an evaluation computes from now on.
pub(super) fn claim(
    node: &Node,
    state: &mut State,
    progress: &Arc<Progress>,
    number: u32,
) -> Option<Expression> {
    let State::Lazy(expression) = state else {
        return None;
    };
    let kept = node.live_trace().map(|_| Box::new(expression.clone()));
    let running = State::Running {
        expression: kept,
        progress: progress.clone(),
        claim: number,
    };
    match std::mem::replace(state, running) {
        State::Lazy(expression) => Some(expression),
        State::Running { .. } | State::Ready { .. } => None,
    }
}

/// Brings the entries to the order in which they were finished, and tells each who takes it.
fn arrange(claimed: &mut Entries, finished: &[u32]) {
    let mut place_of = vec![NO_ENTRY; claimed.len()];
    for (place, &claim) in (0..).zip(finished) {
        place_of[claim as usize] = place;
    }
    for producer in claimed
        .iter_mut()
        .flatten()
        .flat_map(|entry| &mut entry.producers)
    {
        if *producer != NO_ENTRY {
            *producer = place_of[*producer as usize];
        }
    }
    for claim in 0..claimed.len() {
        while place_of[claim] as usize != claim {
            let place = place_of[claim] as usize;
            claimed.swap(claim, place);
            place_of.swap(claim, place);
        }
    }
    for place in 0..claimed.len() {
        let (before, after) = claimed.split_at_mut(place);
        for &producer in after[0].iter().flat_map(|entry| &entry.producers) {
            if let Some(Some(producer)) = before.get_mut(producer as usize) {
                producer.consumers.push(place as u32);
            }
        }
    }
}
