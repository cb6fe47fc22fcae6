//! Linear algebra by textbook algorithms, in complex double precision whatever the dtype.

mod eigen;
mod factor;
mod matrix;
mod singular;

use crate::elements::Elements;
use crate::value::Value;
use matrix::Matrix;
use mlx_oxide_ir::{ArrayType, Error, Linalg, Real, Result, SingularVectors};
use mlx_oxide_runtime::{Call, Results};
use num_complex::Complex64;

pub(crate) fn run(op: &Linalg, call: &Call<'_>) -> Result<Results> {
    let inputs = call
        .inputs
        .iter()
        .map(Elements::read)
        .collect::<Result<Vec<_>>>()?;
    let mut outputs: Vec<Elements> = call.outputs.iter().map(Elements::zeroed).collect();
    let shape = inputs[0].shape();
    let count = shape[..shape.ndim() - 2].iter().product();
    for item in 0..count {
        let matrices: Vec<Matrix> = inputs.iter().map(|input| slice(input, item)).collect();
        let results = apply(op, &matrices, inputs[0].dtype().is_complex())?;
        for (output, result) in outputs.iter_mut().zip(results) {
            let size = result.values.len();
            for (place, value) in result.values.iter().enumerate() {
                let value = encoded(*value, &output.array_type);
                output.set(item * size + place, value);
            }
        }
    }
    outputs
        .into_iter()
        .map(|output| output.store(op.name()))
        .collect()
}

fn encoded(value: Complex64, array_type: &ArrayType) -> Value {
    if array_type.dtype.is_complex() {
        Value::Complex(value)
    } else if array_type.dtype.is_integer() {
        Value::Integer(value.re as i128)
    } else {
        Value::Real(value.re)
    }
}

/// Matrix number `item` of a batch.
fn slice(elements: &Elements, item: usize) -> Matrix {
    let shape = elements.shape();
    let (rows, columns) = (shape[shape.ndim() - 2], shape[shape.ndim() - 1]);
    let first = item * rows * columns;
    let values = (first..first + rows * columns).map(|place| elements.get(place).complex());
    Matrix {
        rows,
        columns,
        values: values.collect(),
    }
}

/// The error of an input that the algorithm has no result for.
fn unsuitable(op: &Linalg, reason: &str) -> Error {
    Error::Numerical {
        op: op.name(),
        reason: reason.to_owned(),
    }
}

/// The outputs for one matrix, or one of each input, of real or complex elements.
fn apply(op: &Linalg, inputs: &[Matrix], complex: bool) -> Result<Vec<Matrix>> {
    let a = &inputs[0];
    Ok(match op {
        Linalg::Cholesky { upper } => vec![cholesky(op, a, *upper)?],
        Linalg::Lu => {
            let lu = factor::lu(a);
            vec![lu.factors, indices(&lu.pivots), indices(&lu.permutation)]
        }
        Linalg::Qr => {
            let (q, r) = factor::qr(a, complex);
            vec![q, r]
        }
        Linalg::Svd { .. }
        | Linalg::PseudoInverse { .. }
        | Linalg::Eigh { .. }
        | Linalg::Eig { .. } => {
            if !a.is_finite() {
                return Err(unsuitable(op, "the matrix has an infinity or NaN in it"));
            }
            spectral(op, a)?
        }
        Linalg::Inverse => vec![solve(op, a, &Matrix::identity(a.rows))?],
        Linalg::Solve => vec![solve(op, a, &inputs[1])?],
        Linalg::SolveTriangular {
            upper,
            unit_diagonal,
        } => vec![
            factor::solve_triangular(a, &inputs[1], *upper, *unit_diagonal)
                .map_err(|place| singular(op, place))?,
        ],
        Linalg::Determinant => {
            let lu = factor::lu(a);
            let diagonal = (0..a.rows).map(|place| lu.factors.get(place, place));
            vec![Matrix::row(vec![
                diagonal.product::<Complex64>() * lu.parity(),
            ])]
        }
        Linalg::LogDeterminant => log_determinant(a),
        Linalg::LuFactors => {
            let lu = factor::lu(a);
            vec![indices(&lu.places()), lu.lower(), lu.upper()]
        }
    })
}

