//! Packed matrices and numbers of eight bits.

use crate::arguments::ArrayArgument;
use crate::array::{PyArray, wrap};
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use mlx_oxide_core::Array;
use mlx_oxide_core::ops::quantized::{self, Packed};
use mlx_oxide_ir::{Dtype, Packing, QuantizationMode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

fn packing(
    op: &'static str,
    mode: &str,
    group_size: Option<i64>,
    bits: Option<i64>,
) -> PyResult<Packing> {
    let positive = |name: &str, number: Option<i64>| {
        number
            .map(|number| {
                usize::try_from(number).map_err(|_| {
                    PyValueError::new_err(format!(
                        "[{op}] {name} is {number}; expected more than 0"
                    ))
                })
            })
            .transpose()
    };
    let mode = QuantizationMode::parse(op, mode).or_raise()?;
    let (group_size, bits) = (positive("group_size", group_size)?, positive("bits", bits)?);
    Packing::new(op, mode, group_size, bits).or_raise()
}

fn packed(words: ArrayArgument, scales: ArrayArgument, biases: Option<ArrayArgument>) -> Packed {
    Packed {
        words: words.0,
        scales: scales.0,
        biases: biases.map(|biases| biases.0),
    }
}

fn array(argument: &Option<ArrayArgument>) -> Option<&Array> {
    argument.as_ref().map(|argument| &argument.0)
}

fn list(packed: Packed) -> Vec<PyArray> {
    let arrays = [Some(packed.words), Some(packed.scales), packed.biases];
    arrays.into_iter().flatten().map(PyArray::from).collect()
}

super::functions! {
    /// The rows of `w` packed into words, with a scale for each group of neighbours and, in mode
    /// affine, a bias.
    ///
    /// Args:
    ///     w: an array of at least two axes whose last size the group divides.
    ///     group_size: how many neighbours share a scale; the mode's own, 64 for affine, by default.
    ///     bits: bits of a number; the mode's own, 4 for affine, by default.
    ///     mode: `"affine"` with a scale and a bias for each group of 32, 64 or 128 and 2 to 8 bits;
    ///         `"mxfp4"`, `"mxfp8"` or `"nvfp4"` with a scale alone and a fixed size.
    ///     global_scale: a scale for all of it, in mode nvfp4.
    ///
    /// Returns:
    ///     A list of the packed words (`uint32`), the scales and, in mode affine, the biases.
    ///
    /// Raises:
    ///     ValueError: a mode, group or number of bits that there is not; a last size that does not fit.
    ///
    /// Example:
    ///     >>> words, scales, biases = mx.quantize(mx.ones((2, 64)))
    ///     >>> words.shape, scales.shape
    ///     ((2, 8), (2, 1))
    quantize[w, /, group_size = None, bits = None, mode = "affine", *, global_scale = None](
        w: ArrayArgument, group_size: Option<i64>, bits: Option<i64>, mode: &str,
        global_scale: Option<ArrayArgument>
    ) -> Vec<PyArray> = {
        let packing = packing("quantize", mode, group_size, bits)?;
        quantized::quantize(&w.0, packing, array(&global_scale)).or_raise().map(list)
    };
    /// The numbers of a packed matrix.
    ///
    /// In mode affine `scale·number + bias`.
    ///
    /// Args:
    ///     w, scales, biases: what `quantize` gave.
    ///     group_size, bits, mode, global_scale: as given to `quantize`.
    ///     dtype: type of the result, that of the scales by default.
    ///
    /// Raises:
    ///     ValueError: shapes or parameters that do not fit.
    ///
    /// Example:
    ///     >>> mx.dequantize(*mx.quantize(mx.ones((2, 64)))).shape
    ///     (2, 64)
    dequantize[
        w, /, scales, biases = None, group_size = None, bits = None, mode = "affine",
        global_scale = None, dtype = None, *
    ](
        w: ArrayArgument, scales: ArrayArgument, biases: Option<ArrayArgument>,
        group_size: Option<i64>, bits: Option<i64>, mode: &str,
        global_scale: Option<ArrayArgument>, dtype: Option<PyDtype>
    ) -> PyArray = {
        let packing = packing("dequantize", mode, group_size, bits)?;
        let dtype = dtype.map(|dtype| dtype.0);
        let packed = packed(w, scales, biases);
        wrap(quantized::dequantize(&packed, packing, array(&global_scale), dtype))
    };
    /// `x × wᵀ`, or `x × w` without `transpose`, with packed `w`.
    ///
    /// Args:
    ///     x: an array `(…, k)`.
    ///     w, scales, biases: what `quantize` gave of a matrix `(n, k)`, or `(k, n)` without
    ///         `transpose`.
    ///     transpose: which of the two.
    ///     group_size, bits, mode: as given to `quantize`.
    ///
    /// Raises:
    ///     ValueError: shapes or parameters that do not fit.
    ///
    /// Example:
    ///     >>> mx.quantized_matmul(mx.ones((3, 64)), *mx.quantize(mx.ones((2, 64)))).shape
    ///     (3, 2)
    quantized_matmul[
        x, w, /, scales, biases = None, transpose = true, group_size = None, bits = None,
        mode = "affine", *
    ](
        x: ArrayArgument, w: ArrayArgument, scales: ArrayArgument, biases: Option<ArrayArgument>,
        transpose: bool, group_size: Option<i64>, bits: Option<i64>, mode: &str
    ) -> PyArray = {
        let packing = packing("quantized_matmul", mode, group_size, bits)?;
        let packed = packed(w, scales, biases);
        wrap(quantized::quantized_matmul(&x.0, &packed, transpose, packing))
    };
    /// `quantized_matmul` of the matrices that indices pick.
    ///
    /// `r[i] = x[lhs_indices[i]] × w[rhs_indices[i]]`, as a mixture of experts needs.
    ///
    /// Args:
    ///     x: matrices `(…, m, k)`.
    ///     w, scales, biases: what `quantize` gave of matrices `(…, n, k)`, or `(…, k, n)` without
    ///         `transpose`.
    ///     lhs_indices, rhs_indices: numbers of matrices in row-major order of the leading axes, which
    ///         broadcast to each other; all in order by default.
    ///     transpose, group_size, bits, mode, global_scale: as of `quantized_matmul`.
    ///     sorted_indices: a promise that `rhs_indices` ascend, which is faster.
    ///
    /// Raises:
    ///     ValueError: shapes or parameters that do not fit.
    ///
    /// Example:
    ///     >>> packed = mx.quantize(mx.ones((4, 2, 64)))
    ///     >>> mx.gather_qmm(mx.ones((3, 1, 64)), *packed, rhs_indices=mx.array([0, 3, 0])).shape
    ///     (3, 1, 2)
    gather_qmm[
        x, w, /, scales, biases = None, lhs_indices = None, rhs_indices = None, transpose = true,
        group_size = None, bits = None, mode = "affine", global_scale = None, *,
        sorted_indices = false
    ](
        x: ArrayArgument, w: ArrayArgument, scales: ArrayArgument, biases: Option<ArrayArgument>,
        lhs_indices: Option<ArrayArgument>, rhs_indices: Option<ArrayArgument>, transpose: bool,
        group_size: Option<i64>, bits: Option<i64>, mode: &str,
        global_scale: Option<ArrayArgument>, sorted_indices: bool
    ) -> PyArray = {
        let packing = packing("gather_qmm", mode, group_size, bits)?;
        let packed = packed(w, scales, biases);
        let picks = (array(&lhs_indices), array(&rhs_indices));
        let global_scale = array(&global_scale);
        wrap(quantized::gather_qmm(
            &x.0, &packed, picks, transpose, packing, global_scale, sorted_indices,
        ))
    };
    /// `x × wᵀ` with both operands rounded to the numbers of a quantization mode.
    ///
    /// Args:
    ///     x: an array `(…, k)`.
    ///     w: a matrix `(n, k)`, or its packed words with their `scales`.
    ///     scales: scales of packed words.
    ///     group_size, bits, mode: as of `quantize`; modes without biases alone.
    ///     global_scale_x, global_scale_w: scales for all of an operand, in mode nvfp4.
    ///
    /// Raises:
    ///     ValueError: shapes or parameters that do not fit; mode affine.
    ///
    /// Example:
    ///     >>> mx.qqmm(mx.ones((3, 64)), mx.ones((2, 64))).shape
    ///     (3, 2)
    qqmm[
        x, w, scales = None, group_size = None, bits = None, mode = "nvfp4",
        global_scale_x = None, global_scale_w = None, *
    ](
        x: ArrayArgument, w: ArrayArgument, scales: Option<ArrayArgument>,
        group_size: Option<i64>, bits: Option<i64>, mode: &str,
        global_scale_x: Option<ArrayArgument>, global_scale_w: Option<ArrayArgument>
    ) -> PyArray = {
        let packing = packing("qqmm", mode, group_size, bits)?;
        let globals = (array(&global_scale_x), array(&global_scale_w));
        wrap(quantized::qqmm(&x.0, &w.0, array(&scales), packing, globals))
    };
    /// `qqmm` of the matrices that indices pick.
    ///
    /// Args:
    ///     x, w, scales, group_size, bits, mode, global_scale_x, global_scale_w: as of `qqmm`, with
    ///         matrices `(…, m, k)` and `(…, n, k)`.
    ///     lhs_indices, rhs_indices, sorted_indices: as of `gather_qmm`.
    ///
    /// Raises:
    ///     ValueError: shapes or parameters that do not fit.
    ///
    /// Example:
    ///     >>> mx.gather_qqmm(mx.ones((1, 3, 64)), mx.ones((4, 2, 64)), rhs_indices=mx.array([2])).shape
    ///     (1, 3, 2)
    gather_qqmm[
        x, w, /, scales = None, lhs_indices = None, rhs_indices = None, group_size = None,
        bits = None, mode = "nvfp4", global_scale_x = None, global_scale_w = None, *,
        sorted_indices = false
    ](
        x: ArrayArgument, w: ArrayArgument, scales: Option<ArrayArgument>,
        lhs_indices: Option<ArrayArgument>, rhs_indices: Option<ArrayArgument>,
        group_size: Option<i64>, bits: Option<i64>, mode: &str,
        global_scale_x: Option<ArrayArgument>, global_scale_w: Option<ArrayArgument>,
        sorted_indices: bool
    ) -> PyArray = {
        let packing = packing("gather_qqmm", mode, group_size, bits)?;
        let picks = (array(&lhs_indices), array(&rhs_indices));
        let globals = (array(&global_scale_x), array(&global_scale_w));
        let scales = array(&scales);
        wrap(quantized::gather_qqmm(
            &x.0, &w.0, scales, picks, packing, globals, sorted_indices,
        ))
    };
    /// The bits of the nearest E4M3 numbers.
    ///
    /// Args:
    ///     x: a floating array; the result is `uint8` of its shape.
    ///
    /// Example:
    ///     >>> mx.to_fp8(mx.array([1.0]))
    ///     array([56], dtype=uint8)
    to_fp8[x, *](x: ArrayArgument) -> PyArray = wrap(quantized::to_fp8(&x.0));
    /// The numbers of E4M3 bits.
    ///
    /// Args:
    ///     x: a `uint8` array.
    ///     dtype: type of the result, `bfloat16` by default.
    ///
    /// Example:
    ///     >>> mx.from_fp8(mx.array([56], mx.uint8), mx.float32)
    ///     array([1], dtype=float32)
    from_fp8[x, dtype = None, *](x: ArrayArgument, dtype: Option<PyDtype>) -> PyArray =
        wrap(quantized::from_fp8(&x.0, dtype.map_or(Dtype::Bfloat16, |dtype| dtype.0)));
}
