//! Function transforms over trees of arrays, and evaluation.

use crate::arguments::items;
use crate::array::{PyArray, wrap_all};
use crate::compile::note_sizes_read;
use crate::error::{OrRaise, hold};
use crate::tree;
use crate::wrapper::wrap;
use mlx_oxide_core::{
    Array, async_eval as core_async_eval, eval as core_eval, eval_few, transforms,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};
use std::cell::RefCell;

/// Computes all arrays of the trees now.
///
/// Args:
///     args: arrays, and nested lists, tuples and dictionaries of arrays; other leaves are left alone.
///
/// Raises:
///     RuntimeError, ValueError: whatever goes wrong in an operation, named by it.
///
/// Example:
///     >>> x = mx.ones(2) + 1
///     >>> mx.eval(x)
#[pyfunction]
#[pyo3(signature = (*args))]
fn eval(py: Python<'_>, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    if args.len() == 1
        && let Ok(array) = args.get_borrowed_item(0)?.cast::<PyArray>()
        && let Some(result) = eval_few(&array.get().get())
    {
        return result.or_raise();
    }
    let arrays = tree::arrays(args)?;
    py.detach(|| core_eval(&arrays)).or_raise()
}

/// Starts computing all arrays of the trees and returns at once.
///
/// Args:
///     args: as of `eval`.
///
/// Example:
///     >>> x = mx.ones(2) + 1
///     >>> mx.async_eval(x)
#[pyfunction]
#[pyo3(signature = (*args))]
fn async_eval(py: Python<'_>, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let arrays = tree::arrays(args)?;
    py.detach(|| core_async_eval(&arrays));
    Ok(())
}

/// Which arguments a gradient is taken of.
struct Wanted {
    positions: Vec<i64>,
    single: bool,
    names: Vec<String>,
}

fn wanted(
    op: &str,
    argnums: Option<&Bound<'_, PyAny>>,
    argnames: Option<&Bound<'_, PyAny>>,
) -> PyResult<Wanted> {
    let names = match argnames {
        None => Vec::new(),
        Some(names) if names.is_instance_of::<PyString>() => vec![names.extract()?],
        Some(names) => names.extract()?,
    };
    let positions: Vec<i64> = match argnums {
        Some(position) if !position.is_none() => match position.extract() {
            Ok(position) => vec![position],
            Err(_) => position.extract()?,
        },
        _ if names.is_empty() => vec![0],
        _ => Vec::new(),
    };
    if let Some(position) = positions.iter().find(|position| **position < 0) {
        return Err(PyValueError::new_err(format!(
            "[{op}] argnums must not be negative, got {position}"
        )));
    }
    let mut sorted = positions.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != positions.len() {
        return Err(PyValueError::new_err(format!(
            "[{op}] argnums are given more than once"
        )));
    }
    Ok(Wanted {
        single: positions.len() == 1,
        positions: sorted,
        names,
    })
}

/// The gradient of a function, with or without its value.
#[pyclass(module = "mlx_oxide.core", frozen, subclass)]
struct Gradient {
    function: Py<PyAny>,
    wanted: Wanted,
    with_value: bool,
    op: &'static str,
}

