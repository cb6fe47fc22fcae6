//! Reductions and scans.

use super::{ArrayType, OutputTypes, elementwise, has_axis};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::op::{ArgReduce, Reduce, ReduceKind, Scan, ScanKind};
use crate::program::ReducedProgram;

pub(super) fn reduce(reduce: &Reduce, operand: &ArrayType) -> Result<ArrayType> {
    let name = reduce.name();
    let mut shape = operand.shape.clone();
    for &axis in &reduce.axes {
        has_axis(name, axis, operand)?;
        if shape[axis] == 0 && matches!(reduce.kind, ReduceKind::Max | ReduceKind::Min) {
            return Err(Error::ShapeUnsuitable {
                op: name,
                rule: "the extreme of no elements is undefined",
                shape: operand.shape.clone(),
            });
        }
    }
    for &axis in &reduce.axes {
        shape[axis] = 1;
    }
    let dtype = match reduce.kind {
        ReduceKind::Sum | ReduceKind::Prod => accumulator(operand.dtype),
        ReduceKind::Max | ReduceKind::Min => operand.dtype,
        ReduceKind::All | ReduceKind::Any => Dtype::Bool,
        ReduceKind::LogSumExp => {
            if !operand.dtype.is_inexact() {
                return Err(Error::DtypeUnsupported {
                    op: name,
                    dtype: operand.dtype,
                    expected: "a floating or complex dtype",
                });
            }
            operand.dtype
        }
    };
    Ok(ArrayType { shape, dtype })
}

/// The outputs of the program, then the reduction of its value.
pub(super) fn reduced_program(
    reduced: &ReducedProgram,
    inputs: &[&ArrayType],
) -> Result<OutputTypes> {
    let mut outputs = elementwise::fused(&reduced.program, inputs)?;
    let dtype = reduced.program.dtype(reduced.value);
    let value = ArrayType::new(inputs[0].shape.clone(), dtype);
    outputs.push(reduce(&reduced.reduce, &value)?);
    Ok(outputs)
}

/// The dtype that sums and products of `dtype` have.
fn accumulator(dtype: Dtype) -> Dtype {
    match dtype {
        Dtype::Bool | Dtype::Int8 | Dtype::Int16 => Dtype::Int32,
        Dtype::Uint8 | Dtype::Uint16 => Dtype::Uint32,
        Dtype::Uint32
        | Dtype::Uint64
        | Dtype::Int32
        | Dtype::Int64
        | Dtype::Float16
        | Dtype::Float32
        | Dtype::Float64
        | Dtype::Bfloat16
        | Dtype::Complex64 => dtype,
    }
}

pub(super) fn arg_reduce(reduce: &ArgReduce, operand: &ArrayType) -> Result<ArrayType> {
    let name = reduce.name();
    has_axis(name, reduce.axis, operand)?;
    if operand.shape[reduce.axis] == 0 {
        return Err(Error::ShapeUnsuitable {
            op: name,
            rule: "the extreme of no elements is undefined",
            shape: operand.shape.clone(),
        });
    }
    Ok(ArrayType {
        shape: operand.shape.with(reduce.axis, 1),
        dtype: Dtype::Uint32,
    })
}

pub(super) fn scan(scan: &Scan, operand: &ArrayType) -> Result<ArrayType> {
    let name = scan.name();
    has_axis(name, scan.axis, operand)?;
    let suits = match scan.kind {
        ScanKind::Sum | ScanKind::Prod | ScanKind::Max | ScanKind::Min => true,
        ScanKind::LogAddExp => operand.dtype.is_inexact(),
    };
    if !suits {
        return Err(Error::DtypeUnsupported {
            op: name,
            dtype: operand.dtype,
            expected: "a floating or complex dtype",
        });
    }
    let dtype = match (scan.kind, operand.dtype) {
        (ScanKind::Sum, Dtype::Bool) => Dtype::Int32,
        (_, dtype) => dtype,
    };
    Ok(ArrayType {
        shape: operand.shape.clone(),
        dtype,
    })
}
