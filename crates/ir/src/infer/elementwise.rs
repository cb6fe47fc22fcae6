//! Elementwise operations.

use super::{ArrayType, OutputTypes, same_dtype, same_shape};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::op::{Binary, Unary};
use crate::program::ScalarProgram;

pub(super) fn unary(unary: Unary, operand: &ArrayType) -> Result<ArrayType> {
    if !unary.domain().contains(operand.dtype) {
        return Err(Error::DtypeUnsupported {
            op: unary.name(),
            dtype: operand.dtype,
            expected: unary.domain().describe(),
        });
    }
    Ok(ArrayType {
        shape: operand.shape.clone(),
        dtype: unary.result_dtype(operand.dtype),
    })
}

pub(super) fn binary(binary: Binary, lhs: &ArrayType, rhs: &ArrayType) -> Result<ArrayType> {
    same_shape(binary.name(), lhs, rhs)?;
    same_dtype(binary.name(), lhs, rhs)?;
    if !binary.domain().contains(lhs.dtype) {
        return Err(Error::DtypeUnsupported {
            op: binary.name(),
            dtype: lhs.dtype,
            expected: binary.domain().describe(),
        });
    }
    Ok(ArrayType {
        shape: lhs.shape.clone(),
        dtype: binary.result_dtype(lhs.dtype),
    })
}

pub(super) fn select(
    condition: &ArrayType,
    on_true: &ArrayType,
    on_false: &ArrayType,
) -> Result<ArrayType> {
    same_shape("where", condition, on_true)?;
    same_shape("where", on_true, on_false)?;
    same_dtype("where", on_true, on_false)?;
    if condition.dtype != Dtype::Bool {
        return Err(Error::DtypeUnsupported {
            op: "where",
            dtype: condition.dtype,
            expected: "a bool condition",
        });
    }
    Ok(on_true.clone())
}

pub(super) fn fused(program: &ScalarProgram, inputs: &[&ArrayType]) -> Result<OutputTypes> {
    if inputs.len() != program.inputs.len() {
        return Err(Error::InputCount {
            op: "fused",
            expected: program.inputs.len(),
            found: inputs.len(),
        });
    }
    let Some(first) = inputs.first() else {
        return Err(Error::InputCount {
            op: "fused",
            expected: 1,
            found: 0,
        });
    };
    for (input, dtype) in inputs.iter().zip(&program.inputs) {
        same_shape("fused", first, input)?;
        if input.dtype != *dtype {
            return Err(Error::DtypeMismatch {
                op: "fused",
                lhs: input.dtype,
                rhs: *dtype,
            });
        }
    }
    Ok(program
        .outputs
        .iter()
        .map(|output| ArrayType::new(first.shape.clone(), program.dtype(*output)))
        .collect())
}
