//! Subscripts: reading, assignment and `at`.

use super::{PyArray, from_python, wrap};
use crate::arguments::to_array;
use crate::error::OrRaise;
use mlx_oxide_core::Array;
use mlx_oxide_core::ops::{self, Subscript};
use mlx_oxide_ir::{Combine, Dtype};
use pyo3::exceptions::{PyStopIteration, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PySlice, PyTuple};

fn bound(slice: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<i64>> {
    let value = slice.getattr(name)?;
    if value.is_none() {
        return Ok(None);
    }
    value.call_method0("__index__")?.extract().map(Some)
}

fn subscript(value: &Bound<'_, PyAny>) -> PyResult<Subscript> {
    if let Ok(array) = value.cast::<PyArray>() {
        return Ok(Subscript::Array(array.get().get()));
    }
    if value.is_none() {
        return Ok(Subscript::NewAxis);
    }
    if value.is_instance_of::<PyEllipsis>() {
        return Ok(Subscript::Ellipsis);
    }
    if value.is_instance_of::<PySlice>() {
        return Ok(Subscript::Range {
            start: bound(value, "start")?,
            stop: bound(value, "stop")?,
            step: bound(value, "step")?,
        });
    }
    if value.is_instance_of::<PyBool>() || value.is_instance_of::<PyList>() {
        return from_python(value, None).map(Subscript::Array);
    }
    if value.is_instance_of::<PyInt>() {
        return value.extract().map(Subscript::Position);
    }
    if value.hasattr("__array_interface__")? && value.getattr("ndim")?.extract::<usize>()? > 0 {
        return from_python(value, None).map(Subscript::Array);
    }
    match value.call_method0("__index__") {
        Ok(index) => index.extract().map(Subscript::Position),
        Err(_) => Err(PyValueError::new_err(format!(
            "[getitem] cannot index an array with {}",
            value.get_type()
        ))),
    }
}

fn subscripts(value: &Bound<'_, PyAny>) -> PyResult<Vec<Subscript>> {
    match value.cast::<PyTuple>() {
        Ok(parts) => parts.iter().map(|part| subscript(&part)).collect(),
        Err(_) => Ok(vec![subscript(value)?]),
    }
}

#[pymethods]
impl PyArray {
    fn __getitem__(&self, arg: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        let subscripts = subscripts(arg)?;
        wrap(ops::getitem(&self.get(), &subscripts))
    }

    fn __setitem__(&self, arg0: &Bound<'_, PyAny>, arg1: &Bound<'_, PyAny>) -> PyResult<()> {
        crate::compile::note_sizes_read("assignment to a part");
        let subscripts = subscripts(arg0)?;
        let array = self.get();
        let value = to_array(arg1, Some(array.dtype()))?;
        let updated = ops::setitem(&array, &subscripts, &value, Combine::Replace).or_raise()?;
        drop(array); // so that the update can be made in place
        self.set(updated);
        Ok(())
    }

    /// Updates of parts: `a.at[index].add(value)` and so on. Unlike assignment, an index that is
    /// given twice takes both updates.
    #[getter]
    fn at(&self) -> ArrayAt {
        crate::compile::note_sizes_read("at");
        ArrayAt {
            array: self.get(),
            subscripts: None,
        }
    }

    fn __reversed__(&self) -> PyResult<ArrayIterator> {
        let mut iterator = self.__iter__()?;
        let backward = Subscript::Range {
            start: None,
            stop: None,
            step: Some(-1),
        };
        iterator.array = ops::getitem(&iterator.array, &[backward]).or_raise()?;
        Ok(iterator)
    }

    fn __iter__(&self) -> PyResult<ArrayIterator> {
        crate::compile::note_sizes_read("iteration");
        let array = self.get();
        match array.ndim() {
            0 => Err(PyTypeError::new_err("iteration over a 0-d array")),
            _ => Ok(ArrayIterator { array, next: 0 }),
        }
    }
}

/// Iterates over the slices of the first axis.
#[pyclass(name = "ArrayIterator", module = "mlx_oxide.core")]
struct ArrayIterator {
    array: Array,
    next: usize,
}

#[pymethods]
impl ArrayIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&mut self) -> PyResult<PyArray> {
        if self.next >= self.array.shape()[0] {
            return Err(PyStopIteration::new_err(()));
        }
        let position = Subscript::Position(self.next as i64);
        self.next += 1;
        wrap(ops::getitem(&self.array, &[position]))
    }
}

