//! Einstein summation.

use crate::arguments::ArrayArgument;
use crate::array::{PyArray, wrap};
use crate::error::OrRaise;
use mlx_oxide_core::{Array, ops};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

fn references(arrays: &[ArrayArgument]) -> Vec<&Array> {
    arrays.iter().map(|array| &array.0).collect()
}

mod functions {
    use super::*;

    super::super::functions! {
        /// The sum of products that subscripts describe.
        einsum[subscripts, *operands](subscripts: &str, operands: Vec<ArrayArgument>) -> PyArray =
            wrap(ops::einsum(subscripts, &references(&operands)));
    }
}

/// The order in which `einsum` contracts, and a table of what that costs.
#[pyfunction]
#[pyo3(signature = (subscripts, *operands))]
fn einsum_path<'py>(
    py: Python<'py>,
    subscripts: &str,
    operands: Vec<ArrayArgument>,
) -> PyResult<(Bound<'py, PyList>, String)> {
    let path = ops::einsum_path(subscripts, &references(&operands)).or_raise()?;
    let steps = path
        .steps
        .iter()
        .map(|step| PyTuple::new(py, step))
        .collect::<PyResult<Vec<_>>>()?;
    Ok((PyList::new(py, steps)?, path.to_string()))
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    functions::register(module)?;
    module.add_function(wrap_pyfunction!(einsum_path, module)?)
}
