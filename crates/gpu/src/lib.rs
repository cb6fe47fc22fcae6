//! The GPU backend: Metal on Apple silicon, Vulkan and DX12 elsewhere, over `wgpu`.
//!
//! Kernels are WGSL text made by a small generator of our own (`codegen`); one kernel is
//! compiled once, commands are batched, and buffers come from a pool. Nothing is opened before
//! the first use, and a machine without an adapter has no devices, which is no error.
//!
//! Sizes are 32 bits wide on the device: operations on larger arrays are declined, and so are
//! dtypes that the adapter cannot compute with.

mod codegen;
mod dispatch;
mod kernels;
mod memory;

pub use dispatch::allow_software_adapters;

use dispatch::Context;
use mlx_oxide_ir::{ArrayType, Op, Result, infer};
use mlx_oxide_runtime::{Backend, Call, Device, DeviceType, InfoValue, Results, Stream};
use std::collections::BTreeMap;

/// The GPU backend.
pub struct Gpu;

/// Installs the GPU backend. No device is touched yet.
pub fn install() {
    mlx_oxide_runtime::backend::install(&Gpu);
}

/// The text of every kernel compiled so far in this process, in WGSL; for tests and debugging.
#[doc(hidden)]
pub fn compiled_kernels() -> Vec<String> {
    Context::get().map_or_else(|_| Vec::new(), Context::kernel_texts)
}

impl Backend for Gpu {
    fn device_type(&self) -> DeviceType {
        DeviceType::Gpu
    }

    fn device_count(&self) -> usize {
        usize::from(matches!(Context::find(), Ok(Some(_))))
    }

    fn device_info(&self, _device: Device) -> BTreeMap<String, InfoValue> {
        let Ok(Some(context)) = Context::find() else {
            return BTreeMap::new();
        };
        let information = &context.information;
        let capabilities = &context.capabilities;
        let text = |value: &str| InfoValue::Text(value.to_owned());
        BTreeMap::from([
            ("device_name".to_owned(), text(&information.name)),
            (
                "architecture".to_owned(),
                InfoValue::Text(information.backend.to_string()),
            ),
            ("driver".to_owned(), text(&information.driver)),
            (
                "max_buffer_length".to_owned(),
                InfoValue::Number(capabilities.buffer_bytes),
            ),
            (
                "unified_memory".to_owned(),
                InfoValue::Number(u64::from(capabilities.unified)),
            ),
        ])
    }

    fn supports(&self, op: &Op, inputs: &[&ArrayType]) -> bool {
        let Ok(Some(context)) = Context::find() else {
            return false;
        };
        let Ok(outputs) = infer(op, inputs) else {
            return false;
        };
        let addressable = |array: &ArrayType| array.size() <= kernels::LARGEST;
        inputs.iter().all(|input| addressable(input))
            && outputs.iter().all(addressable)
            && kernels::supports(op, inputs, &outputs, &context.capabilities)
    }

    fn run(&self, call: Call<'_>) -> Result<Results> {
        kernels::run(&call)
    }

    fn synchronize(&self, _stream: Stream) -> Result<()> {
        match Context::find()? {
            Some(context) => context.synchronize(),
            None => Ok(()),
        }
    }
}
