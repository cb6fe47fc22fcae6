//! Normalisation by mean and variance, in single precision for 16-bit floats.

use super::rms_norm::Squares;
use super::rows::{self, widen};
use crate::kernels::declined;
use crate::kernels::reduce::kinds::Sum;
use crate::simd::element::{Element, Ring};
use crate::simd::float::Float;
use crate::simd::fold::fold_slice;
use crate::simd::{Isa, Kernel, vectorised};
use crate::with_float;
use mlx_oxide_ir::{ArrayType, Dtype, Result};
use mlx_oxide_runtime::{Call, Results};
use std::mem::MaybeUninit;

pub(super) fn supports(inputs: &[&ArrayType]) -> bool {
    inputs[0].dtype.is_floating()
}

pub(super) fn run(call: &Call<'_>, eps: f64) -> Result<Results> {
    with_float!(call.inputs[0].dtype, T => of::<T>(call, eps, Isa::best()), Err(declined(call)))
}

/// Runs the call on an instruction set.
pub(super) fn of<T: Element<Wide: Float>>(call: &Call<'_>, eps: f64, isa: Isa) -> Result<Results> {
    let weight = &rows::vector::<T>(&call.inputs[1])?;
    let bias = &rows::vector::<T>(&call.inputs[2])?;
    let eps = T::Wide::from_double(eps);
    rows::for_each::<T>(call, |_, row, wide, output| {
        let norm = LayerNorm {
            row,
            wide,
            output,
            weight,
            bias,
            eps,
        };
        vectorised(isa, norm);
    })
}

struct LayerNorm<'a, T: Element> {
    row: &'a [T],
    wide: &'a mut [MaybeUninit<T::Wide>],
    output: &'a mut [MaybeUninit<T>],
    weight: &'a [T::Wide],
    bias: &'a [T::Wide],
    eps: T::Wide,
}

impl<T: Element<Wide: Float>> Kernel for LayerNorm<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let wide = widen(self.row, self.wide);
        let count = T::Wide::from_double(wide.len() as f64);
        let near = fold_slice(Sum::<T::Wide>::default(), wide) / count;
        for value in wide.iter_mut() {
            *value = *value - near;
        }
        // what rounding left of the mean: it is all there is to see where elements hardly differ
        let mean = fold_slice(Sum::<T::Wide>::default(), wide) / count;
        // of the deviations, since the mean of squares less the squared mean would cancel
        let variance = fold_slice(Squares { mean }, wide) / count;
        let scale = T::Wide::ONE / (variance + self.eps).sqrt();
        let values = wide.iter().zip(self.weight).zip(self.bias);
        for (result, ((value, weight), bias)) in self.output.iter_mut().zip(values) {
            result.write(T::narrow((*value - mean) * scale * *weight + *bias));
        }
    }
}
