//! Arrays from Python values.

use super::PyArray;
use crate::dtype::scalar;
use crate::error::{OrRaise, argument_error};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Scalar, Shape, Strides, result_type};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

/// An array from a number, nested sequences, another library's array or an array.
pub(crate) fn from_python(value: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> PyResult<Array> {
    let array = if let Ok(array) = value.cast::<PyArray>() {
        array.get().get()
    } else if let Some(number) = scalar(value, None)? {
        let number =
            readable(dtype).map_or(Ok(Some(number)), |dtype| scalar(value, Some(dtype)))?;
        Array::from_scalar(number.unwrap_or(Scalar::new(0.0, Dtype::Float32))).or_raise()?
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return from_sequence(value, dtype);
    } else if let Some(array) = from_method(value)? {
        array
    } else if let Some(array) = from_other_library(value)? {
        match (array.dtype(), dtype) {
            // doubles are other libraries' default, not a choice
            (Dtype::Float64, None) => ops::astype(&array, Dtype::Float32).or_raise()?,
            _ => array,
        }
    } else {
        let message = format!("[array] cannot make an array from {}", value.get_type());
        return Err(argument_error(message));
    };
    match dtype {
        Some(dtype) => ops::astype(&array, dtype).or_raise(),
        None => Ok(array),
    }
}

/// The dtype that a number is read in: all but `bool`, which keeps too little of it to say whether
/// it is zero.
fn readable(dtype: Option<Dtype>) -> Option<Dtype> {
    dtype.filter(|dtype| *dtype != Dtype::Bool)
}

fn from_other_library(value: &Bound<'_, PyAny>) -> PyResult<Option<Array>> {
    if let Some(array) = from_interface(value)? {
        return Ok(Some(array));
    }
    if let Some(array) = super::dlpack::import(value)? {
        return Ok(Some(array));
    }
    through_numpy(value)
}

/// The array that an object's own method `__mlx_array__` gives, if it has one.
fn from_method(value: &Bound<'_, PyAny>) -> PyResult<Option<Array>> {
    let Ok(method) = value.getattr("__mlx_array__") else {
        return Ok(None);
    };
    let given = method.call0()?;
    let array = given.cast::<PyArray>().map_err(|_| {
        PyTypeError::new_err(format!(
            "[array] __mlx_array__ gave {}, not an array",
            given.get_type()
        ))
    })?;
    Ok(Some(array.get().get()))
}

/// Any object with a method `__mlx_array__` that gives an array.
#[pyclass(name = "ArrayLike", module = "mlx_oxide.core", frozen)]
struct ArrayLike {
    object: Py<PyAny>,
}

#[pymethods]
impl ArrayLike {
    #[new]
    fn new(object: Bound<'_, PyAny>) -> PyResult<Self> {
        if object.hasattr("__mlx_array__")? {
            return Ok(ArrayLike {
                object: object.unbind(),
            });
        }
        Err(PyTypeError::new_err(format!(
            "[ArrayLike] {} has no method __mlx_array__",
            object.get_type()
        )))
    }

    fn __mlx_array__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.object.bind(py).call_method0("__mlx_array__")
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ArrayLike>()
}

/// One element of nested sequences.
enum Element {
    Number(Scalar),
    Array(Array),
}

/// Elements of nested sequences, row by row.
struct Collected {
    shape: Shape,
    elements: Vec<Element>,
}

fn from_sequence(value: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> PyResult<Array> {
    let mut collected = Collected {
        shape: probe_shape(value)?,
        elements: Vec::new(),
    };
    let depth = collected.shape.ndim();
    collect(value, 0, depth, readable(dtype), &mut collected)?;
    let numbers: Vec<Scalar> = collected
        .elements
        .iter()
        .map_while(|element| match element {
            Element::Number(number) => Some(*number),
            Element::Array(_) => None,
        })
        .collect();
    if numbers.len() < collected.elements.len() {
        return stack(collected, dtype);
    }
    let own = numbers
        .iter()
        .map(|number| number.dtype())
        .reduce(result_type)
        .unwrap_or(Dtype::Float32);
    let target = dtype.unwrap_or(own);
    let mut bytes = Vec::with_capacity(numbers.len() * target.size());
    for number in numbers {
        let (raw, width) = convert(number, target).bytes();
        bytes.extend_from_slice(&raw[..width]);
    }
    Array::from_bytes(&bytes, ArrayType::new(collected.shape, target)).or_raise()
}

fn convert(number: Scalar, dtype: Dtype) -> Scalar {
    if number.dtype() == dtype {
        number
    } else if number.dtype().is_complex() {
        Scalar::from_complex(number.to_complex(), dtype)
    } else if number.dtype().is_floating() || number.dtype() == Dtype::Uint64 {
        Scalar::new(number.to_f64(), dtype)
    } else {
        Scalar::from_integer(number.to_i64(), dtype)
    }
}

/// Levels of nested sequences, whose rows are read by a call of a function each; a list may hold
/// itself.
const DEEPEST: usize = 100;

/// The shape that the first elements suggest; `collect` checks the others.
fn probe_shape(value: &Bound<'_, PyAny>) -> PyResult<Shape> {
    let mut shape = Shape::scalar();
    let mut current = value.clone();
    while current.is_instance_of::<PyList>() || current.is_instance_of::<PyTuple>() {
        if shape.ndim() == DEEPEST {
            return Err(argument_error(format!(
                "[array] sequences are nested deeper than {DEEPEST} levels"
            )));
        }
        let length = current.len()?;
        shape.push(length);
        if length == 0 {
            return Ok(shape);
        }
        current = current.get_item(0)?;
    }
    Ok(shape)
}

fn collect(
    value: &Bound<'_, PyAny>,
    axis: usize,
    depth: usize,
    like: Option<Dtype>,
    collected: &mut Collected,
) -> PyResult<()> {
    let ragged = || argument_error("[array] initialization encountered non-uniform length.");
    if axis == depth {
        if let Some(number) = scalar(value, like)? {
            collected.elements.push(Element::Number(number));
            return Ok(());
        }
        if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            return Err(ragged());
        }
        if value.is_none() {
            return Err(argument_error("[array] None is no element"));
        }
        let array = from_python(value, None)?;
        collected.elements.push(Element::Array(array));
        return Ok(());
    }
    if !(value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>())
        || value.len()? != collected.shape[axis]
    {
        return Err(ragged());
    }
    value
        .try_iter()?
        .try_for_each(|item| collect(&item?, axis + 1, depth, like, collected))
}

/// Nested sequences of arrays, and of numbers beside arrays without axes.
fn stack(collected: Collected, dtype: Option<Dtype>) -> PyResult<Array> {
    let arrays = collected.elements.into_iter().map(|element| match element {
        Element::Number(number) => Array::from_scalar(number),
        Element::Array(array) => Ok(array),
    });
    let arrays: Vec<Array> = arrays.collect::<mlx_oxide_ir::Result<_>>().or_raise()?;
    let stacked = ops::stack(&arrays.iter().collect::<Vec<_>>(), 0).or_raise()?;
    let mut shape = collected.shape;
    for &size in &stacked.shape()[1..] {
        shape.push(size);
    }
    let array = ops::reshape_to(&stacked, shape).or_raise()?;
    match dtype {
        Some(dtype) => ops::astype(&array, dtype).or_raise(),
        None => Ok(array),
    }
}

/// The description of another library's memory.
pub(super) struct Interface {
    /// Where the first element is.
    pub(super) address: usize,
    /// Sizes along the axes.
    pub(super) shape: Vec<usize>,
    /// Steps along the axes in bytes; row-major order without them.
    pub(super) strides: Option<Vec<isize>>,
    /// Type of the elements.
    pub(super) dtype: Dtype,
}

/// A copy of the elements that `__array_interface__` describes.
fn from_interface(value: &Bound<'_, PyAny>) -> PyResult<Option<Array>> {
    let Ok(interface) = value.getattr("__array_interface__") else {
        return Ok(None);
    };
    let interface = interface
        .cast::<PyDict>()
        .map_err(|_| PyTypeError::new_err("[array] __array_interface__ is not a dict"))?;
    let typestr: String = required(interface, "typestr")?.extract()?;
    let dtype = match dtype_of_typestr(&typestr) {
        Some(dtype) => dtype,
        None if is_named(value, "bfloat16") => Dtype::Bfloat16,
        None => return through_cast(value, &typestr).map(Some),
    };
    let data = interface.get_item("data")?.filter(|data| !data.is_none());
    let Some(data) = data else { return Ok(None) };
    let (address, _): (usize, bool) = data.extract()?;
    let strides = interface
        .get_item("strides")?
        .filter(|strides| !strides.is_none());
    let described = Interface {
        address,
        shape: required(interface, "shape")?.extract()?,
        strides: strides.map(|strides| strides.extract()).transpose()?,
        dtype,
    };
    copy_interface(&described).map(Some)
}

fn required<'py>(interface: &Bound<'py, PyDict>, key: &str) -> PyResult<Bound<'py, PyAny>> {
    interface
        .get_item(key)?
        .ok_or_else(|| PyTypeError::new_err(format!("[array] __array_interface__ has no {key}")))
}

