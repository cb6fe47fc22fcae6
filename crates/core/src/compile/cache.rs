//! Traces by the types of their inputs.

use super::shapeless;
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
    /// Whether the graph holds for inputs of other shapes, too.
    shapeless: bool,
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
        self.shapeless
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

    fn fits_but_for_sizes(&self, inputs: &[Array]) -> bool {
        self.shapeless
            && inputs.len() == self.visible
            && inputs
                .iter()
                .zip(&self.graph.inputs)
                .all(|(input, expected)| {
                    input.dtype() == expected.dtype && input.ndim() == expected.shape.ndim()
                })
    }
}

/// The traces of one function, by the caller's key, the inputs' types and the current stream.
pub struct TraceCache<K, D> {
    traces: Mutex<VecDeque<Arc<Traced<K, D>>>>,
    count: AtomicUsize,
    shapeless: bool,
}

impl<K: PartialEq + Clone, D> TraceCache<K, D> {
    /// An empty cache. If `shapeless`, a trace of elementwise operations alone serves inputs of
    /// other sizes without tracing again; any other function is traced again, because its trace
    /// holds sizes.
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

    /// The trace for the inputs. `trace` runs the function on inputs without values where there is
    /// none yet; it returns the outputs, what the caller keeps, and whether no size of an input
    /// was read. It also gets inputs of the `hidden` types, which are no part of the key and which
    /// a trace that does not use them does without.
    pub fn get<F>(
        &self,
        key: &K,
        inputs: &[Array],
        hidden: impl FnOnce() -> Vec<ArrayType>,
        trace: F,
    ) -> Result<Arc<Traced<K, D>>>
    where
        F: FnOnce(&[Array]) -> Result<(Vec<Array>, D, bool)>,
    {
        let stream = Stream::current();
        let matches = |traced: &Traced<K, D>| traced.stream == stream && traced.key == *key;
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
            traces
                .iter()
                .find(|traced| traced.fits_but_for_sizes(inputs) && matches(traced))
                .cloned()
        };
        let mut types: Vec<ArrayType> = inputs
            .iter()
            .map(|input| input.array_type().clone())
            .collect();
        let traced = match similar {
            Some(similar) => Traced {
                key: key.clone(),
                stream,
                graph: shapeless::resize(&similar.graph, &types)?,
                values: shapeless::resize(&similar.values, &types)?,
                shapeless: true,
                visible: inputs.len(),
                followed: false,
                data: similar.data.clone(),
            },
            None => {
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
        F: FnOnce(&[Array]) -> Result<(Vec<Array>, D, bool)>,
    {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut kept = None;
        let graph = Graph::trace(
            |placeholders| {
                let (outputs, data, sizes_unread) = trace(placeholders)?;
                kept = Some((data, sizes_unread));
                Ok(outputs)
            },
            types,
        )?;
        let (data, sizes_unread) = kept.expect("the trace ran");
        let mut graph = simplify::simplify(graph);
        if !graph.uses_inputs_from(visible as u32) {
            graph.inputs.truncate(visible);
        }
        let followed = graph.followed_constants().next().is_some();
        let values = simplify::simplify_for_values(graph.clone());
        Ok(Traced {
            key,
            stream,
            shapeless: self.shapeless && sizes_unread && shapeless::holds_no_sizes(&graph),
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
