//! Dtypes and their categories.

use crate::error::argument_error;
use mlx_oxide_core::array::format::significant;
use mlx_oxide_ir::{Dtype, DtypeCategory, Scalar};
use num_complex::Complex32;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The type of an array's elements.
#[pyclass(
    name = "Dtype",
    module = "mlx_oxide.core",
    frozen,
    eq,
    hash,
    from_py_object
)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PyDtype(pub(crate) Dtype);

#[pymethods]
impl PyDtype {
    /// Bytes of one element.
    #[getter]
    fn size(&self) -> usize {
        self.0.size()
    }

    fn __repr__(&self) -> String {
        format!("mlx.core.{}", self.0)
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, (String, String))> {
        let getattr = py.import("mlx_oxide.core")?.getattr("_restore_dtype")?;
        Ok((getattr.unbind(), (self.0.name().to_owned(), String::new())))
    }
}

#[pyfunction]
fn _restore_dtype(name: &str, _unused: &str) -> PyResult<PyDtype> {
    Dtype::from_name(name)
        .map(PyDtype)
        .ok_or_else(|| PyValueError::new_err(format!("unknown dtype {name}")))
}

/// The names of the categories, as members of `DtypeCategory`.
const CATEGORIES: [(&str, DtypeCategory); 8] = [
    ("complexfloating", DtypeCategory::ComplexFloating),
    ("floating", DtypeCategory::Floating),
    ("inexact", DtypeCategory::Inexact),
    ("signedinteger", DtypeCategory::SignedInteger),
    ("unsignedinteger", DtypeCategory::UnsignedInteger),
    ("integer", DtypeCategory::Integer),
    ("number", DtypeCategory::Number),
    ("generic", DtypeCategory::Generic),
];

fn category(value: &Bound<'_, PyAny>) -> PyResult<DtypeCategory> {
    if let Ok(dtype) = value.extract::<PyDtype>() {
        return Ok(DtypeCategory::of(dtype.0));
    }
    let name: String = value
        .getattr("name")
        .and_then(|name| name.extract())
        .map_err(|_| {
            argument_error(format!(
                "{} is neither a Dtype nor a category",
                value.get_type()
            ))
        })?;
    CATEGORIES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, category)| *category)
        .ok_or_else(|| {
            argument_error(format!(
                "{} is neither a Dtype nor a category",
                value.get_type()
            ))
        })
}

/// Whether every value of the first dtype or category is in the second.
///
/// Raises:
///     TypeError: what is neither a dtype nor a category.
///
/// Example:
///     >>> mx.issubdtype(mx.float16, mx.floating)
///     True
#[pyfunction]
#[pyo3(signature = (arg1, arg2, /))]
fn issubdtype(arg1: &Bound<'_, PyAny>, arg2: &Bound<'_, PyAny>) -> PyResult<bool> {
    let part = category(arg1)?;
    if let Ok(whole) = arg2.extract::<PyDtype>() {
        return Ok(arg1.extract::<PyDtype>().is_ok_and(|part| part == whole));
    }
    Ok(part.is_within(category(arg2)?))
}

/// A dtype, or that of an array.
fn of_array_or_dtype(value: &Bound<'_, PyAny>) -> Option<PyDtype> {
    if let Ok(dtype) = value.extract::<PyDtype>() {
        return Some(dtype);
    }
    let array = value.cast::<crate::array::PyArray>().ok()?;
    Some(PyDtype(array.get().get().dtype()))
}

