//! Saving and loading.

use crate::arguments::wrong_type;
use crate::array::{PyArray, from_python};
use mlx_oxide_core::Array;
use mlx_oxide_io::{gguf, npy, npz, safetensors};
use pyo3::exceptions::{PyIOError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, BufWriter, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

fn raise(error: mlx_oxide_io::Error) -> PyErr {
    match error {
        mlx_oxide_io::Error::Array(error) => crate::error::raise(error),
        other => PyRuntimeError::new_err(other.to_string()),
    }
}

/// A file as readers take it.
trait Readable: Read + Seek + Send {}
impl<T: Read + Seek + Send> Readable for T {}

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

    /// The contents; those of an object from where it stands.
    fn open(&self, format: &str) -> PyResult<Box<dyn Readable>> {
        match self {
            File::Path(path) => match std::fs::File::open(path) {
                Ok(file) => Ok(Box::new(BufReader::new(file))),
                Err(error) => {
                    let message = format!("[load] failed to open {}: {error}", path.display());
                    // as MLX
                    Err(match format {
                        "gguf" | "npz" => PyValueError::new_err(message),
                        _ => PyRuntimeError::new_err(message),
                    })
                }
            },
            File::Object(object) => {
                let contents = object.call_method0("read")?;
                match contents.extract::<PyBackedBytes>() {
                    Ok(bytes) => Ok(Box::new(Cursor::new(bytes))),
                    Err(_) => Err(wrong_type("load", "a file opened in binary mode", object)),
                }
            }
        }
    }

    /// Reads the contents without holding the interpreter.
    fn read<T: Send>(
        &self,
        py: Python<'_>,
        format: &str,
        read: impl FnOnce(Box<dyn Readable>) -> mlx_oxide_io::Result<T> + Send,
    ) -> PyResult<T> {
        let file = self.open(format)?;
        py.detach(|| read(file)).map_err(raise)
    }

    /// Writes to a path through `save`, to an object what `bytes` returns.
    fn write(
        &self,
        py: Python<'_>,
        op: &str,
        save: impl FnOnce(&Path) -> mlx_oxide_io::Result<()> + Send,
        bytes: impl FnOnce() -> mlx_oxide_io::Result<Vec<u8>> + Send,
    ) -> PyResult<()> {
        match self {
            File::Path(path) => py.detach(|| save(path)).map_err(|error| match error {
                mlx_oxide_io::Error::System { source, .. } => PyIOError::new_err(format!(
                    "[{op}] failed to write {}: {source}",
                    path.display()
                )),
                other => raise(other),
            }),
            File::Object(object) => {
                let bytes = py.detach(bytes).map_err(raise)?;
                object
                    .call_method1("write", (PyBytes::new(py, &bytes),))
                    .map(|_| ())
            }
        }
    }
}

/// A new file at a path.
fn create(path: &Path, op: &'static str) -> mlx_oxide_io::Result<BufWriter<std::fs::File>> {
    match std::fs::File::create(path) {
        Ok(file) => Ok(BufWriter::new(file)),
        Err(source) => Err(mlx_oxide_io::Error::System { op, source }),
    }
}

fn named(arrays: &Bound<'_, PyDict>) -> PyResult<BTreeMap<String, Array>> {
    arrays
        .iter()
        .map(|(name, array)| Ok((name.extract()?, from_python(&array, None)?)))
        .collect()
}

/// Saves one array in NumPy's npy format.
///
/// Args:
///     file: a path, to which `.npy` is added if it lacks it, or an object with `write`.
///     arr: the array.
///
/// Raises:
///     ValueError: `bfloat16`, which the format lacks; a path that cannot be written.
///
/// Example:
///     >>> mx.save("array.npy", mx.arange(3))
#[pyfunction]
fn save(py: Python<'_>, file: &Bound<'_, PyAny>, arr: &Bound<'_, PyAny>) -> PyResult<()> {
    let array = from_python(arr, None)?;
    File::new(file, "save")?.with_extension("npy").write(
        py,
        "save",
        |path| npy::write_to(create(path, "save")?, &array),
        || npy::write(&array),
    )
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
    let entries = || arrays.iter().map(|(name, array)| (name.as_str(), array));
    File::new(file, "savez")?.with_extension("npz").write(
        file.py(),
        "savez",
        |path| npz::write_to(create(path, "savez")?, entries(), compressed),
        || npz::write(entries(), compressed),
    )
}

/// Saves arrays in NumPy's npz format.
///
/// Args:
///     file: a path, to which `.npz` is added if it lacks it, or an object with `write`.
///     args, kwargs: arrays; those without a name are called `arr_0`, `arr_1` and so on.
///
/// Raises:
///     ValueError: `bfloat16`, which the format lacks; a path that cannot be written.
///
/// Example:
///     >>> mx.savez("arrays.npz", a=mx.arange(3))
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
///
/// Args:
///     file, args, kwargs: as of `savez`.
///
/// Raises:
///     ValueError: `bfloat16`, which the format lacks; a path that cannot be written.
///
/// Example:
///     >>> mx.savez_compressed("arrays.npz", a=mx.arange(3))
#[pyfunction]
#[pyo3(signature = (file, *args, **kwargs))]
fn savez_compressed(
    file: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    archive(file, args, kwargs, true)
}

/// The texts of a dictionary.
fn texts(metadata: &Bound<'_, PyDict>) -> PyResult<HashMap<String, String>> {
    metadata.extract().map_err(|_| {
        PyValueError::new_err("[save_safetensors] metadata must be a dictionary of texts by texts")
    })
}

