//! Which arrays a transform follows.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A transform that is under way. Nodes that depend on its inputs refer to it and keep their
/// expressions after evaluation until it ends.
pub(crate) struct Trace {
    live: AtomicBool,
    level: u32,
    outer: Option<Arc<Trace>>,
}

thread_local! {
    static UNDER_WAY: RefCell<Vec<Arc<Trace>>> = const { RefCell::new(Vec::new()) };
}

/// Ends its trace when dropped, on whatever path.
pub(crate) struct TraceScope(Arc<Trace>);

impl Trace {
    /// Begins a transform inside those that are under way on this thread.
    pub(crate) fn begin() -> TraceScope {
        UNDER_WAY.with_borrow_mut(|stack| {
            let outer = stack.last().cloned();
            let level = outer.as_ref().map_or(0, |outer| outer.level + 1);
            let trace = Arc::new(Trace {
                live: AtomicBool::new(true),
                level,
                outer,
            });
            stack.push(trace.clone());
            TraceScope(trace)
        })
    }

    /// The innermost transform from here outwards that is still under way.
    pub(crate) fn live(trace: &Arc<Trace>) -> Option<&Arc<Trace>> {
        let mut current = Some(trace);
        while let Some(trace) = current {
            if trace.live.load(Ordering::Acquire) {
                return Some(trace);
            }
            current = trace.outer.as_ref();
        }
        None
    }

    /// How deep it is nested.
    pub(crate) fn level(&self) -> u32 {
        self.level
    }
}

impl std::ops::Deref for TraceScope {
    type Target = Arc<Trace>;
    fn deref(&self) -> &Arc<Trace> {
        &self.0
    }
}

impl Drop for TraceScope {
    fn drop(&mut self) {
        self.0.live.store(false, Ordering::Release);
        UNDER_WAY.with_borrow_mut(|stack| stack.retain(|trace| !Arc::ptr_eq(trace, &self.0)));
    }
}
