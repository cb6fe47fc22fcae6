//! Coordinate grids and a least number of axes.

use crate::arguments::ArrayArgument;
use crate::array::{wrap, wrap_all};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::Result;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

/// One array for one, a list for several.
fn each<'py>(
    py: Python<'py>,
    arrays: Vec<ArrayArgument>,
    function: fn(&Array) -> Result<Array>,
) -> PyResult<Bound<'py, PyAny>> {
    if let [only] = &arrays[..] {
        return Ok(wrap(function(&only.0))?.into_pyobject(py)?.into_any());
    }
    let results = wrap_all(arrays.iter().map(|array| function(&array.0)).collect())?;
    Ok(PyList::new(py, results)?.into_any())
}

super::functions! {
    /// Grids of coordinates along axes of their own.
    meshgrid[*arrays, sparse = false, indexing = "xy"](
        py: Python<'_>, arrays: Vec<ArrayArgument>, sparse: bool, indexing: &str
    ) -> Py<PyTuple> = {
        let indexing = match indexing {
            "xy" => ops::Indexing::Cartesian,
            "ij" => ops::Indexing::Matrix,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "[meshgrid] indexing is {indexing:?}; expected \"xy\" or \"ij\""
                )));
            }
        };
        let arrays: Vec<&Array> = arrays.iter().map(|array| &array.0).collect();
        let grids = wrap_all(ops::meshgrid(&arrays, sparse, indexing))?;
        Ok(PyTuple::new(py, grids)?.unbind())
    };
    /// Arrays with at least one axis.
    atleast_1d[*arys](py: Python<'_>, arys: Vec<ArrayArgument>) -> Py<PyAny> =
        Ok(each(py, arys, ops::atleast_1d)?.unbind());
    /// Arrays with at least two axes.
    atleast_2d[*arys](py: Python<'_>, arys: Vec<ArrayArgument>) -> Py<PyAny> =
        Ok(each(py, arys, ops::atleast_2d)?.unbind());
    /// Arrays with at least three axes.
    atleast_3d[*arys](py: Python<'_>, arys: Vec<ArrayArgument>) -> Py<PyAny> =
        Ok(each(py, arys, ops::atleast_3d)?.unbind());
}
