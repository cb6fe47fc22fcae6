//! The Walsh–Hadamard transform.

use super::{binary, contract, unary, view};
use crate::array::Array;
use mlx_oxide_ir::{Dtype, Error, Result, Shape};

/// `scale·H·x` along the last axis, where `H` is a Hadamard matrix: orthogonal rows of ±1.
///
/// Of size `m·2ᵏ` with `m` one of 1, 12, 20, 28, `H` is the Kronecker product of one of order
/// `m` and Sylvester's of order `2ᵏ`. Without a scale it is `1/√n`, which makes the transform
/// orthonormal. It is linear, so its gradient is the transform by the transpose.
///
/// Source: Sylvester 1867; Paley 1933 for order 12; Williamson 1944 for orders 20 and 28.
///
/// # Errors
/// An empty array; a size of another form.
pub fn hadamard_transform(a: &Array, scale: Option<f64>) -> Result<Array> {
    let size = a.shape().last().copied().unwrap_or(1);
    let unsuitable = |rule| Error::ShapeUnsuitable {
        op: "hadamard_transform",
        rule,
        shape: a.shape().clone(),
    };
    if a.size() == 0 {
        return Err(unsuitable("the array must not be empty"));
    }
    let power = 1usize << size.trailing_zeros();
    let (order, power) = match size / power {
        1 => (1, power),
        3 => (12, power / 4),
        5 => (20, power / 4),
        7 => (28, power / 4),
        _ => (0, power),
    };
    if order == 0 || power == 0 {
        return Err(unsuitable(
            "the last axis must be m·2ᵏ with m one of 1, 12, 20, 28",
        ));
    }
    if size == 1 && scale.is_none() {
        return Ok(a.clone()); // the transform of order one
    }
    let dtype = a.dtype().at_least_float();
    // 16-bit floats would round after each factor
    let working = if dtype.size() == 2 {
        Dtype::Float32
    } else {
        dtype
    };
    let scale = scale.unwrap_or(1.0 / (size as f64).sqrt());
    let mut transformed = unary::astype(a, working)?;
    let mut stride = size;
    for factor in factors(order, power) {
        stride /= factor.len();
        transformed = apply_factor(&transformed, &factor, stride)?;
    }
    let scaled = binary::multiply(&transformed, &unary::scalar_like(&transformed, scale)?)?;
    unary::astype(&scaled, dtype)
}

type Signs = Vec<Vec<i8>>;

/// Small matrices whose Kronecker product is the whole.
fn factors(order: usize, mut power: usize) -> Vec<Signs> {
    const LARGEST: usize = 32;
    let mut factors = Vec::new();
    match order {
        12 => factors.push(paley_12()),
        20 => factors.push(williamson(["+----", "+----", "++--+", "+-++-"])),
        28 => factors.push(williamson(["+------", "++----+", "+-+--+-", "+--++--"])),
        _ => {}
    }
    while power > 1 {
        let part = power.min(LARGEST);
        factors.push(sylvester(part));
        power /= part;
    }
    factors
}

/// `H[i][j]` is -1 to the number of ones that `i` and `j` share.
fn sylvester(order: usize) -> Signs {
    let sign = |i: usize, j: usize| {
        if (i & j).count_ones().is_multiple_of(2) {
            1
        } else {
            -1
        }
    };
    (0..order)
        .map(|i| (0..order).map(|j| sign(i, j)).collect())
        .collect()
}

/// Paley's second construction over the field of five elements: a conference matrix of order 6
/// whose zeros and signs become blocks of order 2.
fn paley_12() -> Signs {
    const SQUARES: [i8; 5] = [0, 1, -1, -1, 1];
    let conference = |i: usize, j: usize| match (i, j) {
        (0, 0) => 0,
        (0, _) | (_, 0) => 1,
        _ => SQUARES[(5 + i - j) % 5],
    };
    let element = |row: usize, column: usize| {
        let (low_row, low_column) = (row % 2, column % 2);
        match conference(row / 2, column / 2) {
            0 if (low_row, low_column) == (0, 0) => 1,
            0 => -1,
            sign if (low_row, low_column) == (1, 1) => -sign,
            sign => sign,
        }
    };
    (0..12)
        .map(|row| (0..12).map(|column| element(row, column)).collect())
        .collect()
}

/// Four circulant blocks `A B C D`, given by their first rows, arranged as a quaternion.
fn williamson(first_rows: [&str; 4]) -> Signs {
    // for each row of blocks which block stands in each column, and its sign
    const ARRANGEMENT: [[(usize, i8); 4]; 4] = [
        [(0, 1), (1, 1), (2, 1), (3, 1)],
        [(1, -1), (0, 1), (3, -1), (2, 1)],
        [(2, -1), (3, 1), (0, 1), (1, -1)],
        [(3, -1), (2, -1), (1, 1), (0, 1)],
    ];
    let width = first_rows[0].len();
    let circulant = |block: usize, row: usize, column: usize| {
        let place = (width + column - row) % width;
        if first_rows[block].as_bytes()[place] == b'+' {
            1
        } else {
            -1
        }
    };
    (0..4 * width)
        .map(|row| {
            (0..4 * width)
                .map(|column| {
                    let (block, sign) = ARRANGEMENT[row / width][column / width];
                    sign * circulant(block, row % width, column % width)
                })
                .collect()
        })
        .collect()
}

/// The transform by one factor along the middle of `(…, order, stride)`.
fn apply_factor(a: &Array, factor: &Signs, stride: usize) -> Result<Array> {
    let order = factor.len();
    let signs: Vec<f32> = factor
        .iter()
        .flatten()
        .map(|sign| f32::from(*sign))
        .collect();
    let matrix = unary::astype(&Array::from_slice(&signs, [order, order])?, a.dtype())?;
    let outer = a.size() / (order * stride);
    let shape: Shape = a.shape().clone();
    let product = if stride == 1 {
        let rows = view::reshape_to(a, [outer, order])?;
        contract::matmul(&rows, &view::transpose(&matrix, &[])?)?
    } else {
        let blocks = view::reshape_to(a, [outer, order, stride])?;
        contract::matmul(&matrix, &blocks)?
    };
    view::reshape_to(&product, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_every_factor_are_orthogonal() {
        for (order, power) in [(1, 32), (12, 1), (20, 1), (28, 1)] {
            for matrix in factors(order, power) {
                for (i, first) in matrix.iter().enumerate() {
                    for (j, second) in matrix.iter().enumerate() {
                        let product: i32 = first
                            .iter()
                            .zip(second)
                            .map(|(x, y)| i32::from(*x) * i32::from(*y))
                            .sum();
                        let expected = if i == j { matrix.len() as i32 } else { 0 };
                        assert_eq!(product, expected, "order {order}, rows {i} and {j}");
                    }
                }
            }
        }
    }
}
