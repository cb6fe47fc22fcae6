//! Random numbers. Each thread has a key sequence of its own, which `random.state` shows as a
//! sequence of one key, as MLX has it.

use crate::arguments::{ArrayArgument, Axes, dtype_or, to_array, to_shape, to_size, wrong_type};
use crate::array::{PyArray, wrap};
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use mlx_oxide_core::ops::random::{self, Draws};
use mlx_oxide_core::{Array, Scalar};
use mlx_oxide_ir::{Dtype, Shape};
use mlx_oxide_runtime::stream::StreamScope;
use mlx_oxide_runtime::{Device, Stream};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};
use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    /// The list with the key of this thread's sequence.
    static STATE: OnceCell<Py<PyList>> = const { OnceCell::new() };
}

/// How many threads have begun a sequence: no two begin at the same key.
static SEQUENCES: AtomicU64 = AtomicU64::new(0);

/// The list with the key of this thread's sequence.
pub(crate) fn state(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    if let Some(list) = STATE.with(|state| state.get().map(|list| list.clone_ref(py))) {
        return Ok(list.into_bound(py));
    }
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_micros() as u64);
    let sequence = SEQUENCES.fetch_add(1, Ordering::Relaxed);
    // finding the default device may open a driver, which an import shall not
    let _cpu = StreamScope::enter(Stream::default_of(Device::CPU));
    let key = wrap(random::key(time.wrapping_add(sequence << 52)))?;
    let list = PyList::new(py, [Bound::new(py, key)?])?;
    STATE.with(|state| {
        state.get_or_init(|| list.clone().unbind());
    });
    Ok(list)
}

/// The key sequence of the calling thread, as `random.state` shows it.
#[pyclass(name = "_RandomState", module = "mlx_oxide.core.random", frozen)]
pub(crate) struct RandomState;

#[pymethods]
impl RandomState {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(state(py)?.len())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        state(py)?.as_any().get_item(index)
    }

    fn __setitem__(&self, py: Python<'_>, index: isize, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let key = to_array(key, None)?;
        if key.dtype() != Dtype::Uint32 || key.shape()[..] != [2] {
            return Err(PyValueError::new_err(format!(
                "[random] a key of {} and shape {}; expected uint32 and (2,)",
                key.dtype(),
                key.shape()
            )));
        }
        let key = Bound::new(py, PyArray::from(key))?;
        state(py)?.as_any().set_item(index, key)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        state(py)?.try_iter()
    }
}

/// The list that an object is to those who walk through trees: itself, or the key sequence.
pub(crate) fn as_list<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
    if let Ok(list) = object.cast::<PyList>() {
        return Ok(Some(list.clone()));
    }
    match object.is_instance_of::<RandomState>() {
        true => state(object.py()).map(Some),
        false => Ok(None),
    }
}

/// The given key, or the next one of the sequence.
fn key_or_next(py: Python<'_>, key: Option<ArrayArgument>) -> PyResult<Array> {
    if let Some(key) = key {
        return Ok(key.0);
    }
    let state = state(py)?;
    let current = state.get_item(0)?;
    let current = current
        .cast::<PyArray>()
        .map_err(|_| PyValueError::new_err("[random] random.state must be a list with one key"))?;
    let (following, key) = random::split_two(&current.get().get()).or_raise()?;
    state.set_item(0, Bound::new(py, PyArray::from(following))?)?;
    Ok(key)
}

fn number(value: Option<&Bound<'_, PyAny>>, default: f64) -> PyResult<Array> {
    match value {
        Some(value) => to_array(value, None),
        None => Array::from_scalar(Scalar::new(default, Dtype::Float32)).or_raise(),
    }
}

fn shape_or(shape: Option<Axes>, default: Shape) -> PyResult<Shape> {
    shape.map_or(Ok(default), |shape| to_shape("random", shape.list()))
}

