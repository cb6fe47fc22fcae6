//! From arrays to a graph.

use super::{Graph, Step, Value};
use crate::array::{Array, Expression, Node};
use crate::transforms::Trace;
use mlx_oxide_ir::{ArrayType, Error, Op, Result, Source};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

type Key = (usize, u32);

fn key(array: &Array) -> Key {
    (Arc::as_ptr(&array.node) as usize, array.output)
}

impl Graph {
    /// Runs a function once on inputs without values and records what it does.
    ///
    /// # Errors
    /// Whatever `function` returns; [`Error::ReadWhileTracing`] if it reads a value that depends
    /// on its inputs.
    pub fn trace<F>(function: F, inputs: &[ArrayType]) -> Result<Graph>
    where
        F: FnOnce(&[Array]) -> Result<Vec<Array>>,
    {
        let scope = Trace::begin();
        let placeholders: Vec<Array> = inputs
            .iter()
            .map(|array_type| Array::placeholder(array_type.clone(), &scope))
            .collect();
        let outputs = function(&placeholders)?;
        Graph::record(&placeholders, &outputs, scope.level())
    }

    /// Runs a function on arrays that keep their values; returns its outputs too.
    pub(crate) fn trace_with_values<F>(function: F, inputs: &[Array]) -> Result<(Graph, Vec<Array>)>
    where
        F: FnOnce(&[Array]) -> Result<Vec<Array>>,
    {
        let scope = Trace::begin();
        let tracers: Vec<Array> = inputs.iter().map(|input| input.tracer(&scope)).collect();
        let outputs = function(&tracers)?;
        let graph = Graph::record(&tracers, &outputs, scope.level())?;
        Ok((graph, outputs))
    }

    /// The graph of arrays that are not computed yet, from those that are.
    ///
    /// # Errors
    /// None of its own.
    pub fn of(arrays: &[Array]) -> Result<Graph> {
        Graph::record_from(&[], arrays, None)
    }

    /// Records what lies between inputs of a trace of `level` and outputs.
    pub(crate) fn record(inputs: &[Array], outputs: &[Array], level: u32) -> Result<Graph> {
        Graph::record_from(inputs, outputs, Some(level))
    }

    fn record_from(inputs: &[Array], outputs: &[Array], level: Option<u32>) -> Result<Graph> {
        let mut recorder = Recorder {
            graph: Graph {
                inputs: inputs
                    .iter()
                    .map(|input| input.array_type().clone())
                    .collect(),
                ..Graph::default()
            },
            known: FxHashMap::default(),
            level,
        };
        for (position, input) in inputs.iter().enumerate() {
            recorder
                .known
                .insert(key(input), Value::Input(position as u32));
        }
        for output in outputs {
            let value = recorder.record(output)?;
            recorder.graph.outputs.push(value);
        }
        Ok(recorder.graph)
    }
}

struct Recorder {
    graph: Graph,
    known: FxHashMap<Key, Value>,
    /// The trace that is followed; without one everything is that is not computed.
    level: Option<u32>,
}

struct Frame {
    node: Arc<Node>,
    expression: Expression,
    next_input: usize,
}

impl Recorder {
    /// The value of an array; what it depends on is recorded first, without recursion.
    fn record(&mut self, array: &Array) -> Result<Value> {
        let mut stack: Vec<Frame> = Vec::new();
        stack.extend(self.enter(array)?);
        while let Some(frame) = stack.last_mut() {
            match frame.expression.inputs.get(frame.next_input) {
                Some(input) => {
                    let input = input.clone();
                    frame.next_input += 1;
                    stack.extend(self.enter(&input)?);
                }
                None => {
                    if let Some(frame) = stack.pop() {
                        self.leave(frame);
                    }
                }
            }
        }
        Ok(self.known[&key(array)])
    }

    /// The frame of a node that has to be recorded; others become known at once.
    fn enter(&mut self, array: &Array) -> Result<Option<Frame>> {
        if self.known.contains_key(&key(array)) {
            return Ok(None);
        }
        let live_level = array.node.live_trace().map(|trace| trace.level());
        let followed = match self.level {
            Some(level) => live_level >= Some(level),
            None => !array.is_evaluated(),
        };
        match array.node.expression() {
            Some(expression) if is_placeholder(&expression) => {
                if live_level.is_none() {
                    return Err(Error::LeakedTracer { op: "compile" });
                }
                self.constant(array);
                Ok(None)
            }
            Some(expression) if followed || is_source(&expression) => Ok(Some(Frame {
                node: array.node.clone(),
                expression,
                next_input: 0,
            })),
            _ => {
                self.constant(array);
                Ok(None)
            }
        }
    }

    fn constant(&mut self, array: &Array) {
        let value = Value::Constant(self.graph.constants.len() as u32);
        self.graph.constants.push(array.clone());
        self.known.insert(key(array), value);
    }

    fn leave(&mut self, frame: Frame) {
        let step = self.graph.steps.len() as u32;
        let inputs: SmallVec<[Value; 2]> = frame
            .expression
            .inputs
            .iter()
            .map(|input| self.known[&key(input)])
            .collect();
        let address = Arc::as_ptr(&frame.node) as usize;
        for output in 0..frame.node.types.len() as u32 {
            // an output that is an input of the graph stays one
            self.known
                .entry((address, output))
                .or_insert(Value::Result { step, output });
        }
        self.graph.steps.push(Step {
            op: frame.expression.op,
            inputs,
            types: frame.node.types.clone(),
            stream: frame.node.stream,
            rules: frame.expression.rules,
        });
    }
}

fn is_placeholder(expression: &Expression) -> bool {
    matches!(expression.op, Op::Source(Source::Placeholder(_)))
}

/// Whether the array is cheap to make again and may be large to keep.
fn is_source(expression: &Expression) -> bool {
    matches!(
        expression.op,
        Op::Source(Source::Full { .. } | Source::Arange { .. })
    )
}
