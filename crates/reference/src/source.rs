//! Arrays out of nothing.

use crate::elements::Elements;
use crate::value::Value;
use mlx_oxide_ir::{Dtype, Error, Real, Result, Source};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn run(source: &Source, call: &Call<'_>) -> Result<Results> {
    let mut output = Elements::zeroed(&call.outputs[0]);
    match source {
        Source::Full { value, .. } => {
            let (bytes, width) = value.bytes();
            for place in 0..output.len() {
                output.raw_mut(place).copy_from_slice(&bytes[..width]);
            }
        }
        Source::Arange {
            start, step, dtype, ..
        } => {
            for place in 0..output.len() {
                output.set(place, arange(*start, *step, place, *dtype));
            }
        }
        Source::Placeholder(_) => {
            return Err(Error::ReadWhileTracing { op: "placeholder" });
        }
    }
    output.finish(source.name())
}

/// Of integers, the first two elements lose their fractions and their distance is the step, as
/// in MLX.
fn arange(start: Real, step: Real, place: usize, dtype: Dtype) -> Value {
    let (start, step) = (start.get(), step.get());
    if dtype.is_inexact() {
        return Value::Real(start + place as f64 * step);
    }
    let first = Value::Real(start).integer();
    let second = Value::Real(start + step).integer();
    Value::Integer(first + place as i128 * (second - first))
}
