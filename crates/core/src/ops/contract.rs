//! Matrix products.

use super::{binary, unary, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call};
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{Contract, Dtype, Error, Op, Result, Shape, normalize_axis, result_type};

/// The product of matrices, `(…, m, k) × (…, k, n) → (…, m, n)`; leading axes broadcast. A vector
/// on the left is a row, on the right a column, and its axis is dropped from the result.
///
/// # Errors
/// Inner sizes that differ; a scalar operand; integer dtypes.
pub fn matmul(a: &Array, b: &Array) -> Result<Array> {
    shapeless::call(
        || Call::Matmul,
        &[a, b],
        || {
            let (lhs, rhs) = matrices("matmul", a, b)?;
            let product = Array::apply(Op::Contract(Contract::Matmul), &[&lhs, &rhs])?;
            drop_vector_axes(&product, a, b)
        },
    )
}

impl Array {
    /// The product of matrices; see [`matmul`].
    pub fn matmul(&self, other: &Array) -> Result<Array> {
        matmul(self, other)
    }
}

/// Both operands as matrices of one dtype with the same leading axes.
fn matrices(op: &'static str, a: &Array, b: &Array) -> Result<(Array, Array)> {
    if a.ndim() == 0 || b.ndim() == 0 {
        return Err(Error::ShapeMismatch {
            op,
            rule: "a scalar is no matrix",
            lhs: a.shape().clone(),
            rhs: b.shape().clone(),
        });
    }
    let dtype = product_dtype(op, a, b)?;
    let lhs = if a.ndim() == 1 {
        view::expand_dims(a, &[0])?
    } else {
        a.clone()
    };
    let rhs = if b.ndim() == 1 {
        view::expand_dims(b, &[1])?
    } else {
        b.clone()
    };
    let inner = (lhs.shape()[lhs.ndim() - 1], rhs.shape()[rhs.ndim() - 2]);
    if inner.0 != inner.1 {
        return Err(Error::ShapeMismatch {
            op,
            rule: "inner sizes differ",
            lhs: a.shape().clone(),
            rhs: b.shape().clone(),
        });
    }
    let lhs = unary::astype(&lhs, dtype)?;
    let rhs = unary::astype(&rhs, dtype)?;
    align_leading(op, &lhs, &rhs)
}

fn product_dtype(op: &'static str, a: &Array, b: &Array) -> Result<Dtype> {
    let dtype = result_type(a.dtype(), b.dtype());
    if dtype.is_inexact() {
        return Ok(dtype);
    }
    Err(Error::DtypeUnsupported {
        op,
        dtype,
        expected: "a floating or complex dtype",
    })
}

fn align_leading(op: &'static str, lhs: &Array, rhs: &Array) -> Result<(Array, Array)> {
    let leading = |array: &Array| Shape::from(&array.shape()[..array.ndim() - 2]);
    if leading(lhs) == leading(rhs) {
        return Ok((lhs.clone(), rhs.clone()));
    }
    let shape = broadcast_shapes(op, &leading(lhs), &leading(rhs)).map_err(|_| {
        let (lhs, rhs) = (lhs.shape().clone(), rhs.shape().clone());
        let rule = "leading axes cannot be broadcast together";
        Error::ShapeMismatch { op, rule, lhs, rhs }
    })?;
    let stretch = |array: &Array| {
        let matrix = &array.shape()[array.ndim() - 2..];
        view::stretch_to(
            array,
            shape.iter().chain(matrix).copied().collect::<Shape>(),
        )
    };
    Ok((stretch(lhs)?, stretch(rhs)?))
}

fn drop_vector_axes(product: &Array, a: &Array, b: &Array) -> Result<Array> {
    let mut shape = product.shape().clone();
    let last = shape.ndim() - 1;
    if b.ndim() == 1 {
        shape.remove(last);
    }
    if a.ndim() == 1 {
        shape.remove(last - 1);
    }
    view::reshape_to(product, shape)
}

/// `alpha·(a × b) + beta·c`; `c` broadcasts to the product.
pub fn addmm(c: &Array, a: &Array, b: &Array, alpha: f64, beta: f64) -> Result<Array> {
    shapeless::call(
        || Call::Addmm(alpha.into(), beta.into()),
        &[c, a, b],
        || {
            let dtype = result_type(c.dtype(), product_dtype("addmm", a, b)?);
            if a.ndim() < 2 || b.ndim() < 2 {
                let product = unary::astype(&matmul(a, b)?, dtype)?;
                let scaled = binary::multiply(&product, &unary::scalar_like(&product, alpha)?)?;
                let c = view::broadcast_for("addmm", &unary::astype(c, dtype)?, scaled.shape())?;
                return binary::add(
                    &scaled,
                    &binary::multiply(&c, &unary::scalar_like(&c, beta)?)?,
                );
            }
            let (lhs, rhs) = matrices(
                "addmm",
                &unary::astype(a, dtype)?,
                &unary::astype(b, dtype)?,
            )?;
            let mut shape = lhs.shape().clone();
            let last = shape.ndim() - 1;
            shape[last] = rhs.shape()[last];
            let addend = view::broadcast_for("addmm", &unary::astype(c, dtype)?, &shape)?;
            let op = Contract::Addmm {
                alpha: alpha.into(),
                beta: beta.into(),
            };
            Array::apply(Op::Contract(op), &[&addend, &lhs, &rhs])
        },
    )
}

/// The inner product: the sum over the last axes of both.
pub fn inner(a: &Array, b: &Array) -> Result<Array> {
    shapeless::call(
        || Call::Inner,
        &[a, b],
        || {
            if a.ndim() == 0 || b.ndim() == 0 {
                return binary::multiply(a, b);
            }
            pair_axes("inner", a, b, &[-1], &[-1])
        },
    )
}

