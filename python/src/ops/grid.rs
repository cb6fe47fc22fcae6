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
    ///
    /// Args:
    ///     arrays: vectors.
    ///     sparse: whether grids keep size 1 along the axes of the others.
    ///     indexing: `"xy"` for the second axis first, as in pictures, `"ij"` for the first.
    ///
    /// Raises:
    ///     ValueError: another indexing; arrays of several axes.
    ///
    /// Example:
    ///     >>> x, y = mx.meshgrid(mx.array([1, 2]), mx.array([3, 4, 5]))
    ///     >>> x.shape
    ///     (3, 2)
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
    ///
    /// One array for one, a list for several; arrays with fewer axes get axes of size 1.
    ///
    /// Example:
    ///     >>> mx.atleast_1d(mx.array(1.0)).shape
    ///     (1,)
    atleast_1d[*arys](py: Python<'_>, arys: Vec<ArrayArgument>) -> Py<PyAny> =
        Ok(each(py, arys, ops::atleast_1d)?.unbind());
    /// Arrays with at least two axes.
    ///
    /// One array for one, a list for several; arrays with fewer axes get axes of size 1.
    ///
    /// Example:
    ///     >>> mx.atleast_2d(mx.array(1.0)).shape
    ///     (1, 1)
    atleast_2d[*arys](py: Python<'_>, arys: Vec<ArrayArgument>) -> Py<PyAny> =
        Ok(each(py, arys, ops::atleast_2d)?.unbind());
    /// Arrays with at least three axes.
    ///
    /// One array for one, a list for several; arrays with fewer axes get axes of size 1.
    ///
    /// Example:
    ///     >>> mx.atleast_3d(mx.array(1.0)).shape
    ///     (1, 1, 1)
    atleast_3d[*arys](py: Python<'_>, arys: Vec<ArrayArgument>) -> Py<PyAny> =
        Ok(each(py, arys, ops::atleast_3d)?.unbind());
}
