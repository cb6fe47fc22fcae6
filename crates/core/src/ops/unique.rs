//! Distinct elements.

use super::{binary, compare, create, index, join, scan, sort, unary, view};
use crate::array::Array;
use mlx_oxide_ir::{Combine, Dtype, Error, Result};

/// What [`unique`] finds.
pub struct Unique {
    /// The distinct elements in ascending order, then the fill value.
    pub values: Array,
    /// For each value the `uint32` place of its first occurrence in the flat array.
    pub index: Array,
    /// For each element of the array the `uint32` place of its value, in the array's shape.
    pub inverse: Array,
    /// For each value the `int32` number of its occurrences, zero for the fill.
    pub counts: Array,
}

/// The distinct elements of the flat array, cut or filled up to `size`; NaN differs from NaN.
///
/// The fill is `fill`, or the least element. Shapes do not depend on values, so this works under
/// every transform. Without a size it is the number of distinct elements, which is read now.
///
/// # Errors
/// A fill of more than one element; none for an empty array; without a size, under vmap, compile
/// or export.
pub fn unique(a: &Array, size: Option<usize>, fill: Option<&Array>) -> Result<Unique> {
    if let Some(fill) = fill.filter(|fill| fill.size() != 1) {
        return Err(Error::ShapeUnsuitable {
            op: "unique",
            rule: "the fill value must have one element",
            shape: fill.shape().clone(),
        });
    }
    if a.size() == 0 {
        return of_nothing(a, size.unwrap_or(0), fill);
    }
    let flat = view::reshape_to(a, [a.size()])?;
    let order = sort::argsort(&flat, Some(0))?;
    let sorted = index::take(&flat, &order, 0)?;
    let groups = number_groups(&sorted)?;
    let last = view::slice_axis(&groups, 0, a.size() - 1, a.size())?;
    let size = match size {
        Some(size) => size,
        None => last.item::<i32>()? as usize + 1,
    };
    let starts = group_starts(&groups, size)?;
    let begins = view::slice_axis(&starts, 0, 0, size)?;
    let ends = view::slice_axis(&starts, 0, 1, size + 1)?;
    let counts = unary::astype(&binary::subtract(&ends, &begins)?, Dtype::Int32)?;
    let least = |array: &Array| view::slice_axis(array, 0, 0, 1);
    let slots = create::arange(0.0, size as f64, 1.0, Dtype::Int32)?;
    let found = binary::less_equal(&slots, &last)?;
    let end = unary::scalar_like(&begins, (a.size() - 1) as f64)?;
    let begins = binary::minimum(&begins, &end)?;
    let fill = match fill {
        Some(fill) => view::reshape_to(&unary::astype(fill, a.dtype())?, [1])?,
        None => least(&sorted)?,
    };
    Ok(Unique {
        values: compare::select(&found, &index::take(&sorted, &begins, 0)?, &fill)?,
        index: compare::select(&found, &index::take(&order, &begins, 0)?, &least(&order)?)?,
        inverse: inverse(a, &order, &groups, size)?,
        counts,
    })
}

/// For each sorted element the `int32` number of the group of equal ones that it is in.
fn number_groups(sorted: &Array) -> Result<Array> {
    let size = sorted.size();
    let following = view::slice_axis(sorted, 0, 1, size)?;
    let preceding = view::slice_axis(sorted, 0, 0, size - 1)?;
    let steps = unary::astype(&binary::not_equal(&following, &preceding)?, Dtype::Int32)?;
    let first = create::zeros([1], Dtype::Int32)?;
    scan::cumsum(
        &join::concatenate(&[&first, &steps], 0)?,
        Some(0),
        false,
        true,
    )
}

/// Where each of the first `size` groups, and the one after them, begins; past the last group
/// the number of elements.
fn group_starts(groups: &Array, size: usize) -> Result<Array> {
    let numbers = create::arange(0.0, size as f64 + 1.0, 1.0, Dtype::Int32)?;
    sort::searchsorted(groups, &numbers, false)
}

/// The groups' numbers, at most `size - 1`, in the elements' own order.
fn inverse(a: &Array, order: &Array, groups: &Array, size: usize) -> Result<Array> {
    let limit = unary::scalar_like(groups, size.saturating_sub(1) as f64)?;
    let numbers = unary::astype(&binary::minimum(groups, &limit)?, Dtype::Uint32)?;
    let blank = create::zeros([a.size()], Dtype::Uint32)?;
    let placed = index::put_along_axis(&blank, order, &numbers, 0, Combine::Replace)?;
    view::reshape_to(&placed, a.shape().clone())
}

fn of_nothing(a: &Array, size: usize, fill: Option<&Array>) -> Result<Unique> {
    let values = match fill {
        Some(fill) => create::full([size], &view::reshape_to(fill, [1])?, a.dtype())?,
        None if size == 0 => create::zeros([0], a.dtype())?,
        None => {
            return Err(Error::InvalidArgument {
                op: "unique",
                argument: "fill_value",
                value: "absent".to_owned(),
                expected: "a value, since the array is empty and the size is not zero",
            });
        }
    };
    Ok(Unique {
        values,
        index: create::zeros([size], Dtype::Uint32)?,
        inverse: create::zeros(a.shape().clone(), Dtype::Uint32)?,
        counts: create::zeros([size], Dtype::Int32)?,
    })
}