impl Gradient {
    /// The trees that gradients are taken of: positional ones, then named ones.
    fn chosen<'py>(
        &self,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let op = self.op;
        let mut trees = Vec::new();
        for &position in &self.wanted.positions {
            trees.push(arguments.get_item(position as usize).map_err(|_| {
                PyValueError::new_err(format!(
                    "[{op}] can't compute the gradient of argument {position}: the function is \
                     called with {} positional arguments",
                    arguments.len()
                ))
            })?);
        }
        for name in &self.wanted.names {
            let value = keywords
                .map(|keywords| keywords.get_item(name))
                .transpose()?
                .flatten();
            trees.push(value.ok_or_else(|| {
                PyValueError::new_err(format!(
                    "[{op}] can't compute the gradient of keyword argument '{name}': the function \
                     is called without it"
                ))
            })?);
        }
        for tree in &trees {
            tree::for_each(tree, &mut |leaf| match leaf.is_instance_of::<PyArray>() {
                true => Ok(()),
                false => Err(PyValueError::new_err(format!(
                    "[{op}] arguments that gradients are taken of must be arrays or trees of \
                     arrays, got {}",
                    leaf.get_type()
                ))),
            })?;
        }
        Ok(trees)
    }

    /// Calls the function with the chosen trees replaced.
    fn call<'py>(
        &self,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
        replaced: &[Bound<'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = arguments.py();
        let mut positional: Vec<Bound<'py, PyAny>> = arguments.iter().collect();
        let count = self.wanted.positions.len();
        for (position, tree) in self.wanted.positions.iter().zip(replaced) {
            positional[*position as usize] = tree.clone();
        }
        let keywords = match keywords {
            Some(keywords) if !self.wanted.names.is_empty() => Some(keywords.copy()?),
            other => other.cloned(),
        };
        if let Some(keywords) = &keywords {
            for (name, tree) in self.wanted.names.iter().zip(&replaced[count..]) {
                keywords.set_item(name, tree)?;
            }
        }
        self.function
            .bind(py)
            .call(PyTuple::new(py, positional)?, keywords.as_ref())
    }

    /// Gradients in the form that the caller asked for.
    fn arrange<'py>(
        &self,
        py: Python<'py>,
        gradients: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let count = self.wanted.positions.len();
        let positional = || -> PyResult<Bound<'py, PyAny>> {
            match self.wanted.single {
                true => Ok(gradients[0].clone()),
                false => Ok(PyTuple::new(py, &gradients[..count])?.into_any()),
            }
        };
        if self.wanted.names.is_empty() {
            return positional();
        }
        let named = PyDict::new(py);
        for (name, gradient) in self.wanted.names.iter().zip(&gradients[count..]) {
            named.set_item(name, gradient)?;
        }
        let first = if count == 0 {
            py.None().into_bound(py)
        } else {
            positional()?
        };
        Ok(PyTuple::new(py, [first, named.into_any()])?.into_any())
    }
}

/// The scalar that a gradient is taken of: the function's result or, with the value, the first
/// of its tuple.
fn loss_of(op: &str, result: &Bound<'_, PyAny>, with_value: bool) -> PyResult<Array> {
    let first = match result.cast::<PyTuple>() {
        Ok(tuple) if with_value && !tuple.is_empty() => tuple.get_item(0)?,
        _ => result.clone(),
    };
    let Ok(loss) = first.cast::<PyArray>() else {
        let expected = match with_value {
            true => "a scalar array, or a tuple whose first element is one",
            false => "a scalar array (value_and_grad takes functions with further results)",
        };
        return Err(PyValueError::new_err(format!(
            "[{op}] the function must return {expected}; it returned {}",
            result.get_type()
        )));
    };
    let loss = loss.get().get();
    if loss.ndim() != 0 {
        return Err(PyValueError::new_err(format!(
            "[{op}] the function must return a scalar; it returned an array of shape {}",
            loss.shape()
        )));
    }
    Ok(loss)
}

#[pymethods]
impl Gradient {
    #[new]
    fn new(
        function: &Bound<'_, PyAny>,
        argnums: Option<&Bound<'_, PyAny>>,
        argnames: Option<&Bound<'_, PyAny>>,
        with_value: bool,
    ) -> PyResult<Self> {
        let op = if with_value { "value_and_grad" } else { "grad" };
        if !function.is_callable() {
            return Err(PyTypeError::new_err(format!(
                "[{op}] the first argument must be a function"
            )));
        }
        Ok(Gradient {
            function: function.clone().unbind(),
            wanted: wanted(op, argnums, argnames)?,
            with_value,
            op,
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)
    }

    #[pyo3(signature = (*arguments, **keywords))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        note_sizes_read(self.op);
        let trees = self.chosen(arguments, keywords)?;
        let counts: Vec<usize> = trees
            .iter()
            .map(|tree| tree::arrays(tree).map(|arrays| arrays.len()))
            .collect::<PyResult<_>>()?;
        let primals: Vec<Array> = trees
            .iter()
            .map(tree::arrays)
            .collect::<PyResult<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        if primals.is_empty() {
            return Err(PyValueError::new_err(format!(
                "[{}] the arguments to differentiate for hold no arrays",
                self.op
            )));
        }
        let cut = |arrays: &[Array]| -> PyResult<Vec<Bound<'py, PyAny>>> {
            let mut start = 0;
            trees
                .iter()
                .zip(&counts)
                .map(|(tree, count)| {
                    start += count;
                    tree::with_arrays(tree, &arrays[start - count..start])
                })
                .collect()
        };
        let mut value = None;
        let function = |tracers: &[Array]| {
            let result = cut(tracers)
                .and_then(|replaced| self.call(arguments, keywords, &replaced))
                .and_then(|result| Ok((loss_of(self.op, &result, self.with_value)?, result)));
            let (loss, result) = result.map_err(hold)?;
            value = Some(result);
            Ok(vec![loss])
        };
        let positions: Vec<usize> = (0..primals.len()).collect();
        let computed = transforms::value_and_grad(function, &primals, &positions);
        let (_, gradients) = computed.or_raise()?;
        let gradients = self.arrange(py, cut(&gradients)?)?;
        match value.filter(|_| self.with_value) {
            Some(value) => Ok(PyTuple::new(py, [value, gradients])?.into_any()),
            None => Ok(gradients),
        }
    }
}

