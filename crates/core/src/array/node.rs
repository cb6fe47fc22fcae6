//! Nodes of the graph and their states.

use super::Array;
use crate::rules::batch::Batched;
use crate::transforms::{ControlFlow, Trace};
use mlx_oxide_ir::{Op, OutputTypes, Result};
use mlx_oxide_runtime::{Progress, Results, Stream};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::Arc;

/// Inputs of a node; nearly always up to two.
pub(crate) type Inputs = SmallVec<[Array; 2]>;

/// An operation applied to arrays.
#[derive(Clone)]
pub struct Expression {
    /// What is computed.
    pub op: Op,
    /// On what.
    pub inputs: Inputs,
    /// The rules of a caller's own operation.
    pub rules: Option<Arc<dyn CustomRules>>,
}

/// Where a rule is applied.
pub struct Site<'a> {
    /// The operation.
    pub op: &'a Op,
    /// Its inputs.
    pub inputs: &'a [Array],
    /// Its outputs.
    pub outputs: &'a [Array],
    /// For each input whether its gradient is wanted.
    pub wanted: &'a [bool],
}

/// What evaluation does with a caller's own operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing: the outputs are the last inputs, and only transforms see the operation.
    Rules,
    /// The outputs are the last inputs, but only once all inputs are computed.
    Order,
    /// It computes the outputs by [`CustomRules::evaluate`].
    Computation,
}

/// What a caller's own operation does under transforms.
pub trait CustomRules: Send + Sync {
    /// Cotangents of the inputs; `None` is zero.
    fn vjp(&self, site: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>>;

    /// Tangents of the outputs; `None` is zero.
    fn jvp(&self, site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>>;

    /// What evaluation does with it.
    fn role(&self) -> Role {
        Role::Rules
    }

    /// The outputs of an operation whose role is a computation, from computed inputs.
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let _ = inputs;
        Ok(Vec::new())
    }

    /// The traced functions that a control structure is made of.
    fn control_flow(&self) -> Option<ControlFlow<'_>> {
        None
    }

    /// The outputs for batched inputs.
    fn batch(&self, site: &Site<'_>, inputs: &[Batched]) -> Result<Vec<Batched>>;
}

pub(crate) enum State {
    /// Not computed.
    Lazy(Expression),
    /// Claimed by an evaluation, under a number of its own.
    Running {
        /// Kept for a transform that is under way.
        expression: Option<Box<Expression>>,
        progress: Arc<Progress>,
        claim: u32,
    },
    /// Computed.
    Ready {
        outputs: Results,
        /// Kept for a transform that is under way.
        expression: Option<Box<Expression>>,
    },
}

pub(crate) struct Node {
    pub(crate) types: OutputTypes,
    pub(crate) stream: Stream,
    pub(crate) trace: Option<Arc<Trace>>,
    pub(crate) state: Mutex<State>,
}

impl Node {
    /// The innermost transform under way that follows this node.
    pub(crate) fn live_trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref().and_then(Trace::live)
    }

    /// The node's expression, unless it was freed by evaluation.
    pub(crate) fn expression(&self) -> Option<Expression> {
        match &*self.state.lock() {
            State::Lazy(expression) => Some(expression.clone()),
            State::Running { expression, .. } | State::Ready { expression, .. } => {
                expression.as_deref().cloned()
            }
        }
    }
}

impl State {
    fn into_inputs(self) -> Inputs {
        match self {
            State::Lazy(expression) => expression.inputs,
            State::Running { expression, .. } | State::Ready { expression, .. } => expression
                .map(|expression| expression.inputs)
                .unwrap_or_default(),
        }
    }
}

fn empty() -> State {
    State::Ready {
        outputs: Results::new(),
        expression: None,
    }
}

impl Drop for Node {
    /// Frees a chain of nodes one after the other: recursion would overflow the stack on long
    /// ones.
    fn drop(&mut self) {
        let mut doomed = std::mem::replace(self.state.get_mut(), empty()).into_inputs();
        if doomed
            .iter()
            .all(|input| Arc::strong_count(&input.node) > 1)
        {
            return;
        }
        while let Some(array) = doomed.pop() {
            if let Some(mut node) = Arc::into_inner(array.node) {
                doomed.extend(std::mem::replace(node.state.get_mut(), empty()).into_inputs());
            }
        }
    }
}
