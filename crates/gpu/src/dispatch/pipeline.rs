//! Compiled kernels, each compiled once.

use super::Context;
use crate::kernels::Kernel;
use mlx_oxide_ir::Result;
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

/// A part of a device buffer that a kernel sees.
#[derive(Clone, Copy)]
pub(crate) struct Binding<'a> {
    /// The buffer.
    pub(crate) buffer: &'a wgpu::Buffer,
    /// First byte.
    pub(crate) offset: u64,
    /// Number of bytes.
    pub(crate) bytes: u64,
}

impl<'a> Binding<'a> {
    pub(super) fn resource(&self) -> wgpu::BindingResource<'a> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: self.buffer,
            offset: self.offset,
            size: NonZeroU64::new(self.bytes),
        })
    }
}

/// A compiled kernel.
pub(super) struct Pipeline {
    pub(super) compiled: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// Compiled kernels by what they compute, and behind that by their text, since different
/// kernels may come out as the same text.
pub(super) struct Pipelines {
    by_kernel: RwLock<FxHashMap<Kernel, Arc<Pipeline>>>,
    by_text: RwLock<FxHashMap<String, Arc<Pipeline>>>,
}

impl Pipelines {
    pub(super) fn new() -> Self {
        Pipelines {
            by_kernel: RwLock::default(),
            by_text: RwLock::default(),
        }
    }

    pub(super) fn get(&self, context: &Context, kernel: &Kernel) -> Result<Arc<Pipeline>> {
        if let Some(pipeline) = self.by_kernel.read().get(kernel) {
            return Ok(pipeline.clone());
        }
        let text = kernel.wgsl();
        let known = self.by_text.read().get(&text).cloned();
        let pipeline = match known {
            Some(pipeline) => pipeline,
            None => {
                let pipeline = Arc::new(compile(context, kernel, &text)?);
                self.by_text.write().insert(text, pipeline.clone());
                pipeline
            }
        };
        self.by_kernel
            .write()
            .insert(kernel.clone(), pipeline.clone());
        Ok(pipeline)
    }

    pub(super) fn texts(&self) -> Vec<String> {
        self.by_text.read().keys().cloned().collect()
    }
}

fn compile(context: &Context, kernel: &Kernel, text: &str) -> Result<Pipeline> {
    let (inputs, outputs) = kernel.binding_counts();
    context.guarded(|| {
        let device = &context.device;
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name()),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        };
        // SAFETY: generated kernels compare every index with the bounds that the host computed
        // from checked layouts, bound every loop, and guard integer divisions by zero
        let module = unsafe {
            device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        };
        let layout = bind_group_layout(device, inputs, outputs);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let compiled = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name()),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        Pipeline { compiled, layout }
    })
}

/// Binding 0 holds the parameters, then come the inputs, then the outputs.
fn bind_group_layout(
    device: &wgpu::Device,
    inputs: usize,
    outputs: usize,
) -> wgpu::BindGroupLayout {
    let entry = |binding: usize, ty| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
    for number in 0..inputs + outputs {
        let read_only = number < inputs;
        entries.push(entry(
            number + 1,
            wgpu::BufferBindingType::Storage { read_only },
        ));
    }
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &entries,
    })
}
