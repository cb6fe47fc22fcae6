//! What callers may pass where an array, an axis, a shape or a dtype is wanted.

use crate::array::{PyArray, from_python};
use crate::dtype::{PyDtype, scalar};
use crate::error::{OrRaise, argument_error};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{Dtype, Shape};
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyInt, PyList, PyString, PyTuple};
use std::ops::Deref;

/// An array, or a value that becomes one.
pub(crate) struct ArrayArgument(pub(crate) Array);

impl<'a, 'py> FromPyObject<'a, 'py> for ArrayArgument {
    type Error = PyErr;
    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        to_array(&value, None).map(ArrayArgument)
    }
}

/// An array; numbers take the dtype that they have beside one of dtype `like`.
pub(crate) fn to_array(value: &Bound<'_, PyAny>, like: Option<Dtype>) -> PyResult<Array> {
    if let Ok(array) = value.cast::<PyArray>() {
        return Ok(array.get().get());
    }
    if let Some(number) = scalar(value, like)? {
        check_range(value, like)?;
        return Array::from_scalar(number).or_raise();
    }
    let array = match from_python(value, None) {
        Ok(array) => array,
        Err(error) => return number_like(value, like)?.ok_or(error),
    };
    match like {
        // another library's array adapts as a number does, but loses no fraction
        Some(like) if kind(array.dtype()) <= kind(like) => ops::astype(&array, like).or_raise(),
        _ => Ok(array),
    }
}

/// The array of an object that says itself which number it stands for, as a `Fraction` does.
fn number_like(value: &Bound<'_, PyAny>, like: Option<Dtype>) -> PyResult<Option<Array>> {
    let kind = value.get_type();
    let number = if kind.hasattr("__index__")? {
        value.call_method0("__index__")?
    } else if kind.hasattr("__float__")? {
        value.call_method0("__float__")?
    } else if kind.hasattr("__complex__")? {
        value.call_method0("__complex__")?
    } else {
        return Ok(None);
    };
    check_range(&number, like)?;
    match scalar(&number, like)? {
        Some(number) => Array::from_scalar(number).or_raise().map(Some),
        None => Ok(None),
    }
}

/// The rank of a dtype's kind in promotion.
fn kind(dtype: Dtype) -> u8 {
    match dtype {
        Dtype::Bool => 0,
        dtype if dtype.is_integer() => 1,
        dtype if dtype.is_floating() => 2,
        _ => 3,
    }
}

/// An integer beside an array of a narrow integer dtype must fit it.
fn check_range(value: &Bound<'_, PyAny>, like: Option<Dtype>) -> PyResult<()> {
    let Some(like) = like.filter(|like| like.is_integer() && like.size() < 8) else {
        return Ok(());
    };
    if value.is_instance_of::<PyBool>() || !value.is_instance_of::<PyInt>() {
        return Ok(());
    }
    let bits = like.size() as u32 * 8;
    let (low, high) = if like.is_signed_integer() {
        (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1)
    } else {
        (0, (1i64 << bits) - 1)
    };
    match value.extract::<i64>() {
        Ok(number) if (low..=high).contains(&number) => Ok(()),
        _ => Err(PyValueError::new_err(format!(
            "converting {value} to {like} would result in overflow"
        ))),
    }
}

/// Two operands, of which one may be a number that adapts to the other.
pub(crate) fn to_arrays(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<(Array, Array)> {
    match (a.cast::<PyArray>(), b.cast::<PyArray>()) {
        (Ok(a), Ok(b)) => Ok((a.get().get(), b.get().get())),
        (Ok(a), Err(_)) => {
            let a = a.get().get();
            let b = to_array(b, Some(a.dtype()))?;
            Ok((a, b))
        }
        (Err(_), Ok(b)) => {
            let b = b.get().get();
            Ok((to_array(a, Some(b.dtype()))?, b))
        }
        (Err(_), Err(_)) => Ok((to_array(a, None)?, to_array(b, None)?)),
    }
}

/// More than any argument holds that is no list of Python's, whose elements are in memory anyway.
const LONGEST: usize = 1 << 20;

/// The items of a list, a tuple, an array's rows and the like; text is none of them. Nothing is
/// reserved for items that a length only promises.
pub(crate) fn items<'py, T>(value: &Bound<'py, PyAny>, expected: &str) -> PyResult<Vec<T>>
where
    T: FromPyObjectOwned<'py>,
{
    let wrong = || argument_error(format!("expected {expected}, got {}", value.get_type()));
    let too_long = || {
        argument_error(format!(
            "expected {expected}, got {} of more than {LONGEST} items",
            value.get_type()
        ))
    };
    let kept = value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>();
    if !kept {
        let texts = value.is_instance_of::<PyString>()
            || value.is_instance_of::<PyBytes>()
            || value.is_instance_of::<PyByteArray>();
        if texts || !value.hasattr("__getitem__")? || value.is_instance_of::<PyDict>() {
            return Err(wrong());
        }
        if value.len().map_err(|_| wrong())? > LONGEST {
            return Err(too_long());
        }
    }
    let mut found = Vec::new();
    for item in value.try_iter()? {
        if !kept && found.len() == LONGEST {
            return Err(too_long()); // whatever its length promised
        }
        found.push(item?.extract().map_err(Into::into)?);
    }
    Ok(found)
}

