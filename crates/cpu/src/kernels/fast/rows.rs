//! Functions of rows along the last axis: a row is read, and written once, while it is in the
//! cache, and the next one is fetched meanwhile.

use crate::kernels::fused::{self, Halves};
use crate::kernels::rows::{EachRow, Rows, SHORT, TOGETHER, fetch_behind, fetch_far_behind};
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
pub(super) const LONG: usize = 1024;

/// Elements that are filled at a time: what comes after them is fetched no faster than it is met.
const FILLED: usize = 512;

/// A row of results.
pub(super) struct Output<'a, T> {
    pub(super) elements: &'a mut [MaybeUninit<T>],
    pub(super) streamed: bool,
}

impl<T: Copy> Output<'_, T> {
    /// Has the row filled by `fill(part, first)`, part by part.
    #[inline(always)]
    pub(super) fn fill(self, mut fill: impl FnMut(&mut [MaybeUninit<T>], usize)) {
        if self.streamed {
            return stream::filled(self.elements, true, fill);
        }
        if self.elements.len() <= FILLED {
            return fill(self.elements, 0);
        }
        for (number, part) in self.elements.chunks_mut(FILLED).enumerate() {
            fill(part, number * FILLED);
        }
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
    /// Whether neighbouring rows are worked on together ([`Numbered`]).
    const ABREAST: bool = false;

    /// Fills `output`; `wide` is as long as the row if it is needed, of arbitrary content. Must be
    /// `inline(always)`.
    fn apply(
        &self,
        number: usize,
        row: &[T],
        wide: &mut [MaybeUninit<T::Wide>],
        output: Output<'_, T>,
    );

    /// Fills the outputs of some rows, of which the first has such a number; `wide` is as long as
    /// all if it is needed.
    #[inline(always)]
    fn apply_all(
        &self,
        first: usize,
        (rows, length): (&[T], usize),
        wide: &mut [MaybeUninit<T::Wide>],
        output: Output<'_, T>,
    ) {
        each(self, first, (rows, length), wide, output);
    }
}

/// Rows whose numbers are found one behind the other.
const GROUP: usize = 8;
/// Elements of the rows of a group, which are to stay in the first cache.
const NEAR: usize = 3 << 10;

/// How many long rows of such a length a function takes.
#[inline(always)]
fn abreast<T: Element, F: Function<T>>(length: usize) -> usize {
    match F::ABREAST {
        true => (NEAR / length.max(1)).clamp(1, GROUP),
        false => 1,
    }
}

/// A function of each element of a row and of a few numbers that the row has.
pub(super) trait ByNumbers<T: Float, const N: usize>: Sync {
    /// The numbers of a row. Must be `inline(always)`.
    fn numbers(&self, row: &[T]) -> [T; N];

    /// Fills a part of a row's results, from the element at `first` on, of as many elements. Must be
    /// `inline(always)`.
    fn fill(&self, part: &mut [MaybeUninit<T>], elements: &[T], first: usize, numbers: [T; N]);
}

/// Such a function of rows.
///
/// Numbers take few instructions, each of which waits for the one before: the processor finds those
/// of several rows at a time if nothing that waits for them comes between.
pub(super) struct Numbered<F, const N: usize>(pub(super) F);

impl<T: Float, F: ByNumbers<T, N>, const N: usize> Function<T> for Numbered<F, N> {
    const ABREAST: bool = true;

    #[inline(always)]
    fn apply(&self, number: usize, row: &[T], wide: &mut [MaybeUninit<T>], output: Output<'_, T>) {
        self.apply_all(number, (row, row.len()), wide, output);
    }

    #[inline(always)]
    fn apply_all(
        &self,
        _first: usize,
        (rows, length): (&[T], usize),
        _wide: &mut [MaybeUninit<T>],
        Output { elements, streamed }: Output<'_, T>,
    ) {
        let length = length.max(1);
        if length <= SHORT {
            for (row, output) in rows
                .chunks_exact(length)
                .zip(elements.chunks_exact_mut(length))
            {
                self.0.fill(output, row, 0, self.0.numbers(row));
            }
            return;
        }
        let groups = rows.chunks(GROUP * length);
        for (group, elements) in groups.zip(elements.chunks_mut(GROUP * length)) {
            let mut numbers = [[T::ZERO; N]; GROUP];
            for (numbers, row) in numbers.iter_mut().zip(group.chunks_exact(length)) {
                *numbers = self.0.numbers(row);
            }
            let outputs = elements.chunks_exact_mut(length);
            let outputs = group.chunks_exact(length).zip(outputs);
            for ((row, elements), numbers) in outputs.zip(numbers) {
                let output = Output { elements, streamed };
                output.fill(|part, first| {
                    fetch_far_behind(row, group.len() + first, part.len());
                    let elements = &row[first..first + part.len()];
                    self.0.fill(part, elements, first, numbers);
                });
            }
        }
    }
}

/// How long `wide` is for rows of such a length.
#[inline(always)]
fn room<T: Element, F: Function<T>>(length: usize) -> usize {
    if F::WIDE { length.max(TOGETHER) } else { 0 }
}

/// Applies a function to rows one by one.
#[inline(always)]
pub(super) fn each<T: Element, F: Function<T> + ?Sized>(
    function: &F,
    first: usize,
    (rows, length): (&[T], usize),
    wide: &mut [MaybeUninit<T::Wide>],
    Output { elements, streamed }: Output<'_, T>,
) {
    let room = if F::WIDE { length } else { 0 };
    let count = rows.len().checked_div(length).unwrap_or(1);
    for place in 0..count {
        let part = place * length..(place + 1) * length;
        let elements = &mut elements[part.clone()];
        let output = Output { elements, streamed };
        function.apply(first + place, &rows[part], &mut wide[..room], output);
    }
}

