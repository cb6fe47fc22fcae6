//! A batch of kernels that is being recorded: one command buffer, one compute pass, and one block
//! of parameters, all submitted at once.

use super::pipeline::{Binding, Pipeline};
use super::{Capabilities, Context, GRID_WIDTH};

/// Kernels in a batch: enough to share the cost of a submission, few enough that the device
/// starts soon.
const BATCH: usize = 48;

/// Bytes of parameters of one batch.
const PARAMETER_BYTES: usize = 64 << 10;

/// Uniform bindings are whole multiples of this.
const PARAMETER_BLOCK: usize = 16;

struct Open {
    encoder: wgpu::CommandEncoder,
    pass: wgpu::ComputePass<'static>,
    dispatches: usize,
}

/// The batch in the making.
pub(super) struct Recorder {
    open: Option<Open>,
    parameters: Vec<u8>,
    arena: wgpu::Buffer,
    alignment: usize,
}

impl Recorder {
    pub(super) fn new(device: &wgpu::Device, capabilities: &Capabilities) -> Self {
        Recorder {
            open: None,
            parameters: Vec::with_capacity(PARAMETER_BYTES),
            arena: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("parameters"),
                size: PARAMETER_BYTES as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
            alignment: capabilities.uniform_alignment as usize,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.dispatches >= BATCH)
    }

    /// Whether the parameters still fit into this batch.
    pub(super) fn has_room(&self, parameters: &[u32]) -> bool {
        let start = self.parameters.len().next_multiple_of(self.alignment);
        start + block_bytes(parameters) <= PARAMETER_BYTES
    }

    pub(super) fn record(
        &mut self,
        context: &Context,
        pipeline: &Pipeline,
        parameters: &[u32],
        bindings: &[Binding<'_>],
        groups: u32,
    ) {
        let start = self.parameters.len().next_multiple_of(self.alignment);
        self.parameters.resize(start, 0);
        self.parameters
            .extend_from_slice(bytemuck::cast_slice(parameters));
        self.parameters.resize(start + block_bytes(parameters), 0);
        let block = Binding {
            buffer: &self.arena,
            offset: start as u64,
            bytes: block_bytes(parameters) as u64,
        };
        let entries: smallvec::SmallVec<[wgpu::BindGroupEntry<'_>; 8]> = std::iter::once(&block)
            .chain(bindings)
            .enumerate()
            .map(|(number, binding)| wgpu::BindGroupEntry {
                binding: number as u32,
                resource: binding.resource(),
            })
            .collect();
        let group = context
            .device
            .create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.layout,
                entries: &entries,
            });
        let open = self.open.get_or_insert_with(|| open(&context.device));
        open.pass.set_pipeline(&pipeline.compiled);
        open.pass.set_bind_group(0, &group, &[]);
        open.pass
            .dispatch_workgroups(groups.min(GRID_WIDTH), groups.div_ceil(GRID_WIDTH), 1);
        open.dispatches += 1;
    }

    /// Sends the batch to the device.
    pub(super) fn submit(&mut self, context: &Context) {
        let Some(Open { encoder, pass, .. }) = self.open.take() else {
            return;
        };
        drop(pass);
        // earlier batches have read their parameters before this write happens on the device
        context.queue.write_buffer(&self.arena, 0, &self.parameters);
        self.parameters.clear();
        context.queue.submit([encoder.finish()]);
        // lets go of what finished batches held; a failure shows up when somebody waits
        let _ = context.device.poll(wgpu::PollType::Poll);
    }
}

/// Bytes of the parameters and the zero after them.
fn block_bytes(parameters: &[u32]) -> usize {
    ((parameters.len() + 1) * 4).next_multiple_of(PARAMETER_BLOCK)
}

fn open(device: &wgpu::Device) -> Open {
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let pass = encoder
        .begin_compute_pass(&wgpu::ComputePassDescriptor::default())
        .forget_lifetime();
    Open {
        encoder,
        pass,
        dispatches: 0,
    }
}
