//! What an evaluation moves between the processor and memory, counted from its plan.

use super::fuse::is_held;
use super::order::{Entry, Plan, Step};
use crate::array::Array;
use mlx_oxide_ir::{Op, View};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Passes over memory and the bytes that they move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Steps that read or write elements, each a pass over its operands.
    pub passes: usize,
    /// Bytes of operands, each counted once for each step that reads it; of a stretched array only
    /// what is stretched.
    pub read: usize,
    /// Bytes of results that exist whole.
    pub written: usize,
}

/// Counts what the steps of a plan move.
pub(super) fn count(plan: &Plan) -> Traffic {
    let mut place_of: FxHashMap<usize, u32> = FxHashMap::default();
    for (place, entry) in plan.entries.iter().enumerate() {
        if let Some(entry) = entry {
            place_of.insert(Arc::as_ptr(&entry.node) as usize, place as u32);
        }
    }
    let counter = Counter { plan, place_of };
    let mut traffic = Traffic::default();
    for step in &plan.steps {
        counter.add(step, &mut traffic);
    }
    traffic
}

struct Counter<'a> {
    plan: &'a Plan,
    place_of: FxHashMap<usize, u32>,
}

impl Counter<'_> {
    fn add(&self, step: &Step, traffic: &mut Traffic) {
        let members = step.members();
        let inside = |place: u32| members.contains(&place);
        let mut read: FxHashMap<(usize, u32), usize> = FxHashMap::default();
        let mut moves = false;
        for entry in members.iter().filter_map(|member| self.entry(*member)) {
            if is_free(entry) {
                continue;
            }
            moves = true;
            for input in &entry.expression.inputs {
                let source = self.source(input);
                let address = Arc::as_ptr(&source.node) as usize;
                if !self
                    .place_of
                    .get(&address)
                    .is_some_and(|place| inside(*place))
                {
                    let bytes = self.bytes(input);
                    let known = read.entry((address, source.output)).or_default();
                    *known = bytes.max(*known);
                }
            }
            let needed = is_held(entry)
                || entry.consumers.is_empty()
                || entry.consumers.iter().any(|consumer| !inside(*consumer));
            if needed {
                let types = entry.node.types.iter();
                traffic.written += types.map(|output| output.bytes()).sum::<usize>();
            }
        }
        traffic.passes += usize::from(moves);
        traffic.read += read.values().sum::<usize>();
    }

    fn entry(&self, place: u32) -> Option<&Entry> {
        self.plan.entries[place as usize].as_ref()
    }

    fn entry_of(&self, array: &Array) -> Option<&Entry> {
        let address = Arc::as_ptr(&array.node) as usize;
        self.entry(*self.place_of.get(&address)?)
    }

    /// The array whose memory a view shows.
    fn source<'a>(&'a self, array: &'a Array) -> &'a Array {
        let mut array = array;
        while let Some(entry) = self.entry_of(array).filter(|entry| is_free(entry)) {
            let Some(input) = entry.expression.inputs.first() else {
                break;
            };
            array = input;
        }
        array
    }

    /// The bytes that reading all of an array takes from memory.
    fn bytes(&self, array: &Array) -> usize {
        if let Some(stored) = array.stored() {
            let sizes = stored.layout.shape.iter().zip(&stored.layout.strides);
            let distinct = sizes.filter(|(_, stride)| **stride != 0);
            return distinct.map(|(size, _)| size).product::<usize>() * array.itemsize();
        }
        match self.entry_of(array).map(|entry| &entry.expression) {
            Some(expression) if matches!(expression.op, Op::View(_)) => {
                let shown = expression.inputs.first().map(|input| self.bytes(input));
                shown.unwrap_or(0).min(array.nbytes())
            }
            _ => array.nbytes(),
        }
    }
}

/// Whether an operation only shows memory in another way.
fn is_free(entry: &Entry) -> bool {
    matches!(&entry.expression.op, Op::View(view) if !matches!(view, View::Contiguous))
}
