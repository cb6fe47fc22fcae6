//! What goes wrong on the device, made into errors: by default the driver layer panics.

use super::block_on;
use mlx_oxide_ir::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;

#[derive(Default)]
struct Reports {
    /// Why the device is gone, for good.
    lost: Option<String>,
    /// The first complaint that nobody has heard yet.
    stray: Option<String>,
}

/// Complaints of one device.
pub(super) struct Fault {
    device: String,
    reports: Arc<Mutex<Reports>>,
}

impl Fault {
    /// Listens to a device.
    pub(super) fn watch(device: &wgpu::Device, name: &str) -> Self {
        let reports = Arc::new(Mutex::new(Reports::default()));
        let stray = reports.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            stray.lock().stray.get_or_insert_with(|| describe(&error));
        }));
        let lost = reports.clone();
        device.set_device_lost_callback(move |reason, message| {
            lost.lock().lost = Some(format!("the device was lost ({reason:?}): {message}"));
        });
        Fault {
            device: name.to_owned(),
            reports,
        }
    }

    /// Runs `work`; an error if the driver complained meanwhile or the device is lost.
    pub(super) fn guard<T>(&self, device: &wgpu::Device, work: impl FnOnce() -> T) -> Result<T> {
        let scopes = [
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::OutOfMemory,
            wgpu::ErrorFilter::Validation,
        ]
        .map(|filter| device.push_error_scope(filter));
        let output = work();
        let mut complaint = None;
        for scope in scopes.into_iter().rev() {
            complaint = block_on(scope.pop()).or(complaint);
        }
        let mut reports = self.reports.lock();
        let reason = reports
            .lost
            .clone()
            .or_else(|| complaint.map(|error| describe(&error)))
            .or_else(|| reports.stray.take());
        match reason {
            None => Ok(output),
            Some(reason) => Err(Error::Device {
                device: self.device.clone(),
                reason,
            }),
        }
    }
}

fn describe(error: &wgpu::Error) -> String {
    match error {
        wgpu::Error::OutOfMemory { .. } => "out of memory".to_owned(),
        wgpu::Error::Validation { description, .. } => format!("invalid command: {description}"),
        wgpu::Error::Internal { description, .. } => format!("internal error: {description}"),
    }
}
