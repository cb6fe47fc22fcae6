//! Linear algebra by faer, one matrix a thread.
//!
//! Matrices are worked on in column-major order, in which outputs stay: their layouts say so.

mod bidiagonal;
mod blocks;
mod columns;
mod element;
mod elimination;
mod factor;
mod hermitian;
mod matrices;
mod orthogonal;
mod reduction;
mod reflections;
mod singular;
mod small;
mod solve;
mod spectral;
mod tridiagonal;
mod twisted;

use element::Element;
use matrices::{Batch, Output};
use mlx_oxide_ir::{ArrayType, Dtype, Error, Linalg, Result};
use mlx_oxide_runtime::{Call, Results, parallel};
use num_complex::Complex32;
use parking_lot::Mutex;

/// Elements of the matrices that one task takes, if there are several.
const GRAIN: usize = 1 << 10;

pub(crate) fn supports(_op: &Linalg, _inputs: &[&ArrayType]) -> bool {
    true // inference admits only the dtypes there are kernels for
}

pub(crate) fn run(op: &Linalg, call: &Call<'_>) -> Result<Results> {
    match call.inputs[0].dtype {
        Dtype::Float64 => typed::<f64>(op, call),
        Dtype::Complex64 => typed::<Complex32>(op, call),
        _ => typed::<f32>(op, call),
    }
}

fn typed<T: Element>(op: &Linalg, call: &Call<'_>) -> Result<Results> {
    let inputs = call
        .inputs
        .iter()
        .map(Batch::<T>::new)
        .collect::<Result<Vec<_>>>()?;
    let ndim = call.inputs[0].layout.shape.ndim();
    let outputs = call
        .outputs
        .iter()
        .map(|output| Output::allocate(op.name(), output, ndim))
        .collect::<Result<Vec<_>>>()?;
    let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let elements = call.inputs[0].layout.shape[ndim - 2..]
        .iter()
        .product::<usize>();
    let grain = GRAIN / elements.max(1);
    parallel::for_each_range(inputs[0].count(), grain, |start, end| {
        for item in start..end {
            if let Err(error) = factor_one(op, &inputs, &outputs, item) {
                let mut failure = failure.lock();
                if failure.as_ref().is_none_or(|(first, _)| item < *first) {
                    *failure = Some((item, error));
                }
            }
        }
    });
    match failure.into_inner() {
        Some((_, error)) => Err(error),
        None => Ok(outputs.into_iter().map(Output::finish).collect()),
    }
}

/// Matrix number `item` of the batch.
fn factor_one<T: Element>(
    op: &Linalg,
    inputs: &[Batch<'_, T>],
    outputs: &[Output],
    item: usize,
) -> Result<()> {
    let a = inputs[0].matrix(item);
    match op {
        Linalg::Cholesky { upper } => factor::cholesky(op, a, outputs, item, *upper),
        Linalg::Lu => factor::lu(a, outputs, item),
        Linalg::LuFactors => {
            factor::lu_factors(a, outputs, item);
            Ok(())
        }
        Linalg::Qr => factor::qr(a, outputs, item),
        Linalg::Svd { vectors } => singular::svd(op, a, outputs, item, *vectors),
        Linalg::PseudoInverse { cutoff } => {
            singular::pseudo_inverse(op, a, outputs, item, cutoff.get())
        }
        Linalg::Eigh { lower, vectors } => hermitian::eigh(op, a, outputs, item, *lower, *vectors),
        Linalg::Eig { vectors } => spectral::eig(op, a, outputs, item, *vectors),
        Linalg::Inverse => solve::inverse(op, a, outputs, item),
        Linalg::Solve => solve::general(op, a, inputs[1].matrix(item), outputs, item),
        Linalg::SolveTriangular {
            upper,
            unit_diagonal,
        } => {
            let b = inputs[1].matrix(item);
            solve::triangular(op, a, b, outputs, item, *upper, *unit_diagonal)
        }
        Linalg::Determinant => {
            solve::determinant(a, outputs, item);
            Ok(())
        }
        Linalg::LogDeterminant => {
            solve::log_determinant(a, outputs, item);
            Ok(())
        }
    }
}
