//! Runs one operation on small arrays.

use mlx_oxide_ir::{ArrayType, Dtype, Layout, Op, Result, Scalar, Shape, infer};
use mlx_oxide_reference::Reference;
use mlx_oxide_runtime::{Backend, Buffer, Call, Device, Operand, Stored, Stream};

/// An operand of these elements, converted to `dtype`.
pub(crate) fn array(values: &[f64], shape: impl Into<Shape>, dtype: Dtype) -> Operand {
    let scalars = values.iter().map(|value| Scalar::new(*value, dtype));
    of_scalars(scalars, shape.into(), dtype)
}

/// A `float32` operand of these elements.
pub(crate) fn singles(values: &[f64], shape: impl Into<Shape>) -> Operand {
    array(values, shape, Dtype::Float32)
}

/// An operand of the numbers 0, 1, … in `float32`.
pub(crate) fn counting(shape: impl Into<Shape>) -> Operand {
    let shape = shape.into();
    let values: Vec<f64> = (0..shape.size()).map(|value| value as f64).collect();
    singles(&values, shape)
}

/// A `complex64` operand.
pub(crate) fn complexes(values: &[(f32, f32)], shape: impl Into<Shape>) -> Operand {
    let scalars = values.iter().map(|&(re, im)| {
        Scalar::from_complex(num_complex::Complex32::new(re, im), Dtype::Complex64)
    });
    of_scalars(scalars, shape.into(), Dtype::Complex64)
}

fn of_scalars(scalars: impl Iterator<Item = Scalar>, shape: Shape, dtype: Dtype) -> Operand {
    let bytes: Vec<u8> = scalars
        .flat_map(|scalar| {
            let (bytes, width) = scalar.bytes();
            bytes.into_iter().take(width)
        })
        .collect();
    assert_eq!(bytes.len(), shape.size() * dtype.size());
    Operand {
        buffer: Buffer::from_bytes("test", &bytes).expect("memory"),
        layout: Layout::contiguous(shape),
        dtype,
        donatable: false,
    }
}

/// The first output's elements in row-major order, as scalars.
pub(crate) fn try_run(op: Op, inputs: &[Operand]) -> Result<Vec<Scalar>> {
    let types: Vec<ArrayType> = inputs.iter().map(Operand::array_type).collect();
    let outputs = infer(&op, &types.iter().collect::<Vec<_>>())?;
    assert!(Reference.supports(&op, &types.iter().collect::<Vec<_>>()));
    let results = Reference.run(Call {
        op: &op,
        inputs,
        outputs: &outputs,
        stream: Stream::default_of(Device::CPU),
    })?;
    assert_eq!(results.len(), outputs.len());
    assert_eq!(results[0].layout.shape, outputs[0].shape);
    Ok(scalars(&results[0], outputs[0].dtype))
}

fn scalars(stored: &Stored, dtype: Dtype) -> Vec<Scalar> {
    let bytes = stored.buffer.host_bytes().expect("host memory");
    let width = dtype.size();
    stored
        .layout
        .places()
        .map(|place| {
            let mut bits = [0; 8];
            bits[..width].copy_from_slice(&bytes[place * width..(place + 1) * width]);
            Scalar::from_bits(u64::from_le_bytes(bits), dtype)
        })
        .collect()
}

/// The first output's elements as doubles.
pub(crate) fn run(op: Op, inputs: &[Operand]) -> Vec<f64> {
    let scalars = try_run(op, inputs).expect("the operation runs");
    scalars.into_iter().map(Scalar::to_f64).collect()
}

/// Fails unless all numbers agree to single precision, or are both NaN.
#[track_caller]
pub(crate) fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(
        found.len(),
        expected.len(),
        "{found:?} against {expected:?}"
    );
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let agree = (found.is_nan() && expected.is_nan())
            || found == expected
            || (found - expected).abs() <= 1e-6 + 2e-6 * expected.abs();
        assert!(agree, "element {index}: {found} instead of {expected}");
    }
}