/// The outer product of the flat arrays: `a[i]·b[j]`.
pub fn outer(a: &Array, b: &Array) -> Result<Array> {
    shapeless::call(
        || Call::Outer,
        &[a, b],
        || {
            let column = view::reshape_to(a, [a.size(), 1])?;
            let row = view::reshape_to(b, [1, b.size()])?;
            binary::multiply(&column, &row)
        },
    )
}

/// The inner product along an axis: `Σ conj(a)·b`; the other axes broadcast.
///
/// # Errors
/// An axis out of bounds; sizes along it that differ; other axes that do not broadcast.
pub fn vecdot(a: &Array, b: &Array, axis: i64) -> Result<Array> {
    let size = |operand: &Array| -> Result<usize> {
        Ok(operand.shape()[normalize_axis("vecdot", axis, operand.ndim())?])
    };
    if size(a)? != size(b)? {
        return Err(Error::ShapeMismatch {
            op: "vecdot",
            rule: "sizes along the axis differ",
            lhs: a.shape().clone(),
            rhs: b.shape().clone(),
        });
    }
    let products = binary::multiply(&unary::conjugate(a)?, b)?;
    super::reduce::sum(&products, Some(&[axis]), false)
}

/// The sum of products over the last `count` axes of `a` and the first of `b`.
pub fn tensordot(a: &Array, b: &Array, count: usize) -> Result<Array> {
    shapeless::call(
        || Call::Tensordot(count),
        &[a, b],
        || {
            if count > a.ndim() || count > b.ndim() {
                return Err(Error::InvalidArgument {
                    op: "tensordot",
                    argument: "axes",
                    value: count.to_string(),
                    expected: "at most the number of axes of both arrays",
                });
            }
            let left: Vec<i64> = (a.ndim() - count..a.ndim())
                .map(|axis| axis as i64)
                .collect();
            let right: Vec<i64> = (0..count as i64).collect();
            tensordot_axes(a, b, &left, &right)
        },
    )
}

/// The sum of products over axes of `a` paired with axes of `b`.
pub fn tensordot_axes(a: &Array, b: &Array, left: &[i64], right: &[i64]) -> Result<Array> {
    shapeless::call(
        || Call::TensordotAxes(left.to_vec(), right.to_vec()),
        &[a, b],
        || pair_axes("tensordot", a, b, left, right),
    )
}

fn pair_axes(op: &'static str, a: &Array, b: &Array, left: &[i64], right: &[i64]) -> Result<Array> {
    let normal = |axes: &[i64], array: &Array| {
        mlx_oxide_ir::normalize_axes(op, axes, array.ndim())?;
        axes.iter()
            .map(|axis| mlx_oxide_ir::normalize_axis(op, *axis, array.ndim()))
            .collect::<Result<Vec<usize>>>()
    };
    let (left, right) = (normal(left, a)?, normal(right, b)?);
    let sizes_agree = left.len() == right.len()
        && left
            .iter()
            .zip(&right)
            .all(|(l, r)| a.shape()[*l] == b.shape()[*r]);
    if !sizes_agree {
        return Err(Error::ShapeMismatch {
            op,
            rule: "sizes of the paired axes differ",
            lhs: a.shape().clone(),
            rhs: b.shape().clone(),
        });
    }
    let free_left: Vec<usize> = (0..a.ndim()).filter(|axis| !left.contains(axis)).collect();
    let free_right: Vec<usize> = (0..b.ndim()).filter(|axis| !right.contains(axis)).collect();
    let extent = |array: &Array, axes: &[usize]| -> usize {
        axes.iter().map(|axis| array.shape()[*axis]).product()
    };
    let shared = extent(a, &left);
    let lhs = view::permute(a, free_left.iter().chain(&left).copied().collect())?;
    let rhs = view::permute(b, right.iter().chain(&free_right).copied().collect())?;
    let lhs = view::reshape_to(&lhs, [extent(a, &free_left), shared])?;
    let rhs = view::reshape_to(&rhs, [shared, extent(b, &free_right)])?;
    let shape: Shape = free_left
        .iter()
        .map(|axis| a.shape()[*axis])
        .chain(free_right.iter().map(|axis| b.shape()[*axis]))
        .collect();
    view::reshape_to(&matmul(&lhs, &rhs)?, shape)
}

/// The Kronecker product: every element of `a` times all of `b`, in blocks.
///
/// # Errors
/// An empty array.
pub fn kron(a: &Array, b: &Array) -> Result<Array> {
    if a.size() == 0 || b.size() == 0 {
        return Err(Error::ShapeMismatch {
            op: "kron",
            rule: "both arrays must have elements",
            lhs: a.shape().clone(),
            rhs: b.shape().clone(),
        });
    }
    let ndim = a.ndim().max(b.ndim());
    let size = |array: &Array, axis: usize| match (axis + array.ndim()).checked_sub(ndim) {
        Some(own) => array.shape()[own],
        None => 1,
    };
    let outer: Shape = (0..ndim).flat_map(|axis| [size(a, axis), 1]).collect();
    let inner: Shape = (0..ndim).flat_map(|axis| [1, size(b, axis)]).collect();
    let product = binary::multiply(&view::reshape_to(a, outer)?, &view::reshape_to(b, inner)?)?;
    let joined: Shape = (0..ndim)
        .map(|axis| size(a, axis) * size(b, axis))
        .collect();
    view::reshape_to(&product, joined)
}
