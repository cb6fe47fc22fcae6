//! Functions in files, and pictures of graphs.

use crate::array::{PyArray, wrap_all};
use crate::dtype::PyDtype;
use crate::error::{OrRaise, hold};
use mlx_oxide_core::export::{Exported, Signature};
use mlx_oxide_core::graph::{Graph, Value, dot};
use mlx_oxide_core::{Array, ArrayType};
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use std::path::PathBuf;

/// The inputs of one call.
struct Inputs {
    signature: Signature,
    arrays: Vec<Array>,
}

fn array_of(op: &str, value: &Bound<'_, PyAny>) -> PyResult<Array> {
    value
        .cast::<PyArray>()
        .map(|array| array.get().get())
        .map_err(|_| {
            PyValueError::new_err(format!(
                "[{op}] inputs must be arrays by position and by name, or one tuple and/or dict of \
                 arrays; got {}",
                value.get_type()
            ))
        })
}

fn is_sequence(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>()
}

fn add_named<'py>(
    dict: &Bound<'py, PyDict>,
    named: &mut Vec<(String, Bound<'py, PyAny>)>,
) -> PyResult<()> {
    for (name, value) in dict.iter() {
        named.push((name.extract()?, value));
    }
    Ok(())
}

/// Positional arrays and named ones, which may also come as one tuple and one dict.
fn inputs_of<'py>(
    op: &str,
    arguments: &Bound<'py, PyTuple>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Inputs> {
    let mut positional: Vec<Bound<'py, PyAny>> = arguments.iter().collect();
    let mut named: Vec<(String, Bound<'py, PyAny>)> = Vec::new();
    if let Some(keywords) = keywords {
        add_named(keywords, &mut named)?;
    }
    if let Some(dict) = positional
        .last()
        .and_then(|last| last.cast::<PyDict>().ok())
        .cloned()
        && positional.len() <= 2
    {
        add_named(&dict, &mut named)?;
        positional.pop();
    }
    if let [only] = positional.as_slice()
        && is_sequence(only)
    {
        positional = only.try_iter()?.collect::<PyResult<_>>()?;
    }
    named.sort_by(|lhs, rhs| lhs.0.cmp(&rhs.0));
    let mut arrays = Vec::with_capacity(positional.len() + named.len());
    for value in &positional {
        arrays.push(array_of(op, value)?);
    }
    for (_, value) in &named {
        arrays.push(array_of(op, value)?);
    }
    Ok(Inputs {
        signature: Signature {
            positional: positional.len(),
            keywords: named.into_iter().map(|(name, _)| name).collect(),
        },
        arrays,
    })
}

/// Calls a function that returns an array or a sequence of arrays.
fn call_on(
    function: &Bound<'_, PyAny>,
    signature: &Signature,
    placeholders: &[Array],
) -> PyResult<Vec<Array>> {
    let py = function.py();
    let (positional, named) = placeholders.split_at(signature.positional);
    let wrap = |array: &Array| Bound::new(py, PyArray::from(array.clone()));
    let arguments = positional.iter().map(wrap).collect::<PyResult<Vec<_>>>()?;
    let keywords = PyDict::new(py);
    for (name, array) in signature.keywords.iter().zip(named) {
        keywords.set_item(name, wrap(array)?)?;
    }
    let result = function.call(PyTuple::new(py, arguments)?, Some(&keywords))?;
    let refused = || {
        PyValueError::new_err(
            "[export_function] the function must return an array or a tuple or list of arrays",
        )
    };
    if let Ok(array) = result.cast::<PyArray>() {
        return Ok(vec![array.get().get()]);
    }
    if !is_sequence(&result) {
        return Err(refused());
    }
    let arrays = result
        .try_iter()?
        .map(|item| match item?.cast::<PyArray>() {
            Ok(array) => Ok(array.get().get()),
            Err(_) => Err(refused()),
        });
    arrays.collect()
}

impl Inputs {
    fn types(&self) -> Vec<ArrayType> {
        let arrays = self.arrays.iter();
        arrays.map(|array| array.array_type().clone()).collect()
    }

    /// A trace of the function for these inputs.
    fn trace(&self, function: &Bound<'_, PyAny>) -> PyResult<Graph> {
        let call = |placeholders: &[Array]| call_on(function, &self.signature, placeholders);
        Graph::trace(
            |placeholders| call(placeholders).map_err(hold),
            &self.types(),
        )
        .or_raise()
    }
}

/// Writes functions traced for several inputs into one file.
#[pyclass(module = "mlx_oxide.core", frozen)]
struct FunctionExporter {
    function: Py<PyAny>,
    path: PathBuf,
    shapeless: bool,
    /// Nothing once it is closed.
    exported: Mutex<Option<Exported>>,
}

