//! What a backend is to the rest.

use crate::buffer::Buffer;
use crate::device::{Device, DeviceType};
use crate::stream::Stream;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Op, Result};
use parking_lot::RwLock;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// An evaluated input.
#[derive(Clone)]
pub struct Operand {
    /// Where its elements are.
    pub buffer: Buffer,
    /// How they lie there.
    pub layout: Layout,
    /// Their type.
    pub dtype: Dtype,
    /// Whether nobody else needs the elements after this operation.
    pub donatable: bool,
}

impl Operand {
    /// Shape and dtype.
    pub fn array_type(&self) -> ArrayType {
        ArrayType {
            shape: self.layout.shape.clone(),
            dtype: self.dtype,
        }
    }

    /// The operand's own buffer to write `bytes` of output into, element for element in place,
    /// if nobody else uses it and the elements fill it in row-major order.
    pub fn donate(&self, bytes: usize) -> Option<Buffer> {
        let fits = self.donatable
            && self.layout.offset == 0
            && self.layout.is_contiguous()
            && self.layout.size() * self.dtype.size() == bytes
            && self.buffer.is_exclusive();
        fits.then(|| self.buffer.reuse()).flatten()
    }
}

/// A finished output.
#[derive(Clone)]
pub struct Stored {
    /// Where its elements are.
    pub buffer: Buffer,
    /// How they lie there.
    pub layout: Layout,
}

impl Stored {
    /// Row-major elements at the start of a buffer.
    pub fn contiguous(buffer: Buffer, array_type: &ArrayType) -> Self {
        Stored {
            buffer,
            layout: Layout::contiguous(array_type.shape.clone()),
        }
    }
}

/// Outputs in order; nearly always one.
pub type Results = SmallVec<[Stored; 1]>;

/// One operation to run.
pub struct Call<'a> {
    /// What to compute.
    pub op: &'a Op,
    /// On what.
    pub inputs: &'a [Operand],
    /// Types of the outputs, as inferred.
    pub outputs: &'a [ArrayType],
    /// Where.
    pub stream: Stream,
}

/// A property of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InfoValue {
    /// Words.
    Text(String),
    /// A number.
    Number(u64),
}

/// Runs operations on one kind of device. Inputs have been validated by inference: a backend
/// trusts shapes, dtypes and layouts, and checks nothing but the values of indices.
pub trait Backend: Send + Sync {
    /// The kind of device.
    fn device_type(&self) -> DeviceType;

    /// How many devices there are.
    fn device_count(&self) -> usize;

    /// Name, memory, architecture and the like.
    fn device_info(&self, device: Device) -> BTreeMap<String, InfoValue>;

    /// Whether it runs the operation on such inputs; if not, the operation is decomposed or
    /// another backend asked.
    fn supports(&self, op: &Op, inputs: &[&ArrayType]) -> bool;

    /// Runs the operation; the outputs may still be in flight on the stream.
    fn run(&self, call: Call<'_>) -> Result<Results>;

    /// Returns when all that was run on the stream is finished.
    fn synchronize(&self, stream: Stream) -> Result<()>;
}

static INSTALLED: RwLock<Vec<&'static dyn Backend>> = RwLock::new(Vec::new());

/// Adds a backend behind those already installed for its kind of device.
pub fn install(backend: &'static dyn Backend) {
    INSTALLED.write().push(backend);
}

/// The backends for a kind of device, the preferred one first.
pub fn installed(kind: DeviceType) -> SmallVec<[&'static dyn Backend; 2]> {
    INSTALLED
        .read()
        .iter()
        .copied()
        .filter(|backend| backend.device_type() == kind)
        .collect()
}

/// The first backend of the kind that runs the operation.
pub fn find(kind: DeviceType, op: &Op, inputs: &[&ArrayType]) -> Option<&'static dyn Backend> {
    INSTALLED
        .read()
        .iter()
        .copied()
        .find(|backend| backend.device_type() == kind && backend.supports(op, inputs))
}
