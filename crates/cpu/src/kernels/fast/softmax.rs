//! Softmax over the last axis, in single precision for 16-bit floats.

use super::rows::{self, widen};
use crate::kernels::declined;
use crate::kernels::reduce::kinds::{Max, Sum};
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

pub(super) fn run(call: &Call<'_>) -> Result<Results> {
    with_float!(call.inputs[0].dtype, T => of::<T>(call, Isa::best()), Err(declined(call)))
}

/// Runs the call on an instruction set.
pub(super) fn of<T: Element<Wide: Float>>(call: &Call<'_>, isa: Isa) -> Result<Results> {
    rows::for_each::<T>(call, |_, row, wide, output| {
        vectorised(isa, Softmax { row, wide, output });
    })
}

struct Softmax<'a, T: Element> {
    row: &'a [T],
    wide: &'a mut [MaybeUninit<T::Wide>],
    output: &'a mut [MaybeUninit<T>],
}

impl<T: Element<Wide: Float>> Kernel for Softmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let wide = widen(self.row, self.wide);
        let greatest = fold_slice(Max::<T::Wide>::default(), wide);
        for value in wide.iter_mut() {
            *value = (*value - greatest).exp();
        }
        let sum = fold_slice(Sum::<T::Wide>::default(), wide);
        let scale = T::Wide::ONE / sum;
        for (result, power) in self.output.iter_mut().zip(wide) {
            result.write(T::narrow(*power * scale));
        }
    }
}
