//! Functions with derivatives of their own, and checkpoints.

use crate::array::PyArray;
use crate::error::{OrRaise, hold};
use crate::transforms::axes_of;
use crate::tree;
use crate::wrapper::wrap;
use mlx_oxide_core::transforms::{self, CustomFunction};
use mlx_oxide_core::{Array, Batched};
use parking_lot::Mutex;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use std::sync::Arc;

type Rule = Mutex<Option<Py<PyAny>>>;

/// A function whose gradient, tangent and batching may be stated by hand.
///
/// `vjp`, `jvp` and `vmap` are decorators that state a rule; where one is missing the function
/// itself is transformed.
#[pyclass(name = "custom_function", module = "mlx_oxide.core", frozen, dict)]
struct PyCustomFunction {
    function: Py<PyAny>,
    vjp: Rule,
    jvp: Rule,
    vmap: Rule,
}

/// One call: what its rules need to rebuild trees.
struct CallSite {
    arguments: Py<PyTuple>,
    keywords: Option<Py<PyDict>>,
    /// The function's last result, for its structure.
    result: Mutex<Option<Py<PyAny>>>,
}

impl CallSite {
    fn call(&self, py: Python<'_>, function: &Py<PyAny>, arrays: &[Array]) -> PyResult<Vec<Array>> {
        let arguments = tree::with_arrays(self.arguments.bind(py), arrays)?;
        let keywords = self.keywords.as_ref().map(|keywords| keywords.bind(py));
        let result = function
            .bind(py)
            .call(arguments.cast_into::<PyTuple>()?, keywords)?;
        let arrays = tree::arrays(&result)?;
        *self.result.lock() = Some(result.unbind());
        Ok(arrays)
    }

    /// The arguments with other arrays: one argument stands by itself.
    fn primals<'py>(&self, py: Python<'py>, arrays: &[Array]) -> PyResult<Bound<'py, PyAny>> {
        let arguments = tree::with_arrays(self.arguments.bind(py), arrays)?;
        self.alone(&arguments)
    }

    fn alone<'py>(&self, arguments: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match arguments.len()? {
            1 => arguments.get_item(0),
            _ => Ok(arguments.clone()),
        }
    }

    /// The result's tree with other arrays.
    fn outputs<'py>(&self, py: Python<'py>, arrays: &[Array]) -> PyResult<Bound<'py, PyAny>> {
        match &*self.result.lock() {
            Some(result) => tree::with_arrays(result.bind(py), arrays),
            None => Ok(py.None().into_bound(py)),
        }
    }

    fn call_rule<'py>(
        &self,
        rule: &Py<PyAny>,
        operands: impl IntoIterator<Item = Bound<'py, PyAny>>,
        py: Python<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let operands: Vec<_> = operands.into_iter().collect();
        let keywords = self.keywords.as_ref().map(|keywords| keywords.bind(py));
        rule.bind(py).call(PyTuple::new(py, operands)?, keywords)
    }
}

/// The gradients that a rule returns, one for each array of the arguments; `None` is zero.
fn gradients(result: &Bound<'_, PyAny>, expected: usize) -> PyResult<Vec<Option<Array>>> {
    let arrays = tree::arrays(result)?;
    if arrays.len() == expected {
        return Ok(arrays.into_iter().map(Some).collect());
    }
    let mut leaves = Vec::new();
    tree::for_each(result, &mut |leaf| {
        match leaf.cast::<PyArray>() {
            Ok(array) => leaves.push(Some(array.get().get())),
            Err(_) => leaves.push(None),
        }
        Ok(())
    })?;
    if leaves.len() == expected {
        return Ok(leaves);
    }
    Err(PyValueError::new_err(format!(
        "[custom_function] the vjp rule returned {} arrays; expected one for each of the {expected} \
         arrays of the arguments",
        arrays.len()
    )))
}

fn vmap_axes<'py>(
    py: Python<'py>,
    call: &CallSite,
    inputs: &[Batched],
) -> PyResult<Bound<'py, PyAny>> {
    let mut inputs = inputs.iter();
    let axes = tree::map(call.arguments.bind(py), &mut |leaf| {
        let axis = match leaf.is_instance_of::<PyArray>() {
            true => inputs.next().and_then(|input| input.axis),
            false => None,
        };
        Ok(axis.into_pyobject(py)?.into_any())
    })?;
    call.alone(&axes)
}

fn call_vmap(
    py: Python<'_>,
    rule: &Py<PyAny>,
    call: &CallSite,
    inputs: &[Batched],
) -> PyResult<Vec<Batched>> {
    let arrays: Vec<Array> = inputs.iter().map(|input| input.array.clone()).collect();
    let operands = [call.primals(py, &arrays)?, vmap_axes(py, call, inputs)?];
    let result = call.call_rule(rule, operands, py)?;
    let pair = result.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
    let Some(pair) = pair else {
        return Err(PyValueError::new_err(
            "[custom_function] the vmap rule must return a tuple of the outputs and their axes",
        ));
    };
    let outputs = pair.get_item(0)?;
    let mut axes = Vec::new();
    axes_of(&outputs, &pair.get_item(1)?, &mut axes)?;
    let batched = tree::arrays(&outputs)?.into_iter().zip(axes);
    batched
        .map(|(array, axis)| {
            let axis = axis
                .map(|axis| mlx_oxide_ir::normalize_axis("custom_function", axis, array.ndim()))
                .transpose()
                .or_raise()?;
            Ok(Batched { array, axis })
        })
        .collect()
}

impl PyCustomFunction {
    fn rule(&self, py: Python<'_>, rule: &Rule) -> Option<Py<PyAny>> {
        rule.lock().as_ref().map(|rule| rule.clone_ref(py))
    }

