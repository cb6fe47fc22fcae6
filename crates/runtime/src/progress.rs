//! Waiting for work that another thread does.

use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Tells waiters each time that a piece of work is finished. Costs one atomic load where nobody
/// waits.
#[derive(Default)]
pub struct Progress {
    waiters: AtomicUsize,
    lock: Mutex<()>,
    advanced: Condvar,
}

impl Progress {
    /// Wakes everyone who waits; the work's result is already visible.
    pub fn advance(&self) {
        if self.waiters.load(Ordering::SeqCst) > 0 {
            let _guard = self.lock.lock();
            self.advanced.notify_all();
        }
    }

    /// Returns when `finished` is true, which is asked again after each [`Progress::advance`].
    pub fn wait_until(&self, finished: impl Fn() -> bool) {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.lock.lock();
        while !finished() {
            self.advanced.wait(&mut guard);
        }
        drop(guard);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_waiter_sees_the_work_done() {
        let progress = Arc::new(Progress::default());
        let done = Arc::new(AtomicBool::new(false));
        let worker = {
            let (progress, done) = (progress.clone(), done.clone());
            std::thread::spawn(move || {
                done.store(true, Ordering::SeqCst);
                progress.advance();
            })
        };
        progress.wait_until(|| done.load(Ordering::SeqCst));
        worker.join().unwrap();
    }
}
