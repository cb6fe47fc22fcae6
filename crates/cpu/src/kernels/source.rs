//! Arrays out of nothing.

use super::shared::Shared;
use crate::simd::{Isa, Kernel, vectorised};
use half::{bf16, f16};
use mlx_oxide_ir::{Dtype, Error, Result, Scalar, Source};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;
use std::mem::MaybeUninit;

/// Elements of a piece of work.
const PIECE: usize = 128 * 1024;

pub(crate) fn supports(op: &Source) -> bool {
    match op {
        Source::Full { .. } | Source::Arange { .. } => true,
        Source::Placeholder(_) => false,
    }
}

pub(crate) fn run(op: &Source, call: &Call<'_>) -> Result<Results> {
    let output = &call.outputs[0];
    let buffer = Buffer::allocate(op.name(), output.bytes())?;
    match op {
        Source::Full { value, .. } => full(*value, &buffer, output.size())?,
        Source::Arange {
            start, step, dtype, ..
        } => arange(start.get(), step.get(), *dtype, &buffer, output.size())?,
        Source::Placeholder(_) => return Err(Error::ReadWhileTracing { op: op.name() }),
    }
    Ok(smallvec![Stored::contiguous(buffer, output)])
}

fn full(value: Scalar, buffer: &Buffer, count: usize) -> Result<()> {
    let target = &Shared(buffer.host_ptr()?.as_ptr());
    let (bytes, width) = value.bytes();
    let bits = u64::from_le_bytes(bytes);
    match width {
        1 => each(target, count, move |_, _| bits as u8),
        2 => each(target, count, move |_, _| bits as u16),
        4 => each(target, count, move |_, _| bits as u32),
        _ => each(target, count, move |_, _| bits),
    }
    Ok(())
}

/// Of integers, the first two elements lose their fractions and their distance is the step, as in
/// MLX; sums wrap, and so may be of the elements' own width.
fn arange(start: f64, step: f64, dtype: Dtype, buffer: &Buffer, count: usize) -> Result<()> {
    let target = &Shared(buffer.host_ptr()?.as_ptr());
    let first = start as i64;
    let distance = ((start + step) as i64).wrapping_sub(first);
    macro_rules! integers {
        ($kind:ty) => {
            each(target, count, move |from, number| {
                let place = (from as $kind).wrapping_add(number as $kind);
                place
                    .wrapping_mul(distance as $kind)
                    .wrapping_add(first as $kind)
            })
        };
    }
    // both are exact: an array has fewer than 2⁵³ elements, a piece fewer than 2³¹
    let real = move |from: usize, number: u32| {
        let number = from as f64 + f64::from(number as i32);
        start + number * step
    };
    match dtype {
        Dtype::Bool => each(target, count, move |from, number| {
            let place = (from as i64).wrapping_add(number.into());
            u8::from(place.wrapping_mul(distance).wrapping_add(first) != 0)
        }),
        Dtype::Uint8 | Dtype::Int8 => integers!(u8),
        Dtype::Uint16 | Dtype::Int16 => integers!(u16),
        Dtype::Uint32 | Dtype::Int32 => integers!(u32),
        Dtype::Uint64 | Dtype::Int64 => integers!(u64),
        Dtype::Float16 => each(target, count, move |from, number| {
            f16::from_f64(real(from, number))
        }),
        Dtype::Bfloat16 => each(target, count, move |from, number| {
            bf16::from_f64(real(from, number))
        }),
        Dtype::Float32 => match whole(start, step, count) {
            Some((first, distance)) => each(target, count, move |from, number| {
                (first + (from as i32 + number as i32) * distance) as f32
            }),
            None => each(target, count, move |from, number| real(from, number) as f32),
        },
        Dtype::Float64 => each(target, count, real),
        Dtype::Complex64 => each(target, count, move |from, number| {
            [real(from, number) as f32, 0.0]
        }),
    }
    Ok(())
}

/// First element and distance if all elements are integers of 32 bits, whose arithmetic is exact.
fn whole(start: f64, step: f64, count: usize) -> Option<(i32, i32)> {
    let last = start + count as f64 * step;
    let fits = |value: f64| value.fract() == 0.0 && value.abs() < f64::from(i32::MAX);
    // -0.0 is no integer
    let positive = start != 0.0 || start.is_sign_positive();
    let all = [start, step, last, count as f64].into_iter().all(fits);
    (all && positive).then_some((start as i32, step as i32))
}

/// Writes `element(from, i)` at every place `from + i`. What `element` holds it holds itself: behind a
/// reference it would be read again for every element.
fn each<T: Copy>(target: &Shared<u8>, count: usize, element: impl Fn(usize, u32) -> T + Sync) {
    parallel::for_each_range(count, PIECE, |start, end| {
        let place = target.element::<MaybeUninit<T>>(start);
        // SAFETY: the buffer holds `count` aligned elements of that width, these only this task's
        let elements = unsafe { std::slice::from_raw_parts_mut(place, end - start) };
        let element = |number| element(start, number);
        vectorised(Isa::best(), Filled { elements, element });
    });
}

/// Elements by their numbers.
struct Filled<'a, T, F> {
    elements: &'a mut [MaybeUninit<T>],
    element: F,
}

impl<T, F: Fn(u32) -> T> Kernel for Filled<'_, T, F> {
    type Output = ();
    const WIDE: bool = false; // memory sets the pace

    #[inline(always)]
    fn run(self) {
        for (number, place) in (0..).zip(self.elements) {
            place.write((self.element)(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_steps_are_those_of_double_precision() {
        let limit = f64::from(i32::MAX);
        for (start, step, count, is_whole) in [
            (0.0, 1.0, 300_000, true),
            (-7.0, 3.0, 1000, true),
            (5.0, -2.0, 1000, true),
            (limit - 1000.0, 1.0, 999, true),
            (1000.0 - limit, -1.0, 999, true),
            (4.0, 0.0, 10, true),
            (-0.0, 1.0, 10, false),
            (limit - 1000.0, 1.0, 1000, false),
            (0.0, limit, 10, false),
            (0.5, 1.0, 100, false),
            (0.0, 0.5, 100, false),
            (f64::NAN, 1.0, 10, false),
            (0.0, f64::INFINITY, 10, false),
        ] {
            assert_eq!(
                whole(start, step, count).is_some(),
                is_whole,
                "{start}, {step}"
            );
            let buffer = Buffer::allocate("test", count * 4).unwrap();
            arange(start, step, Dtype::Float32, &buffer, count).unwrap();
            let found: &[f32] = bytemuck::cast_slice(&buffer.host_bytes().unwrap()[..count * 4]);
            for (number, found) in found.iter().enumerate() {
                let expected = (start + number as f64 * step) as f32;
                assert_eq!(
                    found.to_bits(),
                    expected.to_bits(),
                    "{start}, {step}: {number}"
                );
            }
        }
    }
}
