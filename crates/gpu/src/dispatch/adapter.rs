//! Which adapter is used, and what it can do.

use super::block_on;
use mlx_oxide_ir::{Dtype, Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};

static SOFTWARE: AtomicBool = AtomicBool::new(false);

/// Lets adapters that compute on the processor count as devices; call it before the first use.
///
/// They are slower than the CPU backend and serve tests alone. The environment variable
/// `MLX_OXIDE_SOFTWARE_GPU=1` says the same.
pub fn allow_software_adapters(allow: bool) {
    SOFTWARE.store(allow, Ordering::Relaxed);
}

fn software_allowed() -> bool {
    SOFTWARE.load(Ordering::Relaxed)
        || std::env::var_os("MLX_OXIDE_SOFTWARE_GPU").is_some_and(|value| value == "1")
}

/// What the device can do, as far as kernels differ by it.
#[derive(Clone, Debug)]
pub(crate) struct Capabilities {
    /// 64-bit integers in kernels.
    pub(crate) wide_integers: bool,
    /// Double precision in kernels.
    pub(crate) doubles: bool,
    /// Buffers are in memory that the processor sees too and may be mapped directly.
    pub(crate) unified: bool,
    /// Bytes of a buffer that one binding shows at most.
    pub(crate) binding_bytes: u64,
    /// Bytes of the largest buffer.
    pub(crate) buffer_bytes: u64,
    /// Storage buffers of one kernel.
    pub(crate) storage_bindings: usize,
    /// What the offset of a parameter block is a multiple of.
    pub(crate) uniform_alignment: u64,
    /// A software adapter, on which large tiles only cost compile time.
    pub(crate) software: bool,
}

impl Capabilities {
    /// Whether kernels compute with elements of this dtype.
    pub(crate) fn computes(&self, dtype: Dtype) -> bool {
        match dtype {
            Dtype::Uint64 | Dtype::Int64 => self.wide_integers,
            Dtype::Float64 => self.doubles,
            Dtype::Bool
            | Dtype::Uint8
            | Dtype::Uint16
            | Dtype::Uint32
            | Dtype::Int8
            | Dtype::Int16
            | Dtype::Int32
            | Dtype::Float16
            | Dtype::Float32
            | Dtype::Bfloat16
            | Dtype::Complex64 => true,
        }
    }
}

/// The best adapter: with its own memory, sharing the processor's, virtual, then software.
pub(super) fn choose() -> Option<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let mut adapters = block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    adapters.retain(|adapter| rank(adapter).is_some());
    adapters.into_iter().min_by_key(rank)
}

fn rank(adapter: &wgpu::Adapter) -> Option<u32> {
    let information = adapter.get_info();
    if !adapter
        .get_downlevel_capabilities()
        .flags
        .contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
    {
        return None;
    }
    match information.device_type {
        wgpu::DeviceType::DiscreteGpu => Some(0),
        wgpu::DeviceType::IntegratedGpu => Some(1),
        wgpu::DeviceType::VirtualGpu => Some(2),
        wgpu::DeviceType::Other => Some(3),
        wgpu::DeviceType::Cpu => software_allowed().then_some(4),
    }
}

/// Opens the adapter's device with every feature that kernels use and it has.
pub(super) fn open(adapter: &wgpu::Adapter) -> Result<(wgpu::Device, wgpu::Queue, Capabilities)> {
    let information = adapter.get_info();
    let shared = matches!(
        information.device_type,
        wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::Cpu
    );
    let mut wanted = wgpu::Features::SHADER_INT64 | wgpu::Features::SHADER_F64;
    if shared {
        wanted |= wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
    }
    let features = adapter.features() & wanted;
    let limits = adapter.limits();
    let (device, queue) = block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("mlx-oxide"),
        required_features: features,
        required_limits: limits.clone(),
        experimental_features: wgpu::ExperimentalFeatures::disabled(),
        memory_hints: wgpu::MemoryHints::Performance,
        trace: wgpu::Trace::Off,
    }))
    .map_err(|error| Error::Device {
        device: information.name.clone(),
        reason: error.to_string(),
    })?;
    let capabilities = Capabilities {
        wide_integers: features.contains(wgpu::Features::SHADER_INT64),
        doubles: features.contains(wgpu::Features::SHADER_F64),
        unified: features.contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS),
        binding_bytes: limits.max_storage_buffer_binding_size & !255,
        buffer_bytes: limits.max_buffer_size,
        storage_bindings: limits.max_storage_buffers_per_shader_stage as usize,
        uniform_alignment: u64::from(limits.min_uniform_buffer_offset_alignment),
        software: information.device_type == wgpu::DeviceType::Cpu,
    };
    Ok((device, queue, capabilities))
}