fn gradient<'py>(
    function: &Bound<'py, PyAny>,
    argnums: Option<&Bound<'py, PyAny>>,
    argnames: Option<&Bound<'py, PyAny>>,
    with_value: bool,
) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    wrap::<Gradient>(&CLASS, function, (function, argnums, argnames, with_value))
}

/// A function that returns the gradient of `fun`.
///
/// Args:
///     fun: a function of trees of arrays that returns a scalar array, or a tuple that begins with one.
///     argnums: numbers of the positional arguments to differentiate by, the first by default.
///     argnames: names of keyword arguments to differentiate by.
///
/// Returns:
///     A function of the same arguments: one tree of gradients, or a tuple where several arguments
///     are named, with a dictionary for keyword arguments.
///
/// Raises:
///     ValueError: arguments that there are not; a result that is no scalar.
///
/// Example:
///     >>> mx.grad(lambda x: x * x)(mx.array(3.0))
///     array(6, dtype=float32)
#[pyfunction]
#[pyo3(signature = (fun, argnums = None, argnames = None), text_signature = "(fun, argnums=None, argnames=[])")]
fn grad<'py>(
    fun: &Bound<'py, PyAny>,
    argnums: Option<&Bound<'py, PyAny>>,
    argnames: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    gradient(fun, argnums, argnames, false)
}

/// A function that returns the value and the gradient of `fun`.
///
/// Args:
///     fun, argnums, argnames: as of `grad`.
///
/// Returns:
///     A function of the same arguments that returns the pair `(fun(…), gradients)`.
///
/// Raises:
///     ValueError: arguments that there are not; a result that is no scalar.
///
/// Example:
///     >>> value, gradient = mx.value_and_grad(lambda x: x * x)(mx.array(3.0))
#[pyfunction]
#[pyo3(signature = (fun, argnums = None, argnames = None), text_signature = "(fun, argnums=None, argnames=[])")]
fn value_and_grad<'py>(
    fun: &Bound<'py, PyAny>,
    argnums: Option<&Bound<'py, PyAny>>,
    argnames: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    gradient(fun, argnums, argnames, true)
}

/// Arrays of a list argument.
fn listed(values: &Bound<'_, PyAny>, op: &str, name: &str) -> PyResult<Vec<Array>> {
    items::<Bound<'_, PyAny>>(values, "a list of arrays")?
        .into_iter()
        .map(|value| {
            value
                .cast::<PyArray>()
                .map(|array| array.get().get())
                .map_err(|_| {
                    PyValueError::new_err(format!("[{op}] {name} must be a list of arrays"))
                })
        })
        .collect()
}

/// Calls a function of arrays that returns an array or a sequence of arrays.
fn call_arrays(function: &Bound<'_, PyAny>, inputs: &[Array], op: &str) -> PyResult<Vec<Array>> {
    let py = function.py();
    let inputs: Vec<PyArray> = inputs.iter().cloned().map(PyArray::from).collect();
    let result = function.call1(PyTuple::new(
        py,
        inputs
            .into_iter()
            .map(|array| Bound::new(py, array))
            .collect::<PyResult<Vec<_>>>()?,
    )?)?;
    if let Ok(array) = result.cast::<PyArray>() {
        return Ok(vec![array.get().get()]);
    }
    if result.is_instance_of::<PyTuple>() || result.is_instance_of::<PyList>() {
        return listed(&result, op, "the function's results");
    }
    Err(PyValueError::new_err(format!(
        "[{op}] the function must return an array or a sequence of arrays, got {}",
        result.get_type()
    )))
}

