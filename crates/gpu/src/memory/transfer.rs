//! Bytes from the device to the host.

use crate::dispatch::Context;
use mlx_oxide_ir::{Error, Result};
use std::sync::mpsc;

/// Waits for the kernels that write `source` and copies its first bytes to the host.
pub(super) fn download(
    context: &Context,
    source: &wgpu::Buffer,
    destination: &mut [u8],
) -> Result<()> {
    if destination.is_empty() {
        return Ok(());
    }
    if context.capabilities.unified {
        // a mapped buffer must not be in use, so nothing may be recorded meanwhile
        return context.exclusively(|| read_mapped(context, source, destination));
    }
    let bytes = destination.len().next_multiple_of(4) as u64;
    let staging = context.guarded(|| {
        context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("download"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    })?;
    context.exclusively(|| {
        context.guarded(|| {
            let mut encoder = context.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(source, 0, &staging, 0, bytes);
            context.queue.submit([encoder.finish()]);
        })
    })?;
    read_mapped(context, &staging, destination)
}

fn read_mapped(context: &Context, buffer: &wgpu::Buffer, destination: &mut [u8]) -> Result<()> {
    let range = ..destination
        .len()
        .next_multiple_of(8)
        .min(buffer.size() as usize) as u64;
    let (sender, outcome) = mpsc::channel();
    context.guarded(|| {
        buffer
            .slice(range)
            .map_async(wgpu::MapMode::Read, move |result| {
                // nobody listens after a failure to wait
                let _ = sender.send(result);
            });
    })?;
    let waited = context.wait();
    // the outcome may come from another thread that waits for the same device
    let mapped = outcome.recv().map_err(|_| Error::Internal {
        op: "transfer",
        detail: "a buffer's mapping was forgotten".to_owned(),
    })?;
    waited?;
    mapped.map_err(|error| context.error(error.to_string()))?;
    let copied = buffer
        .slice(range)
        .get_mapped_range()
        .map(|mapped| destination.copy_from_slice(&mapped[..destination.len()]));
    buffer.unmap();
    copied.map_err(|error| context.error(error.to_string()))
}
