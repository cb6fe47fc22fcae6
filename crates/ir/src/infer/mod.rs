//! Shapes and dtypes of an operation's outputs. Total: no [`Op`] without a rule. This is where
//! inputs are validated, once, when a graph node is built; kernels trust the result.

mod contract;
mod elementwise;
mod fast;
mod fft;
mod index;
mod linalg;
mod quantized;
mod reduce;
mod view;

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::op::{Op, Random, Sort, Source};
use crate::shape::Shape;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

/// Shape and dtype of an array.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArrayType {
    /// Sizes along the axes.
    pub shape: Shape,
    /// Element type.
    pub dtype: Dtype,
}

impl ArrayType {
    /// Both.
    pub fn new(shape: impl Into<Shape>, dtype: Dtype) -> Self {
        ArrayType {
            shape: shape.into(),
            dtype,
        }
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape.size()
    }

    /// Bytes of all elements.
    pub fn bytes(&self) -> usize {
        self.size() * self.dtype.size()
    }
}

/// The outputs' types; nearly always one.
pub type OutputTypes = SmallVec<[ArrayType; 1]>;

/// The types of the outputs, or what is wrong with the inputs.
pub fn infer(op: &Op, inputs: &[&ArrayType]) -> Result<OutputTypes> {
    let name = op.name();
    Ok(match op {
        Op::Source(source) => smallvec![source_type(source)?],
        Op::Unary(unary) => {
            let [operand] = exactly(name, inputs)?;
            smallvec![elementwise::unary(*unary, operand)?]
        }
        Op::Binary(binary) => {
            let [lhs, rhs] = exactly(name, inputs)?;
            smallvec![elementwise::binary(*binary, lhs, rhs)?]
        }
        Op::Select => {
            let [condition, on_true, on_false] = exactly(name, inputs)?;
            smallvec![elementwise::select(condition, on_true, on_false)?]
        }
        Op::Cast(dtype) => {
            let [operand] = exactly(name, inputs)?;
            smallvec![ArrayType::new(operand.shape.clone(), *dtype)]
        }
        Op::View(view) => {
            let [operand] = exactly(name, inputs)?;
            smallvec![view::view(view, operand)?]
        }
        Op::Index(index) => smallvec![index::index(index, inputs)?],
        Op::Reduce(reduce) => {
            let [operand] = exactly(name, inputs)?;
            smallvec![reduce::reduce(reduce, operand)?]
        }
        Op::ArgReduce(reduce) => {
            let [operand] = exactly(name, inputs)?;
            smallvec![reduce::arg_reduce(reduce, operand)?]
        }
        Op::Scan(scan) => {
            let [operand] = exactly(name, inputs)?;
            smallvec![reduce::scan(scan, operand)?]
        }
        Op::Sort(sort) => smallvec![sort_type(sort, inputs)?],
        Op::Contract(contract) => smallvec![contract::contract(contract, inputs)?],
        Op::Fft(fft) => {
            let [operand] = exactly(name, inputs)?;
            smallvec![fft::fft(fft, operand)?]
        }
        Op::Linalg(linalg) => linalg::linalg(linalg, inputs)?,
        Op::Random(random) => {
            let [key] = exactly(name, inputs)?;
            smallvec![random_type(random, key)?]
        }
        Op::Fast(fast) => fast::fast(fast, inputs)?,
        Op::Quantized(op) => quantized::quantized(op, inputs)?,
        Op::Fused(program) => elementwise::fused(program, inputs)?,
        Op::FusedReduce(reduced) => reduce::reduced_program(reduced, inputs)?,
        Op::Custom(custom) => custom.outputs.iter().cloned().collect(),
    })
}

/// The inputs as an array of the right length.
pub(crate) fn exactly<'a, const N: usize>(
    op: &'static str,
    inputs: &[&'a ArrayType],
) -> Result<[&'a ArrayType; N]> {
    inputs.try_into().map_err(|_| Error::InputCount {
        op,
        expected: N,
        found: inputs.len(),
    })
}

/// Fails unless both have one shape.
pub(crate) fn same_shape(op: &'static str, lhs: &ArrayType, rhs: &ArrayType) -> Result<()> {
    if lhs.shape == rhs.shape {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        op,
        rule: "shapes differ",
        lhs: lhs.shape.clone(),
        rhs: rhs.shape.clone(),
    })
}

