//! Arrays out of numbers.

use crate::arguments::{
    ArrayArgument, Axes, dtype_or, numbers, to_array, to_shape, to_size, wrong_type,
};
use crate::array::{PyArray, from_python, wrap};
use crate::device;
use crate::dtype::PyDtype;
use crate::error::{OrRaise, argument_error};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::{Dtype, Scalar, result_type};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBool;

fn cast(a: &Array, dtype: Option<PyDtype>) -> PyResult<Array> {
    ops::astype(a, dtype_or(dtype, a.dtype())).or_raise()
}

const FLOAT: Dtype = Dtype::Float32;

mod functions {
    use super::*;

    super::super::functions! {
        /// An array of zeros.
        ///
        /// Args:
        ///     shape: sizes along the axes, or one size.
        ///     dtype: type of the elements, `float32` by default.
        ///     device: the array API standard's way to say `stream`.
        ///
        /// Raises:
        ///     ValueError: a negative size.
        ///
        /// Example:
        ///     >>> mx.zeros((2,))
        ///     array([0, 0], dtype=float32)
        zeros[shape, dtype = None, *, device = None](
            shape: Axes, dtype: Option<PyDtype>, device: Option<&Bound<'_, PyAny>>
        ) -> PyArray = {
            let _device = device::enter(device)?;
            wrap(ops::zeros(to_shape("zeros", shape.list())?, dtype_or(dtype, FLOAT)))
        };
        /// An array of ones.
        ///
        /// Args:
        ///     shape, dtype, device: as of `zeros`.
        ///
        /// Raises:
        ///     ValueError: a negative size.
        ///
        /// Example:
        ///     >>> mx.ones((2,), mx.int32)
        ///     array([1, 1], dtype=int32)
        ones[shape, dtype = None, *, device = None](
            shape: Axes, dtype: Option<PyDtype>, device: Option<&Bound<'_, PyAny>>
        ) -> PyArray = {
            let _device = device::enter(device)?;
            wrap(ops::ones(to_shape("ones", shape.list())?, dtype_or(dtype, FLOAT)))
        };
        /// An array whose elements are `vals`, which broadcasts to the shape.
        ///
        /// Args:
        ///     shape: sizes along the axes, or one size.
        ///     vals: a number or an array.
        ///     dtype: type of the elements, that of `vals` by default.
        ///     device: the array API standard's way to say `stream`.
        ///     fill_value: the array API standard's name of `vals`.
        ///
        /// Raises:
        ///     ValueError: a negative size; values that do not broadcast.
        ///     TypeError: no value, or one under each name.
        ///
        /// Example:
        ///     >>> mx.full((2,), 7)
        ///     array([7, 7], dtype=int32)
        full[shape, vals = None, dtype = None, *, device = None, fill_value = None](
            shape: Axes, vals: Option<&Bound<'_, PyAny>>, dtype: Option<PyDtype>,
            device: Option<&Bound<'_, PyAny>>, fill_value: Option<&Bound<'_, PyAny>>
        ) -> PyArray = {
            let _device = device::enter(device)?;
            let vals = one_of("full", vals, fill_value)?;
            // a number adapts to the dtype as it does beside an array, which keeps its fraction
            let value = to_array(vals, dtype.map(|dtype| dtype.0))?;
            let dtype = match vals.is_instance_of::<PyArray>() {
                true => dtype_or(dtype, value.dtype()),
                false => value.dtype(),
            };
            wrap(ops::full(to_shape("full", shape.list())?, &value, dtype))
        };
        /// An array whose elements are `vals`, in the shape and dtype of another.
        ///
        /// Args:
        ///     a: gives the shape, and the dtype unless one is given.
        ///     vals, dtype, device, fill_value: as of `full`.
        ///
        /// Raises:
        ///     ValueError: values that do not broadcast.
        ///     TypeError: no value, or one under each name.
        ///
        /// Example:
        ///     >>> mx.full_like(mx.array([1.5, 2.5]), 7)
        ///     array([7, 7], dtype=float32)
        full_like[a, vals = None, dtype = None, *, device = None, fill_value = None](
            a: ArrayArgument, vals: Option<&Bound<'_, PyAny>>, dtype: Option<PyDtype>,
            device: Option<&Bound<'_, PyAny>>, fill_value: Option<&Bound<'_, PyAny>>
        ) -> PyArray = {
            let _device = device::enter(device)?;
            let dtype = dtype_or(dtype, a.0.dtype());
            let value = to_array(one_of("full_like", vals, fill_value)?, Some(dtype))?;
            let shape = mlx_oxide_ir::layout::broadcast_shapes("full_like", a.0.shape(), value.shape());
            wrap(ops::full(shape.or_raise()?, &value, dtype))
        };
        /// Zeros in the shape of an array, and in its dtype unless one is given.
        ///
        /// Args:
        ///     device: the array API standard's way to say `stream`.
        ///
        /// Example:
        ///     >>> mx.zeros_like(mx.array([1, 2]))
        ///     array([0, 0], dtype=int32)
        zeros_like[a, /, dtype = None, *, device = None](
            a: ArrayArgument, dtype: Option<PyDtype>, device: Option<&Bound<'_, PyAny>>
        ) -> PyArray = {
            let _device = device::enter(device)?;
            wrap(ops::zeros_like(&cast(&a.0, dtype)?))
        };
        /// Ones in the shape of an array, and in its dtype unless one is given.
        ///
        /// Args:
        ///     device: the array API standard's way to say `stream`.
        ///
        /// Example:
        ///     >>> mx.ones_like(mx.array([1, 2]))
        ///     array([1, 1], dtype=int32)
        ones_like[a, /, dtype = None, *, device = None](
            a: ArrayArgument, dtype: Option<PyDtype>, device: Option<&Bound<'_, PyAny>>
        ) -> PyArray = {
            let _device = device::enter(device)?;
            wrap(ops::ones_like(&cast(&a.0, dtype)?))
        };
        /// A matrix with ones on the diagonal `k`, zeros elsewhere.
        ///
        /// Args:
        ///     n: how many rows.
        ///     m: how many columns, as many as rows by default.
        ///     k: the diagonal; those above the main one are positive.
        ///     dtype: type of the elements, `float32` by default.
        ///     device: the array API standard's way to say `stream`.
        ///
        /// Raises:
        ///     ValueError: a negative size.
        ///
        /// Example:
        ///     >>> mx.eye(2, dtype=mx.int32).tolist()
        ///     [[1, 0], [0, 1]]
        eye[n, m = None, k = 0, dtype = None, *, device = None](
            n: i64, m: Option<i64>, k: i64, dtype: Option<PyDtype>, device: Option<&Bound<'_, PyAny>>
        ) -> PyArray = {
            let _device = device::enter(device)?;
            let (n, m) = (to_size("eye", "n", n)?, to_size("eye", "m", m.unwrap_or(n))?);
            wrap(ops::eye(n, m, k, dtype_or(dtype, FLOAT)))
        };
        /// The identity matrix of `n` rows, of `float32` by default.
        ///
        /// Raises:
        ///     ValueError: a negative size.
        ///
        /// Example:
        ///     >>> mx.identity(2).shape
        ///     (2, 2)
        identity[n, dtype = None, *](n: i64, dtype: Option<PyDtype>) -> PyArray =
            wrap(ops::identity(to_size("identity", "n", n)?, dtype_or(dtype, FLOAT)));
        /// A matrix with ones on and below the diagonal `k`, zeros above it.
        ///
        /// Args:
        ///     n, m, k, dtype: as of `eye`; a negative size counts as none.
        ///
        /// Example:
        ///     >>> mx.tri(2, dtype=mx.int32).tolist()
        ///     [[1, 0], [1, 1]]
        tri[n, m = None, k = 0, dtype = None, *](
            n: i64, m: Option<i64>, k: i64, dtype: Option<PyDtype>
        ) -> PyArray = {
            // no rows or columns below zero, as of ranges
            let (n, m) = (n.max(0) as usize, m.unwrap_or(n).max(0) as usize);
            wrap(ops::tri(n, m, k, dtype_or(dtype, FLOAT)))
        };
        /// The elements on and below the diagonal `k` of matrices `(…, m, n)`, zeros above it.
        ///
        /// Raises:
        ///     ValueError: fewer than two axes.
        ///
        /// Example:
        ///     >>> mx.tril(mx.array([[1, 2], [3, 4]])).tolist()
        ///     [[1, 0], [3, 4]]
        tril[x, k = 0, *](x: ArrayArgument, k: i64) -> PyArray = wrap(ops::tril(&x.0, k));
        /// The elements on and above the diagonal `k` of matrices `(…, m, n)`, zeros below it.
        ///
        /// Raises:
        ///     ValueError: fewer than two axes.
        ///
        /// Example:
        ///     >>> mx.triu(mx.array([[1, 2], [3, 4]])).tolist()
        ///     [[1, 2], [0, 4]]
        triu[x, k = 0, *](x: ArrayArgument, k: i64) -> PyArray = wrap(ops::triu(&x.0, k));
    }
}

