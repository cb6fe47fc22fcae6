//! Products of picked, masked and cut matrices.

use super::{binary, compare, contract, create, join, unary, view};
use crate::array::Array;
use mlx_oxide_ir::layout::broadcast_shapes;
use mlx_oxide_ir::{Contract, Dtype, Error, Op, Result, Shape, result_type};

/// Products of the matrices that `lhs_indices` picks from `a` and `rhs_indices` from `b`,
/// counted in row-major order over all axes but the last two. Absent indices take every matrix
/// once; the shapes of the indices broadcast. A vector counts as a matrix of one row or column.
///
/// # Errors
/// Inner sizes that differ; indices that are no integers; dtypes that are not real and floating;
/// at evaluation, an index out of bounds.
pub fn gather_mm(
    a: &Array,
    b: &Array,
    lhs_indices: Option<&Array>,
    rhs_indices: Option<&Array>,
    sorted: bool,
) -> Result<Array> {
    if lhs_indices.is_none() && rhs_indices.is_none() {
        return contract::matmul(a, b);
    }
    let (lhs, rhs) = operands("gather_mm", a, b)?;
    let left = picks(&lhs, lhs_indices)?;
    let right = picks(&rhs, rhs_indices)?;
    let shape = broadcast_shapes("gather_mm", left.shape(), right.shape())?;
    let left = view::stretch_to(&left, shape.clone())?;
    let right = view::stretch_to(&right, shape)?;
    let op = Contract::GatherMatmul {
        sorted: sorted && (lhs_indices.is_none() || rhs_indices.is_none()),
    };
    let product = Array::apply(Op::Contract(op), &[&lhs, &rhs, &left, &right])?;
    drop_vector_axes(&product, a, b)
}

/// Both as matrices of one real floating dtype whose inner sizes agree.
fn operands(op: &'static str, a: &Array, b: &Array) -> Result<(Array, Array)> {
    let dtype = result_type(a.dtype(), b.dtype());
    if !dtype.is_floating() {
        return Err(Error::DtypeUnsupported {
            op,
            dtype,
            expected: "a real floating dtype",
        });
    }
    let mismatch = |rule| Error::ShapeMismatch {
        op,
        rule,
        lhs: a.shape().clone(),
        rhs: b.shape().clone(),
    };
    if a.ndim() == 0 || b.ndim() == 0 {
        return Err(mismatch("a scalar is no matrix"));
    }
    let matrix = |array: &Array, axis: i64| match array.ndim() {
        1 => view::expand_dims(array, &[axis]),
        _ => Ok(array.clone()),
    };
    let lhs = unary::astype(&matrix(a, 0)?, dtype)?;
    let rhs = unary::astype(&matrix(b, 1)?, dtype)?;
    if lhs.shape()[lhs.ndim() - 1] != rhs.shape()[rhs.ndim() - 2] {
        return Err(mismatch("inner sizes differ"));
    }
    Ok((lhs, rhs))
}

/// The indices as `uint32`, or the number of every matrix.
fn picks(matrices: &Array, indices: Option<&Array>) -> Result<Array> {
    let Some(indices) = indices else {
        let leading: Shape = matrices.shape()[..matrices.ndim() - 2].into();
        let numbers = create::arange(0.0, leading.size() as f64, 1.0, Dtype::Uint32)?;
        return view::reshape_to(&numbers, leading);
    };
    if !indices.dtype().is_integer() {
        return Err(Error::DtypeUnsupported {
            op: "gather_mm",
            dtype: indices.dtype(),
            expected: "integer indices",
        });
    }
    unary::astype(indices, Dtype::Uint32)
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

/// Masks of square blocks; each has one element a block and broadcasts over leading axes.
#[derive(Clone, Copy, Default)]
pub struct BlockMasks<'a> {
    /// Of the result.
    pub output: Option<&'a Array>,
    /// Of the left operand.
    pub lhs: Option<&'a Array>,
    /// Of the right operand.
    pub rhs: Option<&'a Array>,
}

/// The product of matrices with blocks left out (a bool mask) or scaled (any other mask).
///
/// # Errors
/// A block size of zero; masks that do not fit the number of blocks; see [`contract::matmul`].
pub fn block_masked_mm(
    a: &Array,
    b: &Array,
    block_size: usize,
    masks: BlockMasks<'_>,
) -> Result<Array> {
    if masks.output.is_none() && masks.lhs.is_none() && masks.rhs.is_none() {
        return contract::matmul(a, b);
    }
    if block_size == 0 {
        return Err(Error::InvalidArgument {
            op: "block_masked_mm",
            argument: "block_size",
            value: "0".to_owned(),
            expected: "a positive size",
        });
    }
    let (lhs, rhs) = operands("block_masked_mm", a, b)?;
    let lhs = mask_blocks(&lhs, masks.lhs, block_size)?;
    let rhs = mask_blocks(&rhs, masks.rhs, block_size)?;
    let product = contract::matmul(&lhs, &rhs)?;
    drop_vector_axes(&mask_blocks(&product, masks.output, block_size)?, a, b)
}

