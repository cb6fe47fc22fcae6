//! Memory of the device: pooled buffers, uploads and downloads.

mod pool;
mod transfer;

pub(crate) use pool::Pool;

use crate::dispatch::{Binding, Context};
use mlx_oxide_ir::{Error, Result};
use mlx_oxide_runtime::{DeviceMemory, Operand};
use std::any::Any;
use std::sync::Arc;

/// A device buffer that holds an array's elements; dropped, it returns to the pool.
pub(crate) struct Memory {
    context: &'static Context,
    buffer: Option<wgpu::Buffer>,
    bytes: usize,
}

impl Memory {
    /// Memory of at least `bytes`, not initialised.
    pub(crate) fn allocate(context: &'static Context, bytes: usize) -> Result<Self> {
        let buffer = Some(context.pool.take(context, bytes)?);
        Ok(Memory {
            context,
            buffer,
            bytes,
        })
    }

    pub(crate) fn buffer(&self) -> Result<&wgpu::Buffer> {
        self.buffer.as_ref().ok_or_else(|| Error::Internal {
            op: "buffer",
            detail: "device memory was returned while in use".to_owned(),
        })
    }

    /// The whole of it, as far as elements lie there.
    pub(crate) fn binding(&self) -> Result<Binding<'_>> {
        self.window(0, self.bytes)
    }

    /// The bytes from `low` to `high` for a kernel; `low` is a multiple of the alignment.
    pub(crate) fn window(&self, low: usize, high: usize) -> Result<Binding<'_>> {
        let bytes = (high - low).next_multiple_of(16).max(16) as u64;
        let limit = self.context.capabilities.binding_bytes;
        if bytes > limit {
            return Err(self.context.error(format!(
                "an operand spans {bytes} bytes, but kernels see at most {limit} at once"
            )));
        }
        Ok(Binding {
            buffer: self.buffer()?,
            offset: low as u64,
            bytes,
        })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.context.pool.give_back(self.context, buffer);
        }
    }
}

impl DeviceMemory for Memory {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn download(&self, destination: &mut [u8]) -> Result<()> {
        transfer::download(self.context, self.buffer()?, destination)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The operand's elements on the device, uploaded if they are only on the host.
pub(crate) fn resident(context: &'static Context, operand: &Operand) -> Result<Arc<Memory>> {
    let memory = operand
        .buffer
        .device_or_upload(|bytes| Ok(Arc::new(upload(context, bytes)?)))?;
    let shared: Arc<dyn Any + Send + Sync> = memory.clone();
    shared.downcast::<Memory>().map_err(|_| Error::Internal {
        op: "buffer",
        detail: "memory of another device".to_owned(),
    })
}

/// Memory with these bytes.
pub(crate) fn upload(context: &'static Context, bytes: &[u8]) -> Result<Memory> {
    let buffer = Some(context.pool.take_filled(context, bytes)?);
    Ok(Memory {
        context,
        buffer,
        bytes: bytes.len(),
    })
}
