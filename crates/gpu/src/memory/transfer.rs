//! Bytes from the device to the host.

use crate::dispatch::Context;
use mlx_oxide_ir::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;

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
    let outcome = Arc::new(Mutex::new(None));
    let report = outcome.clone();
    context.guarded(|| {
        buffer
            .slice(range)
            .map_async(wgpu::MapMode::Read, move |result| {
                *report.lock() = Some(result);
            });
    })?;
    context.wait()?;
    match outcome.lock().take() {
        Some(Ok(())) => {}
        Some(Err(error)) => return Err(context.error(error.to_string())),
        None => {
            return Err(Error::Internal {
                op: "transfer",
                detail: "a finished device left a buffer unmapped".to_owned(),
            });
        }
    }
    let copied = buffer
        .slice(range)
        .get_mapped_range()
        .map(|mapped| destination.copy_from_slice(&mapped[..destination.len()]));
    buffer.unmap();
    copied.map_err(|error| context.error(error.to_string()))
}
