//! Normalisation by the root mean square, in single precision for 16-bit floats.

use super::rows::{self, widen};
use crate::kernels::declined;
use crate::simd::element::{Element, Ring};
use crate::simd::float::Float;
use crate::simd::fold::{Fold, fold_slice};
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
    let eps = T::Wide::from_double(eps);
    rows::for_each::<T>(call, |_, row, wide, output| {
        let norm = RmsNorm {
            row,
            wide,
            output,
            weight,
            eps,
        };
        vectorised(isa, norm);
    })
}

struct RmsNorm<'a, T: Element> {
    row: &'a [T],
    wide: &'a mut [MaybeUninit<T::Wide>],
    output: &'a mut [MaybeUninit<T>],
    weight: &'a [T::Wide],
    eps: T::Wide,
}

impl<T: Element<Wide: Float>> Kernel for RmsNorm<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let wide = widen(self.row, self.wide);
        let squares = Squares {
            mean: T::Wide::ZERO,
        };
        let count = T::Wide::from_double(wide.len() as f64);
        let scale = T::Wide::ONE / (fold_slice(squares, wide) / count + self.eps).sqrt();
        let values = wide.iter().zip(self.weight);
        for (result, (value, weight)) in self.output.iter_mut().zip(values) {
            result.write(T::narrow(*value * scale * *weight));
        }
    }
}

/// `Σ (x - mean)²`.
#[derive(Clone, Copy)]
pub(super) struct Squares<W> {
    pub(super) mean: W,
}

impl<W: Float> Fold for Squares<W> {
    type In = W;
    type Acc = W;

    #[inline(always)]
    fn identity(self) -> W {
        W::ZERO
    }
    #[inline(always)]
    fn lift(self, element: W) -> W {
        let deviation = element - self.mean;
        deviation * deviation
    }
    #[inline(always)]
    fn combine(self, lhs: W, rhs: W) -> W {
        lhs + rhs
    }
}
