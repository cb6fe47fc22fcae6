//! Groups of processes. Without a launcher there is one process, and collectives are identities.

use crate::arguments::ArrayArgument;
use crate::array::PyArray;
use mlx_oxide_core::Array;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

/// A group of processes.
#[pyclass(
    name = "Group",
    module = "mlx_oxide.core.distributed",
    frozen,
    from_py_object
)]
#[derive(Clone)]
struct Group;

#[pymethods]
impl Group {
    /// The number of this process in the group.
    fn rank(&self) -> usize {
        0
    }

    /// How many processes are in the group.
    fn size(&self) -> usize {
        1
    }

    /// A part of the group.
    #[pyo3(signature = (color, key = -1))]
    fn split(&self, color: i64, key: i64) -> PyResult<Group> {
        let _ = (color, key);
        Err(PyRuntimeError::new_err(
            "[distributed] a group of one process cannot be split",
        ))
    }
}

/// Whether a backend for several processes is there.
#[pyfunction]
#[pyo3(signature = (backend = "any"))]
fn is_available(backend: &str) -> bool {
    let _ = backend;
    false
}

/// The group of all processes: this one alone.
#[pyfunction]
#[pyo3(signature = (strict = false, backend = "any", **_options))]
fn init(
    strict: bool,
    backend: &str,
    _options: Option<&Bound<'_, pyo3::types::PyDict>>,
) -> PyResult<Group> {
    if strict {
        return Err(PyRuntimeError::new_err(format!(
            "[distributed] backend {backend} is not available; without strict=True this process \
             is a group of its own"
        )));
    }
    Ok(Group)
}

fn alone(op: &str) -> PyErr {
    PyValueError::new_err(format!("[{op}] cannot communicate with a group of size 1"))
}

fn identity(x: ArrayArgument) -> PyResult<PyArray> {
    let array: Array = x.0;
    Ok(array.into())
}

crate::ops::functions! {
    /// The sum over all processes.
    all_sum[x, *, group = None](x: ArrayArgument, group: Option<Group>) -> PyArray = identity(x);
    /// The greatest over all processes.
    all_max[x, *, group = None](x: ArrayArgument, group: Option<Group>) -> PyArray = identity(x);
    /// The least over all processes.
    all_min[x, *, group = None](x: ArrayArgument, group: Option<Group>) -> PyArray = identity(x);
    /// The arrays of all processes joined along the first axis.
    all_gather[x, *, group = None](x: ArrayArgument, group: Option<Group>) -> PyArray = identity(x);
    /// This process's part of the sum over all.
    sum_scatter[x, *, group = None](x: ArrayArgument, group: Option<Group>) -> PyArray = identity(x);
    /// An array sent to another process.
    send[x, dst, *, group = None](x: ArrayArgument, dst: i64, group: Option<Group>) -> PyArray =
        Err(alone("send"));
    /// An array received from another process.
    recv[shape, dtype, src, *, group = None](
        shape: Vec<i64>, dtype: crate::dtype::PyDtype, src: i64, group: Option<Group>
    ) -> PyArray = Err(alone("recv"));
    /// An array like another, received from another process.
    recv_like[x, src, *, group = None](x: ArrayArgument, src: i64, group: Option<Group>) -> PyArray =
        Err(alone("recv_like"));
}

/// Adds the submodule.
pub(crate) fn register_all(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = crate::add_submodule(parent, "distributed")?;
    module.add_class::<Group>()?;
    module.add_function(wrap_pyfunction!(is_available, &module)?)?;
    module.add_function(wrap_pyfunction!(init, &module)?)?;
    register(&module)
}
