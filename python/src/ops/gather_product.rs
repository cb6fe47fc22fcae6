//! Products of picked, masked and cut matrices, and the Hadamard transform.

use crate::arguments::{ArrayArgument, to_size};
use crate::array::{PyArray, wrap};
use mlx_oxide_core::{Array, ops};

fn array(argument: &Option<ArrayArgument>) -> Option<&Array> {
    argument.as_ref().map(|argument| &argument.0)
}

super::functions! {
    /// Products of the matrices that indices pick.
    ///
    /// `r[i] = a[lhs_indices[i]] × b[rhs_indices[i]]`, as a mixture of experts needs.
    ///
    /// Args:
    ///     a, b: matrices `(…, m, k)` and `(…, k, n)`.
    ///     lhs_indices, rhs_indices: numbers of matrices in row-major order of the leading axes, which
    ///         broadcast to each other; all in order by default.
    ///     sorted_indices: a promise that `rhs_indices` ascend, which is faster.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit; indices that are no integers.
    ///
    /// Example:
    ///     >>> a, b = mx.ones((3, 1, 4)), mx.ones((5, 4, 2))
    ///     >>> mx.gather_mm(a, b, rhs_indices=mx.array([0, 4, 0])).shape
    ///     (3, 1, 2)
    gather_mm[a, b, /, lhs_indices = None, rhs_indices = None, *, sorted_indices = false](
        a: ArrayArgument, b: ArrayArgument, lhs_indices: Option<ArrayArgument>,
        rhs_indices: Option<ArrayArgument>, sorted_indices: bool
    ) -> PyArray = wrap(ops::gather_mm(
        &a.0, &b.0, array(&lhs_indices), array(&rhs_indices), sorted_indices,
    ));
    /// The product of matrices with blocks masked out.
    ///
    /// Args:
    ///     a, b: matrices `(…, m, k)` and `(…, k, n)`.
    ///     block_size: side of a block, 32 or 64.
    ///     mask_out, mask_lhs, mask_rhs: for each block of the result and of both operands whether it
    ///         counts, or a number to multiply it by.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit; another side.
    ///
    /// Example:
    ///     >>> a = mx.ones((64, 64))
    ///     >>> mx.block_masked_mm(a, a, 32, mx.array([[True, False], [False, True]])).shape
    ///     (64, 64)
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
    ///
    /// Args:
    ///     a, b: matrices `(m, k)` and `(k, n)`.
    ///     segments: pairs `(…, 2)` of where along `k` each segment begins and ends.
    ///
    /// Returns:
    ///     The product over each segment, `(…, m, n)`.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit.
    ///
    /// Example:
    ///     >>> segments = mx.array([[0, 2], [2, 4]])
    ///     >>> mx.segmented_mm(mx.ones((3, 4)), mx.ones((4, 5)), segments).shape
    ///     (2, 3, 5)
    segmented_mm[a, b, /, segments, *](
        a: ArrayArgument, b: ArrayArgument, segments: ArrayArgument
    ) -> PyArray = wrap(ops::segmented_mm(&a.0, &b.0, &segments.0));
    /// The Walsh–Hadamard transform along the last axis.
    ///
    /// `H·a` with the matrix of ±1 whose rows are orthogonal (Sylvester's, times those of 12, 20 or 28).
    ///
    /// Args:
    ///     a: an array whose last size is `m·2ᵏ`, `m` 1, 12, 20 or 28.
    ///     scale: what the result is multiplied by; `1/√n` by default.
    ///
    /// Raises:
    ///     ValueError: another size.
    ///
    /// Example:
    ///     >>> mx.hadamard_transform(mx.array([1.0, 0.0]), 1.0)
    ///     array([1, 1], dtype=float32)
    hadamard_transform[a, scale = None](a: ArrayArgument, scale: Option<f64>) -> PyArray =
        wrap(ops::hadamard_transform(&a.0, scale));
}
