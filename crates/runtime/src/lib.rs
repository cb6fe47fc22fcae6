//! What evaluation stands on: memory, devices, streams, threads, and the [`Backend`] trait.
//!
//! Kernel crates see only this crate and the intermediate representation: an operation, operands
//! in buffers with layouts, and a stream.

pub mod allocator;
pub mod backend;
pub mod buffer;
pub mod device;
pub mod executable;
pub mod parallel;
pub mod pieces;
pub mod progress;
pub mod stream;

pub use backend::{Backend, Call, InfoValue, Operand, Results, Stored};
pub use buffer::{Buffer, DeviceMemory, HostMemory};
pub use device::{Device, DeviceType};
pub use executable::Executable;
pub use pieces::Pieces;
pub use progress::Progress;
pub use stream::Stream;
