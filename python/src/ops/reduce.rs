//! Reductions and cumulative operations.

use crate::arguments::{ArrayArgument, Axes, list};
use crate::array::{PyArray, wrap};
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::normalize_axis;
use pyo3::PyResult;

fn cast(a: ArrayArgument, dtype: Option<PyDtype>) -> PyResult<Array> {
    match dtype {
        Some(dtype) => ops::astype(&a.0, dtype.0).or_raise(),
        None => Ok(a.0),
    }
}

/// What is subtracted from the number of elements, which may be a fraction.
struct Freedom {
    ddof: usize,
    correction: Option<f64>,
}

fn variance(
    a: &Array,
    axes: Option<&[i64]>,
    keepdims: bool,
    freedom: &Freedom,
) -> mlx_oxide_ir::Result<Array> {
    let correction = match freedom.correction {
        None => return ops::var(a, axes, keepdims, freedom.ddof),
        Some(whole) if whole >= 0.0 && whole.fract() == 0.0 => {
            return ops::var(a, axes, keepdims, whole as usize);
        }
        Some(correction) => correction,
    };
    let variance = ops::var(a, axes, keepdims, 0)?;
    let count = a.size() as f64 / variance.size().max(1) as f64;
    let factor = count / (count - correction).max(0.0);
    ops::multiply(&variance, &ops::unary::scalar_like(&variance, factor)?)
}

/// The result with a slice of the neutral element before the first.
fn with_initial(axis: Option<i64>, scanned: &Array, neutral: f64) -> mlx_oxide_ir::Result<Array> {
    let axis = normalize_axis("cumulative", axis.unwrap_or(0), scanned.ndim())?;
    let first = ops::unary::scalar_like(scanned, neutral)?;
    let shape = scanned.shape().with(axis, 1);
    let first = ops::broadcast_to(&first, shape)?;
    ops::concatenate(&[&first, scanned], axis as i64)
}

