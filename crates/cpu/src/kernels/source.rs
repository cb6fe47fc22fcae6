//! Arrays out of nothing.

use super::shared::Shared;
use crate::simd::strided;
use half::{bf16, f16};
use mlx_oxide_ir::{Dtype, Error, Result, Scalar, Source};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored, parallel};
use smallvec::smallvec;

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
    let (bytes, width) = value.bytes();
    let target = Shared(buffer.host_ptr()?.as_ptr());
    parallel::for_each_range(count, PIECE, |start, end| {
        let place = target.element::<u8>(start * width);
        // SAFETY: the buffer holds `count` elements of that width
        unsafe { strided::fill(place, bytes.as_ptr(), width, end - start) };
    });
    Ok(())
}

/// Of integers, the first two elements lose their fractions and their distance is the step, as in
/// MLX; sums wrap.
fn arange(start: f64, step: f64, dtype: Dtype, buffer: &Buffer, count: usize) -> Result<()> {
    let target = Shared(buffer.host_ptr()?.as_ptr());
    let first = start as i64;
    let distance = ((start + step) as i64).wrapping_sub(first);
    let integer = move |number: usize| (number as i64).wrapping_mul(distance).wrapping_add(first);
    let real = move |number: usize| start + number as f64 * step;
    match dtype {
        Dtype::Bool => each(&target, count, |number| u8::from(integer(number) != 0)),
        Dtype::Uint8 | Dtype::Int8 => each(&target, count, |number| integer(number) as u8),
        Dtype::Uint16 | Dtype::Int16 => each(&target, count, |number| integer(number) as u16),
        Dtype::Uint32 | Dtype::Int32 => each(&target, count, |number| integer(number) as u32),
        Dtype::Uint64 | Dtype::Int64 => each(&target, count, integer),
        Dtype::Float16 => each(&target, count, |number| f16::from_f64(real(number))),
        Dtype::Bfloat16 => each(&target, count, |number| bf16::from_f64(real(number))),
        Dtype::Float32 => each(&target, count, |number| real(number) as f32),
        Dtype::Float64 => each(&target, count, real),
        Dtype::Complex64 => each(&target, count, |number| [real(number) as f32, 0.0]),
    }
    Ok(())
}

/// Writes `element(i)` at every place.
fn each<T: Copy>(target: &Shared<u8>, count: usize, element: impl Fn(usize) -> T + Sync) {
    parallel::for_each_range(count, PIECE, |start, end| {
        let place = target.element::<T>(start);
        for number in start..end {
            // SAFETY: the buffer holds `count` aligned elements of that width
            unsafe { place.add(number - start).write(element(number)) };
        }
    });
}