/// The dtype that arrays and dtypes promote to; numbers among them adapt.
///
/// Raises:
///     ValueError: anything else, or no array or dtype at all.
///
/// Example:
///     >>> mx.result_type(mx.array([1], mx.int16), mx.float16, 2)
///     mlx.core.float16
#[pyfunction]
#[pyo3(signature = (*arrays_and_dtypes))]
fn result_type(arrays_and_dtypes: Vec<Bound<'_, PyAny>>) -> PyResult<PyDtype> {
    let mut result: Option<Dtype> = None;
    for value in &arrays_and_dtypes {
        if scalar(value, None)?.is_some() {
            continue;
        }
        let dtype = of_array_or_dtype(value).ok_or_else(|| {
            PyValueError::new_err(format!(
                "[result_type] expected arrays, dtypes or numbers, got {}",
                value.get_type()
            ))
        })?;
        let dtype = dtype.0;
        result = Some(result.map_or(dtype, |known| mlx_oxide_ir::result_type(known, dtype)));
    }
    // numbers adapt to the arrays and dtypes, as beside them
    for value in &arrays_and_dtypes {
        if let Some(number) = scalar(value, result)? {
            let dtype = number.dtype();
            result = result.map(|known| mlx_oxide_ir::result_type(known, dtype));
        }
    }
    result
        .map(PyDtype)
        .ok_or_else(|| PyValueError::new_err("[result_type] at least one array or dtype is needed"))
}

/// Whether promotion with `to` keeps `to`.
///
/// Args:
///     from_: a dtype or an array.
///     to: a dtype.
///
/// Raises:
///     ValueError: anything else.
///
/// Example:
///     >>> mx.can_cast(mx.int32, mx.float32)
///     True
#[pyfunction]
fn can_cast(from_: &Bound<'_, PyAny>, to: PyDtype) -> PyResult<bool> {
    let own = match (
        from_.extract::<PyDtype>(),
        from_.cast::<crate::array::PyArray>(),
    ) {
        (Ok(dtype), _) => dtype.0,
        (Err(_), Ok(array)) => array.get().get().dtype(),
        (Err(_), Err(_)) => {
            return Err(PyValueError::new_err(format!(
                "[can_cast] expected an array or a dtype, got {}",
                from_.get_type()
            )));
        }
    };
    Ok(mlx_oxide_ir::result_type(own, to.0) == to.0)
}

/// Whether a dtype is another, or of a kind of the array API standard, or any of a tuple of them.
///
/// Args:
///     dtype: the dtype.
///     kind: a dtype; `"bool"`, `"signed integer"`, `"unsigned integer"`, `"integral"`,
///         `"real floating"`, `"complex floating"` or `"numeric"`; or a tuple of these.
///
/// Raises:
///     ValueError: another kind.
///
/// Example:
///     >>> mx.isdtype(mx.int8, "integral")
///     True
#[pyfunction]
fn isdtype(dtype: PyDtype, kind: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Ok(other) = kind.extract::<PyDtype>() {
        return Ok(dtype == other);
    }
    if let Ok(kinds) = kind.cast::<pyo3::types::PyTuple>() {
        let matches = kinds
            .iter()
            .map(|kind| isdtype(dtype, &kind))
            .collect::<PyResult<Vec<bool>>>()?;
        return Ok(matches.contains(&true));
    }
    let name: String = kind.extract().map_err(|_| {
        PyValueError::new_err("[isdtype] kind must be a dtype, a string or a tuple of both")
    })?;
    is_of_kind(dtype.0, &name)
        .ok_or_else(|| PyValueError::new_err(format!("[isdtype] unknown kind {name:?}")))
}

/// Whether a dtype is of a kind of the array API standard, if there is such a kind.
pub(crate) fn is_of_kind(dtype: Dtype, kind: &str) -> Option<bool> {
    Some(match kind {
        "bool" => dtype == Dtype::Bool,
        "signed integer" => dtype.is_signed_integer(),
        "unsigned integer" => dtype.is_integer() && !dtype.is_signed_integer(),
        "integral" => dtype.is_integer(),
        "real floating" => dtype.is_floating(),
        "complex floating" => dtype.is_complex(),
        "numeric" => dtype != Dtype::Bool,
        _ => return None,
    })
}

