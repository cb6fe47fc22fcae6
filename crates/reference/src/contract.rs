//! Matrix products: sums of products over a shared axis, rounded once.

use crate::convolution;
use crate::elements::Elements;
use crate::index::bounded;
use crate::reduce::integer_as;
use crate::value::Value;
use mlx_oxide_ir::{Contract, Dtype, Real, Result};
use mlx_oxide_runtime::{Call, Results};

pub(crate) fn run(contract: &Contract, call: &Call<'_>) -> Result<Results> {
    let inputs = call
        .inputs
        .iter()
        .map(Elements::read)
        .collect::<Result<Vec<_>>>()?;
    let output = match contract {
        Contract::Matmul => matmul(&inputs[0], &inputs[1], call),
        Contract::Addmm { alpha, beta } => addmm(*alpha, *beta, &inputs, call),
        Contract::GatherMatmul { .. } => gather_matmul(&inputs, call)?,
        Contract::Convolution(convolution) => {
            convolution::run(convolution, &inputs[0], &inputs[1], call)
        }
    };
    output.finish(contract.name())
}

/// A sum of products of elements of one dtype: exact for integers modulo 2¹²⁸, in double
/// precision for the others.
pub(crate) fn sum_of_products(dtype: Dtype, pairs: impl Iterator<Item = (Value, Value)>) -> Value {
    pairs.fold(integer_as(0, dtype), |sum, (lhs, rhs)| {
        match (sum, lhs, rhs) {
            (Value::Integer(sum), Value::Integer(lhs), Value::Integer(rhs)) => {
                Value::Integer(sum.wrapping_add(lhs.wrapping_mul(rhs)))
            }
            (Value::Complex(sum), lhs, rhs) => Value::Complex(sum + lhs.complex() * rhs.complex()),
            (sum, lhs, rhs) => Value::Real(sum.real() + lhs.real() * rhs.real()),
        }
    })
}

/// The sizes `(m, k, n)` of the matrices along the last two axes.
struct Sizes {
    rows: usize,
    inner: usize,
    columns: usize,
}

impl Sizes {
    fn of(lhs: &Elements, rhs: &Elements) -> Self {
        let (left, right) = (lhs.shape(), rhs.shape());
        Sizes {
            rows: left[left.ndim() - 2],
            inner: left[left.ndim() - 1],
            columns: right[right.ndim() - 1],
        }
    }

    /// Row, column and number of the matrix that a place of the result belongs to.
    fn locate(&self, place: usize) -> (usize, usize, usize) {
        let column = place % self.columns;
        let row = place / self.columns % self.rows;
        (row, column, place / self.columns / self.rows)
    }

    /// One element of the product of matrix number `left` of `lhs` with number `right` of `rhs`.
    fn element(
        &self,
        (lhs, left): (&Elements, usize),
        (rhs, right): (&Elements, usize),
        row: usize,
        column: usize,
    ) -> Value {
        let pairs = (0..self.inner).map(|inner| {
            (
                lhs.get((left * self.rows + row) * self.inner + inner),
                rhs.get((right * self.inner + inner) * self.columns + column),
            )
        });
        sum_of_products(lhs.dtype(), pairs)
    }
}

fn product<'a>(lhs: &'a Elements, rhs: &'a Elements) -> impl Fn(usize) -> Value + 'a {
    let sizes = Sizes::of(lhs, rhs);
    move |place| {
        let (row, column, matrix) = sizes.locate(place);
        sizes.element((lhs, matrix), (rhs, matrix), row, column)
    }
}

fn matmul(lhs: &Elements, rhs: &Elements, call: &Call<'_>) -> Elements {
    let output = &call.outputs[0];
    Elements::collect(output, (0..output.size()).map(product(lhs, rhs)))
}

/// A factor of zero drops its term, whatever the term holds.
fn addmm(alpha: Real, beta: Real, inputs: &[Elements], call: &Call<'_>) -> Elements {
    let output = &call.outputs[0];
    let dtype = output.dtype;
    let product = product(&inputs[1], &inputs[2]);
    let values = (0..output.size()).map(|place| {
        let mut terms = Vec::new();
        if alpha.get() != 0.0 {
            terms.push((factor(alpha, dtype), product(place)));
        }
        if beta.get() != 0.0 {
            terms.push((factor(beta, dtype), inputs[0].get(place)));
        }
        sum_of_products(dtype, terms.into_iter())
    });
    Elements::collect(output, values)
}

fn factor(value: Real, dtype: Dtype) -> Value {
    if dtype.is_inexact() {
        Value::Real(value.get())
    } else {
        Value::Integer(Value::Real(value.get()).integer())
    }
}

fn gather_matmul(inputs: &[Elements], call: &Call<'_>) -> Result<Elements> {
    let (lhs, rhs) = (&inputs[0], &inputs[1]);
    let sizes = Sizes::of(lhs, rhs);
    let mut output = Elements::zeroed(&call.outputs[0]);
    for place in 0..output.len() {
        let (row, column, which) = sizes.locate(place);
        let left = picked(lhs, &inputs[2], which)?;
        let right = picked(rhs, &inputs[3], which)?;
        output.set(place, sizes.element((lhs, left), (rhs, right), row, column));
    }
    Ok(output)
}

/// The number of the matrix that an index picks; all leading axes count as one.
fn picked(operand: &Elements, indices: &Elements, which: usize) -> Result<usize> {
    let leading = &operand.shape()[..operand.shape().ndim() - 2];
    let count = leading.iter().product();
    bounded("gather_mm", indices.get(which).integer(), 0, count, 1)
}
