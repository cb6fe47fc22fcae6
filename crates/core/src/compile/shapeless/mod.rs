//! Traces that hold for every size.
//!
//! Nodes hold sizes: a reshape its shape, a mean the factor `1/n`. While a trace is
//! recorded for every size, the public operations that make such nodes note
//! what the caller said, as a `Call`: so a flatten stays a flatten, and for inputs of
//! other sizes it is called again. Nodes that nobody noted are admitted only if their operation
//! has no size among its parameters; whatever else is met is named in the refusal.

mod call;
mod record;
mod resize;

pub(crate) use call::{Call, Part};
pub(crate) use record::{call, call_all, has_no_sizes, trace};
pub use record::{is_recording, refuse};

use crate::array::Array;
use crate::graph::Value;
use mlx_oxide_ir::{ArrayType, Op};
use mlx_oxide_runtime::Stream;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// A traced function of inputs of any sizes.
#[derive(Clone)]
pub(crate) struct Program {
    /// The inputs that it was traced with; only their dtypes and numbers of axes bind.
    pub(crate) inputs: Vec<ArrayType>,
    pub(crate) constants: Vec<Array>,
    pub(crate) steps: Vec<Step>,
    pub(crate) outputs: Vec<Value>,
}

/// One operation of a [`Program`].
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) what: What,
    pub(crate) inputs: SmallVec<[Value; 2]>,
    pub(crate) stream: Stream,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum What {
    /// An operation without sizes among its parameters.
    Op(Op),
    /// A public operation, called again.
    Call(Call),
}

impl Program {
    /// Whether it takes inputs of these types.
    pub(crate) fn takes(&self, types: &[ArrayType]) -> bool {
        types.len() == self.inputs.len()
            && types.iter().zip(&self.inputs).all(|(found, expected)| {
                found.dtype == expected.dtype && found.shape.ndim() == expected.shape.ndim()
            })
    }
}
