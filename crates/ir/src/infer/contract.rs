//! Matrix products and convolutions.

use super::{ArrayType, exactly, same_dtype, same_shape};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::op::{Contract, Convolution};
use crate::shape::Shape;

pub(super) fn contract(contract: &Contract, inputs: &[&ArrayType]) -> Result<ArrayType> {
    let name = contract.name();
    match contract {
        Contract::Matmul => {
            let [lhs, rhs] = exactly(name, inputs)?;
            matmul(name, lhs, rhs)
        }
        Contract::Addmm { .. } => {
            let [addend, lhs, rhs] = exactly(name, inputs)?;
            let product = matmul(name, lhs, rhs)?;
            same_shape(name, addend, &product)?;
            same_dtype(name, addend, &product)?;
            Ok(product)
        }
        Contract::GatherMatmul { .. } => {
            let [lhs, rhs, lhs_indices, rhs_indices] = exactly(name, inputs)?;
            gather_matmul(lhs, rhs, lhs_indices, rhs_indices)
        }
        Contract::Convolution(convolution) => {
            let [input, weight] = exactly(name, inputs)?;
            convolve(convolution, input, weight)
        }
    }
}

fn matrices(op: &'static str, lhs: &ArrayType, rhs: &ArrayType) -> Result<(usize, usize)> {
    same_dtype(op, lhs, rhs)?;
    if lhs.shape.ndim() < 2 || rhs.shape.ndim() < 2 {
        let shape = if lhs.shape.ndim() < 2 {
            &lhs.shape
        } else {
            &rhs.shape
        };
        return Err(Error::ShapeUnsuitable {
            op,
            rule: "operands must have at least two axes",
            shape: shape.clone(),
        });
    }
    let (rows, inner) = (
        lhs.shape[lhs.shape.ndim() - 2],
        lhs.shape[lhs.shape.ndim() - 1],
    );
    let columns = rhs.shape[rhs.shape.ndim() - 1];
    if inner != rhs.shape[rhs.shape.ndim() - 2] {
        return Err(Error::ShapeMismatch {
            op,
            rule: "inner sizes differ",
            lhs: lhs.shape.clone(),
            rhs: rhs.shape.clone(),
        });
    }
    Ok((rows, columns))
}

fn matmul(op: &'static str, lhs: &ArrayType, rhs: &ArrayType) -> Result<ArrayType> {
    let (_, columns) = matrices(op, lhs, rhs)?;
    let leading = lhs.shape.ndim() - 2;
    if lhs.shape.ndim() != rhs.shape.ndim() || lhs.shape[..leading] != rhs.shape[..leading] {
        return Err(Error::ShapeMismatch {
            op,
            rule: "leading sizes differ",
            lhs: lhs.shape.clone(),
            rhs: rhs.shape.clone(),
        });
    }
    let shape = lhs.shape.with(leading + 1, columns);
    Ok(ArrayType::new(shape.checked(op)?, lhs.dtype))
}

fn gather_matmul(
    lhs: &ArrayType,
    rhs: &ArrayType,
    lhs_indices: &ArrayType,
    rhs_indices: &ArrayType,
) -> Result<ArrayType> {
    let (rows, columns) = matrices("gather_mm", lhs, rhs)?;
    same_shape("gather_mm", lhs_indices, rhs_indices)?;
    for indices in [lhs_indices, rhs_indices] {
        if indices.dtype != Dtype::Uint32 {
            return Err(Error::DtypeUnsupported {
                op: "gather_mm",
                dtype: indices.dtype,
                expected: "uint32 indices",
            });
        }
    }
    let mut shape = lhs_indices.shape.clone();
    shape.push(rows);
    shape.push(columns);
    Ok(ArrayType::new(shape.checked("gather_mm")?, lhs.dtype))
}

fn convolve(convolution: &Convolution, input: &ArrayType, weight: &ArrayType) -> Result<ArrayType> {
    const OP: &str = "conv_general";
    same_dtype(OP, input, weight)?;
    if !input.dtype.is_inexact() {
        return Err(Error::DtypeUnsupported {
            op: OP,
            dtype: input.dtype,
            expected: "a floating or complex dtype",
        });
    }
    let spatial = input.shape.ndim().saturating_sub(2);
    if spatial == 0 || spatial > 3 || weight.shape.ndim() != input.shape.ndim() {
        return Err(Error::ShapeMismatch {
            op: OP,
            rule: "input must be (N, spatial…, C_in) and weight (C_out, kernel…, C_in/groups) with one to three spatial axes",
            lhs: input.shape.clone(),
            rhs: weight.shape.clone(),
        });
    }
    check_parameters(convolution, spatial)?;
    let (channels_in, channels_out) = (input.shape[spatial + 1], weight.shape[0]);
    let groups = convolution.groups;
    if groups == 0
        || channels_in != weight.shape[spatial + 1] * groups
        || channels_out % groups != 0
    {
        return Err(Error::ShapeMismatch {
            op: OP,
            rule: "channels of input and weight do not fit the groups",
            lhs: input.shape.clone(),
            rhs: weight.shape.clone(),
        });
    }
    let mut shape = Shape::from([input.shape[0]]);
    for axis in 0..spatial {
        shape.push(output_size(convolution, axis, input, weight)?);
    }
    shape.push(channels_out);
    Ok(ArrayType::new(shape.checked(OP)?, input.dtype))
}

fn check_parameters(convolution: &Convolution, spatial: usize) -> Result<()> {
    let invalid = |argument, value, expected| {
        Err(Error::InvalidArgument {
            op: "conv_general",
            argument,
            value,
            expected,
        })
    };
    for (argument, values) in [
        ("stride", &convolution.stride),
        ("kernel_dilation", &convolution.kernel_dilation),
        ("input_dilation", &convolution.input_dilation),
    ] {
        if values.len() != spatial || values.contains(&0) {
            return invalid(
                argument,
                format!("{values:?}"),
                "one positive number per spatial axis",
            );
        }
    }
    if convolution.padding_low.len() != spatial || convolution.padding_high.len() != spatial {
        let value = format!(
            "{:?} and {:?}",
            convolution.padding_low, convolution.padding_high
        );
        return invalid("padding", value, "one number per spatial axis and side");
    }
    Ok(())
}

fn output_size(
    convolution: &Convolution,
    axis: usize,
    input: &ArrayType,
    weight: &ArrayType,
) -> Result<usize> {
    let spread = |size: usize, dilation: usize| match size {
        0 => 0i128,
        size => (size as i128 - 1) * dilation as i128 + 1,
    };
    let padded = spread(input.shape[axis + 1], convolution.input_dilation[axis])
        + convolution.padding_low[axis] as i128
        + convolution.padding_high[axis] as i128;
    let window = spread(weight.shape[axis + 1], convolution.kernel_dilation[axis]);
    if padded < window || window == 0 {
        return Err(Error::ShapeMismatch {
            op: "conv_general",
            rule: "the padded input is smaller than the kernel",
            lhs: input.shape.clone(),
            rhs: weight.shape.clone(),
        });
    }
    Ok(((padded - window) / convolution.stride[axis] as i128 + 1) as usize)
}