#[pymethods]
impl FunctionExporter {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let closed =
            || PyRuntimeError::new_err("[export_function] the exporter has been closed already");
        if self.exported.lock().is_none() {
            return Err(closed());
        }
        let inputs = inputs_of("export_function", args, kwargs)?;
        let function = self.function.bind(py);
        let mut added = Exported::default();
        if self.shapeless {
            let call = |placeholders: &[Array]| call_on(function, &inputs.signature, placeholders);
            let function = |placeholders: &[Array]| call(placeholders).map_err(hold);
            added.add_shapeless(inputs.signature.clone(), function, &inputs.types())
        } else {
            added.add(inputs.signature.clone(), inputs.trace(function)?)
        }
        .or_raise()?;
        // the function ran without the lock: it may use the exporter itself
        match &mut *self.exported.lock() {
            Some(exported) => exported.append(added).or_raise(),
            None => Err(closed()),
        }
    }

    /// Writes the file.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let exported = self.exported.lock().take();
        match exported {
            Some(exported) => py.detach(|| exported.save(&self.path)).or_raise(),
            None => Ok(()),
        }
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (exc_type = None, exc_value = None, traceback = None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<&Bound<'_, PyAny>>,
        exc_value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (exc_value, traceback);
        match exc_type {
            None => self.close(py),
            // a file with half of the traces would look complete
            Some(_) => {
                self.exported.lock().take();
                Ok(())
            }
        }
    }
}

/// An object to write a function into one file with, once for each kind of inputs.
///
/// Args:
///     file: path of the file.
///     fun: a function of arrays that returns arrays.
///     shapeless: whether one trace serves all sizes.
///
/// Raises:
///     ValueError: what cannot be written, named by its operation.
///
/// Example:
///     >>> with mx.exporter("f.mlxfn", mx.sin) as write:
///     ...     write(mx.ones(2))
#[pyfunction]
#[pyo3(signature = (file, fun, *, shapeless = false, metadata = None))]
fn exporter(
    file: PathBuf,
    fun: &Bound<'_, PyAny>,
    shapeless: bool,
    metadata: Option<String>,
) -> PyResult<FunctionExporter> {
    if !fun.is_callable() {
        return Err(PyTypeError::new_err("[exporter] expected a function"));
    }
    Ok(FunctionExporter {
        function: fun.clone().unbind(),
        path: file,
        shapeless,
        exported: Mutex::new(Some(Exported::new(metadata))),
    })
}

/// Writes a function, traced for the given inputs, into a file; or calls a function with a dict
/// for each part of the trace.
///
/// Args:
///     file: path of the file, or a function to call.
///     fun: a function of arrays that returns arrays.
///     args, kwargs: inputs to trace with.
///     shapeless: whether the trace serves all sizes.
///
/// Raises:
///     ValueError: what cannot be written, named by its operation.
///
/// Example:
///     >>> mx.export_function("f.mlxfn", mx.sin, mx.ones(2))
#[pyfunction]
#[pyo3(signature = (file_or_callback, fun, *args, shapeless = false, metadata = None, **kwargs))]
fn export_function(
    py: Python<'_>,
    file_or_callback: &Bound<'_, PyAny>,
    fun: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    shapeless: bool,
    metadata: Option<String>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    if file_or_callback.is_callable() {
        let inputs = inputs_of("export_function", args, kwargs)?;
        let graph = inputs.trace(fun)?;
        return describe(file_or_callback, &graph, &inputs.signature);
    }
    let exporter = exporter(file_or_callback.extract()?, fun, shapeless, metadata)?;
    exporter.__call__(py, args, kwargs)?;
    exporter.close(py)
}

/// `A`, `B`, …, `Z`, `AA`, ….
fn letters(mut number: usize) -> String {
    let mut name = Vec::new();
    loop {
        name.push(b'A' + (number % 26) as u8);
        number /= 26;
        if number == 0 {
            break;
        }
        number -= 1;
    }
    name.reverse();
    name.into_iter().map(char::from).collect()
}

