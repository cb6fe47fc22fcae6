//! Packed matrices.

use super::{ArrayType, OutputTypes, exactly, same_dtype, same_shape};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::op::{Packing, Quantized};
use smallvec::smallvec;

pub(super) fn quantized(op: &Quantized, inputs: &[&ArrayType]) -> Result<OutputTypes> {
    let name = op.name();
    match op {
        Quantized::Quantize { packing, global } => {
            let rows = rows(name, packing, *global, inputs)?;
            packed_types(packing, rows)
        }
        Quantized::Requantize { packing, global } => {
            Ok(smallvec![rows(name, packing, *global, inputs)?.clone()])
        }
        Quantized::Dequantize {
            packing,
            dtype,
            global,
        } => dequantize(packing, *dtype, *global, inputs),
        Quantized::Matmul { packing, transpose } => {
            count(name, inputs, 1 + packing.parts())?;
            let matrix = packed(name, packing, &inputs[1..])?;
            let product = product(name, packing, *transpose, inputs, &matrix)?;
            let leading = inputs[0].shape.ndim() - 2;
            if inputs[0].shape[..leading] != matrix.shape[..matrix.shape.ndim() - 2] {
                return Err(mismatch(name, "leading sizes differ", inputs[0], inputs[1]));
            }
            Ok(smallvec![product])
        }
        Quantized::GatherMatmul {
            packing, transpose, ..
        } => gather(packing, *transpose, inputs),
        Quantized::ToFp8 => {
            let [operand] = exactly(name, inputs)?;
            floating(name, operand.dtype)?;
            Ok(smallvec![ArrayType::new(
                operand.shape.clone(),
                Dtype::Uint8
            )])
        }
        Quantized::FromFp8 { dtype } => {
            let [operand] = exactly(name, inputs)?;
            is_dtype(
                name,
                operand,
                Dtype::Uint8,
                "uint8, the bits of E4M3 numbers",
            )?;
            floating(name, *dtype)?;
            Ok(smallvec![ArrayType::new(operand.shape.clone(), *dtype)])
        }
    }
}

fn count(op: &'static str, inputs: &[&ArrayType], expected: usize) -> Result<()> {
    if inputs.len() == expected {
        return Ok(());
    }
    Err(Error::InputCount {
        op,
        expected,
        found: inputs.len(),
    })
}

fn mismatch(op: &'static str, rule: &'static str, lhs: &ArrayType, rhs: &ArrayType) -> Error {
    Error::ShapeMismatch {
        op,
        rule,
        lhs: lhs.shape.clone(),
        rhs: rhs.shape.clone(),
    }
}

fn is_dtype(
    op: &'static str,
    operand: &ArrayType,
    dtype: Dtype,
    expected: &'static str,
) -> Result<()> {
    if operand.dtype == dtype {
        return Ok(());
    }
    Err(Error::DtypeUnsupported {
        op,
        dtype: operand.dtype,
        expected,
    })
}

fn floating(op: &'static str, dtype: Dtype) -> Result<()> {
    if dtype.is_floating() {
        return Ok(());
    }
    Err(Error::DtypeUnsupported {
        op,
        dtype,
        expected: "a real floating dtype",
    })
}

/// Numbers beside packed ones: at most single precision.
fn single(op: &'static str, dtype: Dtype) -> Result<()> {
    if dtype.is_floating() && dtype != Dtype::Float64 {
        return Ok(());
    }
    Err(Error::DtypeUnsupported {
        op,
        dtype,
        expected: "float16, bfloat16 or float32",
    })
}

fn global_scale(op: &'static str, packing: &Packing, scale: &ArrayType) -> Result<()> {
    is_dtype(op, scale, Dtype::Float32, "float32 for the global scale")?;
    if scale.size() != 1 {
        return Err(Error::ShapeUnsuitable {
            op,
            rule: "the global scale must be one number",
            shape: scale.shape.clone(),
        });
    }
    if packing.mode == crate::op::QuantizationMode::Nvfp4 {
        return Ok(());
    }
    Err(Error::InvalidArgument {
        op,
        argument: "mode",
        value: format!("{:?}", packing.mode.name()),
        expected: "\"nvfp4\" with a global scale",
    })
}

/// The matrix to be packed, of whole groups.
fn rows<'a>(
    op: &'static str,
    packing: &Packing,
    global: bool,
    inputs: &[&'a ArrayType],
) -> Result<&'a ArrayType> {
    packing.check(op)?;
    count(op, inputs, 1 + usize::from(global))?;
    let operand = inputs[0];
    single(op, operand.dtype)?;
    if global {
        global_scale(op, packing, inputs[1])?;
    }
    let unsuitable = |rule| {
        Err(Error::ShapeUnsuitable {
            op,
            rule,
            shape: operand.shape.clone(),
        })
    };
    let Some(last) = operand.shape.last().filter(|_| operand.shape.ndim() > 1) else {
        return unsuitable("the matrix must have at least two axes");
    };
    if last % packing.group_size != 0 {
        return unsuitable(match packing.group_size {
            16 => "the last axis must be a multiple of the group size 16",
            32 => "the last axis must be a multiple of the group size 32",
            64 => "the last axis must be a multiple of the group size 64",
            _ => "the last axis must be a multiple of the group size 128",
        });
    }
    Ok(operand)
}

