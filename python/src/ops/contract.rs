//! Matrix products and convolutions.

use crate::arguments::{ArrayArgument, Axes, Numbers, items};
use crate::array::{PyArray, wrap};
use crate::error::argument_error;
use mlx_oxide_core::ops::{self, Extent};
use mlx_oxide_ir::Convolution;
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;

/// One number for each spatial axis.
fn spread(
    op: &str,
    name: &str,
    numbers: Option<Axes>,
    default: i64,
    spatial: usize,
) -> PyResult<Vec<usize>> {
    let numbers = numbers.unwrap_or(Axes::One(default));
    let list = numbers.list();
    let list = if list.len() == 1 {
        vec![list[0]; spatial]
    } else {
        list.to_vec()
    };
    let fits: Option<Vec<usize>> = list
        .iter()
        .map(|number| usize::try_from(*number).ok())
        .collect();
    fits.filter(|numbers| numbers.len() == spatial)
        .ok_or_else(|| {
            PyValueError::new_err(format!(
                "[{op}] {name} is {list:?}; expected {spatial} non-negative numbers"
            ))
        })
}

fn windowed(
    op: &str,
    spatial: usize,
    input: &ArrayArgument,
    weight: &ArrayArgument,
    options: (Option<Axes>, Option<Axes>, Option<Axes>, usize),
) -> PyResult<PyArray> {
    if input.0.ndim() != spatial + 2 || weight.0.ndim() != spatial + 2 {
        return Err(PyValueError::new_err(format!(
            "[{op}] input and weight must have {} axes, got shapes {} and {}",
            spatial + 2,
            input.0.shape(),
            weight.0.shape()
        )));
    }
    let stride = spread(op, "stride", options.0, 1, spatial)?;
    let padding = spread(op, "padding", options.1, 0, spatial)?;
    let dilation = spread(op, "dilation", options.2, 1, spatial)?;
    wrap(ops::convolution(
        &input.0, &weight.0, &stride, &padding, &dilation, options.3,
    ))
}

fn transposed(
    op: &str,
    spatial: usize,
    input: &ArrayArgument,
    weight: &ArrayArgument,
    options: (
        Option<Axes>,
        Option<Axes>,
        Option<Axes>,
        Option<Axes>,
        usize,
    ),
) -> PyResult<PyArray> {
    if input.0.ndim() != spatial + 2 || weight.0.ndim() != spatial + 2 {
        return Err(PyValueError::new_err(format!(
            "[{op}] input and weight must have {} axes, got shapes {} and {}",
            spatial + 2,
            input.0.shape(),
            weight.0.shape()
        )));
    }
    let stride = spread(op, "stride", options.0, 1, spatial)?;
    let padding = spread(op, "padding", options.1, 0, spatial)?;
    let dilation = spread(op, "dilation", options.2, 1, spatial)?;
    let extra = spread(op, "output_padding", options.3, 0, spatial)?;
    wrap(ops::convolution_transpose(
        &input.0, &weight.0, &stride, &padding, &dilation, &extra, options.4,
    ))
}

/// Padding of both sides of each axis.
fn both_sides(
    padding: Option<&Bound<'_, PyAny>>,
    spatial: usize,
) -> PyResult<(Vec<isize>, Vec<isize>)> {
    let Some(padding) = padding else {
        return Ok((vec![0; spatial], vec![0; spatial]));
    };
    let wrong = || {
        PyValueError::new_err(format!(
            "[conv_general] padding must be one number, {spatial} numbers or a pair of such lists"
        ))
    };
    let wide = |numbers: &Numbers| numbers.iter().map(|number| *number as isize).collect();
    if let Ok((low, high)) = padding.extract::<(Numbers, Numbers)>() {
        return if low.len() == spatial && high.len() == spatial {
            Ok((wide(&low), wide(&high)))
        } else {
            Err(wrong())
        };
    }
    let list = match padding.extract::<isize>() {
        Ok(number) => vec![number; spatial],
        Err(_) => wide(&padding.extract().map_err(|_| wrong())?),
    };
    let list = if list.len() == 1 {
        vec![list[0]; spatial]
    } else {
        list
    };
    if list.len() == spatial {
        Ok((list.clone(), list))
    } else {
        Err(wrong())
    }
}

