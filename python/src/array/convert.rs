//! Arrays as Python values.

use super::{PyArray, wrap};
use crate::dtype::PyDtype;
use crate::error::{OrRaise, argument_error};
use mlx_oxide_core::Array;
use mlx_oxide_ir::{ArrayType, Dtype, Scalar};
use mlx_oxide_runtime::Stored;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyList};

/// What an array is pickled as: shape, dtype, bytes.
pub(super) type Pickled<'py> = (Vec<usize>, PyDtype, Bound<'py, PyBytes>);

pub(super) fn pickle<'py>(py: Python<'py>, array: &Array) -> PyResult<Pickled<'py>> {
    py.detach(|| array.eval()).or_raise()?;
    let bytes = array
        .with_bytes(|bytes| Ok(PyBytes::new(py, bytes)))
        .or_raise()?;
    Ok((array.shape().to_vec(), PyDtype(array.dtype()), bytes))
}

#[pyfunction]
fn _restore_array(shape: Vec<usize>, dtype: PyDtype, bytes: &[u8]) -> PyResult<PyArray> {
    wrap(Array::from_bytes(bytes, ArrayType::new(shape, dtype.0)))
}

/// One element as a Python number.
fn number<'py>(py: Python<'py>, scalar: Scalar) -> PyResult<Bound<'py, PyAny>> {
    Ok(match scalar.dtype() {
        Dtype::Bool => PyBool::new(py, scalar.bits() != 0).to_owned().into_any(),
        Dtype::Uint64 => scalar.bits().into_pyobject(py)?.into_any(),
        Dtype::Complex64 => {
            let value = scalar.to_complex();
            num_complex::Complex64::new(f64::from(value.re), f64::from(value.im))
                .into_pyobject(py)?
                .into_any()
        }
        dtype if dtype.is_integer() => scalar.to_i64().into_pyobject(py)?.into_any(),
        _ => scalar.to_f64().into_pyobject(py)?.into_any(),
    })
}

fn evaluated_scalar(py: Python<'_>, array: &Array, op: &'static str) -> PyResult<Scalar> {
    let scalar = py.detach(|| array.to_scalar());
    match scalar.map_err(|error| error.read_by(op)) {
        Err(error) if array.size() != 1 => Err(argument_error(error.to_string())),
        scalar => scalar.or_raise(),
    }
}

fn nested<'py>(
    py: Python<'py>,
    shape: &[usize],
    elements: &mut std::vec::IntoIter<Scalar>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some((&length, rest)) = shape.split_first() else {
        let element = elements
            .next()
            .ok_or_else(|| PyValueError::new_err("[tolist] too short"))?;
        return number(py, element);
    };
    let list = PyList::empty(py);
    for _ in 0..length {
        list.append(nested(py, rest, elements)?)?;
    }
    Ok(list.into_any())
}