fn is_named(value: &Bound<'_, PyAny>, name: &str) -> bool {
    value
        .getattr("dtype")
        .and_then(|dtype| dtype.getattr("name"))
        .and_then(|found| found.extract::<String>())
        .is_ok_and(|found| found == name)
}

fn dtype_of_typestr(typestr: &str) -> Option<Dtype> {
    let native = if cfg!(target_endian = "little") {
        ['<', '|']
    } else {
        ['>', '|']
    };
    if !typestr.starts_with(native) {
        return None;
    }
    Some(match &typestr[1..] {
        "b1" => Dtype::Bool,
        "u1" => Dtype::Uint8,
        "u2" => Dtype::Uint16,
        "u4" => Dtype::Uint32,
        "u8" => Dtype::Uint64,
        "i1" => Dtype::Int8,
        "i2" => Dtype::Int16,
        "i4" => Dtype::Int32,
        "i8" => Dtype::Int64,
        "f2" => Dtype::Float16,
        "f4" => Dtype::Float32,
        "f8" => Dtype::Float64,
        "c8" => Dtype::Complex64,
        _ => return None,
    })
}

/// NumPy dtypes without a counterpart: double complex narrows, other byte orders convert.
fn through_cast(value: &Bound<'_, PyAny>, typestr: &str) -> PyResult<Array> {
    let target = match typestr.get(1..) {
        Some("c16") => "complex64",
        Some(code)
            if typestr.starts_with('>') && dtype_of_typestr(&format!("<{code}")).is_some() =>
        {
            code
        }
        _ => {
            return Err(argument_error(format!(
                "[array] NumPy dtype {typestr} has no counterpart"
            )));
        }
    };
    from_python(&value.call_method1("astype", (target,))?, None)
}

