//! Devices.

use crate::backend;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// The default device as [`Device::to_word`] writes it, or [`UNSET`]: every operation asks for it.
static DEFAULT: AtomicU64 = AtomicU64::new(UNSET);

const UNSET: u64 = u64::MAX;

impl Device {
    fn to_word(self) -> u64 {
        let kind = match self.kind {
            DeviceType::Cpu => 0,
            DeviceType::Gpu => 1,
        };
        kind << 32 | u64::from(self.index)
    }

    fn from_word(word: u64) -> Option<Self> {
        let kind = match word >> 32 {
            0 => DeviceType::Cpu,
            1 => DeviceType::Gpu,
            _ => return None,
        };
        let index = word as u32;
        Some(Device { kind, index })
    }
}

/// The device of operations that name none: what was set, else the GPU where there is one, else
/// the CPU. Looked up by the first call, because drivers are slow to open.
pub fn default_device() -> Device {
    if let Some(device) = Device::from_word(DEFAULT.load(Ordering::Relaxed)) {
        return device;
    }
    let found = backend::installed(DeviceType::Gpu)
        .iter()
        .any(|backend| backend.device_count() > 0);
    let device = if found { Device::GPU } else { Device::CPU };
    let word = device.to_word();
    let set = DEFAULT.compare_exchange(UNSET, word, Ordering::Relaxed, Ordering::Relaxed);
    set.err().and_then(Device::from_word).unwrap_or(device)
}

/// Sets [`default_device`].
pub fn set_default_device(device: Device) {
    DEFAULT.store(device.to_word(), Ordering::Relaxed);
}
