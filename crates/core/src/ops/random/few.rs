//! A few numbers of a key that is known, drawn where they are asked for: the ten nodes of a graph
//! take longer than a hundred numbers. They are those of the graph, to the bit.

use crate::array::Array;
use mlx_oxide_ir::random::words;
use mlx_oxide_ir::{Dtype, Shape};

/// The most numbers that are drawn at once.
const MOST: usize = 128;

/// [`super::bits`] of four bytes.
pub(super) fn bits(shape: &Shape, key: &Array) -> Option<Vec<u32>> {
    let few = shape.iter().try_fold(1usize, |size, &extent| {
        size.checked_mul(extent).filter(|size| *size <= MOST)
    })?;
    let known = key.dtype() == Dtype::Uint32 && **key.shape() == [2] && key.is_known();
    let key: [u32; 2] = known.then(|| key.to_vec().ok())??.try_into().ok()?;
    Some(words(key, few))
}

/// [`super::unit_interval`] in single precision.
fn units(shape: &Shape, key: &Array) -> Option<Vec<f32>> {
    let drawn = bits(shape, key)?;
    let below_one = 1.0f32.next_down();
    let unit = |word: u32| (word as f32 / u32::MAX as f32).min(below_one);
    Some(drawn.into_iter().map(unit).collect())
}

/// Numbers in `[low, low + range)` in single precision.
pub(super) fn uniform(low: f32, range: f32, shape: &Shape, key: &Array) -> Option<Vec<f32>> {
    let units = units(shape, key)?;
    Some(units.into_iter().map(|unit| range * unit + low).collect())
}

/// [`super::root_of_uniform`].
pub(super) fn root_of_uniform(shape: &Shape, key: &Array) -> Option<Vec<f32>> {
    let low = (-1.0f32).next_up();
    let numbers = uniform(low, 1.0 - low, shape, key)?;
    let root = mlx_oxide_ir::erfinv::erfinv;
    Some(numbers.into_iter().map(root).collect())
}

/// Bounds up to here are numbers of single precision too.
const EXACT: i64 = 1 << 24;

/// [`super::randint`] between whole numbers, where single precision has these.
pub(super) fn randint(low: i64, high: i64, shape: &Shape, key: &Array) -> Option<Vec<i32>> {
    if low.abs().max(high.abs()) > EXACT {
        return None;
    }
    let numbers = uniform(low as f32, (high - low) as f32, shape, key)?;
    // rounding may have brought a number onto a bound, and the upper one may be the lesser
    let whole = |number: f32| (number.floor() as i64).min(high - 1).max(low) as i32;
    Some(numbers.into_iter().map(whole).collect())
}
