//! `compile`: functions that are traced once and replayed.

mod state;
mod structure;

use crate::error::{OrRaise, hold};
use crate::transforms::copy_names;
use crate::tree;
use mlx_oxide_core::Array;
use mlx_oxide_core::compile::{self as core, TraceCache};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use state::Captured;
use std::cell::Cell;
use structure::{Flat, Template, Tokens};

thread_local! {
    /// Whether the function that is being traced may have looked at sizes.
    static SIZES_READ: Cell<bool> = const { Cell::new(false) };
}

/// Notes that a function may depend on the sizes of its inputs: a trace of it does not hold for
/// others.
pub(crate) fn note_sizes_read() {
    SIZES_READ.set(true);
}

/// What is kept with a trace.
struct Recorded {
    result: Template,
    /// The captured outputs after the function ran.
    outputs: Option<Template>,
    /// Whether the last output is the next key of `random.state`.
    draws: bool,
    /// Objects that the key refers to by address.
    _alive: Vec<Py<PyAny>>,
}

/// A function that is traced once for each combination of shapes, dtypes, tree structure and
/// constants of its arguments, and then replayed.
#[pyclass(module = "mlx_oxide.core", frozen, dict, weakref)]
struct Compiled {
    function: Py<PyAny>,
    inputs: Option<Py<PyAny>>,
    outputs: Option<Py<PyAny>>,
    cache: TraceCache<Tokens, Recorded>,
}

impl Compiled {
    /// Runs the function on arrays without values and takes its result apart.
    fn trace<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
        captured: &Captured<'py>,
        placeholders: &[Array],
        flat: &Flat,
    ) -> PyResult<(Vec<Array>, Recorded)> {
        let (own, state) = placeholders.split_at(flat.arguments);
        let replaced = captured.replace(py, state)?;
        let run = || -> PyResult<(Vec<Array>, Recorded)> {
            let count = tree::arrays(arguments)?.len();
            let arguments = tree::with_arrays(arguments, &own[..count])?;
            let keywords = match keywords {
                Some(keywords) => Some(tree::with_arrays(keywords, &own[count..])?),
                None => None,
            };
            let keywords = keywords.as_ref().map(|keywords| keywords.cast::<PyDict>());
            let result = self
                .function
                .bind(py)
                .call(arguments.cast_into::<PyTuple>()?, keywords.transpose()?)?;
            let mut arrays = Vec::new();
            let result = Template::of(&result, &mut arrays)?;
            let outputs = match &self.outputs {
                Some(outputs) => Some(Template::of(outputs.bind(py), &mut arrays)?),
                None => None,
            };
            let next_key = captured.next_key(py, &replaced)?;
            let draws = next_key.is_some();
            arrays.extend(next_key);
            let recorded = Recorded {
                result,
                outputs,
                draws,
                _alive: flat
                    .alive
                    .iter()
                    .map(|object| object.clone_ref(py))
                    .collect(),
            };
            Ok((arrays, recorded))
        };
        let traced = run();
        captured.restore(py, replaced)?;
        traced
    }
}

#[pymethods]
impl Compiled {
    #[pyo3(signature = (*arguments, **keywords))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !core::is_enabled() {
            return self.function.bind(py).call(arguments, keywords);
        }
        let mut flat = Flat::default();
        flat.arguments(arguments.as_any())?;
        if let Some(keywords) = keywords {
            flat.arguments(keywords.as_any())?;
        }
        flat.arguments = flat.arrays.len();
        let captured = Captured::flatten(py, self.inputs.as_ref(), &mut flat)?;
        let outer = SIZES_READ.replace(false);
        let hidden = || {
            let key = captured.key();
            key.iter().map(|key| key.array_type().clone()).collect()
        };
        let run = |placeholders: &[Array]| {
            let traced = self.trace(py, arguments, keywords, &captured, placeholders, &flat);
            let (arrays, recorded) = traced.map_err(hold)?;
            Ok((arrays, recorded, !SIZES_READ.get()))
        };
        let traced = self.cache.get(&flat.tokens, &flat.arrays, hidden, run);
        SIZES_READ.set(outer);
        let traced = traced.or_raise()?;
        if !traced.is_shapeless() {
            note_sizes_read(); // for a trace around this one
        }
        if traced.uses_hidden() {
            flat.arrays.extend(captured.key());
        }
        let mut outputs = traced.replay(&flat.arrays).or_raise()?.into_iter();
        let result = traced.data.result.build(py, &mut outputs)?;
        if let (Some(template), Some(container)) = (&traced.data.outputs, &self.outputs) {
            template.write_into(container.bind(py), &mut outputs)?;
        }
        if traced.data.draws
            && let Some(key) = outputs.next()
        {
            captured.set_key(py, key)?;
        }
        Ok(result)
    }

    /// How many times the function has been traced.
    #[getter]
    fn trace_count(&self) -> usize {
        self.cache.trace_count()
    }

    fn __get__<'py>(
        slf: &Bound<'py, Self>,
        instance: &Bound<'py, PyAny>,
        _owner: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if instance.is_none() {
            return Ok(slf.clone().into_any());
        }
        let method = slf.py().import("types")?.getattr("MethodType")?;
        method.call1((slf, instance))
    }
}

/// A function that computes what `fun` does, traced once and replayed.
///
/// A trace belongs to the shapes and dtypes of the arrays among the arguments, the structure of
/// the trees they come in and all other values among them. `inputs` and `outputs` are containers
/// (or trees of them) whose arrays the function reads and writes besides its arguments. With
/// `shapeless`, functions made of elementwise operations are not traced again for other sizes.
/// `compiled.trace_count` says how often the function has been traced.
#[pyfunction]
#[pyo3(signature = (fun, inputs = None, outputs = None, shapeless = false))]
fn compile<'py>(
    fun: &Bound<'py, PyAny>,
    inputs: Option<Py<PyAny>>,
    outputs: Option<Py<PyAny>>,
    shapeless: bool,
) -> PyResult<Bound<'py, Compiled>> {
    if !fun.is_callable() {
        return Err(PyTypeError::new_err(format!(
            "[compile] expected a function, got {}",
            fun.get_type()
        )));
    }
    let compiled = Compiled {
        function: fun.clone().unbind(),
        inputs,
        outputs,
        cache: TraceCache::new(shapeless),
    };
    let wrapped = Bound::new(fun.py(), compiled)?;
    copy_names(&wrapped, fun)?;
    Ok(wrapped)
}

/// Runs compiled functions as they are written from here on. The environment variable
/// `MLX_DISABLE_COMPILE` does the same.
#[pyfunction]
fn disable_compile() {
    core::set_enabled(false);
}

/// The opposite of `disable_compile`.
#[pyfunction]
fn enable_compile() {
    core::set_enabled(true);
}

/// Adds the functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(compile, module)?)?;
    module.add_function(wrap_pyfunction!(disable_compile, module)?)?;
    module.add_function(wrap_pyfunction!(enable_compile, module)?)
}
