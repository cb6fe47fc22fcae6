//! Products of picked, masked and cut matrices, and the Hadamard transform.

use crate::arguments::{ArrayArgument, to_size};
use crate::array::{PyArray, wrap};
use mlx_oxide_core::{Array, ops};

fn array(argument: &Option<ArrayArgument>) -> Option<&Array> {
    argument.as_ref().map(|argument| &argument.0)
}

super::functions! {
    /// Products of the matrices that indices pick.
    gather_mm[a, b, /, lhs_indices = None, rhs_indices = None, *, sorted_indices = false](
        a: ArrayArgument, b: ArrayArgument, lhs_indices: Option<ArrayArgument>,
        rhs_indices: Option<ArrayArgument>, sorted_indices: bool
    ) -> PyArray = wrap(ops::gather_mm(
        &a.0, &b.0, array(&lhs_indices), array(&rhs_indices), sorted_indices,
    ));
    /// The product of matrices with blocks masked out.
    block_masked_mm[a, b, /, block_size = 64, mask_out = None, mask_lhs = None, mask_rhs = None, *](
        a: ArrayArgument, b: ArrayArgument, block_size: i64, mask_out: Option<ArrayArgument>,
        mask_lhs: Option<ArrayArgument>, mask_rhs: Option<ArrayArgument>
    ) -> PyArray = {
        let size = to_size("block_masked_mm", "block_size", block_size)?;
        let masks = ops::BlockMasks {
            output: array(&mask_out),
            lhs: array(&mask_lhs),
            rhs: array(&mask_rhs),
        };
        wrap(ops::block_masked_mm(&a.0, &b.0, size, masks))
    };
    /// The product of matrices for each segment of the inner axis.
    segmented_mm[a, b, /, segments, *](
        a: ArrayArgument, b: ArrayArgument, segments: ArrayArgument
    ) -> PyArray = wrap(ops::segmented_mm(&a.0, &b.0, &segments.0));
    /// The Walsh–Hadamard transform along the last axis.
    hadamard_transform[a, scale = None](a: ArrayArgument, scale: Option<f64>) -> PyArray =
        wrap(ops::hadamard_transform(&a.0, scale));
}