/// Fails unless both have one dtype.
pub(crate) fn same_dtype(op: &'static str, lhs: &ArrayType, rhs: &ArrayType) -> Result<()> {
    if lhs.dtype == rhs.dtype {
        return Ok(());
    }
    Err(Error::DtypeMismatch {
        op,
        lhs: lhs.dtype,
        rhs: rhs.dtype,
    })
}

/// Fails unless `axis` is one of the operand's.
pub(crate) fn has_axis(op: &'static str, axis: usize, operand: &ArrayType) -> Result<()> {
    let ndim = operand.shape.ndim();
    if axis < ndim {
        return Ok(());
    }
    Err(Error::AxisOutOfBounds {
        op,
        axis: axis as i64,
        ndim,
    })
}

/// Fails unless the operand's dtype is an integer's.
pub(crate) fn is_index(op: &'static str, operand: &ArrayType) -> Result<()> {
    if operand.dtype.is_integer() {
        return Ok(());
    }
    Err(Error::DtypeUnsupported {
        op,
        dtype: operand.dtype,
        expected: "an integer dtype for indices",
    })
}

fn source_type(source: &Source) -> Result<ArrayType> {
    let name = source.name();
    Ok(match source {
        Source::Full { shape, value } => {
            ArrayType::new(shape.clone().checked(name)?, value.dtype())
        }
        Source::Arange { count, dtype, .. } => {
            ArrayType::new(Shape::from([*count]).checked(name)?, *dtype)
        }
        Source::Placeholder(array_type) => (**array_type).clone(),
    })
}

fn sort_type(sort: &Sort, inputs: &[&ArrayType]) -> Result<ArrayType> {
    let name = sort.name();
    match sort {
        Sort::Sort { axis } => {
            let [operand] = exactly(name, inputs)?;
            has_axis(name, *axis, operand)?;
            Ok(operand.clone())
        }
        Sort::Argsort { axis } => {
            let [operand] = exactly(name, inputs)?;
            has_axis(name, *axis, operand)?;
            Ok(ArrayType::new(operand.shape.clone(), Dtype::Uint32))
        }
        Sort::Partition { axis, kth } | Sort::Argpartition { axis, kth } => {
            let [operand] = exactly(name, inputs)?;
            has_axis(name, *axis, operand)?;
            if *kth >= operand.shape[*axis] {
                return Err(Error::IndexOutOfBounds {
                    op: name,
                    index: *kth as i64,
                    axis: *axis,
                    size: operand.shape[*axis],
                });
            }
            let positions = matches!(sort, Sort::Argpartition { .. });
            let dtype = if positions {
                Dtype::Uint32
            } else {
                operand.dtype
            };
            Ok(ArrayType::new(operand.shape.clone(), dtype))
        }
        Sort::Searchsorted { .. } => {
            let [sequence, values] = exactly(name, inputs)?;
            same_dtype(name, sequence, values)?;
            if sequence.shape.ndim() != 1 {
                return Err(Error::ShapeUnsuitable {
                    op: name,
                    rule: "the sorted sequence must be a vector",
                    shape: sequence.shape.clone(),
                });
            }
            Ok(ArrayType::new(values.shape.clone(), Dtype::Uint32))
        }
    }
}

fn random_type(random: &Random, key: &ArrayType) -> Result<ArrayType> {
    let name = random.name();
    let Random::Bits { shape, width } = random;
    if key.dtype != Dtype::Uint32 {
        return Err(Error::DtypeUnsupported {
            op: name,
            dtype: key.dtype,
            expected: "uint32 keys",
        });
    }
    if key.shape.last() != Some(&2) {
        return Err(Error::ShapeUnsuitable {
            op: name,
            rule: "a key has two elements along the last axis",
            shape: key.shape.clone(),
        });
    }
    let dtype = match width {
        1 => Dtype::Uint8,
        2 => Dtype::Uint16,
        4 => Dtype::Uint32,
        _ => {
            return Err(Error::InvalidArgument {
                op: name,
                argument: "width",
                value: width.to_string(),
                expected: "1, 2 or 4 bytes",
            });
        }
    };
    let leading = &key.shape[..key.shape.ndim() - 1];
    let drawn: Shape = leading.iter().chain(shape.iter()).copied().collect();
    Ok(ArrayType::new(drawn.checked(name)?, dtype))
}
