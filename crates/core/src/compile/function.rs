//! Compiled functions.

use super::{State, TraceCache, Traced, is_enabled, shapeless};
use crate::array::Array;
use crate::ops::random;
use mlx_oxide_ir::{ArrayType, Dtype, Error, Result};
use std::sync::Arc;

/// A function that is traced once for each combination of input types.
///
/// Arrays that the function takes from around it are constants of the trace, unless a transform
/// under way follows them: then the function is traced anew in each call, so that gradients are
/// right. Arrays that change from call to call are named by [`inputs`](Compiled::inputs) and
/// [`outputs`](Compiled::outputs). Random numbers of the global sequence are new in each call.
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
///
/// A step that reads and writes state:
///
/// ```
/// use mlx_oxide_core::{Array, compile::compile};
/// use std::sync::{Arc, Mutex};
/// let total = Arc::new(Mutex::new(Array::scalar(0.0f32)?));
/// let held = total.clone();
/// let add = compile(move |x: &[Array]| {
///     let mut total = held.lock().unwrap();
///     *total = (&*total + &x[0])?;
///     Ok(vec![])
/// })
/// .inputs(total.clone())
/// .outputs(total.clone());
/// for _ in 0..3 {
///     add.call(&[Array::scalar(2.0f32)?])?;
/// }
/// assert_eq!(add.trace_count(), 1);
/// # Ok::<(), mlx_oxide_core::Error>(())
/// ```
pub struct Compiled<F> {
    function: F,
    inputs: Vec<Arc<dyn State>>,
    outputs: Vec<Arc<dyn State>>,
    /// By how many arrays each captured input holds.
    cache: TraceCache<Vec<usize>, Recorded>,
}

/// What is kept with a trace.
struct Recorded {
    /// How many of the trace's outputs are the function's own.
    results: usize,
    /// How many belong to each captured output.
    outputs: Vec<usize>,
    /// Whether the last one is the next key of the global sequence.
    draws: bool,
}

/// Compiles a function of arrays.
pub fn compile<F>(function: F) -> Compiled<F>
where
    F: Fn(&[Array]) -> Result<Vec<Array>>,
{
    Compiled {
        function,
        inputs: Vec::new(),
        outputs: Vec::new(),
        cache: TraceCache::new(false),
    }
}

impl<F> Compiled<F>
where
    F: Fn(&[Array]) -> Result<Vec<Array>>,
{
    /// With `true` a trace serves inputs of other sizes too, unless something in it holds for one
    /// size alone; such a function is traced again for each. What the function computes from
    /// [`Array::shape`] goes unnoticed: it must call [`shapeless::refuse`], or give operations
    /// what they can find out themselves (-1 in a shape, an axis instead of its size).
    pub fn shapeless(mut self, shapeless: bool) -> Self {
        self.cache = TraceCache::new(shapeless);
        self
    }

    /// State that the function reads. What it stores there is gone after the call, unless the
    /// state is an output too.
    pub fn inputs(mut self, state: impl State + 'static) -> Self {
        self.inputs.push(Arc::new(state));
        self
    }

    /// State that the function writes.
    pub fn outputs(mut self, state: impl State + 'static) -> Self {
        self.outputs.push(Arc::new(state));
        self
    }

    /// The function's outputs.
    ///
    /// # Errors
    /// Whatever the function returns; [`Error::ReadWhileTracing`] if it reads a value that
    /// depends on its inputs. State is then as it was before.
    pub fn call(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        if !is_enabled() || (shapeless::is_recording() && self.inputs.is_empty()) {
            return (self.function)(inputs);
        }
        shapeless::refuse("a compiled function with captured inputs");
        let mut all = inputs.to_vec();
        let mut counts = Vec::with_capacity(self.inputs.len());
        for state in &self.inputs {
            let arrays = state.arrays();
            counts.push(arrays.len());
            all.extend(arrays);
        }
        let key = || vec![ArrayType::new([2], Dtype::Uint32)];
        let traced = self.cache.get(&counts, &all, key, |placeholders| {
            self.trace(placeholders, inputs.len(), &counts)
        })?;
        let mut results = self.replay(&traced, all)?;
        let mut written = results.split_off(traced.data.results).into_iter();
        for (state, count) in self.outputs.iter().zip(&traced.data.outputs) {
            state.set_arrays(written.by_ref().take(*count).collect());
        }
        Ok(results)
    }

    /// The trace's outputs, those that belong to the key sequence taken off.
    fn replay(
        &self,
        traced: &Traced<Vec<usize>, Recorded>,
        mut all: Vec<Array>,
    ) -> Result<Vec<Array>> {
        if !traced.uses_hidden() {
            return traced.replay(&all);
        }
        let mut results = Vec::new();
        random::advance(|key| {
            all.push(key.clone());
            results = traced.replay(&all)?;
            let following = traced.data.draws.then(|| results.pop()).flatten();
            Ok(following.unwrap_or_else(|| key.clone()))
        })?;
        Ok(results)
    }

    /// Runs the function on arrays without values, which stand in the captured inputs, too.
    fn trace(
        &self,
        placeholders: &[Array],
        arguments: usize,
        counts: &[usize],
    ) -> Result<(Vec<Array>, Recorded)> {
        let Some((key, placeholders)) = placeholders.split_last() else {
            return Err(Error::Internal {
                op: "compile",
                detail: "no key".to_owned(),
            });
        };
        let (arguments, mut captured) = placeholders.split_at(arguments);
        let _restore = Restore::of(self.inputs.iter().chain(&self.outputs));
        for (state, count) in self.inputs.iter().zip(counts) {
            let (own, rest) = captured.split_at(*count);
            state.set_arrays(own.to_vec());
            captured = rest;
        }
        let (mut outputs, following) =
            random::with_sequence(key.clone(), || (self.function)(arguments))?;
        let results = outputs.len();
        let mut written = Vec::with_capacity(self.outputs.len());
        for state in &self.outputs {
            let arrays = state.arrays();
            written.push(arrays.len());
            outputs.extend(arrays);
        }
        let draws = following.is_some();
        outputs.extend(following);
        let recorded = Recorded {
            results,
            outputs: written,
            draws,
        };
        Ok((outputs, recorded))
    }

    /// How many times the function has been traced.
    pub fn trace_count(&self) -> usize {
        self.cache.trace_count()
    }
}

/// Puts captured state back as it was, on whatever path.
struct Restore<'a>(Vec<(&'a Arc<dyn State>, Vec<Array>)>);

impl<'a> Restore<'a> {
    fn of(states: impl Iterator<Item = &'a Arc<dyn State>>) -> Self {
        Restore(states.map(|state| (state, state.arrays())).collect())
    }
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        for (state, arrays) in self.0.drain(..) {
            state.set_arrays(arrays);
        }
    }
}
