//! The intermediate representation: what an array program *is*, as plain data.
//!
//! Nothing here evaluates, allocates or knows a device. [`Op`] names every primitive, [`mod@infer`]
//! gives the shapes and dtypes of its outputs, [`ScalarProgram`] is a fused elementwise chain.
#![forbid(unsafe_code)]

pub mod dtype;
pub mod erfinv;
pub mod error;
pub mod float8;
pub mod infer;
pub mod layout;
pub mod op;
pub mod program;
pub mod random;
pub mod real;
pub mod scalar;
pub mod shape;

pub use dtype::{Dtype, DtypeCategory, result_type};
pub use error::{Error, ErrorClass, Result};
pub use infer::{ArrayType, OutputTypes, infer};
pub use layout::{Layout, Strides};
pub use op::*;
pub use program::{Instruction, ReducedProgram, ScalarOp, ScalarProgram, ValueIndex};
pub use real::Real;
pub use scalar::Scalar;
pub use shape::{Axes, Shape, normalize_axes, normalize_axis};