/// The outputs of `fun` and the vector-Jacobian product with the cotangents.
///
/// Args:
///     fun: a function of arrays that returns an array or a sequence of arrays.
///     primals: the arrays to call it with.
///     cotangents: an array of the shape of each output.
///
/// Returns:
///     Lists of the outputs and of a gradient for each primal: `cotangents · ∂outputs/∂primals`.
///
/// Raises:
///     ValueError: other numbers or shapes of cotangents.
///
/// Example:
///     >>> mx.vjp(mx.sin, [mx.array(0.0)], [mx.array(1.0)])[1][0].item()
///     1.0
#[pyfunction]
fn vjp(
    fun: &Bound<'_, PyAny>,
    primals: &Bound<'_, PyAny>,
    cotangents: &Bound<'_, PyAny>,
) -> PyResult<(Vec<PyArray>, Vec<PyArray>)> {
    note_sizes_read("vjp");
    let primals = listed(primals, "vjp", "primals")?;
    let cotangents = listed(cotangents, "vjp", "cotangents")?;
    let function = |inputs: &[Array]| call_arrays(fun, inputs, "vjp").map_err(hold);
    let (outputs, gradients) = transforms::vjp(function, &primals, &cotangents).or_raise()?;
    Ok((wrap_all(Ok(outputs))?, wrap_all(Ok(gradients))?))
}

/// The outputs of `fun` and the Jacobian-vector product with the tangents.
///
/// Args:
///     fun: a function of arrays that returns an array or a sequence of arrays.
///     primals: the arrays to call it with.
///     tangents: an array of the shape of each primal.
///
/// Returns:
///     Lists of the outputs and of their derivatives: `∂outputs/∂primals · tangents`.
///
/// Raises:
///     ValueError: other numbers or shapes of tangents.
///
/// Example:
///     >>> mx.jvp(mx.sin, [mx.array(0.0)], [mx.array(1.0)])[1][0].item()
///     1.0
#[pyfunction]
fn jvp(
    fun: &Bound<'_, PyAny>,
    primals: &Bound<'_, PyAny>,
    tangents: &Bound<'_, PyAny>,
) -> PyResult<(Vec<PyArray>, Vec<PyArray>)> {
    note_sizes_read("jvp");
    let primals = listed(primals, "jvp", "primals")?;
    let tangents = listed(tangents, "jvp", "tangents")?;
    let function = |inputs: &[Array]| call_arrays(fun, inputs, "jvp").map_err(hold);
    let (outputs, results) = transforms::jvp(function, &primals, &tangents).or_raise()?;
    Ok((wrap_all(Ok(outputs))?, wrap_all(Ok(results))?))
}

/// A function applied to every slice of its inputs at once.
#[pyclass(module = "mlx_oxide.core", frozen, subclass)]
struct Mapped {
    function: Py<PyAny>,
    in_axes: Py<PyAny>,
    out_axes: Py<PyAny>,
}

/// For each array of a tree its axis, from a tree of axes or one for all.
pub(crate) fn axes_of(
    tree: &Bound<'_, PyAny>,
    axes: &Bound<'_, PyAny>,
    found: &mut Vec<Option<i64>>,
) -> PyResult<()> {
    let mismatch = || {
        PyValueError::new_err(
            "[vmap] the tree of axes does not have the structure of the arguments",
        )
    };
    if axes.is_none() || axes.extract::<i64>().is_ok() {
        let axis: Option<i64> = axes.extract()?;
        return tree::for_each(tree, &mut |leaf| {
            if leaf.is_instance_of::<PyArray>() {
                found.push(axis);
            }
            Ok(())
        });
    }
    if let (Ok(tree), Ok(axes)) = (tree.cast::<PyDict>(), axes.cast::<PyDict>()) {
        return tree.iter().try_for_each(|(key, value)| {
            axes_of(&value, &axes.get_item(key)?.ok_or_else(mismatch)?, found)
        });
    }
    let sequence = |value: &Bound<'_, PyAny>| {
        value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>()
    };
    if !sequence(tree) || !sequence(axes) || tree.len()? != axes.len()? {
        return Err(mismatch());
    }
    tree.try_iter()?
        .zip(axes.try_iter()?)
        .try_for_each(|(part, axis)| axes_of(&part?, &axis?, found))
}

