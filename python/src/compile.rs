//! `compile`: functions that are traced once and replayed.

mod state;
mod structure;

use crate::error::{OrRaise, hold};
use crate::tree;
use crate::wrapper::wrap;
use mlx_oxide_core::Array;
use mlx_oxide_core::compile::{self as core, TraceCache, shapeless};
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use state::Captured;
use structure::{Flat, Template, Tokens};

/// Functions of the module that pass what the caller said on to operations that are noted in
/// traces for every size; all others may look at sizes first.
const FOLLOWED: [&str; 86] = [
    "addmm",
    "all",
    "allclose",
    "any",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "astype",
    "broadcast_arrays",
    "broadcast_to",
    "clip",
    "concatenate",
    "contiguous",
    "conv1d",
    "conv2d",
    "conv3d",
    "count_nonzero",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "degrees",
    "divmod",
    "einsum",
    "expand_dims",
    "flatten",
    "flip",
    "inner",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "layer_norm",
    "logcumsumexp",
    "logical_xor",
    "logsumexp",
    "matmul",
    "matrix_transpose",
    "max",
    "mean",
    "median",
    "min",
    "moveaxis",
    "nan_to_num",
    "ones_like",
    "outer",
    "pad",
    "partition",
    "positive",
    "prod",
    "radians",
    "reciprocal",
    "repeat",
    "reshape",
    "rms_norm",
    "roll",
    "rope",
    "round",
    "scaled_dot_product_attention",
    "searchsorted",
    "sort",
    "split",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "sum",
    "swapaxes",
    "take",
    "take_along_axis",
    "tensordot",
    "tile",
    "topk",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "unflatten",
    "var",
    "vecdot",
    "view",
    "where",
    "zeros_like",
];

/// Notes that what is traced may depend on the sizes of its inputs, because of `what`.
pub(crate) fn note_sizes_read(what: &'static str) {
    shapeless::refuse(what);
}

/// Notes a call of a function of the module.
pub(crate) fn note_call(name: &'static str) {
    let name = name.trim_start_matches('_');
    if shapeless::is_recording() && !FOLLOWED.contains(&name) {
        shapeless::refuse(name);
    }
}

/// What is kept with a trace.
struct Recorded {
    result: Template,
    /// The captured outputs after the function ran.
    outputs: Option<Template>,
    /// Whether the last output is the next key of `random.state`.
    draws: bool,
    /// Objects that the key refers to by address.
    alive: Vec<Py<PyAny>>,
}

impl Recorded {
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.result.traverse(visit)?;
        if let Some(outputs) = &self.outputs {
            outputs.traverse(visit)?;
        }
        self.alive.iter().try_for_each(|object| visit.call(object))
    }
}

/// A function that is traced once for each combination of shapes, dtypes, tree structure and
/// constants of its arguments, and then replayed.
#[pyclass(module = "mlx_oxide.core", frozen, subclass)]
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
                alive: flat
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
    #[new]
    fn new(
        function: Py<PyAny>,
        inputs: Option<Py<PyAny>>,
        outputs: Option<Py<PyAny>>,
        shapeless: bool,
    ) -> Self {
        Compiled {
            function,
            inputs,
            outputs,
            cache: TraceCache::new(shapeless),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.inputs)?;
        visit.call(&self.outputs)?;
        self.cache
            .for_each_data(|recorded| recorded.traverse(&visit))
    }

    #[pyo3(signature = (*arguments, **keywords))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // a trace for every size looks into the functions that it calls
        if !core::is_enabled() || (shapeless::is_recording() && self.inputs.is_none()) {
            return self.function.bind(py).call(arguments, keywords);
        }
        let mut flat = Flat::default();
        flat.arguments(arguments.as_any())?;
        if let Some(keywords) = keywords {
            flat.arguments(keywords.as_any())?;
        }
        flat.arguments = flat.arrays.len();
        let captured = Captured::flatten(py, self.inputs.as_ref(), &mut flat)?;
        note_sizes_read("a compiled function with captured inputs");
        let hidden = || {
            let key = captured.key(py);
            key.iter().map(|key| key.array_type().clone()).collect()
        };
        let run = |placeholders: &[Array]| {
            let traced = self.trace(py, arguments, keywords, &captured, placeholders, &flat);
            traced.map_err(hold)
        };
        let traced = self.cache.get(&flat.tokens, &flat.arrays, hidden, run);
        let traced = traced.or_raise()?;
        if traced.uses_hidden() {
            flat.arrays.extend(captured.key(py));
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
/// `shapeless`, a function is not traced again for other sizes, unless something that it does
/// holds for one size alone: reading `shape`, say, or a gradient within.
/// `compiled.trace_count` says how often the function has been traced.
///
/// Args:
///     fun: a function of trees of arrays; other arguments are part of what is traced.
///     inputs, outputs: trees of arrays that the function reads and replaces, such as a model's and an
///         optimizer's `state` and `random.state`.
///     shapeless: whether one trace serves all sizes.
///
/// Raises:
///     ValueError: a function that reads values of arrays while it is traced.
///
/// Example:
///     >>> mx.compile(lambda x: mx.exp(-x))(mx.zeros(2))
///     array([1, 1], dtype=float32)
#[pyfunction]
#[pyo3(signature = (fun, inputs = None, outputs = None, shapeless = false))]
fn compile<'py>(
    fun: &Bound<'py, PyAny>,
    inputs: Option<Py<PyAny>>,
    outputs: Option<Py<PyAny>>,
    shapeless: bool,
) -> PyResult<Bound<'py, PyAny>> {
    if !fun.is_callable() {
        return Err(PyTypeError::new_err(format!(
            "[compile] expected a function, got {}",
            fun.get_type()
        )));
    }
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    wrap::<Compiled>(&CLASS, fun, (fun, inputs, outputs, shapeless))
}

/// Runs compiled functions as they are written from here on. The environment variable
/// `MLX_DISABLE_COMPILE` does the same.
///
/// Example:
///     >>> mx.disable_compile()
#[pyfunction]
fn disable_compile() {
    core::set_enabled(false);
}

/// The opposite of `disable_compile`.
///
/// Example:
///     >>> mx.enable_compile()
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
