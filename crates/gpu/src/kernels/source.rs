//! Arrays out of nothing.

use super::operand::Place;
use super::{Kernel, KernelSource, WORKGROUP, declined, packing};
use crate::codegen::{KernelText, Register, round};
use crate::dispatch::Context;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Result, Scalar, Shape, Source};
use mlx_oxide_runtime::{Buffer, Call, Results, Stored};
use smallvec::smallvec;

/// Whole numbers below this are exact in single precision.
const EXACT: f64 = 16_777_216.0;

/// Whole numbers, evenly spaced.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Arange {
    dtype: Dtype,
}

impl KernelSource for Arange {
    fn write(&self) -> KernelText {
        let mut text = KernelText::new(WORKGROUP);
        packing::write_outputs(&mut text, &[self.dtype], |text| {
            let first = text.parameter("first_value");
            let step = text.parameter("step");
            let value = format!("{first} + number * {step}");
            let value = match Register::of(self.dtype) {
                Register::Uint => value,
                Register::Float => format!("f32(bitcast<i32>({value}))"),
                Register::Int
                | Register::Bool
                | Register::WideUint
                | Register::WideInt
                | Register::Double
                | Register::Complex => format!("bitcast<i32>({value})"),
            };
            format!("let result0 = {};", round(self.dtype, value))
        });
        text
    }
}

pub(super) fn supports(op: &Source) -> bool {
    match op {
        Source::Full { .. } | Source::Arange { .. } => true,
        Source::Placeholder(_) => false,
    }
}

pub(super) fn run(op: &Source, call: &Call<'_>) -> Result<Results> {
    match op {
        Source::Full { shape, value } => Ok(smallvec![full(shape, *value)?]),
        Source::Arange {
            start, step, count, ..
        } => Ok(smallvec![arange(
            start.get(),
            step.get(),
            *count,
            &call.outputs[0]
        )?]),
        Source::Placeholder(_) => Err(declined(call)),
    }
}

/// One element seen everywhere: no memory is written.
fn full(shape: &Shape, value: Scalar) -> Result<Stored> {
    let (bytes, size) = value.bytes();
    Ok(Stored {
        buffer: Buffer::from_bytes("full", &bytes[..size])?,
        layout: Layout::contiguous([]).broadcast(shape),
    })
}

fn arange(start: f64, step: f64, count: usize, array: &ArrayType) -> Result<Stored> {
    let last = start + step * count as f64;
    let whole = |limit: f64| {
        start.fract() == 0.0
            && step.fract() == 0.0
            && [start, step, last].iter().all(|value| value.abs() < limit)
    };
    let on_device = match array.dtype {
        Dtype::Uint8 | Dtype::Uint16 | Dtype::Uint32 => whole(2f64.powi(52)),
        Dtype::Int8 | Dtype::Int16 | Dtype::Int32 => whole(2f64.powi(52)),
        Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float32 => whole(EXACT),
        Dtype::Bool | Dtype::Uint64 | Dtype::Int64 | Dtype::Float64 | Dtype::Complex64 => false,
    };
    if !on_device {
        return arange_on_host(start, step, array);
    }
    let context = Context::get()?;
    let output = Place::fresh(context, array)?;
    let bindings = [output.memory.binding()?];
    let parameters = [count as u32, 0, start as i64 as u32, step as i64 as u32];
    let kernel = Kernel::Arange(Arange { dtype: array.dtype });
    let lanes = packing::lanes(&[array.dtype]) as usize;
    let groups = (count.div_ceil(lanes) as u32).div_ceil(WORKGROUP);
    context.dispatch(&kernel, &parameters, &bindings, groups)?;
    Ok(output.stored())
}

/// Fractions need double precision, which few devices have.
fn arange_on_host(start: f64, step: f64, array: &ArrayType) -> Result<Stored> {
    let size = array.dtype.size();
    let mut bytes = vec![0; array.bytes()];
    for (number, element) in bytes.chunks_exact_mut(size).enumerate() {
        let value = Scalar::new(start + number as f64 * step, array.dtype);
        element.copy_from_slice(&value.bytes().0[..size]);
    }
    Ok(Stored::contiguous(
        Buffer::from_bytes("arange", &bytes)?,
        array,
    ))
}
