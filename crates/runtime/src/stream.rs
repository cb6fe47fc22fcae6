//! Streams: orders of work on a device.

use crate::backend;
use crate::device::{Device, DeviceType, default_device};
use mlx_oxide_ir::Result;
use parking_lot::{Condvar, Mutex};
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// An order of work on one device. Any thread may use any stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// Its device.
    pub device: Device,
    /// Its number, one count for all devices.
    pub index: u32,
}

impl fmt::Display for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Stream({}, {})", self.device, self.index)
    }
}

static NEXT: AtomicU32 = AtomicU32::new(2);

/// The numbers of the default streams of each kind of device: every operation asks for one.
static DEFAULTS: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(1)];

thread_local! {
    static OVERRIDE: Cell<Option<Stream>> = const { Cell::new(None) };
}

impl Stream {
    /// A new stream.
    pub fn new(device: Device) -> Self {
        Stream {
            device,
            index: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The stream of operations that name none: the thread's own inside a [`StreamScope`], else
    /// the default stream of the default device.
    pub fn current() -> Self {
        OVERRIDE
            .get()
            .unwrap_or_else(|| Stream::default_of(default_device()))
    }

    /// The default stream of a device.
    pub fn default_of(device: Device) -> Self {
        if let Some(stream) = OVERRIDE.get().filter(|stream| stream.device == device) {
            return stream;
        }
        Stream {
            device,
            index: DEFAULTS[slot(device.kind)].load(Ordering::Relaxed),
        }
    }

    /// Makes this the default stream of its device.
    pub fn set_default(self) {
        DEFAULTS[slot(self.device.kind)].store(self.index, Ordering::Relaxed);
    }

    /// Returns when all that was started on this stream is finished.
    pub fn synchronize(self) -> Result<()> {
        queue(self).wait_idle();
        for backend in backend::installed(self.device.kind) {
            backend.synchronize(self)?;
        }
        Ok(())
    }

    /// Runs a job on the stream's own thread, after those before it.
    pub fn submit(self, job: impl FnOnce() + Send + 'static) {
        queue(self).push(Box::new(job));
    }
}

fn slot(kind: DeviceType) -> usize {
    match kind {
        DeviceType::Cpu => 0,
        DeviceType::Gpu => 1,
    }
}

/// Makes a stream the current one of this thread as long as it lives.
#[must_use = "the stream is current only while the scope lives"]
pub struct StreamScope(Option<Stream>);

impl StreamScope {
    /// Enters the scope.
    pub fn enter(stream: Stream) -> Self {
        StreamScope(OVERRIDE.replace(Some(stream)))
    }

    /// The stream that an outer scope made current, to be put back by [`StreamScope::restore`].
    pub fn into_previous(self) -> Option<Stream> {
        let previous = self.0;
        std::mem::forget(self);
        previous
    }

    /// Puts back what [`StreamScope::into_previous`] gave.
    pub fn restore(previous: Option<Stream>) {
        OVERRIDE.set(previous);
    }
}

impl Drop for StreamScope {
    fn drop(&mut self) {
        OVERRIDE.set(self.0);
    }
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<Job>,
    running: bool,
    served: bool,
}

impl Queue {
    fn push(self: &Arc<Self>, job: Job) {
        let mut state = self.state.lock();
        state.jobs.push_back(job);
        if !state.served {
            let queue = self.clone();
            let spawned = std::thread::Builder::new()
                .name("mlx-oxide-stream".to_owned())
                .spawn(move || queue.serve());
            state.served = spawned.is_ok();
            if spawned.is_err()
                && let Some(job) = state.jobs.pop_back()
            {
                drop(state); // no thread to be had: do the work here
                job();
                return;
            }
        }
        self.changed.notify_all();
    }

    fn serve(&self) {
        let mut state = self.state.lock();
        loop {
            match state.jobs.pop_front() {
                Some(job) => {
                    state.running = true;
                    drop(state);
                    // a job keeps its own errors; a panic in one must not end the stream
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                    state = self.state.lock();
                    state.running = false;
                    self.changed.notify_all();
                }
                None => self.changed.wait(&mut state),
            }
        }
    }

    fn wait_idle(&self) {
        let mut state = self.state.lock();
        while state.running || !state.jobs.is_empty() {
            self.changed.wait(&mut state);
        }
    }
}

static QUEUES: Mutex<Option<HashMap<Stream, Arc<Queue>>>> = Mutex::new(None);

fn queue(stream: Stream) -> Arc<Queue> {
    QUEUES
        .lock()
        .get_or_insert_default()
        .entry(stream)
        .or_default()
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn jobs_of_a_stream_run_in_order_and_synchronize_waits() {
        let stream = Stream::new(Device::CPU);
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..50 {
            let order = order.clone();
            stream.submit(move || order.lock().push(number));
        }
        stream.synchronize().unwrap();
        assert_eq!(*order.lock(), (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_panicking_job_leaves_the_stream_alive() {
        let stream = Stream::new(Device::CPU);
        let runs = Arc::new(AtomicUsize::new(0));
        stream.submit(|| panic!("on purpose"));
        let counted = runs.clone();
        stream.submit(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        stream.synchronize().unwrap();
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_scope_is_left_when_dropped() {
        let before = Stream::current();
        let stream = Stream::new(Device::CPU);
        {
            let _scope = StreamScope::enter(stream);
            assert_eq!(Stream::current(), stream);
        }
        assert_eq!(Stream::current(), before);
    }
}
