//! Branches and loops that stay in the graph, with the names and meaning of `jax.lax`.

use crate::arguments::to_array;
use crate::array::PyArray;
use crate::error::{OrRaise, hold};
use crate::tree;
use mlx_oxide_core::{Array, transforms};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyTuple};

/// The tree with its numbers as arrays.
fn all_arrays<'py>(tree: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    tree::map(tree, &mut |leaf| {
        if leaf.is_instance_of::<PyArray>() || leaf.is_none() {
            return Ok(leaf.clone());
        }
        let array = PyArray::from(to_array(leaf, None)?);
        Ok(Bound::new(leaf.py(), array)?.into_any())
    })
}

/// The tree with true where nothing is and false at every other leaf.
fn marked<'py>(tree: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    tree::map(tree, &mut |leaf| {
        let nothing = PyBool::new(leaf.py(), leaf.is_none());
        Ok(nothing.to_owned().into_any())
    })
}

/// Whether two trees have one structure.
fn same_structure(lhs: &Bound<'_, PyAny>, rhs: &Bound<'_, PyAny>) -> PyResult<bool> {
    marked(lhs)?.eq(marked(rhs)?)
}

fn require_callable(op: &str, functions: &[&Bound<'_, PyAny>]) -> PyResult<()> {
    match functions.iter().all(|function| function.is_callable()) {
        true => Ok(()),
        false => Err(PyTypeError::new_err(format!("[{op}] expected functions"))),
    }
}

fn differs(op: &str, what: &str) -> PyErr {
    PyValueError::new_err(format!("[{op}] {what} differ in structure"))
}

/// `true_fun(*operands)` if the scalar `pred` is true, else `false_fun(*operands)`; only one of
/// both is computed. The results must have one structure, and equal shapes and dtypes.
///
/// Raises:
///     ValueError: a predicate of several elements; results that differ in structure, shape or dtype.
///
/// Example:
///     >>> mx.cond(mx.array(True), lambda x: x + 1, lambda x: x, mx.array(1)).item()
///     2
#[pyfunction]
#[pyo3(signature = (pred, true_fun, false_fun, *operands))]
fn cond<'py>(
    py: Python<'py>,
    pred: &Bound<'py, PyAny>,
    true_fun: &Bound<'py, PyAny>,
    false_fun: &Bound<'py, PyAny>,
    operands: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    require_callable("cond", &[true_fun, false_fun])?;
    crate::compile::note_sizes_read("cond");
    let operands = all_arrays(operands)?;
    let run = |function: &Bound<'py, PyAny>, arrays: &[Array]| {
        let operands = tree::with_arrays(&operands, arrays)?;
        all_arrays(&function.call1(operands.cast_into::<PyTuple>()?)?)
    };
    let mut result: Option<Bound<'py, PyAny>> = None;
    let outputs = transforms::cond(
        &to_array(pred, None)?,
        |arrays| {
            let traced = run(true_fun, arrays).map_err(hold)?;
            let outputs = tree::arrays(&traced).map_err(hold);
            result = Some(traced);
            outputs
        },
        |arrays| {
            let traced = run(false_fun, arrays).map_err(hold)?;
            tree::arrays(&traced).map_err(hold)
        },
        &tree::arrays(&operands)?,
    );
    let outputs = outputs.or_raise()?;
    match result {
        Some(result) => tree::with_arrays(&result, &outputs),
        None => Ok(py.None().into_bound(py)),
    }
}

/// `body_fun(state)` again and again while `cond_fun(state)` is true, from `init_val`.
///
/// Raises:
///     ValueError: a state that changes its structure, shapes or dtypes.
///
/// Example:
///     >>> mx.while_loop(lambda x: x < 100, lambda x: 2 * x, mx.array(1)).item()
///     128
#[pyfunction]
fn while_loop<'py>(
    cond_fun: &Bound<'py, PyAny>,
    body_fun: &Bound<'py, PyAny>,
    init_val: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    require_callable("while_loop", &[cond_fun, body_fun])?;
    crate::compile::note_sizes_read("while_loop");
    let initial = all_arrays(init_val)?;
    let condition = |arrays: &[Array]| {
        let state = tree::with_arrays(&initial, arrays)?;
        to_array(&cond_fun.call1((state,))?, None)
    };
    let body = |arrays: &[Array]| {
        let state = tree::with_arrays(&initial, arrays)?;
        let following = all_arrays(&body_fun.call1((state,))?)?;
        match same_structure(&initial, &following)? {
            true => tree::arrays(&following),
            false => Err(differs("while_loop", "the state and what the body returns")),
        }
    };
    let outputs = transforms::while_loop(
        |arrays| condition(arrays).map_err(hold),
        |arrays| body(arrays).map_err(hold),
        &tree::arrays(&initial)?,
    );
    tree::with_arrays(&initial, &outputs.or_raise()?)
}

/// `f(carry, x)`, which returns the next carry and an output, for one slice of `xs` along the
/// first axis after the other, from `init`. Returns the last carry and the stacked outputs.
///
/// Raises:
///     ValueError: a carry that changes its structure, shapes or dtypes; slices of several numbers.
///
/// Example:
///     >>> mx.scan(lambda carry, x: (carry + x, carry), mx.array(0), mx.arange(4))[0].item()
///     6
#[pyfunction]
#[pyo3(signature = (f, init, xs = None, length = None, reverse = false))]
fn scan<'py>(
    py: Python<'py>,
    f: &Bound<'py, PyAny>,
    init: &Bound<'py, PyAny>,
    xs: Option<&Bound<'py, PyAny>>,
    length: Option<usize>,
    reverse: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    require_callable("scan", &[f])?;
    crate::compile::note_sizes_read("scan");
    let initial = all_arrays(init)?;
    let slices = match xs {
        Some(xs) => all_arrays(xs)?,
        None => py.None().into_bound(py),
    };
    let mut result: Option<Bound<'py, PyAny>> = None;
    let mut step = |carry: &[Array], slice: &[Array]| -> PyResult<(Vec<Array>, Vec<Array>)> {
        let carry = tree::with_arrays(&initial, carry)?;
        let returned = f.call1((carry, tree::with_arrays(&slices, slice)?))?;
        let pair = returned
            .cast::<PyTuple>()
            .ok()
            .filter(|pair| pair.len() == 2);
        let Some(pair) = pair else {
            return Err(PyValueError::new_err(
                "[scan] the function must return a tuple of the next carry and an output",
            ));
        };
        let following = all_arrays(&pair.get_item(0)?)?;
        if !same_structure(&initial, &following)? {
            return Err(differs("scan", "the carry and what the function returns"));
        }
        let output = all_arrays(&pair.get_item(1)?)?;
        let arrays = (tree::arrays(&following)?, tree::arrays(&output)?);
        result = Some(output);
        Ok(arrays)
    };
    let (carry, outputs) = transforms::scan(
        |carry, slice| step(carry, slice).map_err(hold),
        &tree::arrays(&initial)?,
        &tree::arrays(&slices)?,
        length,
        reverse,
    )
    .or_raise()?;
    let outputs = match result {
        Some(result) => tree::with_arrays(&result, &outputs)?,
        None => py.None().into_bound(py),
    };
    PyTuple::new(py, [tree::with_arrays(&initial, &carry)?, outputs])
}

/// Adds the functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(cond, module)?)?;
    module.add_function(wrap_pyfunction!(while_loop, module)?)?;
    module.add_function(wrap_pyfunction!(scan, module)?)
}
