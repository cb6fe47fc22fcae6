//! Softmax over the last axis, in single precision for 16-bit floats.

use super::rows::{self, Function, Output};
use crate::kernels::declined;
use crate::kernels::reduce::kinds::{Max, Sum};
use crate::kernels::rows::{SHORT, fetching};
use crate::simd::Isa;
use crate::simd::float::{Float, Wide};
use crate::simd::fold::fold_slice;
use crate::with_float;
use mlx_oxide_ir::{ArrayType, Dtype, Result};
use mlx_oxide_runtime::{Call, Results};
use std::mem::MaybeUninit;

pub(super) fn supports(inputs: &[&ArrayType]) -> bool {
    inputs[0].dtype.is_floating()
}

pub(super) fn run(call: &Call<'_>) -> Result<Results> {
    with_float!(call.inputs[0].dtype, T => of::<Wide<T>>(call, Isa::best()), Err(declined(call)))
}

/// Runs the call on an instruction set.
pub(super) fn of<T: Float>(call: &Call<'_>, isa: Isa) -> Result<Results> {
    rows::for_each::<T, _>(call, isa, Softmax)
}

struct Softmax;

impl<T: Float> Function<T> for Softmax {
    const WIDE: bool = true;

    #[inline(always)]
    fn apply(&self, _number: usize, row: &[T], wide: &mut [MaybeUninit<T>], output: Output<'_, T>) {
        let greatest = fold_slice(Max::<T>::default(), row);
        fetching(row, |chunk, first| {
            for (power, element) in wide[first..].iter_mut().zip(chunk) {
                power.write((*element - greatest).exp_below());
            }
        });
        // SAFETY: there is a power for every element of the row
        let powers = unsafe { wide.assume_init_ref() };
        let sum = fold_slice(Sum::<T>::default(), powers);
        let scale = T::ONE / sum;
        output.fill(|part, first| {
            for (result, power) in part.iter_mut().zip(&powers[first..]) {
                result.write(*power * scale);
            }
        });
    }

    #[inline(always)]
    fn apply_all(
        &self,
        first: usize,
        (elements, length): (&[T], usize),
        wide: &mut [MaybeUninit<T>],
        output: Output<'_, T>,
    ) {
        if length > SHORT {
            return rows::each(self, first, (elements, length), wide, output);
        }
        // the powers of many rows in one loop
        let wide = &mut wide[..elements.len()];
        let differences = wide.chunks_exact_mut(length.max(1));
        for (row, differences) in elements.chunks_exact(length.max(1)).zip(differences) {
            let greatest = fold_slice(Max::<T>::default(), row);
            for (difference, element) in differences.iter_mut().zip(row) {
                difference.write(*element - greatest);
            }
        }
        // SAFETY: just written
        let powers = unsafe { wide.assume_init_mut() };
        for power in powers.iter_mut() {
            *power = power.exp_below();
        }
        let outputs = output.whole().chunks_exact_mut(length.max(1));
        for (powers, output) in powers.chunks_exact(length.max(1)).zip(outputs) {
            let scale = T::ONE / fold_slice(Sum::<T>::default(), powers);
            for (result, power) in output.iter_mut().zip(powers) {
                result.write(*power * scale);
            }
        }
    }
}
