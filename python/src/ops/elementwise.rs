//! Elementwise functions, most of them out of the tables of the intermediate representation.

use crate::arguments::{ArrayArgument, to_array, to_arrays};
use crate::array::{PyArray, wrap};
use crate::device;
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use mlx_oxide_core::ops;
use mlx_oxide_ir::{binary_table, unary_table};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

macro_rules! unary {
    ($($variant:ident $name:ident $domain:ident $output:ident $formula:literal;)*) => {
        $(
            #[doc = $formula]
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

mod others {
    use super::*;

    super::super::functions! {
        /// The number itself.
        _positive[a, /, *](a: ArrayArgument) -> PyArray = Ok(a.0.into());
        /// The integer part: rounded toward zero.
        trunc[a, /, *](a: ArrayArgument) -> PyArray = {
            if a.0.dtype().is_complex() {
                return Err(PyValueError::new_err("[trunc] dtype complex64 is not supported; expected a real dtype"));
            }
            let zero = ops::unary::scalar_like(&a.0, 0.0).or_raise()?;
            if !a.0.dtype().is_floating() {
                return Ok(a.0.into());
            }
            let negative = ops::less(&a.0, &zero).or_raise()?;
            let (up, down) = (ops::ceil(&a.0).or_raise()?, ops::floor(&a.0).or_raise()?);
            wrap(ops::select(&negative, &up, &down))
        };
        /// `1/x`.
        reciprocal[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::reciprocal(&a.0));
        /// Radians as degrees.
        degrees[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::degrees(&a.0));
        /// Degrees as radians.
        radians[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::radians(&a.0));
        /// The nearest number with so many decimals, ties to even.
        _round[a, /, decimals = 0](a: ArrayArgument, decimals: i32) -> PyArray =
            wrap(ops::round(&a.0, decimals));
        /// The elements converted to a dtype.
        astype[a, dtype, /, *](a: ArrayArgument, dtype: PyDtype) -> PyArray =
            wrap(ops::astype(&a.0, dtype.0));
        /// The array itself, through which no gradient flows.
        stop_gradient[a, /, *](a: ArrayArgument) -> PyArray = wrap(ops::stop_gradient(&a.0));
        /// Whether each element is NaN.
        isnan[a](a: ArrayArgument) -> PyArray = wrap(ops::isnan(&a.0));
        /// Whether each element is infinite.
        isinf[a](a: ArrayArgument) -> PyArray = wrap(ops::isinf(&a.0));
        /// Whether each element is neither NaN nor infinite.
        isfinite[a](a: ArrayArgument) -> PyArray = wrap(ops::isfinite(&a.0));
        /// Whether each element is positive infinity.
        isposinf[a](a: ArrayArgument) -> PyArray = wrap(ops::isposinf(&a.0));
        /// Whether each element is negative infinity.
        isneginf[a](a: ArrayArgument) -> PyArray = wrap(ops::isneginf(&a.0));
        /// NaN and infinities replaced by numbers.
        nan_to_num[a, nan = 0.0, posinf = None, neginf = None, *](
            a: ArrayArgument, nan: f64, posinf: Option<f64>, neginf: Option<f64>
        ) -> PyArray = wrap(ops::nan_to_num(&a.0, nan, posinf, neginf));
        /// `a xor b` of truth values.
        logical_xor[a, b, /, *](a: ArrayArgument, b: ArrayArgument) -> PyArray = {
            let truth = |a: &ArrayArgument| ops::astype(&a.0, mlx_oxide_ir::Dtype::Bool).or_raise();
            wrap(ops::not_equal(&truth(&a)?, &truth(&b)?))
        };
        /// Quotient rounded down and remainder.
        divmod[a, b](a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> Vec<PyArray> = {
            let (a, b) = to_arrays(a, b)?;
            let (quotient, remainder) = ops::divmod(&a, &b).or_raise()?;
            Ok(vec![quotient.into(), remainder.into()])
        };
        /// `x` where the condition holds, else `y`.
        _where[condition, x, y, /, *](
            condition: ArrayArgument, x: &Bound<'_, PyAny>, y: &Bound<'_, PyAny>
        ) -> PyArray = {
            let (x, y) = to_arrays(x, y)?;
            wrap(ops::select(&condition.0, &x, &y))
        };
        /// The elements moved inside bounds, of which one may be absent.
        clip[a, /, a_min, a_max, *](
            a: ArrayArgument, a_min: Option<&Bound<'_, PyAny>>, a_max: Option<&Bound<'_, PyAny>>
        ) -> PyArray = {
            if a_min.is_none() && a_max.is_none() {
                return Err(PyValueError::new_err("[clip] at least one of a_min and a_max is needed"));
            }
            let bound = |value: Option<&Bound<'_, PyAny>>| {
                value.map(|value| to_array(value, Some(a.0.dtype()))).transpose()
            };
            wrap(ops::clip(&a.0, bound(a_min)?.as_ref(), bound(a_max)?.as_ref()))
        };
        /// Whether each pair is close: `|a - b| <= atol + rtol·|b|`.
        isclose[a, b, /, rtol = 1e-5, atol = 1e-8, *, equal_nan = false](
            a: ArrayArgument, b: ArrayArgument, rtol: f64, atol: f64, equal_nan: bool
        ) -> PyArray = wrap(ops::isclose(&a.0, &b.0, rtol, atol, equal_nan));
        /// Whether all pairs are close.
        allclose[a, b, /, rtol = 1e-5, atol = 1e-8, *, equal_nan = false](
            a: ArrayArgument, b: ArrayArgument, rtol: f64, atol: f64, equal_nan: bool
        ) -> PyArray = wrap(ops::allclose(&a.0, &b.0, rtol, atol, equal_nan));
        /// Whether shapes and all elements are equal.
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
