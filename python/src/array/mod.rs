//! The class `array`.

#[cfg(feature = "buffer-protocol")]
mod buffer;
mod construct;
mod convert;
mod dlpack;
mod format;
mod indexing;
mod methods;
mod operators;

pub(crate) use construct::from_python;

use crate::compile::note_sizes_read;
use crate::device;
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::Dtype;
use parking_lot::Mutex;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

/// The dtypes by the numbers that MLX pickles them as.
const PICKLED: [Dtype; 14] = [
    Dtype::Bool,
    Dtype::Uint8,
    Dtype::Uint16,
    Dtype::Uint32,
    Dtype::Uint64,
    Dtype::Int8,
    Dtype::Int16,
    Dtype::Int32,
    Dtype::Int64,
    Dtype::Float16,
    Dtype::Float32,
    Dtype::Float64,
    Dtype::Bfloat16,
    Dtype::Complex64,
];

/// An n-dimensional array whose elements are computed when they are needed.
///
/// `array(val, dtype=None)` makes one from a number, nested lists or tuples, a NumPy array, or
/// anything with the buffer or DLPack protocol.
#[pyclass(name = "array", module = "mlx_oxide.core", frozen, weakref)]
pub(crate) struct PyArray {
    /// In-place operators put another array here.
    current: Mutex<Array>,
}

impl PyArray {
    /// The array that the object stands for now.
    pub(crate) fn get(&self) -> Array {
        self.current.lock().clone()
    }

    /// Makes the object stand for another array.
    pub(crate) fn set(&self, array: Array) {
        // the old array is dropped after the lock: freeing a long graph takes time
        let _old = std::mem::replace(&mut *self.current.lock(), array);
    }
}

impl From<Array> for PyArray {
    fn from(array: Array) -> Self {
        PyArray {
            current: Mutex::new(array),
        }
    }
}

/// The result of an operation as a Python object, or its exception.
pub(crate) fn wrap(result: mlx_oxide_ir::Result<Array>) -> PyResult<PyArray> {
    result.map(PyArray::from).or_raise()
}

/// Several results.
pub(crate) fn wrap_all(results: mlx_oxide_ir::Result<Vec<Array>>) -> PyResult<Vec<PyArray>> {
    Ok(results.or_raise()?.into_iter().map(PyArray::from).collect())
}

#[pymethods]
impl PyArray {
    #[new]
    #[pyo3(signature = (val, dtype = None))]
    fn new(val: &Bound<'_, PyAny>, dtype: Option<PyDtype>) -> PyResult<Self> {
        from_python(val, dtype.map(|dtype| dtype.0)).map(PyArray::from)
    }

    /// Number of elements.
    #[getter]
    fn size(&self) -> usize {
        note_sizes_read("reading `size`");
        self.get().size()
    }