super::functions! {
    /// The sum over axes: `Σ a`.
    ///
    /// Args:
    ///     a: any array; `bool` and integers narrower than 32 bits sum up in 32.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether summed axes stay, with size 1.
    ///     dtype: what elements are converted to before.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.sum(mx.array([[1, 2], [3, 4]]), axis=0)
    ///     array([4, 6], dtype=int32)
    #[pyo3(name = "sum")]
    _sum[a, /, axis = None, keepdims = false, *, dtype = None](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool, dtype: Option<PyDtype>
    ) -> PyArray = wrap(ops::sum(&cast(a, dtype)?, list(&axis), keepdims));
    /// The product over axes: `Π a`.
    ///
    /// Args:
    ///     a: any array; `bool` and integers narrower than 32 bits multiply in 32.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///     dtype: what elements are converted to before.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.prod(mx.array([[1, 2], [3, 4]]), axis=1)
    ///     array([2, 12], dtype=int32)
    prod[a, /, axis = None, keepdims = false, *, dtype = None](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool, dtype: Option<PyDtype>
    ) -> PyArray = wrap(ops::prod(&cast(a, dtype)?, list(&axis), keepdims));
    /// The greatest element over axes; NaN if there is one.
    ///
    /// Args:
    ///     a: an array with elements along the axes.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: no elements.
    ///
    /// Example:
    ///     >>> mx.max(mx.array([[1, 4], [3, 2]]), axis=0)
    ///     array([3, 4], dtype=int32)
    #[pyo3(name = "max")]
    _max[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::max(&a.0, list(&axis), keepdims));
    /// The least element over axes; NaN if there is one.
    ///
    /// Args:
    ///     a: an array with elements along the axes.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: no elements.
    ///
    /// Example:
    ///     >>> mx.min(mx.array([[1, 4], [3, 2]]), axis=0)
    ///     array([1, 2], dtype=int32)
    #[pyo3(name = "min")]
    _min[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::min(&a.0, list(&axis), keepdims));
    /// The least and the greatest element over axes: `(min(a), max(a))`.
    ///
    /// Args:
    ///     a, axis, keepdims: as of `min`.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: no elements.
    ///
    /// Example:
    ///     >>> mx.minmax(mx.array([3, 1, 2]))
    ///     (array(1, dtype=int32), array(3, dtype=int32))
    minmax[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> (PyArray, PyArray) = {
        let (least, greatest) = ops::minmax(&a.0, list(&axis), keepdims).or_raise()?;
        Ok((least.into(), greatest.into()))
    };
    /// Whether all elements over axes are nonzero; true of none.
    ///
    /// Args:
    ///     a: any array; NaN counts as nonzero.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.all(mx.array([[1, 0], [3, 2]]), axis=1)
    ///     array([False, True], dtype=bool)
    #[pyo3(name = "all")]
    _all[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::all(&a.0, list(&axis), keepdims));
    /// Whether any element over axes is nonzero; false of none.
    ///
    /// Args:
    ///     a: any array; NaN counts as nonzero.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.any(mx.array([[1, 0], [0, 0]]), axis=1)
    ///     array([True, False], dtype=bool)
    #[pyo3(name = "any")]
    _any[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::any(&a.0, list(&axis), keepdims));
    /// The mean over axes: `Σ a / n`. Integers become `float32`.
    ///
    /// Args:
    ///     a: any array.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.mean(mx.array([[1, 2], [3, 4]]), axis=0)
    ///     array([2, 3], dtype=float32)
    mean[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::mean(&a.0, list(&axis), keepdims));
    /// The median over axes: the middle of the sorted elements, or the mean of both middle ones.
    ///
    /// Args:
    ///     a: a real array with elements along the axes.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: no elements.
    ///
    /// Example:
    ///     >>> mx.median(mx.array([5, 1, 2, 4]))
    ///     array(3, dtype=float32)
    median[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::median(&a.0, list(&axis), keepdims));
    /// The variance over axes: `Σ |a - mean|² / (n - ddof)`. Integers become `float32`.
    ///
    /// Args:
    ///     a: any array.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///     ddof: what is subtracted from the number of elements.
    ///     correction: the same by the array API standard's name, and possibly a fraction.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.var(mx.array([1, 3]), ddof=1)
    ///     array(2, dtype=float32)
    var[a, /, axis = None, keepdims = false, ddof = 0, *, correction = None](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool, ddof: usize, correction: Option<f64>
    ) -> PyArray = wrap(variance(&a.0, list(&axis), keepdims, &Freedom { ddof, correction }));
    /// The standard deviation over axes: the square root of `var`.
    ///
    /// Args:
    ///     a, axis, keepdims, ddof, correction: as of `var`.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.std(mx.array([1, 3]))
    ///     array(1, dtype=float32)
    #[pyo3(name = "std")]
    _std[a, /, axis = None, keepdims = false, ddof = 0, *, correction = None](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool, ddof: usize, correction: Option<f64>
    ) -> PyArray = {
        let variance = variance(&a.0, list(&axis), keepdims, &Freedom { ddof, correction });
        wrap(ops::sqrt(&variance.or_raise()?))
    };
    /// `ln Σ eᵃ` over axes, without overflow. Integers become `float32`.
    ///
    /// Args:
    ///     a: any array; of no elements the result is `-inf`.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.logsumexp(mx.array([1000.0, 1000.0]))
    ///     array(1000.69, dtype=float32)
    logsumexp[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::logsumexp(&a.0, list(&axis), keepdims));
    /// How many elements over axes are nonzero.
    ///
    /// Args:
    ///     a: any array; NaN counts as nonzero.
    ///     axis: one axis or several; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.count_nonzero(mx.array([0, 7, 8]))
    count_nonzero[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = wrap(ops::count_nonzero(&a.0, list(&axis), keepdims));
    /// The `uint32` position of the first greatest element along an axis, or in the flat array.
    ///
    /// Args:
    ///     a: a real array with elements along the axis.
    ///     axis: the axis; the flat array by default.
    ///     keepdims: whether the axis stays, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: no elements.
    ///
    /// Example:
    ///     >>> mx.argmax(mx.array([1, 3, 3]))
    ///     array(1, dtype=uint32)
    argmax[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<i64>, keepdims: bool
    ) -> PyArray = wrap(ops::argmax(&a.0, axis, keepdims));
    /// The `uint32` position of the first least element along an axis, or in the flat array.
    ///
    /// Args:
    ///     a: a real array with elements along the axis.
    ///     axis: the axis; the flat array by default.
    ///     keepdims: whether the axis stays, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: no elements.
    ///
    /// Example:
    ///     >>> mx.argmin(mx.array([3, 1, 1]))
    ///     array(1, dtype=uint32)
    argmin[a, /, axis = None, keepdims = false, *](
        a: ArrayArgument, axis: Option<i64>, keepdims: bool
    ) -> PyArray = wrap(ops::argmin(&a.0, axis, keepdims));
    /// Sums of the elements so far: `r[i] = Σ a[j]`, `j ≤ i`, along an axis or of the flat array.
    ///
    /// Args:
    ///     a: any array.
    ///     axis: the axis; the flat array by default.
    ///     reverse: whether to begin at the end.
    ///     inclusive: whether element `i` itself takes part in result `i`.
    ///     dtype: what elements are converted to before.
    ///     include_initial: whether a zero comes before the first sum.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.cumsum(mx.array([1, 2, 3]))
    ///     array([1, 3, 6], dtype=int32)
    cumsum[a, /, axis = None, *, reverse = false, inclusive = true, dtype = None, include_initial = false](
        a: ArrayArgument, axis: Option<i64>, reverse: bool, inclusive: bool,
        dtype: Option<PyDtype>, include_initial: bool
    ) -> PyArray = {
        let sums = ops::cumsum(&cast(a, dtype)?, axis, reverse, inclusive).or_raise()?;
        wrap(if include_initial { with_initial(axis, &sums, 0.0) } else { Ok(sums) })
    };
    /// Products of the elements so far: `r[i] = Π a[j]`, `j ≤ i`, along an axis or of the flat
    /// array.
    ///
    /// Args:
    ///     a, axis, reverse, inclusive, dtype: as of `cumsum`.
    ///     include_initial: whether a one comes before the first product.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.cumprod(mx.array([1, 2, 3]))
    ///     array([1, 2, 6], dtype=int32)
    cumprod[a, /, axis = None, *, reverse = false, inclusive = true, dtype = None, include_initial = false](
        a: ArrayArgument, axis: Option<i64>, reverse: bool, inclusive: bool,
        dtype: Option<PyDtype>, include_initial: bool
    ) -> PyArray = {
        let products = ops::cumprod(&cast(a, dtype)?, axis, reverse, inclusive).or_raise()?;
        wrap(if include_initial { with_initial(axis, &products, 1.0) } else { Ok(products) })
    };
    /// The greatest element so far along an axis, or of the flat array.
    ///
    /// Args:
    ///     a, axis, reverse, inclusive: as of `cumsum`.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.cummax(mx.array([1, 3, 2]))
    ///     array([1, 3, 3], dtype=int32)
    cummax[a, /, axis = None, *, reverse = false, inclusive = true](
        a: ArrayArgument, axis: Option<i64>, reverse: bool, inclusive: bool
    ) -> PyArray = wrap(ops::cummax(&a.0, axis, reverse, inclusive));
    /// The least element so far along an axis, or of the flat array.
    ///
    /// Args:
    ///     a, axis, reverse, inclusive: as of `cumsum`.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.cummin(mx.array([3, 1, 2]))
    ///     array([3, 1, 1], dtype=int32)
    cummin[a, /, axis = None, *, reverse = false, inclusive = true](
        a: ArrayArgument, axis: Option<i64>, reverse: bool, inclusive: bool
    ) -> PyArray = wrap(ops::cummin(&a.0, axis, reverse, inclusive));
    /// `ln Σ eᵃ` of the elements so far, without overflow. Integers become `float32`.
    ///
    /// Args:
    ///     a, axis, reverse, inclusive: as of `cumsum`.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.logcumsumexp(mx.array([0.0, 0.0]))
    ///     array([0, 0.693147], dtype=float32)
    logcumsumexp[a, /, axis = None, *, reverse = false, inclusive = true](
        a: ArrayArgument, axis: Option<i64>, reverse: bool, inclusive: bool
    ) -> PyArray = wrap(ops::logcumsumexp(&a.0, axis, reverse, inclusive));
}
