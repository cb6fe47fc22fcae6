//! Functions that are traced once and replayed.
//!
//! The first call with inputs of new shapes or dtypes records the function as a
//! [`Graph`](crate::graph::Graph) and simplifies it; later calls build the graph's nodes without
//! running the function. Evaluation fuses them as it fuses everything.

mod cache;
mod function;
pub mod shapeless;
mod state;

pub use cache::{TraceCache, Traced};
pub use function::{Compiled, compile};
pub use state::{Arrays, State};

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

static ENABLED: LazyLock<AtomicBool> =
    LazyLock::new(|| AtomicBool::new(std::env::var_os("MLX_DISABLE_COMPILE").is_none()));

/// Whether compiled functions are traced; otherwise they run as written.
///
/// True unless the environment has `MLX_DISABLE_COMPILE`.
pub fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Switches tracing on or off, for the whole process.
pub fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}
