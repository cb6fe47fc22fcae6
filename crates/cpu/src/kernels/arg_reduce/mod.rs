//! Index of an extreme: the extreme is found by vectors, then its first place.

mod short;

use super::reduce::kinds::{Max, Min, Reduction};
use super::rows::{EachRow, Rows};
use super::shared::Shared;
use crate::simd::element::{Element, Ordered, Packed};
use crate::simd::fold::fold_slice;
use crate::simd::half::NativeFloat16;
use crate::simd::{Isa, Kernel, vectorised};
use crate::with_element;
use mlx_oxide_ir::{ArgReduce, ArrayType, Dtype, Extreme, Result};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;

/// Elements of a row beyond which it is cut into parts.
const PART: usize = 256 << 10;
/// Elements that are compared before a place is looked for among them.
const CHUNK: usize = 64;
/// Elements of a row from which on the extreme is worth finding before its place.
const LONG: usize = 16;

pub(crate) fn supports(_op: &ArgReduce, _inputs: &[&ArrayType]) -> bool {
    true
}

pub(crate) fn run(op: &ArgReduce, call: &Call<'_>) -> Result<Results> {
    run_with(op, call, Isa::best())
}

/// Runs the call on an instruction set.
fn run_with(op: &ArgReduce, call: &Call<'_>, isa: Isa) -> Result<Results> {
    let dtype = call.inputs[0].dtype;
    if dtype == Dtype::Float16 && isa > Isa::Baseline {
        return of::<Packed<NativeFloat16>>(op, call, isa);
    }
    with_element!(dtype, T => of::<T>(op, call, isa))
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
    if short::run(op, call, &results, isa)? {
        return Ok(smallvec![Stored::contiguous(buffer, output)]);
    }
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
    let best = |best, next: &(T::Wide, usize)| better(fold, best, *next);
    found[1..].iter().fold(found[0], best).1
}

/// Of two values with their places the extreme; the first if they are equal or it is NaN.
#[inline(always)]
fn better<T, F>(fold: F, best: (T::Wide, usize), next: (T::Wide, usize)) -> (T::Wide, usize)
where
    T: Element,
    F: Reduction<In = T, Acc = T::Wide>,
{
    let stays = best.0.is_no_number() | fold.combine(best.0, next.0).equals(best.0);
    if stays { best } else { next }
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
        let place = match row {
            [first, others @ ..] if row.len() < LONG => {
                let mut best = (first.wide(), 0);
                for (place, element) in others.iter().enumerate() {
                    best = better(fold, best, (element.wide(), place + 1));
                }
                best.1
            }
            _ => First { fold, row }.run().1,
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use mlx_oxide_ir::{Layout, Op};
    use mlx_oxide_runtime::{Device, Operand, Stream};

    fn found(extreme: Extreme, values: &[f32], length: usize, isa: Isa) -> Vec<u32> {
        let (op, count) = (ArgReduce { extreme, axis: 1 }, values.len() / length);
        let operand = Operand {
            buffer: Buffer::from_bytes("test", bytemuck::cast_slice(values)).unwrap(),
            layout: Layout::contiguous([count, length]),
            dtype: Dtype::Float32,
            donatable: false,
        };
        let call = Call {
            op: &Op::ArgReduce(op),
            inputs: &[operand],
            outputs: &[ArrayType::new([count, 1], Dtype::Uint32)],
            stream: Stream::default_of(Device::CPU),
        };
        let results = of::<f32>(&op, &call, isa).unwrap();
        bytemuck::pod_collect_to_vec(results[0].buffer.host_bytes().unwrap())
    }

    #[test]
    fn rows_of_every_length_have_the_first_of_equal_extremes_and_the_first_nan() {
        for length in (1..=70).chain([500, 513]) {
            let value = |number: usize| match number % 61 {
                17 | 18 => f32::NAN,
                place => ((place * 7) % 5) as f32,
            };
            let values: Vec<f32> = (0..length * 40).map(value).collect();
            for extreme in [Extreme::Max, Extreme::Min] {
                let expected = values.chunks(length).map(|row| {
                    let best = |best: usize, place: usize| {
                        let (old, new) = (row[best], row[place]);
                        let exceeds = match extreme {
                            Extreme::Max => new > old,
                            Extreme::Min => new < old,
                        };
                        let later = !old.is_nan() && (new.is_nan() || exceeds);
                        if later { place } else { best }
                    };
                    (0..length).fold(0, best) as u32
                });
                let expected: Vec<u32> = expected.collect();
                for isa in Isa::ALL {
                    let found = found(extreme, &values, length, isa);
                    assert_eq!(found, expected, "{extreme:?} {length} {isa:?}");
                }
            }
        }
    }
}