    /// Number of axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.get().ndim()
    }

    /// Bytes of one element.
    #[getter]
    fn itemsize(&self) -> usize {
        self.get().itemsize()
    }

    /// Bytes of all elements.
    #[getter]
    fn nbytes(&self) -> usize {
        note_sizes_read("reading `nbytes`");
        self.get().nbytes()
    }

    /// Sizes along the axes.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        note_sizes_read("reading `shape`");
        PyTuple::new(py, self.current.lock().shape().iter())
    }

    /// Type of the elements.
    #[getter]
    fn dtype(&self) -> PyDtype {
        PyDtype(self.current.lock().dtype())
    }

    /// The real part.
    #[getter]
    fn real(&self) -> PyResult<PyArray> {
        wrap(ops::real(&self.get()))
    }

    /// The imaginary part.
    #[getter]
    fn imag(&self) -> PyResult<PyArray> {
        wrap(ops::imag(&self.get()))
    }

    /// The array with its axes reversed.
    #[getter(T)]
    fn transposed(&self) -> PyResult<PyArray> {
        wrap(ops::transpose(&self.get(), &[]))
    }

    /// The array with its last two axes exchanged.
    #[getter(mT)]
    fn matrices_transposed(&self) -> PyResult<PyArray> {
        wrap(ops::matrix_transpose(&self.get()))
    }

    /// The device of operations that name none: arrays themselves belong to no device.
    #[getter]
    fn device(&self) -> device::PyDevice {
        device::PyDevice::from(mlx_oxide_runtime::Stream::current().device)
    }

    /// The array itself, whose elements every device reads (array API standard).
    ///
    /// Example:
    ///     >>> mx.array([1]).to_device(mx.cpu).tolist()
    ///     [1]
    #[pyo3(signature = (device, /, *, stream = None))]
    fn to_device(
        &self,
        device: &Bound<'_, PyAny>,
        stream: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyArray> {
        let _scope = (device::enter(Some(device))?, device::enter(stream)?);
        Ok(self.get().into())
    }

    /// The module whose functions follow the Python array API standard.
    #[pyo3(signature = (api_version = None))]
    fn __array_namespace__<'py>(
        &self,
        py: Python<'py>,
        api_version: Option<&str>,
    ) -> PyResult<Bound<'py, PyModule>> {
        match api_version {
            None => py.import("mlx_oxide.core"),
            Some(version) if crate::namespace::VERSIONS.contains(&version) => {
                py.import("mlx_oxide.core")
            }
            Some(version) => Err(PyValueError::new_err(format!(
                "[__array_namespace__] there is no version {version:?} of the standard; \
                 the newest one is {}",
                crate::namespace::VERSIONS[crate::namespace::VERSIONS.len() - 1]
            ))),
        }
    }

    /// The elements' bytes in row-major order.
    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(convert::pickle(py, &self.get())?.2)
    }

    /// What MLX pickles: `(elements, number of the dtype)`.
    fn __getstate__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, usize)> {
        let array = self.get();
        let number = PICKLED.iter().position(|dtype| *dtype == array.dtype());
        // 16-bit brain floats travel as their bits
        let plain = match array.dtype() {
            Dtype::Bfloat16 => ops::view(&array, Dtype::Uint16).or_raise()?,
            _ => array,
        };
        let elements = convert::to_numpy(py, &plain)?.call_method0("copy")?;
        Ok((elements, number.unwrap_or_default()))
    }

    /// Takes over the elements of a pickled array: `(elements, number of the dtype)`.
    fn __setstate__(&self, state: &Bound<'_, PyTuple>) -> PyResult<()> {
        let (elements, number): (Bound<'_, PyAny>, usize) = state.extract()?;
        let dtype = PICKLED.get(number).copied().ok_or_else(|| {
            PyValueError::new_err(format!("[array] {number} is the number of no dtype"))
        })?;
        let array = from_python(&elements, None)?;
        // 16-bit brain floats travel as their bits
        let array = if dtype == Dtype::Bfloat16 && array.dtype() == Dtype::Uint16 {
            ops::view(&array, dtype).or_raise()?
        } else {
            ops::astype(&array, dtype).or_raise()?
        };
        self.set(array);
        Ok(())
    }

    /// The elements converted to a dtype. See `mx.astype`.
    ///
    /// Example:
    ///     >>> mx.array([1.5, 0]).astype(mx.int32)
    ///     array([1, 0], dtype=int32)
    #[pyo3(signature = (dtype, stream = None))]
    fn astype(&self, dtype: PyDtype, stream: Option<&Bound<'_, PyAny>>) -> PyResult<PyArray> {
        let _scope = device::enter(stream)?;
        wrap(ops::astype(&self.get(), dtype.0))
    }

    fn __len__(&self) -> PyResult<usize> {
        note_sizes_read("`len`");
        let array = self.get();
        array
            .shape()
            .first()
            .copied()
            .ok_or_else(|| PyTypeError::new_err("len() 0-dimensional array."))
    }

    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        slf.as_ptr() as isize >> 4
    }

    fn __copy__(&self) -> PyArray {
        self.get().into()
    }

    #[pyo3(signature = (_memo))]
    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> PyArray {
        self.get().into()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let array = self.get();
        py.detach(|| format::format(&array)).or_raise()
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, convert::Pickled<'py>)> {
        let restore = py.import("mlx_oxide.core")?.getattr("_restore_array")?;
        Ok((restore, convert::pickle(py, &self.get())?))
    }
}

/// Adds the class to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyArray>()?;
    construct::register(module)?;
    indexing::register(module)?;
    convert::register(module)?;
    format::register(module)
}
