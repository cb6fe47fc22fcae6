//! Device buffers kept for reuse, by size class.

use crate::dispatch::Context;
use mlx_oxide_ir::Result;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// The smallest buffer; also what keeps every window inside it aligned.
const SMALLEST: usize = 256;

/// Bytes kept for reuse at most.
const KEPT: u64 = 1 << 30;

/// A buffer and the batch that may still use it.
struct Kept {
    buffer: wgpu::Buffer,
    batch: u64,
}

#[derive(Default)]
struct Shelves {
    by_size: BTreeMap<u64, Vec<Kept>>,
    bytes: u64,
}

/// Buffers nobody holds. Work of one device runs in the order it was recorded, so a buffer may
/// be written by a later kernel while an earlier one still reads it; only the host has to wait.
pub(crate) struct Pool(Mutex<Shelves>);

impl Pool {
    pub(crate) fn new() -> Self {
        Pool(Mutex::default())
    }

    /// A buffer of at least `bytes`, for kernels to write.
    pub(super) fn take(&self, context: &Context, bytes: usize) -> Result<wgpu::Buffer> {
        let size = size_class(bytes);
        match self.pop(size) {
            Some(kept) => Ok(kept.buffer),
            None => create(context, size, false),
        }
    }

    /// A buffer with these bytes.
    pub(super) fn take_filled(&self, context: &Context, source: &[u8]) -> Result<wgpu::Buffer> {
        let size = size_class(source.len());
        let Some(kept) = self.pop(size) else {
            let buffer = create(context, size, true)?;
            let end = source.len().next_multiple_of(4) as u64;
            if let Ok(mut mapped) = buffer.slice(..end.max(4)).get_mapped_range_mut() {
                mapped.slice(..source.len()).copy_from_slice(source);
            }
            buffer.unmap();
            return Ok(buffer);
        };
        if kept.batch == context.batch() {
            // the write would overtake kernels that are recorded but not yet submitted
            context.exclusively(|| Ok(()))?;
        }
        context.guarded(|| write(context, &kept.buffer, source))?;
        Ok(kept.buffer)
    }

    fn pop(&self, size: u64) -> Option<Kept> {
        let mut shelves = self.0.lock();
        let kept = shelves.by_size.get_mut(&size)?.pop()?;
        shelves.bytes -= size;
        Some(kept)
    }

    pub(super) fn give_back(&self, context: &Context, buffer: wgpu::Buffer) {
        let size = buffer.size();
        let mut shelves = self.0.lock();
        if shelves.bytes + size > KEPT {
            return;
        }
        shelves.bytes += size;
        shelves.by_size.entry(size).or_default().push(Kept {
            buffer,
            batch: context.batch(),
        });
    }
}

/// Eighths of powers of two: at most an eighth is wasted.
fn size_class(bytes: usize) -> u64 {
    if bytes <= SMALLEST {
        return SMALLEST as u64;
    }
    let step = ((1usize << (usize::BITS - 1 - bytes.leading_zeros())) / 8).max(SMALLEST);
    bytes.next_multiple_of(step) as u64
}

/// Writes in the order of submissions. Writes are whole words, so the end is padded.
fn write(context: &Context, buffer: &wgpu::Buffer, source: &[u8]) {
    let whole = source.len() & !3;
    context.queue.write_buffer(buffer, 0, &source[..whole]);
    if whole < source.len() {
        let mut word = [0; 4];
        word[..source.len() - whole].copy_from_slice(&source[whole..]);
        context.queue.write_buffer(buffer, whole as u64, &word);
    }
}

fn create(context: &Context, size: u64, mapped: bool) -> Result<wgpu::Buffer> {
    let limit = context.capabilities.buffer_bytes;
    if size > limit {
        return Err(context.error(format!(
            "an array of {size} bytes exceeds the device's largest buffer of {limit}"
        )));
    }
    let mut usage =
        wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    if context.capabilities.unified {
        usage |= wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::MAP_WRITE;
    }
    context.guarded(|| {
        context.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: mapped,
        })
    })
}
