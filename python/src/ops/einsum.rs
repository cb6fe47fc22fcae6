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
        ///
        /// Args:
        ///     subscripts: letters for the axes of each operand, with commas between, and those of the
        ///         result after `->`; `...` for leading axes that broadcast. Letters that the result lacks
        ///         are summed over.
        ///     operands: arrays.
        ///
        /// Raises:
        ///     ValueError: subscripts that do not fit the operands.
        ///
        /// Example:
        ///     >>> mx.einsum("ij,jk->ik", mx.ones((2, 3)), mx.ones((3, 4))).shape
        ///     (2, 4)
        einsum[subscripts, *operands](subscripts: &str, operands: Vec<ArrayArgument>) -> PyArray =
            wrap(ops::einsum(subscripts, &references(&operands)));
    }
}

/// The order in which `einsum` contracts, and a table of what that costs.
///
/// Raises:
///     ValueError: subscripts that do not fit the operands.
///
/// Example:
///     >>> path, table = mx.einsum_path("ij,jk->ik", mx.ones((2, 3)), mx.ones((3, 4)))
///     >>> path
///     [(0, 1)]
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