    /// The function and its rules for one call.
    fn custom(&self, py: Python<'_>, site: &Arc<CallSite>) -> CustomFunction {
        let (function, call) = (self.function.clone_ref(py), site.clone());
        let mut custom = CustomFunction::new(move |arrays| {
            Python::attach(|py| call.call(py, &function, arrays)).map_err(hold)
        });
        if let Some(rule) = self.rule(py, &self.vjp) {
            let call = site.clone();
            custom = custom.with_vjp(move |primals, cotangents, outputs| {
                let expected = primals.len();
                Python::attach(|py| {
                    let operands = [
                        call.primals(py, primals)?,
                        call.outputs(py, cotangents)?,
                        call.outputs(py, outputs)?,
                    ];
                    gradients(&call.call_rule(&rule, operands, py)?, expected)
                })
                .map_err(hold)
            });
        }
        if let Some(rule) = self.rule(py, &self.jvp) {
            let call = site.clone();
            custom = custom.with_jvp(move |primals, tangents| {
                Python::attach(|py| {
                    let operands = [call.primals(py, primals)?, call.primals(py, tangents)?];
                    tree::arrays(&call.call_rule(&rule, operands, py)?)
                })
                .map_err(hold)
            });
        }
        if let Some(rule) = self.rule(py, &self.vmap) {
            let call = site.clone();
            custom = custom.with_vmap(move |inputs| {
                Python::attach(|py| call_vmap(py, &rule, &call, inputs)).map_err(hold)
            });
        }
        custom
    }

    fn has_rules(&self) -> bool {
        [&self.vjp, &self.jvp, &self.vmap]
            .iter()
            .any(|rule| rule.lock().is_some())
    }
}

#[pymethods]
impl PyCustomFunction {
    #[new]
    fn new(f: &Bound<'_, PyAny>) -> PyResult<Self> {
        check_callable("custom_function", f)?;
        Ok(PyCustomFunction {
            function: f.clone().unbind(),
            vjp: Mutex::default(),
            jvp: Mutex::default(),
            vmap: Mutex::default(),
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        for rule in [&self.vjp, &self.jvp, &self.vmap] {
            // a rule that is being stated is seen the next time
            if let Some(rule) = rule.try_lock() {
                visit.call(&*rule)?;
            }
        }
        Ok(())
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !self.has_rules() {
            return self.function.bind(py).call(args, kwargs);
        }
        let site = Arc::new(CallSite {
            arguments: args.clone().unbind(),
            keywords: kwargs.map(|keywords| keywords.clone().unbind()),
            result: Mutex::default(),
        });
        let custom = self.custom(py, &site);
        let outputs = custom.call(&tree::arrays(args)?).or_raise()?;
        site.outputs(py, &outputs)
    }

    /// States the reverse-mode rule `f(primals, cotangents, outputs)`.
    fn vjp(&self, f: Py<PyAny>) -> Py<PyAny> {
        state(&self.vjp, f)
    }

    /// States the forward-mode rule `f(primals, tangents)`.
    fn jvp(&self, f: Py<PyAny>) -> Py<PyAny> {
        state(&self.jvp, f)
    }

    /// States the batching rule `f(inputs, axes)`, which returns the outputs and their axes.
    fn vmap(&self, f: Py<PyAny>) -> Py<PyAny> {
        state(&self.vmap, f)
    }
}

fn state(slot: &Rule, rule: Py<PyAny>) -> Py<PyAny> {
    let returned = Python::attach(|py| rule.clone_ref(py));
    *slot.lock() = Some(rule);
    returned
}

fn check_callable(op: &str, function: &Bound<'_, PyAny>) -> PyResult<()> {
    if function.is_callable() {
        return Ok(());
    }
    Err(PyTypeError::new_err(format!(
        "[{op}] expected a function, got {}",
        function.get_type()
    )))
}

/// A function that keeps only its inputs and outputs for the gradient.
#[pyclass(module = "mlx_oxide.core", frozen, subclass)]
struct Checkpointed {
    function: Py<PyAny>,
}

#[pymethods]
impl Checkpointed {
    #[new]
    fn new(function: &Bound<'_, PyAny>) -> PyResult<Self> {
        check_callable("checkpoint", function)?;
        Ok(Checkpointed {
            function: function.clone().unbind(),
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let keywords = kwargs.cloned().unwrap_or_else(|| PyDict::new(py));
        let inputs = PyTuple::new(py, [args.as_any(), keywords.as_any()])?;
        let mut result = None;
        let function = |arrays: &[Array]| {
            let mut call = || {
                let inputs = tree::with_arrays(&inputs, arrays)?;
                let arguments = inputs.get_item(0)?.cast_into::<PyTuple>()?;
                let keywords = inputs.get_item(1)?.cast_into::<PyDict>()?;
                let returned = self.function.bind(py).call(arguments, Some(&keywords))?;
                let arrays = tree::arrays(&returned)?;
                result = Some(returned);
                Ok(arrays)
            };
            call().map_err(hold)
        };
        let outputs = transforms::checkpoint(function, &tree::arrays(&inputs)?).or_raise()?;
        match result {
            Some(result) => tree::with_arrays(&result, &outputs),
            None => Ok(py.None().into_bound(py)),
        }
    }
}

/// A function that computes its intermediates again for the gradient: less memory for more
/// computation.
///
/// Args:
///     fun: a function of trees of arrays.
///
/// Example:
///     >>> mx.grad(mx.checkpoint(lambda x: mx.sin(mx.exp(x))))(mx.array(0.0)).shape
///     ()
#[pyfunction]
fn checkpoint<'py>(fun: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    wrap::<Checkpointed>(&CLASS, fun, (fun,))
}

/// Adds both to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyCustomFunction>()?;
    module.add_function(wrap_pyfunction!(checkpoint, module)?)
}
