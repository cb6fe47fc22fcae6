//! Linear algebra, with MLX's names.
//!
//! Matrices lie along the last two axes; leading axes are batches. Factorisations take `float32`,
//! `float64` and `complex64`, run on the processor, and are differentiable.

mod factor;
mod norm;
mod product;
mod solve;
mod spectral;

pub use factor::{cholesky, cholesky_inv, lu, lu_factor, qr};
pub use norm::{NormOrder, matrix_norm, norm, vector_norm};
pub use product::{cross, diagonal, matrix_power, trace};
pub use solve::{det, inv, pinv, slogdet, solve, solve_triangular, tri_inv};
pub use spectral::{eig, eigh, eigvals, eigvalsh, matrix_rank, svd, svdvals};

use crate::array::Array;
use mlx_oxide_ir::{Error, Linalg, Op, Result};

/// The only output of an operation, or its first.
fn first(op: Linalg, inputs: &[&Array]) -> Result<Array> {
    Array::apply(Op::Linalg(op), inputs)
}

/// All outputs of an operation that has two.
fn pair(op: Linalg, a: &Array) -> Result<(Array, Array)> {
    let mut outputs = Array::apply_all(Op::Linalg(op), &[a])?.into_iter();
    match (outputs.next(), outputs.next()) {
        (Some(first), Some(second)) => Ok((first, second)),
        _ => Err(missing(op)),
    }
}

/// All outputs of an operation that has three.
fn triple(op: Linalg, a: &Array) -> Result<(Array, Array, Array)> {
    let mut outputs = Array::apply_all(Op::Linalg(op), &[a])?.into_iter();
    match (outputs.next(), outputs.next(), outputs.next()) {
        (Some(first), Some(second), Some(third)) => Ok((first, second, third)),
        _ => Err(missing(op)),
    }
}

fn missing(op: Linalg) -> Error {
    Error::Internal {
        op: op.name(),
        detail: "an output is missing".to_owned(),
    }
}

/// Rows and columns of the matrices of an array.
fn matrix_sizes(op: &'static str, a: &Array) -> Result<(usize, usize)> {
    match a.shape()[..] {
        [.., rows, columns] => Ok((rows, columns)),
        _ => Err(Error::ShapeUnsuitable {
            op,
            rule: "the array must have at least two axes",
            shape: a.shape().clone(),
        }),
    }
}

/// The size of the square matrices of an array.
fn square_size(op: &'static str, a: &Array) -> Result<usize> {
    let (rows, columns) = matrix_sizes(op, a)?;
    if rows == columns {
        return Ok(rows);
    }
    Err(Error::ShapeUnsuitable {
        op,
        rule: "matrices must be square",
        shape: a.shape().clone(),
    })
}
