//! Index of an extreme: the extreme is found by vectors, then its first place.

use super::reduce::kinds::{Max, Min, Reduction};
use super::rows::{EachRow, Rows};
use super::shared::Shared;
use crate::simd::element::{Element, Ordered};
use crate::simd::fold::fold_slice;
use crate::simd::{Isa, Kernel, vectorised};
use crate::with_element;
use mlx_oxide_ir::{ArgReduce, ArrayType, Dtype, Extreme, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;

/// Elements of a row beyond which it is cut into parts.
const PART: usize = 256 << 10;
/// Elements that are compared before a place is looked for among them.
const CHUNK: usize = 64;

pub(crate) fn supports(_op: &ArgReduce, _inputs: &[&ArrayType]) -> bool {
    true
}

pub(crate) fn run(op: &ArgReduce, call: &Call<'_>) -> Result<Results> {
    with_element!(call.inputs[0].dtype, T => of::<T>(op, call, Isa::best()))
}

fn of<T: Element>(op: &ArgReduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    match op.extreme {
        Extreme::Max => search::<T, Max<T>>(op, call, isa),
        Extreme::Min => search::<T, Min<T>>(op, call, isa),
    }
}

fn search<T, F>(op: &ArgReduce, call: &Call<'_>, isa: Isa) -> Result<Results>
where
    T: Element,
    F: Reduction<In = T, Acc = T::Wide>,
{
    let output = &call.outputs[0];
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    let results = Shared(buffer.host_ptr()?.as_ptr().cast::<u32>());
    let rows = Rows::new(&call.inputs[0], &[op.axis])?;
    if rows.length > PART && rows.count > 0 && rows.in_place::<T>(0, 0, 0).is_some() {
        for row in 0..rows.count {
            let found = in_parts::<T, F>(&rows, row, isa) as u32;
            // SAFETY: there is one result a row
            unsafe { results.pointer().add(row).write(found) };
        }
    } else {
        let fold = F::default();
        rows.vectorised::<T>(isa, 0, &Places { fold, results });
    }
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

/// The place in a long row, parts of which are searched in parallel.
fn in_parts<T, F>(rows: &Rows, row: usize, isa: Isa) -> usize
where
    T: Element,
    F: Reduction<In = T, Acc = T::Wide>,
{
    let fold = F::default();
    let mut found = vec![(fold.identity(), 0); rows.length.div_ceil(PART)];
    let places = Shared(found.as_mut_ptr());
    parallel::for_each_range(rows.length, PART, |start, end| {
        if let Some(row) = rows.in_place::<T>(row, start, end) {
            let (extreme, place) = vectorised(isa, First { fold, row });
            // SAFETY: there is one place a part
            unsafe {
                places
                    .pointer()
                    .add(start / PART)
                    .write((extreme, start + place))
            };
        }
    });
    let later = |best: (T::Wide, usize), next: &(T::Wide, usize)| {
        let stays = best.0.is_no_number() || fold.combine(best.0, next.0).equals(best.0);
        if stays { best } else { *next }
    };
    found[1..].iter().fold(found[0], later).1
}

/// The first place of each row's extreme.
struct Places<F> {
    fold: F,
    results: Shared<u32>,
}

impl<T: Element, F: Reduction<In = T, Acc = T::Wide>> EachRow<T> for Places<F> {
    #[inline(always)]
    fn row(&self, number: usize, row: &[T], _scratch: *mut u8) {
        let fold = self.fold;
        let (_, place) = First { fold, row }.run();
        // SAFETY: there is one result a row
        unsafe { self.results.pointer().add(number).write(place as u32) };
    }
}

/// Finds the extreme of a row and its first place; the first NaN is either extreme.
struct First<'a, F: Reduction> {
    fold: F,
    row: &'a [F::In],
}

impl<T: Element, F: Reduction<In = T, Acc = T::Wide>> Kernel for First<'_, F> {
    type Output = (T::Wide, usize);

    const WIDE: bool = F::WIDE;

    #[inline(always)]
    fn run(self) -> (T::Wide, usize) {
        let extreme = fold_slice(self.fold, self.row);
        let place = if extreme.is_no_number() {
            first(self.row, |element| element.wide().is_no_number())
        } else {
            first(self.row, |element| element.wide().equals(extreme))
        };
        (extreme, place)
    }
}

/// The first place where the condition holds, which it does somewhere.
#[inline(always)]
fn first<T: Copy>(row: &[T], holds: impl Fn(T) -> bool) -> usize {
    let mut start = 0;
    for chunk in row.chunks(CHUNK) {
        let any = chunk
            .iter()
            .fold(false, |any, element| any | holds(*element));
        if any {
            break;
        }
        start += chunk.len();
    }
    let rest = row[start..].iter().position(|element| holds(*element));
    start + rest.unwrap_or(0)
}
