//! Arrays out of numbers.

use crate::arguments::{ArrayArgument, Axes, dtype_or, to_array, to_shape, to_size};
use crate::array::{PyArray, from_python, wrap};
use crate::device;
use crate::dtype::PyDtype;
use crate::error::{OrRaise, argument_error};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{Dtype, Scalar, result_type};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyFloat;

fn cast(a: &Array, dtype: Option<PyDtype>) -> PyResult<Array> {
    ops::astype(a, dtype_or(dtype, a.dtype())).or_raise()
}

const FLOAT: Dtype = Dtype::Float32;

mod functions {
    use super::*;

    super::super::functions! {
        /// Zeros.
        zeros[shape, dtype = None, *](shape: Axes, dtype: Option<PyDtype>) -> PyArray =
            wrap(ops::zeros(to_shape("zeros", shape.list())?, dtype_or(dtype, FLOAT)));
        /// Ones.
        ones[shape, dtype = None, *](shape: Axes, dtype: Option<PyDtype>) -> PyArray =
            wrap(ops::ones(to_shape("ones", shape.list())?, dtype_or(dtype, FLOAT)));
        /// Every element the same value, which broadcasts to the shape.
        full[shape, vals, dtype = None, *](
            shape: Axes, vals: &Bound<'_, PyAny>, dtype: Option<PyDtype>
        ) -> PyArray = {
            // a number adapts to the dtype as it does beside an array, which keeps its fraction
            let value = to_array(vals, dtype.map(|dtype| dtype.0))?;
            let dtype = match vals.is_instance_of::<PyArray>() {
                true => dtype_or(dtype, value.dtype()),
                false => value.dtype(),
            };
            wrap(ops::full(to_shape("full", shape.list())?, &value, dtype))
        };
        /// Every element the same value, in the shape and dtype of an array.
        full_like[a, vals, dtype = None, *](
            a: ArrayArgument, vals: &Bound<'_, PyAny>, dtype: Option<PyDtype>
        ) -> PyArray = {
            let dtype = dtype_or(dtype, a.0.dtype());
            let value = to_array(vals, Some(dtype))?;
            let shape = mlx_oxide_ir::layout::broadcast_shapes("full_like", a.0.shape(), value.shape());
            wrap(ops::full(shape.or_raise()?, &value, dtype))
        };
        /// Zeros in the shape and dtype of an array.
        zeros_like[a, /, dtype = None, *](a: ArrayArgument, dtype: Option<PyDtype>) -> PyArray =
            wrap(ops::zeros_like(&cast(&a.0, dtype)?));
        /// Ones in the shape and dtype of an array.
        ones_like[a, /, dtype = None, *](a: ArrayArgument, dtype: Option<PyDtype>) -> PyArray =
            wrap(ops::ones_like(&cast(&a.0, dtype)?));
        /// A matrix with ones on the diagonal `k`.
        eye[n, m = None, k = 0, dtype = None, *](
            n: i64, m: Option<i64>, k: i64, dtype: Option<PyDtype>
        ) -> PyArray = {
            let (n, m) = (to_size("eye", "n", n)?, to_size("eye", "m", m.unwrap_or(n))?);
            wrap(ops::eye(n, m, k, dtype_or(dtype, FLOAT)))
        };
        /// The identity matrix.
        identity[n, dtype = None, *](n: i64, dtype: Option<PyDtype>) -> PyArray =
            wrap(ops::identity(to_size("identity", "n", n)?, dtype_or(dtype, FLOAT)));
        /// Ones on and below the diagonal `k`, else zeros.
        tri[n, m = None, k = 0, dtype = None, *](
            n: i64, m: Option<i64>, k: i64, dtype: Option<PyDtype>
        ) -> PyArray = {
            // no rows or columns below zero, as of ranges
            let (n, m) = (n.max(0) as usize, m.unwrap_or(n).max(0) as usize);
            wrap(ops::tri(n, m, k, dtype_or(dtype, FLOAT)))
        };
        /// The elements on and below the diagonal `k`, else zeros.
        tril[x, k = 0, *](x: ArrayArgument, k: i64) -> PyArray = wrap(ops::tril(&x.0, k));
        /// The elements on and above the diagonal `k`, else zeros.
        triu[x, k = 0, *](x: ArrayArgument, k: i64) -> PyArray = wrap(ops::triu(&x.0, k));
        /// Evenly spaced numbers from `start` to `stop`.
        linspace[start, stop, num = 50, endpoint = true, dtype = None](
            start: f64, stop: f64, num: i64, endpoint: bool, dtype: Option<PyDtype>
        ) -> PyArray = {
            let num = to_size("linspace", "num", num)?;
            let dtype = dtype_or(dtype, FLOAT);
            if endpoint || num == 0 {
                return wrap(ops::linspace(start, stop, num, dtype));
            }
            let all = ops::linspace(start, stop, num + 1, dtype).or_raise()?;
            wrap(ops::slice_axis(&all, 0, 0, num))
        };
    }
}

