//! Coordinate grids and axes added in front and behind.

use super::view;
use crate::array::Array;
use mlx_oxide_ir::{Result, Shape};

/// Which axes the first two arrays of [`meshgrid`] run along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// Cartesian: the first along the second axis, the second along the first.
    Cartesian,
    /// Matrix: each along the axis of its number.
    Matrix,
}

/// Grids of coordinates: array `i` is vector `i` along an axis of its own, stretched over the
/// axes of the others, or with size 1 there if `sparse`.
pub fn meshgrid(vectors: &[&Array], sparse: bool, indexing: Indexing) -> Result<Vec<Array>> {
    let count = vectors.len();
    let axis_of = |number: usize| match (indexing, number) {
        (Indexing::Cartesian, 0) if count > 1 => 1,
        (Indexing::Cartesian, 1) => 0,
        _ => number,
    };
    let mut full: Shape = vec![1; count].into();
    for (number, vector) in vectors.iter().enumerate() {
        full[axis_of(number)] = vector.size();
    }
    vectors
        .iter()
        .enumerate()
        .map(|(number, vector)| {
            let ones: Shape = vec![1; count].into();
            let thin = view::reshape_to(vector, ones.with(axis_of(number), vector.size()))?;
            if sparse {
                Ok(thin)
            } else {
                view::stretch_to(&thin, full.clone())
            }
        })
        .collect()
}

/// The array with at least one axis.
pub fn atleast_1d(a: &Array) -> Result<Array> {
    match a.ndim() {
        0 => view::reshape_to(a, [1]),
        _ => Ok(a.clone()),
    }
}

/// The array with at least two axes; a vector becomes a row.
pub fn atleast_2d(a: &Array) -> Result<Array> {
    match a.ndim() {
        0 | 1 => view::reshape_to(a, [1, a.size()]),
        _ => Ok(a.clone()),
    }
}

/// The array with at least three axes; a vector becomes `(1, n, 1)`, a matrix `(m, n, 1)`.
pub fn atleast_3d(a: &Array) -> Result<Array> {
    match a.ndim() {
        0 | 1 => view::reshape_to(a, [1, a.size(), 1]),
        2 => view::expand_dims(a, &[2]),
        _ => Ok(a.clone()),
    }
}
