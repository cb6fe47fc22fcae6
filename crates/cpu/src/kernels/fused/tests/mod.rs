//! Elementwise kernels against one-element calls and against independent formulas.

mod accuracy;
mod instruction_sets;
mod layouts;
mod programs;
mod streamed;
mod values;

use super::run_with;
use crate::simd::Isa;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Op, infer};
use mlx_oxide_runtime::{Buffer, Call, Device, Operand, Stored, Stream};

/// The instruction sets of this machine.
fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

/// An operand in row-major order.
fn operand(bytes: &[u8], shape: &[usize], dtype: Dtype) -> Operand {
    Operand {
        buffer: Buffer::from_bytes("test", bytes).unwrap(),
        layout: Layout::contiguous(shape),
        dtype,
        donatable: false,
    }
}

fn floats(values: &[f32]) -> Operand {
    operand(
        bytemuck::cast_slice(values),
        &[values.len()],
        Dtype::Float32,
    )
}

/// The bytes of each output in row-major order.
fn run(op: &Op, inputs: &[Operand], isa: Isa) -> Vec<Vec<u8>> {
    let results = stored(op, inputs, isa);
    let in_order = results.into_iter().map(|(stored, width)| {
        let bytes = stored.buffer.host_bytes().unwrap();
        bytes_in_order(bytes, &stored.layout, width)
    });
    in_order.collect()
}

/// Elements of a width that lie in `bytes`, in row-major order.
fn bytes_in_order(bytes: &[u8], layout: &Layout, width: usize) -> Vec<u8> {
    let places = layout.places();
    places
        .flat_map(|place| bytes[place * width..][..width].iter().copied())
        .collect()
}

/// Outputs and the widths of their elements.
fn stored(op: &Op, inputs: &[Operand], isa: Isa) -> Vec<(Stored, usize)> {
    let types: Vec<ArrayType> = inputs.iter().map(Operand::array_type).collect();
    let types: Vec<&ArrayType> = types.iter().collect();
    let outputs = infer(op, &types).unwrap();
    let call = Call {
        op,
        inputs,
        outputs: &outputs,
        stream: Stream::default_of(Device::CPU),
    };
    let results = run_with(&call, isa).unwrap();
    let widths = outputs.iter().map(|output| output.dtype.size());
    results.into_iter().zip(widths).collect()
}

fn run_floats(op: &Op, inputs: &[Operand], isa: Isa) -> Vec<f32> {
    bytemuck::allocation::pod_collect_to_vec(&run(op, inputs, isa)[0])
}

/// Elements of a dtype as bytes: edges first, then a mixture of magnitudes. Bools are 0 and 1.
fn samples(dtype: Dtype, count: usize, seed: usize) -> Vec<u8> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let edges = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        1.0,
        -1.0,
        1e-40,
        -1e-310,
        0.5,
        2.0,
        3.0,
    ];
    let mut bytes = Vec::with_capacity(count * dtype.size());
    for index in 0..count {
        let real = match edges.get((index + seed) % 29) {
            Some(edge) => *edge,
            None => {
                let exponent = (random() % 16) as i32 - 8;
                (random() as i32 as f64 / f64::from(i32::MAX)) * 2f64.powi(exponent)
            }
        };
        let integer = match random() % 3 {
            0 => random(),
            _ => (random() % 7).wrapping_sub(3),
        };
        match dtype {
            Dtype::Bool => bytes.push((integer & 1) as u8),
            Dtype::Float16 => bytes.extend(half::f16::from_f64(real).to_le_bytes()),
            Dtype::Bfloat16 => bytes.extend(half::bf16::from_f64(real).to_le_bytes()),
            Dtype::Float32 => bytes.extend((real as f32).to_le_bytes()),
            Dtype::Float64 => bytes.extend(real.to_le_bytes()),
            Dtype::Complex64 => {
                bytes.extend((real as f32).to_le_bytes());
                bytes.extend(((index % 5) as f32 - 2.0).to_le_bytes());
            }
            _ => bytes.extend(&integer.to_le_bytes()[..dtype.size()]),
        }
    }
    bytes
}

/// Whether two elements have the same bits, or are both NaN.
fn same(dtype: Dtype, left: &[u8], right: &[u8]) -> bool {
    let nan = |bytes: &[u8]| match dtype {
        Dtype::Float16 => half::f16::from_le_bytes([bytes[0], bytes[1]]).is_nan(),
        Dtype::Bfloat16 => half::bf16::from_le_bytes([bytes[0], bytes[1]]).is_nan(),
        Dtype::Float32 => f32::from_le_bytes(bytes.try_into().unwrap()).is_nan(),
        Dtype::Float64 => f64::from_le_bytes(bytes.try_into().unwrap()).is_nan(),
        _ => false,
    };
    if dtype == Dtype::Complex64 {
        return same(Dtype::Float32, &left[..4], &right[..4])
            && same(Dtype::Float32, &left[4..], &right[4..]);
    }
    left == right || (nan(left) && nan(right))
}

fn assert_same(dtype: Dtype, found: &[u8], expected: &[u8], context: &str) {
    assert_eq!(found.len(), expected.len(), "{context}");
    let width = dtype.size();
    for (place, (found, expected)) in found.chunks(width).zip(expected.chunks(width)).enumerate() {
        assert!(
            same(dtype, found, expected),
            "{context}: {found:?} instead of {expected:?} at {place}"
        );
    }
}
