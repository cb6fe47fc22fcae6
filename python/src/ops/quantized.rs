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
    quantize[w, /, group_size = None, bits = None, mode = "affine", *, global_scale = None](
        w: ArrayArgument, group_size: Option<i64>, bits: Option<i64>, mode: &str,
        global_scale: Option<ArrayArgument>
    ) -> Vec<PyArray> = {
        let packing = packing("quantize", mode, group_size, bits)?;
        quantized::quantize(&w.0, packing, array(&global_scale)).or_raise().map(list)
    };
    /// The numbers of a packed matrix.
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
    to_fp8[x, *](x: ArrayArgument) -> PyArray = wrap(quantized::to_fp8(&x.0));
    /// The numbers of E4M3 bits.
    from_fp8[x, dtype = None, *](x: ArrayArgument, dtype: Option<PyDtype>) -> PyArray =
        wrap(quantized::from_fp8(&x.0, dtype.map_or(Dtype::Bfloat16, |dtype| dtype.0)));
}
