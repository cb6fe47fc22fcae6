//! Primitives are data: [`Op`] holds parameters only, by family.

pub mod binary;
pub mod contract;
pub mod domain;
pub mod fast;
pub mod fft;
pub mod index;
pub mod linalg;
pub mod quantized;
pub mod random;
pub mod reduce;
pub mod scan;
pub mod sort;
pub mod source;
pub mod unary;
pub mod view;

pub use binary::Binary;
pub use contract::{Contract, Convolution};
pub use domain::{Domain, promote_operands};
pub use fast::{Cell, Fast};
pub use fft::Fft;
pub use index::{Combine, Index, Padding};
pub use linalg::{Linalg, SingularVectors};
pub use quantized::{Packing, QuantizationMode, Quantized};
pub use random::Random;
pub use reduce::{ArgReduce, Extreme, Reduce, ReduceKind};
pub use scan::{Scan, ScanKind};
pub use sort::Sort;
pub use source::Source;
pub use unary::Unary;
pub use view::{AsStrided, View};

use crate::dtype::Dtype;
use crate::infer::ArrayType;
use crate::program::{ReducedProgram, ScalarProgram};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A primitive operation: its family and parameters, without inputs, device or behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// Arrays out of nothing.
    Source(Source),
    /// Elementwise, one operand.
    Unary(Unary),
    /// Elementwise, two operands of one shape and dtype.
    Binary(Binary),
    /// Elementwise: input 1 where input 0 (`bool`) is true, else input 2.
    Select,
    /// Elements converted to another dtype.
    Cast(Dtype),
    /// The same elements under another shape or order.
    View(View),
    /// Elements moved between places.
    Index(Index),
    /// Reductions over axes.
    Reduce(Reduce),
    /// Index of an extreme.
    ArgReduce(ArgReduce),
    /// Cumulative operations.
    Scan(Scan),
    /// Sorting and searching.
    Sort(Sort),
    /// Matrix products and convolutions.
    Contract(Contract),
    /// Discrete Fourier transforms.
    Fft(Fft),
    /// Linear algebra.
    Linalg(Linalg),
    /// Random bits.
    Random(Random),
    /// Compositions with kernels of their own.
    Fast(Fast),
    /// Packed matrices and numbers of eight bits.
    Quantized(Quantized),
    /// An elementwise program, made by evaluation.
    Fused(Arc<ScalarProgram>),
    /// A reduction of what an elementwise program makes, made by evaluation.
    FusedReduce(Arc<ReducedProgram>),
    /// A caller's own operation; its behaviour hangs on the graph node.
    Custom(Box<Custom>),
}

/// A caller's own operation, as data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Custom {
    /// Its name.
    pub name: Arc<str>,
    /// Its parameters in the caller's own encoding.
    pub params: Arc<[u8]>,
    /// Its output types. When the operation is an identity with rules of its own (custom
    /// gradients, checkpoints), the outputs are the last inputs.
    pub outputs: Vec<ArrayType>,
}

impl Op {
    /// Its public name, in messages and pictures.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Source(source) => source.name(),
            Op::Unary(unary) => unary.name(),
            Op::Binary(binary) => binary.name(),
            Op::Select => "where",
            Op::Cast(_) => "astype",
            Op::View(view) => view.name(),
            Op::Index(index) => index.name(),
            Op::Reduce(reduce) => reduce.name(),
            Op::ArgReduce(reduce) => reduce.name(),
            Op::Scan(scan) => scan.name(),
            Op::Sort(sort) => sort.name(),
            Op::Contract(contract) => contract.name(),
            Op::Fft(fft) => fft.name(),
            Op::Linalg(linalg) => linalg.name(),
            Op::Random(random) => random.name(),
            Op::Fast(fast) => fast.name(),
            Op::Quantized(quantized) => quantized.name(),
            Op::Fused(_) => "fused",
            Op::FusedReduce(reduced) => reduced.reduce.name(),
            Op::Custom(_) => "custom",
        }
    }

    /// Whether each output element depends on the input elements at its own place alone.
    pub fn is_elementwise(&self) -> bool {
        match self {
            Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) => true,
            Op::Source(_)
            | Op::View(_)
            | Op::Index(_)
            | Op::Reduce(_)
            | Op::ArgReduce(_)
            | Op::Scan(_)
            | Op::Sort(_)
            | Op::Contract(_)
            | Op::Fft(_)
            | Op::Linalg(_)
            | Op::Random(_)
            | Op::Fast(_)
            | Op::Quantized(_)
            | Op::Fused(_)
            | Op::FusedReduce(_)
            | Op::Custom(_) => false,
        }
    }
}
