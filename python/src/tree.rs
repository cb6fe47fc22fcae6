//! Trees of lists, tuples and dicts with arrays at the leaves. `random.state` is a list in them.

use crate::array::PyArray;
use crate::random::as_list;
use mlx_oxide_core::Array;
use pyo3::exceptions::PyRecursionError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// Levels of a tree, each of which takes a call of a function; a list may hold itself.
const DEEPEST: usize = 1000;

/// One level further down.
fn below(depth: usize) -> PyResult<usize> {
    match depth {
        DEEPEST => Err(PyRecursionError::new_err(format!(
            "a tree is nested deeper than {DEEPEST} levels"
        ))),
        _ => Ok(depth + 1),
    }
}

/// Calls `visit` with every leaf and builds a tree of what it returns.
pub(crate) fn map<'py>(
    tree: &Bound<'py, PyAny>,
    visit: &mut dyn FnMut(&Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    map_at(tree, visit, 0)
}

fn map_at<'py>(
    tree: &Bound<'py, PyAny>,
    visit: &mut dyn FnMut(&Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
    depth: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, depth) = (tree.py(), below(depth)?);
    if let Some(list) = as_list(tree)? {
        let mapped = list
            .iter()
            .map(|item| map_at(&item, visit, depth))
            .collect::<PyResult<Vec<_>>>()?;
        return Ok(PyList::new(py, mapped)?.into_any());
    }
    if let Ok(tuple) = tree.cast::<PyTuple>() {
        let mapped = tuple
            .iter()
            .map(|item| map_at(&item, visit, depth))
            .collect::<PyResult<Vec<_>>>()?;
        if tuple.hasattr("_fields")? {
            return tuple.get_type().call1(PyTuple::new(py, mapped)?);
        }
        return Ok(PyTuple::new(py, mapped)?.into_any());
    }
    if let Ok(dict) = tree.cast::<PyDict>() {
        let mapped = PyDict::new(py);
        for (key, value) in dict.iter() {
            mapped.set_item(key, map_at(&value, visit, depth)?)?;
        }
        return Ok(mapped.into_any());
    }
    visit(tree)
}

/// Calls `visit` with every leaf.
pub(crate) fn for_each<'py>(
    tree: &Bound<'py, PyAny>,
    visit: &mut dyn FnMut(&Bound<'py, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    for_each_at(tree, visit, 0)
}

fn for_each_at<'py>(
    tree: &Bound<'py, PyAny>,
    visit: &mut dyn FnMut(&Bound<'py, PyAny>) -> PyResult<()>,
    depth: usize,
) -> PyResult<()> {
    let depth = below(depth)?;
    let mut go = |item: &Bound<'py, PyAny>| for_each_at(item, visit, depth);
    if let Some(list) = as_list(tree)? {
        return list.iter().try_for_each(|item| go(&item));
    }
    if let Ok(tuple) = tree.cast::<PyTuple>() {
        return tuple.iter().try_for_each(|item| go(&item));
    }
    if let Ok(dict) = tree.cast::<PyDict>() {
        return dict.iter().try_for_each(|(_, value)| go(&value));
    }
    visit(tree)
}

/// All arrays of a tree, in order.
pub(crate) fn arrays(tree: &Bound<'_, PyAny>) -> PyResult<Vec<Array>> {
    let mut found = Vec::new();
    for_each(tree, &mut |leaf| {
        if let Ok(array) = leaf.cast::<PyArray>() {
            found.push(array.get().get());
        }
        Ok(())
    })?;
    Ok(found)
}

/// The tree with its arrays replaced, in order, by others.
pub(crate) fn with_arrays<'py>(
    tree: &Bound<'py, PyAny>,
    arrays: &[Array],
) -> PyResult<Bound<'py, PyAny>> {
    let mut next = arrays.iter();
    map(tree, &mut |leaf| {
        if leaf.is_instance_of::<PyArray>()
            && let Some(array) = next.next()
        {
            return Ok(Bound::new(leaf.py(), PyArray::from(array.clone()))?.into_any());
        }
        Ok(leaf.clone())
    })
}