/// The integers of a sequence, which an array of several axes is not.
pub(crate) fn numbers(value: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    match value.cast::<PyArray>() {
        Ok(array) if array.get().get().ndim() != 1 => Err(argument_error(format!(
            "expected integers, got an array of shape {}",
            array.get().get().shape()
        ))),
        _ => items(value, "integers"),
    }
}

/// A list of integers.
pub(crate) struct Numbers(pub(crate) Vec<i64>);

impl<'a, 'py> FromPyObject<'a, 'py> for Numbers {
    type Error = PyErr;
    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        numbers(&value).map(Numbers)
    }
}

impl Deref for Numbers {
    type Target = [i64];
    fn deref(&self) -> &[i64] {
        &self.0
    }
}

/// A list of arrays, or of what becomes arrays.
pub(crate) struct Arrays(pub(crate) Vec<ArrayArgument>);

impl<'a, 'py> FromPyObject<'a, 'py> for Arrays {
    type Error = PyErr;
    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        items(&value, "a list of arrays").map(Arrays)
    }
}

impl Deref for Arrays {
    type Target = [ArrayArgument];
    fn deref(&self) -> &[ArrayArgument] {
        &self.0
    }
}

/// One axis or several.
pub(crate) enum Axes {
    /// One.
    One(i64),
    /// Several.
    Many(Vec<i64>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Axes {
    type Error = PyErr;
    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let one: PyResult<i64> = match value.extract::<i64>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => return Err(error),
            one => one,
        };
        one.map(Axes::One)
            .or_else(|_| numbers(&value).map(Axes::Many))
            .map_err(|_| {
                argument_error(format!(
                    "expected an integer or several, got {}",
                    value.get_type()
                ))
            })
    }
}

impl Axes {
    /// As a list.
    pub(crate) fn list(&self) -> &[i64] {
        match self {
            Axes::One(axis) => std::slice::from_ref(axis),
            Axes::Many(axes) => axes,
        }
    }
}

/// The axes of an argument that may be absent.
pub(crate) fn list(axes: &Option<Axes>) -> Option<&[i64]> {
    axes.as_ref().map(Axes::list)
}

/// Sizes that are all known.
pub(crate) fn to_shape(op: &str, sizes: &[i64]) -> PyResult<Shape> {
    sizes
        .iter()
        .map(|size| {
            usize::try_from(*size).map_err(|_| {
                PyValueError::new_err(format!("[{op}] negative sizes are not allowed: {sizes:?}"))
            })
        })
        .collect()
}

/// A number that is not negative.
pub(crate) fn to_size(op: &str, name: &str, number: i64) -> PyResult<usize> {
    usize::try_from(number).map_err(|_| {
        PyValueError::new_err(format!(
            "[{op}] {name} is {number}; expected no negative number"
        ))
    })
}

/// A dtype argument that may be absent.
pub(crate) fn dtype_or(dtype: Option<PyDtype>, default: Dtype) -> Dtype {
    dtype.map_or(default, |dtype| dtype.0)
}

/// The error for an argument of a wrong type.
pub(crate) fn wrong_type(op: &str, expected: &str, found: &Bound<'_, PyAny>) -> PyErr {
    let kind = found
        .get_type()
        .name()
        .map(|name| name.to_string())
        .unwrap_or_default();
    PyTypeError::new_err(format!("[{op}] expected {expected}, got {kind}"))
}
