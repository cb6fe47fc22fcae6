//! Memory that holds an array's elements, on the host, on a device or both.

use crate::allocator::{self, Block};
use mlx_oxide_ir::{Error, Result};
use parking_lot::Mutex;
use std::any::Any;
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// Memory of a device.
pub trait DeviceMemory: Any + Send + Sync {
    /// How many bytes it holds.
    fn bytes(&self) -> usize;

    /// Waits for work in flight and copies all bytes to the host.
    fn download(&self, destination: &mut [u8]) -> Result<()>;

    /// For the backend that made it.
    fn as_any(&self) -> &dyn Any;
}

/// Host memory that somebody else owns: another library's array, a mapped file.
pub trait HostMemory: Send + Sync {
    /// The bytes, unmoving and unchanging as long as `self` lives.
    fn as_bytes(&self) -> &[u8];
}

enum Host {
    Block(Block),
    Foreign(Box<dyn HostMemory>),
    /// Bytes of another buffer, from a place on.
    Part(Buffer, usize),
}

thread_local! {
    /// Memory for the next allocation of this thread that asks for exactly as many bytes.
    static OFFERED: RefCell<Option<Buffer>> = const { RefCell::new(None) };
}

/// Runs `work`, during which the first allocation of this thread that asks for exactly as many
/// bytes as `place` has is given `place`.
pub(crate) fn offering<R>(place: Buffer, work: impl FnOnce() -> R) -> R {
    /// Takes the offer back, even if `work` panics.
    struct Offer;
    impl Drop for Offer {
        fn drop(&mut self) {
            OFFERED.take();
        }
    }
    let _offer = Offer;
    OFFERED.replace(Some(place));
    work()
}

impl Host {
    fn pointer(&self) -> *const u8 {
        match self {
            Host::Block(block) => block.as_ptr(),
            Host::Foreign(memory) => memory.as_bytes().as_ptr(),
            // made of host memory
            Host::Part(whole, start) => match whole.0.host.get() {
                Some(host) => host.pointer().wrapping_add(*start),
                None => std::ptr::null(),
            },
        }
    }
}

struct Inner {
    bytes: usize,
    host: OnceLock<Host>,
    device: OnceLock<Arc<dyn DeviceMemory>>,
    moving: Mutex<()>,
}

/// Shared memory of elements. Written once by the operation that makes it, then only read; it
/// moves between host and device on demand and stays on both.
#[derive(Clone)]
pub struct Buffer(Arc<Inner>);

impl Buffer {
    /// Fresh host memory, not initialised: whoever asks for it writes all of it.
    pub fn allocate(op: &'static str, bytes: usize) -> Result<Self> {
        // a thread that ends has nothing offered any more
        let offered = OFFERED.try_with(|offered| {
            let mut offered = offered.borrow_mut();
            offered.take_if(|it| it.len() == bytes)
        });
        if let Ok(Some(place)) = offered {
            return Ok(place);
        }
        Ok(Self::from_host(
            Host::Block(allocator::allocate(op, bytes)?),
            bytes,
        ))
    }

