//! Linear algebra. Every sample has a batch, so that stretching the first axis makes no singular
//! matrix.

use super::{between, exactly};
use crate::sample::{Agreement, InputSpec, Sample};
use crate::tolerance::Tolerance;
use mlx_oxide_ir::{Dtype, Linalg, Op, SingularVectors};

const DTYPES: [Dtype; 3] = [Dtype::Float32, Dtype::Float64, Dtype::Complex64];
/// One, two, odd, more than a vector, none.
const SIZES: [usize; 5] = [1, 2, 5, 19, 0];
/// Square, tall, wide, a row, a column, none.
const RECTANGLES: [(usize, usize); 7] = [(1, 1), (4, 4), (5, 4), (4, 5), (1, 3), (3, 1), (0, 3)];

pub(super) fn samples() -> Vec<Sample> {
    DTYPES
        .iter()
        .flat_map(|&dtype| [squares(dtype), rectangles(dtype), equations(dtype)].concat())
        .collect()
}

/// Errors grow with the size and with how near to singular the matrices are: of these, less than
/// a few hundred.
fn tolerance(dtype: Dtype, size: usize) -> Tolerance {
    Tolerance::stages(dtype, 100.0 * (size + 4) as f64, 4.0)
}

/// Marked as differentiable unless it is of 16 elements or of 19 rows: those matrices are so near
/// to singular ones (of 4 by 4 to one with a zero first pivot, where `qr` changes a sign; of 19 to
/// one with equal eigenvalues) that differences fail.
fn conditioned(sample: Sample, size: usize) -> Sample {
    match size {
        16 | 19 => sample,
        _ => sample.differentiable(),
    }
}

fn sample(label: &str, op: Linalg, inputs: Vec<InputSpec>, size: usize) -> Sample {
    let dtype = inputs[0].dtype;
    // the name of each input's dtype stands in the sample's own, so the kind must too
    let label = format!("{op:?} {label}");
    Sample::new(&label, Op::Linalg(op), inputs).within(tolerance(dtype, size))
}

/// Two symmetric positive definite matrices: `2·n` on the diagonal, numbers up to 1 beside it.
fn positive_definite(size: usize, dtype: Dtype) -> InputSpec {
    let beside = |row: usize, column: usize| {
        let (low, high) = (row.min(column), row.max(column));
        ((low * 7 + high * 3) % 11) as f64 / 11.0 - 0.5
    };
    let numbers: Vec<f64> = (0..2 * size * size)
        .map(|place| {
            let (item, place) = (place / (size * size), place % (size * size));
            let (row, column) = (place / size, place % size);
            match row == column {
                true => 2.0 * size as f64 + row as f64 + item as f64,
                false => beside(row + item, column + item),
            }
        })
        .collect();
    match size {
        0 => between([2, 0, 0], dtype, -1.0, 1.0),
        _ => exactly([2, size, size], dtype, &numbers),
    }
}

fn squares(dtype: Dtype) -> Vec<Sample> {
    let of = |&size: &usize| {
        let general = || vec![between([2, size, size], dtype, -1.0, 1.0)];
        let label = format!("of {size}");
        let mut samples = vec![
            conditioned(
                sample(&label, Linalg::Inverse, general(), size * size),
                size,
            ),
            sample(&label, Linalg::Determinant, general(), size).differentiable(),
            conditioned(
                sample(&label, Linalg::LogDeterminant, general(), size * size),
                size,
            ),
        ];
        for upper in [false, true] {
            let inputs = vec![positive_definite(size, dtype)];
            let cholesky = sample(&label, Linalg::Cholesky { upper }, inputs, size);
            samples.push(cholesky.hermitian().differentiable());
        }
        for vectors in [false, true] {
            for lower in [false, true] {
                let op = Linalg::Eigh { lower, vectors };
                let eigh = sample(&label, op, general(), size * size).hermitian();
                // complex vectors may turn in the complex plane, which differences would see
                samples.push(match vectors && dtype.is_complex() {
                    true => eigh,
                    false => conditioned(eigh, size),
                });
            }
            let op = Linalg::Eig { vectors };
            // eigenvalues and vectors of double precision come out in single precision
            let tolerance = tolerance(Dtype::Float32, size * size);
            let eig = sample(&label, op, general(), size).agreeing(Agreement::AnyOrder);
            samples.push(eig.within(tolerance));
        }
        samples
    };
    SIZES.iter().flat_map(of).collect()
}

fn rectangles(dtype: Dtype) -> Vec<Sample> {
    let of = |&(rows, columns): &(usize, usize)| {
        let size = rows.max(columns);
        let inputs = || vec![between([2, rows, columns], dtype, -1.0, 1.0)];
        let label = format!("of {rows} by {columns}");
        let factored = |op: Linalg| match (rows, columns) {
            // two candidates for a pivot are so near to each other that differences change it
            (5, 4) => sample(&label, op, inputs(), size),
            _ => sample(&label, op, inputs(), size).differentiable(),
        };
        let mut samples = vec![
            factored(Linalg::Lu),
            factored(Linalg::LuFactors),
            conditioned(sample(&label, Linalg::Qr, inputs(), size), rows * columns),
        ];
        let cutoff = 1e-5.into();
        let op = Linalg::PseudoInverse { cutoff };
        let inverse = sample(&label, op, inputs(), size * size);
        samples.push(conditioned(inverse, rows * columns));
        for vectors in [SingularVectors::None, SingularVectors::Thin] {
            let svd = sample(&label, Linalg::Svd { vectors }, inputs(), size);
            samples.push(match vectors {
                SingularVectors::None => svd.differentiable(),
                // as those of `eigh`
                _ if dtype.is_complex() => svd,
                _ => svd.differentiable(),
            });
        }
        if rows.abs_diff(columns) < 2 {
            // more than one vector that completes a basis could be any
            let vectors = SingularVectors::Full;
            samples.push(sample(&label, Linalg::Svd { vectors }, inputs(), size));
        }
        samples
    };
    RECTANGLES.iter().flat_map(of).collect()
}

fn equations(dtype: Dtype) -> Vec<Sample> {
    let of = |&(size, columns): &(usize, usize)| {
        let label = format!("of {size} for {columns}");
        let right = || between([2, size, columns], dtype, -1.0, 1.0);
        let general = vec![between([2, size, size], dtype, -1.0, 1.0), right()];
        let solve = sample(&label, Linalg::Solve, general, size * size);
        let mut samples = vec![solve.differentiable()];
        for (upper, unit_diagonal) in [(false, false), (true, false), (false, true), (true, true)] {
            let op = Linalg::SolveTriangular {
                upper,
                unit_diagonal,
            };
            let inputs = vec![positive_definite(size, dtype), right()];
            samples.push(sample(&label, op, inputs, size).differentiable());
        }
        samples
    };
    [(1, 1), (3, 2), (18, 5), (5, 0), (0, 2)]
        .iter()
        .flat_map(of)
        .collect()
}
