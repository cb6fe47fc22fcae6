//! Normalisation by the root mean square, in single precision for 16-bit floats.

use super::rows::{self, ByNumbers, Numbered, total};
use crate::kernels::declined;
use crate::simd::Isa;
use crate::simd::float::{Float, Wide};
use crate::with_float;
use mlx_oxide_ir::{ArrayType, Dtype, Result};
use mlx_oxide_runtime::{Call, Results};
use std::mem::MaybeUninit;

pub(super) fn supports(inputs: &[&ArrayType]) -> bool {
    inputs[0].dtype.is_floating()
}

pub(super) fn run(call: &Call<'_>, eps: f64) -> Result<Results> {
    with_float!(call.inputs[0].dtype, T => of::<Wide<T>>(call, eps, Isa::best()), Err(declined(call)))
}

/// Runs the call on an instruction set.
pub(super) fn of<T: Float>(call: &Call<'_>, eps: f64, isa: Isa) -> Result<Results> {
    let weight = &rows::vector::<T>(&call.inputs[1])?;
    let eps = T::from_double(eps);
    let norm = RmsNorm::<T> { weight, eps };
    rows::for_each::<T, _>(call, isa, Numbered(norm))
}

struct RmsNorm<'a, T: Float> {
    weight: &'a [T],
    eps: T,
}

impl<T: Float> ByNumbers<T, 1> for RmsNorm<'_, T> {
    #[inline(always)]
    fn numbers(&self, row: &[T]) -> [T; 1] {
        let count = T::from_double(row.len() as f64);
        [T::ONE / (total(row, |x| x * x) / count + self.eps).sqrt()]
    }

    #[inline(always)]
    fn fill(&self, part: &mut [MaybeUninit<T>], elements: &[T], first: usize, numbers: [T; 1]) {
        let [scale] = numbers;
        let values = elements.iter().zip(&self.weight[first..]);
        for (result, (element, weight)) in part.iter_mut().zip(values) {
            result.write(*element * scale * *weight);
        }
    }
}
