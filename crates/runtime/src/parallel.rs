//! One pool of threads for kernels. The caller works too; tiny work never leaves it.

use parking_lot::{Condvar, Mutex};
use smallvec::SmallVec;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The environment variable that sets how many threads kernels use.
pub const THREADS_VARIABLE: &str = "MLX_OXIDE_NUM_THREADS";

/// How long an idle worker watches for work before it sleeps, in spins.
const SPINS: u32 = 4_000;

type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// Tasks of one thread that nobody has taken yet, in cache lines of their own: the next one in the
/// low half, the end in the high half.
#[repr(align(128))]
struct Range(AtomicU64);

impl Range {
    fn new(start: usize, end: usize) -> Self {
        Range(AtomicU64::new((end as u64) << 32 | start as u64))
    }

    /// Takes the first task, or the last one of somebody else's.
    fn take(&self, is_own: bool) -> Option<usize> {
        let mut range = self.0.load(Ordering::Relaxed);
        loop {
            let (start, end) = (range & u64::from(u32::MAX), range >> 32);
            if start >= end {
                return None;
            }
            let (index, rest) = match is_own {
                true => (start, end << 32 | (start + 1)),
                false => (end - 1, (end - 1) << 32 | start),
            };
            let taken =
                self.0
                    .compare_exchange_weak(range, rest, Ordering::Relaxed, Ordering::Relaxed);
            match taken {
                Ok(_) => return Some(index as usize),
                Err(found) => range = found,
            }
        }
    }
}

/// A parallel loop. Every thread begins with a range of its own, the same one for every loop of as
/// many tasks: what it wrote for one loop is in its caches when it reads it for the next.
struct Job {
    task: *const Task<'static>,
    ranges: SmallVec<[Range; 2]>,
    left: AtomicUsize,
    panic: Mutex<Option<Box<dyn std::any::Any + Send>>>,
}

// SAFETY: `task` is `Sync` and outlives the job's run, since `Pool::run` waits for `left` to be 0
unsafe impl Send for Job {}
// SAFETY: as above
unsafe impl Sync for Job {}

impl Job {
    fn new(task: *const Task<'static>, count: usize, threads: usize) -> Self {
        let boundary = |thread: usize| (thread as u128 * count as u128 / threads as u128) as usize;
        Job {
            task,
            ranges: (0..threads)
                .map(|thread| Range::new(boundary(thread), boundary(thread + 1)))
                .collect(),
            left: AtomicUsize::new(count),
            panic: Mutex::new(None),
        }
    }

    /// Takes the tasks of a thread, then those that others have left.
    fn work(&self, thread: usize) {
        let count = self.ranges.len();
        for turn in 0..count {
            let range = &self.ranges[(thread + turn) % count];
            while let Some(index) = range.take(turn == 0) {
                self.run(index);
            }
        }
    }

    fn run(&self, index: usize) {
        // SAFETY: `Pool::run` keeps the task alive until `left` is 0, which this index, not yet
        // counted down, prevents
        let task = unsafe { &*self.task };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task(index))) {
            *self.panic.lock() = Some(panic);
        }
        self.left.fetch_sub(1, Ordering::Release);
    }
}

struct Shared {
    job: Mutex<Option<Arc<Job>>>,
    version: AtomicUsize,
    posted: Condvar,
}

struct Pool {
    shared: Arc<Shared>,
    workers: AtomicUsize,
    busy: AtomicBool,
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let pool = Pool {
            shared: Arc::new(Shared {
                job: Mutex::new(None),
                version: AtomicUsize::new(0),
                posted: Condvar::new(),
            }),
            workers: AtomicUsize::new(0),
            busy: AtomicBool::new(false),
        };
        pool.grow(threads().saturating_sub(1));
        pool
    })
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// How many threads kernels use, the caller included: as set, else by the environment variable
/// [`THREADS_VARIABLE`], else as many as the machine runs at once.
pub fn threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => {
            let count = std::env::var(THREADS_VARIABLE)
                .ok()
                .and_then(|text| text.parse().ok())
                .filter(|count| *count > 0)
                .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
                .unwrap_or(1);
            THREADS.store(count, Ordering::Relaxed);
            count
        }
        count => count,
    }
}

