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

/// What programs may ask for, though none of them is built in.
const BACKENDS: [&str; 5] = ["any", "mpi", "ring", "nccl", "jaccl"];

/// Whether a backend for several processes is there.
///
/// Example:
///     >>> mx.distributed.is_available()
///     False
#[pyfunction]
#[pyo3(signature = (backend = "any"))]
fn is_available(backend: &str) -> bool {
    let _ = backend;
    false
}

/// The group of all processes: this one alone.
///
/// Args:
///     strict: whether to fail if there is no backend for several.
///     backend: `"any"`, `"mpi"`, `"ring"`, `"nccl"` or `"jaccl"`.
///
/// Raises:
///     RuntimeError: no backend, if `strict`.
///     ValueError: another name.
///
/// Example:
///     >>> mx.distributed.init().size()
///     1
#[pyfunction]
#[pyo3(signature = (strict = false, backend = "any", **_options))]
fn init(
    strict: bool,
    backend: &str,
    _options: Option<&Bound<'_, pyo3::types::PyDict>>,
) -> PyResult<Group> {
    if !BACKENDS.contains(&backend) {
        return Err(PyValueError::new_err(format!(
            "[distributed] unknown backend {backend:?}; expected one of {}",
            BACKENDS.join(", ")
        )));
    }
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
    ///
    /// Of one process the array itself.
    ///
    /// Args:
    ///     x: any array.
    ///     group: the group, all processes by default.
    ///
    /// Example:
    ///     >>> mx.distributed.all_sum(mx.ones(2)).tolist()
    ///     [1.0, 1.0]
    all_sum[x, *, group = None](x: ArrayArgument, group: Option<Group>) -> PyArray = identity(x);
    /// The greatest over all processes.
    ///
    /// Of one process the array itself.
    ///
    /// Args:
    ///     x: any array.
    ///     group: the group, all processes by default.
    ///
    /// Example:
    ///     >>> mx.distributed.all_max(mx.ones(2)).tolist()
    ///     [1.0, 1.0]
    all_max[x, *, group = None](x: ArrayArgument, group: Option<Group>) -> PyArray = identity(x);
    /// The least over all processes.
    ///
    /// Of one process the array itself.
    ///
    /// Args:
    ///     x: any array.
    ///     group: the group, all processes by default.
    ///
    /// Example:
    ///     >>> mx.distributed.all_min(mx.ones(2)).tolist()
    ///     [1.0, 1.0]
    all_min[x, *, group = None](x: ArrayArgument, group: Option<Group>) -> PyArray = identity(x);
    /// The arrays of all processes joined along the first axis.
    ///
    /// Of one process the array itself.
    ///
    /// Args:
    ///     x: any array.
    ///     group: the group, all processes by default.
    ///
    /// Example:
    ///     >>> mx.distributed.all_gather(mx.ones(2)).tolist()
    ///     [1.0, 1.0]
    all_gather[x, *, group = None](x: ArrayArgument, group: Option<Group>) -> PyArray = identity(x);
    /// This process's part of the sum over all.
    ///
    /// Of one process the array itself.
    ///
    /// Args:
    ///     x: any array.
    ///     group: the group, all processes by default.
    ///
    /// Example:
    ///     >>> mx.distributed.sum_scatter(mx.ones(2)).tolist()
    ///     [1.0, 1.0]
    sum_scatter[x, *, group = None](x: ArrayArgument, group: Option<Group>) -> PyArray = identity(x);
    /// An array sent to another process.
    ///
    /// Raises:
    ///     ValueError: a group of one process, which has nobody to talk to.
    ///
    /// Example:
    ///     >>> mx.distributed.send(x, 0)  # of several processes
    send[x, dst, *, group = None](x: ArrayArgument, dst: i64, group: Option<Group>) -> PyArray =
        Err(alone("send"));
    /// An array received from another process.
    ///
    /// Raises:
    ///     ValueError: a group of one process, which has nobody to talk to.
    ///
    /// Example:
    ///     >>> mx.distributed.recv((2,), mx.float32, 0)  # of several processes
    recv[shape, dtype, src, *, group = None](
        shape: crate::arguments::Numbers, dtype: crate::dtype::PyDtype, src: i64, group: Option<Group>
    ) -> PyArray = Err(alone("recv"));
    /// An array like another, received from another process.
    ///
    /// Raises:
    ///     ValueError: a group of one process, which has nobody to talk to.
    ///
    /// Example:
    ///     >>> mx.distributed.recv_like(x, 0)  # of several processes
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
