//! Traces by the types of their inputs.

use super::shapeless::{self, Program};
use crate::array::Array;
use crate::graph::{Graph, simplify};
use mlx_oxide_ir::{ArrayType, Result};
use mlx_oxide_runtime::Stream;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most traces that are kept of one function; beyond it the oldest goes.
const MOST_TRACES: usize = 512;

/// One trace of a function.
pub struct Traced<K, D> {
    key: K,
    /// The stream at the time of tracing.
    stream: Stream,
    /// For every transform.
    graph: Graph,
    /// For evaluation alone.
    values: Graph,
    /// The function for inputs of other sizes, if nothing in it depends on these.
    program: Option<Arc<Program>>,
    /// How many inputs the key covers; hidden ones may follow.
    visible: usize,
    /// Whether some constant belongs to a transform that is under way; such a trace is not kept.
    followed: bool,
    /// What the caller keeps with the trace.
    pub data: Arc<D>,
}

impl<K, D> Traced<K, D> {
    /// The function's outputs, as new lazy arrays.
    ///
    /// # Errors
    /// Inputs of types that the trace is not for.
    pub fn replay(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        match self.followed || inputs.iter().any(Array::is_traced) {
            true => self.graph.replay(inputs),
            false => self.values.replay(inputs),
        }
    }

    /// The traced function, fit for every transform.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Whether the trace holds for inputs of other sizes, too.
    pub fn is_shapeless(&self) -> bool {
        self.program.is_some()
    }

    /// Whether [`replay`](Traced::replay) takes the hidden inputs after the others.
    pub fn uses_hidden(&self) -> bool {
        self.graph.inputs.len() > self.visible
    }

    fn fits(&self, inputs: &[Array]) -> bool {
        inputs.len() == self.visible
            && inputs
                .iter()
                .zip(&self.graph.inputs)
                .all(|(input, expected)| input.array_type() == expected)
    }

    fn fits_but_for_sizes(&self, inputs: &[ArrayType]) -> bool {
        let takes = |program: &Arc<Program>| program.takes(inputs);
        self.program.as_ref().is_some_and(takes)
    }
}

/// The traces of one function, by the caller's key, the inputs' types and the current stream.
pub struct TraceCache<K, D> {
    traces: Mutex<VecDeque<Arc<Traced<K, D>>>>,
    count: AtomicUsize,
    shapeless: bool,
}

impl<K: PartialEq + Clone, D> TraceCache<K, D> {
    /// An empty cache. If `shapeless`, a trace serves inputs of other sizes without tracing
    /// again, unless something in it holds only for its own sizes: such a function is traced
    /// again. What a function computes in Rust from [`Array::shape`] goes unnoticed and must say
    /// so by [`shapeless::refuse`].
    pub fn new(shapeless: bool) -> Self {
        TraceCache {
            traces: Mutex::default(),
            count: AtomicUsize::new(0),
            shapeless,
        }
    }

    /// How many times the function has been traced.
    pub fn trace_count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Visits what callers keep with the traces, as far as nobody but this cache holds it now;
    /// nothing if the cache is in use.
    pub fn for_each_data<E>(
        &self,
        mut visit: impl FnMut(&D) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let Some(traces) = self.traces.try_lock() else {
            return Ok(());
        };
        let mut seen: Vec<&Arc<D>> = Vec::new();
        for traced in traces.iter() {
            // traces of one program for several sizes share their data
            let is_seen = seen.iter().any(|data| Arc::ptr_eq(data, &traced.data));
            let holders = traces
                .iter()
                .filter(|other| Arc::ptr_eq(&other.data, &traced.data));
            if !is_seen && holders.count() == Arc::strong_count(&traced.data) {
                seen.push(&traced.data);
                visit(&traced.data)?;
            }
        }
        Ok(())
    }

    /// The trace for the inputs. `trace` runs the function on inputs without values where there is
    /// none yet; it returns the outputs and what the caller keeps. It also gets inputs of the `hidden` types, which are no part of the key and which
    /// a trace that does not use them does without.
    pub fn get<F>(
        &self,
        key: &K,
        inputs: &[Array],
        hidden: impl FnOnce() -> Vec<ArrayType>,
        trace: F,
    ) -> Result<Arc<Traced<K, D>>>
    where
        F: FnOnce(&[Array]) -> Result<(Vec<Array>, D)>,
    {
        let stream = Stream::current();
        let matches = |traced: &Traced<K, D>| traced.stream == stream && traced.key == *key;
        let mut types: Vec<ArrayType>;
        let similar = {
            let mut traces = self.traces.lock();
            let found = traces
                .iter()
                .position(|traced| traced.fits(inputs) && matches(traced));
            if let Some(position) = found {
                if position > 0 {
                    traces.swap(0, position);
                }
                return Ok(traces[0].clone());
            }
            types = inputs
                .iter()
                .map(|input| input.array_type().clone())
                .collect();
            traces
                .iter()
                .find(|traced| traced.fits_but_for_sizes(&types) && matches(traced))
                .cloned()
        };
        let program = similar.as_ref().and_then(|similar| similar.program.clone());
        let traced = match (similar, program) {
            (Some(similar), Some(program)) => {
                let graph = simplify::simplify(program.resize(&types)?);
                Traced {
                    key: key.clone(),
                    stream,
                    values: simplify::simplify_for_values(graph.clone()),
                    graph,
                    program: Some(program),
                    visible: inputs.len(),
                    followed: false,
                    data: similar.data.clone(),
                }
            }
            _ => {
                types.extend(hidden());
                self.trace(key.clone(), stream, &types, inputs.len(), trace)?
            }
        };
        Ok(self.keep(traced))
    }

    fn trace<F>(
        &self,
        key: K,
        stream: Stream,
        types: &[ArrayType],
        visible: usize,
        trace: F,
    ) -> Result<Traced<K, D>>
    where
        F: FnOnce(&[Array]) -> Result<(Vec<Array>, D)>,
    {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut kept = None;
        let function = |placeholders: &[Array]| {
            let (outputs, data) = trace(placeholders)?;
            kept = Some(data);
            Ok(outputs)
        };
        let (graph, program) = match self.shapeless {
            true => {
                let (graph, program) = shapeless::trace(function, types)?;
                (graph, program.ok())
            }
            false => (Graph::trace(function, types)?, None),
        };
        let data = kept.expect("the trace ran");
        let mut graph = simplify::simplify(graph);
        let uses_hidden = graph.uses_inputs_from(visible as u32);
        if !uses_hidden {
            graph.inputs.truncate(visible);
        }
        // hidden inputs have no place in a program; without them it takes the others alone
        let program = program.filter(|_| !uses_hidden).map(|mut program| {
            program.inputs.truncate(visible);
            Arc::new(program)
        });
        let followed = graph.followed_constants().next().is_some();
        let values = simplify::simplify_for_values(graph.clone());
        Ok(Traced {
            key,
            stream,
            program: program.filter(|_| !followed),
            graph,
            values,
            visible,
            followed,
            data: Arc::new(data),
        })
    }

    /// Stores a trace, unless it holds arrays that only the transforms now under way know.
    fn keep(&self, traced: Traced<K, D>) -> Arc<Traced<K, D>> {
        let traced = Arc::new(traced);
        if !traced.followed {
            let mut traces = self.traces.lock();
            traces.push_front(traced.clone());
            // dropped outside the lock: freeing arrays takes time
            let dropped = (traces.len() > MOST_TRACES).then(|| traces.pop_back());
            drop(traces);
            drop(dropped);
        }
        traced
    }
}
