//! Differences of neighbours.

use super::{binary, view};
use crate::array::Array;
use mlx_oxide_ir::{Dtype, Result, normalize_axis};

/// `a[i + 1] - a[i]` along an axis, `order` times; of bools whether neighbours differ.
///
/// Each time the axis loses one element, down to none.
pub fn diff(a: &Array, order: usize, axis: i64) -> Result<Array> {
    let axis = normalize_axis("diff", axis, a.ndim())?;
    let size = a.shape()[axis];
    if order >= size {
        return view::slice_axis(a, axis, 0, 0);
    }
    let mut difference = a.clone();
    for _ in 0..order {
        let last = difference.shape()[axis];
        let following = view::slice_axis(&difference, axis, 1, last)?;
        let preceding = view::slice_axis(&difference, axis, 0, last - 1)?;
        difference = match a.dtype() {
            Dtype::Bool => binary::not_equal(&following, &preceding)?,
            _ => binary::subtract(&following, &preceding)?,
        };
    }
    Ok(difference)
}