    /// Host memory with these bytes.
    pub fn from_bytes(op: &'static str, source: &[u8]) -> Result<Self> {
        let block = allocator::allocate(op, source.len())?;
        // SAFETY: the block has at least `source.len()` bytes, is fresh and so overlaps nothing
        unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), block.as_mut_ptr(), source.len()) };
        Ok(Self::from_host(Host::Block(block), source.len()))
    }

    /// Host memory that `fill` writes; it finds zeros.
    ///
    /// # Errors
    /// No memory; whatever `fill` returns.
    pub fn filled<E: From<Error>>(
        op: &'static str,
        bytes: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let block = allocator::allocate(op, bytes)?;
        let start = block.as_mut_ptr();
        // SAFETY: the block is fresh and has at least that many bytes
        unsafe { start.write_bytes(0, bytes) };
        // SAFETY: the same bytes, initialised above and seen by nobody else before `fill` returns
        fill(unsafe { std::slice::from_raw_parts_mut(start, bytes) })?;
        Ok(Self::from_host(Host::Block(block), bytes))
    }

    /// Somebody else's host memory, kept alive by the buffer.
    pub fn from_foreign(memory: Box<dyn HostMemory>) -> Self {
        let bytes = memory.as_bytes().len();
        Self::from_host(Host::Foreign(memory), bytes)
    }

    /// `bytes` of this buffer's host memory from `start` on, which lie in it. Nobody takes a part
    /// over to write new elements.
    pub(crate) fn part(&self, start: usize, bytes: usize) -> Self {
        debug_assert!(self.is_on_host() && start + bytes <= self.len());
        Self::from_host(Host::Part(self.clone(), start), bytes)
    }

    /// Device memory.
    pub fn from_device(memory: Arc<dyn DeviceMemory>) -> Self {
        let bytes = memory.bytes();
        Buffer(Arc::new(Inner {
            bytes,
            host: OnceLock::new(),
            device: OnceLock::from(memory),
            moving: Mutex::new(()),
        }))
    }

    fn from_host(host: Host, bytes: usize) -> Self {
        Buffer(Arc::new(Inner {
            bytes,
            host: OnceLock::from(host),
            device: OnceLock::new(),
            moving: Mutex::new(()),
        }))
    }

    /// How many bytes it holds.
    pub fn len(&self) -> usize {
        self.0.bytes
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.bytes == 0
    }

    /// Whether the bytes are on the host, so that reading them waits for no device.
    pub fn is_on_host(&self) -> bool {
        self.0.host.get().is_some()
    }

    /// The start of the bytes on the host, fetched from the device if they are only there.
    pub fn host_ptr(&self) -> Result<NonNull<u8>> {
        let host = match self.0.host.get() {
            Some(host) => host,
            None => self.fetch()?,
        };
        NonNull::new(host.pointer().cast_mut()).ok_or_else(|| Error::Internal {
            op: "buffer",
            detail: "null host memory".to_owned(),
        })
    }

    /// The bytes on the host, fetched from the device if they are only there.
    pub fn host_bytes(&self) -> Result<&[u8]> {
        let pointer = self.host_ptr()?;
        // SAFETY: host memory has `bytes` bytes, written by the operation that made the buffer
        // before it was shared, and lives as long as `self`
        Ok(unsafe { std::slice::from_raw_parts(pointer.as_ptr(), self.0.bytes) })
    }

    fn fetch(&self) -> Result<&Host> {
        let _moving = self.0.moving.lock();
        if self.0.host.get().is_none() {
            let memory = self.0.device.get().ok_or_else(|| Error::Internal {
                op: "buffer",
                detail: "no memory on any device".to_owned(),
            })?;
            let block = allocator::allocate("transfer", self.0.bytes)?;
            // SAFETY: the block is fresh, exclusively ours and has that many bytes; `download`
            // only writes to them
            let bytes = unsafe { std::slice::from_raw_parts_mut(block.as_mut_ptr(), self.0.bytes) };
            memory.download(bytes)?;
            let _ = self.0.host.set(Host::Block(block));
        }
        self.0.host.get().ok_or_else(|| Error::Internal {
            op: "buffer",
            detail: "host memory vanished".to_owned(),
        })
    }

    /// The device memory, if the bytes are there.
    pub fn device(&self) -> Option<&Arc<dyn DeviceMemory>> {
        self.0.device.get()
    }

    /// The device memory, made by `upload` from the host bytes if they are only there.
    pub fn device_or_upload(
        &self,
        upload: impl FnOnce(&[u8]) -> Result<Arc<dyn DeviceMemory>>,
    ) -> Result<&Arc<dyn DeviceMemory>> {
        if let Some(memory) = self.0.device.get() {
            return Ok(memory);
        }
        let memory = upload(self.host_bytes()?)?;
        Ok(self.0.device.get_or_init(|| memory))
    }

    /// Whether this handle is the only one.
    pub fn is_exclusive(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Another handle to write new elements through, when this one is the only one, is about to
    /// be dropped and the memory is the allocator's own on the host alone.
    pub(crate) fn reuse(&self) -> Option<Buffer> {
        let own =
            matches!(self.0.host.get(), Some(Host::Block(_))) && self.0.device.get().is_none();
        own.then(|| self.clone())
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Buffer({} bytes)", self.0.bytes)
    }
}
