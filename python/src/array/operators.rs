//! Python's operators.

use super::{PyArray, wrap};
use crate::arguments::to_array;
use crate::error::{argument_error, raise};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{Error, Result};
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyInt;

type Function = fn(&Array, &Array) -> Result<Array>;

/// The other operand, a number taking the array's dtype.
fn operand(array: &Array, other: &Bound<'_, PyAny>, name: &str) -> PyResult<Array> {
    if let Ok(other) = other.cast::<PyArray>() {
        return Ok(other.get().get());
    }
    to_array(other, Some(array.dtype())).map_err(|error| {
        let py = other.py();
        if other.is_instance_of::<PyInt>() || error.is_instance_of::<PyOverflowError>(py) {
            return error;
        }
        let kind = other.get_type().to_string();
        argument_error(format!(
            "cannot perform {name} on an mlx.core.array and {kind}"
        ))
    })
}

/// Dtypes that an operator does not take are `ValueError`s, also where the function raises
/// another class.
fn raise_value(error: Error) -> PyErr {
    match error {
        Error::DtypeUnsupported { .. } => PyValueError::new_err(error.to_string()),
        error => raise(error),
    }
}

fn finish(result: Result<Array>) -> PyResult<PyArray> {
    result.map(PyArray::from).map_err(raise_value)
}

fn apply(
    slf: &PyArray,
    other: &Bound<'_, PyAny>,
    function: Function,
    name: &str,
) -> PyResult<PyArray> {
    let array = slf.get();
    let other = operand(&array, other, name)?;
    finish(function(&array, &other))
}

fn reflected(
    slf: &PyArray,
    other: &Bound<'_, PyAny>,
    function: Function,
    name: &str,
) -> PyResult<PyArray> {
    let array = slf.get();
    let other = operand(&array, other, name)?;
    finish(function(&other, &array))
}

/// In place: the object stands for the result. The old array is let go before it is computed, so
/// that its memory can be taken over.
fn update(slf: &PyArray, other: &Bound<'_, PyAny>, function: Function, name: &str) -> PyResult<()> {
    let array = slf.get();
    if name == "division" && !array.dtype().is_inexact() {
        return Err(PyValueError::new_err(format!(
            "[divide] a quotient is no {}; expected a floating or complex dtype in place",
            array.dtype()
        )));
    }
    let other = operand(&array, other, name)?;
    let result = function(&array, &other).map_err(raise_value)?;
    drop(array);
    slf.set(result);
    Ok(())
}

macro_rules! operators {
    ($($forward:ident $backward:ident $inplace:ident $function:path, $name:literal;)*) => {
        #[pymethods]
        impl PyArray {
            $(
                fn $forward(&self, other: &Bound<'_, PyAny>) -> PyResult<PyArray> {
                    apply(self, other, $function, $name)
                }

                fn $backward(&self, other: &Bound<'_, PyAny>) -> PyResult<PyArray> {
                    reflected(self, other, $function, $name)
                }

                fn $inplace(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
                    update(self, other, $function, $name)
                }
            )*
        }
    };
}
operators! {
    __add__ __radd__ __iadd__ ops::add, "addition";
    __sub__ __rsub__ __isub__ ops::subtract, "subtraction";
    __mul__ __rmul__ __imul__ ops::multiply, "multiplication";
    __truediv__ __rtruediv__ __itruediv__ ops::divide, "division";
    __div__ __rdiv__ __idiv__ ops::divide, "division";
    __floordiv__ __rfloordiv__ __ifloordiv__ ops::floor_divide, "floor division";
    __mod__ __rmod__ __imod__ ops::remainder, "modulus";
    __matmul__ __rmatmul__ __imatmul__ ops::matmul, "matrix multiplication";
    __and__ __rand__ __iand__ ops::bitwise_and, "bitwise and";
    __or__ __ror__ __ior__ ops::bitwise_or, "bitwise or";
    __xor__ __rxor__ __ixor__ ops::bitwise_xor, "bitwise xor";
    __lshift__ __rlshift__ __ilshift__ ops::left_shift, "left shift";
    __rshift__ __rrshift__ __irshift__ ops::right_shift, "right shift";
}

#[pymethods]
impl PyArray {
    fn __pow__(
        &self,
        other: &Bound<'_, PyAny>,
        _modulus: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyArray> {
        apply(self, other, ops::power, "power")
    }

    fn __rpow__(
        &self,
        other: &Bound<'_, PyAny>,
        _modulus: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyArray> {
        reflected(self, other, ops::power, "power")
    }

    fn __ipow__(
        &self,
        other: &Bound<'_, PyAny>,
        _modulus: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        update(self, other, ops::power, "power")
    }

    fn __neg__(&self) -> PyResult<PyArray> {
        wrap(ops::negative(&self.get()))
    }

    fn __pos__(&self) -> PyArray {
        self.get().into()
    }

    fn __abs__(&self) -> PyResult<PyArray> {
        wrap(ops::abs(&self.get()))
    }

    fn __invert__(&self) -> PyResult<PyArray> {
        wrap(ops::bitwise_invert(&self.get()))
    }

    fn __richcmp__<'py>(
        &self,
        py: Python<'py>,
        other: &Bound<'py, PyAny>,
        operator: CompareOp,
    ) -> PyResult<Py<PyAny>> {
        let (function, name): (Function, _) = match operator {
            CompareOp::Lt => (ops::less, "less than"),
            CompareOp::Le => (ops::less_equal, "less than or equal"),
            CompareOp::Eq => (ops::equal, "equal"),
            CompareOp::Ne => (ops::not_equal, "not equal"),
            CompareOp::Gt => (ops::greater, "greater than"),
            CompareOp::Ge => (ops::greater_equal, "greater than or equal"),
        };
        let array = self.get();
        let number = other.is_instance_of::<PyInt>();
        let other = match (operand(&array, other, name), operator) {
            (Ok(other), _) => other,
            (Err(_), CompareOp::Eq | CompareOp::Ne) if !number => return Ok(py.NotImplemented()),
            (Err(error), _) => return Err(error),
        };
        Ok(wrap(function(&array, &other))?
            .into_pyobject(py)?
            .into_any()
            .unbind())
    }
}
