//! Kernels by family. Each module answers `supports` and `run`; what it compiles is a variant of
//! [`Kernel`].

mod arg_reduce;
mod contract;
mod elementwise;
mod fast;
mod index;
mod operand;
mod packing;
mod random;
mod reduce;
mod scan;
mod sort;
mod source;
mod view;

use crate::codegen::KernelText;
use crate::dispatch::Capabilities;
use mlx_oxide_ir::{ArrayType, Error, Op, Result};
use mlx_oxide_runtime::{Call, Results};

/// Elements that an array on the device has at most: places are 32 bits wide, and the numbers of
/// invocations, rounded up to whole workgroups, must not wrap.
pub(crate) const LARGEST: usize = (u32::MAX - (1 << 16)) as usize;

/// Invocations of a workgroup, where nothing else decides.
const WORKGROUP: u32 = 256;

/// What makes a kernel's text, in the one shading language there is so far. Another language
/// gets another method, and a backend asks for the one it compiles.
pub(crate) trait KernelSource {
    /// The kernel in the making: bindings, parameters and statements.
    fn write(&self) -> KernelText;
}

/// A kernel as data: everything that its text depends on, and nothing that it does not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    Elementwise(elementwise::Elementwise),
    Arange(source::Arange),
    Reduce(reduce::ReduceKernel),
    Scan(scan::ScanKernel),
    Sort(sort::SortKernel),
    Searchsorted(sort::Searchsorted),
    Contract(contract::MatmulKernel),
    Softmax(fast::SoftmaxKernel),
    Norm(fast::NormKernel),
    Index(index::IndexKernel),
    Random(random::RandomKernel),
}

impl Kernel {
    fn source(&self) -> &dyn KernelSource {
        match self {
            Kernel::Elementwise(kernel) => kernel,
            Kernel::Arange(kernel) => kernel,
            Kernel::Reduce(kernel) => kernel,
            Kernel::Scan(kernel) => kernel,
            Kernel::Sort(kernel) => kernel,
            Kernel::Searchsorted(kernel) => kernel,
            Kernel::Contract(kernel) => kernel,
            Kernel::Softmax(kernel) => kernel,
            Kernel::Norm(kernel) => kernel,
            Kernel::Index(kernel) => kernel,
            Kernel::Random(kernel) => kernel,
        }
    }

    /// Its text in WGSL.
    pub(crate) fn wgsl(&self) -> String {
        self.source().write().finish()
    }

    /// How many inputs and outputs it binds.
    pub(crate) fn binding_counts(&self) -> (usize, usize) {
        self.source().write().binding_counts()
    }

    /// Its name in the driver's messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kernel::Elementwise(_) => "elementwise",
            Kernel::Arange(_) => "arange",
            Kernel::Reduce(_) => "reduce",
            Kernel::Scan(_) => "scan",
            Kernel::Sort(_) => "sort",
            Kernel::Searchsorted(_) => "searchsorted",
            Kernel::Contract(_) => "contract",
            Kernel::Softmax(_) => "softmax",
            Kernel::Norm(_) => "norm",
            Kernel::Index(_) => "index",
            Kernel::Random(_) => "random",
        }
    }
}

/// Whether kernels run the operation on such operands.
pub(crate) fn supports(
    op: &Op,
    inputs: &[&ArrayType],
    outputs: &[ArrayType],
    capabilities: &Capabilities,
) -> bool {
    // elementwise kernels run piece by piece; all others see their operands whole
    let visible = |array: &ArrayType| array.bytes() as u64 <= capabilities.binding_bytes;
    let whole = || inputs.iter().all(|input| visible(input)) && outputs.iter().all(visible);
    match op {
        Op::Source(op) => source::supports(op),
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) | Op::Fused(_) => {
            elementwise::supports(op, inputs, capabilities)
        }
        Op::View(_) => true,
        Op::Index(op) => whole() && index::supports(op, inputs, capabilities),
        Op::Reduce(op) => whole() && reduce::supports(op, inputs, outputs, capabilities),
        Op::ArgReduce(op) => whole() && arg_reduce::supports(op, inputs, capabilities),
        Op::Scan(op) => whole() && scan::supports(op, inputs, outputs, capabilities),
        Op::Sort(op) => whole() && sort::supports(op, inputs, capabilities),
        Op::Contract(op) => whole() && contract::supports(op, inputs, capabilities),
        Op::Random(op) => whole() && random::supports(op, inputs),
        Op::Fast(op) => whole() && fast::supports(op, inputs),
        Op::Fft(_) | Op::Linalg(_) | Op::Quantized(_) | Op::FusedReduce(_) | Op::Custom(_) => false,
    }
}

/// Runs the operation.
pub(crate) fn run(call: &Call<'_>) -> Result<Results> {
    match call.op {
        Op::Source(op) => source::run(op, call),
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) | Op::Fused(_) => {
            elementwise::run(call)
        }
        Op::View(op) => view::run(op, call),
        Op::Index(op) => index::run(op, call),
        Op::Reduce(op) => reduce::run(op, call),
        Op::ArgReduce(op) => arg_reduce::run(op, call),
        Op::Scan(op) => scan::run(op, call),
        Op::Sort(op) => sort::run(op, call),
        Op::Contract(op) => contract::run(op, call),
        Op::Random(op) => random::run(op, call),
        Op::Fast(op) => fast::run(op, call),
        Op::Fft(_) | Op::Linalg(_) | Op::Quantized(_) | Op::FusedReduce(_) | Op::Custom(_) => {
            Err(declined(call))
        }
    }
}

/// The error of a call that `supports` declined.
fn declined(call: &Call<'_>) -> Error {
    Error::Internal {
        op: call.op.name(),
        detail: "the GPU backend declined this call".to_owned(),
    }
}