/// A copy of the elements, in row-major order.
pub(super) fn copy_interface(described: &Interface) -> PyResult<Array> {
    let width = described.dtype.size();
    let shape = Shape::from(described.shape.clone())
        .checked("array")
        .or_raise()?;
    let array_type = ArrayType::new(shape.clone(), described.dtype);
    if array_type.size() == 0 {
        return Array::from_bytes(&[], array_type).or_raise();
    }
    let strides: Strides = match &described.strides {
        Some(strides) => strides.iter().copied().collect(),
        None => Layout::contiguous(shape.clone())
            .strides
            .iter()
            .map(|stride| stride * width as isize)
            .collect(),
    };
    let layout = Layout {
        shape,
        strides,
        offset: 0,
    };
    if layout.strides.len() != layout.shape.ndim() || described.address == 0 {
        return Err(argument_error("[array] malformed __array_interface__"));
    }
    let (low, end) = layout.span().unwrap_or((0, 1));
    let start = (described.address as isize + low) as *const u8;
    // SAFETY: the interface's owner, alive in the caller, promises that all elements that shape
    // and strides reach are readable; `span` bounds their first and last bytes
    let memory = unsafe { std::slice::from_raw_parts(start, (end - low) as usize + width - 1) };
    let element_strides: Strides = layout
        .strides
        .iter()
        .map(|stride| stride / width as isize)
        .collect();
    let contiguous = Layout {
        shape: layout.shape.clone(),
        strides: element_strides,
        offset: 0,
    };
    if contiguous.is_contiguous() {
        return Array::from_bytes(&memory[..array_type.bytes()], array_type).or_raise();
    }
    let mut bytes = Vec::with_capacity(array_type.bytes());
    let from_low = Layout {
        offset: -low as usize,
        ..layout
    };
    for place in from_low.places() {
        bytes.extend_from_slice(&memory[place..place + width]);
    }
    Array::from_bytes(&bytes, array_type).or_raise()
}

/// Objects with other protocols, through NumPy.
fn through_numpy(value: &Bound<'_, PyAny>) -> PyResult<Option<Array>> {
    let py = value.py();
    let exports = ["__array__", "__buffer__"]
        .iter()
        .any(|name| value.hasattr(*name).unwrap_or(false))
        || value.is_instance_of::<PyBytes>()
        || value.is_instance(&py.import("builtins")?.getattr("memoryview")?)?
        || value.is_instance(&py.import("builtins")?.getattr("bytearray")?)?
        || value.is_instance(&py.import("array")?.getattr("array")?)?;
    if !exports {
        return Ok(None);
    }
    let numpy = py.import("numpy")?;
    if value.is_instance_of::<PyBytes>() {
        return from_interface(&numpy.call_method1("frombuffer", (value, "u1"))?);
    }
    from_interface(&numpy.call_method1("asarray", (value,))?)
}