crate::ops::functions! {
    /// Several keys out of one.
    ///
    /// Args:
    ///     key: the key.
    ///     num: how many, 2 by default.
    ///
    /// Returns:
    ///     Keys of shape `(num, 2)`.
    ///
    /// Example:
    ///     >>> first, second = mx.random.split(mx.random.key(0))
    split[key, num = 2](key: ArrayArgument, num: i64) -> PyArray =
        wrap(random::split(&key.0, to_size("split", "num", num)?));
    /// Uniform numbers in `[low, high)`.
    ///
    /// Args:
    ///     low, high: the bounds, numbers or arrays.
    ///     shape: shape of the result, that of the bounds by default.
    ///     dtype: `float32` by default.
    ///     key: the key, which gives the same numbers each time; the next one of `random.state` by
    ///         default.
    ///
    /// Raises:
    ///     ValueError: bounds that do not broadcast to the shape; a dtype that is not floating.
    ///
    /// Example:
    ///     >>> mx.random.uniform(shape=(2, 3)).shape
    ///     (2, 3)
    #[pyo3(text_signature = "(low=0, high=1, shape=[], dtype=None, key=None, stream=None)")]
    uniform[low = None, high = None, shape = None, dtype = None, key = None](
        py: Python<'_>, low: Option<&Bound<'_, PyAny>>, high: Option<&Bound<'_, PyAny>>,
        shape: Option<Axes>, dtype: Option<PyDtype>, key: Option<ArrayArgument>
    ) -> PyArray = {
        let (low, high) = (number(low, 0.0)?, number(high, 1.0)?);
        let shape = shape_or(shape, Shape::scalar())?;
        let key = key_or_next(py, key)?;
        wrap(random::uniform(&low, &high, shape, dtype_or(dtype, Dtype::Float32), Some(&key)))
    };
    /// Normal numbers of mean `loc` and standard deviation `scale`.
    ///
    /// Args:
    ///     shape: shape of the result, a scalar by default.
    ///     dtype: `float32` by default.
    ///     loc, scale: mean and standard deviation, numbers or arrays.
    ///     key: the key, which gives the same numbers each time; the next one of `random.state` by
    ///         default.
    ///
    /// Raises:
    ///     ValueError: parameters that do not broadcast to the shape; a dtype that is not floating.
    ///
    /// Example:
    ///     >>> mx.random.normal((2, 3)).shape
    ///     (2, 3)
    #[pyo3(text_signature = "(shape=[], dtype=None, loc=None, scale=None, key=None, stream=None)")]
    normal[shape = None, dtype = None, loc = None, scale = None, key = None](
        py: Python<'_>, shape: Option<Axes>, dtype: Option<PyDtype>,
        loc: Option<&Bound<'_, PyAny>>, scale: Option<&Bound<'_, PyAny>>, key: Option<ArrayArgument>
    ) -> PyArray = {
        let dtype = dtype_or(dtype, Dtype::Float32);
        let array = |value: Option<&Bound<'_, PyAny>>| value.map(|value| to_array(value, Some(dtype))).transpose();
        let (loc, scale) = (array(loc)?, array(scale)?);
        let key = key_or_next(py, key)?;
        let shape = shape_or(shape, Shape::scalar())?;
        wrap(random::normal(shape, dtype, loc.as_ref(), scale.as_ref(), Some(&key)))
    };
    /// Vectors of a normal distribution with a mean and a covariance.
    ///
    /// Args:
    ///     mean: an array `(…, n)`.
    ///     cov: covariances `(…, n, n)`, symmetric and positive semi-definite.
    ///     shape: leading axes of the result, those of the parameters by default.
    ///     dtype: `float32` alone.
    ///     key: the key, which gives the same numbers each time; the next one of `random.state` by
    ///         default.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit; another dtype.
    ///
    /// Example:
    ///     >>> mx.random.multivariate_normal(mx.zeros(2), mx.eye(2), stream=mx.cpu).shape
    ///     (2,)
    #[pyo3(text_signature = "(mean, cov, shape=[], dtype=None, key=None, stream=None)")]
    multivariate_normal[mean, cov, shape = None, dtype = None, key = None](
        py: Python<'_>, mean: ArrayArgument, cov: ArrayArgument, shape: Option<Axes>,
        dtype: Option<PyDtype>, key: Option<ArrayArgument>
    ) -> PyArray = {
        let key = key_or_next(py, key)?;
        let shape = shape_or(shape, Shape::scalar())?;
        let dtype = dtype_or(dtype, Dtype::Float32);
        wrap(random::multivariate_normal(&mean.0, &cov.0, shape, dtype, Some(&key)))
    };
    /// Numbers of the Laplace distribution.
    ///
    /// Args:
    ///     shape: shape of the result, a scalar by default.
    ///     dtype: `float32` by default.
    ///     loc, scale: the middle and the scale.
    ///     key: the key, which gives the same numbers each time; the next one of `random.state` by
    ///         default.
    ///
    /// Raises:
    ///     ValueError: a dtype that is not floating.
    ///
    /// Example:
    ///     >>> mx.random.laplace((2, 3)).shape
    ///     (2, 3)
    #[pyo3(text_signature = "(shape=[], dtype=None, loc=0.0, scale=1.0, key=None, stream=None)")]
    laplace[shape = None, dtype = None, loc = 0.0, scale = 1.0, key = None](
        py: Python<'_>, shape: Option<Axes>, dtype: Option<PyDtype>, loc: f64, scale: f64,
        key: Option<ArrayArgument>
    ) -> PyArray = {
        let key = key_or_next(py, key)?;
        let shape = shape_or(shape, Shape::scalar())?;
        wrap(random::laplace(shape, dtype_or(dtype, Dtype::Float32), loc, scale, Some(&key)))
    };
    /// Numbers of the standard normal distribution between bounds.
    ///
    /// Args:
    ///     lower, upper: the bounds, numbers or arrays.
    ///     shape: shape of the result, that of the bounds by default.
    ///     dtype: `float32` by default.
    ///     key: the key, which gives the same numbers each time; the next one of `random.state` by
    ///         default.
    ///
    /// Raises:
    ///     ValueError: bounds that do not broadcast to the shape; a dtype that is not floating.
    ///
    /// Example:
    ///     >>> mx.random.truncated_normal(-1, 1, (2, 3)).shape
    ///     (2, 3)
    truncated_normal[lower, upper, shape = None, dtype = None, key = None](
        py: Python<'_>, lower: ArrayArgument, upper: ArrayArgument, shape: Option<Axes>,
        dtype: Option<PyDtype>, key: Option<ArrayArgument>
    ) -> PyArray = {
        let key = key_or_next(py, key)?;
        let shape = shape.map(|shape| to_shape("truncated_normal", shape.list())).transpose()?;
        let dtype = dtype_or(dtype, Dtype::Float32);
        wrap(random::truncated_normal(&lower.0, &upper.0, shape, dtype, Some(&key)))
    };
    /// Uniform integers in `[low, high)`.
    ///
    /// Args:
    ///     low, high: the bounds, numbers or arrays.
    ///     shape: shape of the result, that of the bounds by default.
    ///     dtype: `int32` by default.
    ///     key: the key, which gives the same numbers each time; the next one of `random.state` by
    ///         default.
    ///
    /// Raises:
    ///     ValueError: bounds that do not broadcast to the shape; a dtype that is no integer's.
    ///
    /// Example:
    ///     >>> mx.random.randint(0, 10, (2, 3)).shape
    ///     (2, 3)
    #[pyo3(text_signature = "(low, high, shape=[], dtype=None, key=None, stream=None)")]
    randint[low, high, shape = None, dtype = None, key = None](
        py: Python<'_>, low: ArrayArgument, high: ArrayArgument, shape: Option<Axes>,
        dtype: Option<PyDtype>, key: Option<ArrayArgument>
    ) -> PyArray = {
        let key = key_or_next(py, key)?;
        let shape = shape_or(shape, Shape::scalar())?;
        wrap(random::randint(&low.0, &high.0, shape, dtype_or(dtype, Dtype::Int32), Some(&key)))
    };
    /// True with probability `p`.
    ///
    /// Args:
    ///     p: probabilities, a number or an array.
    ///     shape: shape of the result, that of `p` by default.
    ///     key: the key, which gives the same numbers each time; the next one of `random.state` by
    ///         default.
    ///
    /// Raises:
    ///     ValueError: probabilities that do not broadcast to the shape.
    ///
    /// Example:
    ///     >>> mx.random.bernoulli(0.5, (2, 3)).shape
    ///     (2, 3)
    #[pyo3(text_signature = "(p=0.5, shape=None, key=None, stream=None)")]
    bernoulli[p = None, shape = None, key = None](
        py: Python<'_>, p: Option<&Bound<'_, PyAny>>, shape: Option<Axes>, key: Option<ArrayArgument>
    ) -> PyArray = {
        let p = number(p, 0.5)?;
        if !p.dtype().is_floating() {
            return Err(PyValueError::new_err(format!(
                "[bernoulli] dtype {} of p is not supported; expected a real floating dtype", p.dtype()
            )));
        }
        let shape = shape_or(shape, p.shape().clone())?;
        let key = key_or_next(py, key)?;
        wrap(random::bernoulli(&p, shape, Some(&key)))
    };
    /// The numbers below `x`, or the slices of an array, in random order.
    ///
    /// Args:
    ///     x: a number, or an array whose slices along the axis are mixed.
    ///     axis: the axis.
    ///     key: the key, which gives the same numbers each time; the next one of `random.state` by
    ///         default.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.random.permutation(5).shape
    ///     (5,)
    permutation[x, axis = 0, key = None](
        py: Python<'_>, x: &Bound<'_, PyAny>, axis: i64, key: Option<ArrayArgument>
    ) -> PyArray = {
        let key = key_or_next(py, key)?;
        match x.extract::<usize>() {
            Ok(count) if !x.is_instance_of::<PyArray>() => wrap(random::permutation(count, Some(&key))),
            _ => wrap(random::permute(&to_array(x, None)?, axis, Some(&key))),
        }
    };
    /// Numbers of the standard Gumbel distribution.
    ///
    /// Args:
    ///     shape: shape of the result, a scalar by default.
    ///     dtype: `float32` by default.
    ///     key: the key, which gives the same numbers each time; the next one of `random.state` by
    ///         default.
    ///
    /// Raises:
    ///     ValueError: a dtype that is not floating.
    ///
    /// Example:
    ///     >>> mx.random.gumbel((2, 3)).shape
    ///     (2, 3)
    #[pyo3(text_signature = "(shape=[], dtype=None, key=None, stream=None)")]
    gumbel[shape = None, dtype = None, key = None](
        py: Python<'_>, shape: Option<Axes>, dtype: Option<PyDtype>, key: Option<ArrayArgument>
    ) -> PyArray = {
        let key = key_or_next(py, key)?;
        let shape = shape_or(shape, Shape::scalar())?;
        wrap(random::gumbel(shape, dtype_or(dtype, Dtype::Float32), Some(&key)))
    };
    /// Indices drawn by unnormalised log-probabilities.
    ///
    /// Args:
    ///     logits: logarithms of weights, an array of at least one axis.
    ///     axis: the axis of the classes.
    ///     shape: shape of the result, to which the logits without the axis broadcast.
    ///     num_samples: how many draws for each, as a last axis; not beside `shape`.
    ///     key: the key, which gives the same numbers each time; the next one of `random.state` by
    ///         default.
    ///
    /// Returns:
    ///     `uint32` numbers of classes.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: both `shape` and `num_samples`; shapes that do not broadcast.
    ///
    /// Example:
    ///     >>> mx.random.categorical(mx.zeros((4, 10))).shape
    ///     (4,)
    #[pyo3(text_signature = "(logits, axis=-1, shape=None, num_samples=None, key=None, stream=None)")]
    categorical[logits, axis = -1, shape = None, num_samples = None, key = None](
        py: Python<'_>, logits: ArrayArgument, axis: i64, shape: Option<Axes>,
        num_samples: Option<i64>, key: Option<ArrayArgument>
    ) -> PyArray = {
        let key = key_or_next(py, key)?;
        mlx_oxide_ir::normalize_axis("categorical", axis, logits.0.ndim()).or_raise()?;
        let draws = match (shape, num_samples) {
            (None, None) => Draws::One,
            (None, Some(count)) => Draws::Each(to_size("categorical", "num_samples", count)?),
            (Some(shape), None) => Draws::Shaped(to_shape("categorical", shape.list())?),
            (Some(_), Some(_)) => {
                return Err(PyValueError::new_err("[categorical] shape and num_samples exclude each other"));
            }
        };
        wrap(random::categorical(&logits.0, axis, draws, Some(&key)))
    };
}

