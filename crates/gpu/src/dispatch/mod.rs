//! The adapter, its device and queue, the pipelines, and the batches of commands on their way.

mod adapter;
mod fault;
mod pipeline;
mod recorder;

pub(crate) use adapter::Capabilities;
pub use adapter::allow_software_adapters;
pub(crate) use pipeline::Binding;

use crate::kernels::Kernel;
use crate::memory::Pool;
use fault::Fault;
use mlx_oxide_ir::{Error, Result};
use parking_lot::Mutex;
use pipeline::Pipelines;
use recorder::Recorder;
use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

/// Workgroups along the first axis of a grid; beyond it the grid grows along the second, because
/// no axis may have more than 65535.
pub(crate) const GRID_WIDTH: u32 = 32768;

/// A device that is open, with all that hangs on it. It lives as long as the process.
pub(crate) struct Context {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) information: wgpu::AdapterInfo,
    pub(crate) capabilities: Capabilities,
    pub(crate) pool: Pool,
    fault: Fault,
    pipelines: Pipelines,
    recorder: Mutex<Recorder>,
    /// The number of the batch that is being recorded.
    batch: AtomicU64,
}

static CONTEXT: OnceLock<Result<Option<Context>>> = OnceLock::new();

impl Context {
    /// The open device; opened by the first call. An error if there is none.
    pub(crate) fn get() -> Result<&'static Context> {
        Self::find()?.ok_or_else(|| Error::Device {
            device: "gpu".to_owned(),
            reason: "no suitable adapter was found".to_owned(),
        })
    }

    /// The open device, or none if the machine has no suitable adapter.
    pub(crate) fn find() -> Result<Option<&'static Context>> {
        match CONTEXT.get_or_init(Self::open) {
            Ok(context) => Ok(context.as_ref()),
            Err(error) => Err(error.clone()),
        }
    }

    fn open() -> Result<Option<Context>> {
        let Some(adapter) = adapter::choose() else {
            return Ok(None);
        };
        let information = adapter.get_info();
        let (device, queue, capabilities) = adapter::open(&adapter)?;
        let fault = Fault::watch(&device, &information.name);
        Ok(Some(Context {
            pool: Pool::new(),
            pipelines: Pipelines::new(),
            recorder: Mutex::new(Recorder::new(&device, &capabilities)),
            batch: AtomicU64::new(0),
            device,
            queue,
            information,
            capabilities,
            fault,
        }))
    }

    /// Runs `work` and turns what the driver complains about meanwhile into an error.
    pub(crate) fn guarded<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        self.fault.guard(&self.device, work)
    }

    /// Puts one kernel behind all those recorded before. It has `groups` workgroups.
    pub(crate) fn dispatch(
        &self,
        kernel: &Kernel,
        parameters: &[u32],
        bindings: &[Binding<'_>],
        groups: u32,
    ) -> Result<()> {
        if groups == 0 {
            return Ok(());
        }
        let pipeline = self.pipelines.get(self, kernel)?;
        let mut recorder = self.recorder.lock();
        if !recorder.has_room(parameters) {
            self.flush(&mut recorder)?;
        }
        self.guarded(|| recorder.record(self, &pipeline, parameters, bindings, groups))?;
        if recorder.is_full() {
            self.flush(&mut recorder)?;
        }
        Ok(())
    }

    fn flush(&self, recorder: &mut Recorder) -> Result<()> {
        let submitted = self.guarded(|| recorder.submit(self));
        // not before: who sees the next number writes to buffers of this batch without waiting,
        // and such a write must not overtake it
        self.batch.fetch_add(1, Ordering::Release);
        submitted
    }

    /// The number of the batch that is being recorded.
    pub(crate) fn batch(&self) -> u64 {
        self.batch.load(Ordering::Acquire)
    }

    /// Sends everything recorded to the device, then runs `work` while nothing can be recorded.
    pub(crate) fn exclusively<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut recorder = self.recorder.lock();
        self.flush(&mut recorder)?;
        work()
    }

    /// Returns when everything recorded so far has finished.
    pub(crate) fn synchronize(&self) -> Result<()> {
        self.exclusively(|| Ok(()))?;
        self.wait()
    }

    /// Waits for all that was submitted.
    pub(crate) fn wait(&self) -> Result<()> {
        let polled = self.guarded(|| self.device.poll(wgpu::PollType::wait_indefinitely()))?;
        polled
            .map(|_| ())
            .map_err(|error| self.error(error.to_string()))
    }

    /// An error of this device.
    pub(crate) fn error(&self, reason: String) -> Error {
        Error::Device {
            device: self.information.name.clone(),
            reason,
        }
    }

    /// The text of every kernel compiled so far.
    pub(crate) fn kernel_texts(&self) -> Vec<String> {
        self.pipelines.texts()
    }
}

/// The result of a future of the native backends, which finish without anybody waking them.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut task = std::task::Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}