/// An end of a range of numbers.
#[derive(FromPyObject)]
enum End {
    Real(f64),
    Complex(num_complex::Complex64),
}

impl End {
    fn parts(&self) -> (f64, f64) {
        match self {
            End::Real(real) => (*real, 0.0),
            End::Complex(number) => (number.re, number.im),
        }
    }
}

fn real_spaced(
    start: f64,
    stop: f64,
    num: usize,
    endpoint: bool,
    dtype: Dtype,
) -> mlx_oxide_ir::Result<Array> {
    if endpoint || num == 0 {
        return ops::linspace(start, stop, num, dtype);
    }
    let all = ops::linspace(start, stop, num + 1, dtype)?;
    ops::slice_axis(&all, 0, 0, num)
}

/// `num` evenly spaced numbers from `start` to `stop`.
///
/// Args:
///     start, stop: real or complex numbers.
///     num: how many.
///     endpoint: whether `stop` is the last of them, or what would come next.
///     dtype: type of the elements, `float32` by default, `complex64` of complex ones.
///     device: the array API standard's way to say `stream`.
///
/// Raises:
///     ValueError: a negative number of them.
///
/// Example:
///     >>> mx.linspace(0, 1, 3)
///     array([0, 0.5, 1], dtype=float32)
#[pyfunction]
#[pyo3(
    signature = (start, stop, num = 50, endpoint = true, dtype = None, stream = None, *, device = None),
)]
fn linspace(
    start: End,
    stop: End,
    num: i64,
    endpoint: bool,
    dtype: Option<PyDtype>,
    stream: Option<&Bound<'_, PyAny>>,
    device: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyArray> {
    crate::compile::note_call("linspace");
    let _scope = (device::enter(device)?, device::enter(stream)?);
    let num = to_size("linspace", "num", num)?;
    let ((start, first), (stop, last)) = (start.parts(), stop.parts());
    let complex = dtype.map_or((first, last) != (0.0, 0.0), |dtype| dtype.0.is_complex());
    if !complex {
        return wrap(real_spaced(
            start,
            stop,
            num,
            endpoint,
            dtype_or(dtype, FLOAT),
        ));
    }
    let real = real_spaced(start, stop, num, endpoint, Dtype::Complex64).or_raise()?;
    let imaginary = real_spaced(first, last, num, endpoint, Dtype::Complex64).or_raise()?;
    let unit = Scalar::from_complex(num_complex::Complex32::i(), Dtype::Complex64);
    let unit = Array::from_scalar(unit).or_raise()?;
    let imaginary = ops::multiply(&imaginary, &unit).or_raise()?;
    wrap(ops::add(&real, &imaginary))
}

/// The value under either of two names.
fn one_of<'a, 'py>(
    op: &str,
    vals: Option<&'a Bound<'py, PyAny>>,
    fill_value: Option<&'a Bound<'py, PyAny>>,
) -> PyResult<&'a Bound<'py, PyAny>> {
    match (vals, fill_value) {
        (Some(value), None) | (None, Some(value)) => Ok(value),
        _ => Err(PyTypeError::new_err(format!(
            "[{op}] expected one value, as vals or as fill_value"
        ))),
    }
}

/// Numbers from `start` (0) to below `stop`, `step` (1) apart: `arange(stop)`,
/// `arange(start, stop)`, `arange(start, stop, step)`.
///
/// Args:
///     start, stop, step: numbers; a negative step counts down.
///     dtype: type of the elements; `int32` of integers, else `float32` by default.
///     device: the array API standard's way to say `stream`.
///
/// Raises:
///     TypeError: no stop.
///     ValueError: NaN, infinities, or a range of too many numbers.
///
/// Example:
///     >>> mx.arange(1, 7, 2)
///     array([1, 3, 5], dtype=int32)
#[pyfunction]
#[pyo3(signature = (*arguments, start = None, stop = None, step = None, dtype = None, device = None, stream = None))]
fn arange(
    arguments: Vec<Bound<'_, PyAny>>,
    start: Option<Bound<'_, PyAny>>,
    stop: Option<Bound<'_, PyAny>>,
    step: Option<Bound<'_, PyAny>>,
    dtype: Option<PyDtype>,
    device: Option<&Bound<'_, PyAny>>,
    stream: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyArray> {
    let _scope = (device::enter(device)?, device::enter(stream)?);
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
        let truth = value
            .cast::<PyArray>()
            .is_ok_and(|array| array.get().get().dtype() == Dtype::Bool);
        if truth || value.is_instance_of::<PyBool>() {
            return Err(PyValueError::new_err("[arange] a bool is no bound"));
        }
        let dtype = match value.extract::<i64>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => return Err(error),
            Err(_) => FLOAT,
            Ok(whole) if i32::try_from(whole).is_ok() => Dtype::Int32,
            Ok(_) => Dtype::Int64,
        };
        Ok(Some((value.extract()?, dtype)))
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
///
/// Args:
///     a: a number, nested sequences of numbers, or an array of any library.
///     dtype: what the elements are converted to; their own by default.
///     copy: `True` for an array of its own, `False` to fail if elements must be copied.
///     device: the array API standard's way to say `stream`.
///
/// Raises:
///     ValueError: ragged sequences; a copy where none is wanted.
///     TypeError: what cannot be an array.
///
/// Example:
///     >>> mx.asarray([[1, 2], [3, 4]]).shape
///     (2, 2)
#[pyfunction]
#[pyo3(signature = (a, dtype = None, *, copy = None, device = None))]
fn asarray(
    a: &Bound<'_, PyAny>,
    dtype: Option<PyDtype>,
    copy: Option<bool>,
    device: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyArray> {
    let _scope = device::enter(device)?;
    let dtype = dtype.map(|dtype| dtype.0);
    shared_if_asked("asarray", a, dtype, copy)?;
    // arrays do not change, so sharing cannot be told from a copy
    from_python(a, dtype).map(PyArray::from)
}

/// An array of another library, by the DLPack protocol. Its elements are copied, since their
/// owner may go on writing.
///
/// Args:
///     x: an object with `__dlpack__`, whose memory is on the host.
///     device: the array API standard's way to say on which stream to work.
///     copy: `False` fails.
///
/// Raises:
///     TypeError: an object without the protocol.
///     BufferError: memory on another device.
///     ValueError: a dtype without counterpart; a copy where none is wanted.
///
/// Example:
///     >>> mx.from_dlpack(numpy.arange(3))
///     array([0, 1, 2], dtype=int64)
#[pyfunction]
#[pyo3(signature = (x, /, *, device = None, copy = None))]
fn from_dlpack(
    x: &Bound<'_, PyAny>,
    device: Option<&Bound<'_, PyAny>>,
    copy: Option<bool>,
) -> PyResult<PyArray> {
    let _scope = device::enter(device)?;
    if !x.hasattr("__dlpack__")? {
        return Err(wrong_type("from_dlpack", "an object with __dlpack__", x));
    }
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

macro_rules! windows {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(signature = (M, *, stream = None))]
            #[allow(non_snake_case)]
            fn $name(M: i64, stream: Option<&Bound<'_, PyAny>>) -> PyResult<PyArray> {
                let _scope = device::enter(stream)?;
                wrap(ops::$name(usize::try_from(M).unwrap_or(0)))
            }
        )*

        fn register_windows(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}
windows! {
    /// The Hann window of `M` points, a `float32` vector: `0.5 - 0.5·cos(2πn/(M - 1))`.
    ///
    /// No points if `M < 1`, a one if `M = 1`.
    ///
    /// Example:
    ///     >>> mx.hanning(5).shape
    ///     (5,)
    hanning;
    /// The Hamming window of `M` points, a `float32` vector: `0.54 - 0.46·cos(2πn/(M - 1))`.
    ///
    /// No points if `M < 1`, a one if `M = 1`.
    ///
    /// Example:
    ///     >>> mx.hamming(5).shape
    ///     (5,)
    hamming;
    /// The Blackman window of `M` points, a `float32` vector: `0.42 - 0.5·cos(2πn/(M - 1)) + 0.08·cos(4πn/(M - 1))`.
    ///
    /// No points if `M < 1`, a one if `M = 1`.
    ///
    /// Example:
    ///     >>> mx.blackman(5).shape
    ///     (5,)
    blackman;
    /// The triangular Bartlett window of `M` points, a `float32` vector: `1 - |2n/(M - 1) - 1|`.
    ///
    /// No points if `M < 1`, a one if `M = 1`.
    ///
    /// Example:
    ///     >>> mx.bartlett(5)
    ///     array([0, 0.5, 1, 0.5, 0], dtype=float32)
    bartlett;
}

/// The shape that shapes broadcast to, a tuple.
///
/// Raises:
///     ValueError: no shapes; sizes that differ where neither is 1.
///
/// Example:
///     >>> mx.broadcast_shapes((2, 1), (3,))
///     (2, 3)
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
        let sizes = numbers(other).map_err(|_| {
            argument_error(format!(
                "[broadcast_shapes] {} is no shape",
                other.get_type()
            ))
        })?;
        let other = to_shape("broadcast_shapes", &sizes)?;
        shape = mlx_oxide_ir::layout::broadcast_shapes("broadcast_shapes", &shape, &other)
            .or_raise()?;
    }
    pyo3::types::PyTuple::new(py, shape.iter())
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    functions::register(module)?;
    register_windows(module)?;
    module.add_function(wrap_pyfunction!(arange, module)?)?;
    module.add_function(wrap_pyfunction!(linspace, module)?)?;
    module.add_function(wrap_pyfunction!(asarray, module)?)?;
    module.add_function(wrap_pyfunction!(from_dlpack, module)?)?;
    module.add_function(wrap_pyfunction!(broadcast_shapes, module)?)
}
