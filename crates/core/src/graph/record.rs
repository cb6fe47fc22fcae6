//! From arrays to a graph.

use super::{Graph, Step, Value};
use crate::array::{Array, Expression, Node};
use crate::compile::shapeless::{self, Call};
use crate::transforms::Trace;
use mlx_oxide_ir::{ArrayType, Error, Op, Result, Source, View};
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
        shapeless::refuse("a traced function");
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

    /// [`record`](Graph::record) with noted calls in place of what they are made of: steps
    /// whose operation is a stand-in, each with its call.
    pub(crate) fn record_noted(
        inputs: &[Array],
        outputs: &[Array],
        level: u32,
        noted: Noted,
    ) -> Result<(Graph, Vec<Option<Call>>)> {
        let mut recorder = Recorder::new(inputs, Some(level));
        recorder.noted = noted;
        recorder.record_all(outputs)?;
        Ok((recorder.graph, recorder.calls))
    }

    fn record_from(inputs: &[Array], outputs: &[Array], level: Option<u32>) -> Result<Graph> {
        let mut recorder = Recorder::new(inputs, level);
        recorder.record_all(outputs)?;
        Ok(recorder.graph)
    }
}

/// Public calls that a trace noted, by their outputs.
#[derive(Default)]
pub(crate) struct Noted {
    calls: Vec<NotedCall>,
    /// The call that an array is an output of.
    made: FxHashMap<Key, usize>,
}

struct NotedCall {
    call: Call,
    inputs: Vec<Array>,
    /// Kept so that their addresses stay their own.
    outputs: Vec<Array>,
}

impl Noted {
    pub(crate) fn add(&mut self, call: Call, inputs: Vec<Array>, outputs: &[Array]) {
        let number = self.calls.len();
        self.made
            .extend(outputs.iter().map(|output| (key(output), number)));
        self.calls.push(NotedCall {
            call,
            inputs,
            outputs: outputs.to_vec(),
        });
    }
}

struct Recorder {
    graph: Graph,
    known: FxHashMap<Key, Value>,
    /// The trace that is followed; without one everything is that is not computed.
    level: Option<u32>,
    noted: Noted,
    /// For each step the call that it stands for.
    calls: Vec<Option<Call>>,
}

struct Frame {
    node: Arc<Node>,
    expression: Expression,
    next_input: usize,
    call: Option<usize>,
}

impl Recorder {
    fn new(inputs: &[Array], level: Option<u32>) -> Self {
        let types = inputs.iter().map(|input| input.array_type().clone());
        let values = (0..inputs.len() as u32).map(Value::Input);
        Recorder {
            graph: Graph {
                inputs: types.collect(),
                ..Graph::default()
            },
            known: inputs.iter().map(key).zip(values).collect(),
            level,
            noted: Noted::default(),
            calls: Vec::new(),
        }
    }

    fn record_all(&mut self, outputs: &[Array]) -> Result<()> {
        for output in outputs {
            let value = self.record(output)?;
            self.graph.outputs.push(value);
        }
        Ok(())
    }

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
        if let Some(call) = self.noted.made.get(&key(array)) {
            return Ok(Some(Frame {
                node: array.node.clone(),
                expression: Expression {
                    op: Op::View(View::Contiguous), // a stand-in that nobody runs
                    inputs: self.noted.calls[*call].inputs.iter().cloned().collect(),
                    rules: None,
                },
                next_input: 0,
                call: Some(*call),
            }));
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
                call: None,
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
        let call = frame.call.map(|call| &self.noted.calls[call]);
        let outputs: SmallVec<[Key; 2]> = match call {
            Some(noted) => noted.outputs.iter().map(key).collect(),
            None => {
                let address = Arc::as_ptr(&frame.node) as usize;
                (0..frame.node.types.len() as u32)
                    .map(|output| (address, output))
                    .collect()
            }
        };
        for (output, key) in (0u32..).zip(outputs) {
            // an output that is an input of the graph stays one
            self.known
                .entry(key)
                .or_insert(Value::Result { step, output });
        }
        self.calls.push(call.map(|noted| noted.call.clone()));
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