fn not_a_dtype(op: &str, found: &Bound<'_, PyAny>) -> PyErr {
    crate::arguments::wrong_type(op, "a dtype or an array", found)
}

/// Limits of a floating dtype, or of an array's: `finfo(mx.float32).max`.
#[pyclass(name = "finfo", module = "mlx_oxide.core", frozen)]
struct FloatInfo(Dtype);

#[pymethods]
impl FloatInfo {
    #[new]
    #[pyo3(signature = (arg, /))]
    fn new(arg: &Bound<'_, PyAny>) -> PyResult<Self> {
        let arg = of_array_or_dtype(arg).ok_or_else(|| not_a_dtype("finfo", arg))?;
        if arg.0.is_inexact() {
            return Ok(FloatInfo(if arg.0.is_complex() {
                Dtype::Float32
            } else {
                arg.0
            }));
        }
        Err(PyValueError::new_err(format!(
            "[finfo] dtype {} is not inexact",
            arg.0
        )))
    }

    /// Bits of one element, or of one part of a complex one.
    #[getter]
    fn bits(&self) -> usize {
        self.0.size() * 8
    }

    /// The greatest finite value.
    #[getter]
    fn max(&self) -> f64 {
        match self.0 {
            Dtype::Float16 => 65504.0,
            Dtype::Bfloat16 => f64::from(half::bf16::MAX),
            Dtype::Float64 => f64::MAX,
            _ => f64::from(f32::MAX),
        }
    }

    /// The least finite value.
    #[getter]
    fn min(&self) -> f64 {
        -self.max()
    }

    /// The distance from 1 to the next greater value.
    #[getter]
    fn eps(&self) -> f64 {
        match self.0 {
            Dtype::Float16 => 2f64.powi(-10),
            Dtype::Bfloat16 => 2f64.powi(-7),
            Dtype::Float64 => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        }
    }

    /// The least positive value of full precision.
    #[getter]
    fn smallest_normal(&self) -> f64 {
        match self.0 {
            Dtype::Float16 => 2f64.powi(-14),
            Dtype::Float64 => f64::MIN_POSITIVE,
            _ => f64::from(f32::MIN_POSITIVE),
        }
    }

    /// The dtype that the limits are of.
    #[getter]
    fn dtype(&self) -> PyDtype {
        PyDtype(self.0)
    }

    fn __repr__(&self) -> String {
        format!(
            "finfo(min={}, max={}, dtype={})",
            significant(self.min()),
            significant(self.max()),
            self.0
        )
    }
}

/// Limits of an integer dtype, or of an array's: `iinfo(mx.int8).min`.
#[pyclass(name = "iinfo", module = "mlx_oxide.core", frozen)]
struct IntegerInfo(Dtype);

#[pymethods]
impl IntegerInfo {
    #[new]
    #[pyo3(signature = (arg, /))]
    fn new(arg: &Bound<'_, PyAny>) -> PyResult<Self> {
        let arg = of_array_or_dtype(arg).ok_or_else(|| not_a_dtype("iinfo", arg))?;
        if arg.0.is_integer() {
            return Ok(IntegerInfo(arg.0));
        }
        Err(PyValueError::new_err(format!(
            "[iinfo] dtype {} is not an integer's",
            arg.0
        )))
    }

    /// Bits of one element.
    #[getter]
    fn bits(&self) -> usize {
        self.0.size() * 8
    }

    /// The greatest value.
    #[getter]
    fn max(&self) -> u64 {
        let bits = self.0.size() as u32 * 8 - u32::from(self.0.is_signed_integer());
        u64::MAX >> (64 - bits)
    }

    /// The least value.
    #[getter]
    fn min(&self) -> i64 {
        if self.0.is_signed_integer() {
            -(self.max() as i64) - 1
        } else {
            0
        }
    }

    /// The dtype that the limits are of.
    #[getter]
    fn dtype(&self) -> PyDtype {
        PyDtype(self.0)
    }

