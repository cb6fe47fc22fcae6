//! A sample on a backend, without an array.

use crate::arrange::operands;
use crate::sample::Sample;
use mlx_oxide_ir::{ArrayType, Error, Result, Scalar, infer};
use mlx_oxide_runtime::{Backend, Call, Device, Stored, Stream};

/// A result on the host.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// Shape and dtype.
    pub array_type: ArrayType,
    /// Elements in row-major order.
    pub elements: Vec<Scalar>,
}

/// Whether a backend runs the sample.
pub fn supports(sample: &Sample, backend: &dyn Backend) -> bool {
    let types: Vec<ArrayType> = sample.inputs.iter().map(|i| i.array_type()).collect();
    backend.supports(&sample.op, &types.iter().collect::<Vec<_>>())
}

/// Runs a sample; fails too if an output has not the inferred shape or reaches out of its buffer.
pub fn evaluate(sample: &Sample, backend: &dyn Backend) -> Result<Vec<Evaluated>> {
    let inputs = operands(sample)?;
    let types: Vec<ArrayType> = sample.inputs.iter().map(|i| i.array_type()).collect();
    let outputs = infer(&sample.op, &types.iter().collect::<Vec<_>>())?;
    let stream = Stream::default_of(Device::from(backend.device_type()));
    let results = backend.run(Call {
        op: &sample.op,
        inputs: &inputs,
        outputs: &outputs,
        stream,
    })?;
    backend.synchronize(stream)?;
    if results.len() != outputs.len() {
        let detail = format!("{} outputs instead of {}", results.len(), outputs.len());
        return Err(broken(sample, detail));
    }
    results
        .iter()
        .zip(&outputs)
        .map(|(stored, output)| fetch(sample, stored, output))
        .collect()
}

fn broken(sample: &Sample, detail: String) -> Error {
    Error::Internal {
        op: sample.op.name(),
        detail,
    }
}

fn fetch(sample: &Sample, stored: &Stored, output: &ArrayType) -> Result<Evaluated> {
    let bytes = stored.buffer.host_bytes()?;
    let width = output.dtype.size();
    if stored.layout.shape != output.shape {
        let detail = format!("shape {} not {}", stored.layout.shape, output.shape);
        return Err(broken(sample, detail));
    }
    if !stored.layout.fits(bytes.len() / width) {
        let detail = format!("{:?} in {} bytes", stored.layout, bytes.len());
        return Err(broken(sample, detail));
    }
    let element = |place: usize| {
        let mut bits = [0; 8];
        bits[..width].copy_from_slice(&bytes[place * width..(place + 1) * width]);
        Scalar::from_bits(u64::from_le_bytes(bits), output.dtype)
    };
    Ok(Evaluated {
        array_type: output.clone(),
        elements: stored.layout.places().map(element).collect(),
    })
}
