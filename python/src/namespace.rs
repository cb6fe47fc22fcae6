//! What the array API standard asks about a namespace.

use crate::dtype::{PyDtype, is_of_kind};
use mlx_oxide_ir::Dtype;
use mlx_oxide_runtime::Stream;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Capabilities, devices and dtypes of the module, by the Python array API standard.
#[pyclass(module = "mlx_oxide.core", frozen)]
struct ArrayNamespaceInfo;

/// Versions of the standard, of which each adds to the one before.
pub(crate) const VERSIONS: [&str; 5] = ["2021.12", "2022.12", "2023.12", "2024.12", "2025.12"];

const DEFAULTS: [(&str, Dtype); 4] = [
    ("real floating", Dtype::Float32),
    ("complex floating", Dtype::Complex64),
    ("integral", Dtype::Int32),
    ("indexing", Dtype::Int32),
];

/// The standard's dtypes; it knows no 16-bit floats.
const STANDARD: [Dtype; 12] = [
    Dtype::Bool,
    Dtype::Int8,
    Dtype::Int16,
    Dtype::Int32,
    Dtype::Int64,
    Dtype::Uint8,
    Dtype::Uint16,
    Dtype::Uint32,
    Dtype::Uint64,
    Dtype::Float32,
    Dtype::Complex64,
    Dtype::Float64,
];

fn check_device(device: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    match device {
        Some(device) if !device.is_instance_of::<crate::device::PyDevice>() => Err(
            PyTypeError::new_err(format!("expected a Device, got {}", device.get_type())),
        ),
        _ => Ok(()),
    }
}

fn kinds(kind: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<String>>> {
    let Some(kind) = kind.filter(|kind| !kind.is_none()) else {
        return Ok(None);
    };
    match kind.extract::<String>() {
        Ok(one) => Ok(Some(vec![one])),
        Err(_) => kind.extract().map(Some),
    }
}

#[pymethods]
impl ArrayNamespaceInfo {
    /// Whether masks index, whether shapes may depend on values, and the most axes.
    fn capabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let capabilities = PyDict::new(py);
        capabilities.set_item("boolean indexing", true)?;
        capabilities.set_item("data-dependent shapes", true)?;
        capabilities.set_item("max dimensions", py.None())?;
        Ok(capabilities)
    }

    /// The device of operations that name none.
    fn default_device(&self) -> crate::device::PyDevice {
        crate::device::PyDevice::from(Stream::current().device)
    }

    /// The devices that can be used.
    fn devices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, crate::device::available())
    }

    /// The dtypes that functions use by themselves.
    #[pyo3(signature = (*, device = None))]
    fn default_dtypes<'py>(
        &self,
        py: Python<'py>,
        device: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        check_device(device)?;
        let defaults = PyDict::new(py);
        for (kind, dtype) in DEFAULTS {
            defaults.set_item(kind, PyDtype(dtype))?;
        }
        Ok(defaults)
    }

    /// The standard's dtypes by name, all or of some kinds.
    #[pyo3(signature = (*, device = None, kind = None))]
    fn dtypes<'py>(
        &self,
        py: Python<'py>,
        device: Option<&Bound<'py, PyAny>>,
        kind: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        check_device(device)?;
        let kinds = kinds(kind)?;
        let found = PyDict::new(py);
        for dtype in STANDARD {
            let mut wanted = kinds.is_none();
            for kind in kinds.iter().flatten() {
                wanted |= is_of_kind(dtype, kind).ok_or_else(|| {
                    PyValueError::new_err(format!("[dtypes] unknown kind {kind:?}"))
                })?;
            }
            if wanted {
                found.set_item(dtype.name(), PyDtype(dtype))?;
            }
        }
        Ok(found)
    }
}

/// What the array API standard asks about this module.
#[pyfunction]
fn __array_namespace_info__() -> ArrayNamespaceInfo {
    ArrayNamespaceInfo
}

/// Adds the function to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__array_api_version__", VERSIONS[VERSIONS.len() - 1])?;
    module.add_function(wrap_pyfunction!(__array_namespace_info__, module)?)
}