/// Sets [`threads`]; at least one.
pub fn set_threads(count: usize) {
    THREADS.store(count.max(1), Ordering::Relaxed);
    pool().grow(count.max(1) - 1);
}

/// Runs `task(i)` for every `i` below `count`, on several threads where the pool is free, and
/// returns when all are done. Nested and concurrent calls run on their own thread.
pub fn for_each(count: usize, task: impl Fn(usize) + Sync) {
    // a range counts tasks in half a word
    if count > 1 && threads() > 1 && u32::try_from(count).is_ok() {
        let pool = pool();
        if !pool.busy.swap(true, Ordering::Acquire) {
            pool.run(count, &task);
            return;
        }
    }
    (0..count).for_each(task);
}

/// Cuts `0..size` into pieces of at least `grain`, a number that the data alone decides, and runs
/// `task(start, end)` for each.
pub fn for_each_range(size: usize, grain: usize, task: impl Fn(usize, usize) + Sync) {
    let grain = grain.max(1);
    if size <= grain {
        if size > 0 {
            task(0, size);
        }
        return;
    }
    for_each(size.div_ceil(grain), |piece| {
        let start = piece * grain;
        task(start, size.min(start + grain));
    });
}

impl Pool {
    fn grow(&self, workers: usize) {
        while self.workers.load(Ordering::Relaxed) < workers {
            let (shared, number) = (
                self.shared.clone(),
                self.workers.load(Ordering::Relaxed) + 1,
            );
            let spawned = std::thread::Builder::new()
                .name(format!("mlx-oxide-{number}"))
                .spawn(move || shared.serve(number));
            if spawned.is_err() {
                return; // fewer threads than wished for still do all the work
            }
            self.workers.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn run(&self, count: usize, task: &Task<'_>) {
        // SAFETY: only the lifetime changes; this function returns after the last use
        let task = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) };
        let job = Arc::new(Job::new(task, count, threads()));
        {
            let mut posted = self.shared.job.lock();
            *posted = Some(job.clone());
            self.shared.version.fetch_add(1, Ordering::Release);
        }
        self.shared.posted.notify_all();
        job.work(0);
        let mut spins = 0u32;
        while job.left.load(Ordering::Acquire) > 0 {
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop()
            } else {
                std::thread::yield_now()
            }
        }
        *self.shared.job.lock() = None;
        self.busy.store(false, Ordering::Release);
        let panic = job.panic.lock().take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Shared {
    fn serve(&self, number: usize) {
        let mut seen = 0;
        loop {
            if number < threads()
                && let Some(job) = self.next_job(&mut seen)
            {
                job.work(number);
                continue;
            }
            let mut job = self.job.lock();
            if self.version.load(Ordering::Acquire) == seen || number >= threads() {
                self.posted.wait(&mut job);
            }
            if number >= threads() {
                seen = self.version.load(Ordering::Acquire);
            }
        }
    }

    /// Watches for a job that it has not worked on.
    fn next_job(&self, seen: &mut usize) -> Option<Arc<Job>> {
        for _ in 0..SPINS {
            let version = self.version.load(Ordering::Acquire);
            if version != *seen {
                *seen = version;
                return self.job.lock().clone();
            }
            std::hint::spin_loop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_whatever_the_number_of_threads() {
        for threads in [1, 2, 5] {
            set_threads(threads);
            for count in [0, 1, 7, 1000] {
                let runs: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                for_each(count, |index| {
                    runs[index].fetch_add(1, Ordering::Relaxed);
                });
                assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_range_is_taken_from_both_ends_once() {
        let range = Range::new(3, 8);
        let taken = [true, false, false, true, true, false, true].map(|own| range.take(own));
        assert_eq!(
            taken,
            [Some(3), Some(7), Some(6), Some(4), Some(5), None, None]
        );
    }

    #[test]
    fn nested_calls_finish() {
        let total = AtomicUsize::new(0);
        for_each(8, |_| {
            for_each(8, |_| {
                total.fetch_add(1, Ordering::Relaxed);
            })
        });
        assert_eq!(total.into_inner(), 64);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_survives() {
        let result = catch_unwind(|| for_each(16, |index| assert_ne!(index, 11)));
        assert!(result.is_err());
        let total = AtomicUsize::new(0);
        for_each(16, |_| {
            total.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(total.into_inner(), 16);
    }
}