#[pymethods]
impl PyArray {
    /// The element of an array that has only one, as a Python number; evaluates the array.
    ///
    /// Raises:
    ///     ValueError: several elements, or none.
    ///
    /// Example:
    ///     >>> mx.array([2.5]).item()
    ///     2.5
    fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        number(py, evaluated_scalar(py, &self.get(), "item")?)
    }

    /// The elements as nested lists, or a number if the array has no axes; evaluates the array.
    ///
    /// Example:
    ///     >>> mx.array([[1, 2], [3, 4]]).tolist()
    ///     [[1, 2], [3, 4]]
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let array = self.get();
        let elements = py.detach(|| array.to_scalars());
        let elements = elements
            .map_err(|error| error.read_by("tolist"))
            .or_raise()?;
        nested(py, array.shape(), &mut elements.into_iter())
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        let scalar = evaluated_scalar(py, &self.get(), "bool")?;
        let value = scalar.to_complex();
        Ok(match scalar.dtype() {
            Dtype::Complex64 => value.re != 0.0 || value.im != 0.0,
            dtype if dtype.is_floating() => scalar.to_f64() != 0.0,
            _ => scalar.bits() != 0,
        })
    }

    fn __int__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let value = number(py, evaluated_scalar(py, &self.get(), "int")?)?;
        py.import("builtins")?.getattr("int")?.call1((value,))
    }

    fn __float__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let value = number(py, evaluated_scalar(py, &self.get(), "float")?)?;
        py.import("builtins")?.getattr("float")?.call1((value,))
    }

    fn __complex__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let value = number(py, evaluated_scalar(py, &self.get(), "complex")?)?;
        py.import("builtins")?.getattr("complex")?.call1((value,))
    }

    fn __index__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let array = self.get();
        if array.dtype().is_inexact() {
            return Err(PyTypeError::new_err(format!(
                "only an integer array of one element is an index, not one of {}",
                array.dtype()
            )));
        }
        self.__int__(py)
    }

    fn __format__(slf: &Bound<'_, Self>, specification: &str) -> PyResult<String> {
        let py = slf.py();
        if slf.get().get().ndim() > 0 {
            if !specification.is_empty() {
                return Err(PyTypeError::new_err(format!(
                    "an array with axes takes no format, but {specification:?} is given"
                )));
            }
            return slf.str()?.extract();
        }
        let value = number(py, evaluated_scalar(py, &slf.get().get(), "format")?)?;
        py.import("builtins")?
            .getattr("format")?
            .call1((value, specification))?
            .extract()
    }

    /// The elements as a NumPy array, sharing memory where no conversion is asked for.
    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = to_numpy(py, &self.get())?;
        let array = match dtype {
            Some(dtype) => array.call_method1("astype", (dtype,))?,
            None => array,
        };
        if copy == Some(true) {
            array.call_method0("copy")
        } else {
            Ok(array)
        }
    }
}

/// Memory of an array, kept alive for NumPy.
#[pyclass(module = "mlx_oxide.core", frozen)]
struct SharedMemory {
    stored: Stored,
    dtype: Dtype,
}

#[pymethods]
impl SharedMemory {
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let width = self.dtype.size();
        let layout = &self.stored.layout;
        let address = self.stored.buffer.host_ptr().or_raise()?.as_ptr() as usize;
        let code = match self.dtype {
            Dtype::Bool => "b",
            Dtype::Complex64 => "c",
            Dtype::Bfloat16 => "V",
            dtype if dtype.is_floating() => "f",
            dtype if dtype.is_signed_integer() => "i",
            _ => "u",
        };
        let strides: Vec<isize> = layout
            .strides
            .iter()
            .map(|stride| stride * width as isize)
            .collect();
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item(
            "typestr",
            format!("{}{code}{width}", if width == 1 { '|' } else { '<' }),
        )?;
        interface.set_item("shape", pyo3::types::PyTuple::new(py, layout.shape.iter())?)?;
        interface.set_item("strides", pyo3::types::PyTuple::new(py, strides)?)?;
        interface.set_item("data", (address + layout.offset * width, false))?;
        Ok(interface)
    }
}

/// The elements as a NumPy array over the same memory.
pub(crate) fn to_numpy<'py>(py: Python<'py>, array: &Array) -> PyResult<Bound<'py, PyAny>> {
    let numpy = py.import("numpy")?;
    let stored = py.detach(|| array.to_stored()).or_raise()?;
    let memory = SharedMemory {
        stored,
        dtype: array.dtype(),
    };
    let shared = numpy.call_method1("asarray", (Bound::new(py, memory)?,))?;
    if array.dtype() != Dtype::Bfloat16 {
        return Ok(shared);
    }
    match py.import("ml_dtypes") {
        Ok(types) => shared.call_method1("view", (types.getattr("bfloat16")?,)),
        Err(_) => {
            let wide = mlx_oxide_core::ops::astype(array, Dtype::Float32).or_raise()?;
            to_numpy(py, &wide)
        }
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<SharedMemory>()?;
    module.add_function(wrap_pyfunction!(_restore_array, module)?)
}