fn indices(values: &[usize]) -> Matrix {
    let values = values.iter().map(|value| Complex64::from(*value as f64));
    Matrix::row(values.collect())
}

fn reals(values: Vec<f64>) -> Matrix {
    Matrix::row(values.into_iter().map(Complex64::from).collect())
}

/// What iterations find of one matrix.
fn spectral(op: &Linalg, a: &Matrix) -> Result<Vec<Matrix>> {
    Ok(match op {
        Linalg::Svd { vectors } => {
            let svd = singular::svd(a, *vectors == SingularVectors::Full);
            match vectors {
                SingularVectors::None => vec![reals(svd.values)],
                SingularVectors::Thin | SingularVectors::Full => {
                    vec![svd.left, reals(svd.values), svd.right.adjoint()]
                }
            }
        }
        Linalg::PseudoInverse { cutoff } => vec![pseudo_inverse(a, *cutoff)],
        Linalg::Eigh { lower, vectors } => {
            let (values, basis) = eigen::hermitian(&a.hermitian(*lower));
            let mut outputs = vec![reals(values)];
            outputs.extend(vectors.then_some(basis));
            outputs
        }
        Linalg::Eig { vectors } => {
            let (values, basis) =
                eigen::general(a).ok_or_else(|| unsuitable(op, "the iteration did not end"))?;
            let mut outputs = vec![Matrix::row(values)];
            outputs.extend(vectors.then_some(basis));
            outputs
        }
        Linalg::Cholesky { .. }
        | Linalg::Lu
        | Linalg::Qr
        | Linalg::Inverse
        | Linalg::Solve
        | Linalg::SolveTriangular { .. }
        | Linalg::Determinant
        | Linalg::LogDeterminant
        | Linalg::LuFactors => Vec::new(), // found without iterations, by `apply`
    })
}

fn singular(op: &Linalg, place: usize) -> Error {
    Error::Numerical {
        op: op.name(),
        reason: format!("the matrix is singular: pivot {place} is zero"),
    }
}

fn cholesky(op: &Linalg, a: &Matrix, upper: bool) -> Result<Matrix> {
    let lower = factor::cholesky(&a.hermitian(!upper)).map_err(|place| Error::Numerical {
        op: op.name(),
        reason: format!("the matrix is not positive definite: pivot {place} is not positive"),
    })?;
    Ok(if upper { lower.adjoint() } else { lower })
}

fn solve(op: &Linalg, a: &Matrix, b: &Matrix) -> Result<Matrix> {
    let lu = factor::lu(a);
    let exchanged = b.with_rows(&lu.permutation);
    let middle = factor::solve_triangular(&lu.factors, &exchanged, false, true)
        .map_err(|place| singular(op, place))?;
    factor::solve_triangular(&lu.factors, &middle, true, false).map_err(|place| singular(op, place))
}

fn pseudo_inverse(a: &Matrix, cutoff: Real) -> Matrix {
    let svd = singular::svd(a, false);
    let least = cutoff.get() * svd.values.first().copied().unwrap_or(0.0);
    let mut scaled = svd.right;
    for (column, value) in svd.values.iter().enumerate() {
        let factor = if *value > least { 1.0 / value } else { 0.0 };
        scaled.scale_column(column, factor.into());
    }
    scaled.times(&svd.left.adjoint())
}

fn log_determinant(a: &Matrix) -> Vec<Matrix> {
    let lu = factor::lu(a);
    let (mut sign, mut logarithm) = (Complex64::from(lu.parity()), 0.0);
    for place in 0..a.rows {
        let pivot = lu.factors.get(place, place);
        let modulus = pivot.norm();
        sign = if modulus == 0.0 {
            Complex64::default()
        } else {
            sign * pivot / modulus
        };
        logarithm += modulus.ln();
    }
    vec![Matrix::row(vec![sign]), Matrix::row(vec![logarithm.into()])]
}
