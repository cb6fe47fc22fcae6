//! Building the graph.

use super::node::{Inputs, Node, State};
use super::{Array, CustomRules, Expression};
use crate::graph::Step;
use crate::transforms::Trace;
use mlx_oxide_ir::{ArrayType, Op, OutputTypes, Result, Source, infer};
use mlx_oxide_runtime::{Stored, Stream};
use parking_lot::Mutex;
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

impl Array {
    /// The output of an operation that has one.
    pub fn apply(op: Op, inputs: &[&Array]) -> Result<Array> {
        Self::apply_on(op, inputs, Stream::current())
    }

    /// The output of an operation that has one, on a stream.
    pub fn apply_on(op: Op, inputs: &[&Array], stream: Stream) -> Result<Array> {
        let types = infer_types(&op, inputs)?;
        Ok(Array {
            node: build(op, inputs, types, stream, None),
            output: 0,
        })
    }

    /// All outputs of an operation.
    pub fn apply_all(op: Op, inputs: &[&Array]) -> Result<Vec<Array>> {
        let types = infer_types(&op, inputs)?;
        let count = types.len() as u32;
        let node = build(op, inputs, types, Stream::current(), None);
        Ok((0..count)
            .map(|output| Array {
                node: node.clone(),
                output,
            })
            .collect())
    }

    /// All outputs of a caller's own operation.
    pub fn apply_custom(
        op: Op,
        inputs: &[&Array],
        rules: Arc<dyn CustomRules>,
    ) -> Result<Vec<Array>> {
        let types = infer_types(&op, inputs)?;
        let count = types.len() as u32;
        let node = build(op, inputs, types, Stream::current(), Some(rules));
        Ok((0..count)
            .map(|output| Array {
                node: node.clone(),
                output,
            })
            .collect())
    }

    /// The same expression applied to other inputs.
    pub(crate) fn apply_expression(
        expression: &Expression,
        inputs: &[&Array],
        stream: Stream,
    ) -> Result<Vec<Array>> {
        let types = infer_types(&expression.op, inputs)?;
        let count = types.len() as u32;
        let node = build(
            expression.op.clone(),
            inputs,
            types,
            stream,
            expression.rules.clone(),
        );
        Ok((0..count)
            .map(|output| Array {
                node: node.clone(),
                output,
            })
            .collect())
    }

    /// The node of a traced step on operands of the traced types.
    pub(crate) fn rebuild(step: &Step, operands: Inputs) -> Arc<Node> {
        let trace = innermost(&operands);
        Arc::new(Node {
            types: step.types.clone(),
            stream: step.stream,
            trace,
            state: Mutex::new(State::Lazy(Expression {
                op: step.op.clone(),
                inputs: operands,
                rules: step.rules.clone(),
            })),
        })
    }

    /// An array whose elements are there.
    pub fn from_stored(stored: Stored, array_type: ArrayType) -> Array {
        debug_assert_eq!(stored.layout.shape, array_type.shape);
        Array {
            node: Arc::new(Node {
                types: smallvec![array_type],
                stream: Stream::current(),
                trace: None,
                state: Mutex::new(State::Ready {
                    outputs: smallvec![stored],
                    expression: None,
                }),
            }),
            output: 0,
        }
    }

    /// An input of a function that is being traced: it has a type but no value.
    pub(crate) fn placeholder(array_type: ArrayType, trace: &Arc<Trace>) -> Array {
        let op = Op::Source(Source::Placeholder(Box::new(array_type.clone())));
        let expression = Expression {
            op,
            inputs: Inputs::new(),
            rules: None,
        };
        Array {
            node: Arc::new(Node {
                types: smallvec![array_type],
                stream: Stream::current(),
                trace: Some(trace.clone()),
                state: Mutex::new(State::Lazy(expression)),
            }),
            output: 0,
        }
    }

    /// A copy that a transform follows; it shares the elements where they are there.
    pub(crate) fn tracer(&self, trace: &Arc<Trace>) -> Array {
        let op = Op::View(mlx_oxide_ir::View::Reshape(self.shape().clone()));
        let expression = Expression {
            op,
            inputs: smallvec![self.clone()],
            rules: None,
        };
        let state = match self.stored() {
            Some(stored) => State::Ready {
                outputs: smallvec![stored],
                expression: self.is_traced().then(|| Box::new(expression)),
            },
            None => State::Lazy(expression),
        };
        Array {
            node: Arc::new(Node {
                types: smallvec![self.array_type().clone()],
                stream: self.stream(),
                trace: Some(trace.clone()),
                state: Mutex::new(state),
            }),
            output: 0,
        }
    }

    /// A node of its own for the same elements, which a transform follows and whose expression
    /// stays.
    pub(crate) fn tracer_of(&self, trace: &Arc<Trace>) -> Array {
        let op = Op::View(mlx_oxide_ir::View::Reshape(self.shape().clone()));
        Array {
            node: Arc::new(Node {
                types: smallvec![self.array_type().clone()],
                stream: self.stream(),
                trace: Some(trace.clone()),
                state: Mutex::new(State::Lazy(Expression {
                    op,
                    inputs: smallvec![self.clone()],
                    rules: None,
                })),
            }),
            output: 0,
        }
    }

    /// Where the elements are, if they are there.
    pub(crate) fn stored(&self) -> Option<Stored> {
        match &*self.node.state.lock() {
            State::Ready { outputs, .. } => outputs.get(self.output as usize).cloned(),
            State::Lazy(_) | State::Running { .. } => None,
        }
    }
}

fn infer_types(op: &Op, inputs: &[&Array]) -> Result<OutputTypes> {
    let types: SmallVec<[&ArrayType; 4]> = inputs.iter().map(|input| input.array_type()).collect();
    infer(op, &types)
}

fn build(
    op: Op,
    inputs: &[&Array],
    types: OutputTypes,
    stream: Stream,
    rules: Option<Arc<dyn CustomRules>>,
) -> Arc<Node> {
    let inputs: Inputs = inputs.iter().map(|input| (*input).clone()).collect();
    let trace = innermost(&inputs);
    Arc::new(Node {
        types,
        stream,
        trace,
        state: Mutex::new(State::Lazy(Expression { op, inputs, rules })),
    })
}

/// The innermost transform under way that follows some of the inputs.
fn innermost(inputs: &[Array]) -> Option<Arc<Trace>> {
    inputs
        .iter()
        .filter_map(|input| input.node.live_trace())
        .max_by_key(|trace| trace.level())
        .cloned()
}
