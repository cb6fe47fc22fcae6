//! One error type for everything that can go wrong, with the operation and the mismatch in fields.

use crate::dtype::Dtype;
use crate::shape::Shape;

/// Shorthand for a result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of exception that an [`Error`] becomes where the language has classes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// An argument has an unsuitable value or shape.
    Value,
    /// An argument has an unsuitable type.
    Type,
    /// An index lies outside its axis.
    Index,
    /// Evaluation failed.
    Runtime,
    /// Memory could not be had.
    Memory,
}

/// What went wrong, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes do not broadcast together.
    #[error("[{op}] shapes {lhs} and {rhs} cannot be broadcast together")]
    BroadcastMismatch {
        /// The operation.
        op: &'static str,
        /// Left shape.
        lhs: Shape,
        /// Right shape.
        rhs: Shape,
    },
    /// Two shapes do not fit each other.
    #[error("[{op}] {rule}: {lhs} × {rhs}")]
    ShapeMismatch {
        /// The operation.
        op: &'static str,
        /// What the shapes must satisfy, as a statement of the failure.
        rule: &'static str,
        /// Left shape.
        lhs: Shape,
        /// Right shape.
        rhs: Shape,
    },
    /// One shape is not what the operation takes.
    #[error("[{op}] {rule}, but the shape is {shape}")]
    ShapeUnsuitable {
        /// The operation.
        op: &'static str,
        /// What the shape must satisfy.
        rule: &'static str,
        /// The shape at fault.
        shape: Shape,
    },
    /// A reshape changes the number of elements.
    #[error("[{op}] cannot reshape an array of {size} elements into shape {shape}")]
    ReshapeSize {
        /// The operation.
        op: &'static str,
        /// Elements of the input.
        size: usize,
        /// The wanted shape, as the caller wrote it.
        shape: String,
    },
    /// A shape has too many bytes to address.
    #[error("[{op}] an array of shape {shape} is too large to address")]
    TooLarge {
        /// The operation.
        op: &'static str,
        /// The shape at fault.
        shape: Shape,
    },
    /// An axis lies outside the array.
    #[error("[{op}] axis {axis} is out of bounds for an array with {ndim} dimensions")]
    AxisOutOfBounds {
        /// The operation.
        op: &'static str,
        /// The axis as given.
        axis: i64,
        /// Dimensions of the array.
        ndim: usize,
    },
    /// An axis was given twice.
    #[error("[{op}] axis {axis} is given more than once")]
    RepeatedAxis {
        /// The operation.
        op: &'static str,
        /// The axis.
        axis: usize,
    },
    /// An index lies outside its axis.
    #[error("[{op}] index {index} is out of bounds for axis {axis} with size {size}")]
    IndexOutOfBounds {
        /// The operation.
        op: &'static str,
        /// The index as given.
        index: i64,
        /// The axis.
        axis: usize,
        /// Size of the axis.
        size: usize,
    },
    /// The operation does not take this dtype.
    #[error("[{op}] dtype {dtype} is not supported; expected {expected}")]
    DtypeUnsupported {
        /// The operation.
        op: &'static str,
        /// The dtype at fault.
        dtype: Dtype,
        /// What the operation takes.
        expected: &'static str,
    },
    /// Two dtypes do not fit each other.
    #[error("[{op}] dtypes {lhs} and {rhs} differ")]
    DtypeMismatch {
        /// The operation.
        op: &'static str,
        /// Left dtype.
        lhs: Dtype,
        /// Right dtype.
        rhs: Dtype,
    },
    /// An argument has an unsuitable value.
    #[error("[{op}] {argument} is {value}; expected {expected}")]
    InvalidArgument {
        /// The operation.
        op: &'static str,
        /// Name of the argument.
        argument: &'static str,
        /// Its value, printed.
        value: String,
        /// What the operation takes.
        expected: &'static str,
    },
    /// An operation was given a wrong number of inputs.
    #[error("[{op}] takes {expected} inputs, got {found}")]
    InputCount {
        /// The operation.
        op: &'static str,
        /// How many it takes.
        expected: usize,
        /// How many it was given.
        found: usize,
    },
    /// An operation has no derivative.
    #[error("[{op}] is not differentiable: {reason}")]
    NotDifferentiable {
        /// The operation.
        op: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// A value was read while a transform traces the function.
    #[error(
        "[{op}] the value of an array was read inside a function that is being traced by vmap, \
         compile or export, where it has no value yet; use where, take or another array operation \
         instead of reading it, or move the read out of the transformed function"
    )]
    ReadWhileTracing {
        /// What wanted the value.
        op: &'static str,
    },
    /// An array of a traced function was used after the tracing had ended.
    #[error(
        "[{op}] an array from inside a function traced by vmap, compile or export is used after \
         the trace ended, where it has no value; return it from the function instead of storing \
         it elsewhere, or name the container that holds it in `outputs`"
    )]
    LeakedTracer {
        /// What used it.
        op: &'static str,
    },
    /// A file with an exported function cannot be read or written.
    #[error("[{op}] {reason}")]
    ExportedFunction {
        /// Reading or writing.
        op: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A trace that was to serve inputs of all sizes holds for those that it was made with alone.
    #[error(
        "[{op}] {operation} depends on the sizes of the inputs, so a shapeless trace would be wrong \
         for others; make a trace for each size"
    )]
    HoldsSizes {
        /// What was asked for.
        op: &'static str,
        /// The operation, or the property that was read.
        operation: &'static str,
    },
    /// An imported function was called with inputs that it was not exported for.
    #[error("[import_function] no trace takes {found}; there are traces for:{expected}")]
    NoExportedTrace {
        /// The inputs' types, printed.
        found: String,
        /// Those of the traces, printed.
        expected: String,
    },
    /// No installed backend runs the operation.
    #[error("[{op}] no backend for {device} runs this operation on {dtype}")]
    NoBackend {
        /// The operation.
        op: &'static str,
        /// The device asked for.
        device: String,
        /// Dtype of the first operand.
        dtype: Dtype,
    },
    /// A device failed or is absent.
    #[error("[{device}] {reason}")]
    Device {
        /// The device.
        device: String,
        /// What its driver or the system said.
        reason: String,
    },
    /// Memory could not be had.
    #[error("[{op}] cannot allocate {bytes} bytes: {reason}")]
    OutOfMemory {
        /// What asked for memory.
        op: &'static str,
        /// How much.
        bytes: usize,
        /// Why not.
        reason: &'static str,
    },
    /// A numerical routine found its input unsuitable (singular, not positive definite, …).
    #[error("[{op}] {reason}")]
    Numerical {
        /// The operation.
        op: &'static str,
        /// What the routine found.
        reason: String,
    },
    /// A caller's own function failed inside a transform.
    #[error("{message}")]
    Callback {
        /// What it said.
        message: String,
    },
    /// An invariant of the library itself was broken; please report it.
    #[error("[{op}] internal error: {detail}; this is a bug in mlx-oxide")]
    Internal {
        /// The operation.
        op: &'static str,
        /// What was found.
        detail: String,
    },
}

