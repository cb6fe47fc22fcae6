//! Which elements are among others.

use super::{binary, create, index, reduce, sort, unary, view};
use crate::array::Array;
use mlx_oxide_ir::{Dtype, Result, result_type};

/// Whether each element equals any of `candidates`, whose shape does not matter; NaN equals
/// nothing. With `invert` whether it equals none.
///
/// Operands promote to one dtype; `bool` of the elements' shape. No gradient. Real numbers are
/// looked up among the sorted candidates, complex ones compared with each.
pub fn isin(elements: &Array, candidates: &Array, invert: bool) -> Result<Array> {
    let dtype = result_type(elements.dtype(), candidates.dtype());
    let elements = unary::astype(elements, dtype)?;
    let candidates = view::reshape_to(&unary::astype(candidates, dtype)?, [candidates.size()])?;
    let found = if candidates.size() == 0 {
        create::zeros(elements.shape().clone(), Dtype::Bool)?
    } else if dtype.is_complex() {
        let equal = binary::equal(&view::expand_dims(&elements, &[-1])?, &candidates)?;
        reduce::any(&equal, Some(&[-1]), false)?
    } else {
        is_in_sorted(&elements, &sort::sort(&candidates, Some(0))?)?
    };
    if invert {
        return unary::logical_not(&found);
    }
    Ok(found)
}

fn is_in_sorted(elements: &Array, sorted: &Array) -> Result<Array> {
    let places = sort::searchsorted(sorted, elements, false)?;
    let last = unary::scalar_like(&places, (sorted.size() - 1) as f64)?;
    let nearest = index::take(sorted, &binary::minimum(&places, &last)?, 0)?;
    binary::equal(elements, &nearest)
}
