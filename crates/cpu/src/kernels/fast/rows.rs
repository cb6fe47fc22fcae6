//! Functions of rows along the last axis: a row is read, and written once, while it is in the
//! cache, and the next one is fetched meanwhile.

use crate::kernels::rows::{EachRow, Rows};
use crate::kernels::shared::Shared;
use crate::simd::element::{Element, Ring};
use crate::simd::float::Float;
use crate::simd::fold::{Fold, fold_slice};
use crate::simd::{Isa, stream};
use mlx_oxide_ir::Result;
use mlx_oxide_runtime::{Buffer, Call, Operand, Results, Stored};
use smallvec::smallvec;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Rows shorter than this, in bytes, are not worth passing by the caches.
const LONG: usize = 1024;

/// A row of results.
pub(super) struct Output<'a, T> {
    elements: &'a mut [MaybeUninit<T>],
    streamed: bool,
}

impl<T: Copy> Output<'_, T> {
    /// Has the row filled by `fill(part, first)`, part by part.
    #[inline(always)]
    pub(super) fn fill(self, fill: impl FnMut(&mut [MaybeUninit<T>], usize)) {
        stream::filled(self.elements, self.streamed, fill);
    }
}

impl<'a, T> Output<'a, T> {
    /// The row where it will lie.
    pub(super) fn whole(self) -> &'a mut [MaybeUninit<T>] {
        self.elements
    }
}

/// A function of a row.
pub(super) trait Function<T: Element>: Sync {
    /// Whether it needs `wide`.
    const WIDE: bool = false;

    /// Fills `output`; `wide` is as long as the row if it is needed, of arbitrary content. Must be
    /// `inline(always)`.
    fn apply(
        &self,
        number: usize,
        row: &[T],
        wide: &mut [MaybeUninit<T::Wide>],
        output: Output<'_, T>,
    );
}

/// Applies a function to every row along the last axis of the first input.
pub(super) fn for_each<T: Element>(
    call: &Call<'_>,
    isa: Isa,
    function: impl Function<T>,
) -> Result<Results> {
    let output = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let operand = &call.inputs[0];
    let rows = Rows::new(operand, &[operand.layout.shape.ndim() - 1])?;
    let length = rows.length;
    let streamed =
        length * size_of::<T>() >= LONG && stream::pays(output.bytes(), operand.buffer.len());
    let applied = Applied {
        function,
        results: Shared(buffer.host_ptr()?.as_ptr().cast::<MaybeUninit<T>>()),
        streamed,
    };
    rows.vectorised::<T>(isa, applied.room(length) * size_of::<T::Wide>(), &applied);
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

/// A function and where its results go.
struct Applied<T, F> {
    function: F,
    results: Shared<MaybeUninit<T>>,
    streamed: bool,
}

impl<T: Element, F: Function<T>> Applied<T, F> {
    /// How long `wide` is for rows of such a length.
    #[inline(always)]
    fn room(&self, length: usize) -> usize {
        if F::WIDE { length } else { 0 }
    }
}

impl<T: Element, F: Function<T>> EachRow<T> for Applied<T, F> {
    #[inline(always)]
    fn row(&self, number: usize, row: &[T], scratch: *mut u8) {
        let length = row.len();
        // SAFETY: the scratch memory is that long, aligned, and this task's own
        let wide = unsafe { std::slice::from_raw_parts_mut(scratch.cast(), self.room(length)) };
        let from = self.results.pointer().wrapping_add(number * length);
        // SAFETY: the output has as many rows of this length, this one only this task's
        let elements = unsafe { std::slice::from_raw_parts_mut(from, length) };
        let streamed = self.streamed;
        let output = Output { elements, streamed };
        self.function.apply(number, row, wide, output);
    }
}

/// A vector in the type that is computed in.
pub(super) fn vector<T: Element>(operand: &Operand) -> Result<Vec<T::Wide>> {
    let rows = Rows::new(operand, &[0])?;
    let mut vector = Vec::<T::Wide>::with_capacity(rows.length);
    let places = Shared(vector.as_mut_ptr());
    rows.for_each::<T>(0, |_, row, _| {
        for (place, element) in row.iter().enumerate() {
            // SAFETY: there is room for the one row
            unsafe { places.pointer().add(place).write(element.wide()) };
        }
    });
    // SAFETY: every element has been written
    unsafe { vector.set_len(rows.length) };
    Ok(vector)
}

/// `Σ f(x)` of elements in the type that is computed in.
#[derive(Clone, Copy)]
pub(super) struct Total<T, F>(F, PhantomData<fn() -> T>);

/// The sum of `f` over a row.
#[inline(always)]
pub(super) fn total<T: Element<Wide: Float>>(
    row: &[T],
    f: impl Fn(T::Wide) -> T::Wide + Copy,
) -> T::Wide {
    fold_slice(Total::<T, _>(f, PhantomData), row)
}

impl<T, F> Fold for Total<T, F>
where
    T: Element<Wide: Float>,
    F: Fn(T::Wide) -> T::Wide + Copy,
{
    type In = T;
    type Acc = T::Wide;

    #[inline(always)]
    fn identity(self) -> T::Wide {
        T::Wide::ZERO
    }
    #[inline(always)]
    fn lift(self, element: T) -> T::Wide {
        (self.0)(element.wide())
    }
    #[inline(always)]
    fn combine(self, lhs: T::Wide, rhs: T::Wide) -> T::Wide {
        lhs + rhs
    }
}