/// The part of an array that an update changes.
#[pyclass(name = "ArrayAt", module = "mlx_oxide.core", frozen)]
struct ArrayAt {
    array: Array,
    subscripts: Option<Vec<Subscript>>,
}

impl ArrayAt {
    fn update(&self, value: &Bound<'_, PyAny>, combine: Combine) -> PyResult<PyArray> {
        let Some(subscripts) = &self.subscripts else {
            return Err(PyValueError::new_err(
                "[at] must provide indices to array.at[...] first",
            ));
        };
        let value = to_array(value, Some(self.array.dtype()))?;
        wrap(ops::setitem(&self.array, subscripts, &value, combine))
    }

    /// The update by the part as it is now, for operations that scatter does not combine by.
    fn updated_by(
        &self,
        value: &Bound<'_, PyAny>,
        change: fn(&Array, &Array) -> mlx_oxide_ir::Result<Array>,
        neutral: Combine,
    ) -> PyResult<PyArray> {
        let Some(subscripts) = &self.subscripts else {
            return Err(PyValueError::new_err(
                "[at] must provide indices to array.at[...] first",
            ));
        };
        let value = to_array(value, Some(self.array.dtype()))?;
        let one = ops::unary::scalar_like(&value, 1.0).or_raise()?;
        let zero = ops::unary::scalar_like(&value, 0.0).or_raise()?;
        let start = if neutral == Combine::Multiply {
            one
        } else {
            zero
        };
        let inverse = change(&start, &value).or_raise()?;
        wrap(ops::setitem(&self.array, subscripts, &inverse, neutral))
    }
}

#[pymethods]
impl ArrayAt {
    fn __getitem__(&self, indices: &Bound<'_, PyAny>) -> PyResult<ArrayAt> {
        Ok(ArrayAt {
            array: self.array.clone(),
            subscripts: Some(subscripts(indices)?),
        })
    }

    /// The array with `value` added to the part.
    fn add(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        self.update(value, Combine::Add)
    }

    /// The array with `value` subtracted from the part.
    fn subtract(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        if self.array.dtype() == Dtype::Bool {
            return Err(PyValueError::new_err(
                "[at.subtract] dtype bool is not supported; expected a number dtype",
            ));
        }
        self.updated_by(value, ops::subtract, Combine::Add)
    }

    /// The array with the part multiplied by `value`.
    fn multiply(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        self.update(value, Combine::Multiply)
    }

    /// The array with the part divided by `value`; integers are rounded down, as by `//`.
    fn divide(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        let dtype = self.array.dtype();
        if !dtype.is_integer() && !dtype.is_complex() {
            return self.updated_by(value, ops::divide, Combine::Multiply);
        }
        // the reciprocal of an integer is no integer, and that of a complex zero no infinity to
        // multiply by, so the divisors are gathered first
        let ones = ops::unary::scalar_like(&self.array, 1.0).or_raise()?;
        let ones = ops::broadcast_to(&ones, self.array.shape().clone()).or_raise()?;
        let divisors = ArrayAt {
            array: ones,
            subscripts: self.subscripts.clone(),
        };
        let divisors = divisors.update(value, Combine::Multiply)?.get();
        wrap(match dtype.is_complex() {
            true => ops::divide(&self.array, &divisors),
            false => ops::floor_divide(&self.array, &divisors),
        })
    }

    /// The array with the greater of the part and `value`.
    fn maximum(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        self.update(value, Combine::Maximum)
    }

    /// The array with the lesser of the part and `value`.
    fn minimum(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        self.update(value, Combine::Minimum)
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ArrayIterator>()?;
    module.add_class::<ArrayAt>()
}
