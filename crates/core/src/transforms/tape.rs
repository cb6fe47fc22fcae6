//! The part of a graph between a transform's inputs and its outputs, in order.

use crate::array::{Array, Expression, Node, Site};
use mlx_oxide_ir::Result;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// One node that depends on the inputs.
pub(crate) struct Record {
    pub(crate) node: Arc<Node>,
    pub(crate) expression: Expression,
    /// For each input whether it depends on the inputs of the tape.
    pub(crate) wanted: Vec<bool>,
}

impl Record {
    pub(crate) fn outputs(&self) -> Vec<Array> {
        (0..self.node.types.len() as u32)
            .map(|output| Array {
                node: self.node.clone(),
                output,
            })
            .collect()
    }

    pub(crate) fn site<'a>(&'a self, outputs: &'a [Array]) -> Site<'a> {
        Site {
            op: &self.expression.op,
            inputs: &self.expression.inputs,
            outputs,
            wanted: &self.wanted,
        }
    }
}

/// Nodes that depend on some of the inputs and that some output depends on, each after those it
/// depends on.
pub(crate) struct Tape {
    pub(crate) records: Vec<Record>,
}

/// A key for an output of a node.
pub(crate) fn key(array: &Array) -> (usize, u32) {
    (Arc::as_ptr(&array.node) as usize, array.output)
}

enum Visit {
    Enter(Arc<Node>),
    Leave(Arc<Node>, Expression),
}

impl Tape {
    /// Records the graph from `inputs` to `outputs`. All nodes that depend on the inputs still
    /// have their expressions.
    pub(crate) fn record(inputs: &[Array], outputs: &[Array]) -> Result<Tape> {
        let level = inputs
            .iter()
            .filter_map(|input| input.node.live_trace())
            .map(|trace| trace.level())
            .min();
        let mut depends: FxHashMap<usize, bool> = FxHashMap::default();
        for input in inputs {
            depends.insert(Arc::as_ptr(&input.node) as usize, true);
        }
        let mut records = Vec::new();
        let mut stack: Vec<Visit> = outputs
            .iter()
            .rev()
            .map(|output| Visit::Enter(output.node.clone()))
            .collect();
        while let Some(visit) = stack.pop() {
            match visit {
                Visit::Enter(node) => {
                    let address = Arc::as_ptr(&node) as usize;
                    if depends.contains_key(&address) {
                        continue;
                    }
                    let followed = node
                        .live_trace()
                        .is_some_and(|trace| Some(trace.level()) >= level);
                    let expression = if followed { node.expression() } else { None };
                    let Some(expression) = expression else {
                        depends.insert(address, false);
                        continue;
                    };
                    let children: Vec<_> = expression
                        .inputs
                        .iter()
                        .map(|input| input.node.clone())
                        .collect();
                    stack.push(Visit::Leave(node, expression));
                    stack.extend(children.into_iter().rev().map(Visit::Enter));
                }
                Visit::Leave(node, expression) => {
                    let address = Arc::as_ptr(&node) as usize;
                    if depends.contains_key(&address) {
                        continue; // reached along two paths before it was left
                    }
                    let wanted: Vec<bool> = expression
                        .inputs
                        .iter()
                        .map(|input| {
                            depends.get(&(Arc::as_ptr(&input.node) as usize)) == Some(&true)
                        })
                        .collect();
                    let dependent = wanted.contains(&true);
                    depends.insert(address, dependent);
                    if dependent {
                        records.push(Record {
                            node,
                            expression,
                            wanted,
                        });
                    }
                }
            }
        }
        Ok(Tape { records })
    }
}