/// Applies a function to every row along the last axis of the first input, which may be of 16-bit
/// floats if the function is of `f32`.
pub(super) fn for_each<T: Float, F: Function<T>>(
    call: &Call<'_>,
    isa: Isa,
    function: F,
) -> Result<Results> {
    let output = &call.outputs[0];
    let buffer = Buffer::allocate(call.op.name(), output.bytes())?;
    let operand = &call.inputs[0];
    let rows = Rows::new(operand, &[operand.layout.shape.ndim() - 1])?;
    let length = rows.length;
    if let Some(halves) = Halves::of(operand.dtype, isa).filter(|_| T::SERVES_HALVES) {
        let applied = Widened::<T, _> {
            function,
            results: Shared(buffer.host_ptr()?.as_ptr().cast()),
            halves,
            kind: PhantomData,
        };
        let together = (length * abreast::<T, F>(length)).max(TOGETHER);
        let extra = room::<T, F>(length) + 2 * together;
        rows.vectorised::<u16>(isa, extra * size_of::<T>(), &applied);
        return Ok(smallvec![Stored::contiguous(buffer, output)]);
    }
    let streamed = length * size_of::<T>() >= LONG
        && stream::pays_in_order(output.bytes(), operand.buffer.len());
    let applied = Applied {
        function,
        results: Shared(buffer.host_ptr()?.as_ptr().cast::<MaybeUninit<T>>()),
        streamed,
    };
    rows.vectorised::<T>(isa, room::<T, F>(length) * size_of::<T::Wide>(), &applied);
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

/// A function and where its results go.
struct Applied<T, F> {
    function: F,
    results: Shared<MaybeUninit<T>>,
    streamed: bool,
}

impl<T: Element, F: Function<T>> EachRow<T> for Applied<T, F> {
    #[inline(always)]
    fn abreast(&self, length: usize) -> usize {
        abreast::<T, F>(length)
    }

    #[inline(always)]
    fn row(&self, number: usize, row: &[T], scratch: *mut u8) {
        self.rows(number, row, row.len(), scratch);
    }

    #[inline(always)]
    fn rows(&self, first: usize, rows: &[T], length: usize, scratch: *mut u8) {
        // SAFETY: the scratch memory is that long, aligned, and this task's own
        let wide = unsafe { std::slice::from_raw_parts_mut(scratch.cast(), room::<T, F>(length)) };
        let from = self.results.pointer().wrapping_add(first * length);
        // SAFETY: the output has as many rows of this length, these only this task's
        let elements = unsafe { std::slice::from_raw_parts_mut(from, rows.len()) };
        let streamed = self.streamed;
        let output = Output { elements, streamed };
        self.function.apply_all(first, (rows, length), wide, output);
    }
}

/// A function of `f32` on rows of 16-bit floats, by the loops that convert these: a row is computed
/// between two vectors in the cache.
struct Widened<T, F> {
    function: F,
    results: Shared<MaybeUninit<u16>>,
    halves: Halves,
    kind: PhantomData<fn() -> T>,
}

impl<T: Float, F: Function<T>> EachRow<u16> for Widened<T, F> {
    #[inline(always)]
    fn abreast(&self, length: usize) -> usize {
        abreast::<T, F>(length)
    }

    #[inline(always)]
    fn row(&self, number: usize, row: &[u16], scratch: *mut u8) {
        self.rows(number, row, row.len(), scratch);
    }

    #[inline(always)]
    fn rows(&self, first: usize, rows: &[u16], length: usize, scratch: *mut u8) {
        let count = rows.len();
        let values = scratch.cast::<MaybeUninit<T>>();
        let part = |start: usize, length: usize| {
            // SAFETY: the scratch memory has room for the three, aligned, and is this task's own
            unsafe { std::slice::from_raw_parts_mut(values.wrapping_add(start), length) }
        };
        let (values, elements) = (part(0, count), part(count, count));
        let wide = part(2 * count, room::<T, F>(length));
        fetch_behind(rows, 0, count);
        let values = self.halves.widened(values, rows);
        let from = elements.as_ptr().cast();
        let streamed = false;
        let output = Output { elements, streamed };
        self.function
            .apply_all(first, (values, length), wide, output);
        // SAFETY: the function has filled them
        let results = unsafe { std::slice::from_raw_parts::<T>(from, count) };
        let to = self.results.pointer().wrapping_add(first * length);
        // SAFETY: rows of the output, only this task's
        let to = unsafe { std::slice::from_raw_parts_mut(to, count) };
        self.halves.narrowed(to, results);
    }
}

/// A vector in the type that is computed in, which may be one of 16-bit floats if that is `f32`.
pub(super) fn vector<T: Element<Wide = T>>(operand: &Operand) -> Result<Vec<T>> {
    let rows = Rows::new(operand, &[0])?;
    let mut vector = Vec::<T>::with_capacity(rows.length);
    let places = Shared(vector.as_mut_ptr());
    if fused::is_half(operand.dtype) {
        debug_assert_eq!(size_of::<T>(), size_of::<f32>());
        let widen = fused::widen(operand.dtype, Isa::best());
        rows.for_each::<u16>(0, |_, row, _| {
            let (to, from) = (places.pointer().cast(), row.as_ptr().cast());
            // SAFETY: there is room for the one row
            unsafe { widen(to, from, from, from, row.len()) };
        });
    } else {
        rows.for_each::<T>(0, |_, row, _| {
            for (place, element) in row.iter().enumerate() {
                // SAFETY: there is room for the one row
                unsafe { places.pointer().add(place).write(*element) };
            }
        });
    }
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
