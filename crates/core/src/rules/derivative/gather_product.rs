//! Gradients of products of picked matrices.

use crate::array::{Array, Site};
use crate::ops;
use mlx_oxide_ir::{Combine, Contract, Dtype, Op, Result, Scalar};

/// The products' cotangents, added up at the matrices that were picked.
pub(super) fn gather_matmul(site: &Site<'_>, input: usize, cotangent: &Array) -> Result<Array> {
    let own = Matrices::of(&site.inputs[input])?;
    let other = Matrices::of(&site.inputs[1 - input])?;
    let picks = site.inputs[2 + input].size();
    let flat = |array: &Array| ops::reshape_to(array, [picks]);
    let (own_picks, other_picks) = (
        flat(&site.inputs[2 + input])?,
        flat(&site.inputs[3 - input])?,
    );
    let cotangent = Matrices::of(cotangent)?;
    let sums = if picks > own.count && own.elements() > other.elements() {
        let picked = ops::conjugate(&ops::take(&other.array, &other_picks, 0)?)?;
        // either way a sum over rows of outer products
        let (left, right) = match input {
            0 => (
                ops::swapaxes(&cotangent.array, -1, -2)?,
                ops::swapaxes(&picked, -1, -2)?,
            ),
            _ => (picked, cotangent.array),
        };
        in_blocks(&own, &own_picks, &left, &right)?
    } else {
        let adjoint = ops::conjugate(&ops::swapaxes(&other.array, -1, -2)?)?;
        let each = ops::arange(0.0, picks as f64, 1.0, Dtype::Uint32)?;
        let products = match input {
            0 => {
                let op = site.op.clone(); // the right matrices are picked in the same order
                Array::apply(op, &[&cotangent.array, &adjoint, &each, &other_picks])?
            }
            _ => {
                let op = Op::Contract(Contract::GatherMatmul { sorted: false });
                Array::apply(op, &[&adjoint, &cotangent.array, &other_picks, &each])?
            }
        };
        added_up(&own, &own_picks, &products)?
    };
    ops::reshape_to(&sums, site.inputs[input].shape().clone())
}

/// Matrices along one leading axis.
struct Matrices {
    array: Array,
    count: usize,
    rows: usize,
    columns: usize,
}

impl Matrices {
    fn of(array: &Array) -> Result<Self> {
        let leading = array.ndim() - 2;
        let (rows, columns) = (array.shape()[leading], array.shape()[leading + 1]);
        let count = array.shape()[..leading].iter().product();
        Ok(Matrices {
            array: ops::reshape_to(array, [count, rows, columns])?,
            count,
            rows,
            columns,
        })
    }

    fn elements(&self) -> usize {
        self.rows * self.columns
    }
}

/// A matrix for each pick, added up at the matrices that were picked.
fn added_up(own: &Matrices, picks: &Array, products: &Array) -> Result<Array> {
    let updates = ops::reshape_to(products, [picks.size(), 1, own.rows, own.columns])?;
    let zeros = ops::zeros([own.count, own.rows, own.columns], own.array.dtype())?;
    ops::scatter(&zeros, &[picks], &updates, &[0], Combine::Add)
}

/// The same from the factors `(picks, s, rows)` and `(picks, s, columns)`, without a matrix for each
/// pick: picks of one matrix stand together in blocks of equal size, filled up with zeros, and a
/// block is one product. There are at most twice as many blocks as matrices.
fn in_blocks(own: &Matrices, picks: &Array, left: &Array, right: &Array) -> Result<Array> {
    let size = picks.size().div_ceil(own.count.max(1)).max(1);
    let blocks = Blocks::new(picks, own.count, size)?;
    let products = ops::matmul(
        &ops::swapaxes(&blocks.fill(left)?, -1, -2)?,
        &blocks.fill(right)?,
    )?;
    added_up(own, &blocks.owners, &products)
}

struct Blocks {
    count: usize,
    size: usize,
    /// The picks in ascending order.
    order: Array,
    /// The slot of each of them.
    slots: Array,
    /// The matrix that each block belongs to.
    owners: Array,
}

impl Blocks {
    fn new(picks: &Array, matrices: usize, size: usize) -> Result<Self> {
        let picked = picks.size();
        let count = picked / size + matrices;
        let numbers = |count: usize| ops::arange(0.0, count as f64, 1.0, Dtype::Int64);
        let constant =
            |value: usize| Array::from_scalar(Scalar::from_integer(value as i64, Dtype::Int64));
        let picks = ops::astype(picks, Dtype::Int64)?;
        let order = ops::argsort(&picks, Some(0))?;
        let sorted = ops::take(&picks, &order, 0)?;
        let place = |right| {
            let places = ops::searchsorted(&sorted, &numbers(matrices)?, right)?;
            ops::astype(&places, Dtype::Int64)
        };
        let first = place(false)?;
        let picks_of_each = ops::subtract(&place(true)?, &first)?;
        let blocks_of_each = ops::floor_divide(
            &ops::add(&picks_of_each, &constant(size - 1)?)?,
            &constant(size)?,
        )?;
        let ends = ops::cumsum(&blocks_of_each, Some(0), false, true)?;
        let starts = ops::multiply(&ops::subtract(&ends, &blocks_of_each)?, &constant(size)?)?;
        let shift = ops::take(&ops::subtract(&starts, &first)?, &sorted, 0)?;
        // blocks that nothing fills belong to the last matrix
        let owners = ops::searchsorted(&ends, &numbers(count)?, true)?;
        let owners = ops::astype(&owners, Dtype::Int64)?;
        Ok(Blocks {
            count,
            size,
            slots: ops::add(&numbers(picked)?, &shift)?,
            order,
            owners: ops::minimum(&owners, &constant(matrices.saturating_sub(1))?)?,
        })
    }

    /// `(picks, s, n)` as `(blocks, size·s, n)`.
    fn fill(&self, factors: &Array) -> Result<Array> {
        let (rows, columns) = (factors.shape()[1], factors.shape()[2]);
        let zeros = ops::zeros([self.count * self.size, rows, columns], factors.dtype())?;
        let sorted = ops::take(factors, &self.order, 0)?;
        let updates = ops::reshape_to(&sorted, [self.slots.size(), 1, rows, columns])?;
        let filled = ops::scatter(&zeros, &[&self.slots], &updates, &[0], Combine::Replace)?;
        ops::reshape_to(&filled, [self.count, self.size * rows, columns])
    }
}