impl Error {
    /// The error with the name of the operation that wanted a value, where it is about reading one
    /// while tracing.
    #[must_use]
    pub fn read_by(self, op: &'static str) -> Self {
        match self {
            Error::ReadWhileTracing { .. } => Error::ReadWhileTracing { op },
            other => other,
        }
    }

    /// The kind of exception that this error becomes.
    pub fn class(&self) -> ErrorClass {
        match self {
            Error::BroadcastMismatch { .. }
            | Error::ShapeMismatch { .. }
            | Error::ShapeUnsuitable { .. }
            | Error::ReshapeSize { .. }
            | Error::TooLarge { .. }
            | Error::AxisOutOfBounds { .. }
            | Error::RepeatedAxis { .. }
            | Error::DtypeUnsupported { .. }
            | Error::DtypeMismatch { .. }
            | Error::InvalidArgument { .. }
            | Error::InputCount { .. }
            | Error::NotDifferentiable { .. }
            | Error::NoExportedTrace { .. }
            | Error::HoldsSizes { .. }
            | Error::ReadWhileTracing { .. } => ErrorClass::Value,
            Error::IndexOutOfBounds { .. } => ErrorClass::Index,
            Error::NoBackend { .. }
            | Error::LeakedTracer { .. }
            | Error::ExportedFunction { .. }
            | Error::Device { .. }
            | Error::Numerical { .. }
            | Error::Callback { .. }
            | Error::Internal { .. } => ErrorClass::Runtime,
            Error::OutOfMemory { .. } => ErrorClass::Memory,
        }
    }
}