super::functions! {
    /// The product of matrices.
    ///
    /// Vectors count as one row on the left and one column on the right, and their axis vanishes; axes
    /// before the last two broadcast: `(…, m, k) × (…, k, n)` → `(…, m, n)`. Dtypes promote, integers
    /// to floats.
    ///
    /// Raises:
    ///     ValueError: scalars; inner sizes that differ; shapes that do not broadcast.
    ///
    /// Example:
    ///     >>> mx.matmul(mx.ones((2, 3)), mx.ones((3, 4))).shape
    ///     (2, 4)
    matmul[a, b, /, *](a: ArrayArgument, b: ArrayArgument) -> PyArray = wrap(ops::matmul(&a.0, &b.0));
    /// `alpha·(a × b) + beta·c`.
    ///
    /// Args:
    ///     c: what broadcasts to the product.
    ///     a, b: as of `matmul`.
    ///     alpha, beta: numbers.
    ///
    /// Raises:
    ///     ValueError: as of `matmul`; an addend that does not broadcast.
    ///
    /// Example:
    ///     >>> mx.addmm(mx.array(1.0), mx.ones((1, 3)), mx.ones((3, 1))).item()
    ///     4.0
    addmm[c, a, b, /, alpha = 1.0, beta = 1.0, *](
        c: ArrayArgument, a: ArrayArgument, b: ArrayArgument, alpha: f64, beta: f64
    ) -> PyArray = wrap(ops::addmm(&c.0, &a.0, &b.0, alpha, beta));
    /// The sum of products over the last axes.
    ///
    /// `r[i…, j…] = Σₖ a[i…, k]·b[j…, k]`.
    ///
    /// Raises:
    ///     ValueError: last sizes that differ.
    ///
    /// Example:
    ///     >>> mx.inner(mx.array([1.0, 2.0]), mx.array([3.0, 4.0]))
    ///     array(11, dtype=float32)
    inner[a, b, /, *](a: ArrayArgument, b: ArrayArgument) -> PyArray = wrap(ops::inner(&a.0, &b.0));
    /// Every element of `a` times all of `b`, in blocks.
    ///
    /// Raises:
    ///     ValueError: a result too large to address.
    ///
    /// Example:
    ///     >>> mx.kron(mx.array([1, 2]), mx.array([1, 1]))
    ///     array([1, 1, 2, 2], dtype=int32)
    kron[a, b](a: ArrayArgument, b: ArrayArgument) -> PyArray = wrap(ops::kron(&a.0, &b.0));
    /// The convolution of two vectors.
    ///
    /// `r[n] = Σₖ a[k]·v[n - k]`; the longer vector counts as the first.
    ///
    /// Args:
    ///     a, v: vectors that are not empty.
    ///     mode: `"full"` for every `n` where they overlap, `"same"` for as many as the longer one has,
    ///         `"valid"` for those where they overlap whole.
    ///
    /// Raises:
    ///     ValueError: other shapes; another mode.
    ///
    /// Example:
    ///     >>> mx.convolve(mx.array([1.0, 2.0]), mx.array([1.0, 1.0]))
    ///     array([1, 3, 2], dtype=float32)
    convolve[a, v, /, mode = "full", *](
        a: ArrayArgument, v: ArrayArgument, mode: &str
    ) -> PyArray = {
        let extent = match mode {
            "full" => Extent::Full,
            "same" => Extent::Same,
            "valid" => Extent::Valid,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "[convolve] mode is {mode:?}; expected \"full\", \"same\" or \"valid\""
                )));
            }
        };
        wrap(ops::convolve(&a.0, &v.0, extent))
    };
    /// All products of an element of one and an element of the other.
    ///
    /// `r[i, j] = a[i]·b[j]` of the flat arrays.
    ///
    /// Example:
    ///     >>> mx.outer(mx.array([1, 2]), mx.array([3, 4])).tolist()
    ///     [[3, 4], [6, 8]]
    outer[a, b, /, *](a: ArrayArgument, b: ArrayArgument) -> PyArray = wrap(ops::outer(&a.0, &b.0));
    /// The sum of products over paired axes.
    ///
    /// Args:
    ///     a, b: arrays.
    ///     axes: how many last axes of `a` to pair with as many first axes of `b`, 2 by default; or a
    ///         list of axes of each.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: paired sizes that differ.
    ///
    /// Example:
    ///     >>> mx.tensordot(mx.ones((2, 3)), mx.ones((3, 4)), 1).shape
    ///     (2, 4)
    #[pyo3(text_signature = "(a, b, /, axes=2, *, stream=None)")]
    tensordot[a, b, /, axes = None, *](
        py: Python<'_>, a: ArrayArgument, b: ArrayArgument, axes: Option<&Bound<'_, PyAny>>
    ) -> PyArray = {
        match axes.map_or(Ok(2), |axes| axes.extract::<usize>()) {
            Ok(count) => return wrap(ops::tensordot(&a.0, &b.0, count)),
            Err(error) if error.is_instance_of::<PyOverflowError>(py) => return Err(error),
            Err(_) => {}
        }
        let pair: Option<Vec<Numbers>> = axes.and_then(|axes| items(axes, "lists").ok());
        match pair.as_deref() {
            Some([left, right]) => wrap(ops::tensordot_axes(&a.0, &b.0, left, right)),
            _ => Err(argument_error("[tensordot] axes must be a number or a pair of lists")),
        }
    };
    /// The sum of products along an axis, the first operand conjugated.
    ///
    /// `r = Σ conj(a)·b`; the other axes broadcast.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: sizes along the axis that differ; shapes that do not broadcast.
    ///
    /// Example:
    ///     >>> mx.vecdot(mx.array([1.0, 2.0]), mx.array([3.0, 4.0]))
    ///     array(11, dtype=float32)
    #[pyo3(text_signature = "(a, b, /, *, axis=-1, stream=None)")]
    vecdot[a, b, /, *, axis = -1](a: ArrayArgument, b: ArrayArgument, axis: i64) -> PyArray =
        wrap(ops::vecdot(&a.0, &b.0, axis));
    /// One-dimensional convolution.
    ///
    /// As in all learning frameworks the weight is not flipped.
    ///
    /// Args:
    ///     input: an array `(n, L, c)`, channels last.
    ///     weight: an array `(o, k, c/groups)`.
    ///     stride, padding, dilation: numbers for all spatial axes, or one for each; 1, 0 and 1 by
    ///         default. Padding adds zeros on both sides.
    ///     groups: how many groups of channels do not mix.
    ///
    /// Raises:
    ///     ValueError: other numbers of axes; channels or groups that do not fit; a window greater than
    ///         the padded input.
    ///
    /// Example:
    ///     >>> mx.conv1d(mx.zeros((1, 8, 3)), mx.zeros((4, 3, 3))).shape
    ///     (1, 6, 4)
    #[pyo3(text_signature = "(input, weight, /, stride=1, padding=0, dilation=1, groups=1, *, stream=None)")]
    conv1d[input, weight, /, stride = None, padding = None, dilation = None, groups = 1, *](
        input: ArrayArgument, weight: ArrayArgument, stride: Option<Axes>, padding: Option<Axes>,
        dilation: Option<Axes>, groups: usize
    ) -> PyArray = windowed("conv1d", 1, &input, &weight, (stride, padding, dilation, groups));
    /// Two-dimensional convolution.
    ///
    /// As in all learning frameworks the weight is not flipped.
    ///
    /// Args:
    ///     input: an array `(n, H, W, c)`, channels last.
    ///     weight: an array `(o, k, k, c/groups)`.
    ///     stride, padding, dilation: numbers for all spatial axes, or one for each; 1, 0 and 1 by
    ///         default. Padding adds zeros on both sides.
    ///     groups: how many groups of channels do not mix.
    ///
    /// Raises:
    ///     ValueError: other numbers of axes; channels or groups that do not fit; a window greater than
    ///         the padded input.
    ///
    /// Example:
    ///     >>> mx.conv2d(mx.zeros((1, 8, 8, 3)), mx.zeros((4, 3, 3, 3))).shape
    ///     (1, 6, 6, 4)
    #[pyo3(text_signature = "(input, weight, /, stride=1, padding=0, dilation=1, groups=1, *, stream=None)")]
    conv2d[input, weight, /, stride = None, padding = None, dilation = None, groups = 1, *](
        input: ArrayArgument, weight: ArrayArgument, stride: Option<Axes>, padding: Option<Axes>,
        dilation: Option<Axes>, groups: usize
    ) -> PyArray = windowed("conv2d", 2, &input, &weight, (stride, padding, dilation, groups));
    /// Three-dimensional convolution.
    ///
    /// As in all learning frameworks the weight is not flipped.
    ///
    /// Args:
    ///     input: an array `(n, D, H, W, c)`, channels last.
    ///     weight: an array `(o, k, k, k, c/groups)`.
    ///     stride, padding, dilation: numbers for all spatial axes, or one for each; 1, 0 and 1 by
    ///         default. Padding adds zeros on both sides.
    ///     groups: how many groups of channels do not mix.
    ///
    /// Raises:
    ///     ValueError: other numbers of axes; channels or groups that do not fit; a window greater than
    ///         the padded input.
    ///
    /// Example:
    ///     >>> mx.conv3d(mx.zeros((1, 8, 8, 8, 3)), mx.zeros((4, 3, 3, 3, 3))).shape
    ///     (1, 6, 6, 6, 4)
    #[pyo3(text_signature = "(input, weight, /, stride=1, padding=0, dilation=1, groups=1, *, stream=None)")]
    conv3d[input, weight, /, stride = None, padding = None, dilation = None, groups = 1, *](
        input: ArrayArgument, weight: ArrayArgument, stride: Option<Axes>, padding: Option<Axes>,
        dilation: Option<Axes>, groups: usize
    ) -> PyArray = windowed("conv3d", 3, &input, &weight, (stride, padding, dilation, groups));
    /// One-dimensional transposed convolution.
    ///
    /// The gradient of the convolution by its input, with the weight's channels and outputs exchanged:
    /// it enlarges where the convolution with that stride shrinks.
    ///
    /// Args:
    ///     input: an array `(n, L, c)`, channels last.
    ///     weight: an array `(o, k, c/groups)`.
    ///     stride, padding, dilation: of the convolution; 1, 0 and 1 by default.
    ///     output_padding: how many more places the result has at the end, 0 by default.
    ///     groups: how many groups of channels do not mix.
    ///
    /// Raises:
    ///     ValueError: other numbers of axes; channels or groups that do not fit.
    ///
    /// Example:
    ///     >>> mx.conv_transpose1d(mx.zeros((1, 4, 3)), mx.zeros((5, 2, 3)), stride=2).shape
    ///     (1, 8, 5)
    #[pyo3(text_signature = "(input, weight, /, stride=1, padding=0, dilation=1, output_padding=0, groups=1, *, stream=None)")]
    conv_transpose1d[input, weight, /, stride = None, padding = None, dilation = None,
        output_padding = None, groups = 1, *](
        input: ArrayArgument, weight: ArrayArgument, stride: Option<Axes>, padding: Option<Axes>,
        dilation: Option<Axes>, output_padding: Option<Axes>, groups: usize
    ) -> PyArray = transposed("conv_transpose1d", 1, &input, &weight,
        (stride, padding, dilation, output_padding, groups));
    /// Two-dimensional transposed convolution.
    ///
    /// The gradient of the convolution by its input, with the weight's channels and outputs exchanged:
    /// it enlarges where the convolution with that stride shrinks.
    ///
    /// Args:
    ///     input: an array `(n, H, W, c)`, channels last.
    ///     weight: an array `(o, k, k, c/groups)`.
    ///     stride, padding, dilation: of the convolution; 1, 0 and 1 by default.
    ///     output_padding: how many more places the result has at the end, 0 by default.
    ///     groups: how many groups of channels do not mix.
    ///
    /// Raises:
    ///     ValueError: other numbers of axes; channels or groups that do not fit.
    ///
    /// Example:
    ///     >>> mx.conv_transpose2d(mx.zeros((1, 4, 4, 3)), mx.zeros((5, 2, 2, 3)), stride=2).shape
    ///     (1, 8, 8, 5)
    #[pyo3(text_signature = "(input, weight, /, stride=1, padding=0, dilation=1, output_padding=0, groups=1, *, stream=None)")]
    conv_transpose2d[input, weight, /, stride = None, padding = None, dilation = None,
        output_padding = None, groups = 1, *](
        input: ArrayArgument, weight: ArrayArgument, stride: Option<Axes>, padding: Option<Axes>,
        dilation: Option<Axes>, output_padding: Option<Axes>, groups: usize
    ) -> PyArray = transposed("conv_transpose2d", 2, &input, &weight,
        (stride, padding, dilation, output_padding, groups));
    /// Three-dimensional transposed convolution.
    ///
    /// The gradient of the convolution by its input, with the weight's channels and outputs exchanged:
    /// it enlarges where the convolution with that stride shrinks.
    ///
    /// Args:
    ///     input: an array `(n, D, H, W, c)`, channels last.
    ///     weight: an array `(o, k, k, k, c/groups)`.
    ///     stride, padding, dilation: of the convolution; 1, 0 and 1 by default.
    ///     output_padding: how many more places the result has at the end, 0 by default.
    ///     groups: how many groups of channels do not mix.
    ///
    /// Raises:
    ///     ValueError: other numbers of axes; channels or groups that do not fit.
    ///
    /// Example:
    ///     >>> mx.conv_transpose3d(mx.zeros((1, 4, 4, 4, 3)), mx.zeros((5, 2, 2, 2, 3)), stride=2).shape
    ///     (1, 8, 8, 8, 5)
    #[pyo3(text_signature = "(input, weight, /, stride=1, padding=0, dilation=1, output_padding=0, groups=1, *, stream=None)")]
    conv_transpose3d[input, weight, /, stride = None, padding = None, dilation = None,
        output_padding = None, groups = 1, *](
        input: ArrayArgument, weight: ArrayArgument, stride: Option<Axes>, padding: Option<Axes>,
        dilation: Option<Axes>, output_padding: Option<Axes>, groups: usize
    ) -> PyArray = transposed("conv_transpose3d", 3, &input, &weight,
        (stride, padding, dilation, output_padding, groups));
    /// A convolution with all its parameters.
    ///
    /// Args:
    ///     input: an array `(n, …, c)` with one to three spatial axes, channels last.
    ///     weight: an array `(o, …, c/groups)`.
    ///     stride: steps of the window, 1 by default.
    ///     padding: zeros around; a number, one for each axis, or a list for before and one for after.
    ///         Below zero elements are cut off.
    ///     kernel_dilation, input_dilation: distances of the weight's and the input's elements.
    ///     groups: how many groups of channels do not mix.
    ///     flip: whether the weight is flipped, as in signal processing.
    ///
    /// Raises:
    ///     ValueError: channels, groups or parameters that do not fit.
    ///
    /// Example:
    ///     >>> mx.conv_general(mx.zeros((1, 8, 3)), mx.zeros((4, 3, 3)), padding=([2], [0])).shape
    ///     (1, 8, 4)
    #[pyo3(text_signature = "(input, weight, /, stride=1, padding=0, kernel_dilation=1, input_dilation=1, groups=1, flip=False, *, stream=None)")]
    conv_general[input, weight, /, stride = None, padding = None, kernel_dilation = None,
        input_dilation = None, groups = 1, flip = false, *](
        input: ArrayArgument, weight: ArrayArgument, stride: Option<Axes>,
        padding: Option<&Bound<'_, PyAny>>, kernel_dilation: Option<Axes>,
        input_dilation: Option<Axes>, groups: usize, flip: bool
    ) -> PyArray = {
        const OP: &str = "conv_general";
        let spatial = input.0.ndim().saturating_sub(2);
        let (low, high) = both_sides(padding, spatial)?;
        let convolution = Convolution {
            stride: spread(OP, "stride", stride, 1, spatial)?.into(),
            padding_low: low.into(),
            padding_high: high.into(),
            kernel_dilation: spread(OP, "kernel_dilation", kernel_dilation, 1, spatial)?.into(),
            input_dilation: spread(OP, "input_dilation", input_dilation, 1, spatial)?.into(),
            groups,
            flip,
        };
        wrap(ops::conv_general(&input.0, &weight.0, convolution))
    };
}
