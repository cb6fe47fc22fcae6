//! From a function to a program for every size.

use super::{Call, Program, Step, What};
use crate::array::Array;
use crate::graph::{Graph, Noted};
use crate::transforms::Trace;
use mlx_oxide_ir::{ArrayType, Fast, Index, Op, Result, Sort, Source, View};
use std::cell::{Cell, RefCell};

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Off,
    /// Calls are noted.
    On,
    /// Inside a noted call, whose own calls are not.
    Inside,
}

/// What is noted of one trace.
#[derive(Default)]
struct Recording {
    noted: Noted,
    refused: Option<&'static str>,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Off) };
    static RECORDING: RefCell<Recording> = RefCell::default();
}

/// Sets a mode until it is dropped.
struct Within(Mode);

impl Within {
    fn enter(mode: Mode) -> Self {
        Within(MODE.replace(mode))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        MODE.set(self.0);
    }
}

/// Puts the recording of a trace around this one back.
struct Outer(Recording);

impl Drop for Outer {
    fn drop(&mut self) {
        RECORDING.replace(std::mem::take(&mut self.0));
    }
}

/// Whether this thread records a trace for every size.
pub fn is_recording() -> bool {
    MODE.get() == Mode::On
}

/// Notes that what this thread records holds for the present sizes alone, because of `what`: an
/// operation, or the name of a property that was read.
pub fn refuse(what: &'static str) {
    if is_recording() {
        RECORDING.with_borrow_mut(|recording| {
            recording.refused.get_or_insert(what);
        });
    }
}

/// Runs a public operation with one output and notes it.
pub(crate) fn call<F>(call: impl FnOnce() -> Call, inputs: &[&Array], run: F) -> Result<Array>
where
    F: FnOnce() -> Result<Array>,
{
    if !is_recording() {
        return run();
    }
    let output = {
        let _inside = Within::enter(Mode::Inside);
        run()?
    };
    Ok(note(call(), inputs, vec![output]).swap_remove(0))
}

/// Runs a public operation and notes it.
pub(crate) fn call_all<F>(
    call: impl FnOnce() -> Call,
    inputs: &[&Array],
    run: F,
) -> Result<Vec<Array>>
where
    F: FnOnce() -> Result<Vec<Array>>,
{
    if !is_recording() {
        return run();
    }
    let outputs = {
        let _inside = Within::enter(Mode::Inside);
        run()?
    };
    Ok(note(call(), inputs, outputs))
}

fn note(call: Call, inputs: &[&Array], outputs: Vec<Array>) -> Vec<Array> {
    let Some(trace) = inputs.iter().find_map(|input| input.node.live_trace()) else {
        return outputs; // of constants alone: a constant
    };
    // an output needs a node of its own that depends on the inputs, even where it is one of them
    // now or depends on their sizes alone
    let outputs: Vec<Array> = outputs
        .iter()
        .map(|output| {
            let is_input = inputs.iter().any(|input| input.is_same(output));
            match is_input || !output.is_traced() {
                true => output.tracer_of(trace),
                false => output.clone(),
            }
        })
        .collect();
    RECORDING.with_borrow_mut(|recording| {
        let inputs = inputs.iter().map(|input| (*input).clone()).collect();
        recording.noted.add(call, inputs, &outputs);
    });
    outputs
}

/// Runs a function once on inputs without values. Returns the graph for these sizes and the
/// program for every size, or the name of what stands in the way of one.
pub(crate) fn trace<F>(
    function: F,
    inputs: &[ArrayType],
) -> Result<(Graph, std::result::Result<Program, &'static str>)>
where
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    let _outer = Outer(RECORDING.take());
    let scope = Trace::begin();
    let placeholders: Vec<Array> = inputs
        .iter()
        .map(|array_type| Array::placeholder(array_type.clone(), &scope))
        .collect();
    let outputs = {
        let _on = Within::enter(Mode::On);
        function(&placeholders)?
    };
    let recording = RECORDING.take();
    let graph = Graph::record(&placeholders, &outputs, scope.level())?;
    let program = match recording.refused {
        Some(what) => Err(what),
        None => {
            let noted =
                Graph::record_noted(&placeholders, &outputs, scope.level(), recording.noted)?;
            program(noted.0, noted.1)
        }
    };
    Ok((graph, program))
}

fn program(
    graph: Graph,
    mut calls: Vec<Option<Call>>,
) -> std::result::Result<Program, &'static str> {
    let mut steps = Vec::with_capacity(graph.steps.len());
    for (position, step) in graph.steps.into_iter().enumerate() {
        let what = match calls[position].take() {
            Some(call) => What::Call(call),
            None if step.rules.is_none() && has_no_sizes(&step.op) => What::Op(step.op),
            None => return Err(step.op.name()),
        };
        steps.push(Step {
            what,
            inputs: step.inputs,
            stream: step.stream,
        });
    }
    Ok(Program {
        inputs: graph.inputs,
        constants: graph.constants,
        steps,
        outputs: graph.outputs,
    })
}

/// Whether no parameter of the operation depends on sizes of its operands.
pub(crate) fn has_no_sizes(op: &Op) -> bool {
    match op {
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Select
        | Op::Cast(_)
        | Op::Reduce(_)
        | Op::ArgReduce(_)
        | Op::Scan(_)
        | Op::Contract(_)
        | Op::Linalg(_) => true,
        Op::View(view) => match view {
            View::Permute(_) | View::Bitcast(_) | View::StopGradient | View::Contiguous => true,
            View::Reshape(_) | View::Broadcast(_) | View::Slice(_) | View::AsStrided(_) => false,
        },
        Op::Index(index) => match index {
            Index::Concatenate { .. }
            | Index::Pad(_)
            | Index::TakeAlongAxis { .. }
            | Index::DynamicSliceUpdate { .. } => true,
            Index::SliceUpdate { .. }
            | Index::DynamicSlice { .. }
            | Index::Gather { .. }
            | Index::Scatter { .. }
            | Index::ScatterAlongAxis { .. } => false,
        },
        Op::Sort(sort) => match sort {
            Sort::Sort { .. } | Sort::Argsort { .. } | Sort::Searchsorted { .. } => true,
            Sort::Partition { .. } | Sort::Argpartition { .. } => false,
        },
        Op::Fast(fast) => match fast {
            Fast::Softmax { .. }
            | Fast::RmsNorm { .. }
            | Fast::LayerNorm { .. }
            | Fast::Rope { .. }
            | Fast::Attention { .. }
            | Fast::NormGradient { .. }
            | Fast::Recurrent { .. } => true,
        },
        Op::Source(source) => match source {
            Source::Full { shape, .. } => shape.ndim() == 0,
            Source::Arange { .. } | Source::Placeholder(_) => false,
        },
        Op::Fft(_)
        | Op::Random(_)
        | Op::Quantized(_)
        | Op::Fused(_)
        | Op::FusedReduce(_)
        | Op::Custom(_) => false,
    }
}