/// Saves arrays by name in the safetensors format.
///
/// Args:
///     file: a path, to which `.safetensors` is added if it lacks it, or an object with `write`.
///     arrays: a dictionary of arrays.
///     metadata: a dictionary of texts.
///
/// Raises:
///     ValueError: metadata that are no texts; a path that cannot be written.
///
/// Example:
///     >>> mx.save_safetensors("weights.safetensors", {"w": mx.ones((2, 2))})
#[pyfunction]
#[pyo3(signature = (file, arrays, metadata = None))]
fn save_safetensors(
    py: Python<'_>,
    file: &Bound<'_, PyAny>,
    arrays: &Bound<'_, PyDict>,
    metadata: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let metadata = metadata.map(texts).transpose()?.unwrap_or_default();
    let arrays = named(arrays)?;
    File::new(file, "save_safetensors")?
        .with_extension("safetensors")
        .write(
            py,
            "save_safetensors",
            |path| safetensors::save(path, &arrays, Some(metadata.clone())),
            || safetensors::write(&arrays, Some(metadata.clone())),
        )
}

/// A value of the metadata of a GGUF file: a text, a list of texts, or an array.
fn metadata_value(value: &Bound<'_, PyAny>) -> PyResult<gguf::Value> {
    if let Ok(text) = value.extract::<String>() {
        return Ok(gguf::Value::Text(text));
    }
    if let Ok(texts) = value.extract::<Vec<String>>() {
        return Ok(gguf::Value::Texts(texts));
    }
    Ok(gguf::Value::Array(from_python(value, None)?))
}

/// Saves arrays by name and metadata in the GGUF format. Metadata are texts, lists of texts, and
/// arrays of at most one axis.
///
/// Args:
///     file: a path, to which `.gguf` is added if it lacks it, or an object with `write`.
///     arrays: a dictionary of arrays.
///     metadata: a dictionary.
///
/// Raises:
///     ValueError: other metadata; arrays of a dtype or of more axes than the format has.
///
/// Example:
///     >>> mx.save_gguf("weights.gguf", {"w": mx.ones((2, 2))})
#[pyfunction]
#[pyo3(signature = (file, arrays, metadata = None))]
fn save_gguf(
    py: Python<'_>,
    file: &Bound<'_, PyAny>,
    arrays: &Bound<'_, PyDict>,
    metadata: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let arrays = named(arrays)?;
    let metadata = metadata
        .into_iter()
        .flat_map(|metadata| metadata.iter())
        .map(|(key, value)| Ok((key.extract()?, metadata_value(&value)?)))
        .collect::<PyResult<BTreeMap<String, gguf::Value>>>()?;
    File::new(file, "save_gguf")?.with_extension("gguf").write(
        py,
        "save_gguf",
        |path| gguf::save(path, &arrays, &metadata),
        || gguf::write(&arrays, &metadata),
    )
}

fn metadata_to_dict(
    py: Python<'_>,
    metadata: BTreeMap<String, gguf::Value>,
) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in metadata {
        match value {
            gguf::Value::Array(array) => {
                dict.set_item(key, Bound::new(py, PyArray::from(array))?)?;
            }
            gguf::Value::Text(text) => dict.set_item(key, text)?,
            gguf::Value::Texts(texts) => dict.set_item(key, texts)?,
        }
    }
    Ok(dict)
}

fn to_dict<'py>(py: Python<'py>, arrays: BTreeMap<String, Array>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, array) in arrays {
        dict.set_item(name, Bound::new(py, PyArray::from(array))?)?;
    }
    Ok(dict)
}

/// Loads what `save`, `savez`, `save_safetensors` or `save_gguf` wrote; with `return_metadata`, the
/// metadata of the latter two as well.
///
/// Args:
///     file: a path or an object with `read`.
///     format: `"npy"`, `"npz"`, `"safetensors"` or `"gguf"`; told by the path's ending by default.
///     return_metadata: whether to return a pair of the arrays and the metadata.
///
/// Returns:
///     An array of npy files, a dictionary of arrays of the others.
///
/// Raises:
///     ValueError: a file that there is not, that is not in the format, or damaged; another ending.
///
/// Example:
///     >>> mx.save("array.npy", mx.arange(3))
///     >>> mx.load("array.npy")
///     array([0, 1, 2], dtype=int32)
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
    if return_metadata && ["npy", "npz"].contains(&format.as_str()) {
        return Err(PyValueError::new_err(format!(
            "[load] format {format} has no metadata"
        )));
    }
    let (arrays, metadata) = match format.as_str() {
        "npy" => {
            let array = file.read(py, &format, npy::read_from)?;
            return Ok(Bound::new(py, PyArray::from(array))?.into_any());
        }
        "npz" => {
            let arrays = file.read(py, &format, npz::read_from)?;
            return Ok(to_dict(py, arrays)?.into_any());
        }
        "safetensors" => {
            let (arrays, metadata) = file.read(py, &format, safetensors::read_from)?;
            (arrays, metadata.into_pyobject(py)?)
        }
        "gguf" => {
            let contents = file.read(py, &format, gguf::read_from)?;
            (contents.arrays, metadata_to_dict(py, contents.metadata)?)
        }
        other => {
            return Err(PyValueError::new_err(format!(
                "[load] unknown file format {other}; expected npy, npz, safetensors or gguf"
            )));
        }
    };
    let arrays = to_dict(py, arrays)?;
    match return_metadata {
        true => Ok((arrays, metadata).into_pyobject(py)?.into_any()),
        false => Ok(arrays.into_any()),
    }
}

/// Adds the functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(save, module)?)?;
    module.add_function(wrap_pyfunction!(savez, module)?)?;
    module.add_function(wrap_pyfunction!(savez_compressed, module)?)?;
    module.add_function(wrap_pyfunction!(save_safetensors, module)?)?;
    module.add_function(wrap_pyfunction!(save_gguf, module)?)?;
    module.add_function(wrap_pyfunction!(load, module)?)
}