#[pymethods]
impl Mapped {
    #[new]
    fn new(function: &Bound<'_, PyAny>, in_axes: Py<PyAny>, out_axes: Py<PyAny>) -> PyResult<Self> {
        if !function.is_callable() {
            return Err(PyTypeError::new_err(format!(
                "[vmap] expected a function, got {}",
                function.get_type()
            )));
        }
        Ok(Mapped {
            function: function.clone().unbind(),
            in_axes,
            out_axes,
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.in_axes)?;
        visit.call(&self.out_axes)
    }

    #[pyo3(signature = (*arguments))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        note_sizes_read("vmap");
        let inputs = tree::arrays(arguments)?;
        let mut in_axes = Vec::new();
        axes_of(arguments, self.in_axes.bind(py), &mut in_axes)?;
        let mut structure: Option<Bound<'py, PyAny>> = None;
        let out_axes = RefCell::new(Vec::new());
        let function = |slices: &[Array]| {
            let result = tree::with_arrays(arguments, slices)
                .and_then(|slices| self.function.bind(py).call1(slices.cast_into::<PyTuple>()?))
                .and_then(|result| {
                    axes_of(&result, self.out_axes.bind(py), &mut out_axes.borrow_mut())?;
                    let outputs = tree::arrays(&result)?;
                    structure = Some(result);
                    Ok(outputs)
                });
            result.map_err(hold)
        };
        let traced = transforms::vmap_with(function, &inputs, &in_axes, |_| out_axes.take());
        let outputs = traced.or_raise()?;
        match structure {
            Some(structure) => tree::with_arrays(&structure, &outputs),
            None => Ok(py.None().into_bound(py)),
        }
    }
}

/// A tree of axes, in which `None` is no axis; not given at all it is the first.
struct AxesTree<'py>(Option<Bound<'py, PyAny>>);

impl<'py> FromPyObject<'_, 'py> for AxesTree<'py> {
    type Error = PyErr;

    fn extract(axes: pyo3::Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(AxesTree(Some(axes.to_owned())))
    }
}

/// A function that maps `fun` over axes of its inputs.
///
/// Args:
///     fun: a function of trees of arrays.
///     in_axes: the axis of each argument, or of each leaf of a tree; `None` passes it whole. 0 by
///         default.
///     out_axes: where the axis is in the results; 0 by default.
///
/// Returns:
///     A function of the same arguments with one more axis.
///
/// Raises:
///     ValueError: sizes along the axes that differ; no axis at all.
///
/// Example:
///     >>> mx.vmap(lambda x, y: x @ y, in_axes=(0, None))(mx.ones((3, 2)), mx.ones(2)).shape
///     (3,)
#[pyfunction]
#[pyo3(
    signature = (fun, in_axes = AxesTree(None), out_axes = AxesTree(None)),
    text_signature = "(fun, in_axes=0, out_axes=0)"
)]
fn vmap<'py>(
    fun: &Bound<'py, PyAny>,
    in_axes: AxesTree<'py>,
    out_axes: AxesTree<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let first = 0i64.into_pyobject(fun.py())?.into_any();
    let in_axes = in_axes.0.unwrap_or_else(|| first.clone());
    let out_axes = out_axes.0.unwrap_or(first);
    wrap::<Mapped>(&CLASS, fun, (fun, in_axes, out_axes))
}

/// Adds transforms and evaluation to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(eval, module)?)?;
    module.add_function(wrap_pyfunction!(async_eval, module)?)?;
    module.add_function(wrap_pyfunction!(grad, module)?)?;
    module.add_function(wrap_pyfunction!(value_and_grad, module)?)?;
    module.add_function(wrap_pyfunction!(vjp, module)?)?;
    module.add_function(wrap_pyfunction!(jvp, module)?)?;
    module.add_function(wrap_pyfunction!(vmap, module)?)
}
