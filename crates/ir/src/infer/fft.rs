//! Discrete Fourier transforms.

use super::{ArrayType, has_axis};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::op::Fft;

pub(super) fn fft(fft: &Fft, operand: &ArrayType) -> Result<ArrayType> {
    let name = fft.name();
    let (taken, given, expected) = match fft {
        Fft::Forward { .. } | Fft::Inverse { .. } => {
            (Dtype::Complex64, Dtype::Complex64, "complex64")
        }
        Fft::RealForward { .. } => (Dtype::Float32, Dtype::Complex64, "float32"),
        Fft::RealInverse { .. } => (Dtype::Complex64, Dtype::Float32, "complex64"),
    };
    if operand.dtype != taken {
        return Err(Error::DtypeUnsupported {
            op: name,
            dtype: operand.dtype,
            expected,
        });
    }
    check_axes(fft, operand)?;
    let mut shape = operand.shape.clone();
    let halved = *fft.axes().last().expect("checked to be there");
    match fft {
        Fft::Forward { .. } | Fft::Inverse { .. } => {}
        Fft::RealForward { .. } => shape[halved] = shape[halved] / 2 + 1,
        Fft::RealInverse { length, .. } => {
            if shape[halved] != length / 2 + 1 {
                return Err(Error::ShapeUnsuitable {
                    op: name,
                    rule: "the last named axis must have length/2 + 1 frequencies",
                    shape,
                });
            }
            shape[halved] = *length;
        }
    }
    Ok(ArrayType::new(shape.checked(name)?, given))
}

/// Some axes, each once, none empty.
fn check_axes(fft: &Fft, operand: &ArrayType) -> Result<()> {
    let name = fft.name();
    let empty = match fft {
        Fft::RealInverse { length: 0, .. } => true,
        Fft::Forward { .. }
        | Fft::Inverse { .. }
        | Fft::RealForward { .. }
        | Fft::RealInverse { .. } => fft.axes().is_empty(),
    };
    if empty {
        return Err(Error::ShapeUnsuitable {
            op: name,
            rule: "a transform has at least one axis, of at least one element",
            shape: operand.shape.clone(),
        });
    }
    for (place, &axis) in fft.axes().iter().enumerate() {
        has_axis(name, axis, operand)?;
        if fft.axes()[..place].contains(&axis) {
            return Err(Error::RepeatedAxis { op: name, axis });
        }
        if operand.shape[axis] == 0 {
            return Err(Error::ShapeUnsuitable {
                op: name,
                rule: "a transformed axis must not be empty",
                shape: operand.shape.clone(),
            });
        }
    }
    Ok(())
}
