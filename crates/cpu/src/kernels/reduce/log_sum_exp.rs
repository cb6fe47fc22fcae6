//! `max + ln Σ e^(x - max)`, in single precision for 16-bit floats.

use super::kinds::Max;
use crate::kernels::declined;
use crate::kernels::rows::Rows;
use crate::kernels::shared::Shared;
use crate::simd::element::{Element, Ring};
use crate::simd::float::Float;
use crate::simd::fold::{Fold, fold_slice};
use crate::simd::{Isa, Kernel, vectorised};
use crate::with_float;
use mlx_oxide_ir::{Dtype, Reduce, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored};
use smallvec::smallvec;

pub(super) fn run(op: &Reduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let dtype = call.inputs[0].dtype;
    with_float!(dtype, T => of::<T>(op, call, isa), Err(declined(call)))
}

fn of<T: Element<Wide: Float>>(op: &Reduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let output = &call.outputs[0];
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    let results = Shared(buffer.host_ptr()?.as_ptr().cast::<T>());
    let rows = Rows::new(&call.inputs[0], &op.axes)?;
    rows.for_each::<T>(0, |number, row, _| {
        let value = vectorised(isa, LogSumExp { row });
        // SAFETY: there is one result a row
        unsafe { results.pointer().add(number).write(value) };
    });
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

struct LogSumExp<'a, T> {
    row: &'a [T],
}

impl<T: Element<Wide: Float>> Kernel for LogSumExp<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run(self) -> T {
        let greatest = fold_slice(Max::<T>::default(), self.row);
        if !greatest.is_finite() {
            return T::narrow(greatest); // differences from it would be NaN
        }
        let sum = fold_slice(Powers::<T> { greatest }, self.row);
        T::narrow(greatest + sum.log())
    }
}

/// The sum of `e^(x - greatest)`.
struct Powers<T: Element> {
    greatest: T::Wide,
}

impl<T: Element> Clone for Powers<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Element> Copy for Powers<T> {}

impl<T: Element<Wide: Float>> Fold for Powers<T> {
    type In = T;
    type Acc = T::Wide;

    #[inline(always)]
    fn identity(self) -> T::Wide {
        T::Wide::ZERO
    }
    #[inline(always)]
    fn lift(self, element: T) -> T::Wide {
        (element.wide() - self.greatest).exp()
    }
    #[inline(always)]
    fn combine(self, lhs: T::Wide, rhs: T::Wide) -> T::Wide {
        lhs + rhs
    }
}