/// Numbers from `start` (0) to below `stop`, `step` (1) apart: `arange(stop)`,
/// `arange(start, stop)`, `arange(start, stop, step)`.
#[pyfunction]
#[pyo3(signature = (*arguments, start = None, stop = None, step = None, dtype = None, stream = None))]
fn arange(
    arguments: Vec<Bound<'_, PyAny>>,
    start: Option<Bound<'_, PyAny>>,
    stop: Option<Bound<'_, PyAny>>,
    step: Option<Bound<'_, PyAny>>,
    dtype: Option<PyDtype>,
    stream: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyArray> {
    let _scope = device::enter(stream)?;
    let mut positional = arguments.into_iter();
    let (first, second, third) = (positional.next(), positional.next(), positional.next());
    let last = positional.next();
    let dtype = match last.or_else(|| {
        third
            .clone()
            .filter(|value| value.extract::<PyDtype>().is_ok())
    }) {
        Some(value) => Some(value.extract::<PyDtype>()?),
        None => dtype,
    };
    let third = third.filter(|value| value.extract::<PyDtype>().is_err());
    let (start, stop) = match (first, second, start, stop) {
        (Some(stop), None, start, None) => (start, Some(stop)),
        (first, second, start, stop) => (first.or(start), second.or(stop)),
    };
    let given = |value: Option<Bound<'_, PyAny>>| -> PyResult<Option<(f64, Dtype)>> {
        let Some(value) = value.filter(|value| !value.is_none()) else {
            return Ok(None);
        };
        let number = value.extract()?;
        let dtype = match i32::try_from(number as i64) {
            _ if value.is_instance_of::<PyFloat>() => FLOAT,
            Ok(_) => Dtype::Int32,
            Err(_) => Dtype::Int64,
        };
        Ok(Some((number, dtype)))
    };
    let (start, stop, step) = (given(start)?, given(stop)?, given(third.or(step))?);
    let Some(stop) = stop.or(start).filter(|_| start.is_some() || stop.is_some()) else {
        return Err(PyTypeError::new_err("arange() takes at least a stop"));
    };
    let start = start.unwrap_or((0.0, Dtype::Int32));
    let step = step.unwrap_or((1.0, Dtype::Int32));
    let own = result_type(result_type(start.1, stop.1), step.1);
    wrap(ops::arange(start.0, stop.0, step.0, dtype_or(dtype, own)))
}

/// The value as an array, the same one if it is one already.
#[pyfunction]
#[pyo3(signature = (a, dtype = None, *, copy = None))]
fn _asarray(a: &Bound<'_, PyAny>, dtype: Option<PyDtype>, copy: Option<bool>) -> PyResult<PyArray> {
    let dtype = dtype.map(|dtype| dtype.0);
    shared_if_asked("asarray", a, dtype, copy)?;
    from_python(a, dtype).map(PyArray::from)
}

/// An array of another library, by the DLPack protocol.
#[pyfunction]
#[pyo3(signature = (x, /, *, copy = None))]
fn from_dlpack(x: &Bound<'_, PyAny>, copy: Option<bool>) -> PyResult<PyArray> {
    shared_if_asked("from_dlpack", x, None, copy)?;
    from_python(x, None).map(PyArray::from)
}