fn packed_types(packing: &Packing, rows: &ArrayType) -> Result<OutputTypes> {
    let last = rows.shape.ndim() - 1;
    let columns = rows.shape[last];
    let words = rows.shape.with(last, packing.words(columns));
    let groups = rows.shape.with(last, columns / packing.group_size);
    let scale = if packing.has_biases() {
        rows.dtype
    } else {
        Dtype::Uint8
    };
    let mut types: OutputTypes = smallvec![
        ArrayType::new(words, Dtype::Uint32),
        ArrayType::new(groups.clone(), scale),
    ];
    if packing.has_biases() {
        types.push(ArrayType::new(groups, scale));
    }
    Ok(types)
}

/// Shape of the numbers that packed arrays stand for, with the dtype of the scales.
fn packed(op: &'static str, packing: &Packing, parts: &[&ArrayType]) -> Result<ArrayType> {
    packing.check(op)?;
    let (words, scales) = (parts[0], parts[1]);
    is_dtype(op, words, Dtype::Uint32, "uint32 for packed elements")?;
    if packing.has_biases() {
        single(op, scales.dtype)?;
        same_dtype(op, scales, parts[2])?;
        same_shape(op, scales, parts[2])?;
    } else {
        is_dtype(op, scales, Dtype::Uint8, "uint8 for scales")?;
    }
    let ndim = words.shape.ndim();
    if ndim < 2 {
        return Err(Error::ShapeUnsuitable {
            op,
            rule: "the matrix must have at least two axes",
            shape: words.shape.clone(),
        });
    }
    if scales.shape.ndim() != ndim || scales.shape[..ndim - 1] != words.shape[..ndim - 1] {
        let rule = "packed elements and scales differ in their rows";
        return Err(mismatch(op, rule, words, scales));
    }
    let columns = scales.shape[ndim - 1].saturating_mul(packing.group_size);
    if packing.words(columns) != words.shape[ndim - 1] {
        let rule = "packed elements and scales do not fit each other by these bits and group size";
        return Err(mismatch(op, rule, words, scales));
    }
    let shape = words.shape.with(ndim - 1, columns);
    Ok(ArrayType::new(shape.checked(op)?, scales.dtype))
}

fn dequantize(
    packing: &Packing,
    dtype: Dtype,
    global: bool,
    inputs: &[&ArrayType],
) -> Result<OutputTypes> {
    const OP: &str = "dequantize";
    count(OP, inputs, packing.parts() + usize::from(global))?;
    let matrix = packed(OP, packing, inputs)?;
    single(OP, dtype)?;
    if packing.has_biases() && dtype != matrix.dtype {
        return Err(Error::DtypeMismatch {
            op: OP,
            lhs: dtype,
            rhs: matrix.dtype,
        });
    }
    if global {
        global_scale(OP, packing, inputs[packing.parts()])?;
    }
    Ok(smallvec![ArrayType::new(matrix.shape, dtype)])
}

/// The product of x with one packed matrix, under x's leading axes.
fn product(
    op: &'static str,
    packing: &Packing,
    transpose: bool,
    inputs: &[&ArrayType],
    matrix: &ArrayType,
) -> Result<ArrayType> {
    let x = inputs[0];
    single(op, x.dtype)?;
    if packing.has_biases() {
        same_dtype(op, x, matrix)?;
    }
    let ndim = x.shape.ndim();
    if ndim < 2 {
        return Err(Error::ShapeUnsuitable {
            op,
            rule: "operands must have at least two axes",
            shape: x.shape.clone(),
        });
    }
    let last = matrix.shape.ndim() - 1;
    let (inner, columns) = if transpose {
        (matrix.shape[last], matrix.shape[last - 1])
    } else {
        (matrix.shape[last - 1], matrix.shape[last])
    };
    if x.shape[ndim - 1] != inner {
        let rule = if transpose {
            "the last axis of x is not that of the unpacked matrix"
        } else {
            "the last axis of x is not the rows of the unpacked matrix"
        };
        return Err(mismatch(op, rule, x, matrix));
    }
    let shape = x.shape.with(ndim - 1, columns);
    Ok(ArrayType::new(shape.checked(op)?, x.dtype))
}

fn gather(packing: &Packing, transpose: bool, inputs: &[&ArrayType]) -> Result<OutputTypes> {
    const OP: &str = "gather_qmm";
    let parts = packing.parts();
    count(OP, inputs, 3 + parts)?;
    let matrix = packed(OP, packing, &inputs[1..=parts])?;
    let product = product(OP, packing, transpose, inputs, &matrix)?;
    let (lhs, rhs) = (inputs[1 + parts], inputs[2 + parts]);
    same_shape(OP, lhs, rhs)?;
    for indices in [lhs, rhs] {
        is_dtype(OP, indices, Dtype::Uint32, "uint32 indices")?;
    }
    let mut shape = lhs.shape.clone();
    let ndim = product.shape.ndim();
    shape.push(product.shape[ndim - 2]);
    shape.push(product.shape[ndim - 1]);
    Ok(smallvec![ArrayType::new(shape.checked(OP)?, product.dtype)])
}