/// A seed: an integer of 64 bits.
struct Seed(u64);

impl<'a, 'py> FromPyObject<'a, 'py> for Seed {
    type Error = PyErr;
    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        value
            .extract()
            .map(Seed)
            .map_err(|_| wrong_type("random", "an integer from 0 to 2**64 - 1 as seed", &value))
    }
}

/// The key of a seed.
///
/// Args:
///     seed: an integer of 64 bits.
///
/// Example:
///     >>> mx.random.key(7)
///     array([0, 7], dtype=uint32)
#[pyfunction]
fn key(seed: Seed) -> PyResult<PyArray> {
    wrap(random::key(seed.0))
}

/// Starts the key sequence anew.
///
/// The calling thread's sequence alone; every draw without a key takes the next one.
///
/// Example:
///     >>> mx.random.seed(7)
#[pyfunction]
fn seed(py: Python<'_>, seed: Seed) -> PyResult<()> {
    let key = Bound::new(py, wrap(random::key(seed.0))?)?;
    random::seed(seed.0).or_raise()?;
    state(py)?.set_item(0, key)
}

/// Uniform bits: unsigned integers of `width` bytes.
///
/// Example:
///     >>> mx.random.bits((2, 3)).shape
///     (2, 3)
#[pyfunction]
#[pyo3(signature = (shape, width = 4, key = None, stream = None))]
fn bits(
    py: Python<'_>,
    shape: Axes,
    width: u8,
    key: Option<ArrayArgument>,
    stream: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyArray> {
    let _scope = crate::device::enter(stream)?;
    let key = key_or_next(py, key)?;
    wrap(random::bits(
        to_shape("bits", shape.list())?,
        width,
        Some(&key),
    ))
}

/// Adds the submodule.
pub(crate) fn register_all(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = crate::add_submodule(parent, "random")?;
    register(&module)?;
    module.add_function(wrap_pyfunction!(key, &module)?)?;
    module.add_function(wrap_pyfunction!(seed, &module)?)?;
    module.add_function(wrap_pyfunction!(bits, &module)?)?;
    module.add_class::<RandomState>()?;
    module.add("state", Bound::new(parent.py(), RandomState)?)
}
