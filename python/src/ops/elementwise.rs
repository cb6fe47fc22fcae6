//! Elementwise functions, most of them out of the tables of the intermediate representation.

use crate::arguments::{ArrayArgument, to_array, to_arrays};
use crate::array::{PyArray, wrap};
use crate::device;
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use mlx_oxide_core::ops;
use mlx_oxide_ir::{binary_table, unary_table};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

macro_rules! unary {
    ($($variant:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        $(
            #[doc = $formula]
            ///
            /// Elementwise: the result has the shape of `a`. Integers become `float32` where the
            /// function is one of real numbers.
            ///
            /// Args:
            ///     a: an array, or a number or nested sequences that become one.
            ///     stream: the stream or device to compute on; the current one by default.
            ///
            /// Raises:
            ///     ValueError: a dtype that the function does not take.
            ///
            /// Example:
            #[doc = concat!("    >>> mx.", stringify!($name), "(mx.array([0, 1]))")]
            #[pyfunction]
            #[pyo3(signature = (a, /, *, stream = None))]
            fn $name(a: ArrayArgument, stream: Option<&Bound<'_, PyAny>>) -> PyResult<PyArray> {
                let _scope = device::enter(stream)?;
                wrap(ops::$name(&a.0))
            }
        )*

        fn register_unary(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}
unary_table!(unary);

macro_rules! binary {
    ($($variant:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        $(
            #[doc = $formula]
            ///
            /// Elementwise: the operands broadcast to one shape and promote to one dtype; a number
            /// adapts to the other operand's.
            ///
            /// Args:
            ///     a, b: arrays, numbers, or nested sequences.
            ///     stream: the stream or device to compute on; the current one by default.
            ///
            /// Raises:
            ///     ValueError: shapes that do not broadcast; a dtype that the function does not take.
            ///
            /// Example:
            #[doc = concat!("    >>> mx.", stringify!($name), "(mx.array([1, 2]), 2)")]
            #[pyfunction]
            #[pyo3(signature = (a, b, stream = None))]
            fn $name(
                a: &Bound<'_, PyAny>,
                b: &Bound<'_, PyAny>,
                stream: Option<&Bound<'_, PyAny>>,
            ) -> PyResult<PyArray> {
                let _scope = device::enter(stream)?;
                // truth values need no common dtype, so numbers keep their own
                let (a, b) = match stringify!($name) {
                    "logical_and" | "logical_or" => (to_array(a, None)?, to_array(b, None)?),
                    _ => to_arrays(a, b)?,
                };
                wrap(ops::$name(&a, &b))
            }
        )*

        fn register_binary(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}
binary_table!(binary);

/// A bound of `clip` by MLX's name: not given, given as `None`, or a value.
enum Bounding<'py> {
    Absent,
    Nothing,
    Value(Bound<'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Bounding<'py> {
    type Error = PyErr;
    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if value.is_none() {
            return Ok(Bounding::Nothing);
        }
        Ok(Bounding::Value(value.to_owned()))
    }
}

impl<'py> Bounding<'py> {
    /// The bound under either name.
    fn or(
        &self,
        op: &str,
        standard: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match (self, standard) {
            (Bounding::Absent | Bounding::Nothing, other) => Ok(other.cloned()),
            (Bounding::Value(value), None) => Ok(Some(value.clone())),
            (Bounding::Value(_), Some(_)) => Err(PyTypeError::new_err(format!(
                "[{op}] a bound is given under both of its names"
            ))),
        }
    }
}

mod others {
    use super::*;

    super::super::functions! {
        /// The number itself: `+a`.
        ///
        /// Example:
        ///     >>> mx.positive(mx.array([-1]))
        ///     array([-1], dtype=int32)
        #[pyo3(name = "positive")]
        _positive[a, /, *](a: ArrayArgument) -> PyArray = Ok(a.0.into());
        /// The integer part: each number rounded toward zero; integers are their own.
        ///
        /// Raises:
        ///     ValueError: a complex dtype.
        ///
        /// Example:
        ///     >>> mx.trunc(mx.array([-1.5, 1.5]))
        ///     array([-1, 1], dtype=float32)
        trunc[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::trunc(&a.0));
        /// `1/a`. Integers become `float32`.
        ///
        /// Example:
        ///     >>> mx.reciprocal(mx.array([2, 4]))
        ///     array([0.5, 0.25], dtype=float32)
        reciprocal[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::reciprocal(&a.0));
        /// Radians as degrees: `a·180/π`. Integers become `float32`.
        ///
        /// Example:
        ///     >>> mx.degrees(mx.array([mx.pi]))
        ///     array([180], dtype=float32)
        degrees[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::degrees(&a.0));
        /// Degrees as radians: `a·π/180`. Integers become `float32`.
        ///
        /// Example:
        ///     >>> mx.radians(mx.array([180.0]))
        ///     array([3.14159], dtype=float32)
        radians[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::radians(&a.0));
        /// The nearest number with so many decimals, ties to even.
        ///
        /// Args:
        ///     a: any array; of complex numbers both parts are rounded.
        ///     decimals: how many; below zero to tens, hundreds and so on.
        ///
        /// Example:
        ///     >>> mx.round(mx.array([0.5, 1.5, 1.25]), 1)
        ///     array([0.5, 1.5, 1.2], dtype=float32)
        #[pyo3(name = "round")]
        _round[a, /, decimals = 0](a: ArrayArgument, decimals: i32) -> PyArray =
            wrap(ops::round(&a.0, decimals));
        /// The elements converted to a dtype.
        ///
        /// Floats become integers by dropping the fraction; every nonzero value becomes `True`;
        /// complex numbers lose their imaginary part where the dtype is real.
        ///
        /// Args:
        ///     a: any array.
        ///     dtype: the new type.
        ///     copy: accepted for the array API standard: arrays do not change, so a copy cannot be
        ///         told from the elements themselves.
        ///     device: the array API standard's way to say `stream`.
        ///
        /// Example:
        ///     >>> mx.astype(mx.array([1.5]), mx.int32)
        ///     array([1], dtype=int32)
        astype[a, dtype, /, *, copy = true, device = None](
            a: ArrayArgument, dtype: PyDtype, copy: bool, device: Option<&Bound<'_, PyAny>>
        ) -> PyArray = {
            let _device = device::enter(device)?;
            wrap(ops::astype(&a.0, dtype.0))
        };
        /// The array itself, through which no gradient flows.
        ///
        /// Example:
        ///     >>> mx.grad(lambda x: x * mx.stop_gradient(x))(mx.array(3.0))
        ///     array(3, dtype=float32)
        stop_gradient[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::stop_gradient(&a.0));
        /// Whether each element is NaN: a `bool` array.
        ///
        /// Example:
        ///     >>> mx.isnan(mx.array([1.0, mx.nan]))
        ///     array([False, True], dtype=bool)
        isnan[a](a: ArrayArgument) -> PyArray = wrap(ops::isnan(&a.0));
        /// Whether each element is infinite, in either part of complex ones: a `bool` array.
        ///
        /// Example:
        ///     >>> mx.isinf(mx.array([1.0, -mx.inf]))
        ///     array([False, True], dtype=bool)
        isinf[a](a: ArrayArgument) -> PyArray = wrap(ops::isinf(&a.0));
        /// Whether each element is neither NaN nor infinite: a `bool` array.
        ///
        /// Example:
        ///     >>> mx.isfinite(mx.array([1.0, mx.nan]))
        ///     array([True, False], dtype=bool)
        isfinite[a](a: ArrayArgument) -> PyArray = wrap(ops::isfinite(&a.0));
        /// Whether each element is positive infinity: a `bool` array.
        ///
        /// Example:
        ///     >>> mx.isposinf(mx.array([mx.inf, -mx.inf]))
        ///     array([True, False], dtype=bool)
        isposinf[a](a: ArrayArgument) -> PyArray = wrap(ops::isposinf(&a.0));
        /// Whether each element is negative infinity: a `bool` array.
        ///
        /// Example:
        ///     >>> mx.isneginf(mx.array([mx.inf, -mx.inf]))
        ///     array([False, True], dtype=bool)
        isneginf[a](a: ArrayArgument) -> PyArray = wrap(ops::isneginf(&a.0));
        /// NaN and infinities replaced by numbers.
        ///
        /// Args:
        ///     a: any array.
        ///     nan: what replaces NaN.
        ///     posinf, neginf: what replaces infinities; the greatest and least finite number of
        ///         the dtype by default.
        ///
        /// Example:
        ///     >>> mx.nan_to_num(mx.array([mx.nan, mx.inf]), posinf=9.0)
        ///     array([0, 9], dtype=float32)
        nan_to_num[a, nan = 0.0, posinf = None, neginf = None, *](
            a: ArrayArgument, nan: f64, posinf: Option<f64>, neginf: Option<f64>
        ) -> PyArray = wrap(ops::nan_to_num(&a.0, nan, posinf, neginf));
        /// `a xor b` of truth values: whether exactly one operand is nonzero.
        ///
        /// Raises:
        ///     ValueError: shapes that do not broadcast.
        ///
        /// Example:
        ///     >>> mx.logical_xor(mx.array([1, 0]), mx.array([2, 3]))
        ///     array([False, True], dtype=bool)
        logical_xor[a, b, /, *](a: ArrayArgument, b: ArrayArgument) -> PyArray =
            wrap(ops::logical_xor(&a.0, &b.0));
        /// The quotient rounded down and the remainder: `(a // b, a % b)`, as a list.
        ///
        /// Raises:
        ///     ValueError: shapes that do not broadcast; complex numbers.
        ///
        /// Example:
        ///     >>> [part.item() for part in mx.divmod(7, 2)]
        ///     [3, 1]
        divmod[a, b](a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> Vec<PyArray> = {
            let (a, b) = to_arrays(a, b)?;
            let (quotient, remainder) = ops::divmod(&a, &b).or_raise()?;
            Ok(vec![quotient.into(), remainder.into()])
        };
        /// `x` where the condition holds, else `y`.
        ///
        /// Args:
        ///     condition: an array that counts as true where it is nonzero.
        ///     x, y: arrays or numbers, whose dtypes promote. All three broadcast.
        ///
        /// Raises:
        ///     ValueError: shapes that do not broadcast.
        ///
        /// Example:
        ///     >>> mx.where(mx.array([True, False]), 1, mx.array([5, 6]))
        ///     array([1, 6], dtype=int32)
        #[pyo3(name = "where")]
        _where[condition, x, y, /, *](
            condition: ArrayArgument, x: &Bound<'_, PyAny>, y: &Bound<'_, PyAny>
        ) -> PyArray = {
            let (x, y) = to_arrays(x, y)?;
            wrap(ops::select(&condition.0, &x, &y))
        };
        /// The elements moved inside bounds: `min(max(a, a_min), a_max)`.
        ///
        /// Args:
        ///     a: any array.
        ///     a_min, a_max: numbers or arrays, which broadcast; `None` does not bind.
        ///     min, max: the same by the array API standard's names.
        ///
        /// Raises:
        ///     ValueError: shapes that do not broadcast; `None` for both bounds.
        ///     TypeError: one bound under both names.
        ///
        /// Example:
        ///     >>> mx.clip(mx.array([1, 5, 9]), 2, 6)
        ///     array([2, 5, 6], dtype=int32)
        #[pyo3(text_signature = "(a, /, a_min=None, a_max=None, *, min=None, max=None, stream=None)")]
        clip[a, /, a_min = Bounding::Absent, a_max = Bounding::Absent, *, min = None, max = None](
            a: ArrayArgument, a_min: Bounding<'_>, a_max: Bounding<'_>,
            min: Option<&Bound<'_, PyAny>>, max: Option<&Bound<'_, PyAny>>
        ) -> PyArray = {
            if matches!((&a_min, &a_max), (Bounding::Nothing, Bounding::Nothing)) {
                return Err(PyValueError::new_err("[clip] at least one of a_min and a_max is needed"));
            }
            let bound = |named: &Bounding<'_>, standard: Option<&Bound<'_, PyAny>>| {
                let value = named.or("clip", standard)?;
                value.map(|value| to_array(&value, Some(a.0.dtype()))).transpose()
            };
            let (low, high) = (bound(&a_min, min)?, bound(&a_max, max)?);
            wrap(ops::clip(&a.0, low.as_ref(), high.as_ref()))
        };
        /// Whether each element has a minus sign, `-0.0` among them: a `bool` array.
        ///
        /// Args:
        ///     x: a real array.
        ///
        /// Raises:
        ///     ValueError: a complex dtype.
        ///
        /// Example:
        ///     >>> mx.signbit(mx.array([-1.0, -0.0, 0.0]))
        ///     array([True, True, False], dtype=bool)
        signbit[x, /, *](x: ArrayArgument) -> PyArray = wrap(ops::signbit(&x.0));
        /// The magnitude of `x1` with the sign of `x2`, signs of zeros included.
        ///
        /// The operands broadcast and promote to one floating dtype. The gradient by `x1` is `±1`.
        ///
        /// Raises:
        ///     ValueError: shapes that do not broadcast; a complex dtype.
        ///
        /// Example:
        ///     >>> mx.copysign(mx.array([1.0, 2.0]), mx.array([-0.0, 3.0]))
        ///     array([-1, 2], dtype=float32)
        copysign[x1, x2, /, *](x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>) -> PyArray = {
            let (x1, x2) = to_arrays(x1, x2)?;
            wrap(ops::copysign(&x1, &x2))
        };
        /// `√(x1² + x2²)` without overflow of the squares; infinite where either operand is.
        ///
        /// The operands broadcast and promote to one floating dtype.
        ///
        /// Raises:
        ///     ValueError: shapes that do not broadcast; a complex dtype.
        ///
        /// Example:
        ///     >>> mx.hypot(mx.array([3.0]), mx.array([4.0]))
        ///     array([5], dtype=float32)
        hypot[x1, x2, /, *](x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>) -> PyArray = {
            let (x1, x2) = to_arrays(x1, x2)?;
            wrap(ops::hypot(&x1, &x2))
        };
        /// The next representable number after `x1` on the way to `x2`; `x2` where both are equal.
        ///
        /// The operands broadcast and promote to one floating dtype. No gradient flows.
        ///
        /// Raises:
        ///     ValueError: shapes that do not broadcast; a complex dtype.
        ///
        /// Example:
        ///     >>> mx.nextafter(mx.array(1.0), mx.array(2.0)).item() - 1.0 == mx.finfo(mx.float32).eps
        ///     True
        nextafter[x1, x2, /, *](x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>) -> PyArray = {
            let (x1, x2) = to_arrays(x1, x2)?;
            wrap(ops::nextafter(&x1, &x2))
        };
        /// Whether each pair is close: `|a - b| ≤ atol + rtol·|b|`, a `bool` array.
        ///
        /// Args:
        ///     a, b: arrays, which broadcast.
        ///     rtol, atol: the relative and the absolute tolerance.
        ///     equal_nan: whether NaN is close to NaN.
        ///
        /// Raises:
        ///     ValueError: shapes that do not broadcast.
        ///
        /// Example:
        ///     >>> mx.isclose(mx.array([1.0, 2.0]), mx.array([1.000001, 2.1]))
        ///     array([True, False], dtype=bool)
        isclose[a, b, /, rtol = 1e-5, atol = 1e-8, *, equal_nan = false](
            a: ArrayArgument, b: ArrayArgument, rtol: f64, atol: f64, equal_nan: bool
        ) -> PyArray = wrap(ops::isclose(&a.0, &b.0, rtol, atol, equal_nan));
        /// Whether all pairs are close; see `isclose`.
        ///
        /// Raises:
        ///     ValueError: shapes that do not broadcast.
        ///
        /// Example:
        ///     >>> mx.allclose(mx.array([1.0]), mx.array([1.000001]))
        ///     array(True, dtype=bool)
        allclose[a, b, /, rtol = 1e-5, atol = 1e-8, *, equal_nan = false](
            a: ArrayArgument, b: ArrayArgument, rtol: f64, atol: f64, equal_nan: bool
        ) -> PyArray = wrap(ops::allclose(&a.0, &b.0, rtol, atol, equal_nan));
        /// Whether shapes and all elements are equal; dtypes may differ.
        ///
        /// Args:
        ///     equal_nan: whether NaN equals NaN.
        ///
        /// Example:
        ///     >>> mx.array_equal(mx.array([1, 2]), mx.array([1.0, 2.0]))
        ///     array(True, dtype=bool)
        array_equal[a, b, equal_nan = false](
            a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>, equal_nan: bool
        ) -> PyArray = {
            let (a, b) = to_arrays(a, b)?;
            wrap(ops::array_equal(&a, &b, equal_nan))
        };
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_unary(module)?;
    register_binary(module)?;
    others::register(module)
}
