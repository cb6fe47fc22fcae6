//! Methods that are functions of the module with the array first.
//!
//! They pass their arguments on, so that a function and its method are one definition.

use super::PyArray;
use crate::arguments::numbers;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

/// Each row is documentation, the signature that Python shows, and a name; it expands to a method
/// that calls the function of the name with the array and whatever it is given.
macro_rules! methods {
    ($($(#[$documentation:meta])* $name:ident;)*) => {
        #[pymethods]
        impl PyArray {
            $(
                #[pyo3(signature = (*arguments, **keywords))]
                $(#[$documentation])*
                fn $name<'py>(
                    slf: &Bound<'py, Self>,
                    arguments: &Bound<'py, PyTuple>,
                    keywords: Option<&Bound<'py, PyDict>>,
                ) -> PyResult<Bound<'py, PyAny>> {
                    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                    call(&FUNCTION, stringify!($name), slf, arguments, keywords)
                }
            )*
        }
    };
}
methods! {
    /// The axes from `start_axis` to `end_axis`, both included, made one; a scalar becomes a
    /// vector. See `mx.flatten`.
    ///
    /// Example:
    ///     >>> mx.zeros((2, 3, 4)).flatten(1).shape
    ///     (2, 12)
    #[pyo3(text_signature = "($self, start_axis=0, end_axis=-1, *, stream=None)")]
    flatten;
    /// The array without axes of size 1: without all of them, or those in `axis`. See
    /// `mx.squeeze`.
    ///
    /// Example:
    ///     >>> mx.zeros((1, 3, 1)).squeeze(0).shape
    ///     (3, 1)
    #[pyo3(text_signature = "($self, axis=None, *, stream=None)")]
    squeeze;
    /// The absolute value `|x|`; the modulus of a complex number. See `mx.abs`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).abs()
    ///     array([0, 1], dtype=int32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    abs;
    /// The square `x²`. See `mx.square`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).square()
    ///     array([0, 1], dtype=int32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    square;
    /// The square root `√x`. See `mx.sqrt`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).sqrt()
    ///     array([0, 1], dtype=float32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    sqrt;
    /// The reciprocal square root `1/√x`. See `mx.rsqrt`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).rsqrt()
    ///     array([inf, 1], dtype=float32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    rsqrt;
    /// `1/a`. Integers become `float32`. See `mx.reciprocal`.
    ///
    /// Example:
    ///     >>> mx.array([2, 4]).reciprocal()
    ///     array([0.5, 0.25], dtype=float32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    reciprocal;
    /// The exponential `eˣ`. See `mx.exp`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).exp()
    ///     array([1, 2.71828], dtype=float32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    exp;
    /// The natural logarithm `ln x`. See `mx.log`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).log()
    ///     array([-inf, 0], dtype=float32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    log;
    /// The logarithm to base two. See `mx.log2`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).log2()
    ///     array([-inf, 0], dtype=float32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    log2;
    /// The logarithm to base ten. See `mx.log10`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).log10()
    ///     array([-inf, 0], dtype=float32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    log10;
    /// `ln(1 + x)`, exact near zero. See `mx.log1p`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).log1p()
    ///     array([0, 0.693147], dtype=float32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    log1p;
    /// The sine of an angle in radians. See `mx.sin`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).sin()
    ///     array([0, 0.841471], dtype=float32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    sin;
    /// The cosine of an angle in radians. See `mx.cos`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).cos()
    ///     array([1, 0.540302], dtype=float32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    cos;
    /// The sum over axes: `Σ a`. See `mx.sum`.
    ///
    /// Example:
    ///     >>> mx.array([[1, 2], [3, 4]]).sum(axis=0)
    ///     array([4, 6], dtype=int32)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, *, dtype=None, stream=None)")]
    sum;
    /// The product over axes: `Π a`. See `mx.prod`.
    ///
    /// Example:
    ///     >>> mx.array([[1, 2], [3, 4]]).prod(axis=1)
    ///     array([2, 12], dtype=int32)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, *, dtype=None, stream=None)")]
    prod;
    /// The mean over axes: `Σ a / n`. Integers become `float32`. See `mx.mean`.
    ///
    /// Example:
    ///     >>> mx.array([[1, 2], [3, 4]]).mean(axis=0)
    ///     array([2, 3], dtype=float32)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, *, stream=None)")]
    mean;
    /// The standard deviation over axes: the square root of `var`. See `mx.std`.
    ///
    /// Example:
    ///     >>> mx.array([1, 3]).std()
    ///     array(1, dtype=float32)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, ddof=0, *, correction=None, stream=None)")]
    std;
    /// The variance over axes: `Σ |a - mean|² / (n - ddof)`. Integers become `float32`. See
    /// `mx.var`.
    ///
    /// Example:
    ///     >>> mx.array([1, 3]).var(ddof=1)
    ///     array(2, dtype=float32)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, ddof=0, *, correction=None, stream=None)")]
    var;
    /// The least element over axes; NaN if there is one. See `mx.min`.
    ///
    /// Example:
    ///     >>> mx.array([[1, 4], [3, 2]]).min(axis=0)
    ///     array([1, 2], dtype=int32)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, *, stream=None)")]
    min;
    /// The greatest element over axes; NaN if there is one. See `mx.max`.
    ///
    /// Example:
    ///     >>> mx.array([[1, 4], [3, 2]]).max(axis=0)
    ///     array([3, 4], dtype=int32)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, *, stream=None)")]
    max;
    /// The `uint32` position of the first greatest element along an axis, or in the flat array.
    /// See `mx.argmax`.
    ///
    /// Example:
    ///     >>> mx.array([1, 3, 3]).argmax()
    ///     array(1, dtype=uint32)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, *, stream=None)")]
    argmax;
    /// The `uint32` position of the first least element along an axis, or in the flat array. See
    /// `mx.argmin`.
    ///
    /// Example:
    ///     >>> mx.array([3, 1, 1]).argmin()
    ///     array(1, dtype=uint32)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, *, stream=None)")]
    argmin;
    /// Whether all elements over axes are nonzero; true of none. See `mx.all`.
    ///
    /// Example:
    ///     >>> mx.array([[1, 0], [3, 2]]).all(axis=1)
    ///     array([False, True], dtype=bool)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, *, stream=None)")]
    all;
    /// Whether any element over axes is nonzero; false of none. See `mx.any`.
    ///
    /// Example:
    ///     >>> mx.array([[1, 0], [0, 0]]).any(axis=1)
    ///     array([True, False], dtype=bool)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, *, stream=None)")]
    any;
    /// The array with two axes exchanged. See `mx.swapaxes`.
    ///
    /// Example:
    ///     >>> mx.zeros((2, 3, 4)).swapaxes(0, 2).shape
    ///     (4, 3, 2)
    #[pyo3(text_signature = "($self, axis1, axis2, *, stream=None)")]
    swapaxes;
    /// The array with axes moved to other places; the others keep their order. See `mx.moveaxis`.
    ///
    /// Example:
    ///     >>> mx.zeros((2, 3, 4)).moveaxis(0, 2).shape
    ///     (3, 4, 2)
    #[pyo3(text_signature = "($self, source, destination, *, stream=None)")]
    moveaxis;
    /// `ln Σ eᵃ` over axes, without overflow. Integers become `float32`. See `mx.logsumexp`.
    ///
    /// Example:
    ///     >>> mx.array([1000.0, 1000.0]).logsumexp()
    ///     array(1000.69, dtype=float32)
    #[pyo3(text_signature = "($self, axis=None, keepdims=False, *, stream=None)")]
    logsumexp;
    /// Sums of the elements so far: `r[i] = Σ a[j]`, `j ≤ i`, along an axis or of the flat array.
    /// See `mx.cumsum`.
    ///
    /// Example:
    ///     >>> mx.array([1, 2, 3]).cumsum()
    ///     array([1, 3, 6], dtype=int32)
    #[pyo3(text_signature = "($self, axis=None, *, reverse=False, inclusive=True, dtype=None, include_initial=False, stream=None)")]
    cumsum;
    /// Products of the elements so far: `r[i] = Π a[j]`, `j ≤ i`, along an axis or of the flat
    /// array. See `mx.cumprod`.
    ///
    /// Example:
    ///     >>> mx.array([1, 2, 3]).cumprod()
    ///     array([1, 2, 6], dtype=int32)
    #[pyo3(text_signature = "($self, axis=None, *, reverse=False, inclusive=True, dtype=None, include_initial=False, stream=None)")]
    cumprod;
    /// The greatest element so far along an axis, or of the flat array. See `mx.cummax`.
    ///
    /// Example:
    ///     >>> mx.array([1, 3, 2]).cummax()
    ///     array([1, 3, 3], dtype=int32)
    #[pyo3(text_signature = "($self, axis=None, *, reverse=False, inclusive=True, stream=None)")]
    cummax;
    /// The least element so far along an axis, or of the flat array. See `mx.cummin`.
    ///
    /// Example:
    ///     >>> mx.array([3, 1, 2]).cummin()
    ///     array([3, 1, 1], dtype=int32)
    #[pyo3(text_signature = "($self, axis=None, *, reverse=False, inclusive=True, stream=None)")]
    cummin;
    /// The nearest number with so many decimals, ties to even. See `mx.round`.
    ///
    /// Example:
    ///     >>> mx.array([0.5, 1.5, 1.25]).round(1)
    ///     array([0.5, 1.5, 1.2], dtype=float32)
    #[pyo3(text_signature = "($self, decimals=0, stream=None)")]
    round;
    /// The complex conjugate. See `mx.conj`.
    ///
    /// Example:
    ///     >>> mx.array([0, 1]).conj()
    ///     array([0, 1], dtype=int32)
    #[pyo3(text_signature = "($self, *, stream=None)")]
    conj;
    /// The elements' bytes read as another dtype; the last axis shrinks or grows with the width.
    /// See `mx.view`.
    ///
    /// Example:
    ///     >>> mx.array([1.0]).view(mx.int32)
    ///     array([1065353216], dtype=int32)
    #[pyo3(text_signature = "($self, dtype, stream=None)")]
    view;
    /// The diagonal `k` of a matrix, or the square matrix with a vector on that diagonal and
    /// zeros elsewhere. See `mx.diag`.
    ///
    /// Example:
    ///     >>> mx.array([1, 2]).diag().tolist()
    ///     [[1, 0], [0, 2]]
    #[pyo3(text_signature = "($self, k=0, *, stream=None)")]
    diag;
    /// The elements `a[…, i, i + offset, …]` of two axes, as a last axis in place of both. See
    /// `mx.diagonal`.
    ///
    /// Example:
    ///     >>> mx.array([[1, 2], [3, 4]]).diagonal()
    ///     array([1, 4], dtype=int32)
    #[pyo3(text_signature = "($self, offset=0, axis1=0, axis2=1, stream=None)")]
    diagonal;
    /// The array cut along an axis, as a list of parts. See `mx.split`.
    ///
    /// Example:
    ///     >>> [part.tolist() for part in mx.arange(5).split([2])]
    ///     [[0, 1], [2, 3, 4]]
    #[pyo3(text_signature = "($self, indices_or_sections, axis=0, *, stream=None)")]
    split;
    /// `ln Σ eᵃ` of the elements so far, without overflow. Integers become `float32`. See
    /// `mx.logcumsumexp`.
    ///
    /// Example:
    ///     >>> mx.array([0.0, 0.0]).logcumsumexp()
    ///     array([0, 0.693147], dtype=float32)
    #[pyo3(text_signature = "($self, axis=None, *, reverse=False, inclusive=True, stream=None)")]
    logcumsumexp;
    /// The greater of both; NaN if either is. See `mx.maximum`.
    ///
    /// Example:
    ///     >>> mx.array([1, 2]).maximum(2)
    ///     array([2, 2], dtype=int32)
    #[pyo3(text_signature = "($self, b, stream=None)")]
    maximum;
    /// The lesser of both; NaN if either is. See `mx.minimum`.
    ///
    /// Example:
    ///     >>> mx.array([1, 2]).minimum(2)
    ///     array([1, 2], dtype=int32)
    #[pyo3(text_signature = "($self, b, stream=None)")]
    minimum;
    /// One axis split into several of sizes `shape`, one of which may be -1. See `mx.unflatten`.
    ///
    /// Example:
    ///     >>> mx.zeros((6, 4)).unflatten(0, (2, -1)).shape
    ///     (2, 3, 4)
    #[pyo3(text_signature = "($self, axis, shape, *, stream=None)")]
    unflatten;
}

fn call<'py>(
    cache: &'static PyOnceLock<Py<PyAny>>,
    name: &str,
    slf: &Bound<'py, PyArray>,
    arguments: &Bound<'py, PyTuple>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let function = cache
        .get_or_try_init(py, || {
            py.import("mlx_oxide.core")?
                .getattr(name)
                .map(Bound::unbind)
        })?
        .bind(py);
    let first = PyTuple::new(py, [slf.as_any()])?;
    let all = first
        .as_sequence()
        .concat(arguments.as_sequence())?
        .to_tuple()?;
    function.call(all, keywords)
}

