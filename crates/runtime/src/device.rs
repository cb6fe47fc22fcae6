//! Devices.

use crate::backend;
use parking_lot::RwLock;
use std::fmt;

/// The kinds of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceType {
    /// The processor.
    Cpu,
    /// A graphics processor.
    Gpu,
}

impl fmt::Display for DeviceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            DeviceType::Cpu => "cpu",
            DeviceType::Gpu => "gpu",
        })
    }
}

/// One device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Device {
    /// Its kind.
    pub kind: DeviceType,
    /// Its number among those of its kind.
    pub index: u32,
}

impl Device {
    /// The processor.
    pub const CPU: Device = Device {
        kind: DeviceType::Cpu,
        index: 0,
    };
    /// The first graphics processor.
    pub const GPU: Device = Device {
        kind: DeviceType::Gpu,
        index: 0,
    };
}

impl From<DeviceType> for Device {
    fn from(kind: DeviceType) -> Self {
        Device { kind, index: 0 }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Device({}, {})", self.kind, self.index)
    }
}

static DEFAULT: RwLock<Option<Device>> = RwLock::new(None);

/// The device of operations that name none: what was set, else the GPU where there is one, else
/// the CPU. Looked up by the first call, because drivers are slow to open.
pub fn default_device() -> Device {
    if let Some(device) = *DEFAULT.read() {
        return device;
    }
    let found = backend::installed(DeviceType::Gpu)
        .iter()
        .any(|backend| backend.device_count() > 0);
    let device = if found { Device::GPU } else { Device::CPU };
    *DEFAULT.write().get_or_insert(device)
}

/// Sets [`default_device`].
pub fn set_default_device(device: Device) {
    *DEFAULT.write() = Some(device);
}