/// Whatever is no array of the dtype is copied; `copy=False` forbids that. Arrays themselves do
/// not change, so sharing their elements cannot be told from a copy.
fn shared_if_asked(
    op: &str,
    value: &Bound<'_, PyAny>,
    dtype: Option<Dtype>,
    copy: Option<bool>,
) -> PyResult<()> {
    let own = value
        .cast::<PyArray>()
        .map(|array| array.get().get().dtype());
    let shared = own.is_ok_and(|own| dtype.is_none_or(|dtype| dtype == own));
    if copy == Some(false) && !shared {
        return Err(PyValueError::new_err(format!(
            "[{op}] {} cannot become an array without a copy",
            value.get_type()
        )));
    }
    Ok(())
}

type Coefficients = &'static [f64];

/// A window `Σ cᵢ·cos(2πi·n/(M - 1))`.
fn cosine_window(op: &str, count: i64, coefficients: Coefficients) -> PyResult<PyArray> {
    if count < 1 {
        return wrap(ops::zeros([0], FLOAT));
    }
    let _ = op;
    let size = count as usize;
    let values: Vec<f32> = (0..size)
        .map(|n| {
            let turn = std::f64::consts::TAU * n as f64 / (size.max(2) - 1) as f64;
            coefficients
                .iter()
                .enumerate()
                .map(|(i, c)| c * (turn * i as f64).cos())
                .sum::<f64>() as f32
        })
        .collect();
    let values = if size == 1 { vec![1.0] } else { values };
    wrap(mlx_oxide_core::Array::from_slice(&values, [size]))
}

macro_rules! windows {
    ($($(#[$doc:meta])* $name:ident $coefficients:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(signature = (M, *, stream = None))]
            #[allow(non_snake_case)]
            fn $name(M: i64, stream: Option<&Bound<'_, PyAny>>) -> PyResult<PyArray> {
                let _scope = device::enter(stream)?;
                cosine_window(stringify!($name), M, &$coefficients)
            }
        )*

        fn register_windows(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}
windows! {
    /// The Hann window of `M` points.
    hanning [0.5, -0.5];
    /// The Hamming window of `M` points.
    hamming [0.54, -0.46];
    /// The Blackman window of `M` points.
    blackman [0.42, -0.5, 0.08];
}

/// The triangular Bartlett window of `M` points.
#[pyfunction]
#[pyo3(signature = (M, *, stream = None))]
#[allow(non_snake_case)]
fn bartlett(M: i64, stream: Option<&Bound<'_, PyAny>>) -> PyResult<PyArray> {
    let _scope = device::enter(stream)?;
    if M < 1 {
        return wrap(ops::zeros([0], FLOAT));
    }
    if M == 1 {
        return wrap(ops::full_scalar([1], Scalar::new(1.0, FLOAT)));
    }
    let half = (M - 1) as f64 / 2.0;
    let values: Vec<f32> = (0..M)
        .map(|n| (1.0 - ((n as f64 - half) / half).abs()) as f32)
        .collect();
    wrap(mlx_oxide_core::Array::from_slice(&values, [M as usize]))
}

/// The shape that shapes broadcast to.
#[pyfunction]
#[pyo3(signature = (*shapes))]
fn broadcast_shapes<'py>(
    py: Python<'py>,
    shapes: Vec<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, pyo3::types::PyTuple>> {
    if shapes.is_empty() {
        return Err(PyValueError::new_err(
            "[broadcast_shapes] at least one shape is needed",
        ));
    }
    let mut shape = mlx_oxide_ir::Shape::scalar();
    for other in &shapes {
        let sizes: Vec<i64> = other
            .extract()
            .map_err(|_| argument_error(format!("[broadcast_shapes] {other} is no shape")))?;
        let other = to_shape("broadcast_shapes", &sizes)?;
        shape = mlx_oxide_ir::layout::broadcast_shapes("broadcast_shapes", &shape, &other)
            .or_raise()?;
    }
    pyo3::types::PyTuple::new(py, shape.iter())
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    functions::register(module)?;
    register_windows(module)?;
    module.add_function(wrap_pyfunction!(bartlett, module)?)?;
    module.add_function(wrap_pyfunction!(arange, module)?)?;
    module.add_function(wrap_pyfunction!(_asarray, module)?)?;
    module.add_function(wrap_pyfunction!(from_dlpack, module)?)?;
    module.add_function(wrap_pyfunction!(broadcast_shapes, module)?)
}
