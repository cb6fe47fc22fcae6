//! Softmax over the last axis, in single precision for 16-bit floats.

use super::rows::{self, Function, Output};
use crate::kernels::declined;
use crate::kernels::reduce::kinds::{Max, Sum};
use crate::kernels::rows::fetching;
use crate::simd::Isa;
use crate::simd::element::{Element, Ring};
use crate::simd::float::Float;
use crate::simd::fold::fold_slice;
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
    rows::for_each::<T>(call, isa, Softmax)
}

struct Softmax;

impl<T: Element<Wide: Float>> Function<T> for Softmax {
    const WIDE: bool = true;

    #[inline(always)]
    fn apply(
        &self,
        _number: usize,
        row: &[T],
        wide: &mut [MaybeUninit<T::Wide>],
        output: Output<'_, T>,
    ) {
        let greatest = fold_slice(Max::<T>::default(), row);
        fetching(row, |chunk, first| {
            for (power, element) in wide[first..].iter_mut().zip(chunk) {
                power.write((element.wide() - greatest).exp_below());
            }
        });
        // SAFETY: there is a power for every element of the row
        let powers = unsafe { wide.assume_init_ref() };
        let sum = fold_slice(Sum::<T::Wide>::default(), powers);
        let scale = T::Wide::ONE / sum;
        output.fill(|part, first| {
            for (result, power) in part.iter_mut().zip(&powers[first..]) {
                result.write(T::narrow(*power * scale));
            }
        });
    }
}