/// Calls a function with a dict for the inputs, outputs, constants and each operation.
fn describe(callback: &Bound<'_, PyAny>, graph: &Graph, signature: &Signature) -> PyResult<()> {
    let py = callback.py();
    let mut first = Vec::with_capacity(graph.steps.len());
    let mut count = graph.inputs.len() + graph.constants.len();
    for step in &graph.steps {
        first.push(count);
        count += step.types.len();
    }
    let name = |value: Value| match value {
        Value::Input(input) => letters(input as usize),
        Value::Constant(constant) => letters(graph.inputs.len() + constant as usize),
        Value::Result { step, output } => letters(first[step as usize] + output as usize),
    };
    let described = |values: &[Value]| -> PyResult<Bound<'_, PyList>> {
        let items = values.iter().map(|value| {
            let array_type = graph.array_type(*value);
            let shape = PyTuple::new(py, array_type.shape.iter())?;
            (name(*value), shape, PyDtype(array_type.dtype)).into_pyobject(py)
        });
        PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)
    };
    let call = |kind: &str, items: &[(&str, Bound<'_, PyAny>)]| -> PyResult<()> {
        let record = PyDict::new(py);
        record.set_item("type", kind)?;
        for (key, value) in items {
            record.set_item(key, value)?;
        }
        callback.call1((record,)).map(|_| ())
    };
    let inputs: Vec<Value> = (0..graph.inputs.len() as u32).map(Value::Input).collect();
    call("inputs", &[("inputs", described(&inputs)?.into_any())])?;
    let named = signature
        .keywords
        .iter()
        .zip(&inputs[signature.positional..]);
    let named: Vec<(String, String)> = named
        .map(|(keyword, value)| (keyword.clone(), name(*value)))
        .collect();
    call(
        "keyword_inputs",
        &[("keywords", PyList::new(py, named)?.into_any())],
    )?;
    call(
        "outputs",
        &[("outputs", described(&graph.outputs)?.into_any())],
    )?;
    let constants = PyList::empty(py);
    for (position, constant) in graph.constants.iter().enumerate() {
        let value = Value::Constant(position as u32);
        constants.append((name(value), PyArray::from(constant.clone())))?;
    }
    call("constants", &[("constants", constants.into_any())])?;
    for (position, step) in graph.steps.iter().enumerate() {
        let outputs: Vec<Value> = (0..step.types.len() as u32)
            .map(|output| Value::Result {
                step: position as u32,
                output,
            })
            .collect();
        let parameters = PyList::new(py, [format!("{:?}", step.op)])?;
        call(
            "primitive",
            &[
                ("name", PyString::new(py, step.op.name()).into_any()),
                ("inputs", described(&step.inputs)?.into_any()),
                ("outputs", described(&outputs)?.into_any()),
                ("arguments", parameters.into_any()),
            ],
        )?;
    }
    Ok(())
}

/// A function from a file.
#[pyclass(module = "mlx_oxide.core", frozen)]
struct ImportedFunction {
    exported: Exported,
}

#[pymethods]
impl ImportedFunction {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let inputs = inputs_of("import_function", args, kwargs)?;
        let outputs = wrap_all(self.exported.call(&inputs.signature, &inputs.arrays))?;
        let outputs = outputs.into_iter().map(|output| Bound::new(py, output));
        PyTuple::new(py, outputs.collect::<PyResult<Vec<_>>>()?)
    }
}

/// The function that a file holds; it returns a tuple of arrays.
///
/// Args:
///     file: path of a file that `export_function` or `exporter` wrote.
///
/// Raises:
///     ValueError: a file that is none of these, or damaged; calls with inputs that it holds no trace for.
///
/// Example:
///     >>> mx.export_function("f.mlxfn", mx.exp, mx.zeros(2))
///     >>> mx.import_function("f.mlxfn")(mx.zeros(2))
///     (array([1, 1], dtype=float32),)
#[pyfunction]
#[pyo3(signature = (file, return_metadata = false))]
fn import_function<'py>(
    py: Python<'py>,
    file: PathBuf,
    return_metadata: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let exported = py.detach(|| Exported::load(&file)).or_raise()?;
    let metadata = exported.metadata.clone().unwrap_or_default();
    let function = Bound::new(py, ImportedFunction { exported })?.into_any();
    match return_metadata {
        true => Ok((function, metadata).into_pyobject(py)?.into_any()),
        false => Ok(function),
    }
}

/// Writes a picture of the operations that arrays wait for, in the language of Graphviz, to a
/// path or to an object with `write`. Keyword arguments name arrays.
///
/// Raises:
///     ValueError: a path that cannot be written.
///
/// Example:
///     >>> mx.export_to_dot("graph.dot", mx.ones(2) + 1)
#[pyfunction]
#[pyo3(signature = (file, *args, **kwargs))]
fn export_to_dot(
    file: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let mut arrays = crate::tree::arrays(args)?;
    let mut names: Vec<String> = vec![String::new(); arrays.len()];
    if let Some(keywords) = kwargs {
        for (name, value) in keywords.iter() {
            arrays.push(array_of("export_to_dot", &value)?);
            names.push(name.extract()?);
        }
    }
    let graph = Graph::of(&arrays).or_raise()?;
    let picture = dot(&graph, &names);
    match file.getattr("write") {
        Ok(write) => write.call1((picture,)).map(|_| ()),
        Err(_) => {
            let path: PathBuf = file.extract()?;
            std::fs::write(&path, picture).map_err(|error| {
                PyRuntimeError::new_err(format!(
                    "[export_to_dot] cannot write {}: {error}",
                    path.display()
                ))
            })
        }
    }
}

/// Adds the functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FunctionExporter>()?;
    module.add_function(wrap_pyfunction!(exporter, module)?)?;
    module.add_function(wrap_pyfunction!(export_function, module)?)?;
    module.add_function(wrap_pyfunction!(import_function, module)?)?;
    module.add_function(wrap_pyfunction!(export_to_dot, module)?)
}