    fn __repr__(&self) -> String {
        format!(
            "iinfo(min={}, max={}, dtype={})",
            self.min(),
            self.max(),
            self.0
        )
    }
}

/// A Python number as an element of the dtype that MLX gives it beside an array of dtype `like`.
pub(crate) fn scalar(value: &Bound<'_, PyAny>, like: Option<Dtype>) -> PyResult<Option<Scalar>> {
    use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt};
    if value.is_instance_of::<PyFloat>() {
        let dtype = like
            .filter(|dtype| dtype.is_inexact())
            .unwrap_or(Dtype::Float32);
        return Ok(Some(Scalar::new(value.extract()?, dtype)));
    }
    if value.is_instance_of::<PyBool>() {
        let number = i64::from(value.extract::<bool>()?);
        return Ok(Some(Scalar::from_integer(
            number,
            like.unwrap_or(Dtype::Bool),
        )));
    }
    if value.is_instance_of::<PyInt>() {
        return integer(value, like).map(Some);
    }
    if value.is_instance_of::<PyComplex>() {
        let number: num_complex::Complex64 = value.extract()?;
        let number = Complex32::new(number.re as f32, number.im as f32);
        return Ok(Some(Scalar::from_complex(number, Dtype::Complex64)));
    }
    Ok(None)
}

fn integer(value: &Bound<'_, PyAny>, like: Option<Dtype>) -> PyResult<Scalar> {
    if let Ok(number) = value.extract::<i64>() {
        let narrow = i32::try_from(number).is_ok();
        let own = if narrow { Dtype::Int32 } else { Dtype::Int64 };
        let dtype = match like {
            Some(Dtype::Bool) => Dtype::Int32,
            None => own,
            Some(dtype) => dtype,
        };
        return Ok(Scalar::from_integer(number, dtype));
    }
    let dtype = like.unwrap_or(Dtype::Uint64);
    if dtype.is_inexact() {
        return Ok(Scalar::new(value.extract()?, dtype));
    }
    let number: u64 = value
        .extract()
        .map_err(|_| argument_error("[array] an integer does not fit in 64 bits"))?;
    Ok(Scalar::from_bits(
        number,
        if dtype.is_integer() {
            dtype
        } else {
            Dtype::Uint64
        },
    ))
}

/// Adds dtypes, categories and their functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<PyDtype>()?;
    module.add_class::<FloatInfo>()?;
    module.add_class::<IntegerInfo>()?;
    for dtype in Dtype::ALL {
        let name = if dtype == Dtype::Bool {
            "bool_"
        } else {
            dtype.name()
        };
        module.add(name, PyDtype(dtype))?;
    }
    module.add("bool", PyDtype(Dtype::Bool))?; // the array API standard's name
    let members = PyDict::new(py);
    for (number, (name, _)) in CATEGORIES.iter().enumerate() {
        members.set_item(name, number)?;
    }
    let options = PyDict::new(py);
    options.set_item("module", "mlx_oxide.core")?;
    let categories = py
        .import("enum")?
        .getattr("Enum")?
        .call(("DtypeCategory", members), Some(&options))?;
    let plain = py.import("enum")?.getattr("Enum")?.getattr("__str__")?;
    categories.setattr("__repr__", plain)?;
    for (name, _) in CATEGORIES {
        module.add(name, categories.getattr(name)?)?;
    }
    categories.setattr(
        "__doc__",
        "A set of dtypes, such as `floating`; see `issubdtype`.",
    )?;
    module.add("DtypeCategory", categories)?;
    module.add_function(wrap_pyfunction!(issubdtype, module)?)?;
    module.add_function(wrap_pyfunction!(can_cast, module)?)?;
    module.add_function(wrap_pyfunction!(isdtype, module)?)?;
    module.add_function(wrap_pyfunction!(result_type, module)?)?;
    module.add_function(wrap_pyfunction!(_restore_dtype, module)?)
}
