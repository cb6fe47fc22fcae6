//! Linear algebra.

use super::{ArrayType, OutputTypes, exactly, same_dtype};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::op::{Linalg, SingularVectors};
use crate::shape::Shape;
use smallvec::smallvec;

/// The matrices of an operand.
struct Matrices<'a> {
    operand: &'a ArrayType,
    rows: usize,
    columns: usize,
}

impl<'a> Matrices<'a> {
    fn of(op: &'static str, operand: &'a ArrayType) -> Result<Self> {
        match operand.dtype {
            Dtype::Float32 | Dtype::Float64 | Dtype::Complex64 => {}
            dtype => {
                return Err(Error::DtypeUnsupported {
                    op,
                    dtype,
                    expected: "float32, float64 or complex64",
                });
            }
        }
        let [.., rows, columns] = operand.shape[..] else {
            return Err(Error::ShapeUnsuitable {
                op,
                rule: "the array must have at least two axes",
                shape: operand.shape.clone(),
            });
        };
        Ok(Matrices {
            operand,
            rows,
            columns,
        })
    }

    fn square(op: &'static str, operand: &'a ArrayType) -> Result<Self> {
        let matrices = Self::of(op, operand)?;
        if matrices.rows == matrices.columns {
            return Ok(matrices);
        }
        Err(Error::ShapeUnsuitable {
            op,
            rule: "matrices must be square",
            shape: operand.shape.clone(),
        })
    }

    fn least(&self) -> usize {
        self.rows.min(self.columns)
    }

    /// The leading axes followed by others.
    fn with(&self, sizes: &[usize], dtype: Dtype) -> ArrayType {
        let leading = &self.operand.shape[..self.operand.shape.ndim() - 2];
        let shape: Shape = leading.iter().chain(sizes).copied().collect();
        ArrayType::new(shape, dtype)
    }
}

/// The dtype of a modulus.
fn real(dtype: Dtype) -> Dtype {
    match dtype {
        Dtype::Complex64 => Dtype::Float32,
        dtype => dtype,
    }
}

pub(super) fn linalg(linalg: &Linalg, inputs: &[&ArrayType]) -> Result<OutputTypes> {
    let name = linalg.name();
    if let Linalg::Solve | Linalg::SolveTriangular { .. } = linalg {
        let [a, b] = exactly(name, inputs)?;
        return Ok(smallvec![solve(name, a, b)?]);
    }
    let [operand] = exactly(name, inputs)?;
    let dtype = operand.dtype;
    let outputs = match linalg {
        Linalg::Cholesky { .. } | Linalg::Inverse | Linalg::Solve => {
            Matrices::square(name, operand)?;
            smallvec![operand.clone()]
        }
        Linalg::SolveTriangular { .. } => smallvec![operand.clone()],
        Linalg::Lu => {
            let matrices = Matrices::of(name, operand)?;
            smallvec![
                operand.clone(),
                matrices.with(&[matrices.least()], Dtype::Uint32),
                matrices.with(&[matrices.rows], Dtype::Uint32),
            ]
        }
        Linalg::LuFactors => {
            let matrices = Matrices::of(name, operand)?;
            smallvec![
                matrices.with(&[matrices.rows], Dtype::Uint32),
                matrices.with(&[matrices.rows, matrices.least()], dtype),
                matrices.with(&[matrices.least(), matrices.columns], dtype),
            ]
        }
        Linalg::Qr => {
            let matrices = Matrices::of(name, operand)?;
            smallvec![
                matrices.with(&[matrices.rows, matrices.least()], dtype),
                matrices.with(&[matrices.least(), matrices.columns], dtype),
            ]
        }
        Linalg::Svd { vectors } => svd(&Matrices::of(name, operand)?, *vectors),
        Linalg::PseudoInverse { .. } => {
            let matrices = Matrices::of(name, operand)?;
            smallvec![matrices.with(&[matrices.columns, matrices.rows], dtype)]
        }
        Linalg::Eigh { vectors, .. } => {
            let matrices = Matrices::square(name, operand)?;
            let mut outputs: OutputTypes = smallvec![matrices.with(&[matrices.rows], real(dtype))];
            outputs.extend(vectors.then(|| operand.clone()));
            outputs
        }
        Linalg::Eig { vectors } => {
            let matrices = Matrices::square(name, operand)?;
            let complex = ArrayType::new(operand.shape.clone(), Dtype::Complex64);
            let mut outputs: OutputTypes =
                smallvec![matrices.with(&[matrices.rows], Dtype::Complex64)];
            outputs.extend(vectors.then_some(complex));
            outputs
        }
        Linalg::Determinant => smallvec![Matrices::square(name, operand)?.with(&[], dtype)],
        Linalg::LogDeterminant => {
            let matrices = Matrices::square(name, operand)?;
            smallvec![matrices.with(&[], dtype), matrices.with(&[], real(dtype))]
        }
    };
    for output in &outputs {
        output.shape.clone().checked(name)?;
    }
    Ok(outputs)
}

fn svd(matrices: &Matrices<'_>, vectors: SingularVectors) -> OutputTypes {
    let (rows, columns, least) = (matrices.rows, matrices.columns, matrices.least());
    let dtype = matrices.operand.dtype;
    let values = matrices.with(&[least], real(dtype));
    match vectors {
        SingularVectors::None => smallvec![values],
        SingularVectors::Thin => smallvec![
            matrices.with(&[rows, least], dtype),
            values,
            matrices.with(&[least, columns], dtype),
        ],
        SingularVectors::Full => smallvec![
            matrices.with(&[rows, rows], dtype),
            values,
            matrices.with(&[columns, columns], dtype),
        ],
    }
}

fn solve(op: &'static str, a: &ArrayType, b: &ArrayType) -> Result<ArrayType> {
    let matrices = Matrices::square(op, a)?;
    let sides = Matrices::of(op, b)?;
    same_dtype(op, a, b)?;
    let leading = |array: &ArrayType| Shape::from(&array.shape[..array.shape.ndim() - 2]);
    if matrices.rows != sides.rows || leading(a) != leading(b) {
        return Err(Error::ShapeMismatch {
            op,
            rule: "rows or leading sizes differ",
            lhs: a.shape.clone(),
            rhs: b.shape.clone(),
        });
    }
    Ok(b.clone())
}
