//! Functions that are traced once and replayed.
//!
//! The first call with inputs of new shapes or dtypes records the function as a
//! [`Graph`](crate::graph::Graph) and simplifies it; later calls build the graph's nodes without
//! running the function. Evaluation fuses them as it fuses everything.

mod cache;
pub(crate) mod shapeless;

pub use cache::{TraceCache, Traced};

use crate::array::Array;
use mlx_oxide_ir::Result;
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

/// A function that is traced once for each combination of input types.
///
/// Arrays that the function takes from around it are constants of the trace, unless a transform
/// under way follows them: then the function is traced anew in each call, so that gradients are
/// right.
///
/// ```
/// use mlx_oxide_core::{Array, compile::compile, ops};
/// let scaled = compile(|x: &[Array]| Ok(vec![ops::exp(&(&x[0] * 2.0)?)?]));
/// let x = Array::from_slice(&[1.0f32, 2.0], [2])?;
/// assert_eq!(scaled.call(&[x.clone()])?[0].shape(), x.shape());
/// scaled.call(&[x])?;
/// assert_eq!(scaled.trace_count(), 1);
/// # Ok::<(), mlx_oxide_core::Error>(())
/// ```
pub struct Compiled<F> {
    function: F,
    cache: TraceCache<(), ()>,
}

/// Compiles a function of arrays.
pub fn compile<F>(function: F) -> Compiled<F>
where
    F: Fn(&[Array]) -> Result<Vec<Array>>,
{
    Compiled {
        function,
        cache: TraceCache::new(false),
    }
}

impl<F> Compiled<F>
where
    F: Fn(&[Array]) -> Result<Vec<Array>>,
{
    /// The function's outputs.
    ///
    /// # Errors
    /// Whatever the function returns; [`crate::Error::ReadWhileTracing`] if it reads a value that
    /// depends on its inputs.
    pub fn call(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        if !is_enabled() {
            return (self.function)(inputs);
        }
        let traced = self.cache.get(&(), inputs, Vec::new, |placeholders| {
            Ok(((self.function)(placeholders)?, (), true))
        })?;
        traced.replay(inputs)
    }

    /// How many times the function has been traced.
    pub fn trace_count(&self) -> usize {
        self.cache.trace_count()
    }
}
