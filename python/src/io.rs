//! Saving and loading.

use crate::arguments::wrong_type;
use crate::array::{PyArray, from_python};
use mlx_oxide_core::Array;
use mlx_oxide_io::{npy, npz, safetensors};
use pyo3::exceptions::{PyIOError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

fn raise(error: mlx_oxide_io::Error) -> PyErr {
    match error {
        mlx_oxide_io::Error::Array(error) => crate::error::raise(error),
        other => PyRuntimeError::new_err(other.to_string()),
    }
}

/// Where bytes go to or come from.
enum File<'py> {
    Path(PathBuf),
    Object(Bound<'py, PyAny>),
}

impl<'py> File<'py> {
    fn new(file: &Bound<'py, PyAny>, op: &str) -> PyResult<Self> {
        if let Ok(path) = file.extract::<PathBuf>() {
            return Ok(File::Path(path));
        }
        if file.hasattr("read")? || file.hasattr("write")? {
            return Ok(File::Object(file.clone()));
        }
        Err(wrong_type(op, "a path or a binary file object", file))
    }

    /// A path with the extension, unless it has it.
    fn with_extension(self, extension: &str) -> Self {
        match self {
            File::Path(path) if path.extension().is_none_or(|found| found != extension) => {
                let mut name = path.into_os_string();
                name.push(".");
                name.push(extension);
                File::Path(name.into())
            }
            other => other,
        }
    }

    fn extension(&self) -> Option<String> {
        match self {
            File::Path(path) => Some(path.extension()?.to_string_lossy().into_owned()),
            File::Object(object) => {
                let name: String = object.getattr("name").ok()?.extract().ok()?;
                Some(name.rsplit_once('.')?.1.to_owned())
            }
        }
    }

    fn read(&self, op: &str) -> PyResult<Vec<u8>> {
        match self {
            File::Path(path) => std::fs::read(path).map_err(|error| {
                PyRuntimeError::new_err(format!(
                    "[{op}] failed to open {}: {error}",
                    path.display()
                ))
            }),
            File::Object(object) => object.call_method0("read")?.extract(),
        }
    }

    fn write(&self, py: Python<'_>, op: &str, bytes: &[u8]) -> PyResult<()> {
        match self {
            File::Path(path) => std::fs::write(path, bytes).map_err(|error| {
                PyIOError::new_err(format!(
                    "[{op}] failed to write {}: {error}",
                    path.display()
                ))
            }),
            File::Object(object) => object
                .call_method1("write", (PyBytes::new(py, bytes),))
                .map(|_| ()),
        }
    }
}

fn named(arrays: &Bound<'_, PyDict>) -> PyResult<BTreeMap<String, Array>> {
    arrays
        .iter()
        .map(|(name, array)| Ok((name.extract()?, from_python(&array, None)?)))
        .collect()
}

/// Saves one array in NumPy's npy format.
#[pyfunction]
fn save(py: Python<'_>, file: &Bound<'_, PyAny>, arr: &Bound<'_, PyAny>) -> PyResult<()> {
    let bytes = npy::write(&from_python(arr, None)?).map_err(raise)?;
    File::new(file, "save")?
        .with_extension("npy")
        .write(py, "save", &bytes)
}

fn archive(
    file: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
    compressed: bool,
) -> PyResult<()> {
    let mut arrays = kwargs.map(named).transpose()?.unwrap_or_default();
    for (number, array) in args.iter().enumerate() {
        let name = format!("arr_{number}");
        if arrays
            .insert(name.clone(), from_python(&array, None)?)
            .is_some()
        {
            return Err(PyValueError::new_err(format!(
                "[savez] cannot use un-named arrays and keyword {name}"
            )));
        }
    }
    let entries = arrays.iter().map(|(name, array)| (name.as_str(), array));
    let bytes = npz::write(entries, compressed).map_err(raise)?;
    File::new(file, "savez")?
        .with_extension("npz")
        .write(file.py(), "savez", &bytes)
}

/// Saves arrays in NumPy's npz format.
#[pyfunction]
#[pyo3(signature = (file, *args, **kwargs))]
fn savez(
    file: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    archive(file, args, kwargs, false)
}

/// Saves arrays in NumPy's npz format, compressed.
#[pyfunction]
#[pyo3(signature = (file, *args, **kwargs))]
fn savez_compressed(
    file: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    archive(file, args, kwargs, true)
}

/// Saves arrays by name in the safetensors format.
#[pyfunction]
#[pyo3(signature = (file, arrays, metadata = None))]
fn save_safetensors(
    py: Python<'_>,
    file: &Bound<'_, PyAny>,
    arrays: &Bound<'_, PyDict>,
    metadata: Option<HashMap<String, String>>,
) -> PyResult<()> {
    let mut metadata = metadata.unwrap_or_default();
    metadata
        .entry("format".to_owned())
        .or_insert_with(|| "mlx".to_owned());
    let bytes = safetensors::write(&named(arrays)?, Some(metadata)).map_err(raise)?;
    File::new(file, "save_safetensors")?
        .with_extension("safetensors")
        .write(py, "save_safetensors", &bytes)
}

fn to_dict<'py>(py: Python<'py>, arrays: BTreeMap<String, Array>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, array) in arrays {
        dict.set_item(name, Bound::new(py, PyArray::from(array))?)?;
    }
    Ok(dict)
}

/// Loads what `save`, `savez` or `save_safetensors` wrote.
#[pyfunction]
#[pyo3(signature = (file, /, format = None, return_metadata = false, *, stream = None))]
fn load<'py>(
    py: Python<'py>,
    file: &Bound<'py, PyAny>,
    format: Option<String>,
    return_metadata: bool,
    stream: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let _scope = crate::device::enter(stream)?;
    let file = File::new(file, "load")?;
    let format = format.or_else(|| file.extension()).ok_or_else(|| {
        PyValueError::new_err("[load] could not infer the file format; give `format`")
    })?;
    if return_metadata && format != "safetensors" {
        return Err(PyValueError::new_err(format!(
            "[load] format {format} has no metadata"
        )));
    }
    match format.as_str() {
        "npy" => {
            let array = npy::read(&file.read("load")?).map_err(raise)?;
            Ok(Bound::new(py, PyArray::from(array))?.into_any())
        }
        "npz" => Ok(to_dict(py, npz::read(&file.read("load")?).map_err(raise)?)?.into_any()),
        "safetensors" => {
            let (arrays, metadata) = safetensors::read(&file.read("load")?).map_err(raise)?;
            let arrays = to_dict(py, arrays)?;
            match return_metadata {
                true => Ok((arrays, metadata).into_pyobject(py)?.into_any()),
                false => Ok(arrays.into_any()),
            }
        }
        other => Err(PyValueError::new_err(format!(
            "[load] unknown file format {other}; expected npy, npz or safetensors"
        ))),
    }
}

/// Adds the functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(save, module)?)?;
    module.add_function(wrap_pyfunction!(savez, module)?)?;
    module.add_function(wrap_pyfunction!(savez_compressed, module)?)?;
    module.add_function(wrap_pyfunction!(save_safetensors, module)?)?;
    module.add_function(wrap_pyfunction!(load, module)?)
}