/// Sizes or axes given one by one or as one sequence.
fn spread<'py>(arguments: &Bound<'py, PyTuple>) -> PyResult<Vec<i64>> {
    if arguments.len() == 1 {
        let only = arguments.get_item(0)?;
        if let Ok(numbers) = numbers(&only) {
            return Ok(numbers);
        }
    }
    arguments.extract()
}

#[pymethods]
impl PyArray {
    /// The elements under another shape, given as numbers or as one sequence. See `mx.reshape`.
    ///
    /// Example:
    ///     >>> mx.arange(6).reshape(2, -1).shape
    ///     (2, 3)
    #[pyo3(signature = (*shape, stream = None))]
    fn reshape(
        &self,
        shape: &Bound<'_, PyTuple>,
        stream: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyArray> {
        let _scope = crate::device::enter(stream)?;
        super::wrap(mlx_oxide_core::ops::reshape(&self.get(), &spread(shape)?))
    }

    /// The axes in another order, given as numbers or as one sequence; reversed without any. See
    /// `mx.transpose`.
    ///
    /// Example:
    ///     >>> mx.zeros((2, 3, 4)).transpose(1, 0, 2).shape
    ///     (3, 2, 4)
    #[pyo3(signature = (*axes, stream = None))]
    fn transpose(
        &self,
        axes: &Bound<'_, PyTuple>,
        stream: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyArray> {
        let _scope = crate::device::enter(stream)?;
        let none = axes.len() == 1 && axes.get_item(0)?.is_none();
        let given = match none || axes.is_empty() {
            true => None,
            false => Some(spread(axes)?),
        };
        crate::ops::view::in_order(&self.get(), given.as_deref())
    }
}