fn mask_blocks(matrices: &Array, mask: Option<&Array>, block_size: usize) -> Result<Array> {
    let Some(mask) = mask else {
        return Ok(matrices.clone());
    };
    let leading = matrices.ndim() - 2;
    let (rows, columns) = (matrices.shape()[leading], matrices.shape()[leading + 1]);
    let (down, across) = (rows.div_ceil(block_size), columns.div_ceil(block_size));
    let mut blocks: Shape = matrices.shape()[..leading].into();
    blocks.push(down);
    blocks.push(across);
    let mut apart: Shape = matrices.shape()[..leading].into();
    [down, 1, across, 1]
        .iter()
        .for_each(|&size| apart.push(size));
    let mask = view::reshape_to(&view::stretch_to(mask, blocks)?, apart.clone())?;
    let spread = apart
        .with(leading + 1, block_size)
        .with(leading + 3, block_size);
    let mut whole: Shape = matrices.shape()[..leading].into();
    whole.push(down * block_size);
    whole.push(across * block_size);
    let mask = view::reshape_to(&view::stretch_to(&mask, spread)?, whole)?;
    let mask = view::slice_axis(&mask, leading, 0, rows)?;
    let mask = view::slice_axis(&mask, leading + 1, 0, columns)?;
    if mask.dtype() == Dtype::Bool {
        // what is left out may be NaN, so it is not multiplied by zero
        return compare::select(&mask, matrices, &unary::scalar_like(matrices, 0.0)?);
    }
    binary::multiply(matrices, &unary::astype(&mask, matrices.dtype())?)
}

/// For each pair `(start, end)` of the last axis of `segments` the product of the columns
/// `start..end` of the matrix `a` with the same rows of `b`: `(…, m, n)`.
///
/// # Errors
/// Operands that are no matrices; segments that are no pairs of integers.
pub fn segmented_mm(a: &Array, b: &Array, segments: &Array) -> Result<Array> {
    const OP: &str = "segmented_mm";
    if a.ndim() != 2 || b.ndim() != 2 {
        return Err(Error::ShapeMismatch {
            op: OP,
            rule: "both operands must be matrices",
            lhs: a.shape().clone(),
            rhs: b.shape().clone(),
        });
    }
    if !segments.dtype().is_integer() {
        return Err(Error::DtypeUnsupported {
            op: OP,
            dtype: segments.dtype(),
            expected: "integer segments",
        });
    }
    if segments.shape().last() != Some(&2) {
        return Err(Error::ShapeUnsuitable {
            op: OP,
            rule: "the segments must be pairs along the last axis",
            shape: segments.shape().clone(),
        });
    }
    let (lhs, rhs) = operands(OP, a, b)?;
    let count = segments.size() / 2;
    let pairs = view::reshape_to(&unary::astype(segments, Dtype::Int64)?, [count, 2])?;
    let products = if segments.is_traced() || count == 0 {
        masked_segments(&lhs, &rhs, &pairs)?
    } else {
        cut_segments(&lhs, &rhs, &pairs.to_vec::<i64>()?)?
    };
    let mut shape: Shape = segments.shape()[..segments.ndim() - 1].into();
    shape.push(lhs.shape()[0]);
    shape.push(rhs.shape()[1]);
    view::reshape_to(&products, shape)
}

/// Segments whose bounds are known: as much work as one product of the whole.
fn cut_segments(lhs: &Array, rhs: &Array, bounds: &[i64]) -> Result<Array> {
    let inner = lhs.shape()[1];
    let inside = |bound: i64| bound.clamp(0, inner as i64) as usize;
    let products: Vec<Array> = bounds
        .chunks_exact(2)
        .map(|pair| {
            let (start, end) = (inside(pair[0]), inside(pair[1]));
            let columns = view::slice_axis(lhs, 1, start, end.max(start))?;
            let rows = view::slice_axis(rhs, 0, start, end.max(start))?;
            contract::matmul(&columns, &rows)
        })
        .collect::<Result<_>>()?;
    join::stack(&products.iter().collect::<Vec<_>>(), 0)
}

/// Segments under a transform, whose bounds have no value yet: the others' columns are zeroed.
fn masked_segments(lhs: &Array, rhs: &Array, pairs: &Array) -> Result<Array> {
    let count = pairs.shape()[0];
    let places = create::arange(0.0, lhs.shape()[1] as f64, 1.0, Dtype::Int64)?;
    let bound = |side| view::slice_axis(pairs, 1, side, side + 1);
    let from = binary::greater_equal(&places, &bound(0)?)?;
    let until = binary::less(&places, &bound(1)?)?;
    let mask = binary::logical_and(&from, &until)?;
    let mask = view::reshape_to(&mask, [count, 1, lhs.shape()[1]])?;
    let zero = unary::scalar_like(lhs, 0.0)?;
    contract::matmul(&compare::select(&mask, lhs, &zero)?, rhs)
}
